using Confluent.Kafka;

namespace Vitrine.Events.Kafka;

/// <summary>Takes events into the transaction that its producer has begun.</summary>
internal sealed class KafkaTransactionOutlet(IProducer<byte[], byte[]> producer) : IKafkaOutlet
{
    /// <inheritdoc/>
    public bool TrySend(string topic, int? partition, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, byte[]? trace, KafkaDelivery delivery, bool isFirst)
    {
        Message<byte[], byte[]> message = new()
        {
            Key = key.IsEmpty ? null! : key.ToArray(),
            Value = value.ToArray(),
            Headers = trace is null ? null : new() { { IKafkaOutlet.TraceHeader, trace } },
        };
        try
        {
            producer.Produce(
                new TopicPartition(topic, partition ?? Partition.Any), message,
                report => delivery.Tell(report.Error.IsError ? report.Error : null, isFirst, report.Partition.Value, report.Offset.Value));
            return true;
        }
        catch (ProduceException<byte[], byte[]> full) when (full.Error.Code == ErrorCode.Local_QueueFull)
        {
            return false;
        }
        catch (ProduceException<byte[], byte[]> refused)
        {
            throw new KafkaException(refused.Error, refused);
        }
    }
}
