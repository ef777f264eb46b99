using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>The same few requests a second over networks that lose and delay: how late is the last of a hundred.</summary>
internal static class WeakRounds
{
    /// <summary>Requests at a time on the one connection.</summary>
    private const int Streams = 10;

    /// <summary>What a person who waits does: not all at once.</summary>
    private const double RequestsPerSecond = 40;

    public static async Task RunAsync(
        RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        NetworkProfile[] profiles = [NetworkProfiles.Clean, NetworkProfiles.Rtt200Loss5, NetworkProfiles.Loss12Jitter80, NetworkProfiles.Dsl, NetworkProfiles.Satellite];
        for (int i = 0; i < profiles.Length; i++)
        {
            int index = i;
            await RunAsync(run, profiles[i], certificate, options, done => report($"Over {profiles[index].Name}", (index + done) / profiles.Length), cancellationToken);
        }
    }

    /// <summary>A network, or why there is none is noted.</summary>
    public static WeakNetwork? TryCreate(RunBuilder run, NetworkProfile profile, LabOptions options)
    {
        try
        {
            return WeakNetwork.Create(profile, Seed, options.Time);
        }
        catch (MissingRequirementException missing)
        {
            run.NotMeasured($"{profile.Name}: {missing.Message}");
            return null;
        }
    }

    private const ulong Seed = 5;

    private static async Task RunAsync(
        RunBuilder run, NetworkProfile profile, EchoCertificate certificate, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork? network = TryCreate(run, profile, options);
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
            Connections = 1,
            Streams = Streams,
            RequestsPerSecond = RequestsPerSecond,
            WarmSeconds = 2,
            Seconds = options.Quick ? 3 : 12,
            TimeoutSeconds = 30,
        };
        Dictionary<string, LoadSeries> series = await LoadRounds.PlayAsync(
            run, targets.All, load, $"{LoadRounds.Suffix(load)}-{profile.Name}", options.Quick ? 1 : 5, agent, certificate.Fingerprint, report, cancellationToken);
        bool isLossy = profile == NetworkProfiles.Rtt200Loss5 || profile == NetworkProfiles.Loss12Jitter80;
        foreach (LoadSeries each in series.Values)
        {
            run.Add(each.ToCase(load));
        }

        if (!isLossy || !series.TryGetValue("quic", out LoadSeries? quic))
        {
            return;
        }

        // By all rounds together: a round has too few requests for its own 99th percentile.
        if (series.TryGetValue(Peers.GoPeers.QuicGo, out LoadSeries? peer))
        {
            run.Add(RatioRecord.Of($"{quic.Name} p99Ms vs {Peers.GoPeers.QuicGo}", (double)quic.Latency.P99Ns / peer.Latency.P99Ns, 1));
        }

        LoadSeries[] tcp = [.. series.Where(each => each.Key is not ("quic" or Peers.GoPeers.QuicGo)).Select(each => each.Value)];
        LoadSeries best = tcp.MinBy(each => each.Latency.P99Ns)!;
        run.Add(RatioRecord.Of($"{quic.Name} p99Ms vs best TCP ({best.Name.Split('/')[0]})", (double)quic.Latency.P99Ns / best.Latency.P99Ns, 0.5));
    }
}
