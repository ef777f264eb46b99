namespace Vitrine.Transports.Calls;

/// <summary>Counts the calls that one connection broke off lately (rapid reset, CVE-2023-44487).</summary>
/// <remarks>Thread-safe.</remarks>
/// <param name="max">Most of them within the window.</param>
/// <param name="window">The window.</param>
/// <param name="time">The clock.</param>
internal sealed class CallResets(int max, TimeSpan window, TimeProvider time)
{
    private readonly Lock _lock = new();
    private long _windowStart;
    private int _count;

    /// <summary>Notes one more.</summary>
    /// <returns>True once a window: the limit is exceeded.</returns>
    public bool Add()
    {
        long now = time.GetTimestamp();
        lock (_lock)
        {
            if (_count == 0 || time.GetElapsedTime(_windowStart, now) > window)
            {
                (_windowStart, _count) = (now, 0);
            }

            return ++_count == max + 1;
        }
    }
}
