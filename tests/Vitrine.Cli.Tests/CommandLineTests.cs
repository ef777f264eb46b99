namespace Vitrine.Cli.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("--prot", "--port", "share", "--prot", "80")]
    [InlineData("--prot=80", "--port", "share", "--prot=80")]
    [InlineData("--regoin", "--region", "shot", "--regoin", "a.png")]
    [InlineData("dipslays", "displays", "dipslays")]
    public void UnknownName_SuggestsTheNearest(string typed, string meant, params string[] arguments)
    {
        (int exitCode, string output, string error) = ProgramUnderTest.Run(arguments);
        Assert.Equal(2, exitCode);
        Assert.Empty(output.Trim());
        Assert.Contains(typed.Split('=')[0], error, StringComparison.Ordinal);
        Assert.Contains($"Did you mean {meant}?", error, StringComparison.Ordinal);
        Assert.True(error.TrimEnd().Split('\n').Length <= 3, error);
    }

    [Theory]
    [InlineData("share", "--port")]
    [InlineData("share", "--port", "70000")]
    [InlineData("share", "--fps", "many")]
    [InlineData("share", "--region", "1x1")]
    [InlineData("share", "--cert", "/none.pem", "--key", "/none.pem")]
    [InlineData("shot")]
    [InlineData("shot", "a.png", "b.png")]
    [InlineData("up", "--size", "1x1")]
    [InlineData("up", "--config", "/none.yaml")]
    [InlineData("test", "--only")]
    [InlineData("lab", "transport", "--only", "weak", "--networks", "dsl,nowhere")]
    [InlineData("lab", "transport", "--only", "weak", "--networks", "trace=/none.trace;rtt=10")]
    [InlineData("lab", "transport", "--quic-threads", "0")]
    [InlineData("lab", "transport", "--crash")]
    [InlineData("share", "--quic-threads", "65")]
    [InlineData("echo", "serve", "--cert", "/none.pem", "--key", "/none.pem", "--port", "65531")]
    public void WrongUsage_ExitsWith2InThreeLinesAtMost(params string[] arguments)
    {
        (int exitCode, _, string error) = ProgramUnderTest.Run(arguments);
        Assert.Equal(2, exitCode);
        Assert.StartsWith("vitrine: ", error, StringComparison.Ordinal);
        Assert.True(error.TrimEnd().Split('\n').Length <= 3, error);
    }

    [Theory]
    [InlineData("up")]
    [InlineData("share")]
    [InlineData("shot")]
    [InlineData("displays")]
    [InlineData("doctor")]
    [InlineData("test")]
    [InlineData("lab")]
    public void HelpOfEveryVerb_HasExamplesAndEveryFlag(string verb)
    {
        (int exitCode, string output, string error) = ProgramUnderTest.Run(verb, "--help");
        Assert.Equal((0, ""), (exitCode, error.Trim()));
        Assert.Contains($"Usage  vitrine {verb}", output, StringComparison.Ordinal);
        Assert.True(output.Split('\n').Count(line => line.StartsWith("  vitrine " + verb, StringComparison.Ordinal) || line.StartsWith("  env ", StringComparison.Ordinal)) >= 2, output);
        Assert.Contains("--verbose", output, StringComparison.Ordinal);
        Assert.DoesNotContain("\e[", output, StringComparison.Ordinal); // no terminal, no colour
    }

    [Fact]
    public void HelpOfTheProgram_ListsVerbsAndExitCodes()
    {
        (int exitCode, string output, _) = ProgramUnderTest.Run("--help");
        Assert.Equal(0, exitCode);
        Assert.All(["up", "share", "shot", "displays", "doctor", "lab", "test"], verb => Assert.Contains($"\n  {verb} ", output, StringComparison.Ordinal));
        Assert.All(ExitCode.All, entry => Assert.Contains($"\n  {entry.Code}  {entry.Meaning.Split(':')[0]}", output, StringComparison.Ordinal));
    }

    [Fact]
    public void NoVerb_ShowsHelpAndExitsWith2() => Assert.Equal(2, ProgramUnderTest.Run().ExitCode);

    [Fact]
    public void Version_IsPrinted()
    {
        (int exitCode, string output, _) = ProgramUnderTest.Run("--version");
        Assert.Equal(0, exitCode);
        Assert.Matches(@"^\d+\.\d+\.\d+", output);
    }
}
