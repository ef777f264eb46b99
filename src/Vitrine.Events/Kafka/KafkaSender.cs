using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Confluent.Kafka;
using Vitrine.Interop;

namespace Vitrine.Events.Kafka;

/// <summary>librdkafka's producer, without an object for each event: Confluent.Kafka makes a message, two handles and a report for each, which costs as much
/// as sending it.</summary>
/// <remarks><see cref="TrySend"/> from any number of threads. A thread of its own tells deliveries.</remarks>
internal sealed unsafe class KafkaSender : IKafkaOutlet, IDisposable
{
    private const string PrefixOfOthers = "dotnet."; // Confluent.Kafka's own settings
    private const int ErrorBytes = 512, LookMs = 100, FlushMs = 2000;

    // A delivery and whether the event is its first one, in one word: handles have even addresses.
    private const nint FirstMark = 1;

    private readonly Action<Error> _hear;
    private readonly Client _client;
    private readonly Thread _telling;
    private volatile bool _isOver;

    /// <summary>Begins to speak to brokers.</summary>
    /// <param name="config">How.</param>
    /// <param name="hear">Is told what is bad; on the thread that tells.</param>
    /// <exception cref="InvalidOperationException">Settings cannot be used.</exception>
    public KafkaSender(ProducerConfig config, Action<Error> hear)
    {
        _hear = hear;
        GCHandle self = GCHandle.Alloc(this);
        nint settings = LibRdKafka.rd_kafka_conf_new(), client = 0;
        byte* error = stackalloc byte[ErrorBytes];
        bool isUsable = config.Append(new("log_level", "0")) // what matters of it comes as an error too
            .Where(each => !each.Key.StartsWith(PrefixOfOthers, StringComparison.Ordinal))
            .All(each => LibRdKafka.rd_kafka_conf_set(settings, each.Key, each.Value, error, ErrorBytes) == 0);
        if (isUsable)
        {
            LibRdKafka.rd_kafka_conf_set_opaque(settings, GCHandle.ToIntPtr(self));
            LibRdKafka.rd_kafka_conf_set_dr_msg_cb(settings, &Told);
            LibRdKafka.rd_kafka_conf_set_error_cb(settings, &Heard);
            client = LibRdKafka.rd_kafka_new(LibRdKafka.Producer, settings, error, ErrorBytes);
        }

        if (client == 0)
        {
            LibRdKafka.rd_kafka_conf_destroy(settings);
            self.Free();
            throw new InvalidOperationException(Marshal.PtrToStringUTF8((nint)error));
        }

        _client = new(client, self);
        _telling = new(Tell) { IsBackground = true, Name = "Kafka producer" };
        _telling.Start();
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">It is over.</exception>
    public bool TrySend(string topic, int? partition, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, byte[]? trace, KafkaDelivery delivery, bool isFirst)
    {
        bool isHeld = false;
        try
        {
            _client.DangerousAddRef(ref isHeld);
            return TryProduce(_client.TopicOf(topic), partition, key, value, trace, delivery.Handle | (isFirst ? FirstMark : 0));
        }
        finally
        {
            if (isHeld)
            {
                _client.DangerousRelease();
            }
        }
    }

    /// <summary>Sends what waits, if that works at once; what does not is told to have failed.</summary>
    public void Dispose()
    {
        _isOver = true;
        _telling.Join();
        _client.Dispose();
    }

    private bool TryProduce(nint topic, int? partition, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, byte[]? trace, nint told)
    {
        LibRdKafka.Argument* arguments = stackalloc LibRdKafka.Argument[7];
        int count = 0;
        fixed (byte* keyAt = key, valueAt = value, traceAt = trace, header = "traceparent\0"u8)
        {
            arguments[count++] = new() { Kind = LibRdKafka.ArgumentKind.Topic, Pointer = topic };
            arguments[count++] = new() { Kind = LibRdKafka.ArgumentKind.Flags, Number = LibRdKafka.Copy };
            arguments[count++] = new() { Kind = LibRdKafka.ArgumentKind.Opaque, Pointer = told };

            // Without an address it would be no value, which is something else than an empty one.
            arguments[count++] = new() { Kind = LibRdKafka.ArgumentKind.Value, Pointer = (nint)(valueAt is null ? header : valueAt), Bytes = (nuint)value.Length };
            if (!key.IsEmpty)
            {
                arguments[count++] = new() { Kind = LibRdKafka.ArgumentKind.Key, Pointer = (nint)keyAt, Bytes = (nuint)key.Length };
            }

            if (partition is { } wanted)
            {
                arguments[count++] = new() { Kind = LibRdKafka.ArgumentKind.Partition, Number = wanted };
            }

            if (trace is not null)
            {
                arguments[count++] = new() { Kind = LibRdKafka.ArgumentKind.Header, Pointer = (nint)header, HeaderValue = (nint)traceAt, HeaderBytes = trace.Length };
            }

            // SAFETY: what is sent is copied before the call returns; the delivery's handle lives until all of its events were told.
            nint refused = LibRdKafka.rd_kafka_produceva(_client.DangerousGetHandle(), arguments, (nuint)count);
            if (refused == 0)
            {
                return true;
            }

            Error error = new((ErrorCode)LibRdKafka.rd_kafka_error_code(refused), Marshal.PtrToStringUTF8((nint)LibRdKafka.rd_kafka_error_string(refused)));
            LibRdKafka.rd_kafka_error_destroy(refused);
            return error.Code == ErrorCode.Local_QueueFull ? false : throw new KafkaException(error);
        }
    }

    // SAFETY: nothing here throws; an exception must not pass through librdkafka's frames.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Told(nint client, LibRdKafka.Message* message, nint opaque)
    {
        KafkaDelivery delivery = (KafkaDelivery)GCHandle.FromIntPtr(message->Opaque & ~FirstMark).Target!;
        delivery.Tell(message->Error == 0 ? null : new((ErrorCode)message->Error), (message->Opaque & FirstMark) != 0, message->Partition, message->Offset);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Heard(nint client, int code, byte* reason, nint opaque) =>
        ((KafkaSender)GCHandle.FromIntPtr(opaque).Target!)._hear(new((ErrorCode)code, Marshal.PtrToStringUTF8((nint)reason)));

    private void Tell()
    {
        while (!_isOver)
        {
            _ = LibRdKafka.rd_kafka_poll(_client.DangerousGetHandle(), LookMs);
        }
    }

    /// <summary>A client and what it knows of topics. It ends when nobody sends any more, so whatever was taken is told.</summary>
    private sealed class Client : SafeHandle
    {
        private readonly ConcurrentDictionary<string, nint> _topics = new();
        private GCHandle _owner;

        public Client(nint client, GCHandle owner)
            : base(0, ownsHandle: true)
        {
            SetHandle(client);
            _owner = owner;
        }

        public override bool IsInvalid => handle == 0;

        public nint TopicOf(string name)
        {
            if (_topics.TryGetValue(name, out nint topic))
            {
                return topic;
            }

            lock (_topics)
            {
                // Once: each that librdkafka gives is to be given back.
                return _topics.GetOrAdd(
                    name, static (name, client) => LibRdKafka.rd_kafka_topic_new(client, name, 0) is not 0 and var made ? made : throw new KafkaException(ErrorCode.Local_UnknownTopic), handle);
            }
        }

        protected override bool ReleaseHandle()
        {
            if (LibRdKafka.rd_kafka_flush(handle, FlushMs) != 0)
            {
                _ = LibRdKafka.rd_kafka_purge(handle, LibRdKafka.PurgeAll);
                _ = LibRdKafka.rd_kafka_flush(handle, FlushMs);
            }

            foreach (nint topic in _topics.Values)
            {
                LibRdKafka.rd_kafka_topic_destroy(topic);
            }

            LibRdKafka.rd_kafka_destroy(handle);
            _owner.Free();
            return true;
        }
    }
}
