using System.Globalization;
using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.Playback;

/// <summary>Wake-ups of the pacer and of the two loops that people write, one after the other in each round, so that nobody
/// measures the other's load and whatever else the machine does meets all of them.</summary>
/// <remarks>A wake-up's error is held against what each was asked for, in whole milliseconds for the two peers, because they know
/// nothing finer; against the rate that was wanted they are worse, and that is written beside it (<c>offGrid...</c>).</remarks>
internal static class PacerRounds
{
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
                ours: TimeSpan.FromSeconds(options.Quick ? 2.2 : 12), peers: TimeSpan.FromSeconds(options.Quick ? 1 : 2),
                variants: TimeSpan.FromSeconds(options.Quick ? 0.4 : 1), options.Time, cancellationToken);
            report((round + 1.0) / rounds);
        }

        string name = string.Create(CultureInfo.InvariantCulture, $"{rateHz}-hz");
        PacerLoop pacer = contestants.Pacer;
        AddCases(run, name, contestants, new() { ["loadAverageBefore"] = load, ["loadAverageAfter"] = LoadAverage(), ["realTime"] = pacer.RealTime.ToString() }, isLoaded: false);
        foreach (PacedLoop peer in contestants.Peers)
        {
            run.Add(RatioRecord.Of($"pacer/{name} p99 vs {peer.Name}", (double)pacer.Series.All.P99Ns / peer.Series.All.P99Ns, 0.1));
        }

        run.AddGoal($"pacer/{name} meanMs", pacer.Series.All.MeanNs / 1e6, 0.022);
        if (pacer.RealTime != RealTimeGrant.Granted)
        {
            run.NotMeasured($"pacer/{name} with real-time priority: {pacer.RealTime}. It takes CAP_SYS_NICE or a limit of real-time priority (ulimit -r).");
        }
    }

    /// <summary>The same with a busy thread for every processor. No goal: a machine that has no time has none for anybody.</summary>
    public static void RunLoaded(RunBuilder run, int rateHz, LabOptions options, CancellationToken cancellationToken)
    {
        using var contestants = new Contestants(rateHz);
        using var busy = new BusyThreads(Environment.ProcessorCount);
        TimeSpan each = TimeSpan.FromSeconds(options.Quick ? 0.8 : 5);
        for (int round = 0; round < (options.Quick ? 1 : 2); round++)
        {
            contestants.RunRound(each, each, each, options.Time, cancellationToken);
        }

        AddCases(
            run, string.Create(CultureInfo.InvariantCulture, $"{rateHz}-hz-busy"), contestants,
            new() { ["busyThreads"] = Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture), ["realTime"] = contestants.Pacer.RealTime.ToString() }, isLoaded: true);
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

/// <summary>The pacer, its peers, and the pacer without one of its means, or bound: what each is good for.</summary>
internal sealed class Contestants(int rateHz) : IDisposable
{
    public PacerLoop Pacer { get; } = new("pacer", rateHz, options => options);

    public IReadOnlyList<PacedLoop> Peers { get; } = [new PeriodicTimerLoop(rateHz), new SleepLoop(rateHz)];

    public IReadOnlyList<PacerLoop> Variants { get; } =
    [
        new("pacer-ordinary", rateHz, options => options with { RealTimePriority = 0 }),
        new("pacer-no-spin", rateHz, options => options with { SpinNsMax = 0 }),
        new("pacer-bound", rateHz, options => options with { Processors = [Environment.ProcessorCount - 1] }),
    ];

    public IEnumerable<PacedLoop> All => [Pacer, .. Peers, .. Variants];

    public void RunRound(TimeSpan ours, TimeSpan peers, TimeSpan variants, TimeProvider time, CancellationToken cancellationToken)
    {
        foreach (PacedLoop contestant in All)
        {
            cancellationToken.ThrowIfCancellationRequested();
            contestant.RunRound(contestant == Pacer ? ours : Peers.Contains(contestant) ? peers : variants, time);
        }
    }

    public void Dispose()
    {
        Pacer.Dispose();
        foreach (PacerLoop variant in Variants)
        {
            variant.Dispose();
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
