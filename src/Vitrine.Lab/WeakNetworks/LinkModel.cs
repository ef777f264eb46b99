namespace Vitrine.Lab.WeakNetworks;

/// <summary>What becomes of a packet.</summary>
internal enum PacketOutcome
{
    /// <summary>It arrives.</summary>
    Delivered,

    /// <summary>It is lost on the way.</summary>
    Lost,

    /// <summary>The queue is full.</summary>
    TailDropped,
}

/// <summary>What becomes of a packet, and when.</summary>
/// <param name="Outcome">Whether it arrives.</param>
/// <param name="DueNs">When, monotonic nanoseconds.</param>
/// <param name="IsDuplicated">Whether it arrives twice.</param>
internal readonly record struct PacketFate(PacketOutcome Outcome, long DueNs, bool IsDuplicated);

/// <summary>Decides what becomes of the packets of one direction, by their number, time and length alone: it never sees what is in
/// them. Chance is a function of key and number, so that a packet's luck does not depend on when it comes or on other settings.</summary>
/// <remarks>No clock, no I/O, one thread. Allocates at construction only.</remarks>
internal sealed class LinkModel
{
    private readonly LinkProfile _profile;
    private readonly ulong _key;
    private readonly long _delayNs;
    private readonly long _jitterNs;
    private readonly long _holdNs;
    private readonly bool _isShaped;
    private readonly QueuedPacket[] _queue; // those that have not left yet; oldest at _queueHead
    private DeliverySchedule _schedule;
    private int _queueHead;
    private long _freeNs = long.MinValue; // when the rate has done with what is queued
    private long _lastDueNs = long.MinValue;
    private bool _isBad;
    private volatile bool _isSpared;

    /// <param name="profile">Checked.</param>
    /// <param name="key">Two models with the same key and profile decide alike.</param>
    public LinkModel(LinkProfile profile, ulong key)
    {
        (_profile, _key) = (profile, key);
        _delayNs = Nanoseconds(profile.Delay);
        _jitterNs = Nanoseconds(profile.Jitter);
        _holdNs = Nanoseconds(profile.ReorderHold);
        _isShaped = profile.IsShaped;
        _queue = new QueuedPacket[_isShaped ? profile.QueuePacketsMax : 0];
    }

    // What a number is drawn for. One stream each: switching one on changes no other.
    private enum Draw
    {
        State = 1,
        Loss = 2,
        Jitter = 3,
        Reorder = 4,
        Duplicate = 5,
    }

    /// <summary>Packets decided so far, which is the number of the next.</summary>
    public long PacketCount { get; private set; }

    /// <summary>Packets that waited for the rate or the trace when the last one came, that one included.</summary>
    public int QueuedPackets { get; private set; }

    /// <summary>Their bytes.</summary>
    public long QueuedBytes { get; private set; }

    /// <summary>Whether packets are delayed only: no loss, no rate. Chance goes on as if it were not. Any thread.</summary>
    public bool IsSpared
    {
        get => _isSpared;
        set => _isSpared = value;
    }

    /// <summary>The next packet.</summary>
    /// <param name="nowNs">When it came; never less than before.</param>
    /// <param name="bytes">Of the IP packet, at least 1.</param>
    public PacketFate Decide(long nowNs, int bytes)
    {
        long number = PacketCount++;
        _isBad = Chance(number, Draw.State) < (_isBad ? _profile.Loss.BadToGood : _profile.Loss.GoodToBad) ? !_isBad : _isBad;
        long departureNs = nowNs;
        bool isSpared = _isSpared;
        if (_isShaped && !isSpared && !TryQueue(nowNs, bytes, out departureNs))
        {
            return new(PacketOutcome.TailDropped, 0, false);
        }

        if (!isSpared && Chance(number, Draw.Loss) < (_isBad ? _profile.Loss.LossInBad : _profile.Loss.LossInGood))
        {
            return new(PacketOutcome.Lost, 0, false);
        }

        long dueNs = departureNs + _delayNs + (long)(((2 * Chance(number, Draw.Jitter)) - 1) * _jitterNs);
        if (Chance(number, Draw.Reorder) < _profile.ReorderShare)
        {
            dueNs = Math.Max(dueNs, _lastDueNs) + _holdNs;
        }
        else if (!_profile.JitterReorders)
        {
            dueNs = _lastDueNs = Math.Max(dueNs, _lastDueNs);
        }

        return new(PacketOutcome.Delivered, dueNs, Chance(number, Draw.Duplicate) < _profile.DuplicateShare);
    }

    /// <summary>Forgets those that have left by now, so that the depth of the queue is right while nothing comes.</summary>
    public void Settle(long nowNs)
    {
        while (QueuedPackets > 0 && _queue[_queueHead].DepartureNs <= nowNs)
        {
            QueuedBytes -= _queue[_queueHead].Bytes;
            QueuedPackets--;
            _queueHead = _queueHead + 1 == _queue.Length ? 0 : _queueHead + 1;
        }
    }

    private bool TryQueue(long nowNs, int bytes, out long departureNs)
    {
        Settle(nowNs);
        departureNs = 0;
        if (QueuedPackets == _queue.Length || (QueuedPackets > 0 && QueuedBytes + bytes > _profile.QueueBytesMax))
        {
            return false;
        }

        if (_profile.Trace is { } trace)
        {
            if (_freeNs == long.MinValue)
            {
                _schedule = new(trace, nowNs); // a trace starts with the first packet of its direction
            }

            departureNs = _schedule.Depart(nowNs, bytes);
        }
        else
        {
            // Whole nanoseconds, rounded up: never faster than the rate.
            long sendingNs = (((long)bytes * 8_000_000_000) + _profile.RateBitsPerSecond - 1) / _profile.RateBitsPerSecond;
            departureNs = Math.Max(nowNs, _freeNs) + sendingNs;
        }

        _freeNs = departureNs;
        int tail = _queueHead + QueuedPackets;
        _queue[tail >= _queue.Length ? tail - _queue.Length : tail] = new(departureNs, bytes);
        QueuedPackets++;
        QueuedBytes += bytes;
        return true;
    }

    // Uniform, 0 to below 1: the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over key, purpose and number.
    private double Chance(long number, Draw draw) =>
        (Mix(Mix(_key + ((ulong)draw * 0x9e37_79b9_7f4a_7c15)) + ((ulong)number * 0x9e37_79b9_7f4a_7c15)) >> 11) * (1.0 / (1UL << 53));

    /// <summary>A number that looks random, the same for the same value.</summary>
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xbf58_476d_1ce4_e5b9;
        value = (value ^ (value >> 27)) * 0x94d0_49bb_1331_11eb;
        return value ^ (value >> 31);
    }

    private static long Nanoseconds(TimeSpan time) => time.Ticks * TimeSpan.NanosecondsPerTick;

    private readonly record struct QueuedPacket(long DepartureNs, int Bytes);
}
