using Confluent.Kafka;

namespace Vitrine.Events.Kafka;

/// <summary>Where reading begins, as offsets of partitions.</summary>
internal static class KafkaStart
{
    /// <summary>Asks the brokers where that is. Blocks.</summary>
    /// <exception cref="KafkaException">They do not say.</exception>
    /// <exception cref="ArgumentException">A position is none of Kafka's.</exception>
    public static List<TopicPartitionOffset> Resolve(IConsumer<byte[], byte[]> consumer, EventStart start, IReadOnlyCollection<TopicPartition> partitions) => start switch
    {
        _ when partitions.Count == 0 => [],
        EventStart.AtEnd => [.. partitions.Select(each => new TopicPartitionOffset(each, Range(consumer, each).High))],
        EventStart.AtLast last => [.. partitions.Select(each => new TopicPartitionOffset(each, LastOf(Range(consumer, each), last.Count)))],
        EventStart.AtTime at => [.. consumer
            .OffsetsForTimes(partitions.Select(each => new TopicPartitionTimestamp(each, new(at.Time))), KafkaClients.QuestionTimeout)
            .Select(each => each.Offset.IsSpecial ? new(each.TopicPartition, Range(consumer, each.TopicPartition).High) : each)],
        EventStart.AtPositions { Positions: var positions } => [.. partitions.Select(each => new TopicPartitionOffset(each, OffsetIn(positions, each) ?? Range(consumer, each).Low))],
        _ => [.. partitions.Select(each => new TopicPartitionOffset(each, Range(consumer, each).Low))],
    };

    private static Offset LastOf(WatermarkOffsets range, int count) => Math.Max(range.Low.Value, range.High.Value - count);

    private static WatermarkOffsets Range(IConsumer<byte[], byte[]> consumer, TopicPartition partition) =>
        consumer.QueryWatermarkOffsets(partition, KafkaClients.QuestionTimeout);

    private static Offset? OffsetIn(IReadOnlyList<EventPosition> positions, TopicPartition partition)
    {
        foreach (EventPosition each in positions)
        {
            if (each.Stream.Length == 0)
            {
                throw new ArgumentException($"«{each}» is no position in Kafka: topic/partition/offset.", nameof(positions));
            }

            if (each.Stream == partition.Topic && each.Partition == partition.Partition.Value)
            {
                return each.Offset;
            }
        }

        return null;
    }
}
