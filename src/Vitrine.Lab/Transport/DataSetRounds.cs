using System.Globalization;
using System.Net;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>The 23 data sets of the published comparison: QUIC, gRPC and JSON over HTTP/2 under five loads on this machine and over two weak
/// networks, setting up over 100 ms, and setting up again. Ours alone: peers have parts of their own.</summary>
internal static class DataSetRounds
{
    /// <summary>Of all loads but the last: as many connections as was published.</summary>
    private const int Connections = 100;

    /// <summary>What was published, for 100 connections and 1 KB: from the requirements of this project (NET-1 to NET-3).</summary>
    private static readonly Dictionary<string, (double MeanMs, double P99Ms, double ResidentMegabytes, double? SetupMs)> s_published = new()
    {
        ["grpc"] = (3.2, 18.7, 42, null),
        ["http2"] = (4.1, 22.4, 39, null),
        ["quic"] = (2.6, 14.9, 51, 3.1),
    };

    public static async Task RunAsync(RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        int rounds = options.Quick ? 1 : 5;
        EchoLoad load = new()
        {
            Protocol = EchoProtocol.Quic,
            Address = "",
            Fingerprint = "",
            Connections = Connections,
            PayloadBytes = 1024,
            WarmSeconds = options.Quick ? 0.2 : 1,
            Seconds = options.Quick ? 0.5 : options.TransportDuration.TotalSeconds / rounds,
        };
        int sets = await OnThisMachineAsync(run, certificate, load, rounds, options, (what, done) => report(what, 0.65 * done), cancellationToken);
        foreach ((NetworkProfile profile, double from) in ((NetworkProfile, double)[])[(NetworkProfiles.Rtt200Loss5, 0.65), (NetworkProfiles.Loss12Jitter80, 0.8)])
        {
            sets += await OverAsync(run, profile, certificate, load, rounds, options, done => report($"Over {profile.Name}", from + (0.15 * done)), cancellationToken);
        }

        sets += await SettingUpAsync(run, certificate, load, rounds, options, done => report("Setting up over 100 ms", 0.95 + (0.05 * done)), cancellationToken);
        run.AddGoal("data sets", sets, 23, lowerIsBetter: false);
        MachineRecord machine = MachineProbe.Read("none");
        run.NotMeasured(string.Create(CultureInfo.InvariantCulture,
            $"the published figures on this machine: they were measured on another one, which was not named, and are beside ours for their size only; this is {machine.Cpu} with {machine.Cores} cores, which client and server share."));
    }

    private static async Task<int> OnThisMachineAsync(
        RunBuilder run, EchoCertificate certificate, EchoLoad load, int rounds, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        await using EchoServerProcess server = await EchoServerProcess.StartAsync(options, certificate, IPAddress.Loopback.ToString(), null, cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options);
        List<EchoTarget> targets = Targets(run, server);
        await PlayAsync("warm", load with { Connections = 20, WarmSeconds = 0, Seconds = options.Quick ? 0.5 : 5 }, 1, 0, 0.02);
        int sets = 0;
        Dictionary<string, LoadSeries> saturating = await PlayAsync("saturating", load, rounds, 0.02, 0.2);
        Add(saturating, load);
        // Of what the slowest carries: the same for all of them.
        double slowest = saturating.Values.Min(series => RoundSeries.Median(series.RequestsPerSecond));
        foreach ((string name, double share, double from) in ((string, double, double)[])[("light", 0.1, 0.22), ("medium", 0.5, 0.42)])
        {
            EchoLoad open = load with { RequestsPerSecond = Math.Max(10, Math.Round(share * slowest)) };
            Dictionary<string, LoadSeries> all = await PlayAsync(name, open, rounds, from, 0.2);
            Add(all, open);
            foreach ((string protocol, LoadSeries series) in all)
            {
                Compare(run, series, protocol);
            }
        }

        EchoLoad small = load with { PayloadBytes = 64 }, large = load with { PayloadBytes = 1 << 20, Connections = 8 };
        Add(await PlayAsync("small-packet", small, rounds, 0.62, 0.2), small);
        Add(await PlayAsync("large", large, rounds, 0.82, 0.18), large);
        foreach ((string protocol, LoadSeries series) in saturating)
        {
            Compare(run, series, protocol);
            run.AddGoal($"data-set/{series.Name} gcPauseMsP99", series.ToCase(load).Metrics["gcPauseMsP99"], 2);
        }

        return sets;

        Task<Dictionary<string, LoadSeries>> PlayAsync(string name, EchoLoad played, int times, double from, double share) =>
            LoadRounds.PlayAsync(
                run, targets, played, name, times, agent, certificate.Fingerprint, done => report($"{played.Connections} connections, {name}", from + (share * done)), cancellationToken);

        void Add(Dictionary<string, LoadSeries> all, EchoLoad played)
        {
            foreach ((string protocol, LoadSeries series) in all)
            {
                run.Add(Complete(series.ToCase(played), protocol));
                sets++;
            }
        }
    }

    private static async Task<int> OverAsync(
        RunBuilder run, NetworkProfile profile, EchoCertificate certificate, EchoLoad load, int rounds, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork? network = WeakRounds.TryCreate(run, profile, options);
        if (network is null)
        {
            return 0;
        }

        await using EchoServerProcess server = await EchoServerProcess.StartAsync(
            options, certificate, network.Far.Address.ToString(), (program, arguments) => network.Far.Start(program, arguments), cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
        // Connections are made one after the other, each in several round trips: ten of them, with ten requests at a time each.
        EchoLoad weak = load with
        {
            Connections = options.Quick ? 1 : 10,
            Streams = 10,
            RequestsPerSecond = 100,
            Seconds = options.Quick ? 1 : load.Seconds,
            TimeoutSeconds = 30,
        };
        Dictionary<string, LoadSeries> all = await LoadRounds.PlayAsync(
            run, Targets(run, server), weak, $"weak-{profile.Name}", rounds, agent, certificate.Fingerprint, report, cancellationToken);
        foreach ((string protocol, LoadSeries series) in all)
        {
            run.Add(Complete(series.ToCase(weak), protocol));
        }

        return all.Count;
    }

    private static async Task<int> SettingUpAsync(
        RunBuilder run, EchoCertificate certificate, EchoLoad load, int rounds, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork? network = WeakRounds.TryCreate(run, NetworkProfiles.Rtt100, options);
        if (network is null)
        {
            return 0;
        }

        await using EchoServerProcess server = await EchoServerProcess.StartAsync(
            options, certificate, network.Far.Address.ToString(), (program, arguments) => network.Far.Start(program, arguments), cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
        List<EchoTarget> targets = Targets(run, server);
        EchoLoad connecting = load with { Connections = options.Quick ? 3 : 50, Seconds = 0 };
        await LoadRounds.PlayAsync(run, targets, connecting with { Connections = 1 }, "warm", 1, agent, certificate.Fingerprint, _ => { }, cancellationToken);
        int sets = 0;
        foreach ((string name, bool resumes, double from) in ((string, bool, double)[])[("set-up", false, 0), ("resumption", true, 0.7)])
        {
            // Over TCP nothing is sent in the first flight: resumption is QUIC's.
            EchoTarget[] some = [.. targets.Where(target => !resumes || target.Protocol == EchoProtocol.Quic)];
            Dictionary<string, LoadSeries> all = await LoadRounds.PlayAsync(
                run, some, connecting with { Resumes = resumes }, $"{name}-{network.Profile.Name}", rounds, agent, certificate.Fingerprint,
                done => report(from + (0.3 * done)), cancellationToken);
            foreach ((string protocol, LoadSeries series) in all)
            {
                run.Add(Complete(series.ToCase(connecting, series.FirstAnswer), protocol));
            }

            sets += all.Count == some.Length && some.Length > 0 ? 1 : 0; // one set, of a row a protocol
        }

        return sets;
    }

    private static List<EchoTarget> Targets(RunBuilder run, EchoServerProcess server)
    {
        List<EchoTarget> targets =
        [
            new("grpc", EchoProtocol.Grpc, server.Ready.Https, server.ProcessId, server),
            new("http2", EchoProtocol.Http2, server.Ready.Https, server.ProcessId, server),
        ];
        if (server.Ready.Quic is { } quic)
        {
            targets.Insert(0, new("quic", EchoProtocol.Quic, quic, server.ProcessId, server));
        }
        else
        {
            run.NotMeasured("quic: libngtcp2 is missing; vitrine doctor names the package");
        }

        return targets;
    }

    // With the published figures beside it: of 100 connections and 1 KB, at whatever rate that was.
    private static CaseRecord Complete(CaseRecord record, string protocol)
    {
        (double meanMs, double p99Ms, double residentMegabytes, double? setupMs) = s_published[protocol];
        return record with
        {
            Name = $"data-set/{record.Name}",
            Parameters = new Dictionary<string, string>(record.Parameters)
            {
                ["published"] = string.Create(
                    CultureInfo.InvariantCulture,
                    $"mean {meanMs} ms, p99 {p99Ms} ms, {residentMegabytes} MB{(setupMs is { } setup ? $", set-up {setup} ms" : "")} with 100 connections and 1 KB, on another machine"),
            },
        };
    }

    private static void Compare(RunBuilder run, LoadSeries series, string protocol)
    {
        (double meanMs, double p99Ms, double residentMegabytes, double? setupMs) = s_published[protocol];
        string name = $"data-set/{series.Name}";
        run.Add(RatioRecord.Of($"{name} meanMs vs published", series.Latency.MeanNs / 1e6 / meanMs, null));
        run.Add(RatioRecord.Of($"{name} p99Ms vs published", series.Latency.P99Ns / 1e6 / p99Ms, null));
        run.Add(RatioRecord.Of($"{name} serverResidentBytes vs published", series.Rounds.Max(round => round.ServerResidentBytes) / 1e6 / residentMegabytes, null));
        if (setupMs is { } published)
        {
            run.Add(RatioRecord.Of($"{name} setupP50Ms vs published", series.Setup.P50Ns / 1e6 / published, null));
        }
    }
}
