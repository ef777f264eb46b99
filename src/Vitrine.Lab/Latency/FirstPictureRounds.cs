using Vitrine.Frames;
using Vitrine.Lab.Browser;

namespace Vitrine.Lab.Latency;

/// <summary>From the start of <c>vitrine up</c> on a machine without a display until Chromium, which runs already, shows its picture.</summary>
internal static class FirstPictureRounds
{
    public static async Task RunAsync(RunBuilder run, LabOptions options, CancellationToken cancellationToken)
    {
        int rounds = options.Quick ? 1 : 5;
        var series = new RoundSeries();
        await using Chromium browser = await Chromium.StartAsync(LatencyLaboratory.Screen, cancellationToken);
        BrowserPage page = await browser.OpenAsync("about:blank", cancellationToken);
        for (int round = 0; round < rounds; round++)
        {
            long started = options.Time.GetMonotonicNanoseconds();
            await using ShareProcess up = await ShareProcess.StartAsync(
                options, ["up"], new Dictionary<string, string?> { ["DISPLAY"] = null, ["WAYLAND_DISPLAY"] = null }, cancellationToken);
            await page.NavigateAsync(up.Url.AbsoluteUri, cancellationToken);
            if (!await page.WaitUntilAsync(CanvasProbe.ShowsAPicture, TimeSpan.FromSeconds(20), cancellationToken))
            {
                throw new LaboratoryException($"The page shows no picture: {string.Join("; ", page.Console)}");
            }

            series.Record(options.Time.GetMonotonicNanoseconds() - started);
            series.EndRound();
            await page.NavigateAsync("about:blank", cancellationToken);
        }

        run.Add(series.ToCase("first-picture/up"));
        run.AddGoal("first-picture/up p50Ms", series.All.P50Ns / 1e6, 2000);
    }
}
