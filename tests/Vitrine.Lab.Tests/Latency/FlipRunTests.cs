using Vitrine.Lab.Content;
using Vitrine.Lab.Latency;

namespace Vitrine.Lab.Tests.Latency;

public sealed class FlipRunTests
{
    private const long PeriodNs = 50_000_000;

    [Fact]
    public void EveryChangeSeen_ItsTimeIsFromBeforeTheDrawToTheFirstSight()
    {
        Flip[] flips = Flips(20);
        // Each colour is seen 3 ms late, and again 4 ms later.
        Sight[] sights = [.. flips.SelectMany(flip => (Sight[])[new(flip.Pixel, flip.BeforeDrawNs + 3_000_000), new(flip.Pixel, flip.BeforeDrawNs + 7_000_000)])];
        var series = new RoundSeries();
        Assert.Equal(0, FlipRun.Match(flips, sights, series));
        Assert.Equal(20, series.All.Count);
        Assert.Equal((3_000_000, 3_000_000), (series.All.MinNs, series.All.MaxNs));
    }

    [Fact]
    public void ChangePassedOver_IsMissedAndNotMistakenForItsColoursNextTurn()
    {
        Flip[] flips = Flips(20);
        Sight[] sights = [.. flips.Where(flip => flip.Step != 5).Select(flip => new Sight(flip.Pixel, flip.BeforeDrawNs + 1_000_000))];
        var series = new RoundSeries();
        Assert.Equal(1, FlipRun.Match(flips, sights, series));
        Assert.Equal(1_000_000, series.All.MaxNs);
    }

    [Fact]
    public void LateSightAfterTheNextDraw_StillBelongsToItsChange()
    {
        Flip[] flips = Flips(3);
        Sight[] sights = [.. flips.Select(flip => new Sight(flip.Pixel, flip.BeforeDrawNs + PeriodNs + 10_000_000))];
        var series = new RoundSeries();
        Assert.Equal(0, FlipRun.Match(flips, sights, series));
        Assert.Equal(PeriodNs + 10_000_000, series.All.MaxNs);
    }

    [Fact]
    public void NothingSeen_EverythingIsMissed() => Assert.Equal(4, FlipRun.Match(Flips(4), [], new RoundSeries()));

    private static Flip[] Flips(int count) =>
        [.. Enumerable.Range(1, count).Select(step => new Flip(step, FlipSquare.PixelOf(step), step * PeriodNs, (step * PeriodNs) + 100))];
}
