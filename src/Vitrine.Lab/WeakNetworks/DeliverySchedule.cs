namespace Vitrine.Lab.WeakNetworks;

/// <summary>Where a link is in its trace. One thread.</summary>
internal struct DeliverySchedule(DeliveryTrace trace, long startNs)
{
    private const long MillisecondNs = 1_000_000;
    private readonly long _periodNs = trace.Milliseconds[^1] * MillisecondNs;
    private long _round;   // times that it started anew
    private int _index;    // next opportunity not yet used up
    private int _leftBytes = DeliveryTrace.OpportunityBytes; // of it

    /// <summary>Takes what a packet needs of the opportunities after its arrival; packets come in order.</summary>
    /// <param name="arrivalNs">Not before that of the packet before.</param>
    /// <param name="bytes">At least 1.</param>
    /// <returns>When its last byte leaves.</returns>
    public long Depart(long arrivalNs, int bytes)
    {
        if (NextNs() <= arrivalNs)
        {
            SkipTo(arrivalNs);
        }

        while (bytes > _leftBytes)
        {
            bytes -= _leftBytes;
            Advance();
        }

        _leftBytes -= bytes;
        long departureNs = NextNs();
        if (_leftBytes == 0)
        {
            Advance();
        }

        return departureNs;
    }

    private readonly long NextNs() => startNs + (_round * _periodNs) + (trace.Milliseconds[_index] * MillisecondNs);

    private void Advance()
    {
        _leftBytes = DeliveryTrace.OpportunityBytes;
        if (++_index == trace.Milliseconds.Length)
        {
            (_index, _round) = (0, _round + 1);
        }
    }

    // The first opportunity later than a time: those before went by unused.
    private void SkipTo(long timeNs)
    {
        (long round, long withinNs) = Math.DivRem(timeNs - startNs, _periodNs);
        int milliseconds = (int)(withinNs / MillisecondNs), low = 0, high = trace.Milliseconds.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = trace.Milliseconds[middle] <= milliseconds ? (middle + 1, high) : (low, middle);
        }

        // Always found: the last time of the trace is the length of a round, which no time within one reaches.
        (_round, _index, _leftBytes) = (round, low, DeliveryTrace.OpportunityBytes);
    }
}
