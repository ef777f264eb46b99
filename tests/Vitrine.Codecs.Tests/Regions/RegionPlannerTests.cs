using Vitrine.Codecs.Regions;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tests.Regions;

public sealed class RegionPlannerTests
{
    private const long FrameNs = 33_000_000;
    private const int TileBytes = 10_000, TileNs = 80_000;
    private const double CostShare = 0.25;

    // Odd, and no whole number of tiles: ten columns and eight rows.
    private static readonly DeviceSize s_size = new(639, 455);
    private readonly TileHistory _history = new(s_size);
    private readonly VideoCost _cost = new();
    private readonly RegionPlanner _planner;
    private long _nowNs = 1_000_000_000_000;

    public RegionPlannerTests() => _planner = new(s_size, _history, _cost);

    [Fact]
    public void OneFilm_ItsBoundsAndWhatBothWaysCost()
    {
        _planner.Viewers = 3;
        Play(30, FrameNs, (new(65, 67, 120, 60), TileNs)); // two tiles, neither of them whole
        MotionArea area = Assert.Single(Find());
        Assert.Equal(new(64, 66, 122, 62), area.Bounds); // even
        Assert.InRange(area.Rate, 28, 34); // 30 a second
        const double SendNs = 3 * VideoCost.SendByteNs;
        double tileBytes = 2 * TileBytes * area.Rate, videoBytes = area.Rate * 122 * 62 * _cost.PixelBytes;
        Assert.Equal(tileBytes, area.TileBytes, 3);
        Assert.Equal((2 * _history.CostOf(11).Ns * area.Rate) + (tileBytes * SendNs), area.TileNs, 3);
        Assert.Equal(videoBytes, area.VideoBytes, 3);
        Assert.Equal((area.Rate * ((122 * 62 * _cost.PixelNs) + VideoCost.PictureNs)) + (videoBytes * SendNs), area.VideoNs, 3);
    }

    [Fact]
    public void VideoTurnsOutDearer_SoIsTheNextArea()
    {
        DeviceRectangle film = new(64, 64, 128, 64);
        Play(30, FrameNs, (film, TileNs));
        MotionArea before = Assert.Single(Find());
        for (int i = 0; i < 100; i++)
        {
            _cost.Note(film.Area, (int)film.Area, (long)VideoCost.PictureNs + (film.Area * 30));
        }

        MotionArea after = Assert.Single(Find());
        Assert.Equal((before.TileBytes, before.TileNs), (after.TileBytes, after.TileNs));
        Assert.Equal(5, (after.VideoNs - (after.VideoBytes * VideoCost.SendByteNs) - (after.Rate * VideoCost.PictureNs)) / (after.Rate * film.Area * 6), 1);
        Assert.Equal(50, after.VideoBytes / before.VideoBytes, 1);
    }

    [Fact]
    public void TextThatIsCheapLosslessly_NoArea()
    {
        int cheapNs = (int)(CostShare * _cost.PixelNs * 64 * 64 / 1.4), dearNs = (int)(CostShare * _cost.PixelNs * 64 * 64 / 1.2);
        Play(30, FrameNs, (new(0, 0, 256, 256), cheapNs));
        Assert.Empty(Find());
        Play(30, FrameNs, (new(0, 0, 256, 256), dearNs));
        Assert.Single(Find());
    }

    [Fact]
    public void CaretOrWhatRests_NoArea()
    {
        Play(10, 500_000_000, (new(0, 0, 256, 256), TileNs));
        Assert.Empty(Find());
        Play(30, FrameNs, (new(0, 0, 256, 256), TileNs));
        Assert.Single(Find());
        _history.Begin(_nowNs + TileHistory.RestNs);
        Assert.Empty(Find());
    }

    [Theory]
    [InlineData(1, 1)] // side by side
    [InlineData(2, 1)] // a still tile between them
    [InlineData(3, 2)]
    public void TwoFilms_OneAreaWhenTheyAreNear(int columnsApart, int areas)
    {
        Play(30, FrameNs, (new(64, 64, 64, 64), TileNs), (new(64 + (64 * columnsApart), 64, 64, 64), 2 * TileNs));
        Assert.Equal(areas, Find().Length);
    }

    [Fact]
    public void SeveralAreas_TheDearestFirst()
    {
        Play(30, FrameNs, (new(0, 0, 64, 64), TileNs), (new(256, 0, 64, 64), 3 * TileNs), (new(512, 256, 64, 64), 2 * TileNs));
        Assert.Equal([256, 512, 0], Find().Select(area => area.Bounds.X));
    }

    [Fact]
    public void OneAreaWithinTheBoundsOfAnother_OneAreaOfBoth()
    {
        // An angle along two edges, and in what it spans a tile that is near to neither.
        Play(30, FrameNs, (new(0, 0, 64, 448), TileNs), (new(0, 384, 576, 64), TileNs), (new(320, 64, 64, 64), TileNs));
        MotionArea area = Assert.Single(Find());
        Assert.Equal(new(0, 0, 576, 448), area.Bounds);
        Assert.Equal((7 + 8 + 1) * TileBytes * area.Rate, area.TileBytes, 3);
    }

    [Fact]
    public void UpToTheEdgesOfAnOddPicture_EvenAndWithinIt()
    {
        Play(30, FrameNs, (DeviceRectangle.Of(s_size), TileNs));
        Assert.Equal(new(0, 0, 638, 454), Assert.Single(Find()).Bounds);
    }

    [Theory]
    [InlineData(201, 111, true)]
    [InlineData(200, 111, false)] // bytes alone
    [InlineData(201, 110, false)] // processor time alone
    public void WorthVideo_InBytesAndInTime(double tileBytes, double tileNs, bool isWorth) =>
        Assert.Equal(isWorth, new MotionArea(default, 30, tileBytes, tileNs, 100, 100).IsWorthVideo(2, 1.1));

    private MotionArea[] Find() => _planner.Find(CostShare).ToArray();

    private void Play(int frames, long frameNs, params (DeviceRectangle Bounds, int TileNs)[] films)
    {
        for (int i = 0; i < frames; i++)
        {
            _history.Begin(_nowNs += frameNs);
            HashSet<int> noted = [];
            foreach ((DeviceRectangle bounds, int tileNs) in films)
            {
                _history.NoteDamage(bounds);
                DeviceRectangle tiles = RegionRecord.TilesOf(bounds);
                for (int tile = 0; tile < _history.Count; tile++)
                {
                    if (tiles.Contains(new DevicePoint(tile % _history.Columns, tile / _history.Columns)) && noted.Add(tile))
                    {
                        _history.NoteCoded(tile, TileBytes, tileNs, isChange: true);
                    }
                }
            }
        }
    }
}
