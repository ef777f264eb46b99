using System.Net;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Quic;

/// <summary>How fast to send when the network is the limit.</summary>
public enum QuicCongestionControl
{
    /// <summary>RFC 9438: loss is the signal.</summary>
    Cubic = 1,

    /// <summary>BBR v2: a model of rate and round trip.</summary>
    Bbr = 2,

    /// <summary>RFC 9002's NewReno.</summary>
    Reno = 0,
}

/// <summary>When a server asks a client to prove its address with another round trip (RFC 9000, section 8.1.2).</summary>
public enum QuicRetryPolicy
{
    /// <summary>When more handshakes than <see cref="QuicListenerOptions.RetryAboveHandshakes"/> are in progress.</summary>
    WhenBusy,

    /// <summary>Always, unless it brings a token from an earlier connection.</summary>
    Always,

    /// <summary>Never.</summary>
    Never,
}

/// <summary>What clients and servers have in common: limits and tuning of each connection.</summary>
public record QuicTransportOptions
{
    /// <summary>Names of application protocols, the preferred one first (RFC 7301). At least one; 1 to 255 bytes each.</summary>
    public IReadOnlyList<string> Protocols { get; init; } = [];

    /// <summary>A connection that hears nothing for so long is over. The lesser of both sides counts.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A handshake that takes longer is given up.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A PING when nothing was sent for so long; zero: none.</summary>
    public TimeSpan KeepAlive { get; init; }

    /// <summary>Two-way streams that the peer may have open at a time.</summary>
    public int BidirectionalStreamsMax { get; init; } = 100;

    /// <summary>One-way streams that the peer may have open at a time.</summary>
    public int UnidirectionalStreamsMax { get; init; } = 100;

    /// <summary>Bytes of a stream that the peer may send before they are read, at the beginning.</summary>
    public int StreamWindowBytes { get; init; } = 256 << 10;

    /// <summary>To which that grows while the reader keeps up.</summary>
    public int StreamWindowBytesMax { get; init; } = 4 << 20;

    /// <summary>The same for all streams of a connection together. Streams that are not read take their part of it for as long. It is extended
    /// when half of it was read: eight of them stop all others (RFC 9000, section 4.1), until windows have grown.</summary>
    public int ConnectionWindowBytes { get; init; } = 4 << 20;

    /// <summary>To which that grows: the most that a connection's unread bytes take.</summary>
    public int ConnectionWindowBytesMax { get; init; } = 8 << 20;

    /// <summary>Bytes of a stream that are kept until the peer acknowledged them; then writers wait.</summary>
    public int StreamSendBytesMax { get; init; } = 1 << 20;

    /// <summary>The same for all streams of a connection together.</summary>
    public int ConnectionSendBytesMax { get; init; } = 8 << 20;

    /// <summary>Datagrams waiting in each direction; the oldest is dropped for a newer one. 0: no datagrams (RFC 9221).</summary>
    public int DatagramQueueMax { get; init; } = 64;

    /// <summary>Which one.</summary>
    public QuicCongestionControl CongestionControl { get; init; } = QuicCongestionControl.Cubic;

    /// <summary>Where packets are lost and little is under way, packets with data are sent a second time a moment later: what is small arrives
    /// without the round trip that repairing a loss takes, for twice its bytes.</summary>
    public bool SendsTwiceWhenLossy { get; init; } = true;

    /// <summary>What awaits a read, write, accept or datagram goes on inside the event loop's thread, without a thread switch. It must
    /// never block there: every connection of the loop would wait.</summary>
    public bool RunsContinuationsInline { get; init; }

    /// <summary>A folder for one qlog file (JSON text sequence) a connection.</summary>
    public string? QlogDirectory { get; init; } = Environment.GetEnvironmentVariable("VITRINE_QLOG") is { Length: > 0 } folder ? folder : null;

    /// <summary>A file that the secrets of each connection are appended to, as packet analysers read it. Whoever has it can read all.</summary>
    public string? KeyLogPath { get; init; } = Environment.GetEnvironmentVariable("SSLKEYLOGFILE") is { Length: > 0 } path ? path : null;
}

/// <summary>How a server listens.</summary>
public sealed record QuicListenerOptions : QuicTransportOptions
{
    /// <summary>Address and port; port 0 lets the system choose.</summary>
    public required IPEndPoint EndPoint { get; init; }

    /// <summary>With its private key, which must be exportable: the library that speaks TLS gets a copy.</summary>
    public required X509Certificate2 Certificate { get; init; }

    /// <summary>Certificates between it and a root.</summary>
    public IReadOnlyList<X509Certificate2> Chain { get; init; } = [];

    /// <summary>Most of <see cref="Loops"/>.</summary>
    public const int LoopsMax = 64;

    /// <summary>Threads, each with a socket of its own on the same port, 1..<see cref="LoopsMax"/>.</summary>
    public int Loops { get; init; } = 1;

    /// <summary>Connections at a time, without those being closed; more are refused.</summary>
    public int ConnectionsMax { get; init; } = 10_000;

    /// <summary>Connections being closed (RFC 9000, section 10.2) at a time: some kilobytes each for at most 3 s, so that stray packets are
    /// understood. One on top is forgotten at once, and its stray packets get a stateless reset.</summary>
    public int ClosingsMax { get; init; } = 2_048;

    /// <summary>Handshakes in progress at a time; more are refused.</summary>
    public int HandshakesMax { get; init; } = 1_000;

    /// <summary>Connections that nobody has accepted yet; more are refused.</summary>
    public int AcceptBacklogMax { get; init; } = 1_000;

    /// <summary>Which peers may begin connections: one that may not is asked for a proof of its address, and refused when it has given it.
    /// Null: all.</summary>
    public PeerLedger? Peers { get; init; }

    /// <summary>When to ask for a proof of the address.</summary>
    public QuicRetryPolicy Retry { get; init; } = QuicRetryPolicy.WhenBusy;

    /// <summary>Handshakes in progress above which <see cref="QuicRetryPolicy.WhenBusy"/> asks.</summary>
    public int RetryAboveHandshakes { get; init; } = 100;

    /// <summary>How long a token that proves an address is good.</summary>
    public TimeSpan TokenLifetime { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Takes data in the first flight of clients that return. <see cref="QuicStream.ArrivedEarly"/> marks such streams.</summary>
    public bool AllowsEarlyData { get; init; } = true;

    /// <summary>Clients' clocks and networks may be off by so much; first flights are remembered for as long, to refuse them a second time.</summary>
    public TimeSpan ReplayWindow { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>First flights remembered; when it is full, early data are refused (the handshake goes on without).</summary>
    public int ReplayEntriesMax { get; init; } = 100_000;

    /// <summary>32 bytes or more, from which tokens and stateless resets are derived. A server that restarts with the same can tell its
    /// former clients so. Random when not given.</summary>
    public ReadOnlyMemory<byte> Secret { get; init; }
}

/// <summary>What a client wants of one connection.</summary>
public sealed record QuicConnectOptions
{
    /// <summary>Where the server is.</summary>
    public required IPEndPoint EndPoint { get; init; }

    /// <summary>The name (or address) that its certificate must be for, and that is sent to it (SNI) when it is a name.</summary>
    public required string Host { get; init; }

    /// <summary>SHA-256 of the one certificate to take, as Vitrine prints it (pairs of hexadecimal digits with colons). Without it the
    /// certificate must lead to a trusted root and be for <see cref="Host"/>. An expired one is refused either way.</summary>
    public string? CertificateFingerprint { get; init; }

    /// <summary>Address and port to send from; the system's choice when not given.</summary>
    public IPEndPoint? LocalEndPoint { get; init; }

    /// <summary>What <see cref="QuicConnection.SavedSession"/> of an earlier connection to the same server gave. Ignored when it was made with
    /// another host or fingerprint.</summary>
    public QuicSession? Session { get; init; }

    /// <summary>With a session that allows it, <see cref="QuicClient.ConnectAsync"/> returns at once and streams are sent in the first flight.
    /// Somebody who recorded them could send them again: only what may happen twice belongs there.</summary>
    public bool AllowEarlyData { get; init; }
}

/// <summary>How a client connects.</summary>
public sealed record QuicClientOptions : QuicTransportOptions
{
    /// <summary>Roots to trust instead of the system's.</summary>
    public IReadOnlyList<X509Certificate2> Roots { get; init; } = [];

    /// <summary>Connections go on by themselves from where the system sends, as soon as that is another address than theirs: Wi-Fi is left, or
    /// found. Not those that were given a <see cref="QuicConnectOptions.LocalEndPoint"/>, and not where the server forbids it.</summary>
    public bool FollowsAddress { get; init; } = true;

    /// <summary>Says whether a certificate is valid today.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
