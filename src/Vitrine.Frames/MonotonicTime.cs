namespace Vitrine.Frames;

/// <summary>Monotonic nanoseconds.</summary>
public static class MonotonicTime
{
    /// <summary>Nanoseconds of the provider's monotonic clock; with <see cref="TimeProvider.System"/> on Linux this is
    /// <c>CLOCK_MONOTONIC</c>, the same in every process of the machine.</summary>
    public static long GetMonotonicNanoseconds(this TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        long frequency = time.TimestampFrequency, ticks = time.GetTimestamp();
        return frequency == 1_000_000_000
            ? ticks
            : (ticks / frequency * 1_000_000_000) + (ticks % frequency * 1_000_000_000 / frequency);
    }
}
