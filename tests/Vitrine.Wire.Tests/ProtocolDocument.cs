using System.Globalization;
using System.Text.RegularExpressions;

namespace Vitrine.Wire.Tests;

/// <summary><c>docs/PROTOCOL.md</c>, by its headings and tables.</summary>
internal static partial class ProtocolDocument
{
    private static readonly string[] s_lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "PROTOCOL.md"));

    /// <summary>Types that a chapter describes, from its headings «### 0x01 Hello».</summary>
    public static IEnumerable<(int Number, string Name)> Types(string chapter) =>
        from line in Below($"## {chapter}", "## ") let match = TypeHeading().Match(line) where match.Success
        select (int.Parse(match.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture), match.Groups[2].Value);

    /// <summary>Last cell of the row of a field, below a heading.</summary>
    public static string Cell(string heading, string field) =>
        Assert.Single(Below(heading, "#"), line => line.StartsWith('|') && line.Split('|')[^3].Trim() == field).Split('|')[^2].Trim();

    /// <summary>Numbers that a text gives a meaning: «0 live, 1 display gone (...)»; of «bit 0 view, bit 2 administer» what the bits are worth.</summary>
    public static IEnumerable<(int Number, string Meaning)> Numbers(string text) =>
        from match in Meaning().Matches(Parenthesis().Replace(text, ""))
        let number = int.Parse(match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture)
        select (match.Groups["bit"].Success ? 1 << number : number, match.Groups["meaning"].Value.Trim());

    /// <summary>The lines below a heading, up to the next one that begins so.</summary>
    public static IEnumerable<string> Below(string heading, string next)
    {
        int start = Array.IndexOf(s_lines, heading);
        Assert.True(start >= 0, $"There is no «{heading}».");
        return s_lines.Skip(start + 1).TakeWhile(line => !line.StartsWith(next, StringComparison.Ordinal));
    }

    [GeneratedRegex("^### 0x([0-9A-F]{2}) (\\w+)$")]
    private static partial Regex TypeHeading();

    [GeneratedRegex("(?<bit>bit )?\\b(?<number>\\d+):? (?<meaning>[^,;:]+)")]
    private static partial Regex Meaning();

    [GeneratedRegex("\\([^)]*\\)")]
    private static partial Regex Parenthesis();
}
