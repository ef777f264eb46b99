using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Confluent.Kafka;
using Vitrine.Events.Embedded;

namespace Vitrine.Events.Kafka;

/// <summary>Events that somebody waits for until brokers have all of them.</summary>
internal sealed class KafkaDelivery
{
    private static readonly TimeSpan s_roomPause = TimeSpan.FromMilliseconds(5);

    private readonly TaskCompletionSource<EventPosition> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private GCHandle _self;
    private Error? _error;
    private string _firstTopic = "";
    private EventPosition _first;
    private int _left;

    private KafkaDelivery(int events)
    {
        _left = events;
        _self = GCHandle.Alloc(this);
    }

    /// <summary>Leads to it until the last of its events was told.</summary>
    public nint Handle => GCHandle.ToIntPtr(_self);

    /// <summary>Sends a batch.</summary>
    /// <param name="outlet">Sends it.</param>
    /// <param name="topics">Knows what its topics are called.</param>
    /// <param name="batch">Not empty.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>When all of it is durable: where its first event stands.</returns>
    /// <exception cref="KafkaException">It is not, or not all of it.</exception>
    public static async Task<EventPosition> SendAsync(IKafkaOutlet outlet, KafkaTopics topics, EventBatch batch, CancellationToken cancellationToken)
    {
        KafkaDelivery delivery = new(batch.Count);
        byte[]? trace = Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } id } ? Encoding.ASCII.GetBytes(id) : null;
        ReadOnlyMemory<byte> body = batch.BodyMemory, name = default;
        string topic = "";
        int sent = 0;
        try
        {
            for (; LogFrame.TryTake(ref body, out LogEntry entry); sent++)
            {
                if (!entry.Name.Span.SequenceEqual(name.Span))
                {
                    name = entry.Name;
                    string wanted = Encoding.UTF8.GetString(name.Span);
                    await topics.NeedAsync(wanted, cancellationToken);
                    topic = topics.NameOf(wanted);
                }

                if (sent == 0)
                {
                    delivery._firstTopic = topic;
                }

                while (!outlet.TrySend(topic, null, entry.Key.Span, entry.Value.Span, trace, delivery, sent == 0))
                {
                    await Task.Delay(s_roomPause, cancellationToken);
                }
            }
        }
        catch
        {
            delivery.Count(batch.Count - sent); // those that were sent may be kept; nobody waits for them any more
            throw;
        }

        return await delivery._done.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Sends a record to one partition.</summary>
    /// <exception cref="KafkaException">It is not durable.</exception>
    public static async Task SendAsync(IKafkaOutlet outlet, string topic, int partition, byte[] key, byte[] value, CancellationToken cancellationToken)
    {
        KafkaDelivery delivery = new(1) { _firstTopic = topic };
        try
        {
            while (!outlet.TrySend(topic, partition, key, value, null, delivery, isFirst: true))
            {
                await Task.Delay(s_roomPause, cancellationToken);
            }
        }
        catch
        {
            delivery.Count(1);
            throw;
        }

        await delivery._done.Task.WaitAsync(cancellationToken);
    }

    /// <summary>What became of one of them. From one thread at a time.</summary>
    public void Tell(Error? error, bool isFirst, int partition, long offset)
    {
        _error ??= error;
        if (isFirst)
        {
            _first = new(_firstTopic, partition, offset);
        }

        Count(1);
    }

    private void Count(int events)
    {
        if (Interlocked.Add(ref _left, -events) > 0)
        {
            return;
        }

        _self.Free();
        if (_error is { } error)
        {
            _done.TrySetException(new KafkaException(error));
        }
        else
        {
            _done.TrySetResult(_first);
        }
    }
}
