using Microsoft.Extensions.Logging;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Http2;

/// <summary>How calls are served as JSON. Immutable.</summary>
public sealed record JsonServerOptions
{
    /// <summary>Most bytes of a request message, as JSON: a message of gRPC's 4 MiB whose bytes are base64 fits.</summary>
    public int RequestBytesMax { get; init; } = 6 << 20;

    /// <summary>Most bytes of an answer, as JSON: a picture of 64 MiB in base64 fits.</summary>
    public int ResponseBytesMax { get; init; } = 96 << 20;

    /// <summary>What tokens grant (<c>authorization: Bearer</c>). Null: nobody is granted anything, and methods that need a grant are
    /// refused.</summary>
    public CallAccess? Access { get; init; }

    /// <summary>How long a caller may leave an answer unread before its stream is reset. Other streams of its connection go on.</summary>
    public TimeSpan StalledReaderTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Most calls that one connection may break off, or send malformed or too large, within <see cref="ResetsWindow"/> before it is closed (rapid reset,
    /// CVE-2023-44487). Those over gRPC count as well: the first one's limit holds.</summary>
    public int ResetsMax { get; init; } = 1000;

    /// <summary>Time in which <see cref="ResetsMax"/> is counted.</summary>
    public TimeSpan ResetsWindow { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Title and version of the description at <c>/api/openapi.json</c>.</summary>
    public (string Title, string Version) About { get; init; } = ("Vitrine", "");

    /// <summary>Where faults of handlers are written; null: nowhere.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
