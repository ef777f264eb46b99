using Vitrine.Codecs.Regions;
using Vitrine.Codecs.Tests.Tiles;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.Codecs.Tests.Regions;

/// <summary>A load at the edge between tiles and video: what it costs, either way, is what a test says.</summary>
public sealed class RegionHysteresisTests
{
    private const int Frames = 300;

    /// <summary>A region is kept while video is no dearer than tiles by this.</summary>
    private const double KeptUpTo = 1 / 0.6;

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(10)]
    public void VideoNowCheaperNowDearer_BeginsOnceAndStays(int frames)
    {
        using Load load = new();
        double tileNs = load.PlayUntilVideo();
        int cheap = 0, dear = 0;
        for (int i = 0; i < Frames; i++)
        {
            load.EncoderNs = (long)(tileNs * (KeptUpTo + (i / frames % 2 == 0 ? 0.8 : -0.8)));
            load.Play(1);
            bool isDear = load.LearntNs > KeptUpTo * tileNs;
            (cheap, dear) = (cheap + (isDear ? 0 : 1), dear + (isDear ? 1 : 0));
        }

        Assert.True(cheap > Frames / 4 && dear > Frames / 4, $"{cheap} frames on one side of the edge, {dear} on the other"); // it is at the edge
        Assert.Equal([RegionStep.Begins], load.Switches);
    }

    [Fact]
    public void VideoALittleDearerThanTiles_BegunVideoStays()
    {
        using Load load = new();
        double tileNs = load.PlayUntilVideo();
        load.EncoderNs = (long)(1.3 * tileNs); // would not begin, and does not end
        load.Play(Frames);
        Assert.InRange(load.LearntNs, 1.2 * tileNs, 1.4 * tileNs);
        Assert.Equal([RegionStep.Begins], load.Switches);
    }

    [Fact]
    public void VideoStaysDear_EndsOnceAfterASecondAndSaysAtWhichCost()
    {
        using Load load = new();
        double tileNs = load.PlayUntilVideo();
        load.EncoderNs = (long)(3 * tileNs);
        long dearSinceNs = load.Clock.GetTimestamp();
        load.Play(Frames);
        Assert.Equal([RegionStep.Begins, RegionStep.EndsByCost], load.Switches);
        RegionDecision end = load.Decisions.Single(decision => decision.Step == RegionStep.EndsByCost);
        Assert.InRange(end.AtNs - dearSinceNs, 1_000_000_000, 1_500_000_000);
        Assert.True(end.Area.TileNs * KeptUpTo < end.Area.VideoNs, end.ToString());
        Assert.Equal(0, load.Counts.Regions);
    }

    [Fact]
    public void TilesDearForAMomentNowAndThen_StaysTiles()
    {
        using Load load = new();
        for (int i = 0; i < Frames; i++)
        {
            load.Clock.LookNs = i % 9 < 3 ? 60_000 : 10_000;
            load.Play(1);
        }

        Assert.Empty(load.Switches);
        load.Clock.LookNs = 60_000;
        load.Play(30); // it was dear enough: it only has to last
        Assert.Equal([RegionStep.Begins], load.Switches);
    }

    /// <summary>A film of noise, and an encoder that takes as long as a test says.</summary>
    private sealed class Load : IVideoEncoderSource, IDisposable
    {
        private static readonly DeviceSize s_size = new(320, 256);
        private static readonly DeviceRectangle s_film = new(0, 0, 256, 192);
        private readonly PaintedScreen _screen = new(s_size, 1);
        private readonly TileStore _store = new(s_size, 1);
        private readonly VideoCost _learnt = new();
        private readonly RegionCoder _coder;

        public Load() => _coder = new(_store, Clock, this, Decisions.Add);

        public StepClock Clock { get; } = new();

        public List<RegionDecision> Decisions { get; } = [];

        public VideoCounts Counts => _coder.Counts;

        /// <summary>From tiles to video and back.</summary>
        public IEnumerable<RegionStep> Switches =>
            Decisions.Select(decision => decision.Step).Where(step => step is not (RegionStep.Changes or RegionStep.Refines));

        /// <summary>What a picture takes, more than a look at the clock.</summary>
        public long EncoderNs { get; set; } = 400_000;

        /// <summary>What the coder takes a picture to cost by now, sending it included.</summary>
        public double LearntNs => (s_film.Area * (_learnt.PixelNs + (_learnt.PixelBytes * VideoCost.SendByteNs))) + VideoCost.PictureNs;

        public void Play(int frames)
        {
            for (int i = 0; i < frames; i++)
            {
                _screen.Noise(s_film);
                Clock.AdvanceMs(33);
                using FrameLease lease = _screen.Take();
                _coder.Code(lease);
            }
        }

        /// <returns>What a picture costs as tiles, sending it included, nanoseconds.</returns>
        public double PlayUntilVideo()
        {
            while (Decisions.Count == 0)
            {
                Assert.InRange(_coder.Totals.Bytes, 0, 20_000_000); // a hundred frames
                Play(1);
            }

            Assert.Equal(RegionStep.Begins, Decisions[0].Step);
            Assert.Equal(s_film, Decisions[0].Bounds);
            return Decisions[0].Area.TileNs / Decisions[0].Area.Rate;
        }

        public IVideoEncoder? Rent(DeviceSize size, int framesPerSecondMax, int bitsPerSecondMax, out string reason)
        {
            reason = "";
            return new Encoder(this, size);
        }

        public void Return(IVideoEncoder encoder) => encoder.Dispose();

        public void Dispose()
        {
            _coder.Dispose();
            _store.Dispose();
            _screen.Dispose();
        }

        private sealed class Encoder(Load load, DeviceSize size) : IVideoEncoder
        {
            private readonly byte[] _memory = new byte[size.Area / 2 * 3];
            private readonly byte[] _unit = new byte[100];

            public DeviceSize Size => size;

            public YuvPicture Input
            {
                get
                {
                    int luma = (int)size.Area, chroma = luma / 4;
                    return new(YuvLayout.I420, size, _memory.AsSpan(0, luma), size.Width, _memory.AsSpan(luma, chroma), _memory.AsSpan(luma + chroma), size.Width / 2);
                }
            }

            public string FailureReason { get; } = "";

            public bool TrySetBitsPerSecondMax(int bitsPerSecond) => true;

            public bool TryEncode(long ptsNs, bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame)
            {
                load.Clock.AdvanceMs((load.EncoderNs - load.Clock.LookNs) / 1e6);
                if (!forceKeyFrame)
                {
                    load._learnt.Note(size.Area, _unit.Length, load.EncoderNs);
                }

                accessUnit = _unit;
                isKeyFrame = forceKeyFrame;
                return true;
            }

            public void Dispose()
            {
            }
        }
    }
}
