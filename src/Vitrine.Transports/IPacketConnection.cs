using Vitrine.Transports.Calls;

namespace Vitrine.Transports;

/// <summary>How a send ended.</summary>
public enum PacketSendStatus
{
    /// <summary>The transport took the packet.</summary>
    Sent = 0,

    /// <summary>The connection is closed or lost. Final.</summary>
    Closed = 1,
}

/// <summary>How a receive ended.</summary>
public enum PacketReceiveStatus
{
    /// <summary>A whole packet is in the buffer.</summary>
    Packet = 0,

    /// <summary>The peer closed in order. Final.</summary>
    Closed = 1,

    /// <summary>The connection broke, or was aborted on this side. Final.</summary>
    Lost = 2,

    /// <summary>The packet is longer than the buffer. What follows on the connection has no meaning: close it.</summary>
    TooLarge = 3,

    /// <summary>The peer broke the transport's own rules (a text message, endless fragments). Close it.</summary>
    Malformed = 4,
}

/// <summary>What a receive returned.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Bytes">Bytes of the packet at the start of the buffer; 0 unless <see cref="PacketReceiveStatus.Packet"/>.</param>
public readonly record struct PacketReceived(PacketReceiveStatus Status, int Bytes);

/// <summary>Why a connection is closed, for the transport's own closing code.</summary>
public enum PacketCloseReason
{
    /// <summary>Everything is in order.</summary>
    Normal = 0,

    /// <summary>The peer broke the protocol.</summary>
    ProtocolError = 1,

    /// <summary>The peer may not be here.</summary>
    NoAccess = 2,

    /// <summary>A fault on this side.</summary>
    InternalError = 3,
}

/// <summary>A two-way connection that carries whole packets in order.</summary>
/// <remarks>Queues nothing of its own: a send ends when the transport below has taken the packet, so a peer that does not
/// read makes its sender wait and nobody else. One send and one receive may run at a time; <see cref="CloseAsync"/> after
/// the last send; <see cref="Abort"/> at any time from any thread. Nothing here throws because a peer left.</remarks>
public interface IPacketConnection : IAsyncDisposable
{
    /// <summary>The other side, for people: address and port.</summary>
    string Peer { get; }

    /// <summary>What carries it, for people and for lists: «websocket», «http2», «grpc», «quic».</summary>
    string Transport { get; }

    /// <summary>What carries it can do more than carry packets in order; nothing, unless it says so.</summary>
    TransportCapabilities Capabilities => TransportCapabilities.None;

    /// <summary>Bits of video a second for which there is room now: what the congestion window lets through in a round trip, less what protects
    /// it from losses. Null: the connection does not know, or the path loses nothing to speak of.</summary>
    long? RoomBitsPerSecond => null;

    /// <summary>Hands one packet to the transport. The memory is borrowed until the task ends.</summary>
    ValueTask<PacketSendStatus> SendAsync(ReadOnlyMemory<byte> packet);

    /// <summary>Receives one packet. The memory is borrowed until the task ends; a packet that does not fit is
    /// <see cref="PacketReceiveStatus.TooLarge"/>, no memory is taken for it.</summary>
    ValueTask<PacketReceived> ReceiveAsync(Memory<byte> buffer);

    /// <summary>Says that nothing more is sent, and waits for the transport to take that; no longer than <paramref name="timeout"/>.</summary>
    ValueTask CloseAsync(PacketCloseReason reason, TimeSpan timeout);

    /// <summary>Ends the connection at once: running sends and receives end with <c>Closed</c> and <c>Lost</c>.</summary>
    void Abort();
}
