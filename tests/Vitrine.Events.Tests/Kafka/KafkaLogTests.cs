using System.Text;
using Vitrine.Events.Kafka;
using Vitrine.Events.Tests.Embedded;

namespace Vitrine.Events.Tests.Kafka;

public sealed class KafkaLogTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [LibrdkafkaFact]
    public async Task Append_IsReadInTheOrderOfItsKey_WithTopicKeyAndPosition()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers", "words");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        EventBatch batch = new();
        for (int i = 0; i < 100; i++)
        {
            batch.Add("numbers", "one key"u8, [(byte)i]);
        }

        batch.Add("words", default, "hello"u8);
        EventPosition first = await log.AppendAsync(batch);
        Assert.Equal(cluster.NameOf("numbers"), first.Stream);
        Assert.Equal(0, first.Offset);

        await using IEventReader reader = log.Read(EventStart.Oldest);
        List<EventRecord> all = await TakeAsync(reader, 101);
        List<EventRecord> numbers = [.. all.Where(record => record.Topic == "numbers")];
        Assert.Equal(Enumerable.Range(0, 100), numbers.Select(record => (int)record.Value.Span[0]));
        Assert.All(numbers, record => Assert.Equal(first with { Offset = record.Value.Span[0] }, record.Position));
        Assert.Equal("one key", Encoding.UTF8.GetString(numbers[7].Key.Span));
        EventRecord word = Assert.Single(all, record => record.Topic == "words");
        Assert.True(word.Key.IsEmpty);
        Assert.InRange(word.Time, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));
        await UntilAtEndAsync(reader);
        Assert.Equal(0, reader.Missed);
    }

    [LibrdkafkaFact]
    public async Task Read_FromAPosition_AndFromNow()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        EventPosition first = await log.AppendAsync(OfOneKey(0, 10));
        await using IEventReader middle = log.Read(EventStart.At(first with { Offset = 7 }), "numbers");
        Assert.Equal([7, 8, 9], (await TakeAsync(middle, 3)).Select(Numbers.Of));
        await using IEventReader late = log.Read(EventStart.Now, "numbers");
        await UntilAtEndAsync(late);
        await log.AppendAsync(OfOneKey(10, 2));
        Assert.Equal([10, 11], (await TakeAsync(late, 2)).Select(Numbers.Of));
        await using IEventReader wrong = log.Read(EventStart.At(EventPosition.Embedded(3)), "numbers");
        await Assert.ThrowsAsync<ArgumentException>(async () => await wrong.WaitAsync());
    }

    [LibrdkafkaFact]
    public async Task Manual_GoesOnWhereItCommitted()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        await log.AppendAsync(OfOneKey(0, 5));
        List<int> given = [];
        await using (IEventConsumer first = await log.JoinAsync(new("group", ["numbers"], CommitPolicy.Manual) { Assigned = states => given.AddRange(states.Select(state => state.Partition)) }))
        {
            Assert.Equal([0, 1], (await TakeAsync(first, 2)).Select(Numbers.Of));
            await first.CommitAsync();
            await TakeAsync(first, 1); // read, and not committed
            Assert.True(first.Behind >= 2);
        }

        Assert.Equal([0, 1, 2], given);
        await using IEventConsumer second = await log.JoinAsync(new("group", ["numbers"], CommitPolicy.Manual));
        Assert.Equal([2, 3, 4], (await TakeAsync(second, 3)).Select(Numbers.Of));
        await UntilAtEndAsync(second);
        Assert.Equal(0, second.Behind);
        await using IEventConsumer other = await log.JoinAsync(new("other", ["numbers"], CommitPolicy.Manual));
        Assert.Equal([0, 1, 2, 3, 4], (await TakeAsync(other, 5)).Select(Numbers.Of));
    }

    [LibrdkafkaFact]
    public async Task Automatic_CommitsWhatWasReadBeforeTheLast()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        await log.AppendAsync(OfOneKey(0, 5));
        EventGroup group = new("group", ["numbers"], CommitPolicy.Automatic) { CommitInterval = TimeSpan.FromMilliseconds(100) };
        await using (IEventConsumer first = await log.JoinAsync(group))
        {
            await TakeAsync(first, 3);
        }

        await using IEventConsumer second = await log.JoinAsync(group);
        Assert.Equal([2, 3, 4], (await TakeAsync(second, 3)).Select(Numbers.Of));
    }

    [LibrdkafkaFact]
    public async Task Members_ShareThePartitions_NoneIsLostWhenOneLeaves()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        List<long> got = [];
        Lock gate = new();
        using CancellationTokenSource stopFirst = new(), stopSecond = new();
        Task first = ReadAsync(stopFirst.Token), second = ReadAsync(stopSecond.Token);
        long next = 0;
        while (next < 200)
        {
            await log.AppendAsync(Numbers.Batch(next, 10)); // a key each: over all partitions
            next += 10;
            if (next == 100)
            {
                await Until.HoldsAsync(() => Count() >= 50 || first.IsCompleted || second.IsCompleted);
                await stopFirst.CancelAsync();
                await first;
            }
        }

        await Until.HoldsAsync(() => Distinct() == next || second.IsCompleted);
        await stopSecond.CancelAsync();
        await second;
        int Count()
        {
            lock (gate)
            {
                return got.Count;
            }
        }

        int Distinct()
        {
            lock (gate)
            {
                return got.Distinct().Count();
            }
        }

        async Task ReadAsync(CancellationToken stop)
        {
            IEventConsumer? self = null;
            await using IEventConsumer consumer = self = await log.JoinAsync(new("group", ["numbers"], CommitPolicy.Manual) { Revoked = async _ => await self!.CommitAsync(CancellationToken.None) }, CancellationToken.None);
            try
            {
                while (true)
                {
                    EventRecord record = await consumer.ReadAsync(stop);
                    lock (gate)
                    {
                        got.Add(Numbers.Of(record));
                    }

                    try
                    {
                        await consumer.CommitAsync(CancellationToken.None);
                    }
                    catch (EventLogException refused) when (refused.Failure == EventLogFailure.Broker)
                    {
                        // The partitions are being shared anew: the next commit says it too.
                    }
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Told to end.
            }
        }
    }

    [LibrdkafkaFact]
    public async Task Hold_ReadsNothing_AndStaysAMember()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        await log.AppendAsync(OfOneKey(0, 2));
        int assigned = 0;
        await using IEventConsumer consumer = await log.JoinAsync(new("group", ["numbers"], CommitPolicy.Manual) { Assigned = _ => assigned++ });
        Assert.Equal([0], (await TakeAsync(consumer, 1)).Select(Numbers.Of));
        await consumer.HoldAsync(TimeSpan.FromMilliseconds(300));
        Assert.Equal([1], (await TakeAsync(consumer, 1)).Select(Numbers.Of));
        Assert.Equal(1, assigned);
    }

    [LibrdkafkaFact]
    public async Task Brokers_ThatAreNotThere_FailWithTheReasonAndTheMend()
    {
        await using KafkaLog log = KafkaLog.Open(new() { Bootstrap = "127.0.0.1:1", DeliveryTimeout = TimeSpan.FromSeconds(1) });
        EventLogException failed = await Assert.ThrowsAsync<EventLogException>(async () => await log.AppendAsync(OfOneKey(0, 1)));
        Assert.Equal(EventLogFailure.Network, failed.Failure);
        Assert.Contains("127.0.0.1:1", failed.Message, StringComparison.Ordinal);
        Assert.Contains("vitrine events doctor", failed.Message, StringComparison.Ordinal);
        Assert.Equal(FailureAction.Retry, EventFailurePolicy.ActionFor(failed));
    }

    [LibrdkafkaFact]
    public async Task Topic_ThatMayNotBeMade_IsNamed()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1);
        await using KafkaLog log = KafkaLog.Open(cluster.Options with { MakesTopics = false });
        EventLogException failed = await Assert.ThrowsAsync<EventLogException>(async () => await log.AppendAsync(OfOneKey(0, 1)));
        Assert.Equal(EventLogFailure.Topic, failed.Failure);
        Assert.Contains(cluster.NameOf("numbers"), failed.Message, StringComparison.Ordinal);
    }

    [LibrdkafkaFact]
    public async Task Broker_ThatIsKilledAndComesBack_KeepsWhatIsAppendedMeanwhile()
    {
        await using TestCluster cluster = await TestCluster.StartMockAsync(1);
        await cluster.TellAsync($"topic {cluster.NameOf("numbers")} 1");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        await log.AppendAsync(OfOneKey(0, 1));
        await cluster.TellAsync("down 1");
        Task<EventPosition> waiting = log.AppendAsync(OfOneKey(1, 1)).AsTask();
        Assert.False(waiting.IsCompleted);
        await cluster.TellAsync("up 1");
        Assert.Equal(1, (await waiting.WaitAsync(s_patience)).Offset);
    }

    [Theory]
    [InlineData(0, 6, EventLogFailure.Network)] // NOT_LEADER_OR_FOLLOWER for as long as it is tried: the time is over
    [InlineData(0, 10, EventLogFailure.BadEvent)] // MESSAGE_TOO_LARGE
    [InlineData(0, 29, EventLogFailure.Authorization)] // TOPIC_AUTHORIZATION_FAILED
    public async Task Errors_HaveTheirClass(short api, int code, EventLogFailure expected)
    {
        await using TestCluster cluster = await TestCluster.StartMockAsync(1);
        await cluster.TellAsync($"topic {cluster.NameOf("numbers")} 1");
        await using KafkaLog log = KafkaLog.Open(cluster.Options with { DeliveryTimeout = TimeSpan.FromSeconds(2) });
        await cluster.TellAsync($"errors {api} {code} 100");
        EventLogException failed = await Assert.ThrowsAsync<EventLogException>(async () => await log.AppendAsync(OfOneKey(0, 1)));
        Assert.Equal(expected, failed.Failure);
    }

    [LibrdkafkaFact]
    public async Task Leader_ThatMoves_IsFollowed()
    {
        await using TestCluster cluster = await TestCluster.StartMockAsync(3);
        string topic = cluster.NameOf("numbers");
        await cluster.TellAsync($"topic {topic} 1");
        await cluster.TellAsync($"leader {topic} 0 1");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        for (int i = 0; i < 9; i++)
        {
            Assert.Equal(i, (await log.AppendAsync(OfOneKey(i, 1))).Offset);
            await cluster.TellAsync($"leader {topic} 0 {1 + (i % 3)}");
        }

        await using IEventReader reader = log.Read(EventStart.Oldest, "numbers");
        Assert.Equal(Enumerable.Range(0, 9).Select(i => (long)i), (await TakeAsync(reader, 9)).Select(Numbers.Of));
    }

    [LibrdkafkaFact]
    public async Task Topics_WithUnequalPartitions_CannotBeAGroups()
    {
        await using TestCluster cluster = await TestCluster.StartMockAsync(1);
        await cluster.TellAsync($"topic {cluster.NameOf("a")} 1");
        await cluster.TellAsync($"topic {cluster.NameOf("b")} 2");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        EventLogException failed = await Assert.ThrowsAsync<EventLogException>(async () => await log.JoinAsync(new("group", ["a", "b"], CommitPolicy.Manual)));
        Assert.Equal(EventLogFailure.Topic, failed.Failure);
    }

    [BrokerFact]
    public async Task Time_IsWhereReadingBegins()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        await log.AppendAsync(OfOneKey(0, 3));
        DateTimeOffset between = DateTimeOffset.UtcNow.AddMilliseconds(50);
        await Until.HoldsAsync(() => DateTimeOffset.UtcNow > between.AddMilliseconds(50));
        await log.AppendAsync(OfOneKey(3, 2));
        await using IEventReader reader = log.Read(EventStart.Since(between), "numbers");
        Assert.Equal([3, 4], (await TakeAsync(reader, 2)).Select(Numbers.Of));
    }

    [BrokerFact]
    public async Task Transaction_OutputsProgressAndStateAreOne()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers", "outputs");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        await log.AppendAsync(OfOneKey(0, 4));
        EventGroup group = new("group", ["numbers"], CommitPolicy.Transactional);
        int partition;
        await using (IEventConsumer first = await log.JoinAsync(group))
        {
            partition = (await TakeAsync(first, 2))[0].Position.Partition;
            await first.CommitAsync(Output("of 0 and 1"), [new(partition, new byte[] { 7 })]);
            await TakeAsync(first, 1);
            await first.CommitAsync(Output("of 2"), []);
        }

        List<PartitionState> given = [];
        await using IEventConsumer second = await log.JoinAsync(group with { Assigned = given.AddRange });
        List<EventRecord> again = await TakeAsync(second, 2);
        Assert.Equal([2, 3], again.Select(Numbers.Of));
        Assert.Equal([true, false], again.Select(record => record.IsDone)); // known since 2, done up to 3
        Assert.Equal([7], given.Single(state => state.Partition == partition).State.ToArray());
        await using IEventReader outputs = log.Read(EventStart.Oldest, "outputs");
        Assert.Equal(["of 0 and 1", "of 2"], (await TakeAsync(outputs, 2)).Select(record => Encoding.UTF8.GetString(record.Value.Span)));
    }

    [BrokerFact]
    public async Task Transaction_ThatIsAborted_IsHidden()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "numbers", "outputs");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        await log.AppendAsync(OfOneKey(0, 1));
        await using IEventConsumer consumer = await log.JoinAsync(new("group", ["numbers"], CommitPolicy.Transactional));
        await TakeAsync(consumer, 1);
        EventBatch outputs = Output("never seen");
        outputs.Add("outputs", default, new byte[2 << 20]); // larger than brokers take
        await Assert.ThrowsAsync<EventLogException>(async () => await consumer.CommitAsync(outputs, []));
        await consumer.CommitAsync(Output("seen"), []);
        await using IEventReader reader = log.Read(EventStart.Oldest, "outputs");
        Assert.Equal("seen", Encoding.UTF8.GetString((await TakeAsync(reader, 1))[0].Value.Span));
    }

    private static EventBatch Output(string text)
    {
        EventBatch batch = new();
        batch.Add("outputs", "one key"u8, Encoding.UTF8.GetBytes(text));
        return batch;
    }

    private static EventBatch OfOneKey(long first, int count)
    {
        EventBatch batch = new();
        for (long i = first; i < first + count; i++)
        {
            batch.Add("numbers", "one key"u8, BitConverter.GetBytes(i));
        }

        return batch;
    }

    private static async Task<List<EventRecord>> TakeAsync(IEventReader reader, int count)
    {
        using CancellationTokenSource late = new(s_patience);
        List<EventRecord> records = [];
        while (records.Count < count)
        {
            records.Add(await reader.ReadAsync(late.Token));
        }

        return records;
    }

    private static async Task UntilAtEndAsync(IEventReader reader)
    {
        using CancellationTokenSource late = new(s_patience);
        Assert.Null(await reader.ReadThereAsync(late.Token));
    }
}
