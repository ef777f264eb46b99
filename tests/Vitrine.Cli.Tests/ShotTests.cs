using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.Cli.Tests;

public sealed class ShotTests(DisplayFixture display) : IClassFixture<DisplayFixture>, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-shot-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Screen_IsWrittenWhole()
    {
        string path = Path.Combine(_folder.FullName, "screen.png");
        Assert.Equal((0, "", ""), Trim(ProgramUnderTest.RunOn(display.Name, "shot", path)));
        Assert.Equal(new DeviceSize(640, 480), SizeOf(path));
    }

    [Fact]
    public void Region_IsWrittenAlone()
    {
        string path = Path.Combine(_folder.FullName, "part.png");
        Assert.Equal((0, "", ""), Trim(ProgramUnderTest.RunOn(null, "shot", "--display", display.Name, "--region", "100x50+10+20", path)));
        Assert.Equal(new DeviceSize(100, 50), SizeOf(path));
    }

    [Fact]
    public void FullDisk_SaysSoAndExitsWith1()
    {
        (int exitCode, _, string error) = ProgramUnderTest.RunOn(display.Name, "shot", "/dev/full");
        Assert.Equal(1, exitCode);
        Assert.Contains("no space left", error, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void FolderMissing_SaysSoAndLeavesNothing()
    {
        (int exitCode, _, string error) = ProgramUnderTest.RunOn(display.Name, "shot", Path.Combine(_folder.FullName, "none", "a.png"));
        Assert.Equal(1, exitCode);
        Assert.Contains("folder", error, StringComparison.Ordinal);
        Assert.Empty(_folder.EnumerateFileSystemInfos());
    }

    [Theory]
    [InlineData("--region", "10x10+5000+5000")]
    [InlineData("--monitor", "none")]
    [InlineData("--window", "no window has this title")]
    [InlineData("--window", "0x7fffffff")]
    public void WhatIsNotThere_ExitsWith3AndWritesNothing(string flag, string value)
    {
        string path = Path.Combine(_folder.FullName, "a.png");
        (int exitCode, _, string error) = ProgramUnderTest.RunOn(display.Name, "shot", flag, value, path);
        Assert.Equal(3, exitCode);
        Assert.NotEmpty(error);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void UnknownDisplay_ExitsWith3()
    {
        (int exitCode, _, string error) = ProgramUnderTest.Run("shot", "--display", ":9999", "a.png");
        Assert.Equal(3, exitCode);
        Assert.Contains(":9999", error, StringComparison.Ordinal);
    }

    private static DeviceSize SizeOf(string path)
    {
        Assert.Equal(PngStatus.Decoded, PngFile.Decode(File.ReadAllBytes(path), out Picture? picture, out _));
        return picture!.Format.Size;
    }

    private static (int, string, string) Trim((int ExitCode, string Output, string Error) end) => (end.ExitCode, end.Output.Trim(), end.Error.Trim());
}
