using System.Diagnostics;
using System.Globalization;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Measurement;

namespace Vitrine.Lab.Events;

/// <summary>Appends that wait until they are durable, by some callers at a time, beside raw writes of as many bytes as the log wrote at a
/// time.</summary>
internal static class AppendRounds
{
    private const int EventBytes = 1024;
    private const string Topic = "lab";

    // A turn in which a hypervisor took more than this is played again: who needs two threads for an append waits for either.
    private const double StolenCpuCoresMax = 0.02;

    private static readonly int[] s_callers = [1, 16, 64];

    public static async Task RunAsync(RunBuilder run, string folder, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        // Many short turns: a disk that stands still for half a second spoils one, and not the median.
        int rounds = options.Quick ? 1 : 15;
        TimeSpan time = TimeSpan.FromSeconds(1.2), warm = TimeSpan.FromSeconds(0.2);
        using RawFile raw = new(folder);
        await using EmbeddedLog log = EmbeddedLog.Open(new() { Folder = Path.Combine(folder, "log"), RetentionBytes = 256 << 20 });
        foreach (int callers in s_callers)
        {
            List<Appended> own = [];
            List<(double PerSecond, double P99Ms)> peer = [];
            List<double> stolen = [];
            LatencyHistogram ownLatency = new(), peerLatency = new();
            int again = 0;
            while (own.Count < rounds)
            {
                report($"Appends of 1 KB, {callers} at a time", (Array.IndexOf(s_callers, callers) + ((double)own.Count / rounds)) / s_callers.Length);
                cancellationToken.ThrowIfCancellationRequested();
                (MachineTimes before, long begun) = (MachineTimes.Now(), Stopwatch.GetTimestamp());
                await PlayAsync(log, callers, warm);
                Appended appended = await PlayAsync(log, callers, time);

                // The same batches: as many bytes at a time as the log wrote.
                int batchBytes = (int)Math.Round(appended.BytesAWrite);
                LatencyHistogram latency = new();
                raw.Play(batchBytes, warm, null);
                double batches = raw.Play(batchBytes, time, latency);
                double stolenCpuCores = (MachineTimes.Now().StolenNs - before.StolenNs) / Stopwatch.GetElapsedTime(begun).TotalNanoseconds;
                if (stolenCpuCores > StolenCpuCoresMax && again < rounds && !options.Quick)
                {
                    again++;
                    continue;
                }

                stolen.Add(stolenCpuCores);
                own.Add(appended);
                ownLatency.Add(appended.Latency);
                peer.Add((batches * appended.EventsAWrite, latency.P99Ns / 1e6));
                peerLatency.Add(latency);
            }

            string name = $"embedded/append-{callers}x1KB", rawName = $"raw-file/append-{callers}x1KB";
            run.Add(RoundSeries.ToCase(name, ownLatency, Parameters(callers, rounds), new Dictionary<string, double>
            {
                ["eventsPerSecond"] = RoundSeries.Median([.. own.Select(each => each.PerSecond)]),
                ["eventsAWrite"] = RoundSeries.Median([.. own.Select(each => each.EventsAWrite)]),
                ["cpuUsPerEvent"] = RoundSeries.Median([.. own.Select(each => each.CpuUsPerEvent)]),
                ["allocatedBytesPerEvent"] = RoundSeries.Median([.. own.Select(each => each.AllocatedBytesPerEvent)]),
                ["stolenCpuCores"] = stolen.Average(),
                ["playedAgain"] = again,
            }));
            if (stolen.Average() > StolenCpuCoresMax)
            {
                run.NotMeasured(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name} on a quiet machine, for which the goal of p99 is: others on its host took {stolen.Average():0.###} processors' time away meanwhile, on a quiet one less than {StolenCpuCoresMax}."));
            }

            run.Add(RoundSeries.ToCase(rawName, peerLatency, Parameters(callers, rounds), new Dictionary<string, double>
            {
                ["eventsPerSecond"] = RoundSeries.Median([.. peer.Select(each => each.PerSecond)]),
            }));
            run.AddRatio(
                $"{name} eventsPerSecond vs raw-file", [.. own.Select(each => each.PerSecond)], [.. peer.Select(each => each.PerSecond)], 0.8, lowerIsBetter: false);
            run.AddRatio(
                $"{name} p99Ms vs raw-file", [.. own.Select(each => each.Latency.P99Ns / 1e6)], [.. peer.Select(each => each.P99Ms)], 1.5);
            run.AddGoal($"{name} allocatedBytesPerEvent", RoundSeries.Median([.. own.Select(each => each.AllocatedBytesPerEvent)]), 0.5);
        }
    }

    private static async Task<Appended> PlayAsync(EmbeddedLog log, int callers, TimeSpan time)
    {
        long writes = log.Writes, written = log.BytesWritten;
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        LatencyHistogram[] latencies = [.. Enumerable.Range(0, callers).Select(_ => new LatencyHistogram())];
        long begun = Stopwatch.GetTimestamp();
        Task appending = Task.WhenAll(latencies.Select((latency, caller) => Task.Run(() => AppendAsync(log, caller, latency, begun, time))));

        // In the middle: what callers begin and end with is theirs.
        await Task.Delay(time / 4);
        (long allocated, long offset) = (GC.GetTotalAllocatedBytes(precise: true), log.EndOffset);
        await Task.Delay(time / 2);
        double allocatedPerEvent = (double)(GC.GetTotalAllocatedBytes(precise: true) - allocated) / (log.EndOffset - offset);
        await appending;
        double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        LatencyHistogram all = new();
        Array.ForEach(latencies, all.Add);
        double events = all.Count;
        return new(
            all, events / seconds, events / (log.Writes - writes), (log.BytesWritten - written) / (double)(log.Writes - writes),
            (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / events, allocatedPerEvent);
    }

    private static async Task AppendAsync(EmbeddedLog log, int caller, LatencyHistogram latency, long begun, TimeSpan time)
    {
        EventBatch batch = new();
        byte[] value = new byte[EventBytes];
        new Random(caller).NextBytes(value);
        batch.Add(Topic, BitConverter.GetBytes(caller), value);
        while (Stopwatch.GetElapsedTime(begun) < time)
        {
            long at = Stopwatch.GetTimestamp();
            await log.AppendAsync(batch);
            latency.Record((long)Stopwatch.GetElapsedTime(at).TotalNanoseconds);
        }
    }

    private static Dictionary<string, string> Parameters(int callers, int rounds) => new()
    {
        ["callers"] = callers.ToString(CultureInfo.InvariantCulture),
        ["eventBytes"] = EventBytes.ToString(CultureInfo.InvariantCulture),
        ["rounds"] = rounds.ToString(CultureInfo.InvariantCulture),
    };

    private sealed record Appended(
        LatencyHistogram Latency, double PerSecond, double EventsAWrite, double BytesAWrite, double CpuUsPerEvent, double AllocatedBytesPerEvent);
}
