using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Vitrine.Events;

/// <summary>Where an event stands in a log. Names it for as long as it is kept.</summary>
/// <param name="Stream">What counts the offsets: a topic of Kafka; empty for the embedded log, which counts the events of all topics
/// together.</param>
/// <param name="Partition">Of the topic; 0 in the embedded log.</param>
/// <param name="Offset">From 0, in the order of the log.</param>
public readonly record struct EventPosition(string Stream, int Partition, long Offset) : ISpanParsable<EventPosition>
{
    private const char Separator = '/';

    /// <summary>In the embedded log.</summary>
    public static EventPosition Embedded(long offset) => new("", 0, offset);

    /// <summary><c>1234</c> in the embedded log, <c>topic/partition/offset</c> in Kafka.</summary>
    public override string ToString() => Stream.Length == 0
        ? Offset.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{Stream}{Separator}{Partition}{Separator}{Offset}");

    /// <inheritdoc/>
    public static EventPosition Parse(string s, IFormatProvider? provider = null) => Parse(s.AsSpan(), provider);

    /// <inheritdoc/>
    public static EventPosition Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out EventPosition result) ? result : throw new FormatException($"«{s}» is no position: 1234, or topic/partition/offset.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out EventPosition result) => TryParse(s.AsSpan(), provider, out result);

    /// <inheritdoc/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out EventPosition result)
    {
        result = default;
        int last = s.LastIndexOf(Separator);
        if (!long.TryParse(s[(last + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out long offset))
        {
            return false;
        }

        if (last < 0)
        {
            result = Embedded(offset);
            return true;
        }

        int middle = s[..last].LastIndexOf(Separator);
        if (middle is < 1 or > EventBatch.NameBytesMax || !int.TryParse(s[(middle + 1)..last], NumberStyles.None, CultureInfo.InvariantCulture, out int partition))
        {
            return false;
        }

        result = new(s[..middle].ToString(), partition, offset);
        return true;
    }
}
