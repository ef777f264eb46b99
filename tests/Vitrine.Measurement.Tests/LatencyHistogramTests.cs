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
    public void WholeRanks_AreNotRoundedUp()
    {
        // 99.9 / 100 * 1000 is 999.0000000000001 in floating point.
        var histogram = new LatencyHistogram();
        histogram.RecordMany(1, 999);
        histogram.RecordMany(2, 1);
        Assert.Equal((1, 2), (histogram.GetPercentileNs(99.9), histogram.GetPercentileNs(99.91)));
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

    [Theory]
    [InlineData("uniform")]
    [InlineData("exponential")]
    [InlineData("lognormal")]
    [InlineData("bimodal")]
    [InlineData("pareto")]
    public void AnyDistribution_PercentilesAreWithinATenthOfAPercentOfTheExactOnes(string name)
    {
        long[] values = Distributions.Draw(name, 200_000);
        var histogram = new LatencyHistogram();
        foreach (long value in values)
        {
            histogram.Record(value);
        }

        Array.Sort(values);
        foreach (double percent in (ReadOnlySpan<double>)[0, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 100])
        {
            long exact = values[Math.Clamp((int)Math.Ceiling((decimal)percent / 100 * values.Length), 1, values.Length) - 1];
            Assert.InRange(histogram.GetPercentileNs(percent), exact - (exact * 0.001), exact + (exact * 0.001));
        }

        Assert.Equal((values[0], values[^1], values.Average()), (histogram.MinNs, histogram.MaxNs, histogram.MeanNs));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(100)] // more than there are numbers: the last ones share a shard
    public void LivingThreads_NothingIsLost(int count)
    {
        const int Values = 20_000;
        var histogram = new LatencyHistogram();
        using var ready = new Barrier(count);
        Thread[] threads = [.. Enumerable.Range(0, count).Select(number => new Thread(() =>
        {
            ready.SignalAndWait();
            for (int i = 0; i < Values; i++)
            {
                histogram.Record((number * 1_000_000L) + i);
            }

            ready.SignalAndWait(); // no number becomes free before all have recorded
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal((long)count * Values, histogram.Count);
        Assert.Equal((0, ((count - 1) * 1_000_000L) + Values - 1), (histogram.MinNs, histogram.MaxNs));
        Assert.Equal(((count - 1) * 500_000d) + ((Values - 1) / 2d), histogram.MeanNs);
    }

    [Fact]
    public void ThreadsComeAndGo_NothingIsLostAndTheirNumbersAreTakenAgain()
    {
        var histogram = new LatencyHistogram();
        int lastNumber = 0;
        for (int i = 0; i < 4 * RecordingThread.Numbers; i++)
        {
            var thread = new Thread(() =>
            {
                histogram.Record(1);
                lastNumber = RecordingThread.Number;
            });
            thread.Start();
            thread.Join();
        }

        Assert.Equal(4 * RecordingThread.Numbers, histogram.Count);
        Assert.InRange(lastNumber, 1, RecordingThread.Numbers);
    }

    [Fact]
    public void ReadingWhileOthersRecord_CountsNeverFallAndEndExact()
    {
        const int Values = 2_000_000;
        var histogram = new LatencyHistogram();
        var thread = new Thread(() =>
        {
            for (int i = 0; i < Values; i++)
            {
                histogram.Record(1000 + (i & 0xff));
            }
        });
        thread.Start();
        long before = 0;
        while (thread.IsAlive)
        {
            long now = histogram.Count;
            Assert.InRange(now, before, Values);
            Assert.True(now == 0 || histogram.P99Ns is >= 1000 and < 1256);
            before = now;
        }

        Assert.Equal(Values, histogram.Count);
    }

    [Fact]
    public void MergeOfWhatManyThreadsRecorded_TakesAllShards()
    {
        LatencyHistogram from = Of([10]), into = Of([20]);
        var thread = new Thread(() => from.Record(5_000_000));
        thread.Start();
        thread.Join();
        into.Add(from);
        into.Add(into);
        Assert.Equal((6, 10, 5_000_000), (into.Count, into.MinNs, into.MaxNs));
        Assert.Equal((2 * (10 + 20 + 5_000_000)) / 6d, into.MeanNs);
    }

    [Fact]
    public void Recording_AllocatesNothing()
    {
        var histogram = new LatencyHistogram();
        int threads = 0;
        Assert.Equal(0, Allocation.LeastOf(() =>
        {
            long allocated = -1;
            var thread = new Thread(() =>
            {
                // Also not with the first value of a thread, or of an octave. (The runtime makes what CurrentThread needs when a
                // thread first asks.)
                Assert.True(Thread.CurrentThread.IsAlive);
                long before = GC.GetAllocatedBytesForCurrentThread();
                for (int i = 0; i < 10_000; i++)
                {
                    histogram.Record(i * 997L * 997);
                }

                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            });
            thread.Start();
            thread.Join();
            threads++;
            return allocated;
        }));
        Assert.Equal(threads * 10_000, histogram.Count);
    }

    [Fact]
    public void ForgottenHistograms_GiveTheirMemoryBack()
    {
        // Each touches all of its 254 KB: 2 GB if they stayed.
        long before = Resident(), most = 0;
        for (int i = 0; i < 8_000; i++)
        {
            var histogram = new LatencyHistogram();
            for (long value = 1; value < LatencyHistogram.ValueNsMax; value += Math.Max(1, value / 8))
            {
                histogram.Record(value);
            }

            most = Math.Max(most, i % 100 == 0 ? Resident() : 0);
        }

        Assert.InRange(most - before, long.MinValue, 1L << 30);

        static long Resident()
        {
            Assert.True(ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample sample));
            return sample.ResidentBytes;
        }
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
