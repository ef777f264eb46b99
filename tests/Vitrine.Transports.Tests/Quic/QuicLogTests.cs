using System.Text.Json;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Grpc;

namespace Vitrine.Transports.Tests.Quic;

public class QuicLogTests
{
    [QuicFact]
    public async Task Qlog_OneFileASide_ThatSaysWhatWasSent()
    {
        string folder = Directory.CreateTempSubdirectory("vitrine-qlog").FullName;
        try
        {
            await using (QuicPair pair = new(server => server with { QlogDirectory = folder }, client => client with { QlogDirectory = folder }))
            {
                (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
                await using QuicStream stream = await client.OpenStreamAsync();
                await stream.WriteAsync(new byte[5000], isFinal: true);
                await using QuicStream taken = await server.AcceptStreamAsync();
                await QuicPair.ReadAllAsync(taken);
            }

            string[] files = Directory.GetFiles(folder);
            Assert.Equal(2, files.Length);
            Assert.Single(files, file => file.EndsWith("_client.sqlog", StringComparison.Ordinal));
            Assert.Single(files, file => file.EndsWith("_server.sqlog", StringComparison.Ordinal));
            foreach (string file in files)
            {
                // JSON text sequences, RFC 7464: a record separator before each.
                string[] records = (await File.ReadAllTextAsync(file)).Split('\u001e', StringSplitOptions.RemoveEmptyEntries);
                List<string> names = [];
                foreach (string record in records)
                {
                    using JsonDocument document = JsonDocument.Parse(record);
                    if (document.RootElement.TryGetProperty("name", out JsonElement name))
                    {
                        names.Add(name.GetString()!);
                    }
                }

                Assert.Contains("transport:packet_sent", names);
                Assert.Contains("transport:packet_received", names);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [QuicFact]
    public async Task KeyLog_HasTheSecretsOfBothSides()
    {
        string path = Path.GetTempFileName();
        try
        {
            await using (QuicPair pair = new(client: client => client with { KeyLogPath = path }))
            {
                await pair.ConnectAsync();
            }

            string[][] lines = [.. (await File.ReadAllLinesAsync(path)).Select(line => line.Split(' '))];
            foreach (string label in new[] { "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0" })
            {
                string[] line = Assert.Single(lines, line => line[0] == label);
                Assert.Equal(32, Convert.FromHexString(line[1]).Length);
                Assert.Contains(Convert.FromHexString(line[2]).Length, new[] { 32, 48 });
            }

            Assert.Single(lines.Select(line => line[1]).Distinct());
        }
        finally
        {
            File.Delete(path);
        }
    }

    [QuicFact]
    public Task FolderThatCannotBeMade_SaysSo()
    {
        string file = Path.GetTempFileName();
        try
        {
            Assert.Throws<QuicException>(() => new QuicClient(new() { Protocols = ["x"], QlogDirectory = Path.Combine(file, "below") }));
            Assert.Throws<QuicException>(() => new QuicClient(new() { Protocols = ["x"], KeyLogPath = Path.Combine(file, "below") }));
        }
        finally
        {
            File.Delete(file);
        }

        return Task.CompletedTask;
    }
}

/// <summary>The variables that ask for logs. They are the whole process's: nothing runs beside.</summary>
[Collection(nameof(AloneCollection))]
public sealed class QuicLogVariableTests
{
    [QuicFact]
    public async Task Set_EveryConnectionIsLogged()
    {
        string folder = Directory.CreateTempSubdirectory("vitrine-qlog").FullName, secrets = Path.Combine(folder, "secrets");
        string? qlogBefore = Environment.GetEnvironmentVariable("VITRINE_QLOG"), secretsBefore = Environment.GetEnvironmentVariable("SSLKEYLOGFILE");
        try
        {
            Environment.SetEnvironmentVariable("VITRINE_QLOG", folder);
            Environment.SetEnvironmentVariable("SSLKEYLOGFILE", secrets);
            await using (QuicPair pair = new())
            {
                await pair.ConnectAsync();
            }

            Assert.Single(Directory.GetFiles(folder, "*_client.sqlog"));
            Assert.Single(Directory.GetFiles(folder, "*_server.sqlog"));
            Assert.Equal(2, File.ReadAllLines(secrets).Count(line => line.StartsWith("CLIENT_TRAFFIC_SECRET_0 ", StringComparison.Ordinal))); // by both ends
        }
        finally
        {
            Environment.SetEnvironmentVariable("VITRINE_QLOG", qlogBefore);
            Environment.SetEnvironmentVariable("SSLKEYLOGFILE", secretsBefore);
            Directory.Delete(folder, recursive: true);
        }
    }
}
