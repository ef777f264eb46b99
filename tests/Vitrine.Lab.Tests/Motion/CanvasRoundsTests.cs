using Vitrine.Lab.Content;
using Vitrine.Lab.Latency;
using Vitrine.Lab.Motion;

namespace Vitrine.Lab.Tests.Motion;

public sealed class CanvasRoundsTests
{
    private const long PeriodNs = 33_333_333;

    [Fact]
    public void EveryFrameShownAfterTheSameTime_ThatTimeIsTheMedian()
    {
        const long LatencyNs = 47_000_000;
        FrameTimes times = Painted(600);
        var random = new Random(3);
        var looks = new List<Look>();
        for (long atNs = 10 * PeriodNs; atNs < 600 * PeriodNs; atNs += random.Next(120_000_000, 240_000_000))
        {
            looks.Add(new Look(Code((atNs - LatencyNs) / PeriodNs), atNs));
        }

        var estimate = new LookEstimate();
        Assert.Equal(0, CanvasRounds.AddLooks(estimate, times, looks));
        Assert.Equal(looks.Count, estimate.Count);
        Assert.InRange(estimate.GetPercentileMs(50), 46, 50);
    }

    [Fact]
    public void LookWithoutAStrip_IsCountedAndSaysNothing()
    {
        var estimate = new LookEstimate();
        Assert.Equal(1, CanvasRounds.AddLooks(estimate, Painted(10), [new Look(0, 5 * PeriodNs)]));
        Assert.Equal(0, estimate.Count);
    }

    private static uint Code(long frame)
    {
        uint code = 0;
        for (int block = 0; block < NumberStrip.Blocks; block++)
        {
            code = (code << 1) | (NumberStrip.IsWhite(frame, block) ? 1u : 0u);
        }

        return code;
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
