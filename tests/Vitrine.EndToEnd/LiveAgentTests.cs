using System.Text.Json;
using Vitrine.Frames;
using Vitrine.Lab;
using Vitrine.Lab.Transport;
using Vitrine.Transports;

namespace Vitrine.EndToEnd;

/// <summary>What the viewer of <c>vitrine echo watch</c> tells.</summary>
public sealed class LiveAgentTests
{
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token;

    [Fact]
    public async Task QuicDoesNotPass_WatchesOverAWebSocketAndSaysSo()
    {
        using EchoCertificate certificate = new([], TimeProvider.System);
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(400, 300));
        await using ShareProcess share = await ShareProcess.StartAsync(
            new LabOptions(), display.Name, _deadline, ["--cert", certificate.CertificatePath, "--key", certificate.KeyPath, "--quic", "off"]);
        LiveWatch watch = new() { Url = share.Url.AbsoluteUri, Transport = PacketTransport.Best, Fingerprint = certificate.Fingerprint };
        using StringReader orders = new($"{JsonSerializer.Serialize(watch, LiveJson.Default.LiveWatch)}\n\n");
        using StringWriter answers = new(), notes = new();
        await LiveAgent.RunAsync(orders, answers, notes, _deadline);
        string[] lines = answers.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        LiveReady ready = JsonSerializer.Deserialize(lines[0], LiveJson.Default.LiveReady)!;
        LiveResult result = JsonSerializer.Deserialize(lines[1], LiveJson.Default.LiveResult)!;
        Assert.Equal((null, "websocket"), (ready.Failure, ready.Transport));
        Assert.Equal("websocket", result.Transport);
        foreach (string told in (string[])[ready.Note, result.Note, notes.ToString()])
        {
            Assert.Contains("QUIC does not pass", told, StringComparison.Ordinal);
        }
    }
}
