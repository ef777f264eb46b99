using System.Text.Json;
using Vitrine.Cli.Sharing;
using Vitrine.Codecs.Regions;
using Vitrine.Server;

namespace Vitrine.Cli.Tests;

public sealed class RegionTraceTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-trace-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Decisions_AreLinesWithWhatTheyWeighed()
    {
        string path = Path.Combine(_folder.FullName, "trace.jsonl");
        using (RegionTrace trace = new(path, Assert.Fail))
        {
            trace.Write(new RegionDecision(1_500_000, RegionStep.Begins, 7, new(2, 4, 64, 48), new(default, 30, 125_000, 2e8, 62_500, 1e8), "why"));
            trace.Write(new QualityDecision(2_000_000, 3, 1, 1_250_000, 20_000_000, 5_000_000_000));
            trace.Write(new QualityDecision(9_000_000, 3, 0, 19_000_000, 20_000_000, 5_000_000_000));
        }

        string[] lines = File.ReadAllLines(path);
        Assert.Equal(
            [
                """{"atMs":1.5,"step":"begins","region":7,"bounds":"64x48+2+4","changesPerSecond":30,"tilesMbits":1,"videoMbits":0.5,"tilesCores":0.2,"videoCores":0.1,"detail":"why"}""",
                """{"atMs":2,"step":"lowersQuality","viewer":3,"carriesMbits":1.25,"firstMbits":20,"pauseMs":5000}""",
                """{"atMs":9,"step":"raisesQuality","viewer":3,"carriesMbits":19,"firstMbits":20}""",
            ],
            lines);
        Assert.All(lines, line => JsonDocument.Parse(line).Dispose());
    }
}
