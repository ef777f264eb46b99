using Confluent.Kafka;

namespace Vitrine.Events.Kafka;

/// <summary>What readers and members of groups do alike: they take what a consumer has fetched.</summary>
internal abstract class KafkaPolling(KafkaLog log)
{
    private static readonly TimeSpan s_slice = TimeSpan.FromMilliseconds(100);

    private readonly Dictionary<TopicPartition, long> _positions = []; // of the next event that is wanted
    private readonly HashSet<TopicPartition> _ended = []; // partitions whose last event was taken
    private IConsumer<byte[], byte[]>? _consumer;
    private ConsumeResult<byte[], byte[]>? _next;
    private string _name = "", _topic = "";

    public long Missed { get; private set; }

    public bool IsAtEnd => _next is null && _ended.Count == _positions.Count;

    protected KafkaLog Log => log;

    protected IConsumer<byte[], byte[]> Consumer => _consumer ?? throw new InvalidOperationException("It is not open yet.");

    /// <summary>Of the next event that is wanted, of each partition that it has.</summary>
    protected IReadOnlyDictionary<TopicPartition, long> Positions => _positions;

    protected void Begin(IConsumer<byte[], byte[]> consumer) => _consumer = consumer;

    protected void SetPosition(TopicPartition partition, long offset) => _positions[partition] = offset;

    /// <summary>A partition is not its own any more: what was fetched of it is another one's.</summary>
    protected void Drop(TopicPartition partition)
    {
        _positions.Remove(partition);
        _ended.Remove(partition);
        if (_next?.TopicPartition == partition)
        {
            _next = null;
        }
    }

    /// <summary>Takes what is there.</summary>
    protected bool TryTake(out EventRecord record)
    {
        ConsumeResult<byte[], byte[]>? result = _next ?? Consume(TimeSpan.Zero);
        _next = null;
        if (result is null)
        {
            record = default;
            return false;
        }

        _positions[result.TopicPartition] = result.Offset.Value + 1;
        if (result.Topic != _name)
        {
            (_name, _topic) = (result.Topic, log.Topics.TopicOf(result.Topic));
        }

        record = new(
            new(result.Topic, result.Partition.Value, result.Offset.Value), result.Message.Timestamp.UtcDateTime, _topic, result.Message.Key, result.Message.Value);
        return true;
    }

    /// <summary>Waits until there is something to take.</summary>
    protected async ValueTask WaitForNextAsync(CancellationToken cancellationToken)
    {
        bool wasAtEnd = IsAtEnd;
        while (_next is null && (wasAtEnd || !IsAtEnd))
        {
            cancellationToken.ThrowIfCancellationRequested();
            _next = await Task.Run(() => Consume(s_slice), CancellationToken.None); // another thread must not use it at the same time
        }
    }

    /// <summary>Lives on without taking anything.</summary>
    protected async ValueTask LiveAsync(TimeSpan pause, CancellationToken cancellationToken)
    {
        List<TopicPartition> paused = [.. _positions.Keys];
        Consumer.Pause(paused);
        try
        {
            for (long began = Environment.TickCount64, left; (left = (long)pause.TotalMilliseconds - (Environment.TickCount64 - began)) > 0;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                TimeSpan slice = TimeSpan.FromMilliseconds(Math.Min(left, s_slice.TotalMilliseconds));
                _next ??= await Task.Run(() => Consume(slice), CancellationToken.None);
                if (_next is not null)
                {
                    await Task.Delay(slice, cancellationToken);
                }
            }
        }
        finally
        {
            Consumer.Resume(paused.Where(_positions.ContainsKey));
        }
    }

    private ConsumeResult<byte[], byte[]>? Consume(TimeSpan wait)
    {
        try
        {
            return TryConsume(wait);
        }
        catch (KafkaException failed) when (failed.Error.Code == ErrorCode.Local_MaxPollExceeded)
        {
            return null; // the partitions are told to be lost
        }
        catch (KafkaException failed)
        {
            throw KafkaFailures.From(failed.Error, $"{log.Name} cannot be read", log.LastHeard, failed);
        }
    }

    private ConsumeResult<byte[], byte[]>? TryConsume(TimeSpan wait)
    {
        try
        {
            ConsumeResult<byte[], byte[]>? result = Consumer.Consume(wait);
            if (result is { IsPartitionEOF: true })
            {
                _ended.Add(result.TopicPartition);
                return null;
            }

            if (result is not null)
            {
                _ended.Remove(result.TopicPartition);
            }

            return result;
        }
        catch (ConsumeException gone) when (gone.Error.Code is ErrorCode.Local_AutoOffsetReset or ErrorCode.OffsetOutOfRange)
        {
            GoOn(gone.ConsumerRecord.TopicPartition);
            return null;
        }
    }

    // What was wanted is too old and removed, or was never there.
    private void GoOn(TopicPartition partition)
    {
        WatermarkOffsets kept = Consumer.QueryWatermarkOffsets(partition, KafkaClients.QuestionTimeout);
        long wanted = _positions.GetValueOrDefault(partition), next = Math.Clamp(wanted, kept.Low.Value, kept.High.Value);
        Missed += Math.Max(0, next - wanted);
        _positions[partition] = next;
        Consumer.Seek(new(partition, next));
    }
}
