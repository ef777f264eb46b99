namespace Vitrine.Server;

/// <summary>Why the server did not start.</summary>
public enum ServerStartFailure
{
    /// <summary>A setting cannot be used.</summary>
    InvalidOptions = 0,

    /// <summary>Another program listens on the port.</summary>
    PortBusy = 1,

    /// <summary>The address is not one of this machine's, or the port needs more rights.</summary>
    AddressUnavailable = 2,

    /// <summary>The certificate cannot be read, made or kept.</summary>
    CertificateUnusable = 3,
}

/// <summary>The server did not start. The message says what to do about it.</summary>
public sealed class ServerStartException : Exception
{
    /// <summary>Makes one.</summary>
    public ServerStartException(ServerStartFailure failure, string message, Exception? innerException = null)
        : base(message, innerException) => Failure = failure;

    /// <summary>Why.</summary>
    public ServerStartFailure Failure { get; }
}
