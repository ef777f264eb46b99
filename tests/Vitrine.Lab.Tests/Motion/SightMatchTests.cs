using Vitrine.Lab.Motion;

namespace Vitrine.Lab.Tests.Motion;

public sealed class SightMatchTests
{
    private const long PeriodNs = 33_000_000;

    [Fact]
    public void EveryFrameSeen_NoneMissedAndTheLatencyIsFromBeforeTheDraw()
    {
        FrameTimes times = Painted(30);
        SightMatch match = SightMatch.Of(times, Enumerable.Range(1, 30).Select(frame => new FrameSight(frame, times.GetNs(frame) + 5_000_000)), 0, long.MaxValue);
        Assert.Equal((30, 30, 0, 0), (match.Painted, match.Shown, match.Missed, match.Backwards));
        Assert.Equal((5_000_000, 5_000_000), (match.Latency.MinNs, match.Latency.MaxNs));
    }

    [Fact]
    public void OnlyFramesPaintedInTheTimeCount_HoweverLateTheyAreSeen()
    {
        FrameTimes times = Painted(30);
        SightMatch match = SightMatch.Of(times, Enumerable.Range(1, 30).Select(frame => new FrameSight(frame, times.GetNs(frame) + (10 * PeriodNs))), 11 * PeriodNs, 21 * PeriodNs);
        Assert.Equal((10, 10), (match.Painted, match.Shown));
    }

    [Fact]
    public void FramesPassedOver_AreMissed()
    {
        FrameTimes times = Painted(30);
        SightMatch match = SightMatch.Of(times, Enumerable.Range(1, 30).Where(frame => frame % 3 != 0).Select(frame => new FrameSight(frame, times.GetNs(frame))), 0, long.MaxValue);
        Assert.Equal((20, 10), (match.Shown, match.Missed));
    }

    [Fact]
    public void OlderFrameAfterANewerOne_IsBackwardsAndCountsOnce()
    {
        FrameTimes times = Painted(4);
        FrameSight[] sights = [new(1, PeriodNs), new(3, 3 * PeriodNs), new(2, (3 * PeriodNs) + 1), new(3, (3 * PeriodNs) + 2), new(4, 4 * PeriodNs)];
        SightMatch match = SightMatch.Of(times, sights, 0, long.MaxValue);
        Assert.Equal((4, 0, 1), (match.Shown, match.Missed, match.Backwards));
    }

    [Fact]
    public void NumberOfAStrip_IsTheFrameThatWasDrawn()
    {
        FrameTimes times = Painted(70_000);
        Assert.True(times.TryResolve(70_000 - 65_536, out long frame));
        Assert.Equal(70_000, frame);
        Assert.True(times.TryResolve(65_000, out frame));
        Assert.Equal(65_000, frame);
        Assert.False(Painted(10).TryResolve(11, out _));
    }

    private static FrameTimes Painted(int count)
    {
        var times = new FrameTimes();
        for (int frame = 1; frame <= count; frame++)
        {
            times.BeforeDraw(frame, frame * PeriodNs);
        }

        return times;
    }
}
