using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Tests.Grpc;
using Vitrine.Transports.Tests.Quic;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests;

/// <summary>Certificates over TCP; over QUIC: <see cref="QuicCertificateTests"/>.</summary>
public sealed class HostTrustTests
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.UtcNow;

    [Theory]
    [InlineData(PacketTransport.WebSocket)]
    [InlineData(PacketTransport.Http2)]
    [InlineData(PacketTransport.Grpc)]
    [InlineData(PacketTransport.Best)]
    public Task ExpiredCertificate_LiveStreamRefused_EvenWithItsFingerprint(PacketTransport transport) => RefusedAsync(transport, -10, -1, "it expired on");

    [QuicFact]
    public Task ExpiredCertificate_OfferOfQuicRefused_EvenWithItsFingerprint() => RefusedAsync(PacketTransport.Quic, -10, -1, "it expired on");

    [Theory]
    [InlineData(PacketTransport.WebSocket)]
    [InlineData(PacketTransport.Grpc)]
    public Task CertificateOfTomorrow_Refused(PacketTransport transport) => RefusedAsync(transport, 1, 10, "it is valid from");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ExpiredCertificate_CallsRefused_AndTheDatesAreNamed(bool isGrpc)
    {
        using X509Certificate2 certificate = QuicPair.MakeCertificate(s_now.AddDays(-10), s_now.AddDays(-1));
        await using GrpcHost host = await GrpcHost.StartAsync(certificate: certificate);
        string fingerprint = QuicPair.Fingerprint(certificate);
        await using ICallChannel channel = Open(null);
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default));
        Assert.Equal(CallStatusCode.Unavailable, failure.Code);
        Assert.Contains(Expired(certificate), failure.Message, StringComparison.Ordinal);

        // It was good a week ago: the day decides, and the clock is the caller's.
        await using ICallChannel before = Open(new OtherDay(s_now.AddDays(-7)));
        await before.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);

        ICallChannel Open(TimeProvider? time) => isGrpc
            ? new GrpcChannel(host.Address, new() { CertificateFingerprint = fingerprint, Time = time ?? TimeProvider.System })
            : new HttpJsonChannel(host.Address, new() { CertificateFingerprint = fingerprint, Time = time ?? TimeProvider.System });
    }

    [Fact]
    public async Task OtherFingerprint_BothAreTold()
    {
        using X509Certificate2 certificate = QuicPair.MakeCertificate(s_now.AddDays(-1), s_now.AddDays(1));
        await using GrpcHost host = await GrpcHost.StartAsync(certificate: certificate);
        await using GrpcChannel channel = host.Connect(new() { CertificateFingerprint = new string('0', 64) });
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default));
        Assert.Contains($"its fingerprint is {QuicPair.Fingerprint(certificate)}, not the expected one", failure.Message, StringComparison.Ordinal);
    }

    private static string Expired(X509Certificate2 certificate) => FormattableString.Invariant($"it expired on {certificate.NotAfter.ToUniversalTime():yyyy-MM-dd}");

    // Who gets through finds nothing there, which is another answer.
    private static async Task RefusedAsync(PacketTransport transport, int fromDay, int toDay, string why)
    {
        using X509Certificate2 certificate = QuicPair.MakeCertificate(s_now.AddDays(fromDay), s_now.AddDays(toDay));
        (WebApplication app, Uri address) = await GrpcHost.ListenAsync(_ => { }, certificate);
        await using (app)
        {
            ConnectResult result = await PacketConnector.ConnectAsync(
                new Uri(address, "/stream?t=a"), transport, new() { CertificateFingerprint = QuicPair.Fingerprint(certificate), Timeout = GrpcHost.Patience }, CancellationToken.None);
            Assert.Equal(ConnectStatus.CertificateRefused, result.Status);
            Assert.Contains(why, result.Detail, StringComparison.Ordinal);
            foreach (DateTime day in (DateTime[])[certificate.NotBefore, certificate.NotAfter])
            {
                Assert.Contains(day.ToUniversalTime().ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture), result.Detail, StringComparison.Ordinal);
            }
        }
    }

    private sealed class OtherDay(DateTimeOffset day) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => day;
    }
}
