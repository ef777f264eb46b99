namespace Vitrine.Tests;

/// <summary>What work takes of the managed heap, as far as the work itself takes it.</summary>
/// <remarks>The run time allocates on the same account when it compiles a hot method anew, and a collection that another test causes may
/// count what was left of the thread's allocation context. Neither happens every time; what the work itself takes does.</remarks>
internal static class Allocation
{
    private const int TriesMax = 5;

    /// <returns>Bytes taken on this thread: the least of up to five times, for the first time without any is enough.</returns>
    public static long BytesOf(Action work) => LeastOf(() =>
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        work();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    });

    /// <param name="measure">Does the work, and says how many bytes it took.</param>
    /// <returns>The least of up to five times.</returns>
    public static long LeastOf(Func<long> measure)
    {
        long least = long.MaxValue;
        for (int i = 0; i < TriesMax && least != 0; i++)
        {
            least = Math.Min(least, measure());
        }

        return least;
    }
}
