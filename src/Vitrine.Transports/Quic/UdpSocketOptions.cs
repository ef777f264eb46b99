using System.Net;

namespace Vitrine.Transports.Quic;

/// <summary>How a <see cref="UdpSocket"/> is made.</summary>
internal sealed record UdpSocketOptions
{
    /// <summary>Bound to <see cref="IPAddress.IPv6Any"/>, take IPv4 as well; peers' addresses are mapped then.</summary>
    public bool DualStack { get; init; } = true;

    /// <summary>Let other sockets of this user bind the same port; the kernel spreads peers over them (SO_REUSEPORT).</summary>
    public bool ReusePort { get; init; }

    /// <summary>Connect to this peer: the kernel drops what others send, and reports that the peer refuses.</summary>
    public IPEndPoint? Remote { get; init; }

    /// <summary>Bytes the kernel shall hold that were not received yet. 4 MiB is 33 ms at 1 Gbit/s: what a loop may be late.</summary>
    public int ReceiveBufferBytes { get; init; } = 4 << 20;

    /// <summary>Bytes the kernel shall hold that were not sent yet.</summary>
    public int SendBufferBytes { get; init; } = 4 << 20;

    /// <summary>Messages taken from the kernel by one call, 1 to 1,024. The ring is this many slots, of 64 KiB each with receive
    /// offload (the pages that nothing was received into take no memory), else of <see cref="DatagramBytesMax"/>.</summary>
    public int ReceiveBatchMessages { get; init; } = 16;

    /// <summary>Largest datagram taken without receive offload; longer ones are dropped and counted. 512 to 65,535.</summary>
    public int DatagramBytesMax { get; init; } = 2048;

    /// <summary>Use GSO and GRO where the kernel has them.</summary>
    public bool Offload { get; init; } = true;
}
