namespace Vitrine.Events;

/// <summary>An event as it stands in a log. Its memory is the reader's: valid until it reads on.</summary>
/// <param name="Offset">Its place: the next one has the next number.</param>
/// <param name="Time">When the log took it; never before the one before it.</param>
/// <param name="Topic">What it belongs to.</param>
/// <param name="Key">Empty: none.</param>
/// <param name="Value">The event.</param>
public readonly record struct EventRecord(long Offset, DateTimeOffset Time, string Topic, ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value);
