using System.Globalization;
using System.Net;
using Vitrine.Lab.Soak;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>50 streams of answers on one connection, of which one stops reading for a while: how late the others' are before, meanwhile and
/// afterwards, and what the server holds.</summary>
internal static class StalledRounds
{
    /// <summary>The most that a stream which is not read may cost: what a host's limits let QUIC keep for it (512 KiB), with its message, and
    /// as much again for what keeps it.</summary>
    private const double StalledBytesMax = 1 << 20;

    public static async Task RunAsync(
        RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        Func<string, IEnumerable<string>, ChildProcess>? start = await RealTimeStart.FindAsync(cancellationToken);
        if (start is null)
        {
            run.NotMeasured($"What a stream that is not read costs, apart from when this machine gives a thread a processor: {RealTimeStart.Needs}");
        }

        await using EchoServerProcess server = await EchoServerProcess.StartAsync(options, certificate, IPAddress.Loopback.ToString(), start, cancellationToken);
        await using StreamProcess agent = StreamProcess.Start(options, start);
        (string Name, StreamLoad Load)[] contestants = [.. Loads(server, certificate)];
        int rounds = options.Quick ? 1 : 5;
        double stalls = options.Quick ? 5 : 30, reads = options.Quick ? 2 : 10;
        var all = contestants.ToDictionary(each => each.Name, _ => new List<Round>());
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < contestants.Length; i++)
            {
                (string name, StreamLoad load) = contestants[round % 2 == 0 ? i : contestants.Length - 1 - i];
                report($"50 streams over {name}, one is not read", ((round * contestants.Length) + i) / (double)(rounds * contestants.Length));
                if (await PlayAsync(run, name, load, agent, server, reads, stalls, options, cancellationToken) is { } played)
                {
                    all[name].Add(played);
                }
            }
        }

        foreach ((string name, List<Round> played) in all)
        {
            if (played.Count > 0)
            {
                Add(run, $"{name}/50-streams-one-stalled", contestants.First(each => each.Name == name).Load, stalls, played);
            }
        }
    }

    /// <summary>The load over each protocol that the server speaks.</summary>
    public static IEnumerable<(string Name, StreamLoad Load)> Loads(EchoServerProcess server, EchoCertificate certificate)
    {
        StreamLoad load = new() { Protocol = EchoProtocol.Grpc, Address = server.Ready.Https, Fingerprint = certificate.Fingerprint };
        if (server.Ready.HostCalls is { } quic)
        {
            yield return ("quic", load with { Protocol = EchoProtocol.Calls, Address = quic });
        }

        yield return ("grpc", load);
        yield return ("http2", load with { Protocol = EchoProtocol.Http2 });
    }

    private static async Task<Round?> PlayAsync(
        RunBuilder run, string name, StreamLoad load, StreamProcess agent, EchoServerProcess server, double reads, double stalls, LabOptions options,
        CancellationToken cancellationToken)
    {
        try
        {
            // Not counted: code that is new, windows and pools that have not found their size, which a first stall changes.
            await OrderAsync(new() { Open = load, Seconds = options.Quick ? 1 : 3, Stalls = true });
            await OrderAsync(new() { Seconds = 1 });
            EchoServerHoldings flowing = await server.ReadHoldingsAsync(cancellationToken);
            Watched before = await WatchAsync(new() { Seconds = reads });
            // In pieces as long as the others: one moment in which the machine stands still weighs more in a short time than in a long one.
            List<Watched> stalled = [];
            for (double begun = 0; begun < stalls; begun += reads)
            {
                stalled.Add(await WatchAsync(new() { Seconds = Math.Min(reads, stalls - begun), Stalls = true }));
            }

            EchoServerHoldings full = await server.ReadHoldingsAsync(cancellationToken);
            await OrderAsync(new() { Seconds = 1 }); // what has waited is read
            Watched after = await WatchAsync(new() { Seconds = reads });
            EchoServerHoldings again = await server.ReadHoldingsAsync(cancellationToken);
            await OrderAsync(new() { Closes = true });
            return new(before, stalled, after, flowing, full, again);
        }
        catch (LaboratoryException failure)
        {
            run.NotMeasured($"{name}/50-streams-one-stalled: {failure.Message}");
            return null;
        }

        Task<StreamResult> OrderAsync(StreamOrder order) => agent.OrderAsync(order, cancellationToken);

        async Task<Watched> WatchAsync(StreamOrder order)
        {
            await using MemoryWatch watch = new(server.ProcessId);
            bool isRead = ProcessProbe.TryGetCpuNs(server.ProcessId, out long cpuNs);
            StreamResult result = await OrderAsync(order);
            isRead &= ProcessProbe.TryGetCpuNs(server.ProcessId, out long afterNs);
            return isRead ? new(result, watch.MostBytes, (afterNs - cpuNs + result.ClientCpuNs) / 1e9 / order.Seconds) : throw new LaboratoryException("The server has ended.");
        }
    }

    private static void Add(RunBuilder run, string name, StreamLoad load, double stalls, List<Round> rounds)
    {
        double Median(Func<Round, double> value) => RoundSeries.Median([.. rounds.Select(value)]);
        LatencyHistogram latency = new();
        rounds.ForEach(round => round.Stalled.ForEach(piece => latency.Add(EchoLoadResult.Decode(piece.Result.Latency))));
        run.Add(RoundSeries.ToCase(
            name, latency,
            load.ToParameters(("stallSeconds", stalls.ToString(CultureInfo.InvariantCulture)), ("rounds", rounds.Count.ToString(CultureInfo.InvariantCulture))),
            new Dictionary<string, double>
            {
                ["p99MsBefore"] = Median(round => round.Before.P99Ms),
                ["p99MsStalled"] = RoundSeries.Median([.. rounds.SelectMany(round => round.Stalled).Select(piece => piece.P99Ms)]),
                ["p99MsStalledWorst"] = rounds.SelectMany(round => round.Stalled).Max(piece => piece.P99Ms),
                ["p99MsAfter"] = Median(round => round.After.P99Ms),
                ["processorsBusyBefore"] = Median(round => round.Before.CpuCores),
                ["processorsBusyStalled"] = Median(round => round.Stalled.Average(piece => piece.CpuCores)),
                ["missing"] = rounds.Sum(round => round.Missing),
                ["stalledStreamsEnded"] = rounds.Count(round => round.After.Result.StalledEnd is not null),
                ["stalledAnswersBefore"] = Median(round => round.Before.Result.StalledAnswers),
                ["stalledAnswersMeanwhile"] = Median(round => round.Stalled[^1].Result.StalledAnswers - round.Before.Result.StalledAnswers),
                ["stalledAnswersAfter"] = Median(round => round.After.Result.StalledAnswers - round.Stalled[^1].Result.StalledAnswers),
                ["liveBytesBefore"] = Median(round => round.Flowing.LiveBytes),
                ["liveBytesStalled"] = Median(round => round.Full.LiveBytes),
                ["liveBytesAfter"] = Median(round => round.Again.LiveBytes),
                ["quicBytesBefore"] = Median(round => round.Flowing.QuicBytes),
                ["quicBytesStalled"] = Median(round => round.Full.QuicBytes),
                ["quicBytesAfter"] = Median(round => round.Again.QuicBytes),
                ["residentBytesMostBefore"] = Median(round => round.Before.ResidentBytesMost),
                ["residentBytesMostStalled"] = Median(round => round.ResidentBytesStalled),
                ["residentBytesMostAfter"] = Median(round => round.After.ResidentBytesMost),
            }));
        run.Add(P99Against(
            $"{name} p99Ms of the others vs before and after", [.. rounds.Select(round => round.Stalled.ConvertAll(piece => piece.P99Ms))],
            [.. rounds.Select(round => (List<double>)[round.Before.P99Ms, round.After.P99Ms])]));
        // What the machine does by itself.
        run.AddRatio($"{name} p99Ms after vs before", [.. rounds.Select(round => round.After.P99Ms)], [.. rounds.Select(round => round.Before.P99Ms)], null);
        run.AddGoal($"{name} missing", rounds.Sum(round => round.Missing), 0);
        run.AddGoal($"{name} liveBytes of the stalled stream", Median(round => round.Full.LiveBytes - round.Flowing.LiveBytes), StalledBytesMax);
        run.AddGoal($"{name} liveBytes left afterwards", Median(round => round.Again.LiveBytes - round.Flowing.LiveBytes), StalledBytesMax / 4);
        double[] resident = [.. rounds.Select(round => round.ResidentBytesStalled / (double)round.Before.ResidentBytesMost)];
        run.Add(RatioRecord.Of($"{name} residentBytesMost vs before", RoundSeries.Median(resident), 1.2) with { Rounds = resident });
    }

    /// <summary>99th percentile, milliseconds.</summary>
    internal static double P99(StreamResult result) => EchoLoadResult.Decode(result.Latency).P99Ns / 1e6;

    /// <summary>Pieces of time against others of the same length: of each round the ones' average over that of the others, and of those the
    /// median.</summary>
    internal static RatioRecord P99Against(string name, List<List<double>> pieces, List<List<double>> calm)
    {
        double[] rounds = [.. pieces.Zip(calm, (piece, other) => piece.Average() / other.Average())];
        return RatioRecord.Of(name, RoundSeries.Median(rounds), 1.2) with { Rounds = rounds };
    }

    /// <summary>A time, and what client and server took of the processors meanwhile.</summary>
    private sealed record Watched(StreamResult Result, long ResidentBytesMost, double CpuCores)
    {
        public double P99Ms => P99(Result);
    }

    private sealed record Round(Watched Before, List<Watched> Stalled, Watched After, EchoServerHoldings Flowing, EchoServerHoldings Full, EchoServerHoldings Again)
    {
        public long ResidentBytesStalled => Stalled.Max(piece => piece.ResidentBytesMost);

        public long Missing => Before.Result.Missing + Stalled.Sum(piece => piece.Result.Missing) + After.Result.Missing;
    }
}

/// <summary>Looks 20 times a second how much memory a process has that is its own.</summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private readonly int _processId;
    private readonly Timer _timer;
    private long _mostBytes;

    public MemoryWatch(int processId)
    {
        _processId = processId;
        _mostBytes = Holdings.ReadAnonymousBytes(processId);
        _timer = new(_ => Look(), null, TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(50));
    }

    /// <summary>The most up to now.</summary>
    public long MostBytes => Interlocked.Read(ref _mostBytes);

    public ValueTask DisposeAsync() => _timer.DisposeAsync();

    private void Look()
    {
        try
        {
            _mostBytes = Math.Max(_mostBytes, Holdings.ReadAnonymousBytes(_processId));
        }
        catch (IOException)
        {
            // It has ended: whoever talks to it says so.
        }
    }
}
