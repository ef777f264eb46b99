using System.Buffers.Binary;
using System.Numerics;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>The questions that brokers are asked, each in the versions that brokers from 0.11 to 4 share.</summary>
internal static class KafkaQuestions
{
    /// <summary>Where the error of a topic's partition stands that the answer does not have.</summary>
    private const KafkaError Absent = KafkaError.UnknownServerError;

    /// <summary>Attribute of a batch: its time is the broker's, not that of who wrote it.</summary>
    public const int LogAppendTime = 8;

    private const int BatchHeadBytes = 61;

    /// <summary>Which brokers there are, and what is known of some topics. Does not make them, from version 4 on.</summary>
    public static Task<KafkaMetadata> MetadataAsync(this KafkaLink link, IReadOnlyCollection<string> topics, CancellationToken cancellationToken)
    {
        short version = link.Choose(KafkaApi.Metadata, 1, 8);
        KafkaWriter body = new KafkaWriter().Strings(topics);
        if (version >= 4)
        {
            body.Bool(false); // topics are not made
        }

        if (version >= 8)
        {
            body.Bool(false).Bool(true); // rights on the cluster, on topics
        }

        return link.AskAsync(KafkaApi.Metadata, version, body, (ref KafkaReader reader) => ReadMetadata(ref reader, version), cancellationToken);
    }

    /// <summary>Whether a way to sign in is offered, and which are.</summary>
    public static Task<(KafkaError Error, IReadOnlyList<string> Mechanisms)> HandshakeAsync(this KafkaLink link, string mechanism, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.SaslHandshake, link.Choose(KafkaApi.SaslHandshake, 1, 1), new KafkaWriter().String(mechanism), static (ref KafkaReader reader) =>
            {
                KafkaError error = reader.Error();
                List<string> mechanisms = [];
                for (int count = reader.Count(2); count > 0; count--)
                {
                    mechanisms.Add(reader.String());
                }

                return (error, (IReadOnlyList<string>)mechanisms);
            },
            cancellationToken);

    /// <summary>Sends a message of the mechanism.</summary>
    public static Task<(KafkaError Error, string Message, byte[] Said)> AuthenticateAsync(this KafkaLink link, byte[] message, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.SaslAuthenticate, link.Choose(KafkaApi.SaslAuthenticate, 0, 1), new KafkaWriter().Bytes(message),
            static (ref KafkaReader reader) => (reader.Error(), reader.NullableString() ?? "", reader.Bytes().ToArray()), cancellationToken);

    /// <summary>Makes topics, or only says whether it would.</summary>
    public static Task<IReadOnlyList<(string Topic, KafkaError Error, string Message)>> CreateTopicsAsync(
        this KafkaLink link, IReadOnlyCollection<string> topics, int partitions, short replication, IReadOnlyCollection<(string Name, string Value)> settings, TimeSpan timeout, bool isTrial,
        CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.CreateTopics, link.Choose(KafkaApi.CreateTopics, 2, 4),
            new KafkaWriter().Each(topics, (writer, topic) => writer.String(topic).Int32(partitions).Int16(replication).Int32(0)
                .Each(settings, static (each, setting) => each.String(setting.Name).String(setting.Value))).Int32((int)timeout.TotalMilliseconds).Bool(isTrial),
            static (ref KafkaReader reader) =>
            {
                reader.Int32(); // throttled
                List<(string, KafkaError, string)> answers = [];
                for (int count = reader.Count(6); count > 0; count--)
                {
                    answers.Add((reader.String(), reader.Error(), reader.NullableString() ?? ""));
                }

                return (IReadOnlyList<(string, KafkaError, string)>)answers;
            },
            cancellationToken);

    /// <summary>Removes a topic.</summary>
    public static Task<KafkaError> DeleteTopicAsync(this KafkaLink link, string topic, TimeSpan timeout, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.DeleteTopics, link.Choose(KafkaApi.DeleteTopics, 1, 3), new KafkaWriter().Strings([topic]).Int32((int)timeout.TotalMilliseconds),
            static (ref KafkaReader reader) =>
            {
                reader.Int32();
                if (reader.Count(4) != 1)
                {
                    return Absent;
                }

                reader.String();
                return reader.Error();
            },
            cancellationToken);

    /// <summary>Some settings of a topic, or of the broker itself.</summary>
    public static Task<(KafkaError Error, IReadOnlyDictionary<string, string> Values)> DescribeConfigsAsync(
        this KafkaLink link, bool isTopic, string name, IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        short version = link.Choose(KafkaApi.DescribeConfigs, 1, 2);
        KafkaWriter body = new KafkaWriter().Int32(1).Int8((sbyte)(isTopic ? 2 : 4)).String(name).Strings(keys).Bool(false);
        return link.AskAsync(KafkaApi.DescribeConfigs, version, body, Read, cancellationToken);

        static (KafkaError, IReadOnlyDictionary<string, string>) Read(ref KafkaReader reader)
        {
            Dictionary<string, string> values = [];
            reader.Int32();
            if (reader.Count(11) != 1)
            {
                return (Absent, values);
            }

            KafkaError error = reader.Error();
            reader.NullableString();
            reader.Int8();
            reader.String();
            for (int count = reader.Count(11); count > 0; count--)
            {
                string key = reader.String();
                values[key] = reader.NullableString() ?? "";
                reader.Take(3); // read-only, source, sensitive
                for (int synonyms = reader.Count(5); synonyms > 0; synonyms--)
                {
                    reader.String();
                    reader.NullableString();
                    reader.Int8();
                }
            }

            return (error, values);
        }
    }

    /// <summary>A number for a producer, without which nothing is written exactly once.</summary>
    public static Task<(KafkaError Error, long Id, short Epoch)> InitProducerIdAsync(
        this KafkaLink link, string? transactionalId, TimeSpan timeout, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.InitProducerId, link.Choose(KafkaApi.InitProducerId, 0, 1), new KafkaWriter().String(transactionalId).Int32((int)timeout.TotalMilliseconds),
            static (ref KafkaReader reader) =>
            {
                reader.Int32();
                return (reader.Error(), reader.Int64(), reader.Int16());
            },
            cancellationToken);

    /// <summary>Writes one record to partition 0, and waits until all copies in sync have it.</summary>
    public static Task<(KafkaError Error, long Offset)> ProduceAsync(
        this KafkaLink link, string topic, byte[] batch, TimeSpan timeout, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.Produce, link.Choose(KafkaApi.Produce, 3, 7),
            new KafkaWriter().String(null).Int16(-1).Int32((int)timeout.TotalMilliseconds).Int32(1).String(topic).Int32(1).Int32(0).Bytes(batch),
            static (ref KafkaReader reader) =>
            {
                if (!IsOneOfOne(ref reader))
                {
                    return (Absent, -1L);
                }

                reader.Int32();
                return (reader.Error(), reader.Int64());
            },
            cancellationToken);

    /// <summary>Reads partition 0 from an offset on, without what belongs to unfinished transactions.</summary>
    public static Task<(KafkaError Error, byte[] Records)> FetchAsync(this KafkaLink link, string topic, long offset, TimeSpan wait, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.Fetch, link.Choose(KafkaApi.Fetch, 4, 4),
            new KafkaWriter().Int32(-1).Int32((int)wait.TotalMilliseconds).Int32(1).Int32(64 << 10).Int8(1).Int32(1).String(topic).Int32(1).Int32(0).Int64(offset).Int32(64 << 10),
            static (ref KafkaReader reader) =>
            {
                reader.Int32();
                if (!IsOneOfOne(ref reader))
                {
                    return (Absent, Array.Empty<byte>());
                }

                reader.Int32();
                KafkaError error = reader.Error();
                reader.Take(2 * sizeof(long));
                reader.Take(reader.Count(16) * 16); // transactions that were given up
                return (error, reader.Bytes().ToArray());
            },
            cancellationToken);

    /// <summary>Who coordinates a group, or a transactional id.</summary>
    public static Task<(KafkaError Error, KafkaBroker Broker)> FindCoordinatorAsync(this KafkaLink link, string key, bool isTransaction, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.FindCoordinator, link.Choose(KafkaApi.FindCoordinator, 1, 2), new KafkaWriter().String(key).Int8((sbyte)(isTransaction ? 1 : 0)),
            static (ref KafkaReader reader) =>
            {
                reader.Int32();
                KafkaError error = reader.Error();
                reader.NullableString();
                return (error, new KafkaBroker(reader.Int32(), new(reader.NullableString() ?? "", reader.Int32())));
            },
            cancellationToken);

    /// <summary>Joins a group as a member that takes nothing.</summary>
    public static Task<(KafkaError Error, string Member)> JoinGroupAsync(this KafkaLink link, string group, TimeSpan session, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.JoinGroup, link.Choose(KafkaApi.JoinGroup, 2, 3),
            new KafkaWriter().String(group).Int32((int)session.TotalMilliseconds).Int32((int)session.TotalMilliseconds).String("").String("consumer").Int32(1).String("range")
                .Bytes(new KafkaWriter().Int16(0).Int32(0).Int32(0).Written), // a subscription to no topic
            static (ref KafkaReader reader) =>
            {
                reader.Int32();
                KafkaError error = reader.Error();
                reader.Int32();
                reader.NullableString();
                reader.NullableString();
                return (error, reader.String());
            },
            cancellationToken);

    /// <summary>Leaves it.</summary>
    public static Task<KafkaError> LeaveGroupAsync(this KafkaLink link, string group, string member, CancellationToken cancellationToken) =>
        link.AskAsync(KafkaApi.LeaveGroup, link.Choose(KafkaApi.LeaveGroup, 1, 2), new KafkaWriter().String(group).String(member), ReadThrottledError, cancellationToken);

    /// <summary>Takes partition 0 of a topic into the transaction.</summary>
    public static Task<KafkaError> AddToTransactionAsync(
        this KafkaLink link, string transactionalId, (long Id, short Epoch) producer, string topic, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.AddPartitionsToTxn, link.Choose(KafkaApi.AddPartitionsToTxn, 0, 1),
            new KafkaWriter().String(transactionalId).Int64(producer.Id).Int16(producer.Epoch).Int32(1).String(topic).Int32(1).Int32(0),
            static (ref KafkaReader reader) =>
            {
                reader.Int32();
                if (!IsOneOfOne(ref reader))
                {
                    return Absent;
                }

                reader.Int32();
                return reader.Error();
            },
            cancellationToken);

    /// <summary>Gives the transaction up.</summary>
    public static Task<KafkaError> AbortAsync(this KafkaLink link, string transactionalId, (long Id, short Epoch) producer, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.EndTxn, link.Choose(KafkaApi.EndTxn, 0, 1), new KafkaWriter().String(transactionalId).Int64(producer.Id).Int16(producer.Epoch).Bool(false), ReadThrottledError,
            cancellationToken);

    /// <summary>The folders that the broker keeps its logs in; from Kafka 3.3 on with the room on their disks.</summary>
    public static Task<(KafkaError Error, IReadOnlyList<KafkaDisk> Disks)> DescribeLogDirsAsync(this KafkaLink link, CancellationToken cancellationToken) =>
        link.AskAsync(
            KafkaApi.DescribeLogDirs, link.Choose(KafkaApi.DescribeLogDirs, 4, 4), new KafkaWriter().UnsignedVarint(1).UnsignedVarint(0), // of no topic
            static (ref KafkaReader reader) =>
            {
                reader.Int32();
                KafkaError error = reader.Error();
                List<KafkaDisk> disks = [];
                for (int count = reader.CompactCount(21); count > 0; count--)
                {
                    KafkaError ofDisk = reader.Error();
                    string folder = reader.CompactString() ?? "";
                    for (int topics = reader.CompactCount(3); topics > 0; topics--)
                    {
                        reader.CompactString();
                        for (int partitions = reader.CompactCount(22); partitions > 0; partitions--)
                        {
                            reader.Take(21);
                            reader.Tags();
                        }

                        reader.Tags();
                    }

                    disks.Add(new(folder, ofDisk, reader.Int64(), reader.Int64()));
                    reader.Tags();
                }

                return (error, (IReadOnlyList<KafkaDisk>)disks);
            },
            cancellationToken, isFlexible: true);

    /// <summary>A batch of one record (https://kafka.apache.org/documentation/#recordbatch).</summary>
    public static byte[] Batch(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, DateTimeOffset time, (long Id, short Epoch) producer)
    {
        KafkaWriter record = new KafkaWriter().Int8(0).Varint(0).Varint(0).Varint(key.Length).Raw(key).Varint(value.Length).Raw(value).Varint(0);
        long at = time.ToUnixTimeMilliseconds();
        KafkaWriter summed = new KafkaWriter().Int16(0).Int32(0).Int64(at).Int64(at).Int64(producer.Id).Int16(producer.Epoch).Int32(producer.Id < 0 ? -1 : 0).Int32(1)
            .Varint(record.Written.Length).Raw(record.Written);
        return new KafkaWriter().Int64(0).Int32(9 + summed.Written.Length).Int32(-1).Int8(2).Int32((int)Crc32C(summed.Written)).Raw(summed.Written).Written.ToArray();
    }

    /// <summary>Whether the batch of an offset is there, whole, and has a value. Of a batch that the broker has compressed only the sum is looked at.</summary>
    public static bool Has(ReadOnlySpan<byte> records, long offset, ReadOnlySpan<byte> value)
    {
        ReadOnlySpan<byte> batch = Find(records, offset);
        return !batch.IsEmpty && BinaryPrimitives.ReadUInt32BigEndian(batch[17..]) == Crc32C(batch[21..]) && ((batch[22] & 7) != 0 || batch[BatchHeadBytes..].IndexOf(value) >= 0);
    }

    /// <summary>When the broker has taken the batch of an offset, in milliseconds; null: it does not tell, or the batch is not there.</summary>
    public static long? AppendTimeOf(ReadOnlySpan<byte> records, long offset)
    {
        ReadOnlySpan<byte> batch = Find(records, offset);
        return !batch.IsEmpty && (batch[22] & LogAppendTime) != 0 ? BinaryPrimitives.ReadInt64BigEndian(batch[35..]) : null;
    }

    /// <summary>As batches are summed (RFC 3720, 12.1).</summary>
    public static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        uint sum = uint.MaxValue;
        foreach (byte value in bytes)
        {
            sum = BitOperations.Crc32C(sum, value);
        }

        return ~sum;
    }

    private static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> records, long offset)
    {
        while (records.Length >= BatchHeadBytes)
        {
            long first = BinaryPrimitives.ReadInt64BigEndian(records);
            int length = BinaryPrimitives.ReadInt32BigEndian(records[8..]);
            if (length < BatchHeadBytes - 12 || length > records.Length - 12)
            {
                return default;
            }

            ReadOnlySpan<byte> batch = records[..(12 + length)];
            if (offset >= first && offset <= first + BinaryPrimitives.ReadInt32BigEndian(batch[23..]))
            {
                return batch;
            }

            records = records[batch.Length..];
        }

        return default;
    }

    private static KafkaMetadata ReadMetadata(ref KafkaReader reader, short version)
    {
        if (version >= 3)
        {
            reader.Int32();
        }

        List<KafkaBroker> brokers = [];
        for (int count = reader.Count(12); count > 0; count--)
        {
            brokers.Add(new(reader.Int32(), new(reader.String(), reader.Int32())));
            reader.NullableString(); // rack
        }

        string cluster = version >= 2 ? reader.NullableString() ?? "" : "";
        int controller = reader.Int32();
        List<KafkaTopic> topics = [];
        for (int count = reader.Count(9); count > 0; count--)
        {
            KafkaError error = reader.Error();
            string name = reader.String();
            reader.Bool();
            List<KafkaPartition> partitions = [];
            for (int each = reader.Count(18); each > 0; each--)
            {
                partitions.Add(ReadPartition(ref reader, version));
            }

            topics.Add(new(name, error, partitions, version >= 8 && reader.Int32() is not int.MinValue and var rights ? (KafkaRights)rights : null));
        }

        return new(brokers, cluster, controller, topics);
    }

    private static KafkaPartition ReadPartition(ref KafkaReader reader, short version)
    {
        reader.Error();
        (int index, int leader) = (reader.Int32(), reader.Int32());
        if (version >= 7)
        {
            reader.Int32(); // the leader's epoch
        }

        int[] replicas = ReadNodes(ref reader), inSync = ReadNodes(ref reader);
        if (version >= 5)
        {
            ReadNodes(ref reader); // offline
        }

        return new(index, leader, replicas, inSync);
    }

    private static int[] ReadNodes(ref KafkaReader reader)
    {
        int[] nodes = new int[reader.Count(sizeof(int))];
        for (int i = 0; i < nodes.Length; i++)
        {
            nodes[i] = reader.Int32();
        }

        return nodes;
    }

    // One topic with one partition, as was asked for.
    private static bool IsOneOfOne(ref KafkaReader reader)
    {
        if (reader.Count(6) != 1)
        {
            return false;
        }

        reader.String();
        return reader.Count(6) == 1;
    }

    private static KafkaError ReadThrottledError(ref KafkaReader reader)
    {
        reader.Int32();
        return reader.Error();
    }
}

/// <summary>What a broker says of its cluster.</summary>
internal sealed record KafkaMetadata(IReadOnlyList<KafkaBroker> Brokers, string Cluster, int Controller, IReadOnlyList<KafkaTopic> Topics);

/// <summary>A broker, and where it says that it is.</summary>
internal readonly record struct KafkaBroker(int Node, KafkaAddress Address);

/// <summary>A topic; <paramref name="Rights"/> are ours, null where the broker does not say.</summary>
internal sealed record KafkaTopic(string Name, KafkaError Error, IReadOnlyList<KafkaPartition> Partitions, KafkaRights? Rights);

/// <summary>A partition of a topic; the leader is -1 where there is none.</summary>
internal sealed record KafkaPartition(int Index, int Leader, int[] Replicas, int[] InSync);

/// <summary>A folder of a broker; room is -1 where it is not told.</summary>
internal sealed record KafkaDisk(string Folder, KafkaError Error, long TotalBytes, long UsableBytes);
