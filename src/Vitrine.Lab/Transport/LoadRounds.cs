using System.Globalization;

namespace Vitrine.Lab.Transport;

/// <summary>The same load on each server by turns, by the same client.</summary>
internal static class LoadRounds
{
    /// <summary>Plays rounds, the order of the servers turned round each time. One that fails is noted and left out.</summary>
    /// <param name="run">Gets the notes.</param>
    /// <param name="targets">Whom to load.</param>
    /// <param name="load">What each is loaded with; protocol and address are the target's.</param>
    /// <param name="suffix">Of the cases' names.</param>
    /// <param name="rounds">How often.</param>
    /// <param name="agent">The client.</param>
    /// <param name="fingerprint">Of the certificate.</param>
    /// <param name="report">Share of the work that is done.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<Dictionary<string, LoadSeries>> PlayAsync(
        RunBuilder run, IReadOnlyList<EchoTarget> targets, EchoLoad load, string suffix, int rounds, LoadProcess agent, string fingerprint, Action<double> report,
        CancellationToken cancellationToken)
    {
        var series = targets.ToDictionary(target => target.Name, target => new LoadSeries($"{target.Name}/{suffix}"));
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < targets.Count; i++)
            {
                report((round + ((double)i / targets.Count)) / rounds);
                EchoTarget target = targets[round % 2 == 0 ? i : targets.Count - 1 - i];
                if (!series.ContainsKey(target.Name))
                {
                    continue;
                }

                EchoServerFigures? before = target.Own is null ? null : await target.Own.ReadFiguresAsync(cancellationToken);
                EchoLoadResult result = await agent.PlayAsync(
                    target.Adapt(load) with { Protocol = target.Protocol, Address = target.Address, Fingerprint = fingerprint, ServerProcessId = target.ProcessId }, cancellationToken);
                if (result.Failure is { } failure)
                {
                    run.NotMeasured($"{target.Name}/{suffix}: {failure}");
                    series.Remove(target.Name);
                    continue;
                }

                EchoServerFigures? after = target.Own is null ? null : await target.Own.ReadFiguresAsync(cancellationToken);
                series[target.Name].Add(result, before, after);
            }
        }

        return series;
    }

    /// <summary>Adds the cases, and how ours stand against their peers.</summary>
    /// <param name="run">Gets them.</param>
    /// <param name="series">By the name of the target.</param>
    /// <param name="load">What was played.</param>
    /// <param name="hasGoals">Whether it is the load that was published and has goals.</param>
    public static void Add(RunBuilder run, Dictionary<string, LoadSeries> series, EchoLoad load, bool hasGoals)
    {
        foreach ((string target, LoadSeries each) in series)
        {
            run.Add(hasGoals ? PublishedFigures.Complete(each.ToCase(load), target) : each.ToCase(load));
            if (hasGoals)
            {
                PublishedFigures.Compare(run, each, each.Name, target);
            }
        }

        foreach ((string ours, string peer) in EchoTargets.Pairs)
        {
            if (!series.TryGetValue(ours, out LoadSeries? own) || !series.TryGetValue(peer, out LoadSeries? other))
            {
                continue;
            }

            bool isQuic = ours == "quic";
            run.AddRatio($"{own.Name} requestsPerSecond vs {peer}", own.RequestsPerSecond, other.RequestsPerSecond, hasGoals ? (isQuic ? 2 : 1) : null, lowerIsBetter: false);
            run.AddRatio(
                $"{own.Name} serverCpuUsPerRequest vs {peer}", own.ServerMicrosecondsPerRequest, other.ServerMicrosecondsPerRequest, hasGoals && isQuic ? 0.5 : null);
            run.AddRatio($"{own.Name} p99Ms vs {peer}", own.P99Ms, other.P99Ms, hasGoals && !isQuic ? 1 : null);
        }
    }

    /// <summary>«100x1KB», as cases are called.</summary>
    public static string Suffix(EchoLoad load) => string.Create(CultureInfo.InvariantCulture, $"{load.Connections}x{SizeText(load.PayloadBytes)}");

    private static string SizeText(int bytes) => bytes switch
    {
        >= 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes >> 20}MB"),
        >= 1 << 10 => string.Create(CultureInfo.InvariantCulture, $"{bytes >> 10}KB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes}B"),
    };
}
