namespace Vitrine.Frames;

/// <summary>A frame is due.</summary>
/// <param name="DeadlineNs">When it is due, monotonic nanoseconds.</param>
/// <param name="LatenessNs">How much later than that the thread had the processor; below half a period.</param>
/// <param name="Dropped">Deadlines left out since the frame before.</param>
public readonly record struct FrameTick(long DeadlineNs, long LatenessNs, long Dropped);

/// <summary>How frames are paced.</summary>
public sealed record FramePacerOptions
{
    /// <summary>Nanoseconds between frames: 1 ms to 1 s.</summary>
    public required long PeriodNs { get; init; }

    /// <summary>Most that the thread spins before a frame, nanoseconds. A tenth of the period is a bound too.</summary>
    public long SpinNsMax { get; init; } = DeadlineTimer.SpinNsDefault;

    /// <summary>Real-time priority to ask for, 1..99; 0 asks for none.</summary>
    public int RealTimePriority { get; init; } = 1;

    /// <summary>Most microseconds that a processor may need to come back from its sleep while the pacer is there; null leaves it to
    /// the machine, which is right for most. 0 lets no processor halt, and is what a virtual machine needs to be in time: a halted
    /// one is back when its hypervisor has room. What it costs: <see cref="CpuLatencyRequest"/>.</summary>
    public int? CpuLatencyUsMax { get; init; }

    /// <summary>Processors to run on; empty: any.</summary>
    public IReadOnlyList<int> Processors { get; init; } = [];

    /// <summary>Name of the thread, at most 15 characters.</summary>
    public string ThreadName { get; init; } = "pacer";
}

/// <summary>Calls back when a frame is due, on a thread of its own, at absolute deadlines: being late once makes no later frame
/// late. A deadline that has passed by more than half a period (the callback took too long, the process was stopped) is dropped
/// and counted, never made up for.</summary>
/// <remarks>Properties and <see cref="SetRate"/> are thread-safe. The callback runs on the pacer's thread, which may be a
/// real-time one: whatever it waits for should not need a lower thread to run on the same processor; the kernel's guard leaves
/// 5 % of each second to the others. An exception out of the callback ends the process, as out of any thread.</remarks>
public sealed class FramePacer : IDisposable
{
    // Waits are cut into pieces, so that an end or another rate is seen soon. 50 ms: 20 wake-ups a second at the lowest rate.
    private const long SliceNs = 50_000_000;

    // What is left after a piece is more than any spin, or the last wait would be late.
    private const long RestNs = 2_000_000;
    private const long PeriodNsMin = 1_000_000;
    private const long PeriodNsMax = 1_000_000_000;

    private readonly FramePacerOptions _options;
    private readonly DeadlineTimer _timer;
    private readonly Action<FrameTick> _onDue;
    private readonly Thread _thread;
    private readonly Lock _lock = new();
    private volatile bool _isStopped;
    private volatile bool _isChanged;
    private (long PeriodNs, long? AnchorNs) _change;
    private long _delivered;
    private long _dropped;
    private long _late;
    private int _realTime;
    private int _cpuLatency;

    /// <summary>Starts the thread; the first frame is due a period from now.</summary>
    /// <param name="options">How.</param>
    /// <param name="onDue">Called for every frame that is due.</param>
    public FramePacer(FramePacerOptions options, Action<FrameTick> onDue)
        : this(options, onDue, new DeadlineTimer(SpinOf(options)))
    {
    }

    internal FramePacer(FramePacerOptions options, Action<FrameTick> onDue, DeadlineTimer timer)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(onDue);
        CheckPeriod(options.PeriodNs);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.RealTimePriority, 99u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.CpuLatencyUsMax ?? 0, nameof(options));
        _options = options;
        _onDue = onDue;
        _timer = timer;
        _thread = new Thread(Run) { IsBackground = true, Name = options.ThreadName };
        _thread.Start();
    }

    /// <summary>Frames called back for.</summary>
    public long DeliveredCount => Interlocked.Read(ref _delivered);

    /// <summary>Deadlines left out because they had passed by more than half a period.</summary>
    public long DroppedCount => Interlocked.Read(ref _dropped);

    /// <summary>Frames called back for, of which the kernel woke the thread only after the deadline.</summary>
    public long LateCount => Interlocked.Read(ref _late);

    /// <summary>Whether the thread got real-time priority; known once the first frame is due.</summary>
    public KernelGrant RealTime => (KernelGrant)Volatile.Read(ref _realTime);

    /// <summary>Whether processors stay as awake as was asked for; known once the first frame is due.</summary>
    public KernelGrant CpuLatency => (KernelGrant)Volatile.Read(ref _cpuLatency);

    /// <summary>Another rate or phase, from the last frame on; seen within 52 ms.</summary>
    /// <param name="periodNs">1 ms to 1 s.</param>
    /// <param name="anchorNs">A time, past or future, that is to be a deadline, such as a frame's due time by <see cref="ClockAligner"/>;
    /// null keeps the phase. Two frames are never closer than half a period.</param>
    public void SetRate(long periodNs, long? anchorNs = null)
    {
        CheckPeriod(periodNs);
        lock (_lock)
        {
            _change = (periodNs, anchorNs);
            _isChanged = true;
        }
    }

    /// <summary>Ends the thread: within 52 ms and the callback that runs. From the callback it only says so.</summary>
    public void Dispose()
    {
        _isStopped = true;
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    private static long SpinOf(FramePacerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Math.Min(options.SpinNsMax, options.PeriodNs / 10);
    }

    private static void CheckPeriod(long periodNs)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(periodNs, PeriodNsMin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(periodNs, PeriodNsMax);
    }

    private void Run()
    {
        using CpuLatencyRequest? cpuLatency = PrepareThread();
        var grid = new PaceGrid(_timer.NowNs + _options.PeriodNs, _options.PeriodNs);
        long dropped = 0;
        while (!_isStopped)
        {
            if (_isChanged)
            {
                TakeChange(ref grid);
            }

            long nowNs = _timer.NowNs;
            dropped += Drop(ref grid, nowNs);
            if (grid.NextNs - nowNs > SliceNs + RestNs)
            {
                _timer.Sleep(nowNs + SliceNs);
                continue;
            }

            DeadlineWake wake = _timer.WaitUntil(grid.NextNs);
            if (_isStopped)
            {
                return;
            }

            long late = Drop(ref grid, wake.WokeNs);
            if (late > 0)
            {
                dropped += late;
                continue; // the next one is in the future, or not half a period late
            }

            Interlocked.Increment(ref _delivered);
            if (wake.Missed)
            {
                Interlocked.Increment(ref _late);
            }

            _onDue(new FrameTick(grid.NextNs, wake.LatenessNs, dropped));
            dropped = 0;
            grid.Advance();
        }
    }

    private CpuLatencyRequest? PrepareThread()
    {
        ThreadScheduling.MinimizeTimerSlack();
        if (_options.Processors.Count > 0)
        {
            _ = ThreadScheduling.TryBind([.. _options.Processors]); // where none of them is there, any is right
        }

        if (_options.RealTimePriority > 0)
        {
            Volatile.Write(ref _realTime, (int)ThreadScheduling.TryMakeRealTime(_options.RealTimePriority));
        }

        if (_options.CpuLatencyUsMax is not int latencyUsMax)
        {
            return null;
        }

        CpuLatencyRequest? request = CpuLatencyRequest.TryHold(latencyUsMax, out KernelGrant grant);
        Volatile.Write(ref _cpuLatency, (int)grant);
        return request;
    }

    private long Drop(ref PaceGrid grid, long nowNs)
    {
        long dropped = grid.SkipPast(nowNs, grid.PeriodNs / 2);
        if (dropped > 0)
        {
            Interlocked.Add(ref _dropped, dropped);
        }

        return dropped;
    }

    private void TakeChange(ref PaceGrid grid)
    {
        lock (_lock)
        {
            _isChanged = false;
            grid.Change(_change.PeriodNs, _change.AnchorNs, _timer.NowNs);
        }
    }
}
