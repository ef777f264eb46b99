using System.Net.Sockets;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>The same few requests a second over networks that lose and delay: how late is the last of a hundred.</summary>
internal static class WeakRounds
{
    /// <summary>Most requests at a time on a connection, whatever carries them: what Kestrel allows, and more than are ever under way unless
    /// the transport falls behind.</summary>
    public const int Streams = 100;

    /// <summary>All alike, only so that a round has enough requests: what one of them does, the others do not feel, where the network has no
    /// rate to share. Where it has, there is one.</summary>
    private const int ConnectionsMax = 16;

    /// <summary>Of each connection: not all at once, so that the network is far from full.</summary>
    private const double RequestsPerSecond = 40;

    public static async Task RunAsync(
        RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        NetworkProfile[] usual = options.Quick
            ? [NetworkProfiles.Rtt200Loss5, NetworkProfiles.Loss12Jitter80]
            : [NetworkProfiles.Rtt200Loss5, NetworkProfiles.Loss12Jitter80, NetworkProfiles.Clean, NetworkProfiles.Dsl, NetworkProfiles.Satellite];
        NetworkProfile[] profiles = NetworkText.Choose(options.Networks, usual);
        report("What the emulator itself adds", 0);
        await AddEmulatorAsync(run, options);
        for (int i = 0; i < profiles.Length; i++)
        {
            int index = i;
            await RunAsync(run, profiles[i], certificate, options, done => report($"Over {profiles[index].Name}", (index + done) / profiles.Length), cancellationToken);
        }
    }

    /// <summary>The error of everything that is measured over weak networks on this machine.</summary>
    private static async Task AddEmulatorAsync(RunBuilder run, LabOptions options)
    {
        EmulatorFigures figures;
        try
        {
            figures = await Task.Run(() => EmulatorFigures.Measure(TimeSpan.FromSeconds(options.Quick ? 1 : 4)));
        }
        catch (MissingRequirementException)
        {
            return; // each network says so
        }
        catch (SocketException failure)
        {
            run.NotMeasured($"emulator: {failure.Message}"); // the machine stood still for seconds
            return;
        }

        run.Add(new CaseRecord
        {
            Name = "emulator/clean",
            Parameters = new Dictionary<string, string> { ["real-time priority"] = figures.RealTime.ToString() },
            Metrics = new Dictionary<string, double>
            {
                ["roundTripP50Ms"] = figures.RoundTripP50Ns / 1e6,
                ["roundTripP99Ms"] = figures.RoundTripP99Ns / 1e6,
                ["loopbackP50Ms"] = figures.LoopbackP50Ns / 1e6,
                ["loopbackP99Ms"] = figures.LoopbackP99Ns / 1e6,
                ["latenessP50Ms"] = figures.LatenessP50Ns / 1e6,
                ["latenessP99Ms"] = figures.LatenessP99Ns / 1e6,
                ["packetsPerSecond"] = figures.PacketsPerSecond,
                ["cpuUsPerPacket"] = figures.CpuNsPerPacket / 1e3,
            },
        });
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
        PathProfile path = profile.Paths[0];
        int connections = path.Up.IsShaped || path.Down.IsShaped ? 1 : ConnectionsMax;
        EchoLoad load = new()
        {
            Protocol = EchoProtocol.Quic,
            Address = "",
            Fingerprint = "",
            Connections = connections,
            Streams = Streams,
            RequestsPerSecond = connections * RequestsPerSecond,
            ConnectsTogether = true,
            WarmSeconds = 3,
            Seconds = options.Quick ? 3 : 8,
            TimeoutSeconds = 30,
        };
        bool isLossy = profile == NetworkProfiles.Rtt200Loss5 || profile == NetworkProfiles.Loss12Jitter80; // those with goals
        Dictionary<string, LoadSeries> series = await LoadRounds.PlayAsync(
            run, [.. targets.All, .. targets.Variants], load, $"{LoadRounds.Suffix(load)}-{profile.Name}", options.Quick || !isLossy ? 1 : 5, agent, certificate.Fingerprint, report, cancellationToken);
        foreach (LoadSeries each in series.Values)
        {
            CaseRecord record = each.ToCase(load);
            run.Add(record with { Parameters = new Dictionary<string, string>(record.Parameters) { ["network"] = profile.Summary } });
        }

        // The one that sends as TCP does where it is best: with bbr.
        if (!isLossy || !series.TryGetValue("quic-bbr", out LoadSeries? quic))
        {
            return;
        }

        if (series.TryGetValue(Peers.GoPeers.QuicGo, out LoadSeries? peer))
        {
            run.AddRatio($"{quic.Name} p99Ms vs {Peers.GoPeers.QuicGo}", quic.P99Ms, peer.P99Ms, 1);
        }

        LoadSeries? best = targets.All.Where(target => target.Protocol != EchoProtocol.Quic && series.ContainsKey(target.Name))
            .Select(target => series[target.Name]).MinBy(each => RoundSeries.Median(each.P99Ms));
        if (best is not null)
        {
            run.AddRatio($"{quic.Name} p99Ms vs best over TCP", quic.P99Ms, best.P99Ms, 0.5);
        }
    }
}
