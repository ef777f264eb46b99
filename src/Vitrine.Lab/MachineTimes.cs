using System.Globalization;

namespace Vitrine.Lab;

/// <summary>What all processors of this machine have done since it was started.</summary>
/// <param name="BusyNs">They worked.</param>
/// <param name="StolenNs">A hypervisor gave them to others, though there was work; 0 where it does not say.</param>
internal readonly record struct MachineTimes(long BusyNs, long StolenNs)
{
    /// <summary>As of now, in steps of 10 ms (proc(5), <c>/proc/stat</c>: user, nice, system, idle, iowait, irq, softirq, steal, in hundredths of a second).</summary>
    public static MachineTimes Now()
    {
        string[] fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return new(((int[])[1, 2, 3, 6, 7]).Sum(Ns), Ns(8));

        long Ns(int field) => long.Parse(fields[field], CultureInfo.InvariantCulture) * 10_000_000;
    }
}
