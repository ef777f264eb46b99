namespace Vitrine.Viewer;

/// <summary>Estimates the host's monotonic clock: of the latest 16 exchanges the one with the smallest delay counts, because
/// what made it fast left the least room for error (RFC 5905, section 10).</summary>
/// <remarks>Thread-safe.</remarks>
public sealed class HostClock
{
    private const int ExchangesMax = 16;

    private readonly Lock _lock = new();
    private readonly (long OffsetNs, long DelayNs)[] _exchanges = new (long, long)[ExchangesMax];
    private int _count;
    private int _next;
    private long _offsetNs;
    private long _delayNs;

    /// <summary>Exchanges seen, at most 16.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    /// <summary>Host's clock minus ours, nanoseconds; 0 before the first exchange.</summary>
    public long OffsetNs => Interlocked.Read(ref _offsetNs);

    /// <summary>Round trip of the exchange that counts, nanoseconds: the estimate is at most half of it wrong.</summary>
    public long DelayNs => Interlocked.Read(ref _delayNs);

    /// <summary>Our time as the host's clock would show it.</summary>
    public long ToHost(long localNs) => localNs + OffsetNs;

    /// <summary>Adds an exchange.</summary>
    /// <param name="requestSentNs">Our clock.</param>
    /// <param name="requestReceivedNs">Host's clock.</param>
    /// <param name="replySentNs">Host's clock.</param>
    /// <param name="replyReceivedNs">Our clock.</param>
    public void Add(long requestSentNs, long requestReceivedNs, long replySentNs, long replyReceivedNs)
    {
        long delayNs = replyReceivedNs - requestSentNs - (replySentNs - requestReceivedNs);
        long offsetNs = ((requestReceivedNs - requestSentNs) / 2) + ((replySentNs - replyReceivedNs) / 2);
        lock (_lock)
        {
            _exchanges[_next] = (offsetNs, Math.Max(delayNs, 0));
            _next = (_next + 1) % ExchangesMax;
            _count = Math.Min(_count + 1, ExchangesMax);
            (long OffsetNs, long DelayNs) best = _exchanges[0];
            foreach ((long OffsetNs, long DelayNs) exchange in _exchanges.AsSpan(0, _count))
            {
                best = exchange.DelayNs < best.DelayNs ? exchange : best;
            }

            Interlocked.Exchange(ref _offsetNs, best.OffsetNs);
            Interlocked.Exchange(ref _delayNs, best.DelayNs);
        }
    }

    /// <summary>Another host, or the same one started anew: nothing is known.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            (_count, _next) = (0, 0);
            Interlocked.Exchange(ref _offsetNs, 0);
            Interlocked.Exchange(ref _delayNs, 0);
        }
    }
}
