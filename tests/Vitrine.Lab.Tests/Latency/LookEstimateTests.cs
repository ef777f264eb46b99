using Vitrine.Lab.Content;
using Vitrine.Lab.Latency;

namespace Vitrine.Lab.Tests.Latency;

public sealed class LookEstimateTests
{
    [Fact]
    public void AdjacentViolatorsArePooled()
    {
        var estimate = new LookEstimate();
        // Yes at 2 ms, no at 3 and 4, yes at 5: the three in the middle share one step of a third.
        foreach ((int ms, bool isSeen) in (ReadOnlySpan<(int, bool)>)[(5, true), (1, false), (3, false), (2, true), (4, false)])
        {
            estimate.Add(ms * 1_000_000, isSeen);
        }

        Assert.Equal([(100.0 / 3, 2.0), (100.0, 5.0)], estimate.GetDistribution().Select(point => (point.Percent, point.ValueMs)));
        Assert.Equal(2, estimate.GetPercentileMs(33));
        Assert.Equal(5, estimate.GetPercentileMs(50));
    }

    [Fact]
    public void KnownLatencies_ThePercentilesAreFoundAndTheIntervalHoldsThem()
    {
        // Latency uniform between 4 and 12 ms, looks uniform between 0 and 30.
        var random = new Random(7);
        var estimate = new LookEstimate();
        for (int i = 0; i < 20_000; i++)
        {
            double latencyMs = 4 + (8 * random.NextDouble()), lookMs = 30 * random.NextDouble();
            estimate.Add((long)(lookMs * 1e6), lookMs >= latencyMs);
        }

        Assert.InRange(estimate.GetPercentileMs(50), 7.5, 8.5);
        Assert.InRange(estimate.GetPercentileMs(95), 10.8, 12);
        (double lowMs, double highMs) = estimate.GetIntervalMs(50);
        Assert.InRange(8, lowMs - 0.2, highMs + 0.2);
        Assert.InRange(highMs - lowMs, 0.05, 1.5);
    }

    [Fact]
    public void OnlyTheFirstLookAfterAChangeCounts()
    {
        Flip[] flips = [.. Enumerable.Range(1, 3).Select(step => new Flip(step, FlipSquare.PixelOf(step), step * 50_000_000L, (step * 50_000_000L) + 100))];
        Look[] looks =
        [
            new(0, 10_000_000),
            new(FlipSquare.PixelOf(0), 52_000_000), // too early for the first change
            new(FlipSquare.PixelOf(1), 80_000_000), // the second look at it
            new(FlipSquare.PixelOf(3), 158_000_000), // the second change was looked at by nobody
        ];
        var estimate = new LookEstimate();
        estimate.Add(flips, looks);
        Assert.Equal(2, estimate.Count);
        Assert.Equal([(100.0, 8.0)], estimate.GetDistribution().Select(point => (point.Percent, point.ValueMs)));
    }

    [Fact]
    public void NoLookLateEnough_NoFigure()
    {
        var estimate = new LookEstimate();
        Assert.Equal(double.NaN, estimate.GetPercentileMs(50));
        estimate.Add(1, false);
        Assert.Equal(double.NaN, estimate.GetPercentileMs(50));
    }
}
