using Vitrine.Frames;
using Vitrine.Lab.Playback;

namespace Vitrine.Lab.Tests.Playback;

public sealed class PacedLoopTests
{
    [Fact]
    public void EachLoop_RecordsItsWakeUps()
    {
        using Contestants contestants = new(rateHz: 100);
        TimeSpan each = TimeSpan.FromMilliseconds(300);
        contestants.RunRound(each, each, each, TimeProvider.System, CancellationToken.None);
        Assert.All(contestants.All, loop =>
        {
            Assert.InRange(loop.Series.All.Count, 1, 60);
            Assert.Equal(loop.Series.All.Count, loop.OffGrid.Count);
            Assert.True(loop.Series.All.MaxNs < 10_000_000_000);
            Assert.True(loop.CpuCores >= 0);
        });
        Assert.Equal(contestants.MayStayAwake == KernelGrant.Granted ? 8 : 6, contestants.All.Select(loop => loop.Name).Distinct().Count());
    }
}
