using Vitrine.Frames;
using Vitrine.Lab;
using Vitrine.Lab.Transport;
using Vitrine.Measurement;
using Vitrine.Transports.Quic;

namespace Vitrine.EndToEnd;

/// <summary>Advice about the path to a host that really shares.</summary>
public sealed class AdviceTests : IDisposable
{
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(4)).Token;
    private readonly EchoCertificate _certificate = new([], TimeProvider.System);

    public void Dispose() => _certificate.Dispose();

    [Fact]
    public async Task HostIsFound_WithEverythingThatItSpeaks()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(400, 300));
        await using ShareProcess share = await StartAsync(display);
        AdvisedHost host = await AdvisedHost.FindAsync(share.Url, _certificate.Fingerprint, _deadline);
        bool hasQuic = QuicSupport.TryLoad(out _);
        Assert.Equal(hasQuic ? ["quic-cubic", "quic-bbr", "grpc", "http2"] : ["grpc", "http2"], host.Choices.Select(choice => choice.Name));
        Assert.Equal(hasQuic, host.Notes.Count == 0);
        string?[] quic = [.. host.Choices.Where(choice => choice.Load.Protocol == EchoProtocol.Calls).Select(choice => choice.Load.Address)];
        Assert.Equal(quic.Length, quic.Distinct().Count()); // a host sends with one congestion control from a port

        foreach ((Uri address, string? fingerprint) in ((Uri, string?)[])
            [
                (new(share.Url.GetLeftPart(UriPartial.Path) + "?t=wrong"), _certificate.Fingerprint),
                (share.Url, null), // nobody vouches for the certificate
                (share.Url, string.Join(':', Enumerable.Repeat("AB", 32))),
                (new("https://127.0.0.1:1/"), _certificate.Fingerprint),
            ])
        {
            LaboratoryException refused = await Assert.ThrowsAsync<LaboratoryException>(() => AdvisedHost.FindAsync(address, fingerprint, _deadline));
            Assert.Contains(address.Authority, refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task HostWithoutQuic_AdviceOverTcpAlone_AndThatIsSaid()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(400, 300));
        await using ShareProcess share = await StartAsync(display, "--quic", "off");
        RunDocument document = await new TransportLaboratory().RunAsync(
            new LabOptions { Quick = true, Only = [TransportLaboratory.Advise], AdviseTo = share.Url, HostFingerprint = _certificate.Fingerprint }, new Progress<LabProgress>(), _deadline);
        foreach (string subject in (string[])["transport for pictures", "transport for calls", "congestion control", "buffers", "codec"])
        {
            Assert.Contains(document.Advice, advice => advice.StartsWith(subject, StringComparison.Ordinal));
        }

        Assert.Contains(document.NotMeasured, note => note.Contains("does not speak QUIC", StringComparison.Ordinal));
        string authority = share.Url.Authority;
        Assert.True(document.FindCase($"{authority}/rate")!.Metrics["downMegabitsPerSecond"] > 0);
        Assert.Equal(0, document.FindCase($"{authority}-grpc/calls")!.Metrics["failed"]);
        Assert.True(document.FindCase($"{authority}-http2/frames")!.Metrics["answers"] > 0);
        Assert.Null(document.FindCase($"{authority}-quic-cubic/calls"));
        Assert.True(document.FindCase($"{authority}-websocket/live")!.Metrics["roundTripMs"] > 0);
    }

    private Task<ShareProcess> StartAsync(PrivateDisplay display, params string[] flags) => ShareProcess.StartAsync(
        new LabOptions(), display.Name, _deadline, ["--cert", _certificate.CertificatePath, "--key", _certificate.KeyPath, .. flags]);
}
