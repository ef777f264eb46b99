using Vitrine.Lab.Report;
using Vitrine.Measurement;

namespace Vitrine.Lab.Tests.Report;

public sealed class HistogramLogsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("vitrine-hlog-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task EachCaseThatRecorded_HasALog()
    {
        RunDocument run = Run(Case("x11-shm/800x600", 1), Case("x11-shm-800x600", 2), Case("../../up", 3), Case("empty"));
        run = run with { Cases = [.. run.Cases, new CaseRecord { Name = "cost", Metrics = new Dictionary<string, double>() }] };
        IReadOnlyList<string> paths = await HistogramLogs.WriteAsync(run, _directory);
        Assert.Equal(paths, await HistogramLogs.WriteAsync(run, _directory)); // replaced
        Assert.Equal(["capture...-..-up.hlog", "capture.x11-shm-800x600.hlog"], Directory.GetFiles(_directory).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        // Two names that differ in what no file name holds: both are there.
        string[] lines = await File.ReadAllLinesAsync(paths[0]);
        Assert.Equal("#[Histogram log format version 1.3]", lines[0]);
        Assert.Equal("#[StartTime: 7.000 (seconds since epoch), 1970-01-01T00:00:07Z]", lines[1]);
        Assert.Equal(2, lines.Count(line => line.StartsWith("Tag=", StringComparison.Ordinal)));
        string[] fields = lines[^1].Split(',');
        Assert.Equal(["Tag=x11-shm-800x600", "0.000", "3.000", "2.000"], fields[..4]);
        Assert.True(HdrHistogramEncoding.TryDecode(Convert.FromBase64String(fields[4]), out LatencyHistogram? histogram));
        Assert.InRange(histogram.P50Ns, 1_999_000, 2_001_000);
    }

    private static RunDocument Run(params CaseRecord[] cases) => new()
    {
        Lab = "capture",
        StartedAt = DateTimeOffset.UnixEpoch.AddSeconds(7),
        DurationSeconds = 3,
        Commit = "abc",
        Command = "vitrine lab capture",
        Machine = new MachineRecord("cpu", 2, 1L << 30, "os", ":1", "none"),
        Cases = cases,
    };

    private static CaseRecord Case(string name, params long[] valuesMs)
    {
        var histogram = new LatencyHistogram();
        foreach (long valueMs in valuesMs)
        {
            histogram.Record(valueMs * 1_000_000);
        }

        return RoundSeries.ToCase(name, histogram);
    }
}
