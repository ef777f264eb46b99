using System.Globalization;
using System.Runtime.InteropServices;

namespace Vitrine.Frames;

/// <summary>How the kernel schedules the <b>calling</b> thread. Linux.</summary>
public static partial class ThreadScheduling
{
    /// <summary>Numbers of processors lie below this: what <c>cpu_set_t</c> of the C library holds.</summary>
    public const int ProcessorsMax = 1024;

    private const int PrSetTimerSlack = 29;
    private const int SchedOther = 0;
    private const int SchedFifo = 1;
    private const int SchedResetOnFork = 0x4000_0000;
    private const int NotPermitted = 1; // EPERM

    /// <summary>Lets timers of the calling thread be late by a nanosecond instead of 50 us, so that the kernel does not
    /// gather its wake-ups with others'. Real-time threads have none anyway.</summary>
    public static void MinimizeTimerSlack() => _ = prctl(PrSetTimerSlack, 1, 0, 0, 0); // fails only on kernels before 2.6.28

    /// <summary>Asks for first-in-first-out scheduling. What the thread starts does not inherit it.</summary>
    /// <param name="priority">1..99; 1 goes before every ordinary thread, and behind everything real-time that others run.</param>
    /// <returns>Refused to whoever has neither <c>CAP_SYS_NICE</c> nor a limit of real-time priority (<c>ulimit -r</c>) of at least 1.</returns>
    public static KernelGrant TryMakeRealTime(int priority = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(priority, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(priority, 99);
        var parameters = new SchedulingParameters { Priority = priority };
        return sched_setscheduler(0, SchedFifo | SchedResetOnFork, in parameters) == 0 ? KernelGrant.Granted
            : Marshal.GetLastSystemError() == NotPermitted ? KernelGrant.Refused
            : KernelGrant.Unavailable;
    }

    /// <summary>Takes back what <see cref="TryMakeRealTime"/> got.</summary>
    public static void MakeOrdinary()
    {
        var parameters = new SchedulingParameters { Priority = 0 };
        _ = sched_setscheduler(0, SchedOther, in parameters); // less is always granted
    }

    /// <summary>Binds the calling thread, and the threads that it starts from then on, to some processors.</summary>
    /// <param name="processors">Numbers from 0, below <see cref="ProcessorsMax"/>.</param>
    /// <returns>False when none of them is there, or the process may use none of them.</returns>
    public static bool TryBind(params ReadOnlySpan<int> processors)
    {
        Span<ulong> mask = stackalloc ulong[ProcessorsMax / 64];
        FillMask(processors, mask);
        return sched_setaffinity(0, (nuint)(mask.Length * sizeof(ulong)), mask) == 0;
    }

    /// <summary>Binds every thread of this process, those of the runtime too, and what they start from then on.</summary>
    /// <returns>False when none of the processors is there, or the process may use none of them: then nothing has changed.</returns>
    public static bool TryBindProcess(params ReadOnlySpan<int> processors)
    {
        Span<ulong> mask = stackalloc ulong[ProcessorsMax / 64];
        FillMask(processors, mask);
        if (sched_setaffinity(0, (nuint)(mask.Length * sizeof(ulong)), mask) != 0)
        {
            return false;
        }

        // A second look binds what a thread started that was not bound yet.
        for (int look = 0; look < 2; look++)
        {
            foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
            {
                int thread = int.Parse(Path.GetFileName(task.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture);
                _ = sched_setaffinity(thread, (nuint)(mask.Length * sizeof(ulong)), mask); // fails for one that has ended meanwhile
            }
        }

        return true;
    }

    private static void FillMask(ReadOnlySpan<int> processors, Span<ulong> mask)
    {
        mask.Clear();
        foreach (int processor in processors)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(processor, nameof(processors));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(processor, ProcessorsMax, nameof(processors));
            mask[processor / 64] |= 1UL << (processor % 64);
        }
    }

    [LibraryImport("libc")]
    private static partial int prctl(int option, nuint argument2, nuint argument3, nuint argument4, nuint argument5);

    // A thread's number, 0 for the calling one; never a whole process (sched(7)).
    [LibraryImport("libc")]
    private static partial int sched_setscheduler(int thread, int policy, in SchedulingParameters parameters);

    [LibraryImport("libc")]
    private static partial int sched_setaffinity(int thread, nuint maskBytes, ReadOnlySpan<ulong> mask);

    private struct SchedulingParameters
    {
        public int Priority;
    }
}
