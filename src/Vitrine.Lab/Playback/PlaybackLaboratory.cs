using System.Globalization;
using Vitrine.Lab.Machine;
using Vitrine.Measurement;

namespace Vitrine.Lab.Playback;

/// <summary>How exactly frames are on time: the pacer's wake-ups beside those of the loops that people write, on a quiet machine
/// and on a busy one; how well two clocks are aligned, in a simulation that is the same every time; and what the machine can do for it, on and off.</summary>
public sealed class PlaybackLaboratory : ILaboratory
{
    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "playback",
        "Whether frames are on time: the pacer beside PeriodicTimer and Thread.Sleep, two clocks aligned, and what the machine offers, on and off.",
        [],
        [],
        TimeSpan.FromMinutes(18),
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
                run, rate, options, fraction => progress.Report(new(string.Create(CultureInfo.InvariantCulture, $"Wake-ups at {rate} Hz"), from + (fraction * 0.43))), cancellationToken);
            at += 0.43;
        }

        progress.Report(new("Wake-ups at 120 Hz on a busy machine", at));
        PacerRounds.RunLoaded(run, 120, options, cancellationToken);
        progress.Report(new("Bands and huge pages, on and off", at + 0.05));
        GovernorRounds.Run(run, options, cancellationToken);
        HugePageRounds.Run(run, options, cancellationToken);
        progress.Report(new("Done", 1));
        return run.Build("none");
    }
}
