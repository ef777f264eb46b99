using System.Text.Json;
using Vitrine.Cli.Sharing;
using Vitrine.Codecs.Regions;
using Vitrine.Server;

namespace Vitrine.Cli.Tests;

public sealed class RegionTraceTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-trace-");
    private readonly List<string> _failures = [];

    private string TracePath => Path.Combine(_folder.FullName, "trace.jsonl");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Decisions_AreLinesWithWhatTheyWeighed()
    {
        using (RegionTrace trace = new(TracePath, Assert.Fail))
        {
            trace.Write(new RegionDecision(1_500_000, RegionStep.Begins, 7, new(2, 4, 64, 48), new(default, 30, 125_000, 2e8, 62_500, 1e8), "why"));
            trace.Write(new QualityDecision(2_000_000, 3, 1, 1_250_000, 20_000_000, 5_000_000_000));
            trace.Write(new QualityDecision(9_000_000, 3, 0, 19_000_000, 20_000_000, 5_000_000_000));
        }

        string[] lines = File.ReadAllLines(TracePath);
        Assert.Equal(
            [
                """{"atMs":1.5,"step":"begins","region":7,"bounds":"64x48+2+4","changesPerSecond":30,"tilesMbits":1,"videoMbits":0.5,"tilesCores":0.2,"videoCores":0.1,"detail":"why"}""",
                """{"atMs":2,"step":"lowersQuality","viewer":3,"carriesMbits":1.25,"firstMbits":20,"pauseMs":5000}""",
                """{"atMs":9,"step":"raisesQuality","viewer":3,"carriesMbits":19,"firstMbits":20}""",
            ],
            lines);
        Assert.All(lines, line => JsonDocument.Parse(line).Dispose());
    }

    [Fact]
    public void EveryStep_IsALineAtOnce()
    {
        RegionStep[] steps = Enum.GetValues<RegionStep>();
        using RegionTrace trace = new(TracePath, Assert.Fail);
        for (int i = 0; i < steps.Length; i++)
        {
            trace.Write(new RegionDecision(i, steps[i], 1, default, default, ""));
            Assert.Equal(i + 1, File.ReadAllLines(TracePath).Length);
        }

        Assert.Equal(
            ["begins", "changes", "refines", "endsAtRest", "endsByCost", "endsUnwatched", "endsByFailure", "staysSmall"],
            File.ReadAllLines(TracePath).Select(line => Read(line).GetProperty("step").GetString()));
    }

    [Fact]
    public void CostWasNotAskedAndNothingIsToBeSaid_NeitherIsInvented()
    {
        using RegionTrace trace = new(TracePath, Assert.Fail);
        trace.Write(new RegionDecision(1_000_000, RegionStep.EndsUnwatched, 7, new(0, 0, 64, 64), default, ""));
        Assert.Equal(["atMs", "step", "region", "bounds"], Read(Assert.Single(File.ReadAllLines(TracePath))).EnumerateObject().Select(property => property.Name));
    }

    [Fact]
    public void TraceIsBegunAgain_TheLastOneIsGone()
    {
        for (ushort run = 1; run <= 2; run++)
        {
            using RegionTrace trace = new(TracePath, Assert.Fail);
            trace.Write(new RegionDecision(0, RegionStep.Begins, run, default, default, ""));
        }

        Assert.Equal(2, Read(Assert.Single(File.ReadAllLines(TracePath))).GetProperty("region").GetInt32());
    }

    [Fact]
    public void DiskIsFull_ToldOnceAndNothingElseHappens()
    {
        using RegionTrace trace = new("/dev/full", _failures.Add);
        for (int i = 0; i < 3; i++)
        {
            trace.Write(new RegionDecision(0, RegionStep.Begins, 1, default, default, ""));
        }

        Assert.NotEmpty(Assert.Single(_failures));
    }

    private static JsonElement Read(string line)
    {
        using JsonDocument document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }
}
