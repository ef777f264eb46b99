using Vitrine.Measurement;

namespace Vitrine.Lab;

/// <summary>What a laboratory is, for <c>vitrine lab</c> without a name.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Summary">What it answers, one sentence.</param>
/// <param name="Needs">What must be installed, as Debian packages.</param>
/// <param name="Peers">What it compares with when installed, as Debian packages.</param>
/// <param name="Duration">How long the full run takes.</param>
/// <param name="QuickDuration">How long it takes with <c>--quick</c>.</param>
public sealed record LaboratoryDescription(
    string Name, string Summary, IReadOnlyList<string> Needs, IReadOnlyList<string> Peers, TimeSpan Duration, TimeSpan QuickDuration)
{
    /// <summary>Parts that can be run alone; none when it runs as a whole.</summary>
    public IReadOnlyList<string> Parts { get; init; } = [];
}

/// <summary>How far a run is.</summary>
/// <param name="Doing">What is being done, for people.</param>
/// <param name="Fraction">Share of the run that is done, 0 to 1.</param>
public readonly record struct LabProgress(string Doing, double Fraction);

/// <summary>A laboratory: measures, beside its peers, and says how the figures stand against the goals.</summary>
/// <remarks>One run at a time per machine: two would measure each other.</remarks>
public interface ILaboratory
{
    /// <summary>What it is.</summary>
    LaboratoryDescription Description { get; }

    /// <summary>Measures.</summary>
    /// <exception cref="MissingRequirementException">Something the lab cannot do without is missing; peers never are.</exception>
    /// <exception cref="LaboratoryException">What is measured does not work; the message says what.</exception>
    Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken);
}

/// <summary>Something that a lab cannot do without is missing on this machine.</summary>
public sealed class MissingRequirementException : Exception
{
    /// <summary>A package is missing.</summary>
    /// <param name="what">What is missing.</param>
    /// <param name="package">The Debian package that has it.</param>
    public MissingRequirementException(string what, string package)
        : base($"{what} is missing. Install it: apt-get install {package}")
    {
    }

    private MissingRequirementException(string message)
        : base(message)
    {
    }

    /// <summary>A right or a setting is missing.</summary>
    /// <param name="what">What; a sentence without a full stop.</param>
    /// <param name="command">The command that mends it.</param>
    public static MissingRequirementException WithCommand(string what, string command) => new($"{what}. To mend it: {command}");
}

/// <summary>What a lab measures, or a peer, does not work here.</summary>
/// <param name="message">What, and what was seen of it.</param>
public sealed class LaboratoryException(string message) : Exception(message);
