using System.Runtime.InteropServices;

namespace Vitrine.Frames;

/// <summary>How a wait ended.</summary>
/// <param name="WokeNs">When the caller had the processor again and the deadline had passed, monotonic nanoseconds.</param>
/// <param name="LatenessNs"><paramref name="WokeNs"/> minus the deadline; never negative.</param>
/// <param name="Missed">Whether the kernel itself woke the thread only after the deadline: nothing was spun then.</param>
public readonly record struct DeadlineWake(long WokeNs, long LatenessNs, bool Missed);

/// <summary>Waits for absolute times of the monotonic clock: sleeps (<c>clock_nanosleep</c>, absolute) to a little before, then
/// spins. The margin follows how late the kernel wakes this thread, so that 199 of 200 wake-ups come in time, and is bounded:
/// a wait never spins longer than <see cref="SpinNsMax"/>.</summary>
/// <remarks>One thread. Allocates nothing after construction. Linux. Setting the wall clock or stopping the process moves no
/// deadline: the monotonic clock is not set, and a time that has passed returns at once.</remarks>
public sealed partial class DeadlineTimer
{
    /// <summary>Bound of the spin unless another is given: at 120 waits a second at most 0.06 of a core. Virtual machines wake a
    /// halted processor 60 to 160 us late.</summary>
    public const long SpinNsDefault = 500_000;

    private const int ClockMonotonic = 1;
    private const int TimerAbsoluteTime = 1;
    private const int Interrupted = 4; // EINTR

    // A late wake-up moves the margin up by a step, one in time down by a 199th of it: at rest 1 of 200 is late, and a burst of
    // late ones is answered within a few waits.
    private const long StepNs = 40_000;
    private const long StepDownNs = StepNs / 199;
    private const long MarginNsMin = 20_000;

    // From the bound down to the first late wake-up: what the kernel does is found out without being late again and again.
    private const long SettlingStepDownNs = 4_000;

    // What lies between a wake-up «in time» and the deadline at least: two looks at the clock.
    private const long ReserveNs = 2_000;

    private readonly TimeProvider _time;
    private readonly Action<long> _sleepUntil;
    private long _marginNs;
    private bool _isSettled;

    /// <summary>A timer on the machine's clock.</summary>
    /// <param name="spinNsMax">Most that a wait spins, nanoseconds; 0 spins never and is as late as the kernel.</param>
    public DeadlineTimer(long spinNsMax = SpinNsDefault)
        : this(TimeProvider.System, SleepUntil, spinNsMax)
    {
    }

    internal DeadlineTimer(TimeProvider time, Action<long> sleepUntil, long spinNsMax)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(spinNsMax);
        _time = time;
        _sleepUntil = sleepUntil;
        SpinNsMax = spinNsMax;
        _marginNs = spinNsMax;
    }

    /// <summary>Most that a wait spins.</summary>
    public long SpinNsMax { get; }

    /// <summary>How long before the deadline the kernel is asked to wake the thread at present.</summary>
    public long MarginNs => _marginNs;

    /// <summary>Now, on the clock that deadlines are given in.</summary>
    public long NowNs => _time.GetMonotonicNanoseconds();

    /// <summary>Returns at <paramref name="deadlineNs"/>, or at once when it has passed.</summary>
    public DeadlineWake WaitUntil(long deadlineNs)
    {
        long nowNs = NowNs, sleepNs = deadlineNs - _marginNs;
        if (nowNs < sleepNs)
        {
            _sleepUntil(sleepNs);
            nowNs = NowNs;
            Calibrate(nowNs - sleepNs);
        }

        if (nowNs >= deadlineNs)
        {
            return new(nowNs, nowNs - deadlineNs, Missed: true);
        }

        while (nowNs < deadlineNs)
        {
            nowNs = NowNs; // without a pause: a hypervisor takes a row of them for a lock that is waited for, and gives the processor away
        }

        return new(nowNs, nowNs - deadlineNs, Missed: false);
    }

    /// <summary>Sleeps until <paramref name="timeNs"/> and does not spin: for waiting in pieces.</summary>
    internal void Sleep(long timeNs) => _sleepUntil(timeNs);

    private void Calibrate(long wakeNs)
    {
        bool isLate = wakeNs + ReserveNs > _marginNs;
        _isSettled |= isLate;
        long marginNs = _marginNs + (isLate ? StepNs : _isSettled ? -StepDownNs : -SettlingStepDownNs);
        _marginNs = Math.Min(Math.Max(marginNs, MarginNsMin), SpinNsMax);
    }

    private static void SleepUntil(long timeNs)
    {
        var time = new Timespec { Seconds = timeNs / 1_000_000_000, Nanoseconds = timeNs % 1_000_000_000 };
        while (clock_nanosleep(ClockMonotonic, TimerAbsoluteTime, in time, 0) == Interrupted)
        {
        }
    }

    // Returns the error; does not set errno.
    [LibraryImport("libc")]
    private static partial int clock_nanosleep(int clock, int flags, in Timespec time, nint remaining);

    private struct Timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
