namespace Vitrine.Transports.Calls;

/// <summary>How a call ended: gRPC's codes (<c>doc/statuscodes.md</c> of gRPC), used by every transport.</summary>
public enum CallStatusCode
{
    /// <summary>It succeeded.</summary>
    Ok = 0,

    /// <summary>The caller gave it up.</summary>
    Cancelled = 1,

    /// <summary>A fault that says no more.</summary>
    Unknown = 2,

    /// <summary>The request is wrong, whatever the state of the server.</summary>
    InvalidArgument = 3,

    /// <summary>The deadline passed before the end; the work may have been done.</summary>
    DeadlineExceeded = 4,

    /// <summary>What was asked for is not here.</summary>
    NotFound = 5,

    /// <summary>What was to be made is here already.</summary>
    AlreadyExists = 6,

    /// <summary>The caller is known and may not do this.</summary>
    PermissionDenied = 7,

    /// <summary>A limit was reached: of calls, of bytes, of a quota.</summary>
    ResourceExhausted = 8,

    /// <summary>The state of the server does not allow it; to repeat it is of no use until that has changed.</summary>
    FailedPrecondition = 9,

    /// <summary>It collided with something else; the caller may start over at a higher level.</summary>
    Aborted = 10,

    /// <summary>Beyond the valid range.</summary>
    OutOfRange = 11,

    /// <summary>The method is not here.</summary>
    Unimplemented = 12,

    /// <summary>A rule that must hold does not.</summary>
    Internal = 13,

    /// <summary>The server cannot be reached now; repeating it later may help.</summary>
    Unavailable = 14,

    /// <summary>Data is lost or corrupt.</summary>
    DataLoss = 15,

    /// <summary>The caller did not say who it is, or not rightly.</summary>
    Unauthenticated = 16,
}
