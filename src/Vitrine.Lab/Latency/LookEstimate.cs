using Vitrine.Lab.Content;
using Vitrine.Measurement;

namespace Vitrine.Lab.Latency;

/// <summary>A pixel looked at.</summary>
/// <param name="Pixel">0xRRGGBB.</param>
/// <param name="AtNs">When the look began: what it saw was there then.</param>
internal readonly record struct Look(uint Pixel, long AtNs);

/// <summary>The distribution of a latency of which each observation says only whether it was over at one moment.</summary>
/// <remarks>
/// A look at a large canvas copies it, longer than what is to be measured, and keeps the page from showing anything meanwhile. To
/// watch a pixel is therefore to measure the watching. One look for each change, at a moment that has nothing to do with the change,
/// disturbs nothing that is still to be seen; and many of them, «yes» or «no» after so many milliseconds, give the distribution.
/// These are current status data; their maximum-likelihood estimate is the isotonic regression of yes and no on the time, found by
/// pooling adjacent violators (Ayer, Brunk, Ewing, Reid and Silverman, Ann. Math. Statist. 26(4), 1955; Groeneboom and Wellner,
/// Information Bounds and Nonparametric Maximum Likelihood Estimation, 1992, part II). The interval is a percentile bootstrap. One thread.
/// </remarks>
internal sealed class LookEstimate
{
    private const int Resamples = 400;
    private readonly List<(long AfterNs, bool IsSeen)[]> _looks = [];

    /// <summary>Number of looks.</summary>
    public int Count => _looks.Count;

    /// <summary>Adds one observation: whether the change was to be seen so long after it was made.</summary>
    public void Add(long afterNs, bool isSeen) => _looks.Add([(afterNs, isSeen)]);

    /// <summary>Adds what one look said of several changes. They are not independent: the interval keeps them together.</summary>
    public void Add(params ReadOnlySpan<(long AfterNs, bool IsSeen)> observations) => _looks.Add(observations.ToArray());

    /// <summary>Adds, for every change, the first look after it. A second look would see what the first has delayed.</summary>
    public void Add(IReadOnlyList<Flip> flips, IReadOnlyList<Look> looks)
    {
        int look = 0;
        for (int i = 0; i < flips.Count; i++)
        {
            while (look < looks.Count && looks[look].AtNs < flips[i].BeforeDrawNs)
            {
                look++;
            }

            if (look == looks.Count)
            {
                break;
            }

            if (i + 1 == flips.Count || looks[look].AtNs < flips[i + 1].BeforeDrawNs)
            {
                Add(looks[look].AtNs - flips[i].BeforeDrawNs, looks[look].Pixel == flips[i].Pixel);
            }
        }
    }

    /// <summary>Adds everything of another.</summary>
    public void Add(LookEstimate other) => _looks.AddRange(other._looks);

    /// <summary>The shortest time after which at least this share of changes is to be seen; NaN when no look was late enough to tell.</summary>
    /// <param name="percent">0 to 100.</param>
    public double GetPercentileMs(double percent) => Find(Fit([.. _looks.SelectMany(look => look)]), percent);

    /// <summary>The interval in which 95 of 100 resamplings of the looks put a percentile.</summary>
    public (double LowMs, double HighMs) GetIntervalMs(double percent)
    {
        var random = new Random(1);
        var found = new List<double>(Resamples);
        var resample = new List<(long, bool)>();
        for (int i = 0; i < Resamples; i++)
        {
            resample.Clear();
            for (int k = 0; k < _looks.Count; k++)
            {
                resample.AddRange(_looks[random.Next(_looks.Count)]);
            }

            found.Add(Find(Fit([.. resample]), percent));
        }

        found.Sort();
        return found.Count == 0 ? (double.NaN, double.NaN) : (found[(int)(found.Count * 0.025)], found[(int)(found.Count * 0.975)]);
    }

    /// <summary>The whole distribution, a point for each step of it.</summary>
    public IReadOnlyList<PercentilePoint> GetDistribution() =>
        [.. Fit([.. _looks.SelectMany(look => look)]).Where(step => step.Seen > 0).Select(step => new PercentilePoint(100.0 * step.Seen / step.Count, step.FromNs / 1e6))];

    private static double Find(List<Step> steps, double percent)
    {
        foreach (Step step in steps)
        {
            if (step.Seen * 100.0 >= percent * step.Count)
            {
                return step.FromNs / 1e6;
            }
        }

        return double.NaN;
    }

    // Steps of equal share, from the shortest time; a step that would go down is pooled with the one before it.
    private static List<Step> Fit((long AfterNs, bool IsSeen)[] looks)
    {
        Array.Sort(looks, (left, right) => left.AfterNs.CompareTo(right.AfterNs));
        List<Step> steps = [];
        foreach ((long afterNs, bool isSeen) in looks)
        {
            var step = new Step(afterNs, isSeen ? 1 : 0, 1);
            while (steps.Count > 0 && (long)steps[^1].Seen * step.Count >= (long)step.Seen * steps[^1].Count)
            {
                step = new Step(steps[^1].FromNs, steps[^1].Seen + step.Seen, steps[^1].Count + step.Count);
                steps.RemoveAt(steps.Count - 1);
            }

            steps.Add(step);
        }

        return steps;
    }

    private readonly record struct Step(long FromNs, int Seen, int Count);
}
