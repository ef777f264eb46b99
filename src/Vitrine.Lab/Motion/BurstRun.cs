using System.Globalization;
using Vitrine.Capture.X11;
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

    public static async Task RunAsync(
        RunBuilder run, PrivateDisplay display, VideoLoop film, ShareProcess share, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        TimeProvider time = options.Time;
        int bursts = options.Quick ? 3 : 200;
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
        int late = 0, never = 0, canvasLate = 0;
        long frames = 0;
        for (int burst = 0; burst < bursts; burst++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            report((double)burst / bursts);
            using var load = new BurstLoad(painting, film, image, display.Server.Size, random, burst);
            painting.Synchronize();
            byte[] before = truth.Copy();
            if (await watch.Watch.WaitExactAsync(viewer, before, TimeSpan.FromSeconds(5), time) is null)
            {
                throw new LaboratoryException($"The viewer does not show the screen 5 s after a window came (burst {burst}).");
            }

            watch.Begin(before, display.Server.Size, load.Place);
            using var painter = new MotionPainter(painting, load, time);
            painter.Start();
            await Task.Delay(load.Duration, time, cancellationToken);
            long lastDrawNs = painter.Stop();
            frames += painter.Times.Last;
            byte[] after = truth.Copy();
            long? exactNs = await watch.Watch.WaitExactAsync(viewer, after, TimeSpan.FromSeconds(3), time);
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
        }

        string name = $"bursts/{bursts}";
        run.Add(RoundSeries.ToCase(
            name, exact, new Dictionary<string, string> { ["restMs"] = RestMs.ToString(CultureInfo.InvariantCulture) },
            new Dictionary<string, double>
            {
                ["bursts"] = bursts,
                ["frames"] = frames,
                ["late"] = late,
                ["never"] = never,
                ["canvasLate"] = canvasLate,
                ["picturesChecked"] = watch.Pictures,
                ["pixelsWrongAround"] = watch.WrongPixels,
            }));
        run.AddGoal($"{name} late", late + never, 0);
        run.AddGoal($"{name} canvasLate", canvasLate, 0);
        run.AddGoal($"{name} pixelsWrongAround", watch.WrongPixels, 0);
        run.NotMeasured("bursts: pixels within a burst's own rectangle that no video covers are looked at when it rests only.");
    }

    /// <summary>Compares everything around a burst with what was there before it, in every picture.</summary>
    private sealed class SurroundingsWatch
    {
        private readonly Lock _lock = new();
        private readonly PictureReader _look;
        private byte[]? _before;
        private DeviceSize _size;
        private DeviceRectangle _place;

        public SurroundingsWatch() => _look = Look;

        public ViewerWatch Watch { get; } = new(new FrameTimes(), null);

        public long Pictures { get; private set; }

        public long WrongPixels { get; private set; }

        public void Begin(byte[] before, DeviceSize size, DeviceRectangle place)
        {
            lock (_lock)
            {
                (_before, _size, _place) = (before, size, place);
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
            viewer.ReadPicture(_look);
        }

        private void Look(ReadOnlySpan<byte> pixels, DeviceSize size)
        {
            lock (_lock)
            {
                if (_before is not null && size == _size)
                {
                    Pictures++;
                    WrongPixels += PictureComparison.CountOutside(pixels, _before, size, _place);
                }
            }
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

        public override void Dispose() => _window.Dispose();
    }
}
