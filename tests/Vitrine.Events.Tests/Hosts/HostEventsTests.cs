using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests.Hosts;

public sealed class HostEventsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-events-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Recorded_IsKept_AndMinutesAreMadeOfIt_OverASecondStart()
    {
        SetClock clock = new();
        string folder = Path.Combine(_folder, "events");
        for (int start = 0; start < 2; start++)
        {
            List<string> said = [];
            await using (HostEvents events = HostEvents.Start(folder, Source($"{start}"), clock, said.Add))
            {
                for (int second = 0; second < 90; second++)
                {
                    Event happened = events.Recorder.Stamp.New();
                    happened.SharingStatistics = new() { Seconds = 1, FramesSent = 10 };
                    events.Recorder.Record(EventTopics.Statistics, happened);
                    clock.Now += TimeSpan.FromSeconds(1);
                }

                // The log is read beside its owner, as «events tail» does.
                await Until.HoldsAsync(() => Read(folder, EventTopics.Minutes).Count == (start == 0 ? 1 : 3));
            }

            Assert.Empty(said);
        }

        List<Event> minutes = Read(folder, EventTopics.Minutes);
        Assert.Equal([60u, 30u, 30u], minutes.Select(each => each.MinuteSummary.Samples)); // a new start ends the minute of the one before
        Assert.Equal([600ul, 300ul, 300ul], minutes.Select(each => each.MinuteSummary.FramesSent));
        Assert.Equal(180, Read(folder, EventTopics.Statistics).Count);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder)); // who looked is nobody else's business
        }
    }

    [Fact]
    public async Task FolderThatIsAnothers_IsSaid_AndNobodyIsHeldUp()
    {
        await using EmbeddedLog owner = EmbeddedLog.Open(new() { Folder = _folder });
        TaskCompletionSource<string> said = new();
        await using HostEvents events = HostEvents.Start(_folder, Source("1"), TimeProvider.System, text => said.TrySetResult(text));
        for (int i = 0; i < 2 * EventRecorder.WaitingMax; i++)
        {
            events.Recorder.Record(EventTopics.Sessions, events.Recorder.Stamp.New());
        }

        Assert.Contains("another process's", await said.Task.WaitAsync(TimeSpan.FromSeconds(30)), StringComparison.Ordinal);
        Assert.Equal(0, owner.EndOffset);
    }

    private static EventSource Source(string session) => new() { HostId = "host-a", HostName = "A", SessionId = session };

    private static List<Event> Read(string folder, string topic)
    {
        List<Event> events = [];
        if (!File.Exists(Path.Combine(folder, HostEvents.SchemasName)) || !Directory.EnumerateFiles(folder, "*.events").Any())
        {
            return events;
        }

        using LocalSchemaStore schemas = LocalSchemaStore.OpenToRead(Path.Combine(folder, HostEvents.SchemasName));
        using EmbeddedReader reader = EmbeddedReader.Open(folder, EventStart.Oldest, topic);
        EventFormat<Event> format = new(schemas);
        while (reader.TryRead(out EventRecord record))
        {
            events.Add(format.ReadAsync(record).AsTask().GetAwaiter().GetResult());
        }

        return events;
    }
}
