using System.Globalization;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>Rounds of one load on one server. One thread.</summary>
internal sealed class LoadSeries(string name)
{
    private readonly List<EchoLoadResult> _rounds = [];
    private long _collections, _allocatedBytes, _pauseNsMax, _pauseNsP99;
    private bool _hasFigures;

    public string Name => name;

    public IReadOnlyList<EchoLoadResult> Rounds => _rounds;

    /// <summary>Of a server of ours that was asked: objects allocated a request, and the samples behind it. Null: it was not.</summary>
    public (double PerRequest, int Samples)? Objects { get; set; }

    public LatencyHistogram Latency { get; } = new();

    public LatencyHistogram Setup { get; } = new();

    public LatencyHistogram FirstAnswer { get; } = new();

    /// <summary>99th percentile of each round, milliseconds.</summary>
    public IReadOnlyList<double> P99Ms => [.. _rounds.Select(round => EchoLoadResult.Decode(round.Latency).P99Ns / 1e6)];

    public IReadOnlyList<double> RequestsPerSecond => [.. _rounds.Select(PerSecond)];

    public IReadOnlyList<double> ServerMicrosecondsPerRequest => [.. _rounds.Select(round => round.ServerCpuNs / 1e3 / Math.Max(1, round.Requests))];

    public IReadOnlyList<double> ServerBytesPerConnection(int connections) =>
        [.. _rounds.Select(round => (double)(round.ServerResidentBytes - round.ServerResidentBytesBefore) / connections)];

    /// <summary>Adds a round.</summary>
    /// <param name="round">What the agent says.</param>
    /// <param name="before">What a server of ours had used before; null of a peer.</param>
    /// <param name="after">And afterwards.</param>
    public void Add(EchoLoadResult round, EchoServerFigures? before, EchoServerFigures? after)
    {
        _rounds.Add(round);
        Latency.Add(EchoLoadResult.Decode(round.Latency));
        Setup.Add(EchoLoadResult.Decode(round.Setup));
        FirstAnswer.Add(EchoLoadResult.Decode(round.FirstAnswer));
        if (before is not null && after is not null)
        {
            _hasFigures = true;
            _collections += after.Collections;
            _allocatedBytes += after.AllocatedBytes - before.AllocatedBytes;
            (_pauseNsP99, _pauseNsMax) = (Math.Max(_pauseNsP99, after.PauseNsP99), Math.Max(_pauseNsMax, after.PauseNsMax));
        }
    }

    /// <summary>Everything as a case.</summary>
    /// <param name="load">What was played.</param>
    /// <param name="of">Whose distribution it has; null: that of the requests.</param>
    public CaseRecord ToCase(EchoLoad load, LatencyHistogram? of = null)
    {
        of ??= Latency;
        var metrics = new Dictionary<string, double>
        {
            ["requests"] = _rounds.Sum(round => round.Requests),
            ["failed"] = _rounds.Sum(round => round.Failed),
            ["requestsPerSecond"] = RoundSeries.Median(RequestsPerSecond),
            ["p90Ms"] = of.GetPercentileNs(90) / 1e6,
            ["p999Ms"] = of.GetPercentileNs(99.9) / 1e6,
            ["setupP50Ms"] = Setup.P50Ns / 1e6,
            ["setupP99Ms"] = Setup.P99Ns / 1e6,
            ["firstAnswerP50Ms"] = FirstAnswer.P50Ns / 1e6,
            ["serverCpuUsPerRequest"] = RoundSeries.Median(ServerMicrosecondsPerRequest),
            ["clientCpuUsPerRequest"] = RoundSeries.Median([.. _rounds.Select(round => round.ClientCpuNs / 1e3 / Math.Max(1, round.Requests))]),
            ["serverResidentBytes"] = _rounds.Max(round => round.ServerResidentBytes),
            ["serverResidentBytesPerConnection"] = RoundSeries.Median(ServerBytesPerConnection(load.Connections)),
        };
        if (_hasFigures)
        {
            metrics["collections"] = _collections;
            metrics["gcPauseMsP99"] = _pauseNsP99 / 1e6;
            metrics["gcPauseMsMax"] = _pauseNsMax / 1e6;
            metrics["serverAllocatedBytesPerRequest"] = (double)_allocatedBytes / Math.Max(1, metrics["requests"]);
        }

        if (Objects is { } objects)
        {
            metrics["serverAllocatedObjectsPerRequest"] = objects.PerRequest;
            metrics["serverAllocatedObjectsSamples"] = objects.Samples;
        }

        string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
        var parameters = new Dictionary<string, string>
        {
            ["connections"] = Text(load.Connections),
            ["streams"] = Text(load.Streams),
            ["payloadBytes"] = Text(load.PayloadBytes),
            ["seconds"] = Text(_rounds.Sum(round => round.Seconds)),
            ["loop"] = load.RequestsPerSecond > 0 ? $"open, {Text(Math.Round(load.RequestsPerSecond))} a second" : "closed",
        };
        return RoundSeries.ToCase(name, of, parameters, metrics) with { RoundMediansMs = [.. _rounds.Select(round => EchoLoadResult.Decode(round.Latency).P50Ns / 1e6)] };
    }

    private static double PerSecond(EchoLoadResult round) => round.Requests / Math.Max(1e-3, round.Seconds);
}
