using FsCheck;
using FsCheck.Fluent;

namespace Vitrine.Measurement.Tests;

public class LatencyHistogramTests
{
    [Fact]
    public void AnyValue_IsKeptWithinATenthOfAPercent() =>
        Prop.ForAll(Gen.Choose(0, 39).SelectMany(bits => Gen.Choose(0, int.MaxValue).Select(low => (1L << bits) | (low & ((1L << bits) - 1)))).ToArbitrary(), value =>
        {
            // Two neighbours far away keep the exact extremes from answering in the bucket's place.
            var histogram = new LatencyHistogram();
            histogram.Record(0);
            histogram.Record(value);
            histogram.Record(LatencyHistogram.ValueNsMax);
            return Math.Abs(histogram.P50Ns - value) <= value * 0.001;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void KnownDistribution_PercentilesAreItsRanks()
    {
        var histogram = new LatencyHistogram();
        for (int i = 1; i <= 1000; i++)
        {
            histogram.Record(i);
        }

        Assert.Equal(1000, histogram.Count);
        Assert.Equal((500, 950, 990), (histogram.P50Ns, histogram.P95Ns, histogram.P99Ns));
        Assert.Equal((1, 1000), (histogram.MinNs, histogram.MaxNs));
        Assert.Equal(1, histogram.GetPercentileNs(0));
        Assert.Equal(1000, histogram.GetPercentileNs(100));
        Assert.Equal(500.5, histogram.MeanNs);
    }

    [Fact]
    public void NothingRecorded_EverythingIsZero()
    {
        var histogram = new LatencyHistogram();
        Assert.Equal((0, 0, 0), (histogram.P99Ns, histogram.MaxNs, histogram.MinNs));
        Assert.Equal(0, histogram.MeanNs);
    }

    [Fact]
    public void OutOfRangeValues_AreClampedNotLost()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(long.MinValue);
        histogram.Record(long.MaxValue);
        Assert.Equal(2, histogram.Count);
        Assert.Equal((0, LatencyHistogram.ValueNsMax), (histogram.MinNs, histogram.MaxNs));
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(100.1)]
    [InlineData(double.NaN)]
    public void PercentileOutOfRange_IsRefused(double percent) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new LatencyHistogram().GetPercentileNs(percent));

    [Fact]
    public void Merge_EqualsRecordingInOne() =>
        Prop.ForAll<int[], int[]>((left, right) =>
        {
            LatencyHistogram a = Of(left), b = Of(right), both = Of([.. left, .. right]);
            a.Add(b);
            return (a.Count, a.MinNs, a.MaxNs, a.MeanNs, a.P50Ns, a.P99Ns) == (both.Count, both.MinNs, both.MaxNs, both.MeanNs, both.P50Ns, both.P99Ns);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public async Task ManyThreads_NothingIsLost()
    {
        var histogram = new LatencyHistogram();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            for (int i = 0; i < 100_000; i++)
            {
                histogram.Record((thread * 1_000_000) + i);
            }
        })));
        Assert.Equal(400_000, histogram.Count);
        Assert.Equal((0, 3_099_999), (histogram.MinNs, histogram.MaxNs));
        Assert.Equal((1_500_000d * 1) + 49_999.5, histogram.MeanNs);
    }

    [Fact]
    public void Recording_AllocatesNothing()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10_000; i++)
        {
            histogram.Record(i * 997L);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Clear_ForgetsEverything()
    {
        LatencyHistogram histogram = Of([1, 2, 3]);
        histogram.Clear();
        Assert.Equal((0L, 0L, 0L), (histogram.Count, histogram.MinNs, histogram.MaxNs));
    }

    private static LatencyHistogram Of(int[] values)
    {
        var histogram = new LatencyHistogram();
        foreach (int value in values)
        {
            histogram.Record(value);
        }

        return histogram;
    }
}
