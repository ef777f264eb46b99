using System.Diagnostics;
using System.Text;
using Confluent.Kafka;
using Vitrine.Events.Embedded;

namespace Vitrine.Events.Kafka;

/// <summary>Sends the events of a batch, and waits until brokers have all of them.</summary>
internal sealed class KafkaDelivery
{
    private const string TraceHeader = "traceparent"; // W3C Trace Context
    private static readonly TimeSpan s_roomPause = TimeSpan.FromMilliseconds(5);

    private readonly TaskCompletionSource<EventPosition> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Error? _error;
    private EventPosition _first;
    private int _left;

    private KafkaDelivery(int events) => _left = events;

    /// <summary>Sends a batch.</summary>
    /// <param name="producer">Sends it.</param>
    /// <param name="topics">Knows what its topics are called.</param>
    /// <param name="batch">Not empty.</param>
    /// <param name="cancellationToken">Ends the wait for room.</param>
    /// <returns>When all of it is durable: where its first event stands.</returns>
    /// <exception cref="KafkaException">It is not, or not all of it.</exception>
    public static async Task<EventPosition> SendAsync(IProducer<byte[], byte[]> producer, KafkaTopics topics, EventBatch batch, CancellationToken cancellationToken)
    {
        KafkaDelivery delivery = new(batch.Count);
        Action<DeliveryReport<byte[], byte[]>> first = report => delivery.Tell(report, isFirst: true), next = report => delivery.Tell(report, isFirst: false);
        Headers? headers = Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } trace } ? new() { { TraceHeader, Encoding.ASCII.GetBytes(trace) } } : null;
        ReadOnlyMemory<byte> body = batch.BodyMemory, name = default;
        string topic = "";
        int sent = 0;
        try
        {
            while (LogFrame.TryTake(ref body, out LogEntry entry))
            {
                if (!entry.Name.Span.SequenceEqual(name.Span))
                {
                    name = entry.Name;
                    string wanted = Encoding.UTF8.GetString(name.Span);
                    await topics.NeedAsync(wanted, cancellationToken);
                    topic = topics.NameOf(wanted);
                }

                Message<byte[], byte[]> message = new() { Key = entry.Key.IsEmpty ? null! : entry.Key.ToArray(), Value = entry.Value.ToArray(), Headers = headers };
                while (!TryProduce(producer, topic, message, sent == 0 ? first : next))
                {
                    await Task.Delay(s_roomPause, cancellationToken);
                }

                sent++;
            }
        }
        catch (ProduceException<byte[], byte[]> refused)
        {
            // Those that were sent may be kept; nobody waits for them any more.
            throw new KafkaException(refused.Error, refused);
        }

        return await delivery._done.Task.WaitAsync(cancellationToken);
    }

    private static bool TryProduce(IProducer<byte[], byte[]> producer, string topic, Message<byte[], byte[]> message, Action<DeliveryReport<byte[], byte[]>> told)
    {
        try
        {
            producer.Produce(topic, message, told);
            return true;
        }
        catch (ProduceException<byte[], byte[]> full) when (full.Error.Code == ErrorCode.Local_QueueFull)
        {
            return false;
        }
    }

    // One thread of the producer's tells all of them.
    private void Tell(DeliveryReport<byte[], byte[]> report, bool isFirst)
    {
        _error ??= report.Error.IsError ? report.Error : null;
        if (isFirst)
        {
            _first = new(report.Topic, report.Partition.Value, report.Offset.Value);
        }

        if (--_left > 0)
        {
            return;
        }

        if (_error is { } error)
        {
            _done.SetException(new KafkaException(error));
        }
        else
        {
            _done.SetResult(_first);
        }
    }
}
