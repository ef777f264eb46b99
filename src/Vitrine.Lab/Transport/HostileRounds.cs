using System.Globalization;
using System.Net;
using Vitrine.Measurement;
using Vitrine.Transports;

namespace Vitrine.Lab.Transport;

/// <summary>45 streams of answers on one connection of an honest client, and five malicious clients that do what they like: how late the
/// answers are without and with them, and what the server holds.</summary>
internal static class HostileRounds
{
    private const int HonestStreams = 45;

    /// <summary>So many times as long as the calm.</summary>
    private const int AttackedPieces = 3;

    /// <summary>The attackers vanish when nobody counts.</summary>
    private const double AttackGoesOnSeconds = 0.5;

    /// <summary>What five malicious clients may make the server take, at most: 32 MiB each.</summary>
    private const double HeldBytesMax = 5 * (32 << 20);

    /// <summary>What may be left: the web server's free blocks, of which a pool for each processor keeps so many, and as much for all else that
    /// found its size.</summary>
    private static readonly double s_leftBytesMax = (Environment.ProcessorCount + 1) * (double)SendBlocks.FreeBlocksMax * SendBlocks.BlockBytes;

    /// <summary>Longer than a handshake may take: what was begun has been given up.</summary>
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(12);

    private static readonly AttackKind[] s_kinds = [AttackKind.Resets, AttackKind.Handshakes, AttackKind.Readers, AttackKind.Bombs, AttackKind.Headers];

    /// <param name="run">Takes the figures.</param>
    /// <param name="certificate">The server's.</param>
    /// <param name="options">How long.</param>
    /// <param name="isTogether">One of each kind at a time, which is what is asked for.</param>
    /// <param name="isByKind">Five of a kind, one kind after another: which one does it.</param>
    /// <param name="report">What is done, and how much of it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task RunAsync(
        RunBuilder run, EchoCertificate certificate, LabOptions options, bool isTogether, bool isByKind, Action<string, double> report, CancellationToken cancellationToken)
    {
        Func<string, IEnumerable<string>, ChildProcess>? start = await RealTimeStart.FindAsync(cancellationToken);
        if (start is null)
        {
            run.NotMeasured($"What attackers cost, apart from what their programs take of this machine's processors: {RealTimeStart.Needs} Compare with the rounds beside threads that only spin.");
        }

        await using EchoServerProcess server = await EchoServerProcess.StartAsync(options, certificate, IPAddress.Loopback.ToString(), start, cancellationToken);
        await using StreamProcess honest = StreamProcess.Start(options, start);
        await using AttackProcess hostile = AttackProcess.Start(options);
        List<(string What, AttackKind[] Kinds, int Rounds)> attacks = isTogether ? [("all", s_kinds, options.Quick ? 1 : 5)] : [];
        if (isByKind)
        {
            attacks.AddRange(s_kinds.Select(kind => (Enum.GetName(kind)!.ToLowerInvariant(), (AttackKind[])[kind], 1)));
        }

        (string Name, StreamLoad Load)[] contestants = [.. StalledRounds.Loads(server, certificate).Select(each => (each.Name, each.Load with { Streams = HonestStreams }))];
        int all = attacks.Sum(attack => attack.Rounds) * contestants.Length, done = 0;
        foreach ((string what, AttackKind[] kinds, int rounds) in attacks)
        {
            var played = contestants.ToDictionary(each => each.Name, _ => new List<Round>());
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < contestants.Length; i++, done++)
                {
                    (string name, StreamLoad load) = contestants[round % 2 == 0 ? i : contestants.Length - 1 - i];
                    report($"{HonestStreams} streams over {name}, and five malicious clients ({what})", done / (double)all);
                    try
                    {
                        played[name].Add(await PlayAsync(load, kinds, honest, hostile, server, options, cancellationToken));
                    }
                    catch (LaboratoryException failure)
                    {
                        run.NotMeasured($"{name}/45-streams-hostile-{what}: {failure.Message}");
                    }
                }
            }

            foreach ((string name, List<Round> each) in played)
            {
                if (each.Count > 0)
                {
                    Add(run, $"{name}/45-streams-hostile-{what}", contestants.First(contestant => contestant.Name == name).Load, options, each);
                }
            }
        }
    }

    private static async Task<Round> PlayAsync(
        StreamLoad load, AttackKind[] kinds, StreamProcess honest, AttackProcess hostile, EchoServerProcess server, LabOptions options, CancellationToken cancellationToken)
    {
        double calm = CalmSeconds(options);
        // Not counted: code that is new, windows that have not found their size.
        await honest.OrderAsync(new() { Open = load, Seconds = 1.5 }, cancellationToken);
        EchoServerHoldings flowing = await server.ReadHoldingsAsync(cancellationToken);
        long residentBefore = Soak.Holdings.ReadAnonymousBytes(server.ProcessId);
        StreamResult before = await honest.OrderAsync(new() { Seconds = calm }, cancellationToken);
        (List<StreamResult> spun, _, _) = await BesideAsync([AttackKind.Spinning], 1);
        (List<StreamResult> beside, AttackResult attack, long residentMost) = await BesideAsync(kinds, AttackedPieces);
        StreamResult after = await honest.OrderAsync(new() { Seconds = calm }, cancellationToken);
        await honest.OrderAsync(new() { Seconds = 0.1 }, cancellationToken);
        long settling = options.Time.GetTimestamp();
        EchoServerHoldings again = await server.ReadHoldingsAsync(cancellationToken);
        while (again.QuicConnections > flowing.QuicConnections && options.Time.GetElapsedTime(settling) < s_settling)
        {
            await honest.OrderAsync(new() { Seconds = 0.5 }, cancellationToken);
            again = await server.ReadHoldingsAsync(cancellationToken);
        }

        long residentAfter = Soak.Holdings.ReadAnonymousBytes(server.ProcessId);
        await honest.OrderAsync(new() { Closes = true }, cancellationToken);
        return new(before, spun[0], beside, after, attack, flowing, again, residentBefore, residentMost, residentAfter);

        // In pieces as long as the calm: one moment in which the machine stands still weighs more in a short time than in a long one.
        async Task<(List<StreamResult> Honest, AttackResult Attack, long ResidentBytesMost)> BesideAsync(IReadOnlyList<AttackKind> what, int pieces)
        {
            await using MemoryWatch watch = new(server.ProcessId);
            Task<AttackResult> attacking = hostile.PlayAsync(
                new() { Protocol = load.Protocol, Address = load.Address, Fingerprint = load.Fingerprint, Kinds = what, Seconds = (pieces * calm) + AttackGoesOnSeconds }, cancellationToken);
            List<StreamResult> results = [];
            try
            {
                while (results.Count < pieces)
                {
                    results.Add(await honest.OrderAsync(new() { Seconds = calm }, cancellationToken));
                }
            }
            finally
            {
                await ((Task)attacking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            AttackResult came = await attacking;
            return came.Failure is { } failure ? throw new LaboratoryException(failure) : (results, came, watch.MostBytes);
        }
    }

    private static double CalmSeconds(LabOptions options) => options.Quick ? 2 : 6;

    private static double AttackedSeconds(LabOptions options) => AttackedPieces * CalmSeconds(options);

    private static void Add(RunBuilder run, string name, StreamLoad load, LabOptions options, List<Round> rounds)
    {
        double Median(Func<Round, double> value) => RoundSeries.Median([.. rounds.Select(value)]);
        LatencyHistogram latency = new();
        rounds.ForEach(round => round.Attacked.ForEach(piece => latency.Add(EchoLoadResult.Decode(piece.Latency))));
        var metrics = new Dictionary<string, double>
        {
            ["p99MsBefore"] = Median(round => StalledRounds.P99(round.Before)),
            ["p99MsSpinning"] = Median(round => StalledRounds.P99(round.Spinning)),
            ["p99MsAttacked"] = RoundSeries.Median([.. rounds.SelectMany(round => round.Attacked).Select(StalledRounds.P99)]),
            ["p99MsAttackedWorst"] = rounds.SelectMany(round => round.Attacked).Max(StalledRounds.P99),
            ["p99MsAfter"] = Median(round => StalledRounds.P99(round.After)),
            ["missing"] = rounds.Sum(Missing),
            ["liveBytesBefore"] = Median(round => round.Flowing.LiveBytes),
            ["liveBytesAfter"] = Median(round => round.Again.LiveBytes),
            ["residentBytesBefore"] = Median(round => round.ResidentBytesBefore),
            ["residentBytesMost"] = rounds.Max(round => round.ResidentBytesMost),
            ["residentBytesAfter"] = Median(round => round.ResidentBytesAfter),
            ["descriptorsBefore"] = Median(round => round.Flowing.Descriptors),
            ["descriptorsAfter"] = Median(round => round.Again.Descriptors),
            ["attackersCpuCores"] = Median(round => round.Attack.ClientCpuNs / 1e9 / (AttackedSeconds(options) + AttackGoesOnSeconds)),
        };
        foreach (AttackKind kind in rounds[0].Attack.Blows.Keys)
        {
            string key = Enum.GetName(kind)!.ToLowerInvariant();
            metrics[$"{key}Blows"] = Median(round => round.Attack.Blows[kind]);
            metrics[$"{key}Connections"] = Median(round => round.Attack.Connections[kind]);
            metrics[$"{key}Refused"] = Median(round => round.Attack.Refused[kind]);
        }

        // What the server says of it: since its start, so the difference.
        foreach (string limit in rounds.SelectMany(round => round.Again.Refusals.Keys).Distinct())
        {
            double refused = rounds.Sum(round => round.Again.Refusals.GetValueOrDefault(limit) - round.Flowing.Refusals.GetValueOrDefault(limit));
            if (refused > 0)
            {
                metrics[$"limit.{limit}"] = refused;
            }
        }

        run.Add(RoundSeries.ToCase(
            name, latency,
            load.ToParameters(
                ("attackSeconds", AttackedSeconds(options).ToString(CultureInfo.InvariantCulture)),
                ("rounds", rounds.Count.ToString(CultureInfo.InvariantCulture)),
                ("attackers", "5, at the priority of what is idle")),
            metrics));
        run.Add(StalledRounds.P99Against(
            $"{name} p99Ms of the honest vs without", [.. rounds.Select(round => round.Attacked.ConvertAll(StalledRounds.P99))],
            [.. rounds.Select(round => (List<double>)[StalledRounds.P99(round.Before), StalledRounds.P99(round.After)])]));
        run.AddRatio(
            $"{name} p99Ms of the honest vs spinning", [.. rounds.Select(round => round.P99Attacked)], [.. rounds.Select(round => StalledRounds.P99(round.Spinning))], null);
        run.AddGoal($"{name} missing", rounds.Sum(Missing), 0);
        run.AddGoal($"{name} residentBytes more at most", rounds.Max(round => round.ResidentBytesMost - round.ResidentBytesBefore), HeldBytesMax);
        run.AddGoal($"{name} liveBytes left afterwards", Median(round => round.Again.LiveBytes - round.Flowing.LiveBytes), s_leftBytesMax);
        run.AddGoal($"{name} descriptors left afterwards", Median(round => round.Again.Descriptors - round.Flowing.Descriptors), 0);
    }

    private static long Missing(Round round) => round.Before.Missing + round.Spinning.Missing + round.Attacked.Sum(piece => piece.Missing) + round.After.Missing;

    private sealed record Round(
        StreamResult Before, StreamResult Spinning, List<StreamResult> Attacked, StreamResult After, AttackResult Attack, EchoServerHoldings Flowing, EchoServerHoldings Again,
        long ResidentBytesBefore, long ResidentBytesMost, long ResidentBytesAfter)
    {
        /// <summary>Of the pieces, on average.</summary>
        public double P99Attacked => Attacked.Average(StalledRounds.P99);
    }
}
