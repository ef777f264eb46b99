using System.Globalization;

namespace Vitrine.Measurement;

/// <summary>Writes the interval log of HdrHistogram, format 1.3: lines of text, each with a compressed histogram, that people open
/// with the HistogramLogAnalyzer, HdrHistogram's plotter and the readers of many languages.</summary>
/// <remarks>Source: the comment and legend lines of HistogramLogWriter in the public HdrHistogram project. One thread.</remarks>
public sealed class HdrHistogramLog
{
    // The greatest value of a line is in units of a million: milliseconds, as the values are nanoseconds.
    private const double MaxValueUnit = 1e6;

    private readonly TextWriter _writer;
    private readonly DateTimeOffset _startedAt;

    /// <summary>Begins a log.</summary>
    /// <param name="writer">Borrowed; nothing is flushed.</param>
    /// <param name="startedAt">When what it logs began; intervals are given relative to it.</param>
    public HdrHistogramLog(TextWriter writer, DateTimeOffset startedAt)
    {
        ArgumentNullException.ThrowIfNull(writer);
        _writer = writer;
        _startedAt = startedAt;
        string seconds = Seconds(startedAt - DateTimeOffset.UnixEpoch);
        Write($"#[Histogram log format version 1.3]\n");
        Write($"#[StartTime: {seconds} (seconds since epoch), {startedAt.ToUniversalTime():yyyy-MM-ddTHH:mm:ssZ}]\n");
        Write($"#[BaseTime: {seconds} (seconds since epoch)]\n");
        Write($"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"HdrHistogram_Compressed_Histogram\"\n");
    }

    /// <summary>Writes one line.</summary>
    /// <param name="startedAt">When the interval began.</param>
    /// <param name="length">How long it lasted.</param>
    /// <param name="histogram">What was recorded in it, in nanoseconds.</param>
    /// <param name="tag">Names the series where a log has several; empty for none. No comma, white space or control character.</param>
    public void Append(DateTimeOffset startedAt, TimeSpan length, LatencyHistogram histogram, string tag = "")
    {
        ArgumentNullException.ThrowIfNull(histogram);
        ArgumentNullException.ThrowIfNull(tag);
        if (tag.Any(character => character == ',' || char.IsWhiteSpace(character) || char.IsControl(character)))
        {
            throw new ArgumentException($"«{tag}» is no tag: the format's fields end with commas and white space.", nameof(tag));
        }

        if (tag.Length > 0)
        {
            Write($"Tag={tag},");
        }

        Write($"{Seconds(startedAt - _startedAt)},{Seconds(length)},{histogram.MaxNs / MaxValueUnit:F3},{Convert.ToBase64String(HdrHistogramEncoding.Encode(histogram))}\n");
    }

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("F3", CultureInfo.InvariantCulture);

    private void Write(FormattableString line) => _writer.Write(line.ToString(CultureInfo.InvariantCulture));
}
