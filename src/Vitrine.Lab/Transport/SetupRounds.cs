using Vitrine.Lab.WeakNetworks;

namespace Vitrine.Lab.Transport;

/// <summary>How many round trips it takes until a request can be sent, and until the first answer is there, where a round trip is 100 ms.</summary>
internal static class SetupRounds
{
    public static async Task RunAsync(RunBuilder run, EchoCertificate certificate, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork? network = WeakRounds.TryCreate(run, NetworkProfiles.Rtt100, options);
        if (network is null)
        {
            return;
        }

        await using EchoTargets targets = await EchoTargets.StartAsync(options, certificate, network.Far.Address, (program, arguments) => network.Far.Start(program, arguments), cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
        EchoLoad load = new()
        {
            Protocol = EchoProtocol.Quic,
            Address = "",
            Fingerprint = "",
            Connections = options.Quick ? 4 : 20,
            Seconds = 0,
        };
        const double RoundTripMs = 100;
        List<EchoTarget> all = targets.All;
        // Once for code that runs for the first time.
        await LoadRounds.PlayAsync(run, all, load with { Connections = 1 }, "warm", 1, agent, certificate.Fingerprint, _ => { }, cancellationToken);
        Dictionary<string, LoadSeries> series = await LoadRounds.PlayAsync(
            run, all, load, $"setup/{network.Profile.Name}", options.Quick ? 1 : 5, agent, certificate.Fingerprint, done => report(0.7 * done), cancellationToken);
        EchoTarget[] own = [.. all.Where(target => target is { Protocol: EchoProtocol.Quic, Own: not null })];
        Dictionary<string, LoadSeries> resumed = await LoadRounds.PlayAsync(
            run, own, load with { Resumes = true }, $"resumed/{network.Profile.Name}", options.Quick ? 1 : 5, agent, certificate.Fingerprint, done => report(0.7 + (0.3 * done)), cancellationToken);
        foreach (LoadSeries each in series.Values.Concat(resumed.Values))
        {
            run.Add(RoundSeries.ToCase(each.Name, each.FirstAnswer, null, new Dictionary<string, double>
            {
                ["setupRoundTrips"] = each.Setup.P50Ns / 1e6 / RoundTripMs,
                ["setupP50Ms"] = each.Setup.P50Ns / 1e6,
                ["setupP99Ms"] = each.Setup.P99Ns / 1e6,
                ["firstAnswerRoundTrips"] = each.FirstAnswer.P50Ns / 1e6 / RoundTripMs,
                ["earlyAccepted"] = each.Rounds.Sum(round => round.EarlyAccepted),
            }));
        }

        if (series.TryGetValue("quic", out LoadSeries? quic))
        {
            run.AddGoal($"{quic.Name} setupRoundTrips", quic.Setup.P50Ns / 1e6 / RoundTripMs, 1.1);
        }

        if (resumed.TryGetValue("quic", out LoadSeries? early))
        {
            run.AddGoal($"{early.Name} firstAnswerRoundTrips", early.FirstAnswer.P50Ns / 1e6 / RoundTripMs, 1.1);
        }
    }
}
