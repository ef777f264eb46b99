namespace Vitrine.Lab;

/// <summary>Waiting for what gives no signal of its own.</summary>
internal static class Conditions
{
    /// <summary>Looks every 5 ms.</summary>
    /// <returns>Whether it held within the time.</returns>
    public static async Task<bool> WaitAsync(Func<bool> condition, TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        long started = time.GetTimestamp();
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(5), time);
        while (!condition())
        {
            if (time.GetElapsedTime(started) > timeout)
            {
                return false;
            }

            await poll.WaitForNextTickAsync(cancellationToken);
        }

        return true;
    }
}
