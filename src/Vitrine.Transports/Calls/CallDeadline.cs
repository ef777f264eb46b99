namespace Vitrine.Transports.Calls;

/// <summary>The moment by which a call must have ended, on a monotonic clock: setting the wall clock moves nothing. Transports send
/// what is left of it, so that the clocks of the two sides need not agree.</summary>
public readonly record struct CallDeadline
{
    private readonly TimeSpan _at; // since the clock's origin; zero: none

    private CallDeadline(TimeSpan at) => _at = at;

    /// <summary>No deadline.</summary>
    public static CallDeadline None => default;

    /// <summary>Whether there is no deadline.</summary>
    public bool IsNone => _at == TimeSpan.Zero;

    /// <summary>A deadline that far from now. What is not positive has passed already.</summary>
    /// <param name="timeout">From now; <see cref="Timeout.InfiniteTimeSpan"/>: none.</param>
    /// <param name="time">The clock; null: the system's. The same one must be asked for what is left.</param>
    public static CallDeadline After(TimeSpan timeout, TimeProvider? time = null)
    {
        if (timeout == Timeout.InfiniteTimeSpan)
        {
            return None;
        }

        TimeSpan now = Now(time);
        TimeSpan at = timeout > TimeSpan.MaxValue - now ? TimeSpan.MaxValue : now + timeout;
        return new(at > TimeSpan.Zero ? at : new TimeSpan(1));
    }

    /// <summary>What is left; zero when it has passed, <see cref="TimeSpan.MaxValue"/> when there is none.</summary>
    public TimeSpan Remaining(TimeProvider? time = null)
    {
        if (IsNone)
        {
            return TimeSpan.MaxValue;
        }

        TimeSpan left = _at - Now(time);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private static TimeSpan Now(TimeProvider? time) => (time ?? TimeProvider.System).GetElapsedTime(0);
}
