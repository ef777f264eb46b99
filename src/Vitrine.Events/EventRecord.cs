namespace Vitrine.Events;

/// <summary>An event as it stands in a log. Its memory is the reader's: valid until it reads on.</summary>
/// <param name="Position">Where it stands.</param>
/// <param name="Time">When the log took it; in one order never before the one before it.</param>
/// <param name="Topic">What it belongs to.</param>
/// <param name="Key">Empty: none.</param>
/// <param name="Value">The event.</param>
/// <param name="IsDone">A member of a group reads it again, although its outputs are committed (<see cref="EventPlace"/>).</param>
public readonly record struct EventRecord(
    EventPosition Position, DateTimeOffset Time, string Topic, ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value, bool IsDone = false)
{
    /// <summary>Of its position.</summary>
    public long Offset => Position.Offset;
}
