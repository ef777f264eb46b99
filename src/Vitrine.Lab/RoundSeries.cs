using Vitrine.Measurement;

namespace Vitrine.Lab;

/// <summary>Durations of one contestant over interleaved rounds. One thread.</summary>
internal sealed class RoundSeries
{
    private readonly LatencyHistogram _round = new();
    private readonly List<double> _mediansMs = [];

    /// <summary>All rounds together.</summary>
    public LatencyHistogram All { get; } = new();

    /// <summary>Median of each finished round.</summary>
    public IReadOnlyList<double> MediansMs => _mediansMs;

    public void Record(long durationNs) => _round.Record(durationNs);

    public void EndRound()
    {
        if (_round.Count > 0)
        {
            _mediansMs.Add(_round.P50Ns / 1e6);
            All.Add(_round);
            _round.Clear();
        }
    }

    /// <summary>A case with p50 of the rounds' medians, and the percentiles of all samples.</summary>
    public CaseRecord ToCase(string name, IReadOnlyDictionary<string, string>? parameters = null, IReadOnlyDictionary<string, double>? further = null) =>
        ToCase(name, All, parameters, further) with { RoundMediansMs = [.. _mediansMs] };

    /// <summary>A case from a histogram.</summary>
    public static CaseRecord ToCase(
        string name, LatencyHistogram histogram, IReadOnlyDictionary<string, string>? parameters = null, IReadOnlyDictionary<string, double>? further = null)
    {
        var metrics = new Dictionary<string, double>
        {
            ["samples"] = histogram.Count,
            ["p50Ms"] = histogram.P50Ns / 1e6,
            ["p95Ms"] = histogram.P95Ns / 1e6,
            ["p99Ms"] = histogram.P99Ns / 1e6,
            ["maxMs"] = histogram.MaxNs / 1e6,
            ["meanMs"] = Math.Round(histogram.MeanNs) / 1e6,
        };
        foreach ((string key, double value) in further ?? new Dictionary<string, double>())
        {
            metrics[key] = value;
        }

        return new CaseRecord
        {
            Name = name,
            Parameters = parameters ?? new Dictionary<string, string>(),
            Metrics = metrics,
            Distribution = Points(histogram),
            Histogram = histogram,
        };
    }

    public static double Median(IReadOnlyCollection<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN
            : sorted.Length % 2 == 1 ? sorted[sorted.Length / 2]
            : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }

    // Dense where a curve bends: every 2 % in the middle, closer and closer towards the tail as far as there are samples.
    private static List<PercentilePoint> Points(LatencyHistogram histogram)
    {
        if (histogram.Count == 0)
        {
            return [];
        }

        List<PercentilePoint> points = [];
        for (int percent = 0; percent < 90; percent += 2)
        {
            points.Add(new(percent, histogram.GetPercentileNs(percent) / 1e6));
        }

        foreach (double percent in (ReadOnlySpan<double>)[90, 92, 94, 95, 96, 97, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99])
        {
            if ((100 - percent) / 100 * histogram.Count >= 0.5)
            {
                points.Add(new(percent, histogram.GetPercentileNs(percent) / 1e6));
            }
        }

        points.Add(new(100, histogram.MaxNs / 1e6));
        return points;
    }
}
