namespace Vitrine.Server.Sharing;

/// <summary>How much video one viewer's link carries: its rate from what arrived in the time it took, its queue from how much
/// longer a frame travels than the fastest one did.</summary>
/// <remarks>
/// A delivery rate as in BBR (draft-cardwell-iccrg-bbr-congestion-control, section 4.1): bytes that arrived between the newest
/// arrival known when a frame was sent, and its own. A sender that has little to send measures too little, never too much, so that the
/// highest rate of the last seconds is what the link carries at least. Arrival is by the viewer's clock as the host sees it: what
/// decoding and showing take does not count. Thread-safe.
/// </remarks>
internal sealed class LinkMeter(long floorBitsPerSecond, long ceilingBitsPerSecond)
{
    /// <summary>Above this the target falls.</summary>
    public const long QueueNsMax = 50_000_000;

    // No path is so long; a frame that takes longer stood in a queue, also when there never was a faster one to tell.
    private const long TravelNsMax = 1_000_000_000;

    private const long FallNs = 150_000_000;
    private const long RiseNs = 500_000_000;
    private const long BucketNs = 3_000_000_000;
    private const long QueueProofNs = 200_000_000;

    // After a queue the target rises slowly for a while: what it found it would find again.
    private const long CalmNs = 3_000_000_000;

    // Of what the link delivers, the part that video may use: the rest is for tiles, and for being wrong.
    private const double Share = 0.8;

    private readonly Lock _lock = new();
    private long _bucketNs;
    private long _minTravelNs = long.MaxValue;
    private long _previousMinTravelNs = long.MaxValue;
    private double _maxRate;
    private double _previousMaxRate;
    private long _fallenNs;
    private long _risenNs;
    private long _queueSinceNs;
    private double _queueMaxRate;
    private double _target = ceilingBitsPerSecond;
    private long _queueNs;

    /// <summary>Bits a second that video for this viewer should have at most.</summary>
    public long TargetBitsPerSecond
    {
        get
        {
            lock (_lock)
            {
                return (long)_target;
            }
        }
    }

    /// <summary>How long the last frame stood in a queue.</summary>
    public long QueueNs
    {
        get
        {
            lock (_lock)
            {
                return _queueNs;
            }
        }
    }

    /// <summary>A frame has arrived.</summary>
    /// <param name="frame">As it was sent.</param>
    /// <param name="deliveredBytes">Of all frames, this one included.</param>
    /// <param name="receivedNs">When, host's clock as the viewer estimates it; what cannot be is ignored.</param>
    /// <param name="nowNs">Monotonic.</param>
    public void Add(in FrameInFlight frame, long deliveredBytes, long receivedNs, long nowNs)
    {
        if (receivedNs <= frame.FirstSentNs || receivedNs > nowNs + QueueNsMax)
        {
            return;
        }

        lock (_lock)
        {
            if (nowNs - _bucketNs >= BucketNs)
            {
                bool isLong = nowNs - _bucketNs >= 2 * BucketNs;
                (_previousMinTravelNs, _previousMaxRate) = isLong ? (long.MaxValue, 0) : (_minTravelNs, _maxRate);
                (_bucketNs, _minTravelNs, _maxRate) = (nowNs, long.MaxValue, 0);
            }

            long travelNs = receivedNs - frame.SentNs;
            _minTravelNs = Math.Min(_minTravelNs, travelNs);
            double rate = (deliveredBytes - frame.DeliveredBytes) * 8e9 / (receivedNs - Math.Min(frame.DeliveredNs, frame.FirstSentNs));
            _maxRate = Math.Max(_maxRate, rate);
            _queueNs = travelNs - Math.Min(_minTravelNs, _previousMinTravelNs);
            if (_queueNs > QueueNsMax || (travelNs > TravelNsMax && Share * rate < _target))
            {
                if (_queueSinceNs == 0)
                {
                    (_queueSinceNs, _queueMaxRate) = (receivedNs, 0);
                }

                _queueMaxRate = Math.Max(_queueMaxRate, rate);

                if (nowNs - _fallenNs >= FallNs)
                {
                    // One late frame may be a hiccup of either side. When a queue has stood for a while, the best rate that came
                    // out of it is what the link carries.
                    double carried = receivedNs - _queueSinceNs >= QueueProofNs || travelNs > TravelNsMax ? _queueMaxRate : double.MaxValue;
                    _fallenNs = _risenNs = nowNs;
                    _target = Math.Max(floorBitsPerSecond, Math.Min(_target * 0.85, Share * carried));
                    (_maxRate, _previousMaxRate) = (Math.Min(_maxRate, carried), Math.Min(_previousMaxRate, carried));
                }
            }
            else
            {
                _queueSinceNs = 0;
                if (nowNs - _risenNs >= RiseNs)
                {
                    _risenNs = nowNs;
                    double proven = Share * Math.Max(_maxRate, _previousMaxRate);
                    double step = nowNs - _fallenNs > CalmNs ? 1.25 : 1.05;
                    _target = Math.Min(ceilingBitsPerSecond, Math.Max(_target * step, nowNs - _fallenNs > CalmNs ? proven : 0));
                }
            }
        }
    }
}
