using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>The cluster for tests that librdkafka brings (<c>rdkafka_mock.h</c>): it speaks Kafka's protocol on loopback.</summary>
internal static unsafe partial class LibRdKafkaMock
{
    /// <returns>0 when it failed.</returns>
    [LibraryImport(LibRdKafka.Library)]
    public static partial nint rd_kafka_mock_cluster_new(nint client, int brokers);

    [LibraryImport(LibRdKafka.Library)]
    public static partial void rd_kafka_mock_cluster_destroy(nint cluster);

    /// <returns>UTF-8, of the cluster.</returns>
    [LibraryImport(LibRdKafka.Library)]
    public static partial byte* rd_kafka_mock_cluster_bootstraps(nint cluster);

    [LibraryImport(LibRdKafka.Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int rd_kafka_mock_topic_create(nint cluster, string topic, int partitions, int copies);

    [LibraryImport(LibRdKafka.Library)]
    public static partial void rd_kafka_mock_push_request_errors_array(nint cluster, short api, nuint count, int* errors);

    [LibraryImport(LibRdKafka.Library)]
    public static partial void rd_kafka_mock_clear_request_errors(nint cluster, short api);

    [LibraryImport(LibRdKafka.Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int rd_kafka_mock_partition_set_leader(nint cluster, string topic, int partition, int broker);

    [LibraryImport(LibRdKafka.Library)]
    public static partial int rd_kafka_mock_broker_set_down(nint cluster, int broker);

    [LibraryImport(LibRdKafka.Library)]
    public static partial int rd_kafka_mock_broker_set_up(nint cluster, int broker);

    [LibraryImport(LibRdKafka.Library)]
    public static partial int rd_kafka_mock_broker_set_rtt(nint cluster, int broker, int milliseconds);
}
