namespace Vitrine.Transports;

/// <summary>How to connect.</summary>
public sealed record PacketConnectOptions
{
    /// <summary>How long the attempt may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>SHA-256 of the host's certificate in hexadecimal (colons allowed): the host is trusted when it shows this one and
    /// no other, and it has not expired. Null: the machine's certificate authorities decide.</summary>
    public string? CertificateFingerprint { get; init; }

    /// <summary>Value of the <c>Origin</c> header; null sends none, as programs that are not browsers do.</summary>
    public string? Origin { get; init; }

    /// <summary>UDP port for QUIC, when a router forwards another one than the host says; null: what the host says.</summary>
    public int? QuicPort { get; init; }

    /// <summary>Says whether a certificate is valid today, and for how long packets of a QUIC connection wait for one another.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Bytes the kernel may hold for a viewer that does not read; null leaves it to the kernel.</summary>
    public int? ReceiveBufferBytes { get; init; }
}
