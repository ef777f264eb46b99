namespace Vitrine.Measurement;

/// <summary>Numbers for the threads that record, so that each finds the part of a histogram that it alone writes.</summary>
/// <remarks>A number belongs to one living thread. When its thread has ended another may take it, and goes on in the same parts;
/// so there are never more parts than <see cref="Numbers"/>, however many threads come and go. No locks.</remarks>
internal static class RecordingThread
{
    // Looking for a free number costs up to a microsecond; a thread that found none asks again after so many values.
    private const int ValuesBetweenLooks = 1024;

    private static readonly Thread?[] s_owners = new Thread?[64];

    /// <summary>The number of this thread. 0: it never asked; below 0: it found none, and so many values later it looks again.</summary>
    [ThreadStatic]
    private static int t_number;

    /// <summary>Numbers there are: 1 to this. Threads beyond record too, in a part that they share.</summary>
    public static int Numbers => s_owners.Length;

    /// <summary>The number of this thread; 0 or less when it has none.</summary>
    public static int Number => t_number;

    /// <summary>Takes a number for this thread unless it has one.</summary>
    /// <returns>The number, or 0 when all belong to other living threads.</returns>
    public static int Take()
    {
        if (t_number > 0)
        {
            return t_number;
        }

        if (t_number < 0 && ++t_number < 0)
        {
            return 0;
        }

        for (int i = 0; i < s_owners.Length; i++)
        {
            // Full fences on both sides: what the thread that ended wrote is seen before this one adds to it.
            Thread? owner = Volatile.Read(ref s_owners[i]);
            if (owner is not { IsAlive: true } && Interlocked.CompareExchange(ref s_owners[i], Thread.CurrentThread, owner) == owner)
            {
                return t_number = i + 1;
            }
        }

        t_number = -ValuesBetweenLooks;
        return 0;
    }
}
