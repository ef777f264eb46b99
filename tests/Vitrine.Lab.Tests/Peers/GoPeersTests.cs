using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Lab.Peers;

namespace Vitrine.Lab.Tests.Peers;

public sealed class GoPeersTests
{
    // The first test builds them.
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(10)).Token;

    [Theory]
    [InlineData(GoPeers.QuicGo, "requests", "reno")]
    [InlineData(GoPeers.QuicGo, "stream", "reno")]
    [InlineData(GoPeers.GrpcGo, "unary", "cubic")]
    [InlineData(GoPeers.GrpcGo, "stream", "cubic")]
    [InlineData(GoPeers.GoHttp2, "bytes", "cubic")]
    [InlineData(GoPeers.GoHttp2, "json", "cubic")]
    public async Task ServerAndClient_AgreeWithEachOther(string name, string mode, string congestion)
    {
        GoPeers peers = await PeersAsync();
        using X509Certificate2 certificate = Certificate("localhost");
        await using GoPeerServer server = await peers.StartServerAsync(name, mode, certificate, "cubic", [], _deadline);
        Assert.Equal(congestion, server.Congestion);

        Assert.All(await peers.CheckAsync(name, mode, server.EndPoint, certificate, [], _deadline), check => Assert.True(check.IsOk, check.ToString()));

        var loop = new GoPeerLoadOptions { Connections = 2, Streams = 2, MessageBytes = 100, Warmup = TimeSpan.FromSeconds(0.1), Duration = TimeSpan.FromSeconds(0.4) };
        GoPeerLoad load = await peers.LoadAsync(name, mode, server.EndPoint, certificate, loop, [], _deadline);
        Assert.True(load.Requests >= 4, load.ToString());
        Assert.InRange(load.Latency.P50Ns, 1, load.Latency.P99Ns);
        Assert.InRange(load.Latency.P99Ns, 1, load.Latency.MaxNs);
        Assert.InRange(load.Setup.MaxNs, 1, long.MaxValue);
    }

    [Fact]
    public async Task UnknownCertificate_ClientRefuses()
    {
        GoPeers peers = await PeersAsync();
        using X509Certificate2 certificate = Certificate("localhost"), other = Certificate("localhost");
        await using GoPeerServer server = await peers.StartServerAsync(GoPeers.GoHttp2, "bytes", certificate, "cubic", [], _deadline);
        await Assert.ThrowsAsync<LaboratoryException>(() => peers.LoadAsync(GoPeers.GoHttp2, "bytes", server.EndPoint, other, new(), [], _deadline));
    }

    [Fact]
    public async Task UnknownCongestionControl_SaysSo()
    {
        GoPeers peers = await PeersAsync();
        using X509Certificate2 certificate = Certificate("localhost");
        await Assert.ThrowsAsync<LaboratoryException>(() => peers.StartServerAsync(GoPeers.GrpcGo, "unary", certificate, "none-such", [], _deadline));
    }

    private static X509Certificate2 Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddHours(-1), now.AddDays(1));
    }

    private async Task<GoPeers> PeersAsync()
    {
        (GoPeers? peers, string reason) = await GoPeers.TryBuildAsync(_deadline);
        Assert.True(peers is not null, reason);
        return peers;
    }
}
