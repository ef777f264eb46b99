using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Vitrine.Events;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Processing;
using Vitrine.Events.Schemas;
using Vitrine.Measurement;
using Vitrine.Wire.V1;

namespace Vitrine.Lab.Events;

/// <summary>Some hosts in one process: each tells its figures every second, and a small picture every minute; and what makes minutes and alerts of all of
/// them.</summary>
public static class FleetAgent
{
    private const int ThumbnailBytes = 16 << 10, ThumbnailSeconds = 60;

    // What is due is appended as often: as hosts that come over the network would.
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(50);

    /// <summary>Told the log (<see cref="NamedLog"/>, or a folder), how many hosts, how many seconds to warm up and how many to measure; says what it cost, as
    /// JSON.</summary>
    public static async Task RunAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        string[] order = (await input.ReadLineAsync(cancellationToken) ?? "").Split('\t');
        int hosts = int.Parse(order[1], CultureInfo.InvariantCulture);
        TimeSpan warm = TimeSpan.FromSeconds(double.Parse(order[2], CultureInfo.InvariantCulture)), time = TimeSpan.FromSeconds(double.Parse(order[3], CultureInfo.InvariantCulture));
        await using NamedLog opened = NamedLog.Open(order[0], partitions: KafkaOptions.DefaultPartitions);
        (IEventLog log, EventFormat<Event> format) = (opened.Log, opened.Format);
        await format.RegisterAsync(EventTopics.All, cancellationToken);
        EventStamp watchStamp = CrashAgent.Stamp("watch");
        ExactlyOnceProcessor<Event, Event> processor = new(
            log, format, format, new("host-watch", EventTopics.OfHosts, () => new HostWatch(watchStamp, new()), new DeadLetters(watchStamp, "host-watch").Add));
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task processing = Task.Run(() => processor.RunAsync(over.Token), cancellationToken);
        SimulatedHost[] fleet = [.. Enumerable.Range(0, hosts).Select(number => new SimulatedHost(number, hosts))];
        LatencyHistogram latency = new();
        long begun = Stopwatch.GetTimestamp(), events = 0;
        await PlayAsync(warm);
        GC.Collect();
        (TimeSpan cpu, long allocated, long at, long eventsBefore, long processedBefore) =
            (Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes(precise: true), Stopwatch.GetTimestamp(), events, processor.Processed);
        latency = new();
        await PlayAsync(warm + time);
        double seconds = Stopwatch.GetElapsedTime(at).TotalSeconds;
        FleetCost cost = new(
            (events - eventsBefore) / seconds, (processor.Processed - processedBefore) / seconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds / seconds,
            (GC.GetTotalAllocatedBytes(precise: true) - allocated) / seconds, GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet, latency.P50Ns / 1e6, latency.P99Ns / 1e6);
        await over.CancelAsync();
        await processing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await output.WriteLineAsync(JsonSerializer.Serialize(cost, FleetJson.Default.FleetCost).AsMemory(), cancellationToken);
        await output.FlushAsync(cancellationToken);

        async Task PlayAsync(TimeSpan until)
        {
            EventBatch batch = new();
            using PeriodicTimer timer = new(s_tick);
            while (Stopwatch.GetElapsedTime(begun) is var now && now < until)
            {
                if (processing.IsFaulted)
                {
                    await processing;
                }

                foreach (SimulatedHost host in fleet)
                {
                    host.Tell(now.TotalSeconds, batch, format);
                }

                if (batch.Count > 0)
                {
                    long sent = Stopwatch.GetTimestamp();
                    await log.AppendAsync(batch, cancellationToken);
                    latency.Record((long)Stopwatch.GetElapsedTime(sent).TotalNanoseconds);
                    events += batch.Count;
                    batch.Clear();
                }

                await timer.WaitForNextTickAsync(cancellationToken);
            }
        }
    }

    /// <summary>At moments of its own, so that the hosts are spread over the second and over the minute.</summary>
    private sealed class SimulatedHost(int number, int of)
    {
        private readonly EventStamp _stamp = CrashAgent.Stamp(string.Create(CultureInfo.InvariantCulture, $"host-{number:D4}"));
        private readonly Random _random = new(number);
        private double _nextSeconds = (double)number / of, _nextThumbnailSeconds = (double)number / of * ThumbnailSeconds;

        public void Tell(double nowSeconds, EventBatch batch, EventFormat<Event> format)
        {
            if (nowSeconds >= _nextSeconds)
            {
                _nextSeconds += 1;
                Event told = _stamp.New();
                told.SharingStatistics = new()
                {
                    Seconds = 1,
                    ViewerCount = 1,
                    FramesCaptured = 60,
                    FramesSent = 60,
                    BytesSent = (ulong)_random.Next(10_000, 1_000_000),
                    ProcessorSeconds = 0.05,
                    Viewers = { new ViewerStatistics { ViewerId = 1, FramesSent = 60, BytesSent = 100_000 } },
                };
                format.Write(batch, EventTopics.Statistics, _stamp.Key, told);
            }

            if (nowSeconds >= _nextThumbnailSeconds)
            {
                _nextThumbnailSeconds += ThumbnailSeconds;
                byte[] png = new byte[ThumbnailBytes];
                _random.NextBytes(png);
                Event told = _stamp.New();
                told.Thumbnail = new() { Png = ByteString.CopyFrom(png), WidthPixels = 320, HeightPixels = 180 };
                format.Write(batch, EventTopics.Thumbnails, _stamp.Key, told);
            }
        }
    }
}

/// <summary>What some hosts cost, a second of time.</summary>
internal sealed record FleetCost(
    double EventsPerSecond, double ProcessedPerSecond, double ProcessorSeconds, double AllocatedBytes, long LiveBytes, long ResidentBytes, double AppendP50Ms, double AppendP99Ms);

[JsonSerializable(typeof(FleetCost))]
internal sealed partial class FleetJson : JsonSerializerContext;
