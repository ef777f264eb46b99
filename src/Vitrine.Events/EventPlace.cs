namespace Vitrine.Events;

/// <summary>How far a group has come in one order of events.</summary>
/// <param name="From">Of the first event that is read after a new start: what the group knew was written down before it.</param>
/// <param name="Done">Of the first event whose outputs are not committed. What stands between is read again only for what it leaves
/// behind, such as the minute that it belongs to (<see cref="EventRecord.IsDone"/>).</param>
public readonly record struct EventPlace(long From, long Done)
{
    /// <summary>All before it is done, and none of it needed again.</summary>
    public static EventPlace At(long offset) => new(offset, offset);
}
