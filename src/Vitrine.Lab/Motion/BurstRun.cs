using System.Globalization;
using Vitrine.Capture.X11;
using Vitrine.Codecs.Regions;
using Vitrine.Frames;
using Vitrine.Lab.Browser;
using Vitrine.Lab.Content;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Motion;

/// <summary>Bursts of motion anywhere, of any size, length and content. After each the picture must equal the screen within 300 ms of
/// the last change, in a client of ours and on the canvas of a browser; and around it nothing may ever differ.</summary>
internal static class BurstRun
{
    private const double RestMs = 300;
    private const int LateOnesMax = 20;

    public static async Task RunAsync(
        RunBuilder run, PrivateDisplay display, VideoLoop film, ShareProcess share, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        TimeProvider time = options.Time;
        int bursts = options.Quick ? 2 : 200;
        using X11Connection painting = X11Connection.TryOpen(display.Name, out string error) ?? throw new LaboratoryException(error);
        using var background = new RandomPainter(painting, seed: 4);
        for (int i = 0; i < 200; i++)
        {
            background.Step();
        }

        if (!background.TrySynchronize())
        {
            throw new LaboratoryException("The display is gone.");
        }

        using var truth = new ScreenTruth(display, time);
        using var image = new SharedImage(painting, film);
        var watch = new SurroundingsWatch();
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, watch.Watch.Options with { FrameApplied = watch.OnFrame }, time, cancellationToken);
        await using Chromium browser = await Chromium.StartAsync(MotionLaboratory.Screen, cancellationToken);
        BrowserPage page = await browser.OpenAsync(share.Url.AbsoluteUri, cancellationToken);
        if (!await page.WaitUntilAsync(CanvasProbe.ShowsAPicture, TimeSpan.FromSeconds(15), cancellationToken))
        {
            throw new LaboratoryException($"The page shows no picture: {string.Join("; ", page.Console)}");
        }

        var random = new Random(5);
        var exact = new LatencyHistogram();
        var lateOnes = new List<string>(); // which ones, for whoever looks for the reason
        int late = 0, never = 0, canvasLate = 0;
        long frames = 0;
        for (int burst = 0; burst < bursts; burst++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            report((double)burst / bursts);
            using var load = new BurstLoad(painting, film, image, display.Server.Size, random, burst);
            painting.Synchronize();
            byte[] before = truth.Copy();
            if (await watch.Watch.WaitExactAsync(viewer.ReadPicture, before, TimeSpan.FromSeconds(5), time) is null)
            {
                throw new LaboratoryException($"The viewer does not show the screen 5 s after a window came (burst {burst}).");
            }

            using var painter = new MotionPainter(painting, load, time);
            watch.Begin(before, display.Server.Size, load, film, painter.Times);
            painter.Start();
            await Task.Delay(load.Duration, time, cancellationToken);
            long lastDrawNs = painter.Stop();
            frames += painter.Times.Last;
            byte[] after = truth.Copy();
            long? exactNs = await watch.Watch.WaitExactAsync(viewer.ReadPicture, after, TimeSpan.FromSeconds(3), time);
            watch.End();
            double restedMs = (time.GetMonotonicNanoseconds() - lastDrawNs) / 1e6;
            if (restedMs < RestMs)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(RestMs - restedMs), time, cancellationToken);
            }

            (byte[] canvas, _) = await CanvasProbe.HashAsync(page, cancellationToken);
            canvasLate += canvas.AsSpan().SequenceEqual(CanvasProbe.Hash(after, FrameFormat.Packed(truth.Size))) ? 0 : 1;
            never += exactNs is null ? 1 : 0;
            if (exactNs is long ns)
            {
                exact.Record(Math.Max(0, ns - lastDrawNs));
                late += (ns - lastDrawNs) / 1e6 > RestMs ? 1 : 0;
            }

            if ((exactNs is null || (exactNs.Value - lastDrawNs) / 1e6 > RestMs) && lateOnes.Count < LateOnesMax)
            {
                string after300 = exactNs is null ? "never" : string.Create(CultureInfo.InvariantCulture, $"{(exactNs.Value - lastDrawNs) / 1e6:0} ms");
                lateOnes.Add(string.Create(CultureInfo.InvariantCulture, $"{burst}: {load}, {after300}"));
            }
        }

        string name = $"bursts/{bursts}";
        run.Add(RoundSeries.ToCase(
            name, exact,
            new Dictionary<string, string> { ["restMs"] = RestMs.ToString(CultureInfo.InvariantCulture), ["late"] = string.Join("; ", lateOnes) },
            new Dictionary<string, double>
            {
                ["bursts"] = bursts,
                ["frames"] = frames,
                ["late"] = late,
                ["never"] = never,
                ["canvasLate"] = canvasLate,
                ["picturesChecked"] = watch.Pictures,
                ["pixelsWrongAround"] = watch.WrongPixels,
                ["pixelsCoveredAround"] = watch.CoveredPixels,
                ["picturesWithVideo"] = watch.PicturesWithVideo,
                ["picturesWrongBesideVideo"] = watch.WrongBesideVideo,
            }));
        run.AddGoal($"{name} late", late + never, 0);
        run.AddGoal($"{name} canvasLate", canvasLate, 0);
        run.AddGoal($"{name} pixelsWrongAround", watch.WrongPixels, 0);
        run.AddGoal($"{name} picturesWrongBesideVideo", watch.WrongBesideVideo, 0);
    }

    /// <summary>Compares, in every picture, everything around a burst with what was there before it; and of a film what no video covers
    /// with the frames that were painted: it must be one of them, to the last pixel.</summary>
    private sealed class SurroundingsWatch
    {
        private const int TileSide = 64;

        /// <summary>Frames that a picture may be behind: at 60 a second half a second.</summary>
        private const int FramesBehindMax = 30;

        private readonly Lock _lock = new();
        private readonly PictureReader _look;
        private byte[]? _before;
        private DeviceSize _size;
        private byte[] _mask = [];
        private BurstLoad? _load;
        private VideoLoop? _film;
        private FrameTimes? _times;
        private HeadlessViewer? _viewer;

        public SurroundingsWatch() => _look = Look;

        public ViewerWatch Watch { get; } = new(new FrameTimes(), null);

        public long Pictures { get; private set; }

        public long WrongPixels { get; private set; }

        /// <summary>Pixels around bursts that differed because video covered them.</summary>
        public long CoveredPixels { get; private set; }

        public long PicturesWithVideo { get; private set; }

        public long WrongBesideVideo { get; private set; }

        public void Begin(byte[] before, DeviceSize size, BurstLoad load, VideoLoop film, FrameTimes times)
        {
            lock (_lock)
            {
                (_before, _size, _load, _film, _times) = (before, size, load, film, times);
            }
        }

        public void End()
        {
            lock (_lock)
            {
                _before = null;
            }
        }

        public void OnFrame(HeadlessViewer viewer, FrameReport frame)
        {
            Watch.OnFrame(viewer, frame);
            _viewer = viewer;
            viewer.ReadPicture(_look);
        }

        private void Look(ReadOnlySpan<byte> pixels, DeviceSize size)
        {
            lock (_lock)
            {
                if (_before is not null && size == _size)
                {
                    Pictures++;
                    WrongPixels += PictureComparison.CountOutside(pixels, _before, size, _load!.Place, IsWrong);
                    if (_load.FilmSource is { } source)
                    {
                        PicturesWithVideo += MarkCovered(_load.Place) ? 1 : 0;
                        WrongBesideVideo += IsOneOfTheFrames(pixels, source) ? 0 : 1;
                    }
                }
            }
        }

        // A region is even in place and size: it may cover one row and one column beside what moves.
        private bool IsWrong(DevicePoint pixel)
        {
            bool isCovered = _viewer!.IsCovered(pixel);
            CoveredPixels += isCovered ? 1 : 0;
            return !isCovered;
        }

        // Of a region a tile is covered, or it is not; a pixel of both tells which.
        private bool MarkCovered(DeviceRectangle place)
        {
            if (_mask.Length < place.Area)
            {
                _mask = new byte[place.Area];
            }

            Array.Clear(_mask);
            bool any = false;
            foreach (ShownRegion region in _viewer!.Regions)
            {
                DeviceRectangle bounds = region.Bounds.Intersect(place);
                for (int y = bounds.Y; y < bounds.Bottom; y = ((y / TileSide) + 1) * TileSide)
                {
                    for (int x = bounds.X; x < bounds.Right; x = ((x / TileSide) + 1) * TileSide)
                    {
                        if (!_viewer.IsCovered(new DevicePoint(x, y)))
                        {
                            continue;
                        }

                        any = true;
                        int right = Math.Min(bounds.Right, ((x / TileSide) + 1) * TileSide), bottom = Math.Min(bounds.Bottom, ((y / TileSide) + 1) * TileSide);
                        for (int row = y; row < bottom; row++)
                        {
                            _mask.AsSpan(((row - place.Y) * place.Width) + x - place.X, right - x).Fill(1);
                        }
                    }
                }
            }

            return any;
        }

        private bool IsOneOfTheFrames(ReadOnlySpan<byte> pixels, DevicePoint source)
        {
            DeviceRectangle place = _load!.Place;
            long last = _times!.Last;
            for (long frame = last; frame >= 1 && frame > last - FramesBehindMax; frame--)
            {
                int offset = (source.Y * _film!.StrideBytes) + (source.X * FrameFormat.BytesPerPixel);
                if (Shows(pixels, place, _film.GetPicture(frame)[offset..], _film.StrideBytes))
                {
                    return true;
                }
            }

            // Before the first frame has come it is the empty window.
            int before = (place.Y * _size.Width * FrameFormat.BytesPerPixel) + (place.X * FrameFormat.BytesPerPixel);
            return Shows(pixels, place, _before.AsSpan(before), _size.Width * FrameFormat.BytesPerPixel);
        }

        private bool Shows(ReadOnlySpan<byte> pixels, DeviceRectangle place, ReadOnlySpan<byte> painted, int paintedStrideBytes)
        {
            int strideBytes = _size.Width * FrameFormat.BytesPerPixel, rowBytes = place.Width * FrameFormat.BytesPerPixel;
            for (int y = 0; y < place.Height; y++)
            {
                ReadOnlySpan<byte> shown = pixels.Slice(((place.Y + y) * strideBytes) + (place.X * FrameFormat.BytesPerPixel), rowBytes);
                ReadOnlySpan<byte> expected = painted.Slice(y * paintedStrideBytes, rowBytes);
                ReadOnlySpan<byte> mask = _mask.AsSpan(y * place.Width, place.Width);
                // Run by run of pixels that no video covers.
                for (int x = mask.IndexOf((byte)0); x >= 0;)
                {
                    int length = mask[x..].IndexOf((byte)1);
                    length = length < 0 ? mask.Length - x : length;
                    if (!PictureComparison.AreEqual(shown.Slice(x * 4, length * 4), expected.Slice(x * 4, length * 4)))
                    {
                        return false;
                    }

                    x += length;
                    int next = mask[x..].IndexOf((byte)0);
                    x = next < 0 ? -1 : x + next;
                }
            }

            return true;
        }
    }

    /// <summary>A window with one of: a part of the film, text that scrolls, bands of colour that wander.</summary>
    private sealed class BurstLoad : MotionLoad
    {
        private readonly SharedImage _image;
        private readonly PaintedWindow _window;
        private readonly DevicePoint _source;
        private readonly int _kind;
        private readonly uint _font;
        private readonly int _step;

        public BurstLoad(X11Connection connection, VideoLoop film, SharedImage image, DeviceSize screen, Random random, int burst)
            : base($"burst/{burst}", random.Next(15, 61))
        {
            _image = image;
            int width = random.Next(24, 1400), height = random.Next(24, 900);
            Place = new DeviceRectangle(random.Next(0, screen.Width - width), random.Next(0, screen.Height - height), width, height);
            Duration = TimeSpan.FromSeconds(0.2 + (random.NextDouble() * 1.8));
            _source = new DevicePoint(random.Next(0, film.Size.Width - width), random.Next(0, film.Size.Height - height));
            _kind = random.Next(10) switch { < 6 => 0, < 8 => 1, _ => 2 };
            _step = random.Next(1, 24);
            _font = PaintedWindow.OpenFont(connection, "fixed");
            _window = new PaintedWindow(connection, Place, 0xF4F4F0, "Vitrine burst", _font);
            _window.Show();
            _window.Raise();
        }

        public DeviceRectangle Place { get; }

        public TimeSpan Duration { get; }

        /// <summary>Where in the film's pictures a part is taken from; null when it is no film.</summary>
        public DevicePoint? FilmSource => _kind == 0 ? _source : null;

        public override void Paint(long frame)
        {
            DeviceRectangle all = new(0, 0, Place.Width, Place.Height);
            switch (_kind)
            {
                case 0:
                    _image.Put(_window, frame, all with { X = _source.X, Y = _source.Y }, 0, 0);
                    break;
                case 1 when _font != 0:
                    _window.Copy(all with { Y = Math.Min(_step, all.Height - 1), Height = Math.Max(1, all.Height - _step) }, 0, 0);
                    _window.Text(4, all.Height - 3, $"{frame} {new string((char)('a' + (frame % 26)), 120)}", 0x102030, 0xF4F4F0);
                    break;
                default:
                    for (int band = 0; band < 16; band++)
                    {
                        int top = all.Height * band / 16, bottom = all.Height * (band + 1) / 16;
                        _window.Fill(all with { Y = top, Height = bottom - top }, (uint)(((frame * _step) + (band * 11)) & 0xFF) * 0x010203u & 0xFFFFFF);
                    }

                    break;
            }
        }

        public override string ToString() => string.Create(
            CultureInfo.InvariantCulture, $"{(_kind switch { 0 => "film", 1 => "text", _ => "bands" })} {Place} {Duration.TotalSeconds:0.0} s at {ChangesPerSecond:0}");

        public override void Dispose() => _window.Dispose();
    }
}
