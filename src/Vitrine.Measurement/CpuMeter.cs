namespace Vitrine.Measurement;

/// <summary>Share of a processor core that some processes used together since the last look.</summary>
/// <remarks>One thread. A process that ended counts nothing from then on.</remarks>
public sealed class CpuMeter
{
    private readonly TimeProvider _time;
    private readonly int[] _processIds;
    private long _cpuNs;
    private long _timestamp;

    /// <summary>Starts to count.</summary>
    /// <param name="time">Clock.</param>
    /// <param name="processIds">Processes to add up.</param>
    public CpuMeter(TimeProvider time, params int[] processIds)
    {
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(processIds);
        _time = time;
        _processIds = [.. processIds];
        Restart();
    }

    /// <summary>Processor nanoseconds since construction or <see cref="Restart"/>.</summary>
    public long ElapsedCpuNs => TotalNs() - _cpuNs;

    /// <summary>Cores used on average since construction or <see cref="Restart"/>; 1.0 is one core.</summary>
    public double Cores
    {
        get
        {
            double wallNs = _time.GetElapsedTime(_timestamp).TotalNanoseconds;
            return wallNs > 0 ? ElapsedCpuNs / wallNs : 0;
        }
    }

    /// <summary>Counts from now.</summary>
    public void Restart()
    {
        _cpuNs = TotalNs();
        _timestamp = _time.GetTimestamp();
    }

    private long TotalNs()
    {
        long total = 0;
        foreach (int processId in _processIds)
        {
            total += ProcessProbe.TryGetCpuNs(processId, out long cpuNs) ? cpuNs : 0;
        }

        return total;
    }
}
