using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>librdkafka's producer (<c>rdkafka.h</c>). Consumers, transactions and questions to brokers are Confluent.Kafka's.</summary>
internal static unsafe partial class LibRdKafka
{
    /// <summary>Debian: <c>librdkafka1</c>.</summary>
    public const string Library = "librdkafka.so.1";

    /// <summary><c>RD_KAFKA_PRODUCER</c></summary>
    public const int Producer = 0;

    /// <summary><c>RD_KAFKA_MSG_F_COPY</c>: what is sent is copied, and may be changed afterwards.</summary>
    public const int Copy = 2;

    /// <summary><c>RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT</c></summary>
    public const int PurgeAll = 3;

    /// <summary><c>rd_kafka_vtype_t</c>: what an argument of <see cref="rd_kafka_produceva"/> is.</summary>
    public enum ArgumentKind
    {
        Topic = 2,
        Partition = 3,
        Value = 4,
        Key = 5,
        Opaque = 6,
        Flags = 7,
        Header = 9,
    }

    /// <summary><c>rd_kafka_vu_t</c></summary>
    [StructLayout(LayoutKind.Explicit, Size = 72)]
    public struct Argument
    {
        [FieldOffset(0)]
        public ArgumentKind Kind;

        /// <summary>Of flags and partitions.</summary>
        [FieldOffset(8)]
        public int Number;

        /// <summary>A topic, an opaque, the bytes of a value or a key, the name of a header.</summary>
        [FieldOffset(8)]
        public nint Pointer;

        /// <summary>Bytes of a value or a key.</summary>
        [FieldOffset(16)]
        public nuint Bytes;

        [FieldOffset(16)]
        public nint HeaderValue;

        [FieldOffset(24)]
        public nint HeaderBytes;
    }

    /// <summary><c>rd_kafka_message_t</c></summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Message
    {
        public int Error;
        public nint Topic;
        public int Partition;
        public nint Value;
        public nuint ValueBytes;
        public nint Key;
        public nuint KeyBytes;
        public long Offset;
        public nint Opaque;
    }

    [LibraryImport(Library)]
    public static partial nint rd_kafka_conf_new();

    [LibraryImport(Library)]
    public static partial void rd_kafka_conf_destroy(nint configuration);

    /// <returns>0 when it was taken.</returns>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int rd_kafka_conf_set(nint configuration, string name, string value, byte* error, nuint errorBytes);

    [LibraryImport(Library)]
    public static partial void rd_kafka_conf_set_opaque(nint configuration, nint opaque);

    [LibraryImport(Library)]
    public static partial void rd_kafka_conf_set_dr_msg_cb(nint configuration, delegate* unmanaged[Cdecl]<nint, Message*, nint, void> delivered);

    [LibraryImport(Library)]
    public static partial void rd_kafka_conf_set_error_cb(nint configuration, delegate* unmanaged[Cdecl]<nint, int, byte*, nint, void> failed);

    /// <summary>Takes the configuration, unless it fails.</summary>
    /// <returns>0 when it failed.</returns>
    [LibraryImport(Library)]
    public static partial nint rd_kafka_new(int type, nint configuration, byte* error, nuint errorBytes);

    [LibraryImport(Library)]
    public static partial void rd_kafka_destroy(nint client);

    /// <returns>0 when it failed.</returns>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint rd_kafka_topic_new(nint client, string topic, nint configuration);

    [LibraryImport(Library)]
    public static partial void rd_kafka_topic_destroy(nint topic);

    /// <returns>An error to be destroyed; 0: it was taken.</returns>
    [LibraryImport(Library)]
    public static partial nint rd_kafka_produceva(nint client, Argument* arguments, nuint count);

    [LibraryImport(Library)]
    public static partial int rd_kafka_error_code(nint error);

    /// <returns>UTF-8, of the error.</returns>
    [LibraryImport(Library)]
    public static partial byte* rd_kafka_error_string(nint error);

    [LibraryImport(Library)]
    public static partial void rd_kafka_error_destroy(nint error);

    /// <summary>Calls what waits to be called.</summary>
    [LibraryImport(Library)]
    public static partial int rd_kafka_poll(nint client, int timeoutMs);

    [LibraryImport(Library)]
    public static partial int rd_kafka_flush(nint client, int timeoutMs);

    [LibraryImport(Library)]
    public static partial int rd_kafka_purge(nint client, int flags);
}
