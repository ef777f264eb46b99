using System.Buffers;
using System.Globalization;
using System.Text;
using Confluent.Kafka;
using Google.Protobuf;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Kafka;

/// <summary>The member of a group on a <see cref="KafkaLog"/>.</summary>
/// <remarks>With <see cref="CommitPolicy.Transactional"/> what comes of events, the group's offsets and what the member knows are one transaction (KIP-98),
/// which is refused to a member that is none any more (KIP-447). The offsets say what is done; what the member knows stands beside from where on
/// events are needed to know as much again.</remarks>
internal sealed class KafkaConsumer : KafkaPolling, IEventConsumer
{
    // Of those that stand by; partitions of a member that is gone are the others' by then.
    private static readonly TimeSpan s_lookInterval = TimeSpan.FromSeconds(30);

    private readonly EventGroup _group;
    private readonly IProducer<byte[], byte[]>? _producer;
    private readonly Dictionary<TopicPartition, EventPlace> _committed = []; // as far as it is durable
    private readonly HashSet<int> _described = []; // partitions of which something known is durable
    private TopicPartitionOffset? _read; // the last event; with the next one it is done
    private EventLogException? _end;

    private KafkaConsumer(KafkaLog log, EventGroup group, IProducer<byte[], byte[]>? producer)
        : base(log) => (_group, _producer) = (group, producer);

    public long Behind
    {
        get
        {
            long behind = 0;
            foreach ((TopicPartition partition, long position) in Positions)
            {
                Offset high = Consumer.GetWatermarkOffsets(partition).High;
                behind += high.IsSpecial ? 0 : Math.Max(0, high.Value - position);
            }

            return behind;
        }
    }

    public static async Task<KafkaConsumer> JoinAsync(KafkaLog log, EventGroup group, CancellationToken cancellationToken)
    {
        Dictionary<string, int> counts = [];
        foreach (string topic in group.Topics)
        {
            counts[topic] = await log.Topics.NeedAsync(topic, cancellationToken);
        }

        if (counts.Values.Distinct().Count() > 1)
        {
            string found = string.Join(", ", counts.Select(each => $"{log.Topics.NameOf(each.Key)} has {each.Value}"));
            throw new EventLogException(EventLogFailure.Topic, $"The topics of the group {group.Name} do not have the same number of partitions, so what belongs together would not be together: {found}. Give all of them the largest (kafka-topics --alter --partitions).");
        }

        if (group.StandsBy)
        {
            await log.WaitForRoomAsync(group.Name, counts.Values.Max(), s_lookInterval, cancellationToken);
        }

        IProducer<byte[], byte[]>? producer = null;
        try
        {
            if (group.Policy == CommitPolicy.Transactional)
            {
                await log.Topics.NeedAsync(KafkaTopics.States, cancellationToken);
                producer = log.MakeProducer($"{log.Options.TopicPrefix}{group.Name}-{Guid.NewGuid():N}");
                await Task.Run(() => producer.InitTransactions(KafkaClients.QuestionTimeout), cancellationToken);
            }

            KafkaConsumer member = new(log, group, producer);
            IConsumer<byte[], byte[]> consumer = log.MakeConsumer(KafkaClients.Consumer(log.Options, log.Options.TopicPrefix + group.Name, group.Policy, group.CommitInterval))
                .SetPartitionsAssignedHandler(member.Assign)
                .SetPartitionsRevokedHandler((_, partitions) => member.Revoke(partitions))
                .SetPartitionsLostHandler((_, partitions) => member.Lose(partitions))
                .Build();
            member.Begin(consumer);
            consumer.Subscribe(group.Topics.Select(log.Topics.NameOf));
            return member;
        }
        catch (KafkaException failed)
        {
            producer?.Dispose();
            throw KafkaFailures.From(failed.Error, $"The group {group.Name} cannot be joined", log.LastHeard, failed);
        }
        catch
        {
            producer?.Dispose();
            throw;
        }
    }

    public bool TryRead(out EventRecord record)
    {
        ThrowIfOver();
        if (_group.Policy == CommitPolicy.Automatic && _read is { } done && Positions.ContainsKey(done.TopicPartition))
        {
            Consumer.StoreOffset(done); // who reads on says that the one before it is done
        }

        _read = null;
        if (!TryTake(out record))
        {
            return false;
        }

        TopicPartition partition = new(record.Position.Stream, record.Position.Partition);
        _read = new(partition, record.Offset + 1);
        if (_committed.TryGetValue(partition, out EventPlace place) && record.Offset < place.Done)
        {
            record = record with { IsDone = true };
        }

        return true;
    }

    public async ValueTask WaitAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfOver();
        await WaitForNextAsync(cancellationToken);
    }

    public ValueTask HoldAsync(TimeSpan pause, CancellationToken cancellationToken = default)
    {
        ThrowIfOver();
        return LiveAsync(pause, cancellationToken);
    }

    public async ValueTask CommitAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfOver();
        if (_group.Policy == CommitPolicy.Transactional)
        {
            throw new InvalidOperationException($"The group {_group.Name} commits together with what comes of the events.");
        }

        List<TopicPartitionOffset> done = Done();
        if (done.Count > 0)
        {
            try
            {
                await Task.Run(() => Consumer.Commit(done), cancellationToken);
            }
            catch (KafkaException failed)
            {
                throw Refused(failed);
            }

            Note(done, isKnown: true);
        }
    }

    public async ValueTask CommitAsync(EventBatch outputs, IReadOnlyList<PartitionState> states, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentNullException.ThrowIfNull(states);
        ThrowIfOver();
        if (_producer is null)
        {
            throw new InvalidOperationException($"The group {_group.Name} does not commit by transactions: on Kafka nothing else makes its outputs durable together with its progress.");
        }

        List<TopicPartitionOffset> done = Done();
        if (outputs.Count == 0 && states.Count == 0 && done.Count == 0)
        {
            return;
        }

        List<(int Partition, GroupState State)> known = Describe(states);
        await Task.Run(() => CommitTransactionAsync(_producer, outputs, done, known, cancellationToken), cancellationToken);
        Note(done, isKnown: states.Count > 0);
        _described.UnionWith(known.Select(each => each.Partition));
    }

    public async ValueTask DisposeAsync()
    {
        // Leaving asks the coordinator, and gives the partitions back; not from a thread that others wait for.
        await Task.Run(() =>
        {
            try
            {
                Consumer.Close();
            }
            catch (KafkaException)
            {
                EventLogMeter.NotCommitted.Add(1); // nobody answers: the group finds it out by itself
            }

            Consumer.Dispose();
            _producer?.Dispose();
        });
    }

    // What is known of each partition, and from where on events are needed to know as much again.
    private List<(int Partition, GroupState State)> Describe(IReadOnlyList<PartitionState> states)
    {
        List<(int, GroupState)> known = [];
        foreach (int partition in Positions.Keys.Select(each => each.Partition.Value).Distinct().Order())
        {
            PartitionState? given = states.Where(each => each.Partition == partition).Cast<PartitionState?>().FirstOrDefault();
            if (given is null && _described.Contains(partition))
            {
                continue; // what is durable of it holds on
            }

            GroupState state = new() { State = given is { } some ? ByteString.CopyFrom(some.State.Span) : ByteString.Empty };
            foreach ((TopicPartition each, long position) in Positions.Where(each => each.Key.Partition.Value == partition))
            {
                state.From.Add(new GroupPlace { Topic = each.Topic, Offset = given is null ? _committed[each].From : position });
            }

            known.Add((partition, state));
        }

        return known;
    }

    private async Task CommitTransactionAsync(
        IProducer<byte[], byte[]> producer, EventBatch outputs, List<TopicPartitionOffset> done, List<(int Partition, GroupState State)> known, CancellationToken cancellationToken)
    {
        try
        {
            producer.BeginTransaction();
            KafkaTransactionOutlet outlet = new(producer);
            List<Task> sent = [];
            if (outputs.Count > 0)
            {
                sent.Add(KafkaDelivery.SendAsync(outlet, Log.Topics, outputs, cancellationToken));
            }

            int partitions = await Log.Topics.NeedAsync(KafkaTopics.States, cancellationToken);
            foreach ((int partition, GroupState state) in known)
            {
                sent.Add(KafkaDelivery.SendAsync(
                    outlet, Log.Topics.NameOf(KafkaTopics.States), partition % partitions, KeyOf(partition), state.ToByteArray(), cancellationToken));
            }

            await Task.WhenAll(sent);
            if (done.Count > 0)
            {
                producer.SendOffsetsToTransaction(done, Consumer.ConsumerGroupMetadata, KafkaClients.QuestionTimeout);
            }

            Finish(producer);
        }
        catch (Exception failed) when (failed is KafkaException or EventLogException or OperationCanceledException)
        {
            Abort(producer, failed);
            throw failed is KafkaException refused ? Refused(refused) : failed;
        }
    }

    // A commit that nobody has answered may be there: it is asked for again until somebody says so.
    private static void Finish(IProducer<byte[], byte[]> producer)
    {
        while (true)
        {
            try
            {
                producer.CommitTransaction(KafkaClients.QuestionTimeout);
                return;
            }
            catch (KafkaRetriableException)
            {
                // Again.
            }
        }
    }

    private void Abort(IProducer<byte[], byte[]> producer, Exception failed)
    {
        if (failed is KafkaException { Error.IsFatal: true })
        {
            return; // it does nothing any more
        }

        try
        {
            producer.AbortTransaction(KafkaClients.QuestionTimeout);
        }
        catch (KafkaException worse)
        {
            _end = KafkaFailures.From(worse.Error, $"The group {_group.Name} cannot go on", Log.LastHeard, worse);
        }
    }

    private EventLogException Refused(KafkaException failed)
    {
        EventLogException refused = KafkaFailures.From(failed.Error, $"The group {_group.Name} has not committed", Log.LastHeard, failed);
        if (failed.Error.IsFatal || refused.Failure == EventLogFailure.Fenced)
        {
            _end = refused;
        }

        return refused;
    }

    private void ThrowIfOver()
    {
        if (_end is { } end)
        {
            throw end;
        }
    }

    // Offsets of what was read since the last time.
    private List<TopicPartitionOffset> Done() =>
        [.. Positions.Where(each => each.Value > _committed[each.Key].Done).Select(each => new TopicPartitionOffset(each.Key, each.Value))];

    private void Note(List<TopicPartitionOffset> done, bool isKnown)
    {
        foreach (TopicPartitionOffset each in done)
        {
            _committed[each.TopicPartition] = _committed[each.TopicPartition] with { Done = each.Offset.Value };
        }

        if (isKnown)
        {
            foreach ((TopicPartition partition, long position) in Positions)
            {
                _committed[partition] = _committed[partition] with { From = position };
            }
        }
    }

    private byte[] KeyOf(int partition) => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{_group.Name}/{partition}"));

    // Within Consume.
    private List<TopicPartitionOffset> Assign(IConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions)
    {
        Dictionary<TopicPartition, long> done = consumer.Committed(partitions, KafkaClients.QuestionTimeout)
            .Where(each => !each.Offset.IsSpecial).ToDictionary(each => each.TopicPartition, each => each.Offset.Value);
        foreach (TopicPartitionOffset start in KafkaStart.Resolve(consumer, _group.Start, [.. partitions.Where(each => !done.ContainsKey(each))]))
        {
            done[start.TopicPartition] = start.Offset.Value;
        }

        int[] numbers = [.. partitions.Select(each => each.Partition.Value).Distinct().Order()];
        Dictionary<int, GroupState> known = _producer is null ? [] : ReadStates(numbers);
        List<TopicPartitionOffset> from = [];
        foreach (TopicPartition each in partitions)
        {
            long offset = known.GetValueOrDefault(each.Partition.Value)?.From.FirstOrDefault(place => place.Topic == each.Topic)?.Offset ?? done[each];
            _committed[each] = new(offset, done[each]);
            SetPosition(each, offset);
            from.Add(new(each, offset));
        }

        _described.UnionWith(known.Keys);
        _group.Assigned?.Invoke([.. numbers.Select(number => new PartitionState(number, known.GetValueOrDefault(number)?.State.Memory ?? default))]);
        return from;
    }

    // Within Consume, or Close.
    private void Revoke(List<TopicPartitionOffset> partitions)
    {
        try
        {
            if (_end is null)
            {
                _group.Revoked?.Invoke(Numbers(partitions)).AsTask().GetAwaiter().GetResult();
            }
        }
        catch (EventLogException)
        {
            EventLogMeter.NotCommitted.Add(1); // too late, or nobody answers: whoever gets them reads them again
        }

        Forget(partitions);
    }

    private void Lose(List<TopicPartitionOffset> partitions)
    {
        _group.Lost?.Invoke(Numbers(partitions));
        Forget(partitions);
    }

    private void Forget(List<TopicPartitionOffset> partitions)
    {
        foreach (TopicPartitionOffset each in partitions)
        {
            Drop(each.TopicPartition);
            _committed.Remove(each.TopicPartition);
            _described.Remove(each.Partition.Value);
        }
    }

    private static int[] Numbers(List<TopicPartitionOffset> partitions) => [.. partitions.Select(each => each.Partition.Value).Distinct().Order()];

    private GroupState Parse(byte[] value, int partition)
    {
        try
        {
            if (MessageLengths.Fit(new ReadOnlySequence<byte>(value), GroupState.Descriptor))
            {
                return GroupState.Parser.ParseFrom(value);
            }
        }
        catch (InvalidProtocolBufferException)
        {
            // Told below.
        }

        throw new EventLogException(EventLogFailure.Unknown, $"What the group {_group.Name} knew of partition {partition} cannot be read: {Log.Topics.NameOf(KafkaTopics.States)} holds something else.");
    }

    // What was written down last of each partition. The topic is compacted: it has about one of each.
    private Dictionary<int, GroupState> ReadStates(int[] numbers)
    {
        string topic = Log.Topics.NameOf(KafkaTopics.States);
        int partitions = Log.Topics.NeedAsync(KafkaTopics.States, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        using IConsumer<byte[], byte[]> reader = Log.MakeConsumer(KafkaClients.Consumer(Log.Options, Log.Options.TopicPrefix + "states")).Build();
        HashSet<TopicPartition> left = [.. numbers.Select(number => new TopicPartition(topic, number % partitions))];
        reader.Assign(KafkaStart.Resolve(reader, EventStart.Oldest, left));
        Dictionary<string, int> keys = numbers.ToDictionary(number => Encoding.UTF8.GetString(KeyOf(number)));
        Dictionary<int, GroupState> known = [];
        long until = Environment.TickCount64 + (long)(3 * KafkaClients.QuestionTimeout).TotalMilliseconds;
        while (left.Count > 0)
        {
            if (Environment.TickCount64 > until)
            {
                throw new KafkaException(new Error(ErrorCode.Local_TimedOut, $"what the group {_group.Name} knows does not come"));
            }

            ConsumeResult<byte[], byte[]>? result = reader.Consume(KafkaClients.QuestionTimeout);
            if (result is { IsPartitionEOF: true })
            {
                left.Remove(result.TopicPartition);
            }
            else if (result is { Message: { Key: { } key, Value: { } value } } && keys.TryGetValue(Encoding.UTF8.GetString(key), out int number))
            {
                known[number] = Parse(value, number);
            }
        }

        return known;
    }
}
