using System.Text.Json.Serialization;

namespace Vitrine.Events;

/// <summary>What was seen of a log and of the way to it: steps in the order in which a program takes them, up to the first that does not work.</summary>
/// <param name="Steps">All of them; those behind the finding were not looked at.</param>
/// <param name="Finding">What is wrong; null: nothing.</param>
public sealed record Examination(IReadOnlyList<ExaminationStep> Steps, ExaminationFinding? Finding);

/// <summary>One step of an examination.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="State">What came of it.</param>
/// <param name="Detail">What was seen, or why nothing was; may be empty.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record ExaminationStep(string Name, ExaminationState State, string Detail, double Seconds);

/// <summary>What came of a step.</summary>
public enum ExaminationState
{
    /// <summary>It works.</summary>
    [JsonStringEnumMemberName("passed")]
    Passed,

    /// <summary>It does not: <see cref="Examination.Finding"/> says why.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,

    /// <summary>Nobody knows.</summary>
    [JsonStringEnumMemberName("notLookedAt")]
    NotLookedAt,
}

/// <summary>The first cause that was found, and what mends it.</summary>
/// <param name="Code">For programs; stays the same.</param>
/// <param name="Sentence">What is wrong, with names and values.</param>
/// <param name="Mend">What to do.</param>
/// <param name="Line">The line to write, or the command to run, for it; may be empty.</param>
/// <param name="Evidence">What was seen; may be empty.</param>
public sealed record ExaminationFinding(string Code, string Sentence, string Mend, string Line = "", string Evidence = "");

/// <summary>Takes steps until one of them finds something.</summary>
internal sealed class Examiner(TimeProvider time)
{
    private readonly List<ExaminationStep> _steps = [];
    private ExaminationFinding? _finding;

    /// <summary>What was seen up to now.</summary>
    public Examination Seen => new([.. _steps], _finding);

    /// <summary>Takes a step, unless an earlier one has found something.</summary>
    public Task LookAsync(string name, Func<Task<Look>> step)
    {
        if (_finding is null)
        {
            return TakeAsync(name, step);
        }

        _steps.Add(new(name, ExaminationState.NotLookedAt, "", 0));
        return Task.CompletedTask;
    }

    /// <summary>Takes a step whatever was found.</summary>
    public async Task TakeAsync(string name, Func<Task<Look>> step)
    {
        long start = time.GetTimestamp();
        try
        {
            Look look = await step();
            _steps.Add(new(name, look.IsPossible ? ExaminationState.Passed : ExaminationState.NotLookedAt, look.Detail, time.GetElapsedTime(start).TotalSeconds));
        }
        catch (FindingException exception)
        {
            _finding ??= exception.Finding;
            _steps.Add(new(name, ExaminationState.Failed, "", time.GetElapsedTime(start).TotalSeconds));
        }
    }
}

/// <summary>What a step has seen.</summary>
/// <param name="IsPossible">False: it could not be looked at.</param>
/// <param name="Detail">What was seen, or why nothing was.</param>
internal readonly record struct Look(bool IsPossible, string Detail)
{
    public static implicit operator Look(string detail) => new(true, detail);

    public static Look NotPossible(string why) => new(false, why);
}

/// <summary>Ends a step with what it has found.</summary>
internal sealed class FindingException(ExaminationFinding finding) : Exception(finding.Sentence)
{
    public ExaminationFinding Finding { get; } = finding;
}
