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

    private const string Quic = "quic", Grpc = "grpc", Http2 = "http2";
    private const string Saturating = "saturating", Light = "light", Medium = "medium", SmallPacket = "small-packet", Large = "large";

    private static readonly string[] s_protocols = [Quic, Grpc, Http2];
    private static readonly NetworkProfile[] s_networks = [NetworkProfiles.Rtt200Loss5, NetworkProfiles.Loss12Jitter80];
    private static readonly NetworkProfile s_setUpNetwork = NetworkProfiles.Rtt100;

    /// <summary>All 23 by their names: of a protocol and a load, as their cases are called; the two of setting up have a case a protocol.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        .. from load in (string[])[Saturating, Light, Medium, SmallPacket, Large] from protocol in s_protocols select $"{protocol}/{load}",
        .. from network in s_networks from protocol in s_protocols select $"{protocol}/{Weak(network)}",
        SetUp(s_setUpNetwork),
        Resumption(s_setUpNetwork),
    ];

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
        List<string> sets = [.. await OnThisMachineAsync(run, certificate, load, rounds, options, (what, done) => report(what, 0.65 * done), cancellationToken)];
        for (int i = 0; i < s_networks.Length; i++)
        {
            (NetworkProfile profile, double from) = (s_networks[i], 0.65 + (0.15 * i));
            sets.AddRange(await OverAsync(run, profile, certificate, load, rounds, options, done => report($"Over {profile.Name}", from + (0.15 * done)), cancellationToken));
        }

        sets.AddRange(await SettingUpAsync(run, certificate, load, rounds, options, done => report("Setting up over 100 ms", 0.95 + (0.05 * done)), cancellationToken));
        run.AddGoal("data sets", sets.Intersect(Names).Count(), 23, lowerIsBetter: false);
        PublishedFigures.SayWhereTheyDiffer(run);
    }

    private static string Weak(NetworkProfile network) => $"weak-{network.Name}";

    private static string SetUp(NetworkProfile network) => $"set-up-{network.Name}";

    private static string Resumption(NetworkProfile network) => $"resumption-{network.Name}";

    private static async Task<IReadOnlyList<string>> OnThisMachineAsync(
        RunBuilder run, EchoCertificate certificate, EchoLoad load, int rounds, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        await using LoadProcess agent = LoadProcess.Start(options);
        List<string> sets = [];
        Dictionary<string, LoadSeries> saturating = await PlayAsync(Saturating, load, 0);
        if (saturating.Count == 0)
        {
            return sets;
        }

        // Of what the slowest carries: the same for all of them.
        double slowest = saturating.Values.Min(series => RoundSeries.Median(series.RequestsPerSecond));
        Dictionary<string, LoadSeries> light = await PlayAsync(Light, load with { RequestsPerSecond = Math.Max(10, Math.Round(0.1 * slowest)) }, 0.2);
        Dictionary<string, LoadSeries> medium = await PlayAsync(Medium, load with { RequestsPerSecond = Math.Max(10, Math.Round(0.5 * slowest)) }, 0.4);
        await PlayAsync(SmallPacket, load with { PayloadBytes = 64 }, 0.6);
        await PlayAsync(Large, load with { PayloadBytes = 1 << 20, Connections = 8 }, 0.8);
        foreach ((string protocol, LoadSeries series) in light.Concat(medium).Concat(saturating))
        {
            PublishedFigures.Compare(run, series, $"data-set/{series.Name}", protocol);
        }

        foreach (LoadSeries series in saturating.Values)
        {
            run.AddGoal($"data-set/{series.Name} gcPauseMsP99", series.ToCase(load).Metrics["gcPauseMsP99"], 2);
        }

        return sets;

        async Task<Dictionary<string, LoadSeries>> PlayAsync(string name, EchoLoad played, double from)
        {
            await using Servers servers = await Servers.StartAsync(options, certificate, IPAddress.Loopback, null, cancellationToken);
            if (sets.Count == 0 && servers.Missing is { } missing)
            {
                run.NotMeasured(missing);
            }

            Dictionary<string, LoadSeries> all = await servers.PlayAsync(
                run, played, name, rounds, agent, certificate, done => report($"{played.Connections} connections, {name}", from + (0.2 * done)), cancellationToken);
            AddAll(run, all, played);
            sets.AddRange(all.Values.Select(series => series.Name));
            return all;
        }
    }

    private static async Task<IReadOnlyList<string>> OverAsync(
        RunBuilder run, NetworkProfile profile, EchoCertificate certificate, EchoLoad load, int rounds, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork? network = WeakRounds.TryCreate(run, profile, options);
        if (network is null)
        {
            return [];
        }

        await using Servers servers = await Servers.StartAsync(options, certificate, network.Far.Address, (program, arguments) => network.Far.Start(program, arguments), cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
        // Connections are made one after the other, each in several round trips: ten of them, with ten requests at a time each.
        EchoLoad weak = load with
        {
            Connections = options.Quick ? 1 : 10,
            Streams = 10,
            RequestsPerSecond = options.Quick ? 40 : 100,
            Seconds = options.Quick ? 1 : load.Seconds,
            TimeoutSeconds = 30,
        };
        Dictionary<string, LoadSeries> all = await servers.PlayAsync(run, weak, Weak(profile), rounds, agent, certificate, report, cancellationToken);
        AddAll(run, all, weak);
        return [.. all.Values.Select(series => series.Name)];
    }

    private static async Task<IReadOnlyList<string>> SettingUpAsync(
        RunBuilder run, EchoCertificate certificate, EchoLoad load, int rounds, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork? network = WeakRounds.TryCreate(run, s_setUpNetwork, options);
        if (network is null)
        {
            return [];
        }

        await using Servers servers = await Servers.StartAsync(options, certificate, network.Far.Address, (program, arguments) => network.Far.Start(program, arguments), cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
        EchoLoad connecting = load with { Connections = options.Quick ? 3 : 50, Seconds = 0 };
        Dictionary<string, LoadSeries> first = await servers.PlayAsync(
            run, connecting, SetUp(s_setUpNetwork), rounds, agent, certificate, done => report(0.7 * done), cancellationToken);
        // Over TCP nothing is sent in the first flight: resumption is QUIC's.
        Dictionary<string, LoadSeries> again = await servers.PlayAsync(
            run, connecting with { Resumes = true }, Resumption(s_setUpNetwork), rounds, agent, certificate, done => report(0.7 + (0.3 * done)), cancellationToken,
            target => target.Protocol == EchoProtocol.Quic);
        AddAll(run, first, connecting, series => series.FirstAnswer);
        AddAll(run, again, connecting, series => series.FirstAnswer);
        return [.. first.Count > 0 ? (string[])[SetUp(s_setUpNetwork)] : [], .. again.Count > 0 ? (string[])[Resumption(s_setUpNetwork)] : []]; // of a row a protocol
    }

    private static void AddAll(RunBuilder run, Dictionary<string, LoadSeries> all, EchoLoad load, Func<LoadSeries, LatencyHistogram>? of = null)
    {
        foreach ((string protocol, LoadSeries series) in all)
        {
            CaseRecord record = series.ToCase(load, of?.Invoke(series));
            run.Add(PublishedFigures.Complete(record, protocol) with
            {
                Name = $"data-set/{record.Name}",
                Metrics = new Dictionary<string, double>(record.Metrics)
                {
                    // Of the first round: memory of connections that are gone serves those that come later.
                    ["serverResidentBytesPerConnection"] = series.ServerBytesPerConnection(load.Connections)[0],
                },
            });
        }
    }

    /// <summary>One server a protocol, new for each load: what it holds is of that protocol and that load alone.</summary>
    private sealed class Servers : IAsyncDisposable
    {
        private readonly List<EchoServerProcess> _processes = [];

        /// <summary>Why a protocol is missing; null when none is.</summary>
        public string? Missing { get; private set; }

        private List<EchoTarget> Targets { get; } = [];

        public static async Task<Servers> StartAsync(
            LabOptions options, EchoCertificate certificate, IPAddress listen, Func<string, IEnumerable<string>, ChildProcess>? start, CancellationToken cancellationToken)
        {
            Servers servers = new();
            try
            {
                foreach (string name in s_protocols)
                {
                    EchoServerProcess process = await EchoServerProcess.StartAsync(options, certificate, listen.ToString(), start, cancellationToken);
                    servers._processes.Add(process);
                    if (name != Quic)
                    {
                        servers.Targets.Add(new(name, name == Grpc ? EchoProtocol.Grpc : EchoProtocol.Http2, process.Ready.Https, process.ProcessId, process));
                    }
                    else if (process.Ready.Quic is { } quic)
                    {
                        servers.Targets.Add(new(name, EchoProtocol.Quic, quic, process.ProcessId, process));
                    }
                    else
                    {
                        servers.Missing = "quic: libngtcp2 is missing; vitrine doctor names the package";
                    }
                }

                return servers;
            }
            catch
            {
                await servers.DisposeAsync();
                throw;
            }
        }

        /// <summary>Plays a load, after a little of it for code that runs for the first time.</summary>
        public async Task<Dictionary<string, LoadSeries>> PlayAsync(
            RunBuilder run, EchoLoad load, string name, int rounds, LoadProcess agent, EchoCertificate certificate, Action<double> report, CancellationToken cancellationToken,
            Func<EchoTarget, bool>? which = null)
        {
            EchoTarget[] targets = [.. Targets.Where(which ?? (_ => true))];
            EchoLoad warm = load with { Connections = Math.Min(load.Connections, 4), Resumes = false, WarmSeconds = 0, Seconds = Math.Min(load.Seconds, rounds > 1 ? 3 : 0.2) };
            await LoadRounds.PlayAsync(run, targets, warm, "warm", 1, agent, certificate.Fingerprint, _ => { }, cancellationToken);
            return await LoadRounds.PlayAsync(run, targets, load, name, rounds, agent, certificate.Fingerprint, report, cancellationToken);
        }

        public async ValueTask DisposeAsync()
        {
            foreach (EchoServerProcess process in _processes)
            {
                await process.DisposeAsync();
            }
        }
    }
}
