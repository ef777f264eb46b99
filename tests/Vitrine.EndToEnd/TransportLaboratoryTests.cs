using System.Net;
using Vitrine.Lab;
using Vitrine.Lab.Tests.WeakNetworks;
using Vitrine.Lab.Transport;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;
using Vitrine.Transports.Quic;

namespace Vitrine.EndToEnd;

/// <summary>Parts of the transport laboratory as it runs them, only shorter: servers and clients are programs of their own.</summary>
public sealed class TransportLaboratoryTests : IDisposable
{
    private static readonly string[] s_own = QuicSupport.TryLoad(out _) ? ["quic", "grpc", "http2"] : ["grpc", "http2"];

    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(10)).Token; // peers may have to be built
    private readonly EchoCertificate _certificate = new([WeakNetwork.FarAddress], TimeProvider.System);

    public void Dispose() => _certificate.Dispose();

    [Fact]
    public async Task Load_EveryServerAnswersAll_OursStandBesideTheirPeers()
    {
        LabOptions options = new();
        RunBuilder run = new("transport", options);
        await using EchoTargets targets = await EchoTargets.StartAsync(options, _certificate, IPAddress.Loopback, null, _deadline);
        await using LoadProcess agent = LoadProcess.Start(options);
        EchoLoad load = new() { Protocol = EchoProtocol.Quic, Address = "", Fingerprint = "", Connections = 4, PayloadBytes = 1024, WarmSeconds = 0, Seconds = 0.3 };
        Dictionary<string, LoadSeries> series = await LoadRounds.PlayAsync(
            run, targets.All, load, LoadRounds.Suffix(load), 1, agent, _certificate.Fingerprint, _ => { }, _deadline);
        LoadRounds.Add(run, series, load, hasGoals: true);
        RunDocument document = run.Build("none");

        Assert.Empty(document.NotMeasured);
        Assert.Equal(targets.All.Select(target => $"{target.Name}/4x1KB").Order(StringComparer.Ordinal), document.Cases.Select(record => record.Name).Order(StringComparer.Ordinal));
        Assert.All(document.Cases, record => Assert.True(record.Metrics["requests"] > 0 && record.Metrics["failed"] == 0, record.Name));
        Assert.All(s_own, own => Assert.True(document.FindCase($"{own}/4x1KB")!.Metrics["serverAllocatedBytesPerRequest"] > 0, own));
        Assert.All(s_own, own => Assert.Contains("on another machine", document.FindCase($"{own}/4x1KB")!.Parameters["published"], StringComparison.Ordinal));
        Assert.All(s_own, own => Assert.Null(Assert.Single(document.Ratios, ratio => ratio.Name == $"{own}/4x1KB p99Ms vs published").Goal));
        Assert.True(Environment.GetEnvironmentVariable("CI") != "true" || targets.Missing.Count == 0, string.Join('\n', targets.Missing));
        foreach ((string own, string peer) in EchoTargets.Pairs.Where(pair => series.ContainsKey(pair.Ours) && series.ContainsKey(pair.Peer)))
        {
            RatioRecord ratio = Assert.Single(document.Ratios, ratio => ratio.Name == $"{own}/4x1KB requestsPerSecond vs {peer}");
            Assert.Equal(document.FindCase($"{own}/4x1KB")!.Metrics["requestsPerSecond"] / document.FindCase($"{peer}/4x1KB")!.Metrics["requestsPerSecond"], ratio.Value, 1e-9);
        }
    }

    [WeakNetworkFact]
    public async Task Setup_RoundTripsAreThoseOfTheHandshakes_TheFirstRequestTravelsEarly()
    {
        LabOptions options = new() { Quick = true };
        RunBuilder run = new("transport", options);
        await SetupRounds.RunAsync(run, _certificate, options, _ => { }, _deadline);
        RunDocument document = run.Build("none");

        // Nobody is faster than the network; TCP and TLS need a round trip each, QUIC one for both.
        Assert.All(s_own, own => Assert.True(document.FindCase($"{own}/setup/rtt-100")!.Metrics["setupRoundTrips"] >= (own == "quic" ? 0.99 : 1.99), own));
        Assert.All(s_own, own => Assert.True(document.FindCase($"{own}/setup/rtt-100")!.Metrics["firstAnswerRoundTrips"] >= (own == "quic" ? 1.99 : 2.99), own));
        if (s_own.Contains("quic"))
        {
            CaseRecord early = document.FindCase("quic/resumed/rtt-100")!;
            Assert.Equal(4, early.Metrics["earlyAccepted"]);
            Assert.True(early.Metrics["firstAnswerRoundTrips"] >= 0.99);
            Assert.Contains(document.Ratios, ratio => ratio.Name == "quic/setup/rtt-100 setupRoundTrips vs goal");
            Assert.Contains(document.Ratios, ratio => ratio.Name == "quic/resumed/rtt-100 firstAnswerRoundTrips vs goal");
        }
    }
}
