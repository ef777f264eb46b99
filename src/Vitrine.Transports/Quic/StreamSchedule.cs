namespace Vitrine.Transports.Quic;

/// <summary>Which stream of a connection is written next: the lowest <see cref="QuicStream.Priority"/>, those of one priority in turn.</summary>
/// <remarks>One thread, the event loop's. Allocates only when more streams are ready than ever before.</remarks>
internal sealed class StreamSchedule
{
    private readonly PriorityQueue<QuicStream, (int Priority, long Turn)> _ready = new();
    private long _turn;

    /// <summary>How many have something to send and may.</summary>
    public int Count => _ready.Count;

    /// <summary>The next one.</summary>
    public QuicStream Next => _ready.Peek();

    /// <summary>A stream has something to send, or another priority.</summary>
    public void Add(QuicStream stream)
    {
        if (stream.IsInSchedule)
        {
            if (stream.ScheduledPriority == stream.Priority)
            {
                return;
            }

            Remove(stream);
        }

        stream.IsInSchedule = true;
        stream.ScheduledPriority = stream.Priority;
        _ready.Enqueue(stream, (stream.ScheduledPriority, _turn++));
    }

    /// <summary>The next one had its turn.</summary>
    public void Rotate()
    {
        if (_ready.Count > 1)
        {
            QuicStream stream = _ready.Dequeue();
            _ready.Enqueue(stream, (stream.ScheduledPriority, _turn++));
        }
    }

    /// <summary>A stream has nothing to send, or may not.</summary>
    public void Remove(QuicStream stream)
    {
        if (!stream.IsInSchedule)
        {
            return;
        }

        stream.IsInSchedule = false;
        if (_ready.Peek() == stream)
        {
            _ready.Dequeue();
        }
        else
        {
            _ready.Remove(stream, out _, out _);
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        foreach ((QuicStream stream, _) in _ready.UnorderedItems)
        {
            stream.IsInSchedule = false;
        }

        _ready.Clear();
    }
}
