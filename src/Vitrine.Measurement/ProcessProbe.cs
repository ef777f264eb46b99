using System.Globalization;
using System.Runtime.InteropServices;

namespace Vitrine.Measurement;

/// <summary>What a process has used so far and holds now.</summary>
/// <param name="CpuNs">Processor time of all its threads, ended ones included, in nanoseconds.</param>
/// <param name="ResidentBytes">Memory resident now.</param>
/// <param name="PeakResidentBytes">Most memory ever resident.</param>
/// <param name="Threads">Threads now.</param>
/// <param name="Descriptors">Open file descriptors now; -1 when this user may not look.</param>
public readonly record struct ProcessSample(long CpuNs, long ResidentBytes, long PeakResidentBytes, int Threads, int Descriptors);

/// <summary>Reads the resources of any process of this machine from the kernel. Linux only; any thread.</summary>
public static partial class ProcessProbe
{
    /// <summary>Processor time in nanoseconds of all threads of a process, ended ones included.</summary>
    /// <remarks><c>/proc/PID/stat</c> counts in ticks of 10 ms and <c>/proc/PID/schedstat</c> shows the first thread only; the
    /// process's own CPU clock (<c>clock_getcpuclockid(3)</c>) has neither fault.</remarks>
    /// <returns>False when there is no such process.</returns>
    public static bool TryGetCpuNs(int processId, out long cpuNs)
    {
        const int CpuClockScheduler = 2; // MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of linux/posix-timers.h
        bool found = clock_gettime((~processId << 3) | CpuClockScheduler, out Timespec time) == 0;
        cpuNs = found ? (time.Seconds * 1_000_000_000) + time.Nanoseconds : 0;
        return found;
    }

    /// <summary>Everything at once.</summary>
    /// <returns>False when there is no such process (any more).</returns>
    public static bool TryRead(int processId, out ProcessSample sample)
    {
        sample = default;
        if (!TryGetCpuNs(processId, out long cpuNs))
        {
            return false;
        }

        string directory = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}");
        long resident = 0, peak = 0;
        int threads = 0;
        try
        {
            foreach (string line in File.ReadLines(directory + "/status"))
            {
                if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
                {
                    resident = Number(line) * 1024;
                }
                else if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
                {
                    peak = Number(line) * 1024;
                }
                else if (line.StartsWith("Threads:", StringComparison.Ordinal))
                {
                    threads = (int)Number(line);
                }
            }
        }
        catch (IOException)
        {
            return false; // it ended between the two looks
        }

        sample = new ProcessSample(cpuNs, resident, peak, threads, CountDescriptors(directory + "/fd"));
        return true;
    }

    private static int CountDescriptors(string directory)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(directory).Count();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return -1;
        }
    }

    private static long Number(string line)
    {
        ReadOnlySpan<char> text = line.AsSpan(line.IndexOf(':', StringComparison.Ordinal) + 1).Trim();
        int end = text.IndexOf(' ');
        return long.Parse(end < 0 ? text : text[..end], NumberStyles.None, CultureInfo.InvariantCulture);
    }

    [LibraryImport("libc")]
    private static partial int clock_gettime(int clock, out Timespec time);

    private struct Timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
