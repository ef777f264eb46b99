namespace Vitrine.Viewer.Tests;

public sealed class HostClockTests
{
    [Fact]
    public void SymmetricPath_OffsetIsExact()
    {
        HostClock clock = new();
        clock.Add(1_000, 501_500, 501_700, 2_200); // host is 500,000 ahead; 500 each way, 200 in between
        Assert.Equal(500_000, clock.OffsetNs);
        Assert.Equal(1_000, clock.DelayNs);
        Assert.Equal(503_000, clock.ToHost(3_000));
    }

    [Fact]
    public void SlowExchanges_TheFastestOfTheLatestSixteenCounts()
    {
        HostClock clock = new();
        Exchange(clock, offset: 7_000, there: 100, back: 100);
        for (int i = 0; i < 15; i++)
        {
            Exchange(clock, offset: 7_000, there: 50_000, back: 100); // a queue on the way there
        }

        Assert.Equal(7_000, clock.OffsetNs);
        Exchange(clock, offset: 7_000, there: 50_000, back: 100); // the fast one is forgotten
        Assert.NotEqual(7_000, clock.OffsetNs);
        Assert.InRange(Math.Abs(clock.OffsetNs - 7_000), 1, clock.DelayNs / 2);
    }

    [Fact]
    public void Reset_NothingIsKnown()
    {
        HostClock clock = new();
        Exchange(clock, 9, 1, 1);
        clock.Reset();
        Assert.Equal((0, 0L, 0L), (clock.Count, clock.OffsetNs, clock.DelayNs));
    }

    [Fact]
    public void HostLies_NothingOverflows()
    {
        HostClock clock = new();
        clock.Add(0, long.MaxValue, long.MinValue, 1);
        clock.Add(long.MinValue, long.MaxValue, 0, long.MaxValue);
        Assert.Equal(2, clock.Count);
    }

    private static void Exchange(HostClock clock, long offset, long there, long back) =>
        clock.Add(1_000_000, 1_000_000 + there + offset, 1_000_010 + there + offset, 1_000_010 + there + back);
}
