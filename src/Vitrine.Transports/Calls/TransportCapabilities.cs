namespace Vitrine.Transports.Calls;

/// <summary>What a transport can do. Each channel of calls and each connection of packets says it of itself; callers look before they rely on it.</summary>
[Flags]
public enum TransportCapabilities
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>One request, one answer.</summary>
    Requests = 1 << 0,

    /// <summary>Any number of messages either way within a call.</summary>
    Streams = 1 << 1,

    /// <summary>Messages that may be lost and never wait for others (RFC 9221): connections of packets over QUIC, not its calls.</summary>
    Datagrams = 1 << 2,

    /// <summary>Idempotent requests may travel before the handshake is finished (TLS 1.3 early data, RFC 8446 section 2.3).</summary>
    EarlyRequests = 1 << 3,

    /// <summary>Calls survive a change of the network path (RFC 9000 section 9).</summary>
    Migration = 1 << 4,

    /// <summary><see cref="CallOptions.Priority"/> has an effect.</summary>
    Priorities = 1 << 5,
}
