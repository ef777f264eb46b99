using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicCertificateTests
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.UtcNow;

    [QuicFact]
    public async Task FingerprintWithAndWithoutColons_Taken()
    {
        await using QuicPair pair = new();
        string fingerprint = pair.To.CertificateFingerprint!;
        foreach (string text in new[] { fingerprint, fingerprint.Replace(":", "", StringComparison.Ordinal).ToLowerInvariant() })
        {
            await using QuicConnection connection = await pair.Client.ConnectAsync(pair.To with { CertificateFingerprint = text });
            Assert.Equal(QuicPair.Protocol, connection.Protocol);
        }

        await Assert.ThrowsAsync<ArgumentException>(() => pair.Client.ConnectAsync(pair.To with { CertificateFingerprint = "AB:CD" }));
    }

    [QuicFact]
    public async Task ChangedCertificate_Refused_AndTheServerHearsOfIt()
    {
        using X509Certificate2 other = QuicPair.MakeCertificate(s_now.AddDays(-1), s_now.AddDays(1));
        await using QuicPair pair = new();
        string reason = await RefusedAsync(pair, pair.To with { CertificateFingerprint = QuicPair.Fingerprint(other) });
        Assert.Contains(pair.To.CertificateFingerprint!, reason, StringComparison.Ordinal);
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { HandshakesFailed: 1, Connections: 0 });
        Assert.Equal(0, pair.Listener.GetStatistics().HandshakesCompleted);
    }

    [QuicFact]
    public async Task ExpiredCertificate_Refused_EvenWithItsFingerprint()
    {
        using X509Certificate2 expired = QuicPair.MakeCertificate(s_now.AddDays(-10), s_now.AddDays(-1));
        await using QuicPair pair = new(server => server with { Certificate = expired });
        Assert.Contains("expired", await RefusedAsync(pair, pair.To), StringComparison.Ordinal);
    }

    [QuicFact]
    public async Task CertificateOfTomorrow_Refused()
    {
        using X509Certificate2 early = QuicPair.MakeCertificate(s_now.AddDays(1), s_now.AddDays(10));
        await using QuicPair pair = new(server => server with { Certificate = early });
        Assert.Contains("valid from", await RefusedAsync(pair, pair.To), StringComparison.Ordinal);
    }

    [QuicFact]
    public async Task SelfSigned_WithoutFingerprint_Refused()
    {
        await using QuicPair pair = new();
        Assert.Contains("nobody trusted", await RefusedAsync(pair, pair.To with { CertificateFingerprint = null }), StringComparison.Ordinal);
    }

    [QuicFact]
    public async Task TrustedRoot_NameDecides()
    {
        await using QuicPair pair = new(client: client => client with { Roots = [QuicPair.Certificate] });
        QuicConnectOptions to = pair.To with { CertificateFingerprint = null };
        foreach (string host in new[] { "localhost", "127.0.0.1" })
        {
            await using QuicConnection connection = await pair.Client.ConnectAsync(to with { Host = host });
            Assert.Equal(QuicPair.Protocol, connection.Protocol);
        }

        Assert.Contains("not for example.org", await RefusedAsync(pair, to with { Host = "example.org" }), StringComparison.Ordinal);
        Assert.Contains("not for 127.0.0.2", await RefusedAsync(pair, to with { Host = "127.0.0.2" }), StringComparison.Ordinal);
    }

    [QuicFact]
    public async Task RsaKey_Works()
    {
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using X509Certificate2 certificate = request.CreateSelfSigned(s_now.AddDays(-1), s_now.AddDays(1));
        await using QuicPair pair = new(server => server with { Certificate = certificate });
        await using QuicConnection connection = await pair.Client.ConnectAsync(pair.To);
        Assert.Equal(QuicPair.Protocol, connection.Protocol);
    }

    [QuicFact]
    public Task CertificateWithoutKey_SaysSo()
    {
        using X509Certificate2 bare = X509CertificateLoader.LoadCertificate(QuicPair.Certificate.RawData);
        QuicException failure = Assert.Throws<QuicException>(() => QuicListener.Listen(new() { EndPoint = new(System.Net.IPAddress.Loopback, 0), Certificate = bare, Protocols = ["x"] }));
        Assert.Contains("key", failure.Message, StringComparison.Ordinal);
        return Task.CompletedTask;
    }

    private static async Task<string> RefusedAsync(QuicPair pair, QuicConnectOptions to)
    {
        QuicClosedException failure = await Assert.ThrowsAsync<QuicClosedException>(() => pair.Client.ConnectAsync(to));
        return Assert.IsType<QuicCertificateRefused>(failure.Reason).Reason;
    }
}
