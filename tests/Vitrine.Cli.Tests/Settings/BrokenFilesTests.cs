using Vitrine.Cli.Settings;

namespace Vitrine.Cli.Tests.Settings;

/// <summary>Every file of <c>Broken</c>, and what is said of it: beside it, whole, to be read as a person would.</summary>
public sealed class BrokenFilesTests
{
    public static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Settings", "Broken");

    public static IReadOnlyList<string> Names { get; } = [.. Directory.EnumerateFiles(Folder).Select(path => Path.GetFileName(path)).Where(name => !name.EndsWith(".txt", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    public static TheoryData<string> Files => [.. Names];

    [Theory]
    [MemberData(nameof(Files))]
    public void BrokenFile_IsToldInThreeLines(string name)
    {
        SettingError error = GivenSettings.Read(Path.Combine(Folder, name), [], []).Error!;
        using StringWriter told = new() { NewLine = "\n" };
        new Terminal(TextWriter.Null, told, outputIsTerminal: false, errorIsTerminal: false, noColour: true).Fail(ExitCode.Usage, error.What, error.Origin, error.Mend);
        string text = told.ToString().Replace(Folder + "/", "", StringComparison.Ordinal);
        Assert.Equal(File.ReadAllText(Path.Combine(Folder, name + ".expected.txt")), text);
        Assert.Contains(name, text, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter", text, StringComparison.Ordinal); // every password in these files
    }

    [Fact]
    public void ThereAreEnough() => Assert.True(Names.Count >= 30);
}
