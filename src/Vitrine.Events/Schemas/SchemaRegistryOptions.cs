using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Vitrine.Events.Schemas;

/// <summary>Where a schema registry is, and how it is spoken to.</summary>
public sealed record SchemaRegistryOptions
{
    /// <summary>Its address, <c>http</c> or <c>https</c>; a path is kept.</summary>
    public required Uri Address { get; init; }

    /// <summary>Name and password for basic authentication; null for none.</summary>
    public NetworkCredential? Credentials { get; init; }

    /// <summary>Certificates of the authorities whose word counts; empty for those of the system.</summary>
    public X509Certificate2Collection TrustedAuthorities { get; init; } = [];

    /// <summary>A certificate, with its private key, to show to the registry; null for none.</summary>
    public X509Certificate2? ClientCertificate { get; init; }

    /// <summary>How long an answer may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);
}
