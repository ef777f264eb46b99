using System.Globalization;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Peers;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Motion;

/// <summary>A film on the whole screen for two viewers, one of them behind a line of 2 Mbit/s: the other must not notice, and the slow
/// one must stay near the present and never see a broken picture.</summary>
internal static class TwoViewersRun
{
    private const double SlowBytesPerSecond = 2e6 / 8;

    /// <summary>A picture of the right frame coded for a slow line is well above it; one of two frames, or without its reference, below.</summary>
    private const double BrokenDecibels = 18;

    public static async Task RunAsync(
        RunBuilder run, PrivateDisplay display, VideoLoop film, ShareProcess share, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        TimeProvider time = options.Time;
        TimeSpan alone = TimeSpan.FromSeconds(options.Quick ? 2 : 20), together = TimeSpan.FromSeconds(options.Quick ? 3 : 40), warm = TimeSpan.FromSeconds(options.Quick ? 1 : 3);
        using X11Connection painting = X11Connection.TryOpen(display.Name, out string error) ?? throw new LaboratoryException(error);
        using var load = new FilmLoad(painting, film, DeviceRectangle.Of(display.Server.Size), 30);
        using var painter = new MotionPainter(painting, load, time);
        painter.Start();
        var fastWatch = new ViewerWatch(painter.Times, load.Strip);
        await using HeadlessViewer fast = await HeadlessViewer.ConnectAsync(share.Url, fastWatch.Options, time, cancellationToken);
        (SightMatch before, _) = await PhaseAsync(fastWatch, null, alone);
        report(0.35);

        await using var link = new NarrowLink(share.Url.Port, SlowBytesPerSecond, time);
        var slowWatch = new ViewerWatch(painter.Times, load.Strip);
        // Its own buffer is small too, or the line would end in it.
        await using HeadlessViewer slow = await HeadlessViewer.ConnectAsync(
            new UriBuilder(share.Url) { Port = link.Port }.Uri, slowWatch.Options with { ReceiveBufferBytes = 16 << 10 }, time, cancellationToken);
        long bytes = link.Bytes;
        slowWatch.StartSampling(options.Quick ? 3 : 20);
        (SightMatch during, SightMatch? slowMatch) = await PhaseAsync(fastWatch, slowWatch, together);
        double slowMegabits = (link.Bytes - bytes) * 8 / (together + warm).TotalSeconds / 1e6;
        long untilNs = time.GetMonotonicNanoseconds();
        slowWatch.StopSampling();
        painter.Stop();

        AddResults(run, film, load, painter.Times, before, during, slowMatch!, slowWatch, slow, slowMegabits, untilNs, together);

        async Task<(SightMatch Fast, SightMatch? Slow)> PhaseAsync(ViewerWatch watched, ViewerWatch? other, TimeSpan duration)
        {
            await Task.Delay(warm, time, cancellationToken);
            long fromNs = time.GetMonotonicNanoseconds();
            await Task.Delay(duration, time, cancellationToken);
            long phaseEndNs = time.GetMonotonicNanoseconds();
            await Task.Delay(TimeSpan.FromMilliseconds(500), time, cancellationToken);
            return (SightMatch.Of(painter.Times, watched.Sights, fromNs, phaseEndNs), other is null ? null : SightMatch.Of(painter.Times, other.Sights, fromNs, phaseEndNs));
        }
    }

    private static void AddResults(
        RunBuilder run, VideoLoop film, FilmLoad load, FrameTimes times, SightMatch before, SightMatch during, SightMatch slow, ViewerWatch slowWatch, HeadlessViewer slowViewer,
        double slowMegabits, long untilNs, TimeSpan together)
    {
        string name = load.Name;
        run.Add(ToCase($"two-viewers-alone-{name}", before, null));
        run.Add(ToCase($"two-viewers-beside-{name}", during, null));

        // Broken is a picture whose number cannot be read once the first film frame was there, or that is not the picture of its number.
        var worst = double.PositiveInfinity;
        var area = new DeviceRectangle(0, NumberStrip.BlockPixels, film.Size.Width, film.Size.Height - NumberStrip.BlockPixels);
        long broken = 0;
        var all = new PictureQuality();
        foreach (ViewerWatch.Sample sample in slowWatch.Samples)
        {
            var one = new PictureQuality();
            one.Add(sample.Pixels, sample.StrideBytes, film.GetPicture(sample.Frame), film.StrideBytes, area);
            all.Add(sample.Pixels, sample.StrideBytes, film.GetPicture(sample.Frame), film.StrideBytes, area);
            worst = Math.Min(worst, one.LumaDecibels);
            broken += one.LumaDecibels < BrokenDecibels ? 1 : 0;
        }

        // The second half against the first: what grows, grows between them.
        long middleNs = untilNs - (long)(together.TotalNanoseconds / 2);
        LatencyHistogram early = new(), late = new();
        long lastNs = untilNs - (long)together.TotalNanoseconds, gapNs = 0;
        foreach (FrameSight sight in slowWatch.Sights.Where(sight => sight.SeenNs >= untilNs - (long)together.TotalNanoseconds))
        {
            (sight.SeenNs < middleNs ? early : late).Record(sight.SeenNs - times.GetNs(sight.Frame));
            gapNs = Math.Max(gapNs, sight.SeenNs - lastNs);
            lastNs = sight.SeenNs;
        }

        gapNs = Math.Max(gapNs, untilNs - lastNs);
        double growth = early.Count > 0 && late.Count > 0 ? (double)late.P95Ns / early.P95Ns : double.PositiveInfinity;
        string slowName = $"two-viewers-slow-{name}";
        run.Add(ToCase(slowName, slow, new Dictionary<string, double>
        {
            ["megabitsPerSecond"] = slowMegabits,
            ["longestGapMs"] = gapNs / 1e6,
            ["p95MsFirstHalf"] = early.P95Ns / 1e6,
            ["p95MsSecondHalf"] = late.P95Ns / 1e6,
            ["pictures"] = slowWatch.Samples.Count,
            ["psnrDb"] = all.LumaDecibels,
            ["worstPsnrDb"] = slowWatch.Samples.Count > 0 ? worst : double.NaN,
            ["brokenPictures"] = broken + slowWatch.Unreadable,
            ["connections"] = slowViewer.ConnectionCount,
        }));
        run.Add(RatioRecord.Of($"two-viewers-beside-{name} p99Ms vs alone", (double)during.Latency.P99Ns / Math.Max(1, before.Latency.P99Ns), 1.2));
        run.AddGoal($"{slowName} p95Ms", slow.Shown == 0 ? double.PositiveInfinity : slow.Latency.P95Ns / 1e6, 400);
        run.AddGoal($"{slowName} p95MsSecondHalf over p95MsFirstHalf", growth, 1.2);
        run.AddGoal($"{slowName} brokenPictures", broken + slowWatch.Unreadable, 0);
    }

    private static CaseRecord ToCase(string name, SightMatch match, Dictionary<string, double>? further)
    {
        var metrics = new Dictionary<string, double> { ["painted"] = match.Painted, ["shown"] = match.Shown, ["missed"] = match.Missed, ["backwards"] = match.Backwards };
        foreach ((string key, double value) in further ?? [])
        {
            metrics[key] = value;
        }

        return RoundSeries.ToCase(
            name, match.Latency, new Dictionary<string, string> { ["slowBitsPerSecond"] = (SlowBytesPerSecond * 8).ToString(CultureInfo.InvariantCulture) }, metrics);
    }
}
