using System.Globalization;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Browser;
using Vitrine.Lab.Content;
using Vitrine.Lab.Latency;
using Vitrine.Measurement;

namespace Vitrine.Lab.Motion;

/// <summary>How late films are on the canvas of a real browser. See <see cref="LookEstimate"/> for how that is seen without disturbing it.</summary>
internal static class CanvasRounds
{
    private const double GoalMs = 40;

    /// <summary>Frames that were drawn so long before a look say something: shown or not yet.</summary>
    private const long LookBackNs = 300_000_000;

    public static async Task RunAsync(
        RunBuilder run, PrivateDisplay display, VideoLoop film, ShareProcess share, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using X11Connection painting = X11Connection.TryOpen(display.Name, out string error) ?? throw new LaboratoryException(error);
        await using Chromium browser = await Chromium.StartAsync(MotionLaboratory.Screen, cancellationToken);
        BrowserPage page = await browser.OpenAsync("about:blank", cancellationToken);
        DeviceRectangle[] places = options.Quick ? [LoadRounds.FilmWindow] : [LoadRounds.FilmWindow, DeviceRectangle.Of(display.Server.Size)];
        for (int i = 0; i < places.Length; i++)
        {
            report((double)i / places.Length);
            using var load = new FilmLoad(painting, film, places[i], 30);
            using var painter = new MotionPainter(painting, load, options.Time);
            await RunLoadAsync(run, page, share, load, painter, options, cancellationToken);
        }
    }

    private static async Task RunLoadAsync(
        RunBuilder run, BrowserPage page, ShareProcess share, FilmLoad load, MotionPainter painter, LabOptions options, CancellationToken cancellationToken)
    {
        TimeSpan warm = TimeSpan.FromSeconds(options.Quick ? 1.5 : 3), duration = TimeSpan.FromSeconds(options.Quick ? 3 : 30);
        await page.NavigateAsync(share.Url.AbsoluteUri, cancellationToken);
        if (!await page.WaitUntilAsync(CanvasProbe.ShowsAPicture, TimeSpan.FromSeconds(15), cancellationToken))
        {
            throw new LaboratoryException($"The page shows no picture: {string.Join("; ", page.Console)}");
        }

        CanvasProbe probe = await CanvasProbe.CreateAsync(page, options.Time, cancellationToken);
        DevicePoint strip = load.Strip!.Value;
        painter.Start();
        await Task.Delay(warm, options.Time, cancellationToken);
        await probe.WatchBlocksAsync(
            new DeviceRectangle(strip.X, strip.Y + (NumberStrip.BlockPixels / 2), NumberStrip.Width, 1), NumberStrip.Blocks, cancellationToken);
        await Task.Delay(duration, options.Time, cancellationToken);
        IReadOnlyList<Look> looks = await probe.StopAsync(cancellationToken);
        painter.Stop();
        await page.NavigateAsync("about:blank", cancellationToken);

        var estimate = new LookEstimate();
        int unreadable = AddLooks(estimate, painter.Times, looks);
        string name = $"chromium-canvas-{load.Name}";
        double p50Ms = estimate.GetPercentileMs(50);
        (double lowMs, double highMs) = estimate.GetIntervalMs(50);
        run.Add(new CaseRecord
        {
            Name = name,
            Parameters = new Dictionary<string, string> { ["seconds"] = duration.TotalSeconds.ToString(CultureInfo.InvariantCulture) },
            Metrics = new Dictionary<string, double>
            {
                ["looks"] = estimate.Count,
                ["unreadable"] = unreadable,
                ["p50Ms"] = p50Ms,
                ["p50LowMs"] = lowMs,
                ["p50HighMs"] = highMs,
                ["p95Ms"] = estimate.GetPercentileMs(95),
                ["clockUncertaintyMs"] = probe.ClockUncertaintyNs / 1e6,
            },
            Distribution = estimate.GetDistribution(),
        });
        run.AddGoal($"{name} p50Ms", p50Ms, GoalMs);
    }

    /// <summary>Adds what looks say: of each frame drawn in the time before one, whether it, or a newer one, was there.</summary>
    /// <param name="estimate">Receives it.</param>
    /// <param name="times">When frames were drawn; no newer one is drawn meanwhile.</param>
    /// <param name="looks">What was seen, as bits of a strip.</param>
    /// <returns>Looks that met no readable strip.</returns>
    internal static int AddLooks(LookEstimate estimate, FrameTimes times, IReadOnlyList<Look> looks)
    {
        int unreadable = 0;
        var observations = new List<(long, bool)>();
        foreach (Look look in looks)
        {
            if (!NumberStrip.TryDecode(look.Pixel, out int number) || !times.TryResolve(number, out long shown))
            {
                unreadable++;
                continue;
            }

            observations.Clear();
            for (long frame = times.Last; frame >= 1 && look.AtNs - times.GetNs(frame) < LookBackNs; frame--)
            {
                long afterNs = look.AtNs - times.GetNs(frame);
                if (afterNs >= 0)
                {
                    observations.Add((afterNs, shown >= frame));
                }
            }

            if (observations.Count > 0)
            {
                estimate.Add([.. observations]);
            }
        }

        return unreadable;
    }
}
