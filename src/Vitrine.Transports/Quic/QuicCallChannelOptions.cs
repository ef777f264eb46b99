using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Quic;

/// <summary>How a <see cref="QuicCallChannel"/> reaches its server. Immutable.</summary>
public sealed record QuicCallChannelOptions
{
    /// <summary>Most bytes of a request.</summary>
    public int RequestBytesMax { get; init; } = GrpcServerOptions.MessageBytesMaxDefault;

    /// <summary>Most bytes of an answer.</summary>
    public int ResponseBytesMax { get; init; } = GrpcServerOptions.MessageBytesMaxDefault;

    /// <summary>Sent with every call; null: nothing. ASCII, at most 512 bytes.</summary>
    public string? Token { get; init; }

    /// <summary>SHA-256 of the server's certificate in hexadecimal (colons allowed): the server is trusted when it shows this one and no
    /// other. Null: the machine's certificate authorities decide.</summary>
    public string? CertificateFingerprint { get; init; }

    /// <summary>How long setting up a connection may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>When a server that could not be reached is tried again; null: gRPC's times.</summary>
    public ConnectionBackoff? Backoff { get; init; }

    /// <summary>Limits and tuning of the connection. Protocols and the handshake's timeout are set by the channel.</summary>
    public QuicClientOptions Transport { get; init; } = new() { KeepAlive = TimeSpan.FromSeconds(10) };

    /// <summary>The clock of deadlines.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
