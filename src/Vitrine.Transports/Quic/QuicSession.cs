namespace Vitrine.Transports.Quic;

/// <summary>What a client keeps of a server for the next connection: a TLS ticket, the server's limits, a token that proves the address.</summary>
/// <remarks>Immutable. Bound to the host and the fingerprint it was verified with. Secret: whoever has it can speak as this client.</remarks>
public sealed class QuicSession
{
    internal QuicSession(string host, string? fingerprint, DateTime certificateExpires, byte[] ticket, byte[] parameters, byte[]? token) =>
        (Host, Fingerprint, CertificateExpires, Ticket, Parameters, Token) = (host, fingerprint, certificateExpires, ticket, parameters, token);

    /// <summary>Whom it is for.</summary>
    public string Host { get; }

    internal string? Fingerprint { get; }

    internal DateTime CertificateExpires { get; }

    internal byte[] Ticket { get; }

    internal byte[] Parameters { get; }

    internal byte[]? Token { get; }

    internal bool IsFor(QuicConnectOptions options, DateTime utcNow) =>
        options.Host == Host && options.CertificateFingerprint == Fingerprint && utcNow < CertificateExpires;
}
