using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <content>Packets sent a second time where packets are lost and little is under way, on the loop's thread.</content>
/// <remarks>
/// <para>A request that fits into a packet is late by a whole round trip and more when that packet is lost: nothing behind it tells the
/// sender so, and the probe timeout must pass (RFC 9002, section 6.2). Where losses were seen, packets with data go again a moment later,
/// byte by byte the same: whichever comes second is discarded by its number (RFC 9000, section 12.3), and only when both are lost the
/// round trip is. A moment later, because losses come in bursts.</para>
/// <para>So do the first packets after a change of the path (RFC 9000, section 9), as many as it takes to see whether it loses any: the
/// congestion window is an initial one again, a burst of losses fills it, and the probe timeout of a path whose round trip is not known is
/// a second (RFC 9002, sections 6.2.2 and 7.2). A server does so once it knows that the client is there.</para>
/// <para>Not while more than <see cref="RepeatedBytesMax"/> wait or are under way: then losses may be the sender's own doing, and what follows
/// tells of them.</para>
/// <para>It is bounded: as many bytes as are under way may go twice while they are no more than an initial window, which every sender may put on
/// a path it knows nothing of (RFC 9002, section 7.2), or while both copies fit into the congestion window.</para>
/// </remarks>
public sealed unsafe partial class QuicConnection
{
    // A packet without new bytes of streams or datagrams that is as long as this repairs a loss; acknowledgements are shorter.
    private const int RepairBytesMin = 160;

    // The first packets of a path are tokens, ids and probes, and say nothing about losses.
    private const int UnknownPackets = 16;

    private const int RepeatedBytesMin = 14_720;
    private const int RepeatedBytesMax = 40_000;
    private const int RepeatsMax = 16;

    private readonly Queue<Repeat> _repeats = new();
    private LossMemory _losses;
    private long _packetsRepeated;
    private long _lossyWindow;
    private long _lossyRttNs;

    private ulong NextRepeat => _repeats.TryPeek(out Repeat next) ? next.Due : ulong.MaxValue;

    /// <summary>The congestion window where packets are lost these days; 0 elsewhere, and where none go twice.</summary>
    internal long LossyWindowBytes => Volatile.Read(ref _lossyWindow);

    /// <summary>The smoothed round trip when that window was looked at.</summary>
    internal long LossyRttNs => Volatile.Read(ref _lossyRttNs);

    /// <summary>Packets go twice while no more bytes than these are under way.</summary>
    internal static long RepeatedUnderWayMax(long windowBytes) => Math.Clamp(windowBytes / 2, RepeatedBytesMin, RepeatedBytesMax);

    // A packet was written, and will be sent now.
    private void NotePacket(byte* packet, int bytes, bool hasNew, EcnCodepoint ecn, ulong now)
    {
        if (_isInHandshake || bytes > _packetBytesMax || (!hasNew && bytes < RepairBytesMin) || !_loop.PathRemote->Equals(_remote))
        {
            return; // also what asks whether another path works: an address that is not proven gets no more than it may
        }

        _losses.NotePacket();
        if (!hasNew && _losses.Packets > UnknownPackets)
        {
            _losses.NoteLoss();
        }

        if (!_losses.IsLossy)
        {
            Volatile.Write(ref _lossyWindow, 0);
            return;
        }

        Ngtcp2ConnectionInfo info;
        LibNgtcp2.ngtcp2_conn_get_conn_info_versioned(_connection, LibNgtcp2.ConnectionInfoVersion, &info);
        Volatile.Write(ref _lossyRttNs, (long)info.SmoothedRtt);
        Volatile.Write(ref _lossyWindow, (long)info.CongestionWindow);
        if (_repeats.Count == RepeatsMax || Interlocked.Read(ref _sendBytes) > RepeatedBytesMax || (long)info.BytesInFlight > RepeatedUnderWayMax(LossyWindowBytes))
        {
            return;
        }

        NativeBlock* block = Blocks.Rent();
        Buffer.MemoryCopy(packet, NativeBlock.Data(block), NativeBlock.Capacity, bytes); // SAFETY: a block holds any packet
        block->End = bytes;
        _repeats.Enqueue(new((nint)block, now + Math.Clamp(info.SmoothedRtt / 16, 1_000_000, 20_000_000), ecn));
    }

    private void SendRepeats(ulong now)
    {
        while (_repeats.TryPeek(out Repeat repeat) && repeat.Due <= now)
        {
            _repeats.Dequeue();
            NativeBlock* block = (NativeBlock*)repeat.Block;
            if (!_port.IsBlocked)
            {
                _packetsRepeated++;
                Send(_port, NativeBlock.Data(block), block->End, block->End, in _remote, in _local, repeat.Ecn);
            }

            Blocks.Return(block);
        }
    }

    // Another path, or the end.
    private void ForgetRepeats()
    {
        while (_repeats.TryDequeue(out Repeat repeat))
        {
            Blocks.Return((NativeBlock*)repeat.Block);
        }

        _losses = LossMemory.OfAnotherPath();
    }

    private readonly record struct Repeat(nint Block, ulong Due, EcnCodepoint Ecn);
}
