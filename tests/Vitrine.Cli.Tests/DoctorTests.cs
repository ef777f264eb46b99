using System.Text.Json;
using Vitrine.Cli.Verbs;

namespace Vitrine.Cli.Tests;

public sealed class DoctorTests(DisplayFixture display) : IClassFixture<DisplayFixture>
{
    [Fact]
    public void DisplayThatCanBeShared_EverySectionAndItsVerdict()
    {
        (int exitCode, string output, string error) = Run(display.Name, [], "doctor");
        Assert.Empty(error.Trim());
        string[] lines = output.Trim().Split('\n');
        Assert.All(lines[..^2], line => Assert.Matches("^(works  |without|MISSING) +[^ ].*: .+", line));
        foreach (string section in (string[])[
            "system", "libxcb.so.1", "liblz4.so.1", "QUIC", "colour", "X display", "capture", "libavcodec", "video encoder", "encoder libopenh264", "web pages", "xrandr",
            "processors", "thread binding", "encoder threads", "real-time priority", "processors awake", "huge pages", "memory nodes", "hardware counters", "weak networks", "macOS, Windows"])
        {
            Assert.Single(lines, line => line.Length > 9 && line[9..].StartsWith(section + ": ", StringComparison.Ordinal));
        }

        Assert.Contains(lines, line => line.StartsWith($"works    X display: {display.Name}, 640x480", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("works    capture: ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("works    video encoder: libx264: ", StringComparison.Ordinal));
        AssertVerdict(exitCode, lines[^1], lines.Any(line => line.StartsWith("MISSING", StringComparison.Ordinal)));
    }

    [Fact]
    public void NoDisplay_APrivateOneIsTried()
    {
        Dictionary<string, (string State, string Detail, string Mend)> checks = Examine(null, [], out _);
        Assert.Equal("lesser", checks["X display"].State);
        Assert.Contains("DISPLAY is not set", checks["X display"].Detail, StringComparison.Ordinal);
        Assert.Equal("works", checks["private display"].State);
        Assert.Equal("works", checks["capture"].State);
    }

    [Fact]
    public void SomethingThatIsNeededIsWrong_SaidWithWhatMendsItAndExitsWith3()
    {
        Dictionary<string, (string State, string Detail, string Mend)> checks = Examine(display.Name, new() { ["VITRINE_KERNELS"] = "sse1" }, out int exitCode);
        Assert.Equal(("missing", "unset VITRINE_KERNELS"), (checks["colour"].State, checks["colour"].Mend));
        Assert.Contains("sse1", checks["colour"].Detail, StringComparison.Ordinal);
        Assert.Equal(3, exitCode);
    }

    [Fact]
    public void NoLibavcodec_OpenH264IsTheEncoder()
    {
        Dictionary<string, (string State, string Detail, string Mend)> checks = Examine(display.Name, new() { ["VITRINE_LIBAVCODEC"] = "/nowhere" }, out _);
        Assert.Equal("lesser", checks["libavcodec"].State);
        Assert.Contains("/nowhere", checks["libavcodec"].Detail, StringComparison.Ordinal);
        Assert.Contains("apt-get install libavcodec", checks["libavcodec"].Mend, StringComparison.Ordinal);
        Assert.Equal("works", checks["video encoder"].State);
        Assert.StartsWith("libopenh264: OpenH264 2.", checks["video encoder"].Detail, StringComparison.Ordinal);
        Assert.Equal("lesser", checks["encoder libx264"].State);
    }

    [Fact]
    public void OneProcessor_SaidOfEveryMeanThatNeedsTwo()
    {
        DoctorVerb.Check[] checks = [.. DoctorVerb.ExamineProcessors(1, binds: true)];
        Assert.Equal(["processors", "thread binding", "encoder threads"], checks.Select(check => check.Name));
        Assert.All(checks, check => Assert.Equal(DoctorVerb.CheckState.Lesser, check.State));
        Assert.StartsWith("one:", checks[0].Detail, StringComparison.Ordinal);
        Assert.NotEmpty(checks[0].Mend);
    }

    [Fact]
    public void SeveralProcessors_Work()
    {
        DoctorVerb.Check[] checks = [.. DoctorVerb.ExamineProcessors(2, binds: true)];
        Assert.All(checks, check => Assert.Equal(DoctorVerb.CheckState.Works, check.State));
        Assert.Contains("2 for a picture", checks[2].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void BindingRefused_IsSaid()
    {
        DoctorVerb.Check binding = DoctorVerb.ExamineProcessors(8, binds: false).Single(check => check.Name == "thread binding");
        Assert.Equal(DoctorVerb.CheckState.Lesser, binding.State);
        Assert.Contains("refuses", binding.Detail, StringComparison.Ordinal);
    }

    private static Dictionary<string, (string State, string Detail, string Mend)> Examine(string? display, Dictionary<string, string> variables, out int exitCode)
    {
        (exitCode, string output, string error) = Run(display, variables, "doctor", "--json");
        Assert.Empty(error.Trim());
        using JsonDocument document = JsonDocument.Parse(output);
        Dictionary<string, (string State, string Detail, string Mend)> checks = document.RootElement.GetProperty("checks").EnumerateArray().ToDictionary(
            check => Text(check, "name"), check => (Text(check, "state"), Text(check, "detail"), Text(check, "mend")));
        bool lacks = checks.Values.Any(check => check.State == "missing");
        Assert.Equal(!lacks, document.RootElement.GetProperty("upWorks").GetBoolean());
        Assert.Equal(lacks ? 3 : 0, exitCode);
        return checks;

        static string Text(JsonElement check, string name) => check.GetProperty(name).GetString()!;
    }

    private static void AssertVerdict(int exitCode, string verdict, bool lacks)
    {
        Assert.Equal(lacks ? 3 : 0, exitCode);
        Assert.StartsWith(lacks ? "vitrine up does not work here yet" : "vitrine up works here.", verdict, StringComparison.Ordinal);
    }

    private static (int ExitCode, string Output, string Error) Run(string? display, Dictionary<string, string> variables, params string[] arguments)
    {
        using ProgramUnderTest program = ProgramUnderTest.StartWith(variables, "", display, null, arguments);
        int exitCode = program.WaitForExit();
        return (exitCode, program.Output, program.Error);
    }
}
