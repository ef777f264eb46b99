using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Vitrine.Viewer;
using Vitrine.Wire;

namespace Vitrine.Cli.Tests;

public sealed class SharingTests(DisplayFixture display) : IClassFixture<DisplayFixture>, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-share-");

    private string ReadyPath => Path.Combine(_folder.FullName, "ready.json");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Serving_ReadyFileTellsUrlTokenAndPid()
    {
        using ProgramUnderTest program = ProgramUnderTest.Start(display.Name, null, "share", "--port", "0", "--ready-file", ReadyPath);
        await program.WaitForFileAsync(ReadyPath);
        using JsonDocument ready = JsonDocument.Parse(await File.ReadAllBytesAsync(ReadyPath));
        Assert.Equal(program.Id, ready.RootElement.GetProperty("pid").GetInt32());
        Uri url = new(ready.RootElement.GetProperty("url").GetString()!);
        Assert.Contains(ready.RootElement.GetProperty("token").GetString()!, url.Query, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, new FileInfo(ReadyPath).UnixFileMode);
        using HttpClient client = new();
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(new Uri(url, "/healthz"))).StatusCode);

        program.Signal("INT");
        Assert.Equal(0, program.WaitForExit());
        Assert.False(File.Exists(ReadyPath));
        Assert.Contains(url.AbsoluteUri, program.Output, StringComparison.Ordinal);
        Assert.Contains("Ctrl-C stops.", program.Output, StringComparison.Ordinal);
        Assert.Empty(program.Error.Trim());
    }

    [Fact]
    public async Task NoDisplay_UpStartsItsOwnAndTakesItAway()
    {
        using ProgramUnderTest program = ProgramUnderTest.Start(null, null, "up", "--size", "800x600", "--port", "0", "--ready-file", ReadyPath);
        await program.WaitForFileAsync(ReadyPath);
        int[] servers = ChildrenOf(program.Id);
        Assert.NotEmpty(servers);
        program.Signal("TERM");
        Assert.Equal(0, program.WaitForExit());
        Assert.Contains("private one", program.Output, StringComparison.Ordinal);
        Assert.Contains("800x600", program.Output, StringComparison.Ordinal);
        Assert.All(servers, server => Assert.False(Directory.Exists($"/proc/{server}")));
    }

    [Fact]
    public async Task PrivateDisplayDies_AnotherIsStartedAndViewersGoOn()
    {
        using ProgramUnderTest program = ProgramUnderTest.Start(null, null, "up", "--size", "320x240", "--port", "0", "--ready-file", ReadyPath);
        await program.WaitForFileAsync(ReadyPath);
        using JsonDocument ready = JsonDocument.Parse(await File.ReadAllBytesAsync(ReadyPath));
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(new Uri(ready.RootElement.GetProperty("url").GetString()!));
        await WaitAsync(() => viewer.Topology is { State: TopologyState.Live, Size.Width: 320 });
        uint generation = viewer.Topology!.Generation;
        Process.GetProcessById(Assert.Single(ChildrenOf(program.Id))).Kill();
        await WaitAsync(() => viewer.Topology is { State: TopologyState.Live } topology && topology.Generation > generation);
        program.Signal("TERM");
        Assert.Equal(0, program.WaitForExit());

        async Task WaitAsync(Func<bool> condition)
        {
            using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(20));
            using CancellationTokenSource deadline = new(ProgramUnderTest.Deadline);
            while (!condition())
            {
                Assert.False(program.HasExited, $"The program ended.\n{program.Output}\n{program.Error}");
                await timer.WaitForNextTickAsync(deadline.Token);
            }
        }
    }

    [Fact]
    public async Task WatcherWithoutLibavcodec_TakesTilesAndSaysWhyOnce()
    {
        using ProgramUnderTest program = ProgramUnderTest.Start(display.Name, null, "share", "--port", "0", "--ready-file", ReadyPath);
        await program.WaitForFileAsync(ReadyPath);
        using JsonDocument ready = JsonDocument.Parse(await File.ReadAllBytesAsync(ReadyPath));
        string watch = JsonSerializer.Serialize(new { url = ready.RootElement.GetProperty("url").GetString(), transport = "WebSocket", fingerprint = new string('0', 64) });
        using ProgramUnderTest watcher = ProgramUnderTest.StartWith(
            new() { ["VITRINE_LIBAVCODEC"] = "/nowhere/libavcodec.so" }, watch + "\n", null, null, "echo", "watch");
        Assert.Equal(0, watcher.WaitForExit());
        string[] lines = [.. watcher.Output.Split('\n').Where(line => line.Contains("/nowhere/libavcodec.so", StringComparison.Ordinal))];
        using JsonDocument said = JsonDocument.Parse(Assert.Single(lines));
        Assert.Equal("websocket", said.RootElement.GetProperty("transport").GetString());
        Assert.Contains("cannot be loaded", said.RootElement.GetProperty("whyNoVideo").GetString(), StringComparison.Ordinal);
        program.Signal("TERM");
        Assert.Equal(0, program.WaitForExit());
    }

    [Fact]
    public async Task SecondCtrlC_EndsAtOnce()
    {
        using ProgramUnderTest program = ProgramUnderTest.Start(display.Name, null, "share", "--port", "0", "--ready-file", ReadyPath);
        await program.WaitForFileAsync(ReadyPath);
        program.Signal("INT");
        program.Signal("INT");
        Assert.InRange(program.WaitForExit(), 0, 1); // 0: the graceful end was faster than the second signal
    }

    [Fact]
    public void BusyPort_SaysSoAndExitsWith1()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        (int exitCode, _, string error) = ProgramUnderTest.RunOn(display.Name, "share", "--port", $"{port}");
        Assert.Equal(1, exitCode);
        Assert.Contains($"{port}", error, StringComparison.Ordinal);
        Assert.Contains("--port 0", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("share", "--display", ":9999")]
    [InlineData("share", "--region", "10x10+5000+0")]
    [InlineData("share", "--monitor", "none")]
    [InlineData("share", "--window", "no window has this title")]
    public void NothingToShare_ExitsWith3(params string[] arguments)
    {
        (int exitCode, _, string error) = ProgramUnderTest.RunOn(display.Name, [.. arguments, "--port", "0"]);
        Assert.Equal(3, exitCode);
        Assert.StartsWith("vitrine: ", error, StringComparison.Ordinal);
    }

    [Fact]
    public void ProcessorsThatAreNotThere_ExitWith2()
    {
        (int exitCode, _, string error) = ProgramUnderTest.RunOn(display.Name, "share", "--port", "0", "--cpus", "1023");
        Assert.Equal(2, exitCode);
        Assert.Contains("1023", error, StringComparison.Ordinal);
    }

    [Fact]
    public void EncoderThatDoesNotWorkHere_ExitsWith3AndNamesThoseThatDo()
    {
        using ProgramUnderTest program = ProgramUnderTest.StartWith(
            new() { ["VITRINE_LIBAVCODEC"] = "/nowhere/libavcodec.so" }, "", display.Name, null, "share", "--port", "0", "--encoder", "x264");
        Assert.Equal(3, program.WaitForExit());
        Assert.Contains("The encoder x264 does not work here.", program.Error, StringComparison.Ordinal);
        Assert.Contains("/nowhere/libavcodec.so cannot be loaded", program.Error, StringComparison.Ordinal);
        Assert.Contains("Usable here: openh264; auto takes the first.", program.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void ReadyFileUnwritable_ExitsWith1()
    {
        (int exitCode, _, string error) = ProgramUnderTest.RunOn(display.Name, "share", "--port", "0", "--ready-file", Path.Combine(_folder.FullName, "none", "ready.json"));
        Assert.Equal(1, exitCode);
        Assert.Contains("ready file", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SettingsFile_IsReadFromTheFolder()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "vitrine.yaml"), $"port: 0\nregion: 64x48+1+2\nready-file: {ReadyPath}\ntoken: abcdefghijklmnopqrstuvwxyz\n");
        using ProgramUnderTest program = ProgramUnderTest.Start(display.Name, _folder.FullName, "share");
        await program.WaitForFileAsync(ReadyPath);
        Assert.Contains("abcdefghijklmnopqrstuvwxyz", await File.ReadAllTextAsync(ReadyPath), StringComparison.Ordinal);
        program.Signal("TERM");
        Assert.Equal(0, program.WaitForExit());
        Assert.Contains("64x48", program.Output, StringComparison.Ordinal);
    }

    private static int[] ChildrenOf(int processId) =>
        [.. Directory.EnumerateDirectories($"/proc/{processId}/task").SelectMany(task => File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(int.Parse)];
}
