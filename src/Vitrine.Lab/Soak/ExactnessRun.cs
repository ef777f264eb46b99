using System.Globalization;
using Vitrine.Lab.Browser;
using Vitrine.Lab.Content;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Soak;

/// <summary>Bursts of random painting, each followed by a rest after which every pixel of every viewer must be that of the screen.</summary>
internal static class ExactnessRun
{
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(300);

    public static async Task RunAsync(RunBuilder run, LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        TimeProvider time = options.Time;
        TimeSpan duration = options.Quick ? TimeSpan.FromSeconds(10) : options.SoakDuration;
        using PrivateDisplay display = PrivateDisplay.Start(SoakLaboratory.Screen);
        await using ShareProcess share = await ShareProcess.StartAsync(options, display.Name, cancellationToken);
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, new HeadlessViewerOptions { Name = "soak" }, time, cancellationToken);
        await using Chromium browser = await Chromium.StartAsync(SoakLaboratory.Screen, cancellationToken);
        BrowserPage page = await browser.OpenAsync(share.Url.AbsoluteUri, cancellationToken);
        if (!await page.WaitUntilAsync(CanvasProbe.ShowsAPicture, TimeSpan.FromSeconds(15), cancellationToken))
        {
            throw new LaboratoryException($"The page shows no picture: {string.Join("; ", page.Console)}");
        }

        using var painter = new RandomPainter(display.Painter, seed: 1);
        using var truth = new ScreenTruth(display, time);
        var random = new Random(2);
        long comparisons = 0, differingPixels = 0, differingRests = 0, canvasDifferences = 0;
        long started = time.GetTimestamp();
        while (time.GetElapsedTime(started) < duration)
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress.Report(new("Random painting, held against the screen", (options.Quick ? 0.4 : 0.3) * (time.GetElapsedTime(started) / duration)));
            await BurstAsync(painter, random, time, cancellationToken);
            await Task.Delay(s_rest, time, cancellationToken);
            long differences = truth.CountDifferences(viewer.CopyPicture());
            byte[] expected = truth.Hash();
            (byte[] canvas, _) = await CanvasProbe.HashAsync(page, cancellationToken);
            comparisons++;
            differingPixels += differences;
            differingRests += differences > 0 ? 1 : 0;
            canvasDifferences += canvas.AsSpan().SequenceEqual(expected) ? 0 : 1;
        }

        string name = $"exactness/{SoakLaboratory.Screen}";
        run.Add(new CaseRecord
        {
            Name = name,
            Parameters = new Dictionary<string, string> { ["restMs"] = s_rest.TotalMilliseconds.ToString(CultureInfo.InvariantCulture) },
            Metrics = new Dictionary<string, double>
            {
                ["seconds"] = time.GetElapsedTime(started).TotalSeconds,
                ["comparisons"] = comparisons,
                ["steps"] = painter.Steps,
                ["frames"] = viewer.FrameCount,
                ["differingPixels"] = differingPixels,
                ["differingRests"] = differingRests,
                ["canvasDifferences"] = canvasDifferences,
            },
        });
        run.AddGoal($"{name} differingPixels", differingPixels, 0);
        run.AddGoal($"{name} canvasDifferences", canvasDifferences, 0);
    }

    // A burst is as long and as dense as chance will have it: single strokes, and more than a viewer can follow.
    private static async Task BurstAsync(RandomPainter painter, Random random, TimeProvider time, CancellationToken cancellationToken)
    {
        int turns = random.Next(1, 30), stepsMax = random.Next(1, 20);
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(random.Next(1, 25)), time);
        for (int i = 0; i < turns; i++)
        {
            for (int steps = random.Next(1, stepsMax + 1); steps > 0; steps--)
            {
                painter.Step();
            }

            if (!painter.TrySynchronize())
            {
                throw new LaboratoryException("The display is gone.");
            }

            await pace.WaitForNextTickAsync(cancellationToken);
        }
    }
}
