using System.Text.Json;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Frames;
using Vitrine.Lab;
using Vitrine.Lab.Content;
using Vitrine.Viewer;

namespace Vitrine.EndToEnd;

/// <summary>What happens is kept: by a real host, with real viewers, whatever becomes of it.</summary>
public sealed class EventsTests : IDisposable
{
    private static readonly LabOptions s_options = new();
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token;
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-kept-").FullName;

    private string Events => Path.Combine(_folder, "events");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task ViewerComesAndGoes_HostIsKilledAndStartedAgain_AllOfItIsThere()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(640, 400));
        using var painter = new RandomPainter(display.Painter, seed: 3);
        string killedSession;
        await using (ShareProcess share = await StartAsync(display))
        {
            await using (HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, cancellationToken: _deadline))
            {
                await UntilAsync("viewerJoined", 1);
                for (int i = 0; i < 20; i++)
                {
                    painter.Step();
                }

                Assert.True(painter.TrySynchronize());
                await UntilAsync("sharingStatistics", 2);
            }

            await UntilAsync("viewerLeft", 1);
            killedSession = (await TailAsync())[^1].GetProperty("event").GetProperty("source").GetProperty("sessionId").GetString()!;
            share.Kill();
        }

        List<JsonElement> before = await TailAsync();
        await using (ShareProcess share = await StartAsync(display))
        {
            await UntilAsync("hostStarted", 2);
        }

        List<JsonElement> after = await TailAsync();
        Assert.Equal(before.Select(Text), after.Take(before.Count).Select(Text)); // what was readable stays
        string[] told = [.. after.Select(KindOf).Where(kind => kind is not ("sharingStatistics" or "sharingChanged"))];
        Assert.Equal(["hostStarted", "viewerJoined", "viewerLeft", "hostStarted"], told.Take(4));
        JsonElement left = after.First(each => KindOf(each) == "viewerLeft").GetProperty("event").GetProperty("viewerLeft");
        Assert.True(left.GetProperty("bytesSent").GetString()!.Length > 3);
        Assert.Equal(2, after.Select(each => each.GetProperty("event").GetProperty("source").GetProperty("sessionId").GetString()).Distinct().Count());
        Assert.Single(after.Select(each => each.GetProperty("event").GetProperty("source").GetProperty("hostId").GetString()).Distinct());
        Assert.Equal(after.Count, after.Select(each => each.GetProperty("event").GetProperty("eventId").GetString()).Distinct().Count());
        Assert.Equal(Enumerable.Range(0, after.Count).Select(i => $"{i}"), after.Select(each => each.GetProperty("position").GetString()));
        Assert.Contains(after, each => each.GetProperty("event").GetProperty("source").GetProperty("sessionId").GetString() == killedSession && KindOf(each) == "sharingStatistics");

        // For people.
        (int code, string text, string errors) = await RunAsync("--follow", "off", "--lines", "3", "--topics", "sessions");
        Assert.Equal((0, ""), (code, errors));
        Assert.Equal(3, text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("shares at 127.0.0.1:", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SecondHostOnTheFolder_SharesAllTheSame_AndSaysSo()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(320, 200));
        await using EmbeddedLog owner = EmbeddedLog.Open(new() { Folder = Events });
        await using ShareProcess share = await StartAsync(display);
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, cancellationToken: _deadline);
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(20));
        while (!share.Errors.Contains("another process's", StringComparison.Ordinal))
        {
            await poll.WaitForNextTickAsync(_deadline);
        }

        Assert.Contains("--events-folder", share.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PoisonedEvent_IsPutAsideByTheHost_ExplainedAndAppendedAgain()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(320, 200));
        await using (EmbeddedLog log = EmbeddedLog.Open(new() { Folder = Events }))
        {
            EventBatch batch = new();
            batch.Add("errors", "k"u8, "poison"u8);
            await log.AppendAsync(batch, _deadline);
        }

        await using (ShareProcess share = await StartAsync(display))
        {
            await UntilAsync("deadLetter", 1);
            (int refused, _, string why) = await LettersAsync("--replay", "all");
            Assert.Equal(1, refused);
            Assert.Contains("Stop the host that has the folder", why, StringComparison.Ordinal);
        }

        (int code, string list, _) = await LettersAsync();
        Assert.Equal(0, code);
        string line = Assert.Single(list.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("could not be worked on by host-watch: errors 0, It does not begin as what is written with a schema's number.", line, StringComparison.Ordinal);
        (code, string explained, _) = await LettersAsync("--explain", line.Split(' ')[0]);
        Assert.Equal(0, code);
        Assert.Contains("reason    serialisation", explained, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower("poison"u8), explained, StringComparison.Ordinal);
        (code, string replayed, string errors) = await LettersAsync("--replay", "all");
        Assert.True(code == 0, errors);
        Assert.StartsWith("Appended again: 1.", replayed, StringComparison.Ordinal);
        await using (ShareProcess share = await StartAsync(display))
        {
            await UntilAsync("deadLetter", 2); // it is what it was
        }
    }

    [Fact]
    public async Task NoFolder_OrWrongFlags_AreSaidWithTheMend()
    {
        (int code, _, string errors) = await RunAsync("--follow", "off");
        Assert.Equal(3, code);
        Assert.Contains("There are no events to show in", errors, StringComparison.Ordinal);
        (code, _, errors) = await RunAsync("--topics", "alert");
        Assert.Equal(2, code);
        Assert.Contains("Did you mean alerts?", errors, StringComparison.Ordinal);
        (code, _, errors) = await RunAsync("--since", "yesterday");
        Assert.Equal(2, code);
        Assert.Contains("«yesterday» is no time.", errors, StringComparison.Ordinal);
    }

    private static string KindOf(JsonElement line) => line.TryGetProperty("event", out JsonElement happened)
        ? happened.EnumerateObject().Select(member => member.Name).First(name => name is not ("eventId" or "time" or "monotonicNanoseconds" or "source" or "traceparent"))
        : "fault";

    private static string Text(JsonElement line) => line.GetRawText();

    private Task<ShareProcess> StartAsync(PrivateDisplay display) => ShareProcess.StartAsync(
        s_options, ["share", "--display", display.Name, "--events-folder", Events], new Dictionary<string, string?> { ["XDG_CONFIG_HOME"] = _folder }, _deadline);

    private async Task UntilAsync(string kind, int count)
    {
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(100));
        while (!Directory.Exists(Events) || (await TailAsync()).Count(each => KindOf(each) == kind) < count)
        {
            await poll.WaitForNextTickAsync(_deadline);
        }
    }

    private async Task<List<JsonElement>> TailAsync()
    {
        (int code, string output, string errors) = await RunAsync("--json", "--follow", "off", "--topics", "all", "--lines", "100000");
        if (code == 3)
        {
            return []; // nothing was kept yet
        }

        Assert.True(code == 0, errors);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    private Task<(int ExitCode, string Output, string Errors)> RunAsync(params string[] flags) => RunVerbAsync("tail", flags);

    private Task<(int ExitCode, string Output, string Errors)> LettersAsync(params string[] flags) => RunVerbAsync("dead-letters", flags);

    private Task<(int ExitCode, string Output, string Errors)> RunVerbAsync(string verb, string[] flags) => ChildProcess.RunAsync(
        s_options.ProgramCommand[0], [.. s_options.ProgramCommand.Skip(1), "events", verb, "--events-folder", Events, .. flags], null, _deadline);
}
