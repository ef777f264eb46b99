using Confluent.Kafka;

namespace Vitrine.Events.Kafka;

/// <summary>Where reading begins, as offsets of partitions.</summary>
internal static class KafkaStart
{
    // Which the protocol has for the oldest event that is kept, and for the next one that will be (ListOffsets).
    private static readonly Timestamp s_oldest = new(-2, TimestampType.NotAvailable), s_end = new(-1, TimestampType.NotAvailable);

    /// <summary>Asks the brokers where that is: each one once, about all partitions that it leads. Blocks.</summary>
    /// <exception cref="KafkaException">They do not say.</exception>
    /// <exception cref="ArgumentException">A position is none of Kafka's.</exception>
    public static List<TopicPartitionOffset> Resolve(IConsumer<byte[], byte[]> consumer, EventStart start, IReadOnlyCollection<TopicPartition> partitions)
    {
        switch (start)
        {
            case EventStart.AtEnd:
                return Ask(partitions, s_end);
            case EventStart.AtLast last:
                Dictionary<TopicPartition, long> oldest = Ask(partitions, s_oldest).ToDictionary(each => each.TopicPartition, each => each.Offset.Value);
                return [.. Ask(partitions, s_end).Select(end => new TopicPartitionOffset(end.TopicPartition, Math.Max(oldest[end.TopicPartition], end.Offset.Value - last.Count)))];
            case EventStart.AtTime at:
                ILookup<bool, TopicPartitionOffset> found = Ask(partitions, new(at.Time)).ToLookup(each => each.Offset.IsSpecial);
                return [.. found[false], .. Ask(found[true].Select(each => each.TopicPartition), s_end)]; // whose events are all older
            case EventStart.AtPositions { Positions: var positions }:
                ILookup<bool, TopicPartitionOffset> given = partitions.Select(each => new TopicPartitionOffset(each, OffsetIn(positions, each) ?? Offset.Unset)).ToLookup(each => each.Offset.IsSpecial);
                return [.. given[false], .. Ask(given[true].Select(each => each.TopicPartition), s_oldest)];
            default:
                return Ask(partitions, s_oldest);
        }

        List<TopicPartitionOffset> Ask(IEnumerable<TopicPartition> which, Timestamp time)
        {
            TopicPartitionTimestamp[] asked = [.. which.Select(each => new TopicPartitionTimestamp(each, time))];
            return asked.Length == 0 ? [] : consumer.OffsetsForTimes(asked, KafkaClients.QuestionTimeout);
        }
    }

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
