using System.Globalization;
using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.Playback;

/// <summary>Wake-ups of the pacer and of the two loops that people write, one after the other in each round, so that nobody
/// measures the other's load and whatever else the machine does meets all of them.</summary>
/// <remarks>«Awake» is who asked the kernel that no processor halts, in its own turns only. A wake-up's error is held against what each was asked for, in whole milliseconds for the two peers, because they know
/// nothing finer; against the rate that was wanted they are worse, and that is written beside it (<c>offGrid...</c>).</remarks>
internal static class PacerRounds
{
    /// <summary>Processors' time that a virtual machine's host may take away for it to be a quiet one: measured on one, 0.001 to 0.007.</summary>
    private const double QuietStolenCpuCoresMax = 0.01;

    public static void Run(RunBuilder run, int rateHz, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        int rounds = options.Quick ? 2 : 25;
        string load = LoadAverage();
        using var contestants = new Contestants(rateHz);
        foreach (PacedLoop contestant in contestants.All)
        {
            contestant.Warm(options.Time);
        }

        for (int round = 0; round < rounds; round++)
        {
            contestants.RunRound(
                ours: TimeSpan.FromSeconds(options.Quick ? 1.2 : 12), peers: TimeSpan.FromSeconds(options.Quick ? 0.6 : 2),
                variants: TimeSpan.FromSeconds(options.Quick ? 0.3 : 1), options.Time, cancellationToken);
            report((round + 1.0) / rounds);
        }

        string name = string.Create(CultureInfo.InvariantCulture, $"{rateHz}-hz");
        PacerLoop pacer = contestants.Pacer;
        AddCases(run, name, contestants, new() { ["loadAverageBefore"] = load, ["loadAverageAfter"] = LoadAverage(), ["realTime"] = pacer.RealTime.ToString() }, isLoaded: false);
        AddGoals(run, name, pacer, contestants.Peers);
        if (pacer.RealTime != KernelGrant.Granted)
        {
            run.NotMeasured($"pacer/{name} with real-time priority: {pacer.RealTime}. It takes CAP_SYS_NICE or a limit of real-time priority (ulimit -r).");
        }

        if (contestants.Awake is [PacerLoop awake, SleepLoop awakeSleep])
        {
            AddGoals(run, name, awake, contestants.Peers);
            run.Add(RatioRecord.Of($"{awake.Name}/{name} p99 vs {awakeSleep.Name}", (double)awake.Series.All.P99Ns / awakeSleep.Series.All.P99Ns, goal: null));
        }
        else
        {
            run.NotMeasured($"pacer-awake/{name}, with processors that do not halt: {contestants.MayStayAwake}. It takes the right to write to /dev/cpu_dma_latency.");
        }
    }

    /// <summary>The same with a busy thread for every processor. No goal: a machine that has no time has none for anybody.</summary>
    public static void RunLoaded(RunBuilder run, int rateHz, LabOptions options, CancellationToken cancellationToken)
    {
        using var contestants = new Contestants(rateHz);
        using var busy = new BusyThreads(Environment.ProcessorCount);
        TimeSpan each = TimeSpan.FromSeconds(options.Quick ? 0.6 : 5);
        for (int round = 0; round < (options.Quick ? 1 : 2); round++)
        {
            contestants.RunRound(each, each, each, options.Time, cancellationToken);
        }

        AddCases(
            run, string.Create(CultureInfo.InvariantCulture, $"{rateHz}-hz-busy"), contestants,
            new() { ["busyThreads"] = Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture), ["realTime"] = contestants.Pacer.RealTime.ToString() }, isLoaded: true);
    }

    private static void AddGoals(RunBuilder run, string name, PacerLoop pacer, IEnumerable<PacedLoop> peers)
    {
        foreach (PacedLoop peer in peers)
        {
            run.Add(RatioRecord.Of($"{pacer.Name}/{name} p99 vs {peer.Name}", (double)pacer.Series.All.P99Ns / peer.Series.All.P99Ns, 0.1));
        }

        run.AddGoal($"{pacer.Name}/{name} meanMs", pacer.Series.All.MeanNs / 1e6, 0.022);
        if (pacer.StolenCpuCores > QuietStolenCpuCoresMax)
        {
            run.NotMeasured(string.Create(
                CultureInfo.InvariantCulture,
                $"{pacer.Name}/{name} on a quiet machine, for which the goal of the mean is: others on its host took {pacer.StolenCpuCores:0.###} processors' time away meanwhile, on a quiet one less than {QuietStolenCpuCoresMax}."));
        }
    }

    private static void AddCases(RunBuilder run, string name, Contestants contestants, Dictionary<string, string> parameters, bool isLoaded)
    {
        foreach (PacedLoop contestant in contestants.All)
        {
            var further = new Dictionary<string, double>
            {
                ["offGridP50Ms"] = contestant.OffGrid.P50Ns / 1e6,
                ["offGridP99Ms"] = contestant.OffGrid.P99Ns / 1e6,
                ["overOneMs"] = contestant.OverOneMillisecond,
                ["dropped"] = contestant.Dropped,
                ["stolenCpuCores"] = contestant.StolenCpuCores,
            };
            if (!isLoaded)
            {
                // The busy threads are of this process: beside them nothing can be said about the loop's own time.
                further["cpuCores"] = contestant.CpuCores;
                further["othersCpuCores"] = contestant.OthersCpuCores;
            }

            run.Add(contestant.Series.ToCase($"{contestant.Name}/{name}", parameters, further));
        }
    }

    private static string LoadAverage() => string.Join(' ', File.ReadAllText("/proc/loadavg").Split(' ')[..3]);
}

/// <summary>The pacer, its peers, the pacer with processors that do not halt, without one of its means, or bound: what each is
/// good for.</summary>
internal sealed class Contestants : IDisposable
{
    public Contestants(int rateHz)
    {
        Pacer = new("pacer", rateHz, options => options);
        Peers = [new PeriodicTimerLoop(rateHz), new SleepLoop("Thread.Sleep", rateHz)];
        CpuLatencyRequest.TryHold(0, out KernelGrant mayStayAwake)?.Dispose();
        MayStayAwake = mayStayAwake;
        if (MayStayAwake == KernelGrant.Granted)
        {
            Awake =
            [
                new PacerLoop("pacer-awake", rateHz, options => options with { CpuLatencyUsMax = 0 }),
                new SleepLoop("Thread.Sleep-awake", rateHz, keepsAwake: true),
            ];
        }

        Variants =
        [
            new PacerLoop("pacer-ordinary", rateHz, options => options with { RealTimePriority = 0 }),
            new PacerLoop("pacer-no-spin", rateHz, options => options with { SpinNsMax = 0 }),
            new PacerLoop("pacer-bound", rateHz, options => options with { Processors = [Environment.ProcessorCount - 1] }),
        ];
        All = [Pacer, .. Peers, .. Awake, .. Variants];
    }

    public PacerLoop Pacer { get; }

    public IReadOnlyList<PacedLoop> Peers { get; }

    /// <summary>Pacer and peer for whose turns no processor halts; none where that is not granted.</summary>
    public IReadOnlyList<PacedLoop> Awake { get; } = [];

    public KernelGrant MayStayAwake { get; }

    public IReadOnlyList<PacedLoop> Variants { get; }

    public IReadOnlyList<PacedLoop> All { get; }

    public void RunRound(TimeSpan ours, TimeSpan peers, TimeSpan variants, TimeProvider time, CancellationToken cancellationToken)
    {
        foreach (PacedLoop contestant in All)
        {
            cancellationToken.ThrowIfCancellationRequested();
            contestant.RunRound(Variants.Contains(contestant) ? variants : contestant is PacerLoop ? ours : peers, time);
        }
    }

    public void Dispose()
    {
        foreach (PacerLoop ours in All.OfType<PacerLoop>())
        {
            ours.Dispose();
        }
    }
}

/// <summary>Keeps processors busy until disposed.</summary>
internal sealed class BusyThreads : IDisposable
{
    private readonly Thread[] _threads;
    private volatile bool _isStopped;

    public BusyThreads(int count)
    {
        _threads = [.. Enumerable.Range(0, count).Select(_ => new Thread(Burn) { IsBackground = true, Name = "busy" })];
        foreach (Thread thread in _threads)
        {
            thread.Start();
        }
    }

    public void Dispose()
    {
        _isStopped = true;
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    private void Burn()
    {
        double value = 1;
        while (!_isStopped)
        {
            for (int i = 0; i < 1000; i++)
            {
                value = (value * 1.0000001) + 1e-9;
            }
        }

        GC.KeepAlive(value);
    }
}
