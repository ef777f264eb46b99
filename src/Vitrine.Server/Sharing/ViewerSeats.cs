namespace Vitrine.Server.Sharing;

/// <summary>How many viewers there may be, whatever transport they come by.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class ViewerSeats(int max)
{
    private int _taken;

    /// <summary>How many there are.</summary>
    public int Max => max;

    /// <summary>Whether all are taken.</summary>
    public bool AreTaken => Volatile.Read(ref _taken) >= max;

    /// <summary>Takes one; false when there is none left. Whoever has one gives it back with <see cref="Release"/>.</summary>
    public bool TryTake()
    {
        if (Interlocked.Increment(ref _taken) <= max)
        {
            return true;
        }

        Interlocked.Decrement(ref _taken);
        return false;
    }

    public void Release() => Interlocked.Decrement(ref _taken);
}
