using System.Text.RegularExpressions;
using Vitrine.Lab.Report;
using Vitrine.Measurement;

namespace Vitrine.Lab.Tests.Report;

public sealed class HtmlReportTests
{
    [Fact]
    public void Report_StartsWithTheAnswerAndStandsAlone()
    {
        string html = HtmlReport.Render(Run(1));
        Assert.Contains("<h1>MIT-SHM is 10x as fast as XGetImage here; a full 7680x2160 frame costs 1.2x a memory copy. 1 of 2 goals is not met.</h1>", html, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href|url)\\s*[=(]|@import|<script", html);
        Assert.True(html.Length < 1_000_000);
    }

    [Theory]
    [InlineData("quic", "quic-go", "QUIC answers 3x as many requests as quic-go.")]
    [InlineData("grpc", "grpc-go", "gRPC answers 3x as many requests as grpc-go.")]
    [InlineData("http2", "go-http2", "JSON over HTTP/2 answers 3x as many requests as Go's net/http.")]
    public void Answer_CallsTransportsByTheirNames(string ours, string peer, string sentence)
    {
        RunDocument run = Run(1) with { Lab = "transport", Ratios = [RatioRecord.Of($"{ours}/100x1KB requestsPerSecond vs {peer}", 3, null)] };
        Assert.Equal(sentence, LabAnswer.Of(run));
    }

    [Fact]
    public void EveryFigureOfAPlot_IsInATable()
    {
        string html = HtmlReport.Render(Run(1));
        Assert.Equal(2, Regex.Count(html, "<polyline"));
        Assert.Contains("log scale", html, StringComparison.Ordinal);
        Assert.Contains("<th>x11-shm/7680x2160 vs memcpy</th><td class=\"n\">1.2</td><td class=\"n\">≤ 1.3</td><td><span class=\"good\">✓ met</span>", html, StringComparison.Ordinal);
        Assert.Contains("✗ not met", html, StringComparison.Ordinal);
        Assert.Contains("the moon", html, StringComparison.Ordinal);
    }

    [Fact]
    public void GoalForADifference_IsNoLineAmongTheCurves()
    {
        RunDocument run = Run(1) with { Ratios = [RatioRecord.Of("x11-shm/7680x2160 p50Ms vs goal", 20, 30), RatioRecord.Of("x11-shm/7680x2160 overlayDifferenceMs vs goal", 1, 2)] };
        string html = HtmlReport.Render(run);
        Assert.Contains("goal for x11-shm/7680x2160 p50 ≤ 30 ms", html, StringComparison.Ordinal);
        Assert.DoesNotContain("goal for x11-shm/7680x2160 overlayDifference", html, StringComparison.Ordinal);
    }

    [Fact]
    public void GoalsOfTheSameHeight_DoNotCoverEachOther()
    {
        RunDocument run = Run(1) with { Ratios = [RatioRecord.Of("x11-shm/7680x2160 p50Ms vs goal", 20, 30), RatioRecord.Of("x11-getimage/7680x2160 p50Ms vs goal", 200, 30)] };
        string[] heights = [.. Regex.Matches(HtmlReport.Render(run), "class=\"goal-label [a-z]+\" x=\"[0-9.]+\" y=\"([0-9.]+)\"").Select(label => label.Groups[1].Value)];
        Assert.Equal(2, heights.Length);
        Assert.NotEqual(heights[0], heights[1]);
    }

    [Fact]
    public void HostileNames_AreText()
    {
        RunDocument run = Run(1) with { Command = "<script>alert(1)</script>", NotMeasured = ["<img src=x>"] };
        string html = HtmlReport.Render(run);
        Assert.DoesNotContain("<script>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1.0, "within the spread")]
    [InlineData(1.5, "slower")]
    [InlineData(0.5, "faster")]
    public void Comparison_TellsADifferenceFromSpread(double factor, string verdict)
    {
        string html = HtmlReport.Render(Run(factor), Run(1));
        Assert.Contains(verdict, html[html.IndexOf("Against the run", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Report_ReplacesTheFileInOneStep()
    {
        string directory = Directory.CreateTempSubdirectory("vitrine-report-").FullName;
        try
        {
            string path = await HtmlReport.WriteAsync(Run(1), directory);
            await HtmlReport.WriteAsync(Run(2), directory);
            Assert.Equal([path], Directory.GetFiles(directory));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static RunDocument Run(double factor) => new()
    {
        Lab = "capture",
        StartedAt = DateTimeOffset.UnixEpoch,
        Commit = "abc",
        Command = "vitrine lab capture",
        Machine = new MachineRecord("cpu", 2, 1L << 30, "os", ":1", "none"),
        Cases = [Case("x11-shm", 20 * factor), Case("x11-getimage", 200 * factor)],
        Ratios = [RatioRecord.Of("x11-shm/7680x2160 vs memcpy", 1.2, 1.3), RatioRecord.Of("x11-shm/7680x2160 p50Ms vs goal", 20, 10)],
        NotMeasured = ["the moon"],
    };

    private static CaseRecord Case(string name, double p50Ms)
    {
        var histogram = new LatencyHistogram();
        for (int i = 1; i <= 1000; i++)
        {
            histogram.Record((long)(p50Ms * 1e6 * (i <= 998 ? 1 : 40)));
        }

        return RoundSeries.ToCase(name + "/7680x2160", histogram) with { RoundMediansMs = [.. Enumerable.Range(0, 9).Select(i => p50Ms * (0.96 + (0.01 * i)))] };
    }
}
