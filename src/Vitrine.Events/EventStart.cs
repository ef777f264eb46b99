namespace Vitrine.Events;

/// <summary>Where to begin to read.</summary>
public abstract record EventStart
{
    private EventStart()
    {
    }

    /// <summary>With the oldest event that is kept.</summary>
    public static EventStart Oldest { get; } = new AtOldest();

    /// <summary>With what comes from now on.</summary>
    public static EventStart Now { get; } = new AtEnd();

    /// <summary>With the events of a time: none that the log took before it.</summary>
    public static EventStart Since(DateTimeOffset time) => new AtTime(time);

    /// <summary>With the last events of those that are read: so many of each order of events, at most.</summary>
    public static EventStart Last(int count) => new AtLast(count);

    /// <summary>At positions, at most one in each order of events; where none is given, with the oldest. An older one than is kept begins with the
    /// oldest.</summary>
    public static EventStart At(params IReadOnlyList<EventPosition> positions) => new AtPositions(positions);

    internal sealed record AtOldest : EventStart;

    internal sealed record AtEnd : EventStart;

    internal sealed record AtLast(int Count) : EventStart;

    internal sealed record AtTime(DateTimeOffset Time) : EventStart;

    internal sealed record AtPositions(IReadOnlyList<EventPosition> Positions) : EventStart;
}
