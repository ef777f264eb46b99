using System.Reflection;
using Vitrine.Measurement;

namespace Vitrine.Lab;

/// <summary>Collects the records of a run. One thread.</summary>
internal sealed class RunBuilder(string lab, LabOptions options)
{
    private readonly DateTimeOffset _startedAt = options.Time.GetUtcNow();
    private readonly long _timestamp = options.Time.GetTimestamp();
    private readonly List<CaseRecord> _cases = [];
    private readonly List<RatioRecord> _ratios = [];
    private readonly List<string> _notMeasured = [];
    private readonly List<string> _advice = [];

    public void Add(CaseRecord record) => _cases.Add(record);

    public void Add(RatioRecord ratio) => _ratios.Add(ratio);

    /// <summary>Adds a ratio of two series of rounds: the median of the ratios within each round. What slows the machine for a
    /// while slows both sides of a round, and so cancels out.</summary>
    public void AddRatio(string name, RoundSeries ours, RoundSeries peer, double? goal)
    {
        int count = Math.Min(ours.MediansMs.Count, peer.MediansMs.Count);
        if (count == 0)
        {
            NotMeasured($"{name}: one side has no samples.");
            return;
        }

        double[] ratios = [.. Enumerable.Range(0, count).Select(i => ours.MediansMs[i] / peer.MediansMs[i])];
        _ratios.Add(RatioRecord.Of(name, RoundSeries.Median(ratios), goal) with { Rounds = ratios });
    }

    public void AddGoal(string caseAndMetric, double value, double goal, bool lowerIsBetter = true) =>
        _ratios.Add(RatioRecord.Of($"{caseAndMetric} vs goal", value, goal, lowerIsBetter));

    public void Advise(string what) => _advice.Add(what);

    public void NotMeasured(string what) => _notMeasured.Add(what);

    public RunDocument Build(string display) => new()
    {
        Lab = lab,
        StartedAt = _startedAt,
        DurationSeconds = Math.Round(options.Time.GetElapsedTime(_timestamp).TotalSeconds, 1),
        Commit = MachineProbe.Commit(Assembly.GetExecutingAssembly()),
        Command = options.CommandLine,
        Machine = MachineProbe.Read(display),
        Cases = _cases,
        Ratios = _ratios,
        NotMeasured = _notMeasured,
        Advice = _advice,
    };
}
