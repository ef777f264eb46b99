using System.Net;
using Vitrine.Lab.Peers;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>gRPC, JSON over HTTP/2 and QUIC, ours and the peers', under the same loads by the same client: on this machine, and over networks
/// as bad as people's are.</summary>
public sealed class TransportLaboratory : ILaboratory
{
    /// <summary>The part that gives advice.</summary>
    public const string Advise = "advise";

    private const string Load = "load", Open = "open", Payloads = "payloads", Memory = "memory", Setup = "setup", Weak = "weak", Handover = "handover", AdviceCheck = "advice-check", DataSets = "datasets",
        Stalled = "stalled", Hostile = "hostile", HostileKinds = "hostile-kinds", Handshakes = "handshakes", Live = "live";

    /// <summary>Of the published tables: 100 connections, 1 KB.</summary>
    private static readonly EchoLoad s_published = new() { Protocol = EchoProtocol.Quic, Address = "", Fingerprint = "", Connections = 100, PayloadBytes = 1024 };

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "transport",
        "What each transport costs, how late it answers, and what becomes of it on a bad network.",
        ["libngtcp2-16", "libngtcp2-crypto-gnutls8", "xvfb"],
        [.. GoPeers.Packages.Split(' ')],
        TimeSpan.FromMinutes(105),
        TimeSpan.FromSeconds(43))
    {
        Parts = [Load, Open, Payloads, Memory, Setup, Weak, Handover, Stalled, Hostile, HostileKinds, Handshakes, Advise, AdviceCheck, DataSets, Live],
    };

    /// <summary>What is wrong with <see cref="LabOptions.Networks"/>, for people; null: nothing.</summary>
    public static string? FaultOfNetworks(IReadOnlyCollection<string> networks)
    {
        ArgumentNullException.ThrowIfNull(networks);
        try
        {
            NetworkText.Choose(networks, []);
            return null;
        }
        catch (LaboratoryException wrong)
        {
            return wrong.Message;
        }
    }

    /// <inheritdoc/>
    public async Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        var run = new RunBuilder("transport", options);
        progress.Report(new("Starting", 0));
        using var certificate = new EchoCertificate([WeakNetwork.FarAddress], options.Time);
        if (Runs(Load) || Runs(Open, inQuick: false) || Runs(Payloads, inQuick: false))
        {
            await using EchoTargets targets = await EchoTargets.StartAsync(options, certificate, IPAddress.Loopback, null, cancellationToken);
            targets.Missing.ForEach(run.NotMeasured);
            await using LoadProcess agent = LoadProcess.Start(options);
            await OnLoopbackAsync(run, targets, agent, certificate, options, progress, Runs, cancellationToken);
        }

        bool hasHostile = Runs(Hostile, inQuick: false), hasHostileKinds = options.Only.Contains(HostileKinds);
        if (Runs(Stalled, inQuick: false))
        {
            await StalledRounds.RunAsync(run, certificate, options, (what, done) => progress.Report(new(what, done)), cancellationToken);
        }

        if (options.Only.Contains(Handshakes))
        {
            await HandshakeRounds.RunAsync(run, certificate, options, (what, done) => progress.Report(new(what, done)), cancellationToken);
        }

        if (hasHostile || hasHostileKinds)
        {
            await HostileRounds.RunAsync(
                run, certificate, options, hasHostile, hasHostileKinds, (what, done) => progress.Report(new(what, done)), cancellationToken);
        }

        if (Runs(Memory, inQuick: false))
        {
            await MemoryRounds.RunAsync(run, certificate, options, done => progress.Report(new("A thousand connections", 0.65 + (0.05 * done))), cancellationToken);
        }

        if (Runs(Setup))
        {
            await SetupRounds.RunAsync(run, certificate, options, done => progress.Report(new("Setting up over 100 ms", 0.7 + (0.1 * done))), cancellationToken);
        }

        if (Runs(Weak, inQuick: false))
        {
            await WeakRounds.RunAsync(run, certificate, options, (what, done) => progress.Report(new(what, 0.8 + (0.1 * done))), cancellationToken);
        }

        if (Runs(Handover, inQuick: false))
        {
            await HandoverRounds.RunAsync(run, certificate, options, done => progress.Report(new("From Wi-Fi to 4G and back", 0.9 + (0.1 * done))), cancellationToken);
        }

        if (options.Only.Contains(Advise))
        {
            void Report(string what, double done) => progress.Report(new(what, done));
            await (options.AdviseTo is { } host
                ? AdviseRounds.RunToAsync(run, host, options, Report, cancellationToken)
                : AdviseRounds.RunAsync(run, certificate, options, Report, cancellationToken));
        }

        if (options.Only.Contains(AdviceCheck))
        {
            await AdviseRounds.CheckAsync(run, certificate, options, (what, done) => progress.Report(new(what, done)), cancellationToken);
        }

        if (options.Only.Contains(DataSets))
        {
            await DataSetRounds.RunAsync(run, certificate, options, (what, done) => progress.Report(new(what, done)), cancellationToken);
        }

        if (options.Only.Contains(Live))
        {
            await LiveRounds.RunAsync(run, certificate, options, (what, done) => progress.Report(new(what, done)), cancellationToken);
        }
        else if (options.Only.Count == 0)
        {
            run.NotMeasured($"{Live}: a film over every network by each transport, some 55 minutes; ask for it with --only.");
        }

        if (options.Quick && options.Only.Count == 0)
        {
            run.NotMeasured($"{Open}, {Payloads}, {Memory}, {Weak}, {Handover}, {Stalled}, {Hostile}: leave --quick away, or ask for them with --only.");
        }

        progress.Report(new("Done", 1));
        return run.Build(options.Only.Contains(Live) ? $"Xvfb, {Motion.MotionLaboratory.Screen}" : "none");

        bool Runs(string part, bool inQuick = true) => options.Only.Count == 0 ? inQuick || !options.Quick : options.Only.Contains(part);
    }

    private static async Task OnLoopbackAsync(
        RunBuilder run, EchoTargets targets, LoadProcess agent, EchoCertificate certificate, LabOptions options, IProgress<LabProgress> progress,
        Func<string, bool, bool> runs, CancellationToken cancellationToken)
    {
        int rounds = options.Quick ? 1 : 5;
        // Each once: what a process does for the first time it does slowly.
        await LoadRounds.PlayAsync(
            run, targets.All, s_published with { Connections = 20, Seconds = options.Quick ? 1.5 : 6, WarmSeconds = 0 }, "warm", 1, agent, certificate.Fingerprint,
            done => progress.Report(new("Warming up", 0.05 * done)), cancellationToken);
        EchoLoad closed = s_published with { Seconds = options.Quick ? 1.5 : options.TransportDuration.TotalSeconds / rounds, WarmSeconds = options.Quick ? 0.3 : 1 };
        Dictionary<string, LoadSeries> saturated = await LoadRounds.PlayAsync(
            run, targets.All, closed, LoadRounds.Suffix(closed), rounds, agent, certificate.Fingerprint,
            done => progress.Report(new("100 connections, each request after the answer to the one before", 0.05 + (0.35 * done))), cancellationToken);
        if (!options.Quick)
        {
            progress.Report(new("Counting objects", 0.4));
            foreach (EchoTarget target in targets.All.Where(target => target.Own is not null && saturated.ContainsKey(target.Name)))
            {
                await CountObjectsAsync(run, target, saturated[target.Name], closed, agent, certificate, options, cancellationToken);
            }
        }

        LoadRounds.Add(run, saturated, closed, hasGoals: true);
        PublishedFigures.SayWhereTheyDiffer(run);
        foreach ((string ours, _) in EchoTargets.Pairs)
        {
            CaseRecord? own = saturated.GetValueOrDefault(ours)?.ToCase(closed);
            if (own is not null)
            {
                run.AddGoal($"{own.Name} gcPauseMsP99", own.Metrics["gcPauseMsP99"], 2);
            }
        }

        if (runs(Open, false))
        {
            // A tenth and a half of what the slowest one takes: so that all can.
            double slowest = saturated.Values.Min(series => RoundSeries.Median(series.RequestsPerSecond));
            foreach ((string name, double share) in ((string, double)[])[("light", 0.1), ("medium", 0.5)])
            {
                EchoLoad open = closed with { RequestsPerSecond = Math.Max(10, share * slowest), Seconds = Math.Min(closed.Seconds, 10) };
                Dictionary<string, LoadSeries> series = await LoadRounds.PlayAsync(
                    run, targets.All, open, $"{LoadRounds.Suffix(open)}-{name}", rounds, agent, certificate.Fingerprint,
                    done => progress.Report(new($"Requests when they are due, {name}", (name == "light" ? 0.4 : 0.47) + (0.07 * done))), cancellationToken);
                LoadRounds.Add(run, series, open, hasGoals: false);
            }
        }

        if (runs(Payloads, false))
        {
            int[] sizes = [64, 16 << 10, 128 << 10, 1 << 20];
            for (int i = 0; i < sizes.Length; i++)
            {
                EchoLoad payload = closed with { PayloadBytes = sizes[i], Connections = sizes[i] > 100_000 ? 8 : 100, Seconds = Math.Min(closed.Seconds, 5) };
                Dictionary<string, LoadSeries> series = await LoadRounds.PlayAsync(
                    run, targets.All, payload, LoadRounds.Suffix(payload), Math.Min(rounds, 3), agent, certificate.Fingerprint,
                    done => progress.Report(new($"{payload.PayloadBytes} bytes", 0.54 + (0.16 * (i + done) / sizes.Length))), cancellationToken);
                LoadRounds.Add(run, series, payload, hasGoals: false);
            }
        }
    }

    // Apart from the rounds, whose figures the samples would change a little: in the middle of one, when connections stand and code is warm.
    private static async Task CountObjectsAsync(
        RunBuilder run, EchoTarget target, LoadSeries series, EchoLoad load, LoadProcess agent, EchoCertificate certificate, LabOptions options, CancellationToken cancellationToken)
    {
        TimeSpan before = TimeSpan.FromSeconds(3), counted = TimeSpan.FromSeconds(3);
        Task<EchoLoadResult> playing = agent.PlayAsync(
            target.Adapt(load) with
            {
                Protocol = target.Protocol, Address = target.Address, Fingerprint = certificate.Fingerprint, ServerProcessId = target.ProcessId,
                WarmSeconds = 1, Seconds = (before + counted).TotalSeconds + 1,
            },
            cancellationToken);
        await Task.Delay(before, options.Time, cancellationToken);
        await target.Own!.CountObjectsAsync(cancellationToken);
        await Task.Delay(counted, options.Time, cancellationToken);
        EchoServerObjects objects = await target.Own.CountObjectsAsync(cancellationToken);
        EchoLoadResult result = await playing;
        if (result.Failure is not null || result.Requests == 0)
        {
            run.NotMeasured($"{series.Name} serverAllocatedObjectsPerRequest: {result.Failure ?? "nothing was answered"}");
            return;
        }

        series.Objects = (objects.PerSecond * result.Seconds / result.Requests, objects.Samples);
    }
}
