using Microsoft.Extensions.Logging;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>How gRPC is served. Immutable.</summary>
public sealed record GrpcServerOptions
{
    /// <summary>Most bytes of a message either way when neither side says otherwise: what stock clients take.</summary>
    public const int MessageBytesMaxDefault = 4 << 20;

    /// <summary>Most bytes of a request, compressed or not.</summary>
    public int RequestBytesMax { get; init; } = MessageBytesMaxDefault;

    /// <summary>Most bytes of an answer.</summary>
    public int ResponseBytesMax { get; init; } = MessageBytesMaxDefault;

    /// <summary>What tokens grant (<c>authorization: Bearer</c>). Null: nobody is granted anything, and methods that need a grant are
    /// refused.</summary>
    public CallAccess? Access { get; init; }

    /// <summary>How long a caller may leave an answer unread before its stream is reset. Other streams of its connection go on.</summary>
    public TimeSpan StalledReaderTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Most calls that one connection may break off, or send malformed or too large, within <see cref="ResetsWindow"/> before it is closed (rapid reset,
    /// CVE-2023-44487). The web server itself closes those that reset faster than streams end.</summary>
    public int ResetsMax { get; init; } = 1000;

    /// <summary>Time in which <see cref="ResetsMax"/> is counted.</summary>
    public TimeSpan ResetsWindow { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Where faults of handlers are written; null: nowhere.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
