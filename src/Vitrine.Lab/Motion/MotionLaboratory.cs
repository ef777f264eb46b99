using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Measurement;

namespace Vitrine.Lab.Motion;

/// <summary>Loads from an idle screen to a film on all of it, the same every time, shared by us, by us without video, by x0vncserver and
/// by ffmpeg: cost, bytes, latency to a decoded pixel, frames shown, quality while it moves, time to exact when it rests.</summary>
public sealed class MotionLaboratory : ILaboratory
{
    internal static readonly DeviceSize Screen = new(1920, 1080);

    private const string Loads = "loads";

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "motion",
        "What motion costs, how late and how well it is shown, and how soon it is exact again.",
        ["xvfb", "chromium"],
        ["ffmpeg", "tigervnc-scraping-server"],
        TimeSpan.FromMinutes(14),
        TimeSpan.FromSeconds(43))
    {
        Parts = [Loads],
    };

    /// <inheritdoc/>
    public async Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        var run = new RunBuilder("motion", options);
        progress.Report(new("Making the film", 0));
        using var film = new VideoLoop(Screen, options.Quick ? 24 : 60);
        using PrivateDisplay display = PrivateDisplay.Start(Screen);
        await using ShareProcess share = await ShareProcess.StartAsync(options, display.Name, cancellationToken);
        if (Runs(Loads))
        {
            await using ShareProcess? lossless = await ShareProcess.HasFlagAsync(options, "--video", cancellationToken)
                ? await ShareProcess.StartAsync(options, display.Name, cancellationToken, "--video", "off")
                : null;
            await LoadRounds.RunAsync(run, display, film, share, lossless, options, (load, done) => progress.Report(new(load, done)), cancellationToken);
        }

        progress.Report(new("Done", 1));
        return run.Build($"Xvfb, {Screen}");

        bool Runs(string part) => options.Only.Count == 0 || options.Only.Contains(part);
    }
}
