using Vitrine.Cli.Settings;
using Vitrine.Frames;

namespace Vitrine.Cli.Tests.Settings;

public sealed class SettingLayersTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-settings-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void NothingGiven_Defaults()
    {
        ShareSettings settings = Read([], [], null).Settings!;
        Assert.Equal((60, 8790, "127.0.0.1", "auto"), (settings.Fps, settings.Port, settings.Listen, settings.Backend));
    }

    [Fact]
    public void FileGiven_OverDefaults() =>
        Assert.Equal((1000, 5), Read([], [], "port: 1000\nmax-viewers: 5 # a few\n").Settings is { } s ? (s.Port, s.MaxViewers) : default);

    [Fact]
    public void VariableGiven_OverFile() =>
        Assert.Equal((2000, 5), Read([], new() { ["VITRINE_PORT"] = "2000" }, "port: 1000\nmax-viewers: 5\n").Settings is { } s ? (s.Port, s.MaxViewers) : default);

    [Fact]
    public void FlagGiven_OverVariableAndFile() =>
        Assert.Equal(3000, Read(["--port", "3000"], new() { ["VITRINE_PORT"] = "2000" }, "port: 1000\n").Settings!.Port);

    [Fact]
    public void EmptyVariable_IsUnset() => Assert.Equal(8790, Read([], new() { ["VITRINE_PORT"] = "" }, null).Settings!.Port);

    [Theory]
    [InlineData("--port", "70000", "port", "0 to 65535")]
    [InlineData("--port", "eighty", "port", "0 to 65535")]
    [InlineData("--fps", "0", "fps", "1 to 240")]
    [InlineData("--encoder", "x265", "encoder", "auto, x264, nvenc, vaapi, openh264")]
    [InlineData("--bitrate", "0.5", "bitrate", "1 to 200")]
    [InlineData("--bitrate-min", "0.05", "bitrate-min", "0.1 to 200")]
    [InlineData("--bitrate-min", "1e0", "bitrate-min", "0.1 to 200")]
    [InlineData("--quic-threads", "0", "quic-threads", "1 to 64")]
    [InlineData("--cpus", "3-1", "cpus", "0-3,6")]
    [InlineData("--cpus", "1024", "cpus", "0-3,6")]
    [InlineData("--cpus", "0,,1", "cpus", "0-3,6")]
    [InlineData("--region", "800x600", "region", "WIDTHxHEIGHT+X+Y")]
    [InlineData("--listen", "localhost.", "listen", "IP address")]
    [InlineData("--backend", "x11-magic", "backend", "x11-shm")]
    [InlineData("--token", "short", "token", "22 to 128")]
    public void ValueNotAllowed_NamesKeyOriginAndWhatIs(string flag, string value, string key, string allowed)
    {
        SettingError error = Read([flag, value], [], null).Error!;
        Assert.Contains(key, error.What, StringComparison.Ordinal);
        Assert.Contains(flag, error.Origin, StringComparison.Ordinal);
        Assert.Contains(allowed, error.Mend, StringComparison.Ordinal);
    }

    [Fact]
    public void CertificateThatDoesNotExist_IsAnError() => Assert.Contains("--cert", Read(["--cert", "none.pem"], [], null).Error!.Origin, StringComparison.Ordinal);

    [Fact]
    public void TokenNotAllowed_IsNotRepeated() => Assert.DoesNotContain("secret", Read(["--token", "secret"], [], null).Error!.What, StringComparison.Ordinal);

    [Fact]
    public void VariableNotAllowed_NamesTheVariable() =>
        Assert.Contains("VITRINE_MAX_VIEWERS", Read([], new() { ["VITRINE_MAX_VIEWERS"] = "-1" }, null).Error!.Origin, StringComparison.Ordinal);

    [Fact]
    public void FileNotAllowed_NamesFileAndLine()
    {
        SettingError error = Read([], [], "fps: 30\nport: x\n").Error!;
        Assert.Contains("line 2", error.Origin, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownKeyInFile_SuggestsTheNearest() => Assert.Contains("max-viewers", Read([], [], "max-viewer: 3\n").Error!.Mend, StringComparison.Ordinal);

    [Theory]
    [InlineData("- a\n- b\n")]
    [InlineData("port: [1, 2]\n")]
    [InlineData("port: {a: 1}\n")]
    [InlineData("port: 1\nport: 2\n")]
    [InlineData("port: \"1\n")]
    [InlineData("? [a]\n: b\n")]
    [InlineData("a: &x [*x]\n")]
    public void FileThatIsNoListOfSettings_IsAnError(string yaml) => Assert.NotNull(Read([], [], yaml).Error);

    [Theory]
    [InlineData("")]
    [InlineData("# nothing set\n")]
    public void EmptyFile_Defaults(string yaml) => Assert.NotNull(Read([], [], yaml).Settings);

    [Fact]
    public void HugeFile_IsNotRead() => Assert.Contains("bytes", Read([], [], new string('#', 100_000)).Error!.Origin, StringComparison.Ordinal);

    [Fact]
    public void NamedFileMissing_IsAnError() => Assert.NotNull(ReadFrom(Path.Combine(_folder.FullName, "none.yaml"), [], []).Error);

    [Theory]
    [InlineData("--region", "1x1+0+0", "--window", "active")]
    [InlineData("--monitor", "A", "--window", "active")]
    public void TwoKindsOfSource_AreAnError(string a, string aValue, string b, string bValue) => Assert.NotNull(Read([a, aValue, b, bValue], [], null).Error);

    [Fact]
    public void FloorOfTheBitrate_IsReadAndNotAboveItsCeiling()
    {
        Assert.Equal(0.25, Read([], [], null).Settings!.BitrateMin);
        Assert.Equal(1.5, Read([], new() { ["VITRINE_BITRATE_MIN"] = "1.5" }, "bitrate: 2\n").Settings!.BitrateMin);
        Assert.Equal(2, Read(["--bitrate", "2", "--bitrate-min", "2"], [], null).Settings!.BitrateMin);
        SettingError error = Read(["--bitrate", "1"], [], "bitrate-min: 1.5\n").Error!;
        Assert.Equal("bitrate-min is 1.5 Mbit/s, bitrate is 1.", error.What);
        Assert.Contains("0.1 to what bitrate is", error.Mend, StringComparison.Ordinal);
    }

    [Fact]
    public void CertificateWithoutKey_IsAnError() => Assert.Contains("key", Read(["--cert", GetType().Assembly.Location], [], null).Error!.Mend, StringComparison.Ordinal);

    [Theory]
    [InlineData("800x600+100+50", 100, 50, 800, 600)]
    [InlineData("1x1-5+0", -5, 0, 1, 1)]
    [InlineData("32767x1+0-32767", 0, -32767, 32767, 1)]
    public void Region_IsParsed(string text, int x, int y, int width, int height)
    {
        Assert.True(Setting.TryParseRegion(text, out DeviceRectangle region));
        Assert.Equal(new DeviceRectangle(x, y, width, height), region);
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("0x5+0+0")]
    [InlineData("5x5+0")]
    [InlineData("5x5+0+0+0")]
    [InlineData("5x5+ 0+0")]
    [InlineData("99999999999x5+0+0")]
    [InlineData("5x5+99999999999+0")]
    [InlineData("32768x5+0+0")]
    public void BrokenRegion_IsRefused(string text) => Assert.False(Setting.TryParseRegion(text, out _));

    [Fact]
    public void Processors_AreParsed()
    {
        Assert.True(Setting.TryParseProcessors("6,0-2,2", out int[] processors));
        Assert.Equal([0, 1, 2, 6], processors);
    }

    private (ShareSettings? Settings, SettingError? Error) Read(string[] flags, Dictionary<string, string> variables, string? yaml)
    {
        string path = Path.Combine(_folder.FullName, "settings.yaml");
        File.WriteAllText(path, yaml ?? "");
        return ReadFrom(path, flags, variables);
    }

    private static (ShareSettings? Settings, SettingError? Error) ReadFrom(string path, string[] flags, Dictionary<string, string> variables) =>
        GivenSettings.Read(path, flags, variables);
}
