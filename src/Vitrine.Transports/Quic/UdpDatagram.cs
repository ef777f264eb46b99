namespace Vitrine.Transports.Quic;

/// <summary>The two ECN bits of an IP header (RFC 3168 5). The values are those of the wire, and of <c>ngtcp2_pkt_info</c>.</summary>
internal enum EcnCodepoint : byte
{
    /// <summary>Not-ECT: the transport does not react to marks.</summary>
    NotCapable = 0,

    /// <summary>ECT(1).</summary>
    Capable1 = 1,

    /// <summary>ECT(0): what QUIC sends.</summary>
    Capable0 = 2,

    /// <summary>CE: a router on the way had a queue.</summary>
    Congested = 3,
}

/// <summary>One datagram in the receive ring of a <see cref="UdpSocket"/>.</summary>
/// <remarks>Borrowed: the bytes are overwritten by the next <see cref="UdpSocket.Receive"/> on the same socket. They are pinned.</remarks>
internal readonly struct UdpDatagram
{
    private readonly byte[]? _ring;
    private readonly int _start;
    private readonly int _length;

    internal UdpDatagram(byte[] ring, int start, int length, in SocketAddressBytes remote, in SocketAddressBytes local, EcnCodepoint ecn)
    {
        (_ring, _start, _length) = (ring, start, length);
        Remote = remote;
        Local = local;
        Ecn = ecn;
    }

    /// <summary>What was sent, never empty.</summary>
    public ReadOnlySpan<byte> Payload => new(_ring, _start, _length);

    /// <summary>Who sent it.</summary>
    public SocketAddressBytes Remote { get; }

    /// <summary>The address of this machine it was sent to: where an answer must come from.</summary>
    public SocketAddressBytes Local { get; }

    /// <summary>How its IP header was marked on arrival.</summary>
    public EcnCodepoint Ecn { get; }
}
