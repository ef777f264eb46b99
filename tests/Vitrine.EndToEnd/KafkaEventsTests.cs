using System.Text.Json;
using Vitrine.Events.Hosts;
using Vitrine.Frames;
using Vitrine.Lab;
using Vitrine.Lab.Events;
using Vitrine.Viewer;

namespace Vitrine.EndToEnd;

/// <summary>One setting, and what happens is kept on Kafka: here by librdkafka's cluster for tests, in a process of its own.</summary>
public sealed class KafkaEventsTests : IDisposable
{
    private const int Partitions = 3;

    private static readonly LabOptions s_options = new();
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3)).Token;
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-kafka-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task ViewerComesAndGoes_HostIsKilled_BrokersAreKilled()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(320, 200));
        await using ChildProcess cluster = ChildProcess.Start(s_options.ProgramCommand[0], [.. s_options.ProgramCommand.Skip(1), "echo", "kafka-mock"]);
        string brokers = await KafkaRounds.StartAsync(cluster, _deadline);
        foreach (string topic in (string[])[.. EventTopics.All, "schemas", "group-states"])
        {
            await KafkaRounds.TellAsync(cluster, $"topic vitrine.{topic} {Partitions}", _deadline);
        }

        await using (ShareProcess share = await StartAsync(display, brokers, "--events-thumbnails", "10"))
        {
            await using (HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, cancellationToken: _deadline))
            {
                await UntilAsync(brokers, "viewerJoined");
            }

            await UntilAsync(brokers, "viewerLeft");
            await UntilAsync(brokers, "thumbnail");
            Assert.Equal("healthy", (await HealthAsync(share)).GetProperty("kafka").GetString());
            share.Kill();
        }

        // What was acknowledged to the host that was killed is there beside what the next one says.
        HashSet<string> before = [.. (await TailAsync(brokers)).Select(IdOf)];
        await using ShareProcess next = await StartAsync(display, brokers);
        await UntilAsync(brokers, "hostStarted", 2);
        List<JsonElement> after = await TailAsync(brokers);
        Assert.Superset(before, after.Select(IdOf).ToHashSet());
        Assert.Equal(after.Count, after.Select(IdOf).Distinct().Count());
        Assert.All(after, each => Assert.Matches("^vitrine\\.[a-z-]+/[0-2]/[0-9]+$", each.GetProperty("position").GetString()));

        // All of it goes into a folder.
        string copy = Path.Combine(_folder, "copy");
        (int code, string output, string errors) = await RunAsync("replay", brokers, "--to", copy, "--topics", "sessions");
        Assert.True(code == 0, errors);
        Assert.Matches("^Appended to the folder .*: [0-9]+ events\\.", output);
        (code, string copied, errors) = await RunAsync("tail", null, "--events-folder", copy, "--follow", "off", "--json");
        Assert.True(code == 0, errors);
        Assert.Superset(
            after.Where(each => each.GetProperty("topic").GetString() == "sessions").Select(IdOf).ToHashSet(),
            copied.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => IdOf(JsonDocument.Parse(line).RootElement)).ToHashSet());

        // Sharing does not need them.
        (code, output, _) = await RunAsync("health", brokers);
        Assert.Equal(0, code);
        Assert.StartsWith("HEALTHY", output, StringComparison.Ordinal);
        cluster.Kill();
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(100));
        while ((await HealthAsync(next)).GetProperty("kafka").GetString() != "unreachable")
        {
            await poll.WaitForNextTickAsync(_deadline);
        }

        await using HeadlessViewer late = await HeadlessViewer.ConnectAsync(next.Url, cancellationToken: _deadline);
        Assert.True(await late.WaitUntilAsync(seen => seen.FrameCount > 0, TimeSpan.FromSeconds(30)));
        (code, output, _) = await RunAsync("health", brokers);
        Assert.Equal(1, code);
        Assert.StartsWith("UNREACHABLE", output, StringComparison.Ordinal);
    }

    private static string IdOf(JsonElement line) => line.GetProperty("event").GetProperty("eventId").GetString()!;

    private async Task<JsonElement> HealthAsync(ShareProcess share)
    {
        using HttpClient http = new();
        return JsonDocument.Parse(await http.GetStringAsync(new UriBuilder(share.Url) { Path = "/healthz" }.Uri, _deadline)).RootElement;
    }

    private Task<ShareProcess> StartAsync(PrivateDisplay display, string brokers, params string[] flags) => ShareProcess.StartAsync(
        s_options, ["share", "--display", display.Name, "--events.kafka.bootstrap", brokers, .. flags], new Dictionary<string, string?> { ["XDG_CONFIG_HOME"] = _folder }, _deadline);

    private async Task UntilAsync(string brokers, string kind, int count = 1)
    {
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(200));
        while ((await TailAsync(brokers)).Count(each => each.GetProperty("event").TryGetProperty(kind, out _)) < count)
        {
            await poll.WaitForNextTickAsync(_deadline);
        }
    }

    private async Task<List<JsonElement>> TailAsync(string brokers)
    {
        (int code, string output, string errors) = await RunAsync("tail", brokers, "--json", "--follow", "off", "--topics", "all", "--lines", "100000");
        Assert.True(code == 0, errors);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    private Task<(int ExitCode, string Output, string Errors)> RunAsync(string verb, string? brokers, params string[] flags) => ChildProcess.RunAsync(
        s_options.ProgramCommand[0],
        [.. s_options.ProgramCommand.Skip(1), "events", verb, .. brokers is null ? Array.Empty<string>() : ["--events.kafka.bootstrap", brokers], .. flags], null, _deadline);
}
