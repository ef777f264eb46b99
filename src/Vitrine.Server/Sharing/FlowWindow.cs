using Vitrine.Wire;

namespace Vitrine.Server.Sharing;

/// <summary>A frame on its way to a viewer. Times are the host's monotonic nanoseconds.</summary>
/// <param name="Sequence">Its number.</param>
/// <param name="OriginNs">The change was first known.</param>
/// <param name="CapturedNs">Its pixels were in memory.</param>
/// <param name="EncodedNs">It was coded.</param>
/// <param name="SentNs">Its last packet so far was handed over.</param>
/// <param name="Bytes">Of its packets so far.</param>
internal readonly record struct FrameInFlight(uint Sequence, long OriginNs, long CapturedNs, long EncodedNs, long SentNs, long Bytes = 0)
{
    /// <summary>Its first packet was handed over.</summary>
    public long FirstSentNs { get; init; }

    /// <summary>Bytes that had been acknowledged then.</summary>
    public long DeliveredBytes { get; init; }

    /// <summary>When they had been; <see cref="FirstSentNs"/> when nothing was on its way.</summary>
    public long DeliveredNs { get; init; }
}

/// <summary>How many unacknowledged frames a viewer may have: two, so that one is decoded while the next travels, and one
/// more for every 16 ms that the path is long.</summary>
/// <remarks>Thread-safe: one thread sends, another receives acknowledgements. Holds at most <see cref="FramesMax"/> frames.</remarks>
internal sealed class FlowWindow
{
    public const int FramesMin = 2;
    public const int FramesMax = 32;
    private const long FramePeriodNs = 16_000_000;

    // A large frame takes its time on a slow link: that is no length of the path, and more of them must not be on their way.
    private const long SmallFrameBytes = 16 << 10;

    // The shortest round trip of the last 10 to 20 s: long enough to see past a burst, short enough to follow a change of network.
    private const long BucketNs = 10_000_000_000;

    private readonly Lock _lock = new();
    private readonly FrameInFlight[] _frames = new FrameInFlight[FramesMax];
    private long _deliveredBytes;
    private long _deliveredNs;
    private int _first;
    private int _count;
    private long _bucketStartNs;
    private long _bucketMinNs = long.MaxValue;
    private long _previousBucketMinNs = long.MaxValue;

    public bool IsOpen
    {
        get
        {
            lock (_lock)
            {
                return _count < Limit();
            }
        }
    }

    public int InFlight
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    /// <summary>Shortest recent round trip from the last byte handed over to the acknowledgement; null before the first.</summary>
    public long? MinRoundTripNs
    {
        get
        {
            lock (_lock)
            {
                long min = Math.Min(_bucketMinNs, _previousBucketMinNs);
                return min == long.MaxValue ? null : min;
            }
        }
    }

    /// <summary>A packet of a frame goes out; called before it is handed over, because its acknowledgement may be faster than
    /// the return from that call.</summary>
    public void Sending(FrameInFlight frame)
    {
        lock (_lock)
        {
            int last = (_first + _count - 1 + FramesMax) % FramesMax;
            if (_count > 0 && _frames[last].Sequence == frame.Sequence)
            {
                FrameInFlight before = _frames[last];
                _frames[last] = frame with
                {
                    Bytes = before.Bytes + frame.Bytes,
                    FirstSentNs = before.FirstSentNs,
                    DeliveredBytes = before.DeliveredBytes,
                    DeliveredNs = before.DeliveredNs,
                };
            }
            else if (_count < FramesMax)
            {
                _frames[(_first + _count) % FramesMax] = frame with
                {
                    FirstSentNs = frame.SentNs,
                    DeliveredBytes = _deliveredBytes,
                    DeliveredNs = _count == 0 ? frame.SentNs : _deliveredNs,
                };
                _count++;
            }
        }
    }

    /// <summary>Bytes of all frames acknowledged.</summary>
    public long DeliveredBytes
    {
        get
        {
            lock (_lock)
            {
                return _deliveredBytes;
            }
        }
    }

    /// <summary>A frame, and all before it, has arrived. False when it is none of those in flight: late, or invented.</summary>
    public bool TryAcknowledge(uint sequence, long nowNs, out FrameInFlight frame)
    {
        lock (_lock)
        {
            long bytes = 0;
            for (int i = 0; i < _count; i++)
            {
                frame = _frames[(_first + i) % FramesMax];
                bytes += frame.Bytes;
                if (frame.Sequence == sequence)
                {
                    (_deliveredBytes, _deliveredNs) = (_deliveredBytes + bytes, nowNs);
                    _first = (_first + i + 1) % FramesMax;
                    _count -= i + 1;
                    if (frame.Bytes <= SmallFrameBytes)
                    {
                        AddRoundTrip(nowNs - frame.SentNs, nowNs);
                    }

                    return true;
                }

                if (SerialNumber.IsAfter(frame.Sequence, sequence))
                {
                    break;
                }
            }

            frame = default;
            return false;
        }
    }

    /// <summary>Forgets what is in flight: the picture it belongs to is gone.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _count = 0;
        }
    }

    private int Limit()
    {
        long min = Math.Min(_bucketMinNs, _previousBucketMinNs);
        return min == long.MaxValue ? FramesMin : (int)Math.Clamp(FramesMin + (min / FramePeriodNs), FramesMin, FramesMax);
    }

    private void AddRoundTrip(long roundTripNs, long nowNs)
    {
        if (nowNs - _bucketStartNs >= BucketNs)
        {
            _previousBucketMinNs = nowNs - _bucketStartNs >= 2 * BucketNs ? long.MaxValue : _bucketMinNs;
            (_bucketStartNs, _bucketMinNs) = (nowNs, long.MaxValue);
        }

        _bucketMinNs = Math.Min(_bucketMinNs, Math.Max(roundTripNs, 0));
    }
}
