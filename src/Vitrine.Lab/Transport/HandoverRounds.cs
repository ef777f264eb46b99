using System.Diagnostics;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>A telephone that leaves the house and comes back, again and again, while requests go on: how long nothing is answered, and how
/// many requests are lost. The Wi-Fi's address is taken away as the one of 4G comes, and the other way round; nobody tells the program.</summary>
internal static class HandoverRounds
{
    /// <summary>A request every 20 ms: how finely a gap is seen.</summary>
    private const double RequestsPerSecond = 50;

    private const int RoundsFull = 5, ChangesARound = 50, ChangesQuick = 8;

    /// <summary>Between two changes: time for a connection to learn its new path, as a person who walks leaves it far more than.</summary>
    private const double BetweenMsMin = 1200, BetweenMsMax = 1600;

    private const ulong Seed = 11;

    /// <summary>After a change for so long gaps count as its own, unless they began before the next.</summary>
    private const long WatchedNs = 1_100_000_000;

    /// <summary>So many packets have come before the first change: the handshake is over, which cannot change its path, and requests are
    /// answered.</summary>
    private const int SettledPackets = 80;

    /// <summary>What is before the first change and after the last one.</summary>
    private const double MarginSeconds = 2;

    public static async Task RunAsync(RunBuilder run, EchoCertificate certificate, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork? network = WeakRounds.TryCreate(run, NetworkProfiles.WifiTo4G, options);
        if (network is null)
        {
            return;
        }

        await using EchoTargets all = await EchoTargets.StartAsync(options, certificate, network.Far.Address, (program, arguments) => network.Far.Start(program, arguments), cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
        EchoTarget[] targets = [.. all.All.Where(target => target.Own is not null && target.Protocol is EchoProtocol.Quic or EchoProtocol.Grpc)];
        (int rounds, int changes) = options.Quick ? (1, ChangesQuick) : (RoundsFull, ChangesARound);
        EchoLoad load = new()
        {
            Protocol = EchoProtocol.Quic,
            Address = "",
            Fingerprint = certificate.Fingerprint,
            Connections = 1,
            Streams = WeakRounds.Streams,
            RequestsPerSecond = RequestsPerSecond,
            WarmSeconds = 0,
            Seconds = (changes * BetweenMsMax / 1e3) + (2 * MarginSeconds),
            TimeoutSeconds = 20,
            HandsOver = true,
        };
        Dictionary<string, HandoverSeries> series = targets.ToDictionary(target => target.Name, target => new HandoverSeries());
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < targets.Length; i++)
            {
                report((round + ((double)i / targets.Length)) / rounds);
                EchoTarget target = targets[round % 2 == 0 ? i : targets.Length - 1 - i];
                List<long> changedNs = [];
                Task<EchoLoadResult> playing = agent.PlayAsync(
                    load with { Protocol = target.Protocol, Address = target.Address, ServerProcessId = target.ProcessId }, cancellationToken);
                Random random = new((int)(Seed + (ulong)round)); // the same times for each
                long before = network.CurrentPath.DownCounters.Forwarded;
                while (!playing.IsCompleted && network.CurrentPath.DownCounters.Forwarded - before < SettledPackets)
                {
                    await Task.Delay(20, cancellationToken);
                }

                for (int change = 0; change < changes && !playing.IsCompleted; change++)
                {
                    changedNs.Add(Stopwatch.GetTimestamp());
                    network.ChangePath();
                    await Task.Delay(TimeSpan.FromMilliseconds(BetweenMsMin + ((BetweenMsMax - BetweenMsMin) * random.NextDouble())), cancellationToken);
                }

                EchoLoadResult result = await playing;
                if (result.Failure is { } failure)
                {
                    run.NotMeasured($"{target.Name}/{Suffix}: {failure}");
                    continue;
                }

                series[target.Name].Add(changedNs, result, (long)(1e9 / RequestsPerSecond));
            }
        }

        foreach ((string name, HandoverSeries each) in series.Where(each => each.Value.Interruption.Count > 0))
        {
            run.Add(each.ToCase($"{name}/{Suffix}"));
        }

        if (series.TryGetValue("quic", out HandoverSeries? quic) && quic.Interruption.Count > 0)
        {
            run.AddGoal($"quic/{Suffix} p99Ms", quic.Interruption.P99Ns / 1e6, 217);
            run.AddGoal($"quic/{Suffix} lost", quic.Lost, 0);
            if (series.TryGetValue("grpc", out HandoverSeries? grpc) && grpc.Interruption.Count > 0)
            {
                run.Add(RatioRecord.Of($"quic/{Suffix} p50Ms vs grpc", (double)quic.Interruption.P50Ns / grpc.Interruption.P50Ns, null));
                run.Add(RatioRecord.Of($"quic/{Suffix} p99Ms vs grpc", (double)quic.Interruption.P99Ns / grpc.Interruption.P99Ns, null));
            }
        }
    }

    private const string Suffix = "handover/wifi-to-4g";

    /// <summary>How long nothing was answered because of each change: the longest time between two answers from the last one before the change
    /// on, less the distance of the requests.</summary>
    /// <param name="changedNs">When the path changed, ascending.</param>
    /// <param name="answeredNs">When requests were answered, in any order.</param>
    /// <param name="intervalNs">Between two requests.</param>
    internal static List<long> InterruptionsNs(IReadOnlyList<long> changedNs, IEnumerable<long> answeredNs, long intervalNs)
    {
        long[] answers = [.. answeredNs.Order()];
        List<long> interruptions = [];
        foreach (long changeNs in changedNs)
        {
            int next = Array.BinarySearch(answers, changeNs);
            next = next < 0 ? ~next : next;
            long longestNs = 0;
            for (; next < answers.Length; next++)
            {
                long beforeNs = next == 0 ? changeNs : answers[next - 1];
                if (beforeNs > changeNs + WatchedNs)
                {
                    break;
                }

                longestNs = Math.Max(longestNs, answers[next] - beforeNs);
            }

            interruptions.Add(Math.Max(0, longestNs - intervalNs));
        }

        return interruptions;
    }

    private sealed class HandoverSeries
    {
        private readonly LatencyHistogram _toLte = new(), _toWifi = new(), _requests = new();
        private readonly List<double> _roundP50Ms = [];
        private int _reconnects;
        private double _seconds;

        public LatencyHistogram Interruption { get; } = new();

        public long Requests { get; private set; }

        public long Lost { get; private set; }

        public void Add(List<long> changedNs, EchoLoadResult result, long intervalNs)
        {
            List<long> interruptions = InterruptionsNs(changedNs, result.AnsweredNs.Where(each => each > 0), intervalNs);
            for (int i = 0; i < interruptions.Count; i++)
            {
                Interruption.Record(interruptions[i]);
                (i % 2 == 0 ? _toLte : _toWifi).Record(interruptions[i]);
            }

            _roundP50Ms.Add(RoundSeries.Median([.. interruptions.Select(each => each / 1e6)]));
            _requests.Add(EchoLoadResult.Decode(result.Latency));
            (Requests, Lost, _reconnects) = (Requests + result.Requests, Lost + result.Failed, _reconnects + result.Reconnects);
            _seconds += result.Seconds;
        }

        public CaseRecord ToCase(string name) => RoundSeries.ToCase(
            name,
            Interruption,
            new Dictionary<string, string> { ["interval"] = $"{1e3 / RequestsPerSecond} ms", ["old path"] = "removed" },
            new Dictionary<string, double>
            {
                ["handovers"] = Interruption.Count,
                ["lost"] = Lost,
                ["requests"] = Requests,
                ["requestP50Ms"] = _requests.P50Ns / 1e6,
                ["requestP99Ms"] = _requests.P99Ns / 1e6,
                ["requestMaxMs"] = _requests.MaxNs / 1e6,
                ["to4gP50Ms"] = _toLte.P50Ns / 1e6,
                ["to4gP99Ms"] = _toLte.P99Ns / 1e6,
                ["toWifiP50Ms"] = _toWifi.P50Ns / 1e6,
                ["toWifiP99Ms"] = _toWifi.P99Ns / 1e6,
                ["reconnects"] = _reconnects,
                ["seconds"] = _seconds,
            }) with
        { RoundMediansMs = [.. _roundP50Ms] };
    }
}
