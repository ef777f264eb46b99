using System.Diagnostics.Metrics;
using System.Threading.Channels;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>Keeps what happens on this host in a log, without holding anybody up: what waits is bounded, and what cannot be kept is counted,
/// and told as an event when the log keeps events again.</summary>
/// <remarks>Thread-safe. What happens before there is a log waits for it.</remarks>
/// <param name="stamp">Makes the events.</param>
/// <param name="failed">Is told, for people, why events are not kept, once each time that it begins; null: nobody.</param>
public sealed class EventRecorder(EventStamp stamp, Action<string>? failed = null) : IAsyncDisposable
{
    /// <summary>Events that may wait.</summary>
    public const int WaitingMax = 4096;

    private const int BatchBytesMax = EventBatch.BytesMax / 4;

    // A host that ends does not wait longer for brokers that nobody reaches.
    private static readonly TimeSpan s_endMax = TimeSpan.FromSeconds(5);

    private static readonly Meter s_meter = new("vitrine", typeof(EventRecorder).Assembly.GetName().Version?.ToString(3));
    private static readonly Counter<long> s_kept = s_meter.CreateCounter<long>("vitrine.events.kept", "{event}", "Events of this host that are durable.");
    private static readonly Counter<long> s_lost = s_meter.CreateCounter<long>("vitrine.events.lost", "{event}", "Events of this host that are not kept.");

    private readonly Channel<(string Topic, Event Event)> _waiting = Channel.CreateBounded<(string, Event)>(
        new BoundedChannelOptions(WaitingMax) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly EventBatch _batch = new();
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _lock = new();
    private Task _writing = Task.CompletedTask;
    private EventsLost? _lost; // not told yet

    /// <summary>Makes the events; they are to be handed to <see cref="Record"/>.</summary>
    public EventStamp Stamp => stamp;

    /// <summary>It has ended, and all that was recorded is kept, or counted as lost.</summary>
    public bool IsOver => _waiting.Reader.Completion.IsCompleted && _writing.IsCompleted;

    /// <summary>Keeps what was recorded so far, and what comes. Once.</summary>
    /// <param name="log">Keeps the events; is not closed with it.</param>
    /// <param name="format">Writes them; registered for <see cref="EventTopics.All"/>.</param>
    public void Begin(IEventLog log, EventFormat<Event> format)
    {
        ArgumentNullException.ThrowIfNull(log);
        ArgumentNullException.ThrowIfNull(format);
        _writing = WriteAsync(log, format);
    }

    /// <summary>There will be no log: what was recorded, and what comes, is counted as lost.</summary>
    public void GiveUp()
    {
        _waiting.Writer.TryComplete();
        while (_waiting.Reader.TryRead(out _))
        {
            s_lost.Add(1);
        }
    }

    /// <summary>Keeps an event, as soon as those before it are kept.</summary>
    /// <param name="topic">One of <see cref="EventTopics.All"/>.</param>
    /// <param name="happened">Not to be changed any more.</param>
    public void Record(string topic, Event happened)
    {
        ArgumentNullException.ThrowIfNull(happened);
        if (!_waiting.Writer.TryWrite((topic, happened)))
        {
            Lose(1, happened.Time, "more happened at a time than can be written");
        }
    }

    /// <summary>Keeps what waits, for as long as that works, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        bool isFirst = _waiting.Writer.TryComplete();
        if (isFirst)
        {
            _end.CancelAfter(s_endMax);
        }

        await _writing;
        if (isFirst)
        {
            _end.Dispose();
        }
    }

    private async Task WriteAsync(IEventLog log, EventFormat<Event> format)
    {
        while (await _waiting.Reader.WaitToReadAsync())
        {
            Timestamp? first = null;
            EventsLost? told = TakeLost();
            if (told is not null)
            {
                Event lost = stamp.New();
                lost.EventsLost = told;
                format.Write(_batch, EventTopics.Errors, stamp.Key, lost);
            }

            while (_batch.Bytes < BatchBytesMax && _waiting.Reader.TryRead(out (string Topic, Event Event) next))
            {
                first ??= next.Event.Time;
                format.Write(_batch, next.Topic, stamp.Key, next.Event);
            }

            int events = _batch.Count - (told is null ? 0 : 1);
            try
            {
                await log.AppendAsync(_batch, _end.Token);
                s_kept.Add(_batch.Count);
            }
            catch (Exception exception) when (exception is EventLogException or ObjectDisposedException or OperationCanceledException)
            {
                bool isNew = told is null;
                if (told is not null)
                {
                    Lose((long)told.Count, told.Since, told.Reason, isCounted: true);
                }

                Lose(events, first!, exception.Message);
                if (isNew)
                {
                    failed?.Invoke(exception.Message);
                }
            }

            _batch.Clear();
        }
    }

    private EventsLost? TakeLost()
    {
        lock (_lock)
        {
            EventsLost? lost = _lost;
            _lost = null;
            return lost;
        }
    }

    private void Lose(long count, Timestamp since, string reason, bool isCounted = false)
    {
        s_lost.Add(isCounted ? 0 : count);
        lock (_lock)
        {
            _lost ??= new() { Since = since, Reason = reason };
            _lost.Count += (ulong)count;
        }
    }
}
