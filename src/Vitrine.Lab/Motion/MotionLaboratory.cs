using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Measurement;

namespace Vitrine.Lab.Motion;

/// <summary>Loads from an idle screen to a film on all of it, the same every time, shared by us, by us without video, by x0vncserver and
/// by ffmpeg: cost, bytes, latency to a decoded pixel, frames shown, quality while it moves, time to exact when it rests.</summary>
public sealed class MotionLaboratory : ILaboratory
{
    internal static readonly DeviceSize Screen = new(1920, 1080);

    private const string Loads = "loads", Latency = "latency", Bursts = "bursts", TwoViewers = "two-viewers", Soak = "soak", Against = "against";

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "motion",
        "What motion costs, how late and how well it is shown, and how soon it is exact again.",
        ["xvfb", "chromium"],
        ["ffmpeg", "tigervnc-scraping-server"],
        TimeSpan.FromMinutes(15),
        TimeSpan.FromSeconds(43))
    {
        Parts = [Loads, Latency, Bursts, TwoViewers, Soak, Against],
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
            await using ShareProcess? narrow = !options.Quick && await ShareProcess.HasFlagAsync(options, "--bitrate", cancellationToken)
                ? await ShareProcess.StartAsync(options, display.Name, cancellationToken, "--bitrate", "12")
                : null;
            await using ShareProcess? lossless = await ShareProcess.HasFlagAsync(options, "--video", cancellationToken)
                ? await ShareProcess.StartAsync(options, display.Name, cancellationToken, "--video", "off")
                : null;
            await LoadRounds.RunAsync(run, display, film, share, lossless, narrow, options, (load, done) => progress.Report(new(load, 0.5 * done)), cancellationToken);
        }

        if (options.Against is { } other && (options.Only.Count == 0 || options.Only.Contains(Against)))
        {
            await using ShareProcess before = await ShareProcess.StartAsync(options with { ProgramCommand = [other] }, display.Name, cancellationToken);
            await LoadRounds.CompareAsync(
                run, display, film, share, before, options, (load, done) => progress.Report(new($"{load}, beside the other build", done)), cancellationToken);
        }
        else if (options.Only.Contains(Against))
        {
            throw new LaboratoryException("The part against needs another build of vitrine: --against PROGRAM.");
        }

        if (options.Quick && options.Only.Count == 0)
        {
            run.NotMeasured($"{Latency}, {TwoViewers}: leave --quick away, or ask for them with --only.");
        }

        if (Runs(Latency, inQuick: false))
        {
            await CanvasRounds.RunAsync(run, display, film, share, options, Report("A film on Chromium's canvas", 0.5, 0.6), cancellationToken);
        }

        if (Runs(TwoViewers, inQuick: false))
        {
            await TwoViewersRun.RunAsync(run, display, film, share, options, Report("Two viewers, one behind 2 Mbit/s", 0.6, 0.7), cancellationToken);
        }

        if (Runs(Bursts))
        {
            await BurstRun.RunAsync(run, display, film, share, options, Report("Bursts of motion, held against the screen", 0.7, 1), cancellationToken);
        }

        if (options.Only.Contains(Soak))
        {
            await MotionSoak.RunAsync(run, display, film, share, options, Report("Mixed motion", 0, 1), cancellationToken);
        }
        else
        {
            run.NotMeasured("growth and memory over half an hour of motion: --only soak.");
        }

        progress.Report(new("Done", 1));
        return run.Build($"Xvfb, {Screen}");

        bool Runs(string part, bool inQuick = true) => options.Only.Count == 0 ? inQuick || !options.Quick : options.Only.Contains(part);

        Action<double> Report(string doing, double from, double to)
        {
            progress.Report(new(doing, from));
            return done => progress.Report(new(doing, from + (done * (to - from))));
        }
    }
}
