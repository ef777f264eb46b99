using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Measurement;

namespace Vitrine.Lab.Events;

/// <summary>Reads all events of a log, beside reading the bytes of its files; and opens it, as after a crash.</summary>
internal static class ReadRounds
{
    private const int EventBytes = 1024, EventsABatch = 256, RawBufferBytes = 256 << 10;

    public static async Task RunAsync(RunBuilder run, string folder, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        long bytes = options.Quick ? 128L << 20 : 1L << 30;
        int rounds = options.Quick ? 1 : 5;
        EmbeddedLogOptions kept = new() { Folder = Path.Combine(folder, "read"), RetentionBytes = 2 * bytes };
        report("Filling a log", 0);
        long events = await FillAsync(kept, bytes, cancellationToken);
        List<double> own = [], raw = [];
        LatencyHistogram opening = new();
        for (int round = 0; round < rounds; round++)
        {
            report("Reading it", 0.5 + (0.5 * round / rounds));
            cancellationToken.ThrowIfCancellationRequested();
            long begun = Stopwatch.GetTimestamp();
            await using EmbeddedLog log = EmbeddedLog.Open(kept);
            opening.Record((long)Stopwatch.GetElapsedTime(begun).TotalNanoseconds);
            own.Add(Read(log, events));
            raw.Add(ReadRaw(kept.Folder));
        }

        run.Add(new CaseRecord
        {
            Name = "embedded/read",
            Parameters = new Dictionary<string, string>
            {
                ["eventBytes"] = EventBytes.ToString(CultureInfo.InvariantCulture),
                ["events"] = events.ToString(CultureInfo.InvariantCulture),
                ["rounds"] = rounds.ToString(CultureInfo.InvariantCulture),
            },
            Metrics = new Dictionary<string, double> { ["bytesPerSecond"] = RoundSeries.Median(own), ["eventsPerSecond"] = RoundSeries.Median(own) / EventBytes },
        });
        run.Add(new CaseRecord { Name = "raw-file/read", Metrics = new Dictionary<string, double> { ["bytesPerSecond"] = RoundSeries.Median(raw) } });
        run.AddGoal("embedded/read bytesPerSecond", RoundSeries.Median(own), 1e9, lowerIsBetter: false);
        run.AddRatio("embedded/read bytesPerSecond vs raw-file", own, raw, null, lowerIsBetter: false);
        run.Add(RoundSeries.ToCase($"embedded/open-{bytes >> 20}MB", opening));
        run.AddGoal($"embedded/open-{bytes >> 20}MB maxMs", opening.MaxNs / 1e6, 1000);
    }

    private static async Task<long> FillAsync(EmbeddedLogOptions options, long bytes, CancellationToken cancellationToken)
    {
        await using EmbeddedLog log = EmbeddedLog.Open(options);
        EventBatch batch = new();
        byte[] value = new byte[EventBytes];
        new Random(1).NextBytes(value);
        for (int i = 0; i < EventsABatch; i++)
        {
            batch.Add("lab", default, value);
        }

        while (log.EndOffset * EventBytes < bytes)
        {
            await log.AppendAsync(batch, cancellationToken);
        }

        return log.EndOffset;
    }

    private static double Read(EmbeddedLog log, long events)
    {
        using EmbeddedReader reader = log.Read(EventStart.Oldest);
        long begun = Stopwatch.GetTimestamp(), read = 0, bytes = 0;
        while (reader.TryRead(out EventRecord record))
        {
            read++;
            bytes += record.Value.Length;
        }

        double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        return read == events && reader.Missed == 0 ? bytes / seconds : throw new LaboratoryException($"{events} events were appended, {read} were read.");
    }

    private static double ReadRaw(string folder)
    {
        byte[] buffer = new byte[RawBufferBytes];
        long begun = Stopwatch.GetTimestamp(), bytes = 0;
        foreach (string path in Directory.EnumerateFiles(folder, "*.events"))
        {
            using SafeFileHandle file = File.OpenHandle(path);
            long at = 0;
            for (int read; (read = RandomAccess.Read(file, buffer, at)) > 0; at += read)
            {
                bytes += read;
            }
        }

        return bytes / Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }
}
