using System.Diagnostics;
using System.Globalization;
using Vitrine.Events;
using Vitrine.Events.Kafka;
using Vitrine.Measurement;

namespace Vitrine.Lab.Events;

/// <summary>Appends to Kafka and reads from it, beside librdkafka's own client (<c>kcat</c>) on the same cluster with the same settings.</summary>
internal static class KafkaRounds
{
    private const int EventBytes = 1024, EventsABatch = 100, Partitions = 6;
    private const string Topic = "lab";

    // kcat has up to 100,000 events on their way, whatever it waits for.
    private static readonly int[] s_callers = [16, 64];

    // The cluster for tests keeps about 5 MB of a partition.
    private const int MockPartitions = 32;
    private const int ReadEvents = 100_000, MockReadEvents = 60_000;

    public static async Task RunAsync(RunBuilder run, string folder, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        if (KafkaLibrary.Missing is { } missing)
        {
            run.NotMeasured($"Kafka: {missing}");
            return;
        }

        string? kcat = options.Kafka?.Sasl is null ? ChildProcess.Find("kcat") : null;
        if (kcat is null)
        {
            run.NotMeasured(options.Kafka?.Sasl is null
                ? "Kafka beside librdkafka's own client: apt-get install kcat."
                : "Kafka beside librdkafka's own client: kcat would show the password to everybody on this machine.");
        }

        ChildProcess? mock = options.Kafka is null ? ChildProcess.Start(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "echo", "kafka-mock"]) : null;
        try
        {
            KafkaOptions cluster = (options.Kafka ?? new() { Bootstrap = await StartAsync(mock!, cancellationToken) }) with
            {
                TopicPrefix = $"vitrine-lab-{Guid.NewGuid():N}.",
                Partitions = mock is null ? Partitions : MockPartitions,
                Compression = KafkaCompression.None, // the events are noise
            };
            if (mock is not null)
            {
                run.NotMeasured("Kafka on real brokers: --kafka BROKERS; here with librdkafka's cluster for tests, which keeps nothing and copies nothing.");
                await TellAsync(mock, $"topic {cluster.TopicPrefix}{Topic} {MockPartitions}", cancellationToken);
            }

            string lines = Path.Combine(folder, "lines");
            int readEvents = options.Quick ? 10_000 : mock is null ? ReadEvents : MockReadEvents, appendEvents = options.Quick ? 20_000 : 200_000;
            await File.WriteAllLinesAsync(lines, Enumerable.Range(0, appendEvents).Select(Line), cancellationToken);
            int rounds = options.Quick ? 1 : 7;
            List<Pace>[] append = [.. s_callers.Select(_ => new List<Pace>())];
            List<Pace> appendPeer = [], read = [], readPeer = [];
            await using KafkaLog log = KafkaLog.Open(cluster);
            for (int round = 0; round < rounds; round++)
            {
                report("Appending to Kafka", 0.7 * round / rounds);
                for (int i = 0; i < s_callers.Length; i++)
                {
                    append[i].Add(await AppendAsync(log, appendEvents, s_callers[i], cancellationToken));
                }

                if (kcat is not null)
                {
                    appendPeer.Add(await PlayAsync(kcat, appendEvents, ["-P", "-l", lines, .. Common(cluster), "-X", "enable.idempotence=true", "-X", $"linger.ms={cluster.Linger.TotalMilliseconds}"], cancellationToken));
                }
            }

            for (int round = 0; round < rounds; round++)
            {
                report("Reading from Kafka", 0.7 + (0.3 * round / rounds));
                read.Add(await ReadAsync(log, readEvents, cancellationToken));
                if (kcat is not null)
                {
                    readPeer.Add(await PlayAsync(kcat, readEvents, ["-C", "-o", "beginning", "-c", readEvents.ToString(CultureInfo.InvariantCulture), .. Common(cluster)], cancellationToken));
                }
            }

            string where = mock is null ? "kafka" : "kafka-mock";
            for (int i = 0; i < s_callers.Length; i++)
            {
                Add(run, $"{where}/append-{s_callers[i]}x{EventsABatch}x1KB", append[i], appendPeer);
            }

            Add(run, $"{where}/read-1KB", read, readPeer);
            AddPeer(run, "append-1KB", appendPeer);
            AddPeer(run, "read-1KB", readPeer);
        }
        finally
        {
            await (mock?.DisposeAsync() ?? default);
        }
    }

    /// <summary>Starts librdkafka's cluster for tests.</summary>
    /// <returns>Its brokers.</returns>
    internal static async Task<string> StartAsync(ChildProcess mock, CancellationToken cancellationToken)
    {
        await mock.Input.WriteLineAsync("3".AsMemory(), cancellationToken);
        await mock.Input.FlushAsync(cancellationToken);
        return await mock.Output.ReadLineAsync(cancellationToken) ?? throw new LaboratoryException($"librdkafka's cluster for tests did not start: {mock.Errors}");
    }

    internal static async Task TellAsync(ChildProcess mock, string order, CancellationToken cancellationToken)
    {
        await mock.Input.WriteLineAsync(order.AsMemory(), cancellationToken);
        await mock.Input.FlushAsync(cancellationToken);
        if (await mock.Output.ReadLineAsync(cancellationToken) != "done")
        {
            throw new LaboratoryException($"librdkafka's cluster for tests has ended: {mock.Errors}");
        }
    }

    private static string Line(int number)
    {
        byte[] noise = new byte[EventBytes * 3 / 4];
        new Random(number).NextBytes(noise);
        return Convert.ToBase64String(noise);
    }

    private static string[] Common(KafkaOptions cluster)
    {
        List<string> common = ["-q", "-b", cluster.Bootstrap, "-t", cluster.TopicPrefix + Topic, "-X", $"client.id={cluster.ClientId}"];
        if (cluster.Tls is { } tls)
        {
            common.AddRange(["-X", "security.protocol=ssl", "-X", $"ssl.ca.location={tls.AuthoritiesFile}"]);
            if (tls.CertificateFile is not null)
            {
                common.AddRange(["-X", $"ssl.certificate.location={tls.CertificateFile}", "-X", $"ssl.key.location={tls.KeyFile}"]);
            }
        }

        return [.. common];
    }

    private static async Task<Pace> AppendAsync(KafkaLog log, int events, int callers, CancellationToken cancellationToken)
    {
        LatencyHistogram[] latencies = [.. Enumerable.Range(0, callers).Select(_ => new LatencyHistogram())];
        int left = events / EventsABatch;
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long allocated = GC.GetTotalAllocatedBytes(precise: true), begun = Stopwatch.GetTimestamp();
        await Task.WhenAll(latencies.Select((latency, caller) => Task.Run(
            async () =>
            {
                EventBatch batch = new();
                for (int i = 0; i < EventsABatch; i++)
                {
                    batch.Add(Topic, default, System.Text.Encoding.ASCII.GetBytes(Line((caller * EventsABatch) + i)));
                }

                while (Interlocked.Decrement(ref left) >= 0)
                {
                    long at = Stopwatch.GetTimestamp();
                    await log.AppendAsync(batch, cancellationToken);
                    latency.Record((long)Stopwatch.GetElapsedTime(at).TotalNanoseconds);
                }
            },
            cancellationToken)));
        double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        LatencyHistogram all = new();
        Array.ForEach(latencies, all.Add);
        return new(events / seconds, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / events, (GC.GetTotalAllocatedBytes(precise: true) - allocated) / (double)events, all);
    }

    private static async Task<Pace> ReadAsync(KafkaLog log, int events, CancellationToken cancellationToken)
    {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long allocated = GC.GetTotalAllocatedBytes(precise: true), begun = Stopwatch.GetTimestamp();
        await using IEventReader reader = log.Read(EventStart.Oldest, Topic);
        for (int i = 0; i < events; i++)
        {
            await reader.ReadAsync(cancellationToken);
        }

        double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        return new(events / seconds, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / events, (GC.GetTotalAllocatedBytes(precise: true) - allocated) / (double)events, null);
    }

    private static async Task<Pace> PlayAsync(string kcat, int events, string[] arguments, CancellationToken cancellationToken)
    {
        long begun = Stopwatch.GetTimestamp();
        (int exitCode, _, string errors) = await ChildProcess.RunAsync(kcat, arguments, null, cancellationToken);
        return exitCode == 0
            ? new(events / Stopwatch.GetElapsedTime(begun).TotalSeconds, null, null, null)
            : throw new LaboratoryException($"kcat failed: {errors}");
    }

    private static void Add(RunBuilder run, string name, List<Pace> own, List<Pace> peer)
    {
        LatencyHistogram latency = new();
        own.ForEach(each => latency.Add(each.Latency ?? new()));
        Dictionary<string, double> metrics = new()
        {
            ["eventsPerSecond"] = RoundSeries.Median([.. own.Select(each => each.PerSecond)]),
            ["cpuUsPerEvent"] = RoundSeries.Median([.. own.Select(each => each.CpuUs!.Value)]),
            ["allocatedBytesPerEvent"] = RoundSeries.Median([.. own.Select(each => each.AllocatedBytes!.Value)]),
        };
        Dictionary<string, string> parameters = new() { ["eventBytes"] = EventBytes.ToString(CultureInfo.InvariantCulture), ["rounds"] = own.Count.ToString(CultureInfo.InvariantCulture) };
        run.Add(latency.Count > 0 ? RoundSeries.ToCase(name, latency, parameters, metrics) : new CaseRecord { Name = name, Parameters = parameters, Metrics = metrics });
        if (peer.Count > 0)
        {
            run.AddRatio($"{name} eventsPerSecond vs librdkafka", [.. own.Select(each => each.PerSecond)], [.. peer.Select(each => each.PerSecond)], 0.8, lowerIsBetter: false);
        }
    }

    private static void AddPeer(RunBuilder run, string name, List<Pace> peer)
    {
        if (peer.Count > 0)
        {
            run.Add(new CaseRecord { Name = $"librdkafka/{name}", Metrics = new Dictionary<string, double> { ["eventsPerSecond"] = RoundSeries.Median([.. peer.Select(each => each.PerSecond)]) } });
        }
    }

    private sealed record Pace(double PerSecond, double? CpuUs, double? AllocatedBytes, LatencyHistogram? Latency);
}
