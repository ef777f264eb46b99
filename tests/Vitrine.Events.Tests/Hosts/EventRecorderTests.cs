using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests.Hosts;

public sealed class EventRecorderTests : IDisposable
{
    private static readonly EventStamp s_stamp = SampleEvents.Stamp(TimeProvider.System);

    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-events-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Recorded_AreKeptInTheirOrder_WithWhoWhenAndWhat()
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        DateTimeOffset begun = DateTimeOffset.UtcNow;
        await using (EventRecorder recorder = new(s_stamp))
        {
            for (int i = 0; i < 500; i++)
            {
                if (i == 200)
                {
                    recorder.Begin(events.Log, events.Format);
                }

                Record(recorder, $"{i}");
            }
        }

        List<Event> kept = await events.ReadAsync(EventTopics.Errors);
        Assert.Equal(Enumerable.Range(0, 500).Select(i => $"{i}"), kept.Select(each => each.ErrorOccurred.Message));
        Assert.Equal(500, kept.Select(each => each.EventId).Distinct().Count());
        Assert.All(kept, each => Assert.InRange(each.Time.ToDateTimeOffset(), begun, DateTimeOffset.UtcNow));
        Assert.True(kept.Zip(kept.Skip(1)).All(pair => pair.First.MonotonicNanoseconds <= pair.Second.MonotonicNanoseconds));
        Assert.Equal(s_stamp.Source, kept[0].Source);
    }

    [Fact]
    public async Task LogThatFails_IsTold_AndWhatWasLostIsAnEventAfterwards()
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        Gate gate = new(events.Log);
        List<string> told = [];
        await using EventRecorder recorder = new(s_stamp, told.Add);
        recorder.Begin(gate, events.Format);
        Record(recorder, "kept before");
        await Until.HoldsAsync(() => gate.Appends == 1);
        gate.IsShut = true;
        for (int i = 0; i < 3; i++)
        {
            int before = gate.Appends;
            Record(recorder, "lost");
            await Until.HoldsAsync(() => gate.Appends > before);
        }

        gate.IsShut = false;
        Record(recorder, "kept after");
        await recorder.DisposeAsync();
        List<Event> kept = await events.ReadAsync(EventTopics.Errors);
        Assert.Equal(3, kept.Count);
        Assert.Equal("kept before", kept[0].ErrorOccurred.Message);
        Assert.Equal((3ul, "The disk is full."), (kept[1].EventsLost.Count, kept[1].EventsLost.Reason));
        Assert.InRange(kept[1].EventsLost.Since.ToDateTimeOffset(), kept[0].Time.ToDateTimeOffset(), kept[1].Time.ToDateTimeOffset());
        Assert.Equal("kept after", kept[2].ErrorOccurred.Message);
        Assert.Equal(["The disk is full."], told); // once
    }

    [Fact]
    public async Task LogThatHangs_HoldsNobodyUp_AndWhatIsTooMuchIsCounted()
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        Gate gate = new(events.Log) { Held = new() };
        await using EventRecorder recorder = new(s_stamp);
        recorder.Begin(gate, events.Format);
        Record(recorder, "first");
        await Until.HoldsAsync(() => gate.Appends == 1);
        for (int i = 0; i < EventRecorder.WaitingMax + 10; i++)
        {
            Record(recorder, "more");
        }

        Task ending = recorder.DisposeAsync().AsTask();
        Assert.False(recorder.IsOver);
        gate.Held.SetResult();
        await ending;
        Assert.True(recorder.IsOver);
        List<Event> kept = await events.ReadAsync(EventTopics.Errors);
        Assert.Equal(EventRecorder.WaitingMax + 1, kept.Count(each => each.ErrorOccurred is not null));
        Assert.Equal(10ul, Assert.Single(kept, each => each.EventsLost is not null).EventsLost.Count);
    }

    [Fact]
    public async Task SchemaThatReadersWouldNotUnderstand_IsRefusedBeforeAnythingIsWritten()
    {
        EventFormat<Event> format = new(new Refusing());
        await Assert.ThrowsAsync<IncompatibleSchemaException>(() => format.RegisterAsync(EventTopics.OfHosts));
        Assert.Throws<ArgumentException>(() => format.Write(new(), EventTopics.Errors, default, s_stamp.New()));
    }

    [Fact]
    public async Task NoLog_NobodyIsHeldUp()
    {
        await using EventRecorder recorder = new(s_stamp);
        Record(recorder, "never written");
        recorder.GiveUp();
        for (int i = 0; i < 2 * EventRecorder.WaitingMax; i++)
        {
            Record(recorder, "nor this");
        }
    }

    private static void Record(EventRecorder recorder, string message)
    {
        Event happened = recorder.Stamp.New();
        happened.ErrorOccurred = new() { Part = "test", Message = message };
        recorder.Record(EventTopics.Errors, happened);
    }

    /// <summary>A log whose disk fails, or hangs, for a while.</summary>
    private sealed class Gate(IEventLog log) : IEventLog
    {
        private int _appends;

        public int Appends => Volatile.Read(ref _appends);

        public bool IsShut { get; set; }

        public TaskCompletionSource? Held { get; set; }

        public string Name => log.Name;

        public async ValueTask<EventPosition> AppendAsync(EventBatch batch, CancellationToken cancellationToken = default)
        {
            try
            {
                if (IsShut)
                {
                    throw new EventLogException(EventLogFailure.DiskFull, "The disk is full.");
                }

                EventPosition position = await log.AppendAsync(batch, cancellationToken);
                Interlocked.Increment(ref _appends);
                await (Held?.Task ?? Task.CompletedTask);
                return position;
            }
            catch (EventLogException)
            {
                Interlocked.Increment(ref _appends);
                throw;
            }
        }

        public IEventReader Read(EventStart start, params IReadOnlyList<string> topics) => log.Read(start, topics);

        public ValueTask<IEventConsumer> JoinAsync(EventGroup group, CancellationToken cancellationToken = default) => log.JoinAsync(group, cancellationToken);

        public ValueTask DisposeAsync() => default;
    }

    private sealed class Refusing : ISchemaStore
    {
        public void Dispose()
        {
        }

        public ValueTask<int> RegisterAsync(string subject, Google.Protobuf.Reflection.FileDescriptor schema, CancellationToken cancellationToken = default) =>
            throw new IncompatibleSchemaException(subject, [], "it has another package");

        public ValueTask<Google.Protobuf.Reflection.FileDescriptorProto?> FindAsync(int id, CancellationToken cancellationToken = default) => default;
    }
}
