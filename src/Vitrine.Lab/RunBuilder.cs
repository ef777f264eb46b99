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

    /// <summary>Adds the median of the ratios within the rounds. What slows the machine for a while slows both sides of a round, and so cancels out.
    /// Of a figure below nothing, such as the growth of what shrank, there is no ratio.</summary>
    public void AddRatio(string name, IReadOnlyList<double> ours, IReadOnlyList<double> theirs, double? goal, bool lowerIsBetter = true)
    {
        double[] ratios = [.. ours.Zip(theirs).Where(pair => pair is { First: >= 0, Second: > 0 }).Select(pair => pair.First / pair.Second).Where(double.IsFinite)];
        if (ratios.Length == 0)
        {
            NotMeasured($"{name}: one side is nothing, or less.");
        }
        else
        {
            _ratios.Add(RatioRecord.Of(name, RoundSeries.Median(ratios), goal, lowerIsBetter) with { Rounds = ratios });
        }
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
