using Vitrine.Events.Hosts;
using Vitrine.Measurement;

namespace Vitrine.Lab.Events;

/// <summary>What keeping events costs, and how late they are durable, beside what the disk can do.</summary>
public sealed class EventsLaboratory : ILaboratory
{
    /// <summary>The part that kills.</summary>
    public const string Crash = "crash";

    private const string Append = "append", Read = "read", Kafka = "kafka", Detect = "detect", Alarms = "alarms", Fleet = "fleet";

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "events",
        "How many events a second are durable, and when; how fast they are read. Beside raw writes to the same disk, and, on Kafka, beside librdkafka's own client.",
        [],
        ["librdkafka1", "kcat"],
        TimeSpan.FromMinutes(20),
        TimeSpan.FromSeconds(40))
    {
        Parts = [Append, Read, Kafka, Detect, Alarms, Fleet, Crash],
    };

    /// <inheritdoc/>
    public async Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        RunBuilder run = new("events", options);

        // On the disk that has the user's events; what is in memory would be durable at once.
        string beside = Path.GetDirectoryName(HostEvents.DefaultFolder)!;
        Directory.CreateDirectory(beside);
        string folder = Path.Combine(beside, $"lab-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        try
        {
            if (Runs(Append))
            {
                await AppendRounds.RunAsync(run, folder, options, (what, done) => progress.Report(new(what, 0.3 * done)), cancellationToken);
            }

            if (Runs(Read))
            {
                await ReadRounds.RunAsync(run, folder, options, (what, done) => progress.Report(new(what, 0.3 + (0.1 * done))), cancellationToken);
            }

            if (Runs(Kafka))
            {
                await KafkaRounds.RunAsync(run, folder, options, (what, done) => progress.Report(new(what, 0.4 + (0.1 * done))), cancellationToken);
            }

            if (Runs(Detect))
            {
                await DetectRounds.RunAsync(run, options, (what, done) => progress.Report(new(what, 0.5 + (0.1 * done))), cancellationToken);
            }

            if (Runs(Fleet))
            {
                await FleetRounds.RunAsync(run, folder, options, (what, done) => progress.Report(new(what, 0.6 + (0.1 * done))), cancellationToken);
            }

            if (options.Only.Contains(Alarms))
            {
                await DetectRounds.WatchAsync(run, options, (what, done) => progress.Report(new(what, done)), cancellationToken);
            }

            if (Runs(Crash))
            {
                await CrashRounds.RunAsync(run, folder, options, (what, done) => progress.Report(new(what, 0.7 + (0.3 * done))), cancellationToken);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        progress.Report(new("Done", 1));
        return run.Build("none");

        bool Runs(string part) => options.Only.Count == 0 || options.Only.Contains(part);
    }
}
