namespace Vitrine.Server.Metrics;

/// <summary>Counts the managed memory that the steps of the frame path allocate: reading, coding, writing packets, handling what
/// viewers answer. It should not move once everything has found its size.</summary>
/// <remarks>A step begins and ends on one thread. Steps lie in one another where a viewer is served on the session's thread: each counts
/// what is its own. What the web server allocates is set apart, and what it allocates between our steps is not seen.</remarks>
internal static class FramePathMemory
{
    /// <summary>Bytes of this thread that are counted already, or set apart.</summary>
    [ThreadStatic]
    private static long s_settledBytes;

    /// <summary>A step begins.</summary>
    /// <returns>For the call that ends it.</returns>
    public static long Begin() => GC.GetAllocatedBytesForCurrentThread() - s_settledBytes;

    /// <summary>A step of ours ends.</summary>
    public static void End(long begun) => ShareMeter.FramePathAllocated.Add(Settle(begun));

    /// <summary>A step of the web server ends.</summary>
    public static void EndApart(long begun) => Settle(begun);

    private static long Settle(long begun)
    {
        long bytes = Begin() - begun;
        s_settledBytes += bytes;
        return bytes;
    }
}
