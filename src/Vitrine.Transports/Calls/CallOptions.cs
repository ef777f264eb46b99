namespace Vitrine.Transports.Calls;

/// <summary>How messages are compressed on their way.</summary>
public enum CallCompression
{
    /// <summary>Not at all.</summary>
    None = 0,

    /// <summary>RFC 1952.</summary>
    Gzip = 1,
}

/// <summary>How one call is made.</summary>
public sealed record CallOptions
{
    /// <summary>No deadline, no metadata, everything at its default.</summary>
    public static CallOptions Default { get; } = new();

    /// <summary>By when it must have ended; it fails with <see cref="CallStatusCode.DeadlineExceeded"/> otherwise, here and at the
    /// server.</summary>
    public CallDeadline Deadline { get; init; }

    /// <summary>Goes out with the call; null: nothing.</summary>
    public CallMetadata? Metadata { get; init; }

    /// <summary>Urgency, 0 (first) to 7 (last), as in RFC 9218 section 4.1. For transports with <see cref="TransportCapabilities.Priorities"/>.</summary>
    public byte Priority { get; init; } = 3;

    /// <summary>Whether the first request may travel as early data, which an attacker can replay. Only for methods that are
    /// <see cref="CallMethod.IsIdempotent"/>, by transports with <see cref="TransportCapabilities.EarlyRequests"/>; ignored otherwise.</summary>
    public bool AllowEarly { get; init; }

    /// <summary>How requests are compressed, by transports that can; ignored otherwise.</summary>
    public CallCompression Compression { get; init; }
}
