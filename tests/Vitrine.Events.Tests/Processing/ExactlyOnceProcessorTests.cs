using System.Diagnostics;
using System.Globalization;
using System.Text;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Processing;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests.Processing;

public sealed class ExactlyOnceProcessorTests : IDisposable
{
    private const int Kills = 12;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly EventStamp s_stamp = SampleEvents.Stamp(TimeProvider.System);

    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-events-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>State often, never, and now and then: what comes of it is the same.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1_000_000)]
    public async Task StoppedAndStarted_EachEventCountsOnce(int stateMilliseconds)
    {
        TimeSpan interval = TimeSpan.FromMilliseconds(stateMilliseconds);
        for (int start = 0; start < 4; start++)
        {
            await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
            for (int i = 0; i < 25; i++)
            {
                await SayAsync(events, $"{(start * 25) + i}");
            }

            await RunUntilAsync(events.Log, CountingWorker.Processor(events.Log, events.Format, s_stamp, interval), 25);
            AssertCounted(await events.ReadAsync(CountingWorker.Topic), (start + 1) * 25);
        }
    }

    [Fact]
    public async Task PoisonedEvents_ArePutAsideWithTheReason_AndTheOthersCount()
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        await SayAsync(events, "0");
        await SayAsync(events, "poison");
        EventBatch bad = new();
        bad.Add(EventTopics.Errors, "k"u8, "not framed"u8);
        bad.Add(EventTopics.Errors, "k"u8, [0, 0, 0, 0, 99, 0, 1, 2]);
        bad.Add(EventTopics.Errors, "k"u8, [0, 0, 0, 0, 1, 0, 0xFF, 0xFF]);
        bad.Add(EventTopics.Errors, "k"u8, [0, 0, 0, 0, 1, 2, 2]); // another message of the schema
        await events.Log.AppendAsync(bad);
        await SayAsync(events, "1");
        await RunUntilAsync(events.Log, CountingWorker.Processor(events.Log, events.Format, s_stamp, TimeSpan.Zero), 7);
        AssertCounted(await events.ReadAsync(CountingWorker.Topic), 2);

        List<Event> dead = await events.ReadAsync(EventTopics.DeadLetters);
        Assert.Equal(
            [DeadLetter.Types.Reason.Processing, DeadLetter.Types.Reason.Serialisation, DeadLetter.Types.Reason.Schema, DeadLetter.Types.Reason.Serialisation, DeadLetter.Types.Reason.Schema],
            dead.Select(each => each.DeadLetter.Reason));
        Assert.Equal(["1", "2", "3", "4", "5"], dead.Select(each => each.DeadLetter.Position));
        Assert.All(dead, each => Assert.Equal(("counting", EventTopics.Errors), (each.DeadLetter.Group, each.DeadLetter.Topic)));
        Assert.Equal(["It cannot be counted.", "because of what it is"], dead[0].DeadLetter.Causes.Select(cause => cause.Message));
        Assert.Contains("CountingWorker.Work", dead[0].DeadLetter.Causes[0].Stack, StringComparison.Ordinal);
        Assert.Equal("not framed", dead[1].DeadLetter.Payload.ToStringUtf8());
        Assert.Equal("k", dead[1].DeadLetter.Key.ToStringUtf8());
    }

    [Fact]
    public async Task LogFailsForAWhile_IsTriedAgain_AndEachEventCountsOnce()
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        for (int i = 0; i < 10; i++)
        {
            await SayAsync(events, $"{i}");
        }

        FailingLog failing = new(events.Log, failures: 3);
        await RunUntilAsync(failing, CountingWorker.Processor(failing, events.Format, s_stamp, TimeSpan.Zero), 10);
        Assert.Equal(0, failing.FailuresLeft);
        AssertCounted(await events.ReadAsync(CountingWorker.Topic), 10);
    }

    [Fact]
    public async Task SecondOne_TakesOver_AndTheFirstStopsWithTheReason()
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        ExactlyOnceProcessor<Event, Event> first = CountingWorker.Processor(events.Log, events.Format, s_stamp, TimeSpan.Zero);
        Task running = first.RunAsync(CancellationToken.None);
        await SayAsync(events, "0");
        await Until.HoldsAsync(() => first.Processed == 1);
        using CancellationTokenSource stop = new();
        Task second = CountingWorker.Processor(events.Log, events.Format, s_stamp, TimeSpan.Zero).RunAsync(stop.Token);
        Assert.Equal(EventLogFailure.Fenced, (await Assert.ThrowsAsync<EventLogException>(() => running.WaitAsync(s_patience))).Failure);
        await SayAsync(events, "1");
        await Until.HoldsAsync(() => Count(events) == 2);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        AssertCounted(await events.ReadAsync(CountingWorker.Topic), 2);
    }

    /// <summary>Host and processor killed at any moment: nothing acknowledged is lost, nothing counts twice.</summary>
    [Fact]
    public async Task KilledAtAnyMoment_EachEventCountsOnce()
    {
        Random random = new(6);
        HashSet<string> acknowledged = [];
        for (int kill = 0; kill < Kills; kill++)
        {
            acknowledged.UnionWith(await RunAndKillAsync(1_000_000L * kill, random.Next(1, 150)));
        }

        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        string[] inputs = [.. (await events.ReadAsync(EventTopics.Errors)).Select(each => each.ErrorOccurred.Message)];
        using CancellationTokenSource stop = new(s_patience);
        Task draining = CountingWorker.Processor(events.Log, events.Format, s_stamp, TimeSpan.Zero).RunAsync(stop.Token);
        await Until.HoldsAsync(() => Count(events) >= inputs.Length);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => draining);
        List<Event> outputs = await events.ReadAsync(CountingWorker.Topic);
        Assert.Equal(inputs, outputs.Select(each => each.ErrorOccurred.Message));
        Assert.Equal(Enumerable.Range(0, inputs.Length).Select(i => $"{i}"), outputs.Select(each => each.ErrorOccurred.Part));
        Assert.Empty(acknowledged.Except(inputs));
        Assert.True(acknowledged.Count > Kills);
    }

    [Fact]
    public void Pauses_Grow_AndDoNotMeet()
    {
        double[] longest = [.. Enumerable.Range(1, 12).Select(attempt => EventFailurePolicy.PauseBefore(attempt, 1).TotalMilliseconds)];
        Assert.Equal([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000, 10_000], longest);
        Assert.Equal(50, EventFailurePolicy.PauseBefore(1, 0).TotalMilliseconds);
        Assert.Equal(10_000, EventFailurePolicy.PauseBefore(int.MaxValue, 1).TotalMilliseconds);
    }

    private static void AssertCounted(List<Event> outputs, int count)
    {
        Assert.Equal(Enumerable.Range(0, count).Select(i => $"{i}"), outputs.Select(each => each.ErrorOccurred.Message));
        Assert.Equal(Enumerable.Range(0, count).Select(i => $"{i}"), outputs.Select(each => each.ErrorOccurred.Part));
    }

    private static Task SayAsync(SampleEvents events, string text) =>
        events.AppendAsync(EventTopics.Errors, s_stamp, happened => happened.ErrorOccurred = new() { Message = text });

    private static int Count(SampleEvents events)
    {
        using EmbeddedReader reader = events.Log.Read(EventStart.Oldest, CountingWorker.Topic);
        int count = 0;
        while (reader.TryRead(out _))
        {
            count++;
        }

        return count;
    }

    private static async Task RunUntilAsync(IEventLog log, ExactlyOnceProcessor<Event, Event> processor, int processed)
    {
        Assert.NotNull(log);
        using CancellationTokenSource stop = new();
        Task running = processor.RunAsync(stop.Token);
        await Until.HoldsAsync(() => processor.Processed >= processed || running.IsFaulted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Equal(processed, processor.Processed);
    }

    private async Task<List<string>> RunAndKillAsync(long first, int moment)
    {
        using Process process = Process.Start(new ProcessStartInfo(
            "dotnet", ["exec", typeof(ProcessingHost).Assembly.Location, _folder, first.ToString(CultureInfo.InvariantCulture), "process"]) { RedirectStandardOutput = true })!;
        StringBuilder said = new();
        try
        {
            for (int lines = 0; lines < moment && await process.StandardOutput.ReadLineAsync() is { } line; lines++)
            {
                said.AppendLine(line);
            }
        }
        finally
        {
            process.Kill();
        }

        said.Append(await process.StandardOutput.ReadToEndAsync());
        await process.WaitForExitAsync();
        return [.. said.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line.EndsWith('.')).Select(line => line[..^1])]; // the last may be torn
    }

    /// <summary>A log whose disk fails for a while: what members commit is refused.</summary>
    private sealed class FailingLog(IEventLog log, int failures) : IEventLog
    {
        private int _failures = failures;

        public int FailuresLeft => _failures;

        public string Name => log.Name;

        public ValueTask<EventPosition> AppendAsync(EventBatch batch, CancellationToken cancellationToken = default) => log.AppendAsync(batch, cancellationToken);

        public IEventReader Read(EventStart start, params IReadOnlyList<string> topics) => log.Read(start, topics);

        public async ValueTask<IEventConsumer> JoinAsync(EventGroup group, CancellationToken cancellationToken = default) =>
            new FailingConsumer(this, await log.JoinAsync(group, cancellationToken));

        public ValueTask DisposeAsync() => default;

        private sealed class FailingConsumer(FailingLog owner, IEventConsumer consumer) : IEventConsumer
        {
            public long Missed => consumer.Missed;

            public bool IsAtEnd => consumer.IsAtEnd;

            public long Behind => consumer.Behind;

            public ValueTask HoldAsync(TimeSpan pause, CancellationToken cancellationToken = default) => consumer.HoldAsync(pause, cancellationToken);

            public bool TryRead(out EventRecord record) => consumer.TryRead(out record);

            public ValueTask WaitAsync(CancellationToken cancellationToken = default) => consumer.WaitAsync(cancellationToken);

            public ValueTask CommitAsync(CancellationToken cancellationToken = default) => consumer.CommitAsync(cancellationToken);

            public ValueTask CommitAsync(EventBatch outputs, IReadOnlyList<PartitionState> states, CancellationToken cancellationToken = default) =>
                owner._failures > 0 && owner._failures-- > 0
                    ? throw new EventLogException(EventLogFailure.DiskFull, "The disk is full.")
                    : consumer.CommitAsync(outputs, states, cancellationToken);

            public ValueTask DisposeAsync() => consumer.DisposeAsync();
        }
    }
}
