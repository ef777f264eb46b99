using Vitrine.Frames;
using Vitrine.Lab;
using Vitrine.Lab.Tests.WeakNetworks;
using Vitrine.Lab.Transport;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;
using Vitrine.Transports.Quic;

namespace Vitrine.EndToEnd;

/// <summary>Advice about the path to a host that really shares.</summary>
public sealed class AdviceTests : IDisposable
{
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(4)).Token;
    private readonly EchoCertificate _certificate = new([WeakNetwork.FarAddress], TimeProvider.System);
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-advice-").FullName;

    public void Dispose()
    {
        _certificate.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

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

    /// <summary>Host and adviser at the two ends of an emulated line, each a program of its own.</summary>
    [WeakNetworkFact]
    public async Task OverADslLine_TheFiguresAreThoseOfTheLine()
    {
        const int Port = 8790;
        const string Token = "0123456789abcdefghijklmnop";
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(400, 300));
        using WeakNetwork network = WeakNetwork.Create(NetworkProfiles.Dsl, 5);
        IReadOnlyList<string> program = new LabOptions().ProgramCommand;
        string ready = Path.Combine(_folder, "ready.json"), json = Path.Combine(_folder, "advice.json");
        await using ChildProcess host = network.Far.Start(
            program[0],
            [
                .. program.Skip(1), "share", "--display", display.Name, "--listen", network.Far.Address.ToString(), "--port", $"{Port}", "--token", Token, "--events", "off",
                "--cert", _certificate.CertificatePath, "--key", _certificate.KeyPath, "--ready-file", ready,
            ]);
        host.IgnoreOutput();
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(20));
        while (!File.Exists(ready))
        {
            Assert.False(host.HasExited, host.Errors);
            await poll.WaitForNextTickAsync(_deadline);
        }

        await using ChildProcess adviser = network.Near.Start(
            program[0],
            [
                .. program.Skip(1), "lab", "transport", "--advise", "--quick", "--to", $"https://{network.Far.Address}:{Port}/?t={Token}",
                "--fingerprint", _certificate.Fingerprint, "--json", json,
            ]);
        string said = await adviser.Output.ReadToEndAsync(_deadline);
        Assert.True(File.Exists(json), said + adviser.Errors);
        RunDocument document = await RunDocument.LoadAsync(json, _deadline);
        CaseRecord rate = document.FindCase($"{network.Far.Address}:{Port}/rate")!;
        // 15 ms each way, 16 Mbit/s of IP packets down and 1 up. A machine that is busy makes it worse; it is counted in pieces, a quarter of a round's at most.
        Assert.True(rate.Metrics["roundTripMs"] >= 30, said);
        Assert.InRange(rate.Metrics["downMegabitsPerSecond"], 0.1, 16 * 1.25);
        Assert.InRange(rate.Metrics["upMegabitsPerSecond"], 0.01, 1 * 1.25);
        Assert.DoesNotContain(document.Advice, advice => advice.Contains("--bitrate 20", StringComparison.Ordinal) || advice.Contains("--bitrate 40", StringComparison.Ordinal));
    }

    private Task<ShareProcess> StartAsync(PrivateDisplay display, params string[] flags) => ShareProcess.StartAsync(
        new LabOptions(), display.Name, _deadline, ["--cert", _certificate.CertificatePath, "--key", _certificate.KeyPath, .. flags]);
}
