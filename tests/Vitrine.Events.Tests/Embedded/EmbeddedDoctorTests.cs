using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;

namespace Vitrine.Events.Tests.Embedded;

public sealed class EmbeddedDoctorTests : IDisposable
{
    private readonly string _parent = Directory.CreateTempSubdirectory("vitrine-events-").FullName;

    private string Folder => Path.Combine(_parent, "events");

    public void Dispose() => Directory.Delete(_parent, recursive: true);

    [Fact]
    public async Task FolderThatIsNotThereYet_NoFinding()
    {
        Examination seen = await EmbeddedDoctor.ExamineAsync(Folder);
        Assert.Null(seen.Finding);
        Assert.Equal(["folder", "owner", "disk", "schemas", "events"], seen.Steps.Select(step => step.Name));
        Assert.All(seen.Steps, step => Assert.Equal(ExaminationState.Passed, step.State));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Folder));
    }

    [Fact]
    public async Task LogOfAHost_NoFinding()
    {
        await using EmbeddedLog log = await WriteAsync();
        Examination seen = await EmbeddedDoctor.ExamineAsync(Folder);
        Assert.Null(seen.Finding);
        Assert.Equal("a host that runs", seen.Steps.Single(step => step.Name == "owner").Detail);
        Assert.StartsWith("6, the last one of ", seen.Steps.Single(step => step.Name == "events").Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FolderThatIsAFile_Found()
    {
        await File.WriteAllTextAsync(Folder, "");
        Examination seen = await EmbeddedDoctor.ExamineAsync(Folder);
        Assert.Equal(("folder-unusable", $"Events cannot be written to {Folder}."), (seen.Finding!.Code, seen.Finding.Sentence));
        Assert.Equal([ExaminationState.Failed, .. Enumerable.Repeat(ExaminationState.NotLookedAt, 4)], seen.Steps.Select(step => step.State));

        File.Delete(Folder);
        Assert.Null((await EmbeddedDoctor.ExamineAsync(Folder)).Finding);
    }

    [Fact]
    public async Task DamagedFile_FoundWithItsPlace()
    {
        await (await WriteAsync()).DisposeAsync();
        string file = Directory.EnumerateFiles(Folder, "*.events").Single();
        byte[] bytes = await File.ReadAllBytesAsync(file);
        int last = bytes.AsSpan().LastIndexOf(LogFrame.Mark), broken = bytes.AsSpan(0, last).LastIndexOf(LogFrame.Mark);
        bytes[broken + 10] ^= 0x20;
        await File.WriteAllBytesAsync(file, bytes);
        ExaminationFinding finding = (await EmbeddedDoctor.ExamineAsync(Folder)).Finding!;
        Assert.Equal(("log-damaged", $"{file} does not read from byte {broken} to {last}: its events there are lost, the others are not.", $"rm {file}"), (finding.Code, finding.Sentence, finding.Line));

        File.Delete(file);
        Assert.Null((await EmbeddedDoctor.ExamineAsync(Folder)).Finding);
    }

    [Fact]
    public async Task DamagedSchemas_Found()
    {
        Directory.CreateDirectory(Folder);
        string path = Path.Combine(Folder, HostEvents.SchemasName);
        await File.WriteAllTextAsync(path, "{}\n");
        Assert.Equal("schemas-damaged", (await EmbeddedDoctor.ExamineAsync(Folder)).Finding!.Code);
        File.Delete(path);
        LocalSchemaStore.Open(path).Dispose();
        Assert.Null((await EmbeddedDoctor.ExamineAsync(Folder)).Finding);
    }

    [RootFact]
    public async Task FullDisk_Found()
    {
        Directory.CreateDirectory(Folder);
        await RunAsync("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", Folder);
        try
        {
            Assert.Equal("disk-full", (await EmbeddedDoctor.ExamineAsync(Folder)).Finding!.Code);
            await using (FileStream all = new(Path.Combine(Folder, "all"), FileMode.Create))
            {
                Assert.Throws<IOException>(() => all.Write(new byte[2 << 20]));
            }

            ExaminationFinding finding = (await EmbeddedDoctor.ExamineAsync(Folder)).Finding!;
            Assert.Equal(("disk-full", $"The disk with {Folder} has 0 MiB left, and events take up to 1 GiB."), (finding.Code, finding.Sentence));
        }
        finally
        {
            await RunAsync("umount", Folder);
        }
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start(program, arguments);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    private async Task<EmbeddedLog> WriteAsync()
    {
        EmbeddedLog log = EmbeddedLog.Open(new() { Folder = Folder });
        for (int i = 0; i < 3; i++)
        {
            await log.AppendAsync(Numbers.Batch(2 * i, 2));
        }

        return log;
    }
}
