using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Cli.Settings;
using Vitrine.Events.Kafka;
using Vitrine.Events.Kafka.Doctor;

namespace Vitrine.Cli.Tests.Settings;

[UnsupportedOSPlatform("windows")]
public sealed class KafkaSettingsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-kafka-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void NothingGiven_NoKafka() => Assert.Null(Make([], []).Options);

    [Fact]
    public void NamesThatTheDoctorWrites_AreSettings()
    {
        string[] names = [.. typeof(KafkaSettingNames).GetFields().Select(field => (string)field.GetRawConstantValue()!).Where(name => name != KafkaSettingNames.FileName)];
        Assert.True(names.Length > 10);
        Assert.Subset(Setting.All().Select(setting => setting.Name).ToHashSet(), names.ToHashSet());
    }

    [Fact]
    public void BootstrapAlone_DefaultsOfTheLibrary() =>
        Assert.Equal(new KafkaOptions { Bootstrap = "kafka-1:9092" }, Make(["--events.kafka.bootstrap", "kafka-1:9092"], []).Options);

    // A host that keeps no events may have the same file as those that do.
    [Fact]
    public void EventsOff_BrokersBesideItAreNoError() =>
        Assert.Null(Make(["--events", "off"], [], Write("vitrine.yaml", "events.kafka.bootstrap: kafka-1:9092\n")).Error);

    [Fact]
    public void FlagsVariablesYamlAndJson_GiveTheSame()
    {
        string key = Write("key.pem", "key\n"), ca = Certificate("ca.pem"), saslPassword = Write("sasl", "hunter2\n"), registryPassword = Write("registry", "hunter3");
        (string Name, string Value)[] given =
        [
            ("bootstrap", "kafka-1:9092, [::1]:9093"), ("topic-prefix", ""), ("make-topics", "off"), ("partitions", "12"), ("replication", "3"),
            ("compression", "zstd"), ("linger-ms", "0"), ("delivery-timeout", "60"), ("session-timeout", "45"), ("client-id", "office"),
            ("tls", "on"), ("tls-ca", ca), ("tls-cert", ca), ("tls-key", key), ("tls-key-password-file", saslPassword),
            ("sasl", "scram-sha-512"), ("sasl-user", "vitrine"), ("sasl-password-file", saslPassword),
            ("registry", "https://registry.example/schemas"), ("registry-user", "reader"), ("registry-password-file", registryPassword), ("registry-ca", ca),
        ];
        (string, string)[] noPasswordsInPlace = [("tls-key-password", ""), ("sasl-password", ""), ("registry-password", "")];
        Assert.Equal(Setting.Some("events.kafka").Count, given.Length + noPasswordsInPlace.Length); // none is forgotten here

        string flat = string.Concat(given.Select(entry => $"events.kafka.{entry.Name}: '{entry.Value}'\n"));
        string nested = "events:\n  kafka:\n" + string.Concat(given.Select(entry => $"    {entry.Name}: \"{entry.Value}\"\n"));
        string json = "{\"events\":{\"kafka\":{" + string.Join(",\n", given.Select(entry => $"\"{entry.Name}\":\"{entry.Value}\"")) + "}}}";
        // An empty variable is an unset one.
        Dictionary<string, string> variables = given.ToDictionary(entry => "VITRINE_EVENTS_KAFKA_" + entry.Name.ToUpperInvariant().Replace('-', '_'), entry => entry.Value);
        (KafkaOptions? Options, SettingError? Error)[] all =
        [
            Make([.. given.SelectMany(entry => new[] { "--events.kafka." + entry.Name, entry.Value })], []),
            Make(["--events.kafka.topic-prefix", ""], variables),
            Make([], [], Write("flat.yaml", flat)),
            Make([], [], Write("nested.yaml", nested)),
            Make([], [], Write("nested.json", json)),
        ];
        KafkaOptions wanted = new()
        {
            Bootstrap = "kafka-1:9092,[::1]:9093",
            TopicPrefix = "",
            MakesTopics = false,
            Partitions = 12,
            Replication = 3,
            Compression = KafkaCompression.Zstd,
            Linger = TimeSpan.Zero,
            DeliveryTimeout = TimeSpan.FromSeconds(60),
            SessionTimeout = TimeSpan.FromSeconds(45),
            ClientId = "office",
            Tls = new() { AuthoritiesFile = ca, CertificateFile = ca, KeyFile = key, KeyPassword = "hunter2" },
            Sasl = new(KafkaSaslMechanism.ScramSha512, "vitrine", "hunter2"),
        };
        Assert.All(all, made =>
        {
            Assert.Null(made.Error);
            Assert.Equal(wanted, made.Options! with { Registry = null });
            Assert.Equal(new Uri("https://registry.example/schemas"), made.Options.Registry!.Address);
            Assert.Equal(("reader", "hunter3"), (made.Options.Registry.Credentials!.UserName, made.Options.Registry.Credentials.Password));
            Assert.Single(made.Options.Registry.TrustedAuthorities);
        });
    }

    [Fact]
    public void PasswordsInPlace_AreTaken()
    {
        string yaml = Write("a.yaml", "events.kafka:\n  bootstrap: localhost:9092\n  sasl: plain\n  sasl-user: a\n  sasl-password: ' hunter2 '\n  registry: http://127.0.0.1:8081\n  registry-user: b\n");
        KafkaOptions options = Make([], new() { ["VITRINE_EVENTS_KAFKA_REGISTRY_PASSWORD"] = "hunter3" }, yaml).Options!;
        Assert.Equal(new KafkaSasl(KafkaSaslMechanism.Plain, "a", " hunter2 "), options.Sasl);
        Assert.Equal("hunter3", options.Registry!.Credentials!.Password);
    }

    [Theory]
    [InlineData("localhost:9092", true)]
    [InlineData("127.0.0.1:9092,[::1]:9092", true)]
    [InlineData("127.0.0.1:9092,kafka-1:9092", false)]
    [InlineData("localhost.example:9092", false)]
    public void PlainWithoutTls_OnlyToThisMachine(string bootstrap, bool isAllowed)
    {
        SettingError? error = Make(["--events.kafka.bootstrap", bootstrap, "--events.kafka.sasl", "plain", "--events.kafka.sasl-user", "a", "--events.kafka.sasl-password-file", Write("a", "b")], []).Error;
        Assert.Equal(isAllowed, error is null);
        Assert.True(isAllowed || error!.Origin.Contains("everybody on the way", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("kafka-1:9092", true)]
    [InlineData("kafka_1.internal:1,10.0.0.1:65535,[fe80::1]:9092", true)]
    [InlineData("", false)]
    [InlineData("kafka-1:9092,", false)]
    [InlineData(":9092", false)]
    [InlineData("kafka-1:0", false)]
    [InlineData("kafka-1:+1", false)]
    [InlineData("::1:9092", false)]
    [InlineData("[kafka-1]:9092", false)]
    [InlineData("PLAINTEXT://kafka-1:9092", false)]
    [InlineData("kafka 1:9092", false)]
    public void Brokers_AreHostsWithPorts(string text, bool isAllowed) => Assert.Equal(isAllowed, Setting.TryParseBrokers(text, out _));

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("\n", "is empty")]
    [InlineData("hunter2\nhunter3\n", "holds no password")]
    [InlineData("hunter2\0", "holds no password")]
    public void PasswordFileWithoutPassword_IsAnErrorThatDoesNotShowIt(string text, string what)
    {
        string file = Write("password", text);
        SettingError error = Make(["--events.kafka.bootstrap", "kafka-1:9092", "--events.kafka.sasl", "scram-sha-256", "--events.kafka.sasl-user", "a", "--events.kafka.sasl-password-file", file], []).Error!;
        Assert.Contains($"{file} {what}.", error.What, StringComparison.Ordinal);
        Assert.Contains("--events.kafka.sasl-password-file", error.Origin, StringComparison.Ordinal);
        Assert.Contains("one line", error.Mend, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void LongPassword_IsReadToItsLimit()
    {
        string longest = new('a', KafkaSettings.PasswordCharactersMax);
        Assert.Equal(longest, WithPasswordFile(longest + "\r\n").Options!.Sasl!.Password);
        Assert.Contains("holds no password", WithPasswordFile(longest + "a").Error!.What, StringComparison.Ordinal);
        Assert.Contains("holds no password", WithPasswordFile(longest + "aaaa").Error!.What, StringComparison.Ordinal);

        (KafkaOptions? Options, SettingError? Error) WithPasswordFile(string text) =>
            Make(["--events.kafka.bootstrap", "kafka-1:9092", "--events.kafka.sasl", "scram-sha-256", "--events.kafka.sasl-user", "a", "--events.kafka.sasl-password-file", Write("long", text)], []);
    }

    [Theory]
    [InlineData("tls-ca", "nothing of the kind")]
    [InlineData("tls-ca", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    [InlineData("registry-ca", "")]
    public void FileWithoutCertificate_IsAnErrorWithItsOrigin(string name, string text)
    {
        string file = Write("a.pem", text);
        SettingError error = Make(["--events.kafka.bootstrap", "kafka-1:9092", "--events.kafka.tls", "on", "--events.kafka.registry", "https://registry.example", "--events.kafka." + name, file], []).Error!;
        Assert.Equal($"{file} holds no certificate.", error.What);
        Assert.Contains($"--events.kafka.{name}", error.Origin, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesWithSecretsThatOthersRead_AreTold()
    {
        string password = Write("password", "hunter2");
        string yaml = Write("a.yaml", $"events.kafka:\n  bootstrap: kafka-1:9092\n  registry: https://registry.example\n  registry-user: a\n  registry-password: hunter3\n  sasl: scram-sha-256\n  sasl-user: a\n  sasl-password-file: {password}\n");
        string link = Path.Combine(_folder.FullName, "link.yaml");
        File.CreateSymbolicLink(link, yaml);
        File.SetUnixFileMode(password, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        File.SetUnixFileMode(yaml, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Empty(Exposed());
        File.SetUnixFileMode(password, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.Equal([password], Exposed());
        File.SetUnixFileMode(yaml, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.Equal([password, link], Exposed());

        IEnumerable<string> Exposed() =>
            SettingLayers.FindExposed(Setting.All(), GivenSettings.Read(link, [], []).Settings!).Select(error => error.Mend.Split(' ')[^1]);
    }

    [Fact]
    public void Passwords_HaveNoFlag()
    {
        IReadOnlyList<Setting> all = Setting.Some("events.kafka");
        Assert.Equal(["events.kafka.tls-key-password", "events.kafka.sasl-password", "events.kafka.registry-password"], all.Where(setting => setting.Option is null).Select(setting => setting.Name));
        Assert.All(all, setting => Assert.Equal(setting.Option is null, setting.IsSecret));
    }

    [Fact]
    public void Document_HasEverySetting()
    {
        string[] lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "EVENTS.md"));
        Assert.All(Setting.Some("events.kafka"), setting =>
        {
            string row = $"| `{setting.Name[KafkaSettings.Section.Length..]}` | {setting.Allowed} | {setting.Default} | {setting.Description} |".Replace("|  |", "| |", StringComparison.Ordinal);
            Assert.Contains(row, lines);
        });
    }

    private static (KafkaOptions? Options, SettingError? Error) Make(string[] flags, Dictionary<string, string> variables, string? file = null)
    {
        (ShareSettings? settings, SettingError? error) = GivenSettings.Read(file, flags, variables);
        KafkaOptions? options = null;
        error ??= KafkaSettings.TryMakeOptions(settings!, out options);
        return (options, error);
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private string Certificate(string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 certificate = new CertificateRequest("CN=Kafka", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1));
        return Write(name, certificate.ExportCertificatePem());
    }
}
