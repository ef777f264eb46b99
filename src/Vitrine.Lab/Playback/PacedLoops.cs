using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.Playback;

/// <summary>A loop that wants to do something at a rate. One thread at a time.</summary>
internal abstract class PacedLoop(string name, int rateHz)
{
    private long _cpuNs;
    private long _othersNs;
    private long _stolenNs;
    private long _wallNs;

    public string Name => name;

    /// <summary>Wake-up minus what was asked for, nanoseconds, without its sign.</summary>
    public RoundSeries Series { get; } = new();

    /// <summary>Wake-up against the deadline of the rate that was wanted.</summary>
    public LatencyHistogram OffGrid { get; } = new();

    public long OverOneMillisecond { get; private set; }

    /// <summary>Deadlines that had passed by more than half a period.</summary>
    public long Dropped { get; protected set; }

    public double CpuCores => _wallNs == 0 ? 0 : (double)_cpuNs / _wallNs;

    /// <summary>What everything else on the machine used meanwhile.</summary>
    public double OthersCpuCores => _wallNs == 0 ? 0 : Math.Max(0, (double)(_othersNs - _cpuNs) / _wallNs);

    /// <summary>What a hypervisor gave to others meanwhile, though this machine had work; 0 where it does not say.</summary>
    public double StolenCpuCores => _wallNs == 0 ? 0 : (double)_stolenNs / _wallNs;

    protected long PeriodNs { get; } = 1_000_000_000 / rateHz;

    /// <summary>Once without counting: code is compiled, pages are there.</summary>
    public void Warm(TimeProvider time)
    {
        long dropped = Dropped;
        Run(time.GetMonotonicNanoseconds() + 100_000_000, time, isCounted: false);
        Dropped = dropped;
    }

    public void RunRound(TimeSpan duration, TimeProvider time)
    {
        ProcessProbe.TryGetCpuNs(Environment.ProcessId, out long cpuBefore);
        MachineTimes before = MachineTimes.Now();
        long started = time.GetMonotonicNanoseconds();
        Run(started + (long)duration.TotalNanoseconds, time, isCounted: true);
        _wallNs += time.GetMonotonicNanoseconds() - started;
        MachineTimes after = MachineTimes.Now();
        _othersNs += after.BusyNs - before.BusyNs;
        _stolenNs += after.StolenNs - before.StolenNs;
        ProcessProbe.TryGetCpuNs(Environment.ProcessId, out long cpuAfter);
        _cpuNs += cpuAfter - cpuBefore;
        Series.EndRound();
    }

    protected abstract void Run(long endNs, TimeProvider time, bool isCounted);

    protected void Record(long errorNs, long offGridNs)
    {
        errorNs = Math.Abs(errorNs);
        Series.Record(errorNs);
        OffGrid.Record(Math.Abs(offGridNs));
        OverOneMillisecond += errorNs > 1_000_000 ? 1 : 0;
    }
}

/// <summary>Ours, whole or without one of its means.</summary>
internal sealed class PacerLoop(string name, int rateHz, Func<FramePacerOptions, FramePacerOptions> with) : PacedLoop(name, rateHz), IDisposable
{
    private readonly ManualResetEventSlim _isEnded = new();

    public KernelGrant RealTime { get; private set; }

    public void Dispose() => _isEnded.Dispose();

    protected override void Run(long endNs, TimeProvider time, bool isCounted)
    {
        _isEnded.Reset();
        using FramePacer pacer = new(with(new() { PeriodNs = PeriodNs }), tick =>
        {
            long nowNs = time.GetMonotonicNanoseconds();
            if (isCounted)
            {
                Record(nowNs - tick.DeadlineNs, nowNs - tick.DeadlineNs);
            }

            if (nowNs >= endNs)
            {
                _isEnded.Set();
            }
        });
        _isEnded.Wait();
        pacer.Dispose(); // before its figures are read
        Dropped += pacer.DroppedCount;
        RealTime = pacer.RealTime;
    }
}

/// <summary><c>PeriodicTimer</c>, which counts in whole milliseconds: 16 for 60 Hz, 8 for 120. Its wake-ups are held against the one
/// before and that period: where a late one moves the following, as here, only the first counts as late.</summary>
internal sealed class PeriodicTimerLoop(int rateHz) : PacedLoop("PeriodicTimer", rateHz)
{
    protected override void Run(long endNs, TimeProvider time, bool isCounted) => RunAsync(endNs, time, isCounted).GetAwaiter().GetResult();

    private async Task RunAsync(long endNs, TimeProvider time, bool isCounted)
    {
        long askedPeriodNs = PeriodNs / 1_000_000 * 1_000_000;
        using var timer = new PeriodicTimer(TimeSpan.FromTicks(PeriodNs / 100));
        long dueNs = time.GetMonotonicNanoseconds(), nowNs = dueNs;
        while (nowNs < endNs)
        {
            long beforeNs = nowNs;
            await timer.WaitForNextTickAsync();
            nowNs = time.GetMonotonicNanoseconds();

            // The frame that this tick would show is the one whose deadline is nearest.
            long frames = (long)Math.Round((nowNs - dueNs) / (double)PeriodNs);
            dueNs += frames * PeriodNs;
            Dropped += Math.Max(0, frames - 1);
            if (isCounted)
            {
                Record(nowNs - beforeNs - askedPeriodNs, nowNs - dueNs);
            }
        }
    }
}

/// <summary><c>Thread.Sleep</c> for what is left until the deadline, in whole milliseconds; on request with no processor halting.</summary>
internal sealed class SleepLoop(string name, int rateHz, bool keepsAwake = false) : PacedLoop(name, rateHz)
{
    protected override void Run(long endNs, TimeProvider time, bool isCounted)
    {
        using CpuLatencyRequest? awake = keepsAwake ? CpuLatencyRequest.TryHold(0, out _) : null;
        long dueNs = time.GetMonotonicNanoseconds(), nowNs = dueNs;
        while (nowNs < endNs)
        {
            dueNs += PeriodNs;
            long beforeNs = time.GetMonotonicNanoseconds();
            int milliseconds = (int)Math.Max(0, (dueNs - beforeNs) / 1_000_000);
            Thread.Sleep(milliseconds);
            nowNs = time.GetMonotonicNanoseconds();
            for (; nowNs - dueNs > PeriodNs / 2; dueNs += PeriodNs)
            {
                Dropped++;
            }

            if (isCounted)
            {
                Record(nowNs - beforeNs - (milliseconds * 1_000_000L), nowNs - dueNs);
            }
        }
    }
}
