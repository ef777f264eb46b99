using Vitrine.Lab.WeakNetworks;

namespace Vitrine.Lab.Tests.WeakNetworks;

public sealed class NetworkTextTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-traces-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Names_AreTheProfiles()
    {
        Assert.Same(NetworkProfiles.Dsl, NetworkText.Read("dsl"));
        Assert.Same(NetworkProfiles.Lines[5], NetworkText.Read("rtt-150-loss-8-20mbit"));
        Assert.Equal([NetworkProfiles.Clean], NetworkText.Choose([], [NetworkProfiles.Clean]));
        Assert.Equal([NetworkProfiles.Dsl, NetworkProfiles.Clean], NetworkText.Choose(["dsl", "clean"], [NetworkProfiles.Satellite]));
    }

    [Fact]
    public void Figures_AreHalvedForEachWay()
    {
        NetworkProfile profile = NetworkText.Read("rtt=100;jitter=20;loss=5;reorder=1;duplicate=2;rate=8");
        Assert.Equal("rtt-100-jitter-20-loss-5-reorder-1-duplicate-2-rate-8", profile.Name);
        PathProfile path = Assert.Single(profile.Paths);
        LinkProfile expected = new()
        {
            Delay = TimeSpan.FromMilliseconds(50), Jitter = TimeSpan.FromMilliseconds(10), Loss = LossModel.Random(0.05), ReorderShare = 0.01, DuplicateShare = 0.02,
            RateBitsPerSecond = 8_000_000,
        };
        Assert.Equal((expected, expected), (path.Up, path.Down));
        Assert.Equal(LossModel.Bursts(0.01, 3), NetworkText.Read("loss=1;burst=3").Paths[0].Up.Loss);
    }

    [Fact]
    public void Traces_OneForEachWayOrOneForBoth()
    {
        string down = Write("lte down.trace", "1\n2\n"), up = Write("lte.up", "4\n");
        PathProfile path = Assert.Single(NetworkText.Read($"trace={down};up={up};rtt=40").Paths);
        Assert.Equal((12e6, 3e6), (path.Down.Trace!.MeanBitsPerSecond, path.Up.Trace!.MeanBitsPerSecond));
        Assert.True(path.Up.IsShaped && path.Down.IsShaped);
        NetworkProfile same = NetworkText.Read($"trace={down}");
        Assert.Equal("trace-lte_down.trace", same.Name);
        Assert.Contains("12 Mbit/s", same.Summary, StringComparison.Ordinal);
        Assert.Same(same.Paths[0].Up.Trace, same.Paths[0].Down.Trace);
    }

    [Theory]
    [InlineData("nowhere", "satellite")]
    [InlineData("", "satellite")]
    [InlineData("delay=5", "delay")]
    [InlineData("rtt=100;loss", "loss")]
    [InlineData("rtt=100;rtt=50", "twice")]
    [InlineData("rtt=many", "many")]
    [InlineData("rtt=-1", "-1")]
    [InlineData("rtt=99999", "99999")]
    [InlineData("rtt=10;jitter=20", "jitter")]
    [InlineData("loss=101", "101")]
    [InlineData("loss=100;burst=2", "share")]
    [InlineData("up=/none", "none")]
    [InlineData("trace=/none.trace", "none.trace")]
    public void WhatIsNoNetwork_RefusedWithTheReason(string text, string reason) =>
        Assert.Contains(reason, Assert.Throws<LaboratoryException>(() => NetworkText.Read(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void TraceThatIsNone_RefusedWithItsLine()
    {
        string path = Write("broken", "5\n4\n");
        Assert.Contains("line 2", Assert.Throws<LaboratoryException>(() => NetworkText.Read($"trace={path}")).Message, StringComparison.Ordinal);
        string good = Write("good", "5\n");
        Assert.Contains("rate or a trace", Assert.Throws<LaboratoryException>(() => NetworkText.Read($"trace={good};rate=5")).Message, StringComparison.Ordinal);
        Assert.Contains("trace=FILE", Assert.Throws<LaboratoryException>(() => NetworkText.Read($"up={good}")).Message, StringComparison.Ordinal);
        Assert.Contains("told apart", Assert.Throws<LaboratoryException>(() => NetworkText.Choose(["rtt=5", "rtt=5"], [])).Message, StringComparison.Ordinal);
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
