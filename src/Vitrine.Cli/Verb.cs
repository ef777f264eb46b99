using System.CommandLine;

namespace Vitrine.Cli;

/// <summary>A command with the examples its help teaches by.</summary>
internal abstract class Verb : Command
{
    protected Verb(string name, string description, params (string CommandLine, string Meaning)[] examples)
        : base(name, description)
    {
        Examples = examples;
    }

    /// <summary>Two or three command lines people copy, and what each does.</summary>
    public IReadOnlyList<(string CommandLine, string Meaning)> Examples { get; }

    /// <summary>What its help explains after its flags, each with a title.</summary>
    public virtual IEnumerable<(string Title, IEnumerable<(string Name, string Meaning)> Rows)> Tables => [];

    /// <summary>The last line of its help; null: none.</summary>
    public virtual string? LastLine => null;
}
