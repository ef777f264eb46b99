using Vitrine.Measurement;

namespace Vitrine.Lab.Report;

/// <summary>One case in two runs.</summary>
/// <param name="Name">The case.</param>
/// <param name="BeforeMs">Median then, in milliseconds.</param>
/// <param name="NowMs">Median now.</param>
/// <param name="LowMs">The difference lies above this with 95 % confidence; NaN when a run has no rounds.</param>
/// <param name="HighMs">The difference lies below this.</param>
internal readonly record struct CaseDifference(string Name, double BeforeMs, double NowMs, double LowMs, double HighMs)
{
    public double DifferenceMs => NowMs - BeforeMs;

    public string Verdict => double.IsNaN(LowMs) ? "spread unknown" : LowMs > 0 ? "slower" : HighMs < 0 ? "faster" : "within the spread";
}

/// <summary>Two runs side by side.</summary>
internal static class RunComparison
{
    private const int Resamples = 2000;

    public static IReadOnlyList<CaseDifference> Compare(RunDocument earlier, RunDocument now)
    {
        List<CaseDifference> differences = [];
        foreach (CaseRecord item in now.Cases)
        {
            if (earlier.FindCase(item.Name) is { } before && before.Metrics.TryGetValue("p50Ms", out double beforeMs) && item.Metrics.TryGetValue("p50Ms", out double nowMs))
            {
                (double low, double high) = Interval(before.RoundMediansMs, item.RoundMediansMs);
                differences.Add(new(item.Name, beforeMs, nowMs, low, high));
            }
        }

        return differences;
    }

    // Percentile bootstrap of the difference of medians. Seeded: the same documents give the same report.
    private static (double Low, double High) Interval(IReadOnlyList<double> before, IReadOnlyList<double> now)
    {
        if (before.Count < 3 || now.Count < 3)
        {
            return (double.NaN, double.NaN);
        }

        var random = new Random(1);
        double[] differences = new double[Resamples];
        for (int i = 0; i < Resamples; i++)
        {
            differences[i] = ResampledMedian(now, random) - ResampledMedian(before, random);
        }

        Array.Sort(differences);
        return (differences[(int)(Resamples * 0.025)], differences[(int)(Resamples * 0.975)]);
    }

    private static double ResampledMedian(IReadOnlyList<double> values, Random random)
    {
        double[] sample = new double[values.Count];
        for (int i = 0; i < sample.Length; i++)
        {
            sample[i] = values[random.Next(values.Count)];
        }

        return RoundSeries.Median(sample);
    }
}
