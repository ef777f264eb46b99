using System.Globalization;
using Vitrine.Measurement;

namespace Vitrine.Lab.Playback;

/// <summary>How exactly frames are on time: the pacer's wake-ups beside those of the loops that people write, on a quiet machine
/// and on a busy one; and how well two clocks are aligned, in a simulation that is the same every time.</summary>
public sealed class PlaybackLaboratory : ILaboratory
{
    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "playback",
        "Whether frames are on time: the pacer beside PeriodicTimer and Thread.Sleep, and two clocks aligned.",
        [],
        [],
        TimeSpan.FromMinutes(15),
        TimeSpan.FromSeconds(42));

    /// <inheritdoc/>
    public Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        return Task.Factory.StartNew(
            () => Run(options, progress, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static RunDocument Run(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        var run = new RunBuilder("playback", options);
        progress.Report(new("Two clocks", 0));
        AlignerSimulation.Run(run, options, cancellationToken);
        double at = 0.02;
        foreach (int rate in (ReadOnlySpan<int>)[60, 120])
        {
            double from = at;
            PacerRounds.Run(
                run, rate, options, fraction => progress.Report(new(string.Create(CultureInfo.InvariantCulture, $"Wake-ups at {rate} Hz"), from + (fraction * 0.44))), cancellationToken);
            at += 0.44;
        }

        progress.Report(new("Wake-ups at 120 Hz on a busy machine", at));
        PacerRounds.RunLoaded(run, 120, options, cancellationToken);
        progress.Report(new("Done", 1));
        return run.Build("none");
    }
}
