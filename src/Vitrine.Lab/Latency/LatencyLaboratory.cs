using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.Latency;

/// <summary>From before a draw call to the decoded pixel in a client, and to the pixel on the canvas of a real browser, beside
/// x0vncserver; what sharing costs; and what fifty viewers of which one is stuck do to each other.</summary>
public sealed class LatencyLaboratory : ILaboratory
{
    private const string Changes = "changes", Events = "events";

    internal static readonly DeviceSize Screen = new(1920, 1080);

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "latency",
        "How long a change takes to the viewer's pixels, and what sharing costs.",
        ["xvfb", "chromium"],
        ["tigervnc-scraping-server"],
        TimeSpan.FromMinutes(5),
        TimeSpan.FromSeconds(43))
    {
        Parts = [Changes, Events],
    };

    /// <inheritdoc/>
    public async Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        var run = new RunBuilder("latency", options);
        if (options.Only.Contains(Events))
        {
            await EventsRounds.RunAsync(run, options, done => progress.Report(new("Changes, with events and without", done)), cancellationToken);
        }

        if (options.Only.Count > 0 && !options.Only.Contains(Changes))
        {
            return run.Build($"Xvfb, {Screen}");
        }

        progress.Report(new("From process start to the first picture", 0));
        await FirstPictureRounds.RunAsync(run, options, cancellationToken);
        using PrivateDisplay display = PrivateDisplay.Start(Screen);
        await using ShareProcess share = await ShareProcess.StartAsync(options, display.Name, cancellationToken);
        progress.Report(new("Changes of 64x64", 0.05));
        await FlipRounds.RunAsync(run, display, share, options, cancellationToken);
        progress.Report(new("Cost at rest", options.Quick ? 0.5 : 0.25));
        await CostRounds.RunIdleAsync(run, display, share, options, cancellationToken);
        progress.Report(new("Cost of text", options.Quick ? 0.8 : 0.5));
        await CostRounds.RunTextAsync(run, display, share, options, cancellationToken);
        if (options.Quick)
        {
            run.NotMeasured("crowd of 50 viewers: it takes 80 seconds; leave --quick away.");
        }
        else
        {
            progress.Report(new("A crowd of 50 viewers, one of them stuck", 0.65));
            await CrowdRun.RunAsync(run, display, share, options, cancellationToken);
        }

        progress.Report(new("Done", 1));
        return run.Build($"Xvfb, {Screen}");
    }
}
