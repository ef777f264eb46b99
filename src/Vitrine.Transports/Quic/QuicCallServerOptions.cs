using Microsoft.Extensions.Logging;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Quic;

/// <summary>Serves a live stream. Ends when it is over.</summary>
/// <param name="connection">Borrowed: closed by the handler, disposed by the server after the handler.</param>
/// <param name="grants">What the viewer may do; <see cref="ViewerGrants.View"/> at least.</param>
/// <exception cref="CallException">Before anything was sent: the viewer is refused so.</exception>
public delegate ValueTask LiveHandler(IPacketConnection connection, ViewerGrants grants);

/// <summary>How calls are served over QUIC. Immutable.</summary>
public sealed record QuicCallServerOptions
{
    /// <summary>What serves the live stream; null: it is not served.</summary>
    public LiveHandler? Live { get; init; }

    /// <summary>Most bytes of a request.</summary>
    public int RequestBytesMax { get; init; } = GrpcServerOptions.MessageBytesMaxDefault;

    /// <summary>Most bytes of an answer.</summary>
    public int ResponseBytesMax { get; init; } = GrpcServerOptions.MessageBytesMaxDefault;

    /// <summary>What tokens grant. Null: nobody is granted anything, and methods that need a grant are refused.</summary>
    public CallAccess? Access { get; init; }

    /// <summary>How long the head of a call may take to come.</summary>
    public TimeSpan HeadTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a caller may leave an answer unread before its stream is reset. Other streams of its connection go on.</summary>
    public TimeSpan StalledReaderTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Most calls that one connection may break off, or send malformed or too large, within <see cref="ResetsWindow"/> before it is closed (rapid reset,
    /// CVE-2023-44487).</summary>
    public int ResetsMax { get; init; } = 1000;

    /// <summary>Time in which <see cref="ResetsMax"/> is counted.</summary>
    public TimeSpan ResetsWindow { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What peers may still do; null: whatever the other limits leave them.</summary>
    public PeerLedger? Peers { get; init; }

    /// <summary>Where faults of handlers are written; null: nowhere.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
