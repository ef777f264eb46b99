using Vitrine.Lab.Report;
using Vitrine.Lab.Transport;
using Vitrine.Measurement;

namespace Vitrine.Lab.Tests.Transport;

public sealed class LiveSeriesTests
{
    private const long Ms = 1_000_000;

    [Fact]
    public void FilmWithAStandstill_CountedFromThePictureBefore()
    {
        // Painted every 33 ms from 0 to 990; shown 50 ms later, but none from 300 to 600 ms, and of those only the newest.
        List<LiveFrame> frames = [];
        List<(long, LiveSight)> sights = [];
        for (int i = 0; i < 31; i++)
        {
            long paintedNs = i * 33 * Ms, seenNs = paintedNs + (50 * Ms);
            LiveSight? sight = seenNs < 300 * Ms || seenNs >= 600 * Ms ? Seen(i + 1, seenNs) : null;
            frames.Add(new(i + 1, paintedNs, sight));
            if (sight is { } seen)
            {
                sights.Add((paintedNs, seen));
            }
        }

        LiveSeries series = new("live-quic/test");
        series.Add(frames, sights, 0, 1000 * Ms, new(), new(null, "quic", 7), 0);
        CaseRecord record = series.ToCase();
        Assert.Equal(1, series.Freezes);
        Assert.Equal((31, 22), (record.Metrics["painted"], record.Metrics["shown"]));
        Assert.InRange(record.Metrics["p95Ms"], 49.9, 50.1); // what was shown was in time
        Assert.Equal(330, record.Metrics["longestStandMs"], 0.5);
        Assert.Equal(380, series.Age.MaxNs / 1e6, 6.0); // but the picture was old
        string[] lines = [.. FrameTables.Lines(record.Frames!)];
        Assert.Equal(32, lines.Length);
        Assert.Equal("round,frame,paintedMs,capturedMs,encodedMs,sentMs,receivedMs,decodedMs,latencyMs,bytes", lines[0]);
        Assert.Equal("1,2,33,,,,,83,50,1000", lines[2]);
        Assert.Equal("1,10,297,,,,,,,", lines[10]);
    }

    [Fact]
    public void NothingSeen_OneFreezeOfAllTheTime()
    {
        LiveSeries series = new("live-websocket/test");
        series.Add([new(1, 10 * Ms, null)], [], 0, 500 * Ms, new(), new(null, "websocket", 7), 0);
        Assert.Equal(1, series.Freezes);
        Assert.Equal(double.PositiveInfinity, series.P95Ms[0]);
        Assert.Equal(500, series.ToCase().Metrics["longestStandMs"]);
        Assert.Equal(double.PositiveInfinity, series.ToCase().Metrics["p95Ms"]);
    }

    [Fact]
    public void OlderPictureAfterANewerOne_IsNoProgress()
    {
        (long, LiveSight)[] sights = [(0, Seen(1, 50 * Ms)), (66 * Ms, Seen(3, 100 * Ms)), (33 * Ms, Seen(2, 200 * Ms)), (99 * Ms, Seen(4, 350 * Ms))];
        (long, long, long)[] stands = [.. LiveSeries.Stands(sights, 60 * Ms, 400 * Ms)];
        Assert.Equal([(60 * Ms, 100 * Ms, 0), (100 * Ms, 350 * Ms, 66 * Ms), (350 * Ms, 400 * Ms, 99 * Ms)], stands);
    }

    private static LiveSight Seen(int number, long atNs) => new(number, 0, 0, 0, 0, 0, atNs, 1000);
}
