using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Measurement;

namespace Vitrine.Lab.Capture;

/// <summary>Three loads as desktops have them. A second thread paints; the frame's time is that from the damage event to the pixels
/// in our memory, and the processor time is that of the X server and of this whole process, painting included.</summary>
internal static class CaptureLoads
{
    // Frame times and shares of a core that the loads were measured with elsewhere: to be ahead of each.
    private const double ContinuousGoalMs = 12.3, ContinuousGoalCores = 0.38;
    private const double RegionGoalMs = 47.6, RegionGoalCores = 0.61;
    private const double WindowGoalMs = 29.1, WindowGoalCores = 0.44;

    /// <summary>The whole screen changes, 60 times a second.</summary>
    public static void RunContinuous(RunBuilder run, PrivateDisplay display, LabOptions options, CancellationToken cancellationToken)
    {
        DeviceSize size = display.Server.Size;
        Measure(run, $"load-continuous/{size}", display, DeviceRectangle.Of(size), 60, ContinuousGoalMs, ContinuousGoalCores, options, cancellationToken);
    }

    /// <summary>A part of the screen across two monitors changes, 30 times a second.</summary>
    public static void RunRegion(RunBuilder run, PrivateDisplay display, DeviceRectangle region, LabOptions options, CancellationToken cancellationToken) =>
        Measure(run, $"load-region/{region.Size}", display, region, 30, RegionGoalMs, RegionGoalCores, options, cancellationToken);

    private static void Measure(
        RunBuilder run, string name, PrivateDisplay display, DeviceRectangle region, int changesPerSecond, double goalMs, double goalCores,
        LabOptions options, CancellationToken cancellationToken)
    {
        using var window = new PaintedWindow(display.Painter, region, 0x204060, "Vitrine load");
        window.Show();
        window.Raise();
        display.Painter.Synchronize();
        // Bands of another colour and a scroll: every pixel of the region changes, and drawing it costs the server little.
        int step = 0;
        var paint = new LoadPainter(display.Painter, changesPerSecond, options.Time, () =>
        {
            const int Bands = 24;
            step++;
            for (int i = 0; i < Bands; i++)
            {
                int top = region.Height * i / Bands, bottom = region.Height * (i + 1) / Bands;
                window.Fill(new DeviceRectangle(0, top, region.Width, bottom - top), (uint)(((step * 7) + (i * 11)) & 0xFF) * 0x010203u & 0xFFFFFF);
            }
        });
        long opened = options.Time.GetMonotonicNanoseconds();
        using X11ScreenSource source = display.Open(X11Capture.Shm, options.Time, region);
        LoadResult result = LoadRunner.Run(source, paint, opened, display.Server.ProcessId, options, cancellationToken);
        Add(run, name, result, changesPerSecond, goalMs, goalCores, () => source.SkippedCount);
    }

    /// <summary>A window of 800x600 moves 30 times a second, and is followed.</summary>
    public static void RunMovingWindow(RunBuilder run, PrivateDisplay display, LabOptions options, CancellationToken cancellationToken)
    {
        const int MovesPerSecond = 30;
        var place = new DeviceRectangle(100, 100, 800, 600);
        using var window = new PaintedWindow(display.Painter, place, 0xF0F0F0, "Vitrine moving window");
        window.Show();
        window.Raise();
        display.Painter.Synchronize();
        int step = 0;
        DeviceSize room = new(display.Server.Size.Width - place.Width, display.Server.Size.Height - place.Height);
        var paint = new LoadPainter(display.Painter, MovesPerSecond, options.Time, () =>
        {
            step++;
            window.Move(step * 13 % room.Width, step * 7 % room.Height);
            window.Fill(new DeviceRectangle(step * 5 % 700, step * 3 % 500, 100, 100), (uint)(step * 0x10305) & 0xFFFFFF);
        });
        long opened = options.Time.GetMonotonicNanoseconds();
        using X11WindowSource source = X11Capture.TryOpenWindow(
            new X11CaptureOptions { DisplayName = display.Name, Time = options.Time }, window.Id, out string error) ?? throw new LaboratoryException(error);
        LoadResult result = LoadRunner.Run(source, paint, opened, display.Server.ProcessId, options, cancellationToken);
        Add(run, $"load-window/{place.Size}", result, MovesPerSecond, WindowGoalMs, WindowGoalCores, () => source.SkippedCount);
    }

    private static void Add(RunBuilder run, string name, LoadResult result, int changesPerSecond, double goalMs, double goalCores, Func<long> dropped)
    {
        ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample sample);
        run.Add(RoundSeries.ToCase(
            name,
            result.FrameTimes,
            new Dictionary<string, string> { ["changesPerSecond"] = changesPerSecond.ToString(System.Globalization.CultureInfo.InvariantCulture) },
            new Dictionary<string, double>
            {
                ["firstFrameMs"] = result.FirstFrameMs,
                ["meanFps"] = result.MeanFps,
                ["cpuCores"] = result.CpuCores,
                ["peakRssBytes"] = sample.PeakResidentBytes,
                ["gcPauseMsP99"] = result.GcPauseP99Ms,
                ["allocatedBytesPerFrame"] = result.AllocatedBytesPerFrame,
                ["dropped"] = dropped(),
            }));
        run.AddGoal($"{name} p50Ms", result.FrameTimes.P50Ns / 1e6, goalMs);
        run.AddGoal($"{name} cpuCores", result.CpuCores, goalCores);
    }
}
