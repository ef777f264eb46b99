using System.Globalization;
using Vitrine.Lab.Machine;
using Vitrine.Measurement;

namespace Vitrine.Lab.Playback;

/// <summary>How exactly frames are on time: the pacer's wake-ups beside those of the loops that people write, on a quiet machine
/// and on a busy one; how well two clocks are aligned, in a simulation that is the same every time; and what the machine can do for it, on and off.</summary>
public sealed class PlaybackLaboratory : ILaboratory
{
    private const string Aligner = "aligner", Pacer = "pacer", Means = "machine";

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "playback",
        "Whether frames are on time: the pacer beside PeriodicTimer and Thread.Sleep, two clocks aligned, and what the machine offers, on and off.",
        [],
        [],
        TimeSpan.FromMinutes(31),
        TimeSpan.FromSeconds(42))
    {
        Parts = [Aligner, Pacer, Means],
    };

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
        if (Runs(Aligner))
        {
            progress.Report(new("Two clocks", 0));
            AlignerSimulation.Run(run, options, cancellationToken);
        }

        if (Runs(Pacer))
        {
            foreach (int rate in (ReadOnlySpan<int>)[60, 120])
            {
                double from = rate == 60 ? 0.02 : 0.45;
                PacerRounds.Run(
                    run, rate, options, fraction => progress.Report(new(string.Create(CultureInfo.InvariantCulture, $"Wake-ups at {rate} Hz"), from + (fraction * 0.43))), cancellationToken);
            }

            progress.Report(new("Wake-ups at 120 Hz on a busy machine", 0.88));
            PacerRounds.RunLoaded(run, 120, options, cancellationToken);
        }

        if (Runs(Means))
        {
            progress.Report(new("Bands, slices and huge pages, on and off", 0.94));
            GovernorRounds.Run(run, options, cancellationToken);
            SliceRounds.Run(run, options, cancellationToken);
            HugePageRounds.Run(run, options, cancellationToken);
            run.NotMeasured(MachineFeatures.MemoryNodes() is > 1 and int nodes
                ? string.Create(CultureInfo.InvariantCulture, $"memory nodes (NUMA), bound and not: this machine has {nodes}, and nothing here binds memory; numactl --cpunodebind=0 --membind=0 in front of the same command, and the command alone, show it.")
                : "memory nodes (NUMA), bound and not: this machine has one, node0, so there is no memory that is further away.");
        }

        progress.Report(new("Done", 1));
        return run.Build("none");

        bool Runs(string part) => options.Only.Count == 0 || options.Only.Contains(part);
    }
}
