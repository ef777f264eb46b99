using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Motion;
using Vitrine.Lab.Peers;

namespace Vitrine.Lab.Tests.Motion;

/// <summary>What is read from the pictures of real peers that share a film.</summary>
public sealed class ViewerWatchTests : IDisposable
{
    private const int SamplesWanted = 3;
    private static readonly TimeSpan s_long = TimeSpan.FromSeconds(60);
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(120));
    private readonly PrivateDisplay _display = PrivateDisplay.Start(new DeviceSize(800, 600));
    private readonly VideoLoop _film = new(new DeviceSize(640, 400), 8);
    private readonly X11Connection _painting;
    private readonly ScreenTruth _truth;
    private readonly FilmLoad _load;
    private readonly MotionPainter _painter;
    private readonly ViewerWatch _watch;

    public ViewerWatchTests()
    {
        _painting = X11Connection.TryOpen(_display.Name, out string error) ?? throw new InvalidOperationException(error);
        _truth = new ScreenTruth(_display, TimeProvider.System);
        _load = new FilmLoad(_painting, _film, new(81, 67, 640, 400), 10);
        _painter = new MotionPainter(_painting, _load, TimeProvider.System);
        _watch = new ViewerWatch(_painter.Times, _load.Strip);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(8)]
    public async Task VncServer_NumbersAreReadAndTheRestIsExactUnlessItIsJpeg(int? jpegQuality)
    {
        (VncPeer? peer, string reason) = await VncPeer.TryStartAsync(_display.Name, _deadline.Token);
        Assert.True(peer is not null, reason);
        await using VncPeer owned = peer;
        using var client = new RfbClient(TimeProvider.System) { JpegQuality = jpegQuality, UpdateDecoded = _watch.OnPicture };
        client.Connect(peer.Port);
        Task reading = Task.Factory.StartNew(() => client.Run(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        (double luma, double colour) = await PlayAsync();
        if (jpegQuality is not null)
        {
            Assert.InRange(luma, 30, 70); // 99 when nothing was lost
            Assert.InRange(colour, 28, 70);
        }
        else
        {
            Assert.NotNull(await _watch.WaitExactAsync(client.ReadPicture, _truth.Copy(), s_long, TimeProvider.System));
        }

        client.Dispose();
        await reading.WaitAsync(_deadline.Token);
    }

    [Fact]
    public async Task Ffmpeg_NumbersAreReadAndTheRestIsNearButNotExact()
    {
        await using FfmpegEncodePeer? peer = FfmpegEncodePeer.TryStart(_display.Name, _display.Server.Size, 20, TimeProvider.System, _watch.OnPicture);
        Assert.True(peer is not null, $"ffmpeg is missing; install {FfmpegEncodePeer.Package}");
        (double luma, double colour) = await PlayAsync();
        Assert.InRange(luma, 28, 70);
        Assert.InRange(colour, 25, 70);
        Assert.InRange(peer.Bytes, 1, long.MaxValue);

        // Pictures of the screen at rest: the first one after it may still be of before.
        long frames = peer.Frames;
        Assert.True(await Conditions.WaitAsync(() => peer.Frames >= frames + 5, s_long, TimeProvider.System, _deadline.Token));
        byte[] truth = _truth.Copy();
        var quality = new PictureQuality();
        peer.ReadPicture((pixels, size) =>
        {
            Assert.False(PictureComparison.AreEqual(pixels, truth));
            quality.Add(pixels, size.Width * FrameFormat.BytesPerPixel, truth, size.Width * FrameFormat.BytesPerPixel, DeviceRectangle.Of(size));
        });
        Assert.InRange(quality.LumaDecibels, 28, 70);
    }

    public void Dispose()
    {
        _painter.Dispose();
        _load.Dispose();
        _truth.Dispose();
        _painting.Dispose();
        _film.Dispose();
        _display.Dispose();
        _deadline.Dispose();
    }

    /// <summary>Plays until enough was seen, and stops.</summary>
    /// <returns>The best of the pictures, in decibels: any other may be of two frames.</returns>
    private async Task<(double Luma, double Colour)> PlayAsync()
    {
        _painter.Start();
        Assert.True(await Conditions.WaitAsync(() => _watch.Shown > 0, s_long, TimeProvider.System, _deadline.Token), "no number was read");
        long first = _watch.Shown;
        _watch.StartSampling(SamplesWanted);
        Assert.True(await Conditions.WaitAsync(() => _watch.Samples.Count == SamplesWanted, s_long, TimeProvider.System, _deadline.Token), $"{_watch.Samples.Count} samples");
        Assert.True(_watch.Shown > first);
        Assert.True(_watch.Shown <= _painter.Times.Last);
        _painter.Stop();
        int strideBytes = _display.Server.Size.Width * FrameFormat.BytesPerPixel;
        double luma = 0, colour = 0;
        foreach (ViewerWatch.Sample sample in _watch.Samples.OrderBy(sample => sample.Frame))
        {
            _painter.Repaint(sample.Frame);
            var quality = new PictureQuality();
            quality.Add(sample.Pixels, sample.StrideBytes, _truth.Copy(), strideBytes, _load.Area);
            (luma, colour) = (Math.Max(luma, Math.Min(quality.LumaDecibels, 99)), Math.Max(colour, Math.Min(quality.ColourDecibels, 99)));
        }

        return (luma, colour);
    }
}
