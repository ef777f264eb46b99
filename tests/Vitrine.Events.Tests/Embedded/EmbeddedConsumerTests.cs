using Vitrine.Events.Embedded;

namespace Vitrine.Events.Tests.Embedded;

public sealed class EmbeddedConsumerTests : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-events-").FullName;
    private EmbeddedLog _log;

    public EmbeddedConsumerTests() => _log = EmbeddedLog.Open(new() { Folder = _folder });

    public async ValueTask DisposeAsync()
    {
        await _log.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Manual_GoesOnWhereItCommitted_AlsoAfterReopening()
    {
        await _log.AppendAsync(Numbers.Batch(0, 5));
        await using (IEventConsumer first = await JoinAsync(CommitPolicy.Manual))
        {
            Assert.Equal([0, 1], Take(first, 2));
            await first.CommitAsync();
            Assert.Equal([2], Take(first, 1)); // read, and not committed
        }

        await ReopenAsync();
        await using IEventConsumer second = await JoinAsync(CommitPolicy.Manual);
        Assert.Equal([2, 3, 4], Take(second, 10));
        await using IEventConsumer other = await JoinAsync(CommitPolicy.Manual, "another group");
        Assert.Equal([0, 1, 2, 3, 4], Take(other, 10));
    }

    [Fact]
    public async Task Automatic_CommitsOnTime_WhatWasReadBeforeTheLast()
    {
        await _log.AppendAsync(Numbers.Batch(0, 5));
        await using IEventConsumer consumer = await _log.JoinAsync(new("group", ["numbers"], CommitPolicy.Automatic) { CommitInterval = TimeSpan.FromMilliseconds(20) });
        Assert.Equal([0, 1, 2], Take(consumer, 3));
        await Until.HoldsAsync(() => _log.TryGetPlace("group", out EventPlace place) && place == EventPlace.At(2));
        Assert.Equal([3, 4], Take(consumer, 10)); // and looked for more: the last one is done
        await Until.HoldsAsync(() => _log.TryGetPlace("group", out EventPlace place) && place == EventPlace.At(5));
    }

    [Fact]
    public async Task Transactional_OutputsAndPlaceAreOne_AndStateIsGivenBack()
    {
        await _log.AppendAsync(Numbers.Batch(0, 4));
        await using (IEventConsumer first = await JoinAsync(CommitPolicy.Transactional))
        {
            Take(first, 2);
            await first.CommitAsync(Output("of 0 and 1"), [new(0, new byte[] { 7 })]);
            Take(first, 1);
            await first.CommitAsync(Output("of 2"), []);
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await first.CommitAsync());
        }

        await ReopenAsync();
        List<PartitionState> given = [];
        await using IEventConsumer second = await _log.JoinAsync(new("group", ["numbers"], CommitPolicy.Transactional) { Assigned = given.AddRange });
        Assert.Equal([7], Assert.Single(given).State.ToArray());

        // What came after the state is read again, to know as much, and is known to be done.
        List<(long, bool)> read = [];
        while (second.TryRead(out EventRecord record))
        {
            read.Add((Numbers.Of(record), record.IsDone));
        }

        Assert.Equal([(2, true), (3, false)], read);
        await second.CommitAsync(Output("of 3"), []);
        Assert.Equal(["of 0 and 1", "of 2", "of 3"], Outputs());
    }

    [Fact]
    public async Task StateIsCarriedFromFileToFile()
    {
        await _log.DisposeAsync();
        _log = EmbeddedLog.Open(new() { Folder = _folder, SegmentBytes = 400 });
        await using (IEventConsumer consumer = await JoinAsync(CommitPolicy.Transactional))
        {
            await consumer.CommitAsync(Output("first"), [new(0, new byte[] { 1, 2, 3 })]);
            for (int i = 0; i < 50; i++)
            {
                await _log.AppendAsync(Numbers.Batch(i, 1));
            }
        }

        await ReopenAsync();
        Assert.True(_log.TryGetPlace("group", out EventPlace place, out ReadOnlyMemory<byte> state));
        Assert.Equal(EventPlace.At(0), place);
        Assert.Equal([1, 2, 3], state.ToArray());
    }

    [Fact]
    public async Task SecondMember_TheFirstIsFenced_AndCommitsNothingAnyMore()
    {
        await _log.AppendAsync(Numbers.Batch(0, 3));
        List<int> lost = [];
        await using IEventConsumer first = await _log.JoinAsync(new("group", ["numbers"], CommitPolicy.Transactional) { Lost = lost.AddRange });
        Take(first, 3);
        ValueTask waiting = first.WaitAsync();
        Assert.False(waiting.IsCompleted);
        await using IEventConsumer second = await JoinAsync(CommitPolicy.Transactional);
        Assert.Equal(EventLogFailure.Fenced, (await Assert.ThrowsAsync<EventLogException>(async () => await waiting)).Failure);
        EventBatch outputs = Output("twice");
        Assert.Equal(EventLogFailure.Fenced, (await Assert.ThrowsAsync<EventLogException>(async () => await first.CommitAsync(outputs, [new(0, new byte[1])]))).Failure);
        Assert.Equal(Output("twice").Bytes, outputs.Bytes); // as it was
        Assert.Equal(EventLogFailure.Fenced, Assert.Throws<EventLogException>(() => first.TryRead(out _)).Failure);
        Assert.Equal([0], lost);
        Assert.Equal([0, 1, 2], Take(second, 10));
        await second.CommitAsync(Output("once"), []);
        Assert.Equal(["once"], Outputs());
    }

    [Fact]
    public async Task OtherTopics_AreNotGiven_AndNewGroupsBeginWhereTheySay()
    {
        await _log.AppendAsync(Output("other"));
        await _log.AppendAsync(Numbers.Batch(5, 1));
        await using IEventConsumer numbers = await JoinAsync(CommitPolicy.Manual);
        Assert.Equal([5], Take(numbers, 10));
        await using IEventConsumer late = await _log.JoinAsync(new("late", ["numbers"], CommitPolicy.Manual) { Start = EventStart.Now });
        Assert.Empty(Take(late, 10));
        await _log.AppendAsync(Numbers.Batch(6, 1));
        await late.WaitAsync().AsTask().WaitAsync(s_patience);
        Assert.Equal([6], Take(late, 10));
    }

    private static EventBatch Output(string text)
    {
        EventBatch batch = new();
        batch.Add("outputs", default, System.Text.Encoding.UTF8.GetBytes(text));
        return batch;
    }

    private static List<long> Take(IEventReader reader, int most)
    {
        List<long> numbers = [];
        while (numbers.Count < most && reader.TryRead(out EventRecord record))
        {
            numbers.Add(Numbers.Of(record));
        }

        return numbers;
    }

    private List<string> Outputs()
    {
        using EmbeddedReader reader = _log.Read(EventStart.Oldest, "outputs");
        List<string> texts = [];
        while (reader.TryRead(out EventRecord record))
        {
            texts.Add(System.Text.Encoding.UTF8.GetString(record.Value.Span));
        }

        return texts;
    }

    private ValueTask<IEventConsumer> JoinAsync(CommitPolicy policy, string name = "group") => _log.JoinAsync(new(name, ["numbers"], policy));

    private async Task ReopenAsync()
    {
        await _log.DisposeAsync();
        _log = EmbeddedLog.Open(new() { Folder = _folder });
    }
}
