using System.Collections.Concurrent;
using System.Text.Json;
using Vitrine.Lab.Browser;
using Vitrine.Lab.Content;
using Vitrine.Lab.Peers;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Latency;

/// <summary>The same changes seen by our client, by Chromium and by a VNC client, in interleaved rounds. Only the one whose round it
/// is watches: two viewers would measure each other.</summary>
internal static class FlipRounds
{
    private const string Size = "64x64";

    public static async Task RunAsync(RunBuilder run, PrivateDisplay display, ShareProcess share, LabOptions options, CancellationToken cancellationToken)
    {
        int rounds = options.Quick ? 2 : 4, changes = options.Quick ? 40 : 50;
        using var square = new FlipSquare(display.Painter, FlipRun.At, options.Time);
        var random = new Random(1);
        RoundSeries client = new(), vnc = new();
        int clientMissed = 0, vncMissed = 0;
        var canvas = new LookEstimate();
        List<double> canvasMediansMs = [], overlayP50Ms = [], uncertaintyMs = [];
        (VncPeer? peer, string reason) = await VncPeer.TryStartAsync(display.Name, cancellationToken);
        await using Chromium browser = await Chromium.StartAsync(LatencyLaboratory.Screen, cancellationToken);
        BrowserPage page = await browser.OpenAsync("about:blank", cancellationToken);
        try
        {
            for (int round = 0; round < rounds; round++)
            {
                clientMissed += await ClientRoundAsync(share, square, changes, random, client, options.Time, cancellationToken);
                if (peer is not null)
                {
                    vncMissed += await VncRoundAsync(peer, square, changes, random, vnc, options.Time, cancellationToken);
                }

                // A look says only yes or no, so that more of them are needed for the same certainty.
                CanvasRound seen = await CanvasRoundAsync(page, share, square, 2 * changes, random, options.Time, cancellationToken);
                canvas.Add(seen.Looks);
                canvasMediansMs.Add(seen.Looks.GetPercentileMs(50));
                overlayP50Ms.Add(seen.OverlayP50Ms);
                uncertaintyMs.Add(seen.ClockUncertaintyMs);
            }
        }
        finally
        {
            if (peer is not null)
            {
                await peer.DisposeAsync();
            }
        }

        AddCase(run, $"loopback-client/{Size}", client, clientMissed);
        (double lowMs, double highMs) = canvas.GetIntervalMs(50);
        double canvasP50Ms = canvas.GetPercentileMs(50), overlayMs = RoundSeries.Median(overlayP50Ms);
        run.Add(new CaseRecord
        {
            Name = $"chromium-canvas/{Size}",
            Metrics = new Dictionary<string, double>
            {
                ["samples"] = canvas.Count,
                ["p50Ms"] = canvasP50Ms,
                ["p50LowMs"] = lowMs,
                ["p50HighMs"] = highMs,
                ["p95Ms"] = canvas.GetPercentileMs(95),
                ["overlayP50Ms"] = overlayMs,
                ["overlayDifferenceMs"] = Math.Abs(overlayMs - canvasP50Ms),
                ["clockUncertaintyMs"] = RoundSeries.Median(uncertaintyMs),
            },
            Distribution = canvas.GetDistribution(),
            RoundMediansMs = canvasMediansMs,
        });
        run.AddGoal($"loopback-client/{Size} p50Ms", client.All.P50Ns / 1e6, 4);
        run.AddGoal($"loopback-client/{Size} p95Ms", client.All.P95Ns / 1e6, 10);
        run.AddGoal($"chromium-canvas/{Size} p50Ms", canvasP50Ms, 16);
        run.AddGoal($"chromium-canvas/{Size} overlayDifferenceMs", Math.Abs(overlayMs - canvasP50Ms), 2);
        if (peer is not null)
        {
            AddCase(run, $"x0vncserver/{Size}", vnc, vncMissed);
            run.AddRatio($"loopback-client/{Size} vs x0vncserver", client.MediansMs, vnc.MediansMs, null);
        }
        else
        {
            run.NotMeasured($"loopback-client/{Size} vs x0vncserver: {reason}.");
        }
    }

    private static void AddCase(RunBuilder run, string name, RoundSeries series, int missed) =>
        run.Add(series.ToCase(name, null, new Dictionary<string, double> { ["dropped"] = missed }));

    internal static async Task<int> ClientRoundAsync(
        ShareProcess share, FlipSquare square, int changes, Random random, RoundSeries series, TimeProvider time, CancellationToken cancellationToken)
    {
        var sights = new ConcurrentQueue<Sight>();
        var options = new HeadlessViewerOptions
        {
            Name = "lab",
            FrameApplied = (viewer, frame) => sights.Enqueue(new((uint)viewer.GetPixel(FlipRun.Watched.X, FlipRun.Watched.Y), frame.DecodedLocalNs)),
        };
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, options, time, cancellationToken);
        if (!await viewer.WaitUntilAsync(seen => seen.FrameCount > 0, TimeSpan.FromSeconds(10)))
        {
            throw new LaboratoryException("The shared screen sends no first picture.");
        }

        IReadOnlyList<Flip> flips = await PaintAndSettleAsync(square, changes, random, time, cancellationToken);
        return FlipRun.Match(flips, [.. sights], series);
    }

    private static async Task<int> VncRoundAsync(
        VncPeer peer, FlipSquare square, int changes, Random random, RoundSeries series, TimeProvider time, CancellationToken cancellationToken)
    {
        var sights = new ConcurrentQueue<Sight>();
        using var client = new RfbClient(time, FlipRun.Watched);
        client.Connect(peer.Port);
        Task reading = Task.Factory.StartNew(
            () => client.Run((pixel, seenNs) => sights.Enqueue(new(pixel, seenNs))), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (!await Conditions.WaitAsync(() => !sights.IsEmpty, TimeSpan.FromSeconds(10), time, cancellationToken))
        {
            throw new LaboratoryException("x0vncserver sends no first picture.");
        }

        IReadOnlyList<Flip> flips = await PaintAndSettleAsync(square, changes, random, time, cancellationToken);
        client.Dispose();
        await reading;
        return FlipRun.Match(flips, [.. sights], series);
    }

    private static async Task<CanvasRound> CanvasRoundAsync(
        BrowserPage page, ShareProcess share, FlipSquare square, int changes, Random random, TimeProvider time, CancellationToken cancellationToken)
    {
        await page.NavigateAsync(share.Url.AbsoluteUri, cancellationToken);
        if (!await page.WaitUntilAsync(CanvasProbe.ShowsAPicture, TimeSpan.FromSeconds(15), cancellationToken))
        {
            throw new LaboratoryException($"The page shows no picture: {string.Join("; ", page.Console)}");
        }

        CanvasProbe probe = await CanvasProbe.CreateAsync(page, time, cancellationToken);
        await probe.WatchAsync(FlipRun.Watched, cancellationToken);
        IReadOnlyList<Flip> flips = await PaintAndSettleAsync(square, changes, random, time, cancellationToken);
        var looks = new LookEstimate();
        looks.Add(flips, await probe.StopAsync(cancellationToken));
        JsonElement overlay = await page.EvaluateAsync("globalThis.vitrineStatistics()", cancellationToken);
        JsonElement total = overlay.GetProperty("stages").GetProperty("total");
        double overlayP50Ms = total.ValueKind == JsonValueKind.Object ? total.GetProperty("p50").GetDouble() : double.NaN;
        await page.NavigateAsync("about:blank", cancellationToken);
        return new CanvasRound(looks, overlayP50Ms, probe.ClockUncertaintyNs / 1e6);
    }

    // A first second without measuring: start-up of the viewer is not what a change costs. A last one for what is under way.
    private static async Task<IReadOnlyList<Flip>> PaintAndSettleAsync(
        FlipSquare square, int changes, Random random, TimeProvider time, CancellationToken cancellationToken)
    {
        await FlipRun.PaintAsync(square, 10, random, time, cancellationToken);
        IReadOnlyList<Flip> flips = await FlipRun.PaintAsync(square, changes, random, time, cancellationToken);
        await Task.Delay(TimeSpan.FromMilliseconds(300), time, cancellationToken);
        return flips;
    }

    private readonly record struct CanvasRound(LookEstimate Looks, double OverlayP50Ms, double ClockUncertaintyMs);
}
