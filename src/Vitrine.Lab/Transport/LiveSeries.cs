using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>A painted frame.</summary>
/// <param name="Number">From 1.</param>
/// <param name="PaintedNs">Just before it was drawn; monotonic.</param>
/// <param name="Sight">Null when it was never seen.</param>
internal readonly record struct LiveFrame(long Number, long PaintedNs, LiveSight? Sight);

/// <summary>Rounds of a live film over one transport: what was shown of what was painted, how late, and where it stood still. One thread.</summary>
internal sealed class LiveSeries(string name)
{
    /// <summary>A picture that stays for longer than that while the film goes on is a freeze: six frames at 30 a second.</summary>
    public const long FreezeNs = 200_000_000;

    private const long AgeStepNs = 5_000_000;
    private static readonly string[] s_columns =
        ["round", "frame", "paintedMs", "capturedMs", "encodedMs", "sentMs", "receivedMs", "decodedMs", "latencyMs", "bytes"];

    private readonly List<double[]> _rows = [];
    private readonly List<double> _p95Ms = [], _medians = [], _megabits = [], _freezesARound = [];
    private long _painted, _shown, _longestNs, _frozenNs, _skipped, _dropped, _repaired, _unreadable, _connections, _cpuNs, _hostCpuNs;
    private double _seconds;
    private double _connectMs;

    public string Name => name;

    /// <summary>From painting to the picture, of frames that were shown.</summary>
    public LatencyHistogram Latency { get; } = new();

    /// <summary>How old the newest picture was, every 5 ms: what frames that never came cost.</summary>
    public LatencyHistogram Age { get; } = new();

    /// <summary>Times that the picture stood still for longer than <see cref="FreezeNs"/>, in all rounds.</summary>
    public int Freezes { get; private set; }

    /// <summary>95th percentile of each round, milliseconds.</summary>
    public IReadOnlyList<double> P95Ms => _p95Ms;

    /// <summary>Freezes of each round.</summary>
    public IReadOnlyList<double> FreezesPerRound => _freezesARound;

    /// <summary>Adds a round.</summary>
    /// <param name="frames">Painted in the time looked at, in order.</param>
    /// <param name="sights">All frames seen, in the order of their sight, with the time when each was painted.</param>
    /// <param name="fromNs">The time looked at begins.</param>
    /// <param name="untilNs">And ends.</param>
    /// <param name="result">What the agent says.</param>
    /// <param name="ready">Likewise.</param>
    /// <param name="hostCpuNs">Processor time of the host in that time.</param>
    public void Add(
        IReadOnlyList<LiveFrame> frames, IReadOnlyList<(long PaintedNs, LiveSight Sight)> sights, long fromNs, long untilNs, LiveResult result, LiveReady ready, long hostCpuNs)
    {
        int round = _p95Ms.Count + 1;
        LatencyHistogram latency = new();
        foreach (LiveFrame frame in frames)
        {
            _painted++;
            double[] row = [round, frame.Number, Ms(frame.PaintedNs), double.NaN, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN];
            if (frame.Sight is { } sight)
            {
                _shown++;
                latency.Record(sight.DecodedNs - frame.PaintedNs);
                (row[3], row[4], row[5], row[6], row[7]) = (Ms(sight.CapturedNs), Ms(sight.EncodedNs), Ms(sight.SentNs), Ms(sight.ReceivedNs), Ms(sight.DecodedNs));
                (row[8], row[9]) = ((sight.DecodedNs - frame.PaintedNs) / 1e6, sight.Bytes);
            }

            _rows.Add(row);
        }

        Latency.Add(latency);
        _p95Ms.Add(latency.Count == 0 ? double.PositiveInfinity : latency.P95Ns / 1e6);
        if (latency.Count > 0)
        {
            _medians.Add(latency.P50Ns / 1e6);
        }

        int freezes = 0;
        foreach ((long standsNs, long nextNs, long _) in Stands(sights, fromNs, untilNs))
        {
            long frozenNs = nextNs - standsNs;
            _longestNs = Math.Max(_longestNs, frozenNs);
            if (frozenNs > FreezeNs)
            {
                freezes++;
                _frozenNs += frozenNs;
            }
        }

        AddAges(sights, fromNs, untilNs);
        Freezes += freezes;
        _freezesARound.Add(freezes);
        _seconds += (untilNs - fromNs) / 1e9;
        _megabits.Add(sights.Where(each => each.Sight.DecodedNs >= fromNs && each.Sight.DecodedNs < untilNs).Sum(each => each.Sight.Bytes) * 8e3 / (untilNs - fromNs));
        (_skipped, _dropped, _repaired, _unreadable) =
            (_skipped + result.VideoSkipped, _dropped + result.UnitsDropped, _repaired + result.UnitsRepaired, _unreadable + result.Unreadable);
        (_connections, _cpuNs, _hostCpuNs) = (_connections + result.Connections, _cpuNs + result.CpuNs, _hostCpuNs + hostCpuNs);
        _connectMs = Math.Max(_connectMs, ready.ConnectMs);

        double Ms(long ns) => ns == 0 ? double.NaN : (ns - fromNs) / 1e6;
    }

    /// <summary>Everything as a case.</summary>
    public CaseRecord ToCase() => RoundSeries.ToCase(name, Latency, null, new Dictionary<string, double>
    {
        // Of no frame at all there is no latency, and none is not a short one.
        ["p50Ms"] = Latency.Count == 0 ? double.PositiveInfinity : Latency.P50Ns / 1e6,
        ["p95Ms"] = Latency.Count == 0 ? double.PositiveInfinity : Latency.P95Ns / 1e6,
        ["p99Ms"] = Latency.Count == 0 ? double.PositiveInfinity : Latency.P99Ns / 1e6,
        ["painted"] = _painted,
        ["shown"] = _shown,
        ["shownShare"] = (double)_shown / Math.Max(1, _painted),
        ["freezes"] = Freezes,
        ["frozenShare"] = _seconds > 0 ? _frozenNs / 1e9 / _seconds : 0,
        ["longestStandMs"] = _longestNs / 1e6,
        ["ageP50Ms"] = Age.P50Ns / 1e6,
        ["ageP95Ms"] = Age.P95Ns / 1e6,
        ["ageP99Ms"] = Age.P99Ns / 1e6,
        ["megabitsPerSecond"] = RoundSeries.Median(_megabits),
        ["connectMs"] = _connectMs,
        ["connections"] = _connections,
        ["videoSkipped"] = _skipped,
        ["unitsDropped"] = _dropped,
        ["unitsRepaired"] = _repaired,
        ["unreadable"] = _unreadable,
        ["hostCpuCores"] = _seconds > 0 ? _hostCpuNs / 1e9 / _seconds : 0,
    }) with
    { RoundMediansMs = [.. _medians], Frames = new FrameTable(s_columns, _rows) };

    /// <summary>From when to when each picture stood, within a time; and when the picture was painted. A sight of an older frame than the
    /// newest is none.</summary>
    internal static IEnumerable<(long FromNs, long UntilNs, long PaintedNs)> Stands(IEnumerable<(long PaintedNs, LiveSight Sight)> sights, long fromNs, long untilNs)
    {
        (long standsNs, long paintedNs) = (fromNs, 0);
        foreach ((long painted, LiveSight sight) in sights)
        {
            if (painted <= paintedNs || sight.DecodedNs >= untilNs)
            {
                continue;
            }

            if (sight.DecodedNs > fromNs)
            {
                yield return (standsNs, sight.DecodedNs, paintedNs);
                standsNs = sight.DecodedNs;
            }

            paintedNs = painted;
        }

        yield return (standsNs, untilNs, paintedNs);
    }

    private void AddAges(IReadOnlyList<(long PaintedNs, LiveSight Sight)> sights, long fromNs, long untilNs)
    {
        foreach ((long standsNs, long nextNs, long paintedNs) in Stands(sights, fromNs, untilNs))
        {
            for (long atNs = fromNs + ((standsNs - fromNs + AgeStepNs - 1) / AgeStepNs * AgeStepNs); atNs < nextNs && paintedNs != 0; atNs += AgeStepNs)
            {
                Age.Record(atNs - paintedNs);
            }
        }
    }
}
