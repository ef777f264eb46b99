using System.Globalization;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>A recording of what a link could carry, in the format of Mahimahi (mm-link(1)): a line is a time in whole milliseconds from
/// the start, never less than the one before, at which <see cref="OpportunityBytes"/> may leave; the same time again is more of them.
/// The last time is the length; then it starts anew. Immutable.</summary>
internal sealed class DeliveryTrace
{
    /// <summary>What may leave at each time of the trace, bytes of IP packets. A packet may use what one before it left of it, and
    /// needs as many times as its bytes; what is not used is lost.</summary>
    public const int OpportunityBytes = 1500;

    /// <summary>Most lines: two hours at 100 Mbit/s would be 60 million, an hour at 12 Mbit/s is 3.6 million.</summary>
    public const int LinesMax = 4_000_000;

    /// <summary>Latest time of a trace: a day.</summary>
    public const int MillisecondsMax = 24 * 60 * 60 * 1000;

    private readonly int[] _milliseconds;

    private DeliveryTrace(int[] milliseconds) => _milliseconds = milliseconds;

    /// <summary>How long it is before it starts anew.</summary>
    public TimeSpan Duration => TimeSpan.FromMilliseconds(_milliseconds[^1]);

    /// <summary>Mean of what it can carry.</summary>
    public double MeanBitsPerSecond => _milliseconds.Length * OpportunityBytes * 8L * 1000.0 / _milliseconds[^1];

    internal ReadOnlySpan<int> Milliseconds => _milliseconds;

    /// <summary>Reads a file.</summary>
    /// <exception cref="InvalidDataException">It is not a trace; the message names file and line.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static DeliveryTrace Load(string path)
    {
        using StreamReader reader = File.OpenText(path);
        return Parse(reader, path);
    }

    /// <summary>Reads text.</summary>
    /// <param name="reader">Read to its end, at most <see cref="LinesMax"/> lines.</param>
    /// <param name="name">For messages.</param>
    /// <exception cref="InvalidDataException">It is not a trace; the message names the line.</exception>
    public static DeliveryTrace Parse(TextReader reader, string name)
    {
        ArgumentNullException.ThrowIfNull(reader);
        const int digitsMax = 10;
        var times = new List<int>();
        Span<char> line = stackalloc char[digitsMax + 1];
        int length = 0, previous = 0;
        while (true)
        {
            int character = reader.Read();
            if (character is not ('\n' or -1))
            {
                if (length == line.Length)
                {
                    throw Wrong($"a time has at most {digitsMax} digits");
                }

                line[length++] = (char)character;
                continue;
            }

            if (character == -1 && length == 0)
            {
                break; // the end, after a last line that ended
            }

            ReadOnlySpan<char> text = length > 0 && line[length - 1] == '\r' ? line[..(length - 1)] : line[..length];
            length = 0;
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int milliseconds) || milliseconds > MillisecondsMax)
            {
                throw Wrong(text.IsEmpty ? "the line is empty" : $"«{text}» is no time in whole milliseconds, 0 to {MillisecondsMax}");
            }

            if (milliseconds < previous)
            {
                throw Wrong(string.Create(CultureInfo.InvariantCulture, $"{milliseconds} is before the {previous} of the line before"));
            }

            if (times.Count == LinesMax)
            {
                throw Wrong($"a trace has at most {LinesMax} lines");
            }

            times.Add(milliseconds);
            previous = milliseconds;
            if (character == -1)
            {
                break;
            }
        }

        if (times.Count == 0)
        {
            throw new InvalidDataException($"{name}: the trace has no lines.");
        }

        return previous > 0 ? new([.. times]) : throw Wrong("the last time is 0, so that the trace would last no time", times.Count);

        InvalidDataException Wrong(string what, int line = 0) =>
            new(string.Create(CultureInfo.InvariantCulture, $"{name}, line {(line > 0 ? line : times.Count + 1)}: {what}."));
    }
}
