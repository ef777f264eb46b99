using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using YamlDotNet.RepresentationModel;

namespace Vitrine.Cli.Tests;

/// <summary>The files in <c>deploy/kafka</c>, as far as they can be tried without containers.</summary>
public sealed class KafkaDeploymentTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-kafka-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("compose.yaml", "9092", "PLAINTEXT")]
    [InlineData("compose.secure.yaml", "9094", "SASL_SSL")]
    public void Compose_OneBrokerThatClientsReachWhereItSaysThatItIs(string name, string port, string spoken)
    {
        YamlStream yaml = new();
        using StreamReader reader = new(Path.Combine(Folder(), name));
        yaml.Load(reader);
        YamlNode kafka = yaml.Documents[0].RootNode["services"]["kafka"];
        Assert.Matches(@"^apache/kafka:\d+\.\d+\.\d+$", kafka["image"].ToString());
        Assert.Equal($"${{KAFKA_BIND:-127.0.0.1}}:{port}:{port}", Assert.Single((YamlSequenceNode)kafka["ports"]).ToString());

        Dictionary<string, string> settings = ((YamlMappingNode)kafka["environment"]).ToDictionary(
            pair => pair.Key.ToString()["KAFKA_".Length..].Replace("___", "-", StringComparison.Ordinal).Replace('_', '.').ToLowerInvariant(), pair => pair.Value.ToString());
        Assert.Contains($"CLIENTS://:{port}", settings["listeners"].Split(','));
        Assert.Contains($"CLIENTS://${{KAFKA_HOST:-localhost}}:{port}", settings["advertised.listeners"].Split(','));
        string[] protocols = settings["listener.security.protocol.map"].Split(',');
        Assert.Contains($"CLIENTS:{spoken}", protocols);
        Assert.Equal(settings["listeners"].Split(',').Select(listener => listener.Split("://")[0]).Order(), protocols.Select(pair => pair.Split(':')[0]).Order());
        Assert.Contains($"{settings["inter.broker.listener.name"]}://", settings["advertised.listeners"], StringComparison.Ordinal);
        foreach (string key in (string[])["node.id", "process.roles", "controller.quorum.voters", "controller.listener.names", "log.dirs"])
        {
            Assert.NotEmpty(settings[key]); // the image has none of them when others are given
        }

        foreach (string key in (string[])["offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr", "default.replication.factor", "min.insync.replicas"])
        {
            Assert.Equal("1", settings[key]);
        }

        Assert.Contains(settings["log.dirs"], ((YamlSequenceNode)kafka["volumes"]).Select(volume => volume.ToString().Split(':')[1]));
        if (spoken == "SASL_SSL")
        {
            string mechanism = settings["sasl.enabled.mechanisms"];
            Assert.Equal("org.apache.kafka.common.security.scram.ScramLoginModule required;", settings[$"listener.name.clients.{mechanism.ToLowerInvariant()}.sasl.jaas.config"]);
            Assert.Equal(("false", "PEM"), (settings["allow.everyone.if.no.acl.found"], settings["ssl.keystore.type"]));
            Assert.All(settings["listeners"].Split(',').Where(listener => !listener.StartsWith("CLIENTS", StringComparison.Ordinal)), listener => Assert.Contains("://127.0.0.1:", listener, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("kafka-1.example.org")]
    [InlineData("192.0.2.7")]
    public void Certificates_OfTheAuthorityAndForTheName(string host)
    {
        Run("certificates.sh", host, _folder);
        using X509Certificate2 authority = X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(_folder, "authority.pem")));
        string pem = File.ReadAllText(Path.Combine(_folder, "broker.pem"));
        using X509Certificate2 broker = X509Certificate2.CreateFromPem(pem, pem);
        Assert.True(broker.HasPrivateKey);
        Assert.True(broker.MatchesHostname(host) && broker.MatchesHostname("localhost"));
        using X509Chain chain = new() { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        Assert.True(chain.Build(broker), string.Join("; ", chain.ChainStatus.Select(status => status.StatusInformation)));

        Run("certificates.sh", host, _folder);
        Assert.Equal(pem, File.ReadAllText(Path.Combine(_folder, "broker.pem"))); // what is there is kept
    }

    [Fact]
    public void User_WithoutAPassword_IsRefused()
    {
        (int exitCode, string error) = TryRun("user.sh", "localhost", "");
        Assert.NotEqual(0, exitCode);
        Assert.Contains("VITRINE_KAFKA_PASSWORD: Write one into", error, StringComparison.Ordinal);
    }

    private static string Folder()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Vitrine.slnx")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder?.FullName ?? throw new InvalidOperationException("This is not the repository."), "deploy", "kafka");
    }

    private static void Run(string script, string host, string argument)
    {
        (int exitCode, string error) = TryRun(script, host, argument);
        Assert.True(exitCode == 0, error);
    }

    // A copy, beside which nobody's own settings are.
    private static (int ExitCode, string Error) TryRun(string script, string host, string argument)
    {
        string folder = Directory.CreateTempSubdirectory("vitrine-kafka-").FullName;
        try
        {
            string copy = Path.Combine(folder, script);
            File.Copy(Path.Combine(Folder(), script), copy);
            ProcessStartInfo start = new("sh", [copy, argument]) { RedirectStandardError = true, RedirectStandardOutput = true };
            start.Environment["KAFKA_HOST"] = host;
            start.Environment.Remove("VITRINE_KAFKA_PASSWORD");
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, error + output.Result);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
