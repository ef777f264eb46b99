using Vitrine.Events.Hosts;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests.Hosts;

public class LatencyCountsTests
{
    [Fact]
    public void Percentiles_AreWithinATwelfthOfTheExactOnes()
    {
        Random random = new(5);
        double[] times = [.. Enumerable.Range(0, 5000).Select(_ => 0.05 + (Math.Pow(random.NextDouble(), 4) * 400))];
        LatencyBuckets all = new(), half = new();
        for (int i = 0; i < times.Length; i++)
        {
            LatencyBuckets into = i % 2 == 0 ? all : half;
            LatencyCounts.Add(into, One(times[i]));
        }

        LatencyCounts.Add(all, half);
        Array.Sort(times);
        foreach (double share in (double[])[0.01, 0.5, 0.9, 0.99, 1])
        {
            double exact = times[(int)Math.Ceiling(share * times.Length) - 1];
            Assert.InRange(LatencyCounts.PercentileMs(all, share), exact * 11 / 12, exact * 13 / 12);
        }

        Assert.Equal(times[^1], all.MaxMilliseconds);
    }

    [Fact]
    public void NothingAndNonsense_AreBounded()
    {
        Assert.Equal(0, LatencyCounts.PercentileMs(null, 0.5));
        Assert.Equal(0, LatencyCounts.PercentileMs(new(), 0.5));
        Assert.Equal(0, LatencyCounts.BucketOf(0));
        Assert.Equal(LatencyCounts.BucketMax, LatencyCounts.BucketOf(double.MaxValue));
        LatencyBuckets strange = new() { Counts = { [uint.MaxValue] = ulong.MaxValue, [uint.MaxValue - 1] = 2 } }, sum = new();
        LatencyCounts.Add(sum, strange);
        LatencyCounts.Add(sum, null);
        Assert.Equal(LatencyCounts.BucketMax, (int)Assert.Single(sum.Counts).Key);
        Assert.True(double.IsFinite(LatencyCounts.PercentileMs(sum, 0.5)));
    }

    private static LatencyBuckets One(double milliseconds) =>
        new() { Counts = { [(uint)LatencyCounts.BucketOf(milliseconds * 1000)] = 1 }, MaxMilliseconds = milliseconds };
}
