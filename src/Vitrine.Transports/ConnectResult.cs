namespace Vitrine.Transports;

/// <summary>What became of an attempt to connect.</summary>
public enum ConnectStatus
{
    /// <summary>The connection stands.</summary>
    Connected = 0,

    /// <summary>Nobody answers at that address, or not in time.</summary>
    Unreachable = 1,

    /// <summary>The token is wrong or missing (HTTP 401 or 403).</summary>
    AccessDenied = 2,

    /// <summary>Too many failed attempts from this address (HTTP 429): wait.</summary>
    RateLimited = 3,

    /// <summary>The host takes no viewers now: it has as many as it takes, or sharing is stopped (HTTP 503).</summary>
    TooManyViewers = 4,

    /// <summary>The certificate is not the expected one, not trusted, or not valid today.</summary>
    CertificateRefused = 5,

    /// <summary>Something answers, but not Vitrine.</summary>
    NotVitrine = 6,
}

/// <summary>Result of an attempt to connect.</summary>
/// <param name="Status">What became of it.</param>
/// <param name="Connection">Owned by the caller; null unless <see cref="ConnectStatus.Connected"/>.</param>
/// <param name="Detail">For people; when connected, only what they should know of how.</param>
public readonly record struct ConnectResult(ConnectStatus Status, IPacketConnection? Connection, string Detail);
