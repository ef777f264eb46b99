namespace Vitrine.Cli.Tests;

public sealed class NearestNameTests
{
    [Theory]
    [InlineData("--prot", "--port")]
    [InlineData("--max-viewer", "--max-viewers")]
    [InlineData("--LISTEN", "--listen")]
    public void SlipOfTheFinger_FindsTheName(string typed, string meant) =>
        Assert.Equal(meant, NearestName.Find(typed, ["--port", "--listen", "--max-viewers", "--fps"]));

    [Theory]
    [InlineData("--something-else")]
    [InlineData("")]
    public void NothingNear_FindsNone(string typed) =>
        Assert.Null(NearestName.Find(typed, ["--port", "--listen"]));

    [Fact]
    public void VeryLongName_FindsNone() => Assert.Null(NearestName.Find(new string('a', 100_000), ["aaaa"]));
}
