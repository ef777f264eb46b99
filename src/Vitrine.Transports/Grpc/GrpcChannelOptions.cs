namespace Vitrine.Transports.Grpc;

/// <summary>How a <see cref="GrpcChannel"/> reaches its server. Immutable.</summary>
public sealed record GrpcChannelOptions
{
    /// <summary>Most bytes of a request.</summary>
    public int RequestBytesMax { get; init; } = GrpcServerOptions.MessageBytesMaxDefault;

    /// <summary>Most bytes of an answer, compressed or not.</summary>
    public int ResponseBytesMax { get; init; } = GrpcServerOptions.MessageBytesMaxDefault;

    /// <summary>Sent as <c>authorization: Bearer</c> with every call; null: nothing.</summary>
    public string? Token { get; init; }

    /// <summary>SHA-256 of the server's certificate in hexadecimal (colons allowed): the server is trusted when it shows this one and no
    /// other, and it has not expired. Null: the machine's certificate authorities decide.</summary>
    public string? CertificateFingerprint { get; init; }

    /// <summary>How long setting up a connection may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Rest after which a connection with calls on it is asked whether it lives (HTTP/2 PING).</summary>
    public TimeSpan KeepAliveDelay { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long the answer to that may take before the connection is given up.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Whether calls beyond what a connection carries open another one; otherwise they wait.</summary>
    public bool UsesSeveralConnections { get; init; } = true;

    /// <summary>When a server that could not be reached is tried again; null: gRPC's times.</summary>
    public ConnectionBackoff? Backoff { get; init; }

    /// <summary>The clock of deadlines, and of certificates.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
