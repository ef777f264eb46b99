using System.Globalization;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>What was published for 100 connections and 1 KB, at whatever rate that was: from the requirements of this project (NET-1 to NET-3).
/// It stands beside our figures for its size, without goals: the machine was not named.</summary>
internal static class PublishedFigures
{
    private static readonly Dictionary<string, (double MeanMs, double P99Ms, double ResidentMegabytes, double? SetupMs)> s_figures = new()
    {
        ["grpc"] = (3.2, 18.7, 42, null),
        ["http2"] = (4.1, 22.4, 39, null),
        ["quic"] = (2.6, 14.9, 51, 3.1),
    };

    /// <summary>A case of ours with the published figures beside it; as it is when there are none.</summary>
    public static CaseRecord Complete(CaseRecord record, string protocol) => !s_figures.TryGetValue(protocol, out var published) ? record : record with
    {
        Parameters = new Dictionary<string, string>(record.Parameters)
        {
            ["published"] = string.Create(
                CultureInfo.InvariantCulture,
                $"mean {published.MeanMs} ms, p99 {published.P99Ms} ms, {published.ResidentMegabytes} MB{(published.SetupMs is { } setup ? $", set-up {setup} ms" : "")} with 100 connections and 1 KB, on another machine"),
        },
    };

    /// <summary>Adds how a row of ours stands beside them; nothing when there are none.</summary>
    public static void Compare(RunBuilder run, LoadSeries series, string name, string protocol)
    {
        if (!s_figures.TryGetValue(protocol, out var published))
        {
            return;
        }

        run.Add(RatioRecord.Of($"{name} meanMs vs published", series.Latency.MeanNs / 1e6 / published.MeanMs, null));
        run.Add(RatioRecord.Of($"{name} p99Ms vs published", series.Latency.P99Ns / 1e6 / published.P99Ms, null));
        run.Add(RatioRecord.Of($"{name} serverResidentBytes vs published", series.Rounds.Max(round => round.ServerResidentBytes) / 1e6 / published.ResidentMegabytes, null));
        if (published.SetupMs is { } setupMs)
        {
            run.Add(RatioRecord.Of($"{name} setupP50Ms vs published", series.Setup.P50Ns / 1e6 / setupMs, null));
        }
    }

    /// <summary>Says what the comparison is worth.</summary>
    public static void SayWhereTheyDiffer(RunBuilder run)
    {
        MachineRecord machine = MachineProbe.Read("none");
        run.NotMeasured(string.Create(CultureInfo.InvariantCulture,
            $"the published figures on this machine: they were measured on another one, which was not named, and are beside ours for their size only; this is {machine.Cpu} with {machine.Cores} cores, which client and server share."));
    }
}
