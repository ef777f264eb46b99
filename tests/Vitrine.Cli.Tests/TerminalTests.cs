namespace Vitrine.Cli.Tests;

public sealed class TerminalTests
{
    [Fact]
    public void Warning_ToldOnStandardErrorInThreeLines()
    {
        using StringWriter output = new(), error = new();
        new Terminal(output, error, outputIsTerminal: true, errorIsTerminal: false, noColour: false).Warn("What happened.", "Why:\nthis.", "What mends it.");
        Assert.Empty(output.ToString());
        Assert.Equal($"vitrine: What happened.\n  Why: this.\n  What mends it.{Environment.NewLine}", error.ToString());
    }
}
