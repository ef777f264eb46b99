using Confluent.Kafka;

namespace Vitrine.Events.Kafka;

/// <summary>Reads on its own, without a group.</summary>
internal sealed class KafkaLogReader : KafkaPolling, IEventReader
{
    private readonly CancellationTokenSource _closed = new();
    private readonly Task _opening;

    public KafkaLogReader(KafkaLog log, EventStart start, IReadOnlyList<string> topics)
        : base(log) => _opening = Task.Run(() => OpenAsync(start, topics));

    public new bool IsAtEnd => _opening.IsCompletedSuccessfully && base.IsAtEnd;

    public bool TryRead(out EventRecord record)
    {
        record = default;
        if (!_opening.IsCompleted)
        {
            return false;
        }

        _opening.GetAwaiter().GetResult(); // says why it could not be opened
        return TryTake(out record);
    }

    public async ValueTask WaitAsync(CancellationToken cancellationToken = default)
    {
        await _opening.WaitAsync(cancellationToken);
        await WaitForNextAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        await _opening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // whoever reads was told
        if (_opening.IsCompletedSuccessfully)
        {
            await Task.Run(Consumer.Dispose);
        }

        _closed.Dispose();
    }

    private async Task OpenAsync(EventStart start, IReadOnlyList<string> topics)
    {
        if (topics.Count == 0)
        {
            topics = await Log.Topics.AllAsync(_closed.Token);
        }

        List<TopicPartition> partitions = [];
        foreach (string topic in topics)
        {
            int count = await Log.Topics.NeedAsync(topic, _closed.Token);
            partitions.AddRange(Enumerable.Range(0, count).Select(partition => new TopicPartition(Log.Topics.NameOf(topic), partition)));
        }

        IConsumer<byte[], byte[]> consumer = Log.MakeConsumer(KafkaClients.Consumer(Log.Options, Log.Options.TopicPrefix + "reader")).Build();
        try
        {
            // Also where the oldest stands: librdkafka finds that out by itself, but mostly half a second later.
            List<TopicPartitionOffset> from = KafkaStart.Resolve(consumer, start, partitions);
            foreach (TopicPartitionOffset each in from)
            {
                SetPosition(each.TopicPartition, each.Offset.Value);
            }

            consumer.Assign(from);
            Begin(consumer);
        }
        catch (KafkaException failed)
        {
            consumer.Dispose();
            throw KafkaFailures.From(failed.Error, $"{Log.Name} cannot be read", Log.LastHeard, failed);
        }
    }
}
