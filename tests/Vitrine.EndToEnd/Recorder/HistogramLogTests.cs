using System.Globalization;
using System.Text.Json;
using Vitrine.Lab;
using Vitrine.Lab.Report;
using Vitrine.Measurement;
using Vitrine.Measurement.Tests;

namespace Vitrine.EndToEnd.Recorder;

/// <summary>Logs of the recorder in the hands of a stock reader, npm's hdr-histogram-js.</summary>
public sealed class HistogramLogTests : IDisposable
{
    private static readonly double[] s_percents = [0, 25, 50, 90, 99, 99.9, 99.99, 100];
    private readonly string _directory = Directory.CreateTempSubdirectory("vitrine-hlog-").FullName;
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("uniform")]
    [InlineData("exponential")]
    [InlineData("lognormal")]
    [InlineData("bimodal")]
    [InlineData("pareto")]
    public async Task ReportOfALab_StockReaderGivesTheSamePercentiles(string name)
    {
        // Two threads, so that there is more than one shard to export.
        long[] values = Distributions.Draw(name, 100_000);
        var histogram = new LatencyHistogram();
        Thread[] threads = [.. new[] { values[..50_000], values[50_000..] }.Select(part => new Thread(() => Array.ForEach(part, histogram.Record)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        var startedAt = new DateTimeOffset(2031, 5, 6, 7, 8, 9, 250, TimeSpan.Zero);
        var run = new RunDocument
        {
            Lab = "recorder",
            StartedAt = startedAt,
            DurationSeconds = 12.5,
            Commit = "none",
            Command = "none",
            Machine = new MachineRecord("cpu", 2, 1, "os", "none", "none"),
            Cases = [RoundSeries.ToCase($"{name}/100,000 values", histogram)],
        };

        string path = Assert.Single(await HistogramLogs.WriteAsync(run, _directory, _deadline));
        Assert.Equal($"recorder.{name}-100-000-values.hlog", Path.GetFileName(path));
        JsonElement interval = Assert.Single(await ReadAsync(path));
        Assert.Equal($"{name}/100_000_values", interval.GetProperty("tag").GetString());
        Assert.Equal(values.Length, interval.GetProperty("count").GetInt64());
        Assert.Equal(startedAt.ToUnixTimeMilliseconds(), interval.GetProperty("startMs").GetDouble(), 1.0);
        Assert.Equal(startedAt.AddSeconds(12.5).ToUnixTimeMilliseconds(), interval.GetProperty("endMs").GetDouble(), 1.0);
        Assert.InRange(interval.GetProperty("meanNs").GetDouble(), histogram.MeanNs * 0.999, histogram.MeanNs * 1.001);
        Array.Sort(values);
        for (int i = 0; i < s_percents.Length; i++)
        {
            // The reader answers with the edge of the bucket, we with its middle: the same bucket, and both near the truth.
            long theirs = interval.GetProperty("percentilesNs")[i].GetInt64(), ours = histogram.GetPercentileNs(s_percents[i]);
            Assert.Equal(LatencyHistogram.IndexOf(ours), LatencyHistogram.IndexOf(theirs));
            long exact = values[Math.Clamp((int)Math.Ceiling((decimal)s_percents[i] / 100 * values.Length), 1, values.Length) - 1];
            Assert.InRange(theirs, exact - (exact * 0.001), exact + (exact * 0.001));
        }
    }

    [Fact]
    public async Task SeveralIntervals_StockReaderReadsThemInTurn()
    {
        LatencyHistogram one = new(), none = new();
        one.Record(1_500);
        string path = Path.Combine(_directory, "intervals.hlog");
        await using (StreamWriter writer = File.CreateText(path))
        {
            var log = new HdrHistogramLog(writer, DateTimeOffset.UnixEpoch.AddSeconds(5));
            log.Append(DateTimeOffset.UnixEpoch.AddSeconds(5), TimeSpan.FromSeconds(1), one, "a");
            log.Append(DateTimeOffset.UnixEpoch.AddSeconds(6), TimeSpan.FromSeconds(1), none);
            Assert.Throws<ArgumentException>(() => log.Append(DateTimeOffset.UnixEpoch, TimeSpan.Zero, one, "a,b"));
        }

        JsonElement[] intervals = await ReadAsync(path);
        Assert.Equal(["a", "NO TAG"], intervals.Select(interval => interval.GetProperty("tag").GetString()));
        Assert.Equal([1, 0], intervals.Select(interval => interval.GetProperty("count").GetInt64()));
        Assert.Equal([5000, 6000], intervals.Select(interval => interval.GetProperty("startMs").GetDouble()));
        Assert.Equal(1_500, intervals[0].GetProperty("percentilesNs")[2].GetInt64());
    }

    private async Task<JsonElement[]> ReadAsync(string path)
    {
        string web = FindWeb();
        Assert.True(Directory.Exists(Path.Combine(web, "node_modules", "hdr-histogram-js")), $"The stock reader is missing. Install it: npm --prefix {web} ci");
        string node = ChildProcess.Find("node", "nodejs") ?? throw new MissingRequirementException("Node", "nodejs");
        (int exitCode, string output, string errors) = await ChildProcess.RunAsync(
            node,
            [Path.Combine(web, "test", "support", "readHistogramLog.mjs"), path, .. s_percents.Select(percent => percent.ToString(CultureInfo.InvariantCulture))],
            environment: null,
            _deadline);
        Assert.True(exitCode == 0, errors);
        return JsonSerializer.Deserialize<JsonElement[]>(output)!;
    }

    private static string FindWeb()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Vitrine.slnx")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder?.FullName ?? throw new DirectoryNotFoundException("The tests do not run from a clone of the repository."), "web");
    }
}
