namespace Vitrine.Measurement.Tests;

public sealed class RunDocumentTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("vitrine-run-").FullName;

    [Fact]
    public async Task SavedDocument_ReadsBackTheSame()
    {
        RunDocument document = Sample();
        string path = Path.Combine(_directory, "deep", "run.json");
        await document.SaveAsync(path);
        RunDocument read = await RunDocument.LoadAsync(path);
        Assert.Equal(document.ToJson(), read.ToJson());
        Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));
        Assert.True(read.Ratios[0].Met);
        Assert.Equal(0.2, read.FindCase("x11-shm/1920x1080")!.Metrics["p50Ms"]);
    }

    [Fact]
    public void Json_HasTheNamesOfTheContract()
    {
        string json = Sample().ToJson();
        foreach (string name in (string[])["\"schema\": 1", "\"lab\"", "\"startedAt\"", "\"commit\"", "\"command\"", "\"machine\"", "\"memoryBytes\"", "\"cases\"", "\"metrics\"", "\"p50Ms\"", "\"lowerIsBetter\"", "\"met\": true", "\"notMeasured\""])
        {
            Assert.Contains(name, json, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{\"schema\":7,\"lab\":\"x\",\"startedAt\":\"2020-01-01T00:00:00Z\",\"commit\":\"\",\"command\":\"\",\"machine\":{\"cpu\":\"\",\"cores\":1,\"memoryBytes\":1,\"os\":\"\",\"display\":\"\",\"gpu\":\"\"}}")]
    public async Task NoRunDocument_IsRefusedWithTheReason(string content)
    {
        string path = Path.Combine(_directory, "bad.json");
        await File.WriteAllTextAsync(path, content);
        InvalidDataException exception = await Assert.ThrowsAsync<InvalidDataException>(() => RunDocument.LoadAsync(path));
        Assert.Contains("bad.json", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ratio_IsJudgedByItsDirection()
    {
        Assert.True(RatioRecord.Of("a vs b", 1.0, 1.1).Met);
        Assert.False(RatioRecord.Of("a vs b", 1.2, 1.1).Met);
        Assert.True(RatioRecord.Of("a vs b", 3, 2.5, lowerIsBetter: false).Met);
        Assert.Null(RatioRecord.Of("a vs b", 3, null).Met);
        Assert.False(RatioRecord.Of("a vs b", double.NaN, 1).Met);
    }

    [Fact]
    public void Machine_IsDescribed()
    {
        MachineRecord machine = MachineProbe.Read("none");
        Assert.NotEqual("unknown", machine.Cpu);
        Assert.Contains("Linux", machine.Os, StringComparison.Ordinal);
        Assert.True(machine.MemoryBytes > 0);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static RunDocument Sample() => new()
    {
        Lab = "capture",
        StartedAt = DateTimeOffset.UnixEpoch,
        Commit = "abc",
        Command = "vitrine lab capture",
        Machine = new MachineRecord("cpu", 2, 1, "os", ":1", "none"),
        Cases = [new CaseRecord { Name = "x11-shm/1920x1080", Metrics = new Dictionary<string, double> { ["p50Ms"] = 0.2 }, Distribution = [new(50, 0.2)], RoundMediansMs = [0.2, 0.21] }],
        Ratios = [RatioRecord.Of("x11-shm/1920x1080 vs memcpy", 1.01, 1.1)],
        NotMeasured = ["nothing else"],
    };
}
