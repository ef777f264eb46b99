namespace Vitrine.Transports.Quic;

/// <summary>Whether a path loses packets, by the repairs that its sender sees. Losses are seen when 3 in 100 packets are lost: at 5 % that
/// takes some 60 packets; at 0.2 % it is so after one loss in 60. Then packets go twice, and only when both are lost that is seen (one in
/// 400 at 5 %), so it is remembered for 2,000 packets after each.</summary>
/// <remarks>One thread. <c>default</c> has seen nothing, and takes it that nothing is lost.</remarks>
internal struct LossMemory
{
    private const int WindowPackets = 100;
    private const int RememberedPackets = 2000;

    // Before this number it is taken for lossy, whatever was seen.
    private long _assumedUntil;

    // By number of the packet, 0: none. This loss would be the third.
    private long _lossBefore;
    private long _lossBeforeThat;
    private long _until;

    /// <summary>Packets with data so far.</summary>
    public long Packets { get; private set; }

    /// <summary>Whether packets are lost these days.</summary>
    public readonly bool IsLossy => Packets < _until || Packets < _assumedUntil;

    /// <summary>Of a path that a connection has just moved to: packets are taken to be lost there until as many have gone as are looked at. A
    /// network is left where it is weak, and the other one is found at its edge.</summary>
    public static LossMemory OfAnotherPath() => new() { _assumedUntil = WindowPackets };

    /// <summary>A packet with data is sent.</summary>
    public void NotePacket() => Packets++;

    /// <summary>The last one repairs a loss.</summary>
    public void NoteLoss()
    {
        if (Packets < _until || (_lossBeforeThat > 0 && Packets - _lossBeforeThat < WindowPackets))
        {
            _until = Packets + RememberedPackets;
        }

        (_lossBeforeThat, _lossBefore) = (_lossBefore, Packets);
    }
}
