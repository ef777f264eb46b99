using Vitrine.Codecs.H264;
using Vitrine.Codecs.Regions;
using Vitrine.Codecs.Tests.Tiles;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Wire;
using Xunit.Abstractions;

namespace Vitrine.Codecs.Tests.Regions;

/// <summary>Screen to region coder to store to packets to decoder.</summary>
public sealed class RegionPathTests(ITestOutputHelper output)
{
    private static readonly DeviceSize s_size = new(640, 456);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void VideoAmongPainting_ExactOutsideAlwaysAndEverywhereAtRest(int seed)
    {
        StepClock clock = new();
        Random random = new(seed);
        using PaintedScreen screen = new(s_size, seed);
        using H264EncoderSource encoders = new();
        using TileStore store = new(s_size, 9, uint.MaxValue - 40);
        List<RegionDecision> decisions = [];
        List<VideoViewer> viewers = [];
        using (RegionCoder coder = new(store, clock, encoders, decisions.Add))
        {
            viewers.Add(new(store, clock, decodesVideo: true));
            viewers.Add(new(store, clock, decodesVideo: false));
            VideoViewer behind = new(store, clock, decodesVideo: true), half = new(store, clock, true, new(0, 0, 320, s_size.Height));
            viewers.Add(half);
            for (int burst = 0; burst < 6; burst++)
            {
                DeviceRectangle video = new(random.Next(200), random.Next(150), 100 + random.Next(300), 80 + random.Next(200));
                video = video.Intersect(DeviceRectangle.Of(s_size));
                int frames = random.Next(2, 40);
                for (int frame = 0; frame < frames; frame++)
                {
                    screen.Noise(video);
                    if (random.Next(3) == 0)
                    {
                        screen.DoSomething();
                    }

                    clock.AdvanceMs(33);
                    using (FrameLease lease = screen.Take())
                    {
                        coder.Code(lease);
                    }

                    foreach (VideoViewer viewer in viewers)
                    {
                        viewer.Update(coder);
                        viewer.AssertExactOutside(screen);
                    }

                    if (random.Next(5) == 0)
                    {
                        behind.Update(coder);
                        behind.AssertExactOutside(screen);
                    }

                    if (burst == 2 && frame == frames / 2)
                    {
                        viewers.Add(new(store, clock, decodesVideo: true)); // joins while there is video
                        viewers.Add(new(store, clock, decodesVideo: false));
                    }
                }

                Rest(coder, clock, 300);
                foreach (VideoViewer viewer in viewers.Append(behind))
                {
                    viewer.Update(coder);
                    viewer.Update(coder);
                    viewer.AssertExact(screen);
                }
            }

            Assert.Contains(decisions, decision => decision.Step == RegionStep.Begins);
            Assert.True(viewers[0].VideoPackets > 20, $"{viewers[0].VideoPackets} access units");
            Assert.Equal(0, viewers[1].VideoPackets);
            output.WriteLine($"{coder.Counts}; {viewers[0].Decoder.Counts}");
            viewers.Add(behind);
        }

        foreach (VideoViewer viewer in viewers)
        {
            Assert.Equal(0, viewer.Decoder.Counts.Resets);
            viewer.Dispose();
        }

        store.Dispose();
        Assert.Equal(0, store.OutstandingBufferCount);
        Assert.Equal(0, screen.Pool.OutstandingCount);
    }

    [Fact]
    public void LostAccessUnit_OneKeyFrameIsAskedForAndThePictureComesBack()
    {
        using Motion motion = new(1);
        motion.Play(30);
        long keyFrames = motion.Coder.Counts.KeyFrames, decoded = motion.Viewer.Decoder.Counts.Decoded;
        int lost = 0;
        motion.Viewer.Loses = head => lost == 0 && !head.IsKeyFrame && lost++ == 0;
        motion.Play(20);
        Assert.Equal(1, lost);
        Assert.Equal(keyFrames + 1, motion.Coder.Counts.KeyFrames);
        Assert.True(motion.Viewer.Decoder.Counts.Skipped > 0);
        Assert.True(motion.Viewer.Decoder.Counts.Decoded - decoded > 8);
    }

    [Fact]
    public void KeyFramesAskedForAtFullSpeed_AreMadeFourTimesASecond()
    {
        using Motion motion = new(2);
        motion.Play(30);
        long before = motion.Coder.Counts.KeyFrames;
        for (int i = 0; i < 60; i++)
        {
            foreach (ShownRegion region in motion.Viewer.Decoder.Regions)
            {
                motion.Viewer.Chains!.Break(region.Number);
            }

            motion.Play(1);
        }

        Assert.InRange(motion.Coder.Counts.KeyFrames - before, 6, 9); // 2 s
    }

    [Fact]
    public void NoDecoderOpensAnyMore_NothingIsAskedForAndTilesShowEverything()
    {
        using Motion motion = new(12);
        int opened = 0;
        using VideoViewer viewer = new(motion.Store, TimeProvider.System, decodesVideo: true, openDecoder: OpenOnce);
        Play(30);
        Assert.True(viewer.Decoder.Counts.Decoded > 5);
        Assert.Empty(viewer.Decoder.VideoFailure);
        motion.Rest(4_000);
        viewer.Update(motion.Coder);
        Play(30); // another region: another decoder
        Assert.Equal("the library is gone", viewer.Decoder.VideoFailure);
        Assert.Equal(2, opened);
        Assert.Equal(0, viewer.KeyFramesAsked);
        Assert.NotEmpty(viewer.Decoder.Regions);
        viewer.WithdrawVideo();
        for (int i = 0; i < 10; i++)
        {
            Play(1);
            viewer.AssertExact(motion.Screen);
        }

        Assert.NotEmpty(motion.Viewer.Decoder.Regions); // the other one goes on
        Assert.Equal(2, opened);

        void Play(int frames)
        {
            for (int i = 0; i < frames; i++)
            {
                motion.Play(1);
                viewer.Update(motion.Coder);
            }
        }

        H264Decoder? OpenOnce(out string reason)
        {
            reason = "the library is gone";
            return ++opened == 1 ? H264Decoder.TryCreate(out reason) : null;
        }
    }

    [Fact]
    public void EncoderFails_TilesShowEverythingAndVideoIsTriedAgain()
    {
        using Motion motion = new(3, new FailingEncoders { GoodPictures = 10 });
        for (int i = 0; i < 60; i++)
        {
            motion.Play(1);
            motion.Viewer.AssertExactOutside(motion.Screen);
        }

        Assert.Equal(1, motion.Coder.Counts.Failures);
        Assert.Contains(motion.Decisions, decision => decision.Step == RegionStep.EndsByFailure && decision.Detail == "the driver went away");
        Assert.Equal("the driver went away", motion.Coder.FailureReason);
        motion.Viewer.AssertExact(motion.Screen);
        motion.Play(330);
        Assert.True(motion.Coder.Counts.Failures >= 2);
    }

    [Fact]
    public void RateOfTheEncoderIsFixed_AnotherFollowsTheLinkAndOnlyWhenItIsFarOff()
    {
        FailingEncoders encoders = new() { GoodPictures = int.MaxValue, HasFixedRate = true };
        using Motion motion = new(3, encoders);
        motion.Coder.BitsPerSecondMax = (8_000_000, 2_000_000);
        motion.Play(90);
        Assert.Equal([8_000_000], encoders.Rates);
        motion.Coder.BitsPerSecondMax = (7_000_000, 2_000_000);
        motion.Play(30);
        Assert.Equal([8_000_000], encoders.Rates);
        motion.Coder.BitsPerSecondMax = (3_000_000, 2_000_000);
        motion.Play(3);
        motion.Coder.BitsPerSecondMax = (1_000_000, 2_000_000);
        motion.Play(3);
        Assert.Equal([8_000_000, 3_000_000], encoders.Rates); // not again so soon
        motion.Play(90);
        Assert.Equal([8_000_000, 3_000_000, 1_000_000], encoders.Rates);
        Assert.Equal(3, motion.Coder.Counts.KeyFrames);
        Assert.Equal(0, motion.Coder.Counts.Failures);
        motion.Viewer.AssertExactOutside(motion.Screen);
    }

    [Fact]
    public void RegionGrowsStepByStep_EncodersHaveRoomForWhatFollows()
    {
        FailingEncoders encoders = new() { GoodPictures = int.MaxValue };
        using Motion motion = new(11, encoders);
        motion.Video = new(10, 50, 130, 240);
        motion.Play(60);
        Assert.Single(encoders.Rates);
        List<int> widths = [];
        for (; motion.Video.Right < s_size.Width - 8; motion.Video = motion.Video with { Width = motion.Video.Width + 8 })
        {
            motion.Play(2);
            widths.Add(motion.Viewer.Decoder.Regions[0].Bounds.Width);
        }

        // Each is a quarter wider than the one before: 192, 256, 320, 384, ... instead of every step of 64 there is.
        Assert.True(widths[^1] > 2 * widths[0]);
        int steps = (widths[^1] - widths[0]) / 64;
        Assert.InRange(encoders.Rates.Count, 2, Math.Max(3, steps - 1));
        Assert.Equal(encoders.Rates.Count, motion.Coder.Counts.KeyFrames);
        motion.Viewer.AssertExactOutside(motion.Screen);
    }

    [Fact]
    public void NoEncoder_TilesOnlyAndTheReasonIsTold()
    {
        using Motion motion = new(4, new FailingEncoders { Reason = "none here" });
        motion.Play(60);
        Assert.Equal(0, motion.Coder.Counts.Units);
        RegionDecision told = Assert.Single(motion.Decisions, decision => decision.Detail == "none here");
        Assert.NotEqual(0, told.Region);
        Assert.True(motion.Video.Intersects(told.Bounds), $"It names {told.Bounds}.");
        motion.Video = new(400, 300, 200, 120);
        motion.Play(400); // another region, after the ten seconds in which none is tried
        told = motion.Decisions.Last(decision => decision.Detail == "none here");
        Assert.True(new DeviceRectangle(400, 300, 200, 120).Contains(told.Bounds), $"It names {told.Bounds}.");
        motion.Viewer.AssertExact(motion.Screen);
    }

    [Fact]
    public void NobodyDecodesVideoAnyMore_RegionsEnd()
    {
        using Motion motion = new(5);
        motion.Play(30);
        Assert.NotEmpty(motion.Viewer.Decoder.Regions);
        motion.Coder.IsVideoWanted = false;
        motion.Play(1);
        Assert.Empty(motion.Viewer.Decoder.Regions);
        motion.Viewer.AssertExact(motion.Screen);
    }

    [Fact]
    public void SecondQuality_HalfTheSizeAndTheRestStaysExact()
    {
        using Motion motion = new(7);
        using VideoViewer slow = new(motion.Store, TimeProvider.System, decodesVideo: true);
        slow.Chains!.Quality = 1;
        motion.Coder.IsSecondQualityWanted = true;
        List<VideoHead> heads = [];
        slow.Loses = head =>
        {
            heads.Add(head);
            return false;
        };
        for (int i = 0; i < 60; i++)
        {
            motion.Play(1);
            slow.Update(motion.Coder);
            slow.AssertExactOutside(motion.Screen);
        }

        Assert.True(slow.Decoder.Counts.Decoded > 30);
        Assert.Equal(0, slow.Decoder.Counts.Resets);
        Assert.All(heads, head => Assert.True(head.Flags.HasFlag(VideoFlags.HalfSize) && head.CodedSize.Width < head.Bounds.Width));
        // Back to the first: a key frame of that stream, and on it goes.
        slow.Chains.Quality = 0;
        motion.Coder.IsSecondQualityWanted = false;
        heads.Clear();
        for (int i = 0; i < 20; i++)
        {
            motion.Play(1);
            slow.Update(motion.Coder);
        }

        Assert.True(heads.Count > 10 && heads[0].IsKeyFrame && heads.TrueForAll(head => !head.Flags.HasFlag(VideoFlags.HalfSize)));
    }

    [Fact]
    public void SourceEndsWhileVideoPlays_TheLastPictureIsExactAndNoFrameIsHeld()
    {
        using Motion motion = new(8);
        motion.Play(30);
        Assert.NotEqual(0, motion.Screen.Pool.OutstandingCount);
        motion.Coder.EndVideo();
        Assert.Equal(0, motion.Screen.Pool.OutstandingCount);
        motion.Viewer.Update(motion.Coder);
        Assert.Empty(motion.Viewer.Decoder.Regions);
        motion.Viewer.AssertExact(motion.Screen);
    }

    [Fact]
    public void FilmStops_ItIsExactAtOnceWhenItHasRested()
    {
        using Motion motion = new(9);
        motion.Play(60);
        Assert.NotEmpty(motion.Viewer.Decoder.Regions);
        motion.Rest(150);
        motion.Viewer.Update(motion.Coder);
        motion.Viewer.AssertExact(motion.Screen);
    }

    [Fact]
    public void TwoFilms_EachIsAVideoAndTheRestIsExact()
    {
        DeviceRectangle other = new(390, 290, 200, 130);
        using Motion motion = new(12) { Video = new(10, 20, 150, 110), Others = [other] };
        for (int i = 0; i < 75; i++)
        {
            motion.Play(1);
            motion.Viewer.AssertExactOutside(motion.Screen);
        }

        Assert.Equal([motion.Video, other], motion.Viewer.Decoder.Regions.Select(region => region.Bounds).OrderBy(bounds => bounds.X));
        Assert.All(motion.Viewer.Decoder.Regions, region => Assert.True(region.CoveredTiles > 0));
        motion.Rest(300);
        motion.Viewer.Update(motion.Coder);
        motion.Viewer.AssertExact(motion.Screen);
    }

    [Fact]
    public void MoreFilmsThanRegions_FourAreVideosAndTheNextWaitsForAPlace()
    {
        DeviceRectangle[] films = [.. from y in (int[])[10, 262] from x in (int[])[10, 260, 520] select new DeviceRectangle(x, y, 110, 100)];
        using Motion motion = new(14) { Video = films[0], Others = films[1..] };
        Play(75);
        DeviceRectangle[] before = Shown();
        Assert.Equal((4, 4), (before.Length, motion.Coder.Counts.Regions));

        // One of them rests: it gives its place up, to one that had none.
        DeviceRectangle rests = before.First(film => film != films[0]);
        motion.Others = [.. films[1..].Where(film => film != rests)];
        Play(135); // three seconds of it, until nobody waits for it to go on
        DeviceRectangle[] after = Shown();
        Assert.Equal((4, 4), (after.Length, motion.Coder.Counts.Regions));
        Assert.DoesNotContain(rests, after);
        motion.Rest(300);
        motion.Viewer.Update(motion.Coder);
        motion.Viewer.AssertExact(motion.Screen);

        void Play(int frames)
        {
            for (int i = 0; i < frames; i++)
            {
                motion.Play(1);
                Assert.InRange(motion.Viewer.Decoder.Regions.Count, 0, 4);
                motion.Viewer.AssertExactOutside(motion.Screen);
            }
        }

        DeviceRectangle[] Shown() => [.. films.Where(film => motion.Viewer.Decoder.IsCovered(new(film.X + 55, film.Y + 50)))];
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(639, 455)]
    [InlineData(320, 200)]
    [InlineData(600, 30)]
    public void FilmOnAllOfTheScreenStops_NearestToTheFocusIsExactFirst(int x, int y)
    {
        using Motion motion = new(13) { Video = DeviceRectangle.Of(s_size) };
        motion.Coder.Focus = new(x, y);
        motion.Play(30);
        for (int steps = 0; motion.Coder.Counts.RefinedTiles == 0; steps++)
        {
            Assert.InRange(steps, 0, 29);
            motion.Rest(10);
        }

        motion.Viewer.Update(motion.Coder);
        List<long> exact = [], covered = [];
        for (int tile = 0; tile < TileGrid.Columns(s_size) * TileGrid.Rows(s_size); tile++)
        {
            DeviceRectangle bounds = TileGrid.Bounds(s_size, tile % TileGrid.Columns(s_size), tile / TileGrid.Columns(s_size));
            DevicePoint middle = new(bounds.X + (bounds.Width / 2), bounds.Y + (bounds.Height / 2));
            long dx = middle.X - x, dy = middle.Y - y;
            (motion.Viewer.Decoder.IsCovered(middle) ? covered : exact).Add((dx * dx) + (dy * dy));
        }

        Assert.Equal(motion.Coder.Counts.RefinedTiles, exact.Count);
        Assert.NotEmpty(covered);
        Assert.True(exact.Max() <= covered.Min(), $"{Math.Sqrt(exact.Max()):F0} pixels away is exact, {Math.Sqrt(covered.Min()):F0} pixels away is not.");
        motion.Rest(100);
        motion.Viewer.Update(motion.Coder);
        motion.Viewer.AssertExact(motion.Screen);
    }

    [Theory]
    [InlineData(300, 6)]
    [InlineData(6, 200)]
    [InlineData(2, 2)]
    public void WhatMovesShrinksToLessThanTheCodecTakes_TheRegionStaysOneThatViewersAccept(int width, int height)
    {
        using Motion motion = new(10);
        motion.Play(30);
        motion.Video = new(90, 70, width, height);
        motion.Play(60); // 2 s: the region would have shrunk to it
        motion.Rest(300);
        motion.Viewer.Update(motion.Coder);
        motion.Viewer.AssertExact(motion.Screen);
    }

    [Fact]
    public void StripIsNarrowerThanVideoIsMadeOf_StaysTilesAndIsToldOnce()
    {
        using Motion motion = new(13);
        motion.Video = new(44, 10, 40, 440);
        motion.Play(1); // all of the screen
        motion.Rest(1_000);
        for (int i = 0; i < 60; i++)
        {
            motion.Play(1);
            motion.Viewer.AssertExact(motion.Screen);
        }

        RegionDecision told = Assert.Single(motion.Decisions);
        Assert.Equal((RegionStep.StaysSmall, motion.Video), (told.Step, told.Bounds));
        Assert.Equal((1, 0, 0), (motion.Coder.Counts.Small, motion.Coder.Counts.Units, motion.Coder.Counts.Failures));
        motion.Rest(500);
        motion.Play(30);
        Assert.Equal(2, motion.Coder.Counts.Small);
    }

    [Fact]
    public void SteadyMotion_NothingIsAllocated()
    {
        using Motion motion = new(6);
        motion.Play(60);
        Assert.Equal(0, Allocation.LeastOf(() =>
        {
            long before = motion.AllocatedBytes;
            for (int i = 0; i < 200; i++)
            {
                motion.Step();
            }

            return motion.AllocatedBytes - before;
        }));
        Assert.True(motion.Coder.Counts.Units > 200);
    }

    private static void Rest(RegionCoder coder, StepClock clock, double milliseconds)
    {
        for (double passed = 0; passed < milliseconds; passed += 10)
        {
            clock.AdvanceMs(10);
            coder.CodeDue();
        }
    }

    /// <summary>A video of noise in a window, 30 frames a second.</summary>
    private sealed class Motion : IDisposable
    {
        private readonly StepClock _clock = new();
        private readonly IVideoEncoderSource _encoders;

        public Motion(int seed, IVideoEncoderSource? encoders = null)
        {
            Screen = new(s_size, seed);
            Store = new(s_size, 1);
            _encoders = encoders ?? new H264EncoderSource();
            Coder = new(Store, _clock, _encoders, Decisions.Add);
            Viewer = new(Store, _clock, decodesVideo: true);
        }

        public DeviceRectangle Video { get; set; } = new(70, 50, 320, 240);

        /// <summary>Films beside it.</summary>
        public IReadOnlyList<DeviceRectangle> Others { get; set; } = [];

        public PaintedScreen Screen { get; }

        public TileStore Store { get; }

        public RegionCoder Coder { get; }

        public VideoViewer Viewer { get; }

        public List<RegionDecision> Decisions { get; } = [];

        /// <summary>By the coder, on this thread.</summary>
        public long AllocatedBytes { get; private set; }

        public void Play(int frames)
        {
            for (int i = 0; i < frames; i++)
            {
                Step();
                Viewer.Update(Coder);
            }
        }

        public void Rest(double milliseconds) => RegionPathTests.Rest(Coder, _clock, milliseconds);

        public void Step()
        {
            Screen.Noise(Video);
            foreach (DeviceRectangle film in Others)
            {
                Screen.Noise(film);
            }

            _clock.AdvanceMs(33);
            using FrameLease lease = Screen.Take();
            long before = GC.GetAllocatedBytesForCurrentThread();
            Coder.Code(lease);
            AllocatedBytes += GC.GetAllocatedBytesForCurrentThread() - before;
        }

        public void Dispose()
        {
            Viewer.Dispose();
            Coder.Dispose();
            Store.Dispose();
            (_encoders as IDisposable)?.Dispose();
            Screen.Dispose();
        }
    }

    private sealed class FailingEncoders : IVideoEncoderSource
    {
        public int GoodPictures { get; init; }

        public string? Reason { get; init; }

        public bool HasFixedRate { get; init; }

        public List<int> Rates { get; } = [];

        public IVideoEncoder? Rent(DeviceSize size, int framesPerSecondMax, int bitsPerSecondMax, out string reason)
        {
            Rates.Add(bitsPerSecondMax);
            using H264EncoderSource source = new();
            reason = Reason ?? "";
            return Reason is null ? new Failing(source.Rent(size, framesPerSecondMax, bitsPerSecondMax, out reason)!, GoodPictures, HasFixedRate) : null;
        }

        public void Return(IVideoEncoder encoder) => encoder.Dispose();

        private sealed class Failing(IVideoEncoder inner, int good, bool hasFixedRate) : IVideoEncoder
        {
            private int _left = good;

            public DeviceSize Size => inner.Size;

            public YuvPicture Input => inner.Input;

            public string FailureReason { get; private set; } = "";

            public bool TrySetBitsPerSecondMax(int bitsPerSecond) => !hasFixedRate && inner.TrySetBitsPerSecondMax(bitsPerSecond);

            public bool TryEncode(long ptsNs, bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame)
            {
                if (_left-- > 0)
                {
                    return inner.TryEncode(ptsNs, forceKeyFrame, out accessUnit, out isKeyFrame);
                }

                accessUnit = default;
                isKeyFrame = false;
                FailureReason = "the driver went away";
                return false;
            }

            public void Dispose() => inner.Dispose();
        }
    }
}
