using System.Globalization;
using Vitrine.Measurement;
using Vitrine.Transports;

namespace Vitrine.Lab.Transport;

/// <summary>45 streams of answers on one connection of an honest client, and five malicious clients that do what they like: how late the
/// answers are without and with them, and what the server holds.</summary>
internal static class HostileRounds
{
    private const int HonestStreams = 45;

    /// <summary>What five malicious clients may make the server take, at most: 32 MiB each.</summary>
    private const double HeldBytesMax = 5 * (32 << 20);

    /// <summary>What may be left: the web server's free blocks, of which a pool for each processor keeps so many, and as much for all else that
    /// found its size.</summary>
    private static readonly double s_leftBytesMax = (Environment.ProcessorCount + 1) * (double)SendBlocks.FreeBlocksMax * SendBlocks.BlockBytes;

    /// <summary>Longer than a handshake may take: what was begun has been given up.</summary>
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(12);

    private static readonly AttackKind[] s_kinds = [AttackKind.Resets, AttackKind.Handshakes, AttackKind.Readers, AttackKind.Bombs, AttackKind.Headers];

    public static async Task RunAsync(
        RunBuilder run, EchoServerProcess server, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        await using StreamProcess honest = StreamProcess.Start(options);
        await using AttackProcess hostile = AttackProcess.Start(options);
        // Each kind by itself shows which one does it; all together is what is asked for.
        (string What, AttackKind[] Kinds, int Rounds)[] attacks = options.Quick
            ? [("all", s_kinds, 1)]
            : [("all", s_kinds, 5), .. s_kinds.Select(kind => (Enum.GetName(kind)!.ToLowerInvariant(), (AttackKind[])[kind], 1))];
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
        double calm = options.Quick ? 2 : 8, attacked = AttackedSeconds(options);
        // Not counted: code that is new, windows that have not found their size.
        await honest.OrderAsync(new() { Open = load, Seconds = 1.5 }, cancellationToken);
        EchoServerHoldings flowing = await server.ReadHoldingsAsync(cancellationToken);
        long residentBefore = Soak.Holdings.ReadAnonymousBytes(server.ProcessId);
        StreamResult before = await honest.OrderAsync(new() { Seconds = calm }, cancellationToken);
        (StreamResult spinning, _, _) = await BesideAsync([AttackKind.Spinning], calm);
        (StreamResult beside, AttackResult attack, long residentMost) = await BesideAsync(kinds, attacked);
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
        return new(before, spinning, beside, after, attack, flowing, again, residentBefore, residentMost, residentAfter);

        async Task<(StreamResult Honest, AttackResult Attack, long ResidentBytesMost)> BesideAsync(IReadOnlyList<AttackKind> what, double seconds)
        {
            await using MemoryWatch watch = new(server.ProcessId);
            Task<AttackResult> attacking = hostile.PlayAsync(
                new() { Protocol = load.Protocol, Address = load.Address, Fingerprint = load.Fingerprint, Kinds = what, Seconds = seconds + 0.5 }, cancellationToken);
            StreamResult result;
            try
            {
                result = await honest.OrderAsync(new() { Seconds = seconds }, cancellationToken);
            }
            finally
            {
                await ((Task)attacking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            AttackResult came = await attacking;
            return came.Failure is { } failure ? throw new LaboratoryException(failure) : (result, came, watch.MostBytes);
        }
    }

    private static double AttackedSeconds(LabOptions options) => options.Quick ? 5 : 20;

    private static void Add(RunBuilder run, string name, StreamLoad load, LabOptions options, List<Round> rounds)
    {
        double Median(Func<Round, double> value) => RoundSeries.Median([.. rounds.Select(value)]);
        LatencyHistogram latency = new();
        rounds.ForEach(round => latency.Add(EchoLoadResult.Decode(round.Attacked.Latency)));
        var metrics = new Dictionary<string, double>
        {
            ["p99MsBefore"] = Median(round => StalledRounds.P99(round.Before)),
            ["p99MsSpinning"] = Median(round => StalledRounds.P99(round.Spinning)),
            ["p99MsAttacked"] = Median(round => StalledRounds.P99(round.Attacked)),
            ["p99MsAfter"] = Median(round => StalledRounds.P99(round.After)),
            ["missing"] = rounds.Sum(Missing),
            ["liveBytesBefore"] = Median(round => round.Flowing.LiveBytes),
            ["liveBytesAfter"] = Median(round => round.Again.LiveBytes),
            ["residentBytesBefore"] = Median(round => round.ResidentBytesBefore),
            ["residentBytesMost"] = rounds.Max(round => round.ResidentBytesMost),
            ["residentBytesAfter"] = Median(round => round.ResidentBytesAfter),
            ["descriptorsBefore"] = Median(round => round.Flowing.Descriptors),
            ["descriptorsAfter"] = Median(round => round.Again.Descriptors),
            ["attackersCpuCores"] = Median(round => round.Attack.ClientCpuNs / 1e9 / (AttackedSeconds(options) + 0.5)),
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
        double[] against = [.. rounds.Select(round => 2 * StalledRounds.P99(round.Attacked) / (StalledRounds.P99(round.Before) + StalledRounds.P99(round.After)))];
        run.Add(RatioRecord.Of($"{name} p99Ms of the honest vs without", RoundSeries.Median(against), 1.2) with { Rounds = against });
        LoadRounds.AddRatio(
            run, $"{name} p99Ms of the honest vs spinning", [.. rounds.Select(round => StalledRounds.P99(round.Attacked))], [.. rounds.Select(round => StalledRounds.P99(round.Spinning))], null);
        run.AddGoal($"{name} missing", rounds.Sum(Missing), 0);
        run.AddGoal($"{name} residentBytes more at most", rounds.Max(round => round.ResidentBytesMost - round.ResidentBytesBefore), HeldBytesMax);
        run.AddGoal($"{name} liveBytes left afterwards", Median(round => round.Again.LiveBytes - round.Flowing.LiveBytes), s_leftBytesMax);
        run.AddGoal($"{name} descriptors left afterwards", Median(round => round.Again.Descriptors - round.Flowing.Descriptors), 0);
    }

    private static long Missing(Round round) => round.Before.Missing + round.Spinning.Missing + round.Attacked.Missing + round.After.Missing;

    private sealed record Round(
        StreamResult Before, StreamResult Spinning, StreamResult Attacked, StreamResult After, AttackResult Attack, EchoServerHoldings Flowing, EchoServerHoldings Again,
        long ResidentBytesBefore, long ResidentBytesMost, long ResidentBytesAfter);
}
