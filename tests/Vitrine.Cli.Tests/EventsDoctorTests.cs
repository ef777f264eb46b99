using System.Text.Json;
using Vitrine.Cli.Verbs;
using Vitrine.Events;

namespace Vitrine.Cli.Tests;

public sealed class EventsDoctorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-events-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void FolderThatWorks_AllStepsAndExitsWith0()
    {
        (int exitCode, string output) = Run("events", "doctor", "--events-folder", _folder);
        string[] lines = output.Trim().Split('\n');
        Assert.Equal($"The log in {_folder} works.", lines[^1]);
        Assert.Equal(["folder", "owner", "disk", "schemas", "events"], lines[..^2].Select(line => line[6..].Split(' ')[0]));
        Assert.All(lines[..^2], line => Assert.Matches(@"^works \w+ +\d+\.\d\d s  .+", line));
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public void NobodyListens_TheCauseAndItsMendComeLastAndExitsWith1()
    {
        (int exitCode, string output) = Run("events", "doctor", "--events.kafka.bootstrap", "127.0.0.1:1");
        string[] lines = output.Trim().Split('\n');
        Assert.Equal(
            ["127.0.0.1 is there, but nothing listens on its port 1.", "Seen: 127.0.0.1: Connection refused", "", "Start the broker, or write in vitrine.yaml the port of its «listeners».", "  events.kafka.bootstrap: 127.0.0.1:PORT", ""],
            lines[^7..^1]);
        Assert.Equal("port-closed; 14 steps behind it were not looked at: run this again when it is mended.", lines[^1]);
        Assert.StartsWith("FAILS port", lines[^9], StringComparison.Ordinal);
        Assert.Equal(1, exitCode);
    }

    [Fact]
    public void Json_HasEveryStepAndTheFinding()
    {
        (int exitCode, string output) = Run("events", "doctor", "--events.kafka.bootstrap", "127.0.0.1:1", "--json");
        using JsonDocument document = JsonDocument.Parse(output);
        JsonElement[] steps = [.. document.RootElement.GetProperty("steps").EnumerateArray()];
        Assert.Equal(18, steps.Length);
        Assert.Equal(["passed", "passed", "passed", "failed", "notLookedAt"], steps[..5].Select(step => step.GetProperty("state").GetString()));
        Assert.All(steps, step => Assert.InRange(step.GetProperty("seconds").GetDouble(), 0, 60));
        Assert.Equal("port-closed", document.RootElement.GetProperty("finding").GetProperty("code").GetString());
        Assert.Equal(1, exitCode);
    }

    [Fact]
    public void TextFromOutside_StaysInItsLine()
    {
        using StringWriter output = new();
        EventsDoctorVerb.Print(
            new(output, output, outputIsTerminal: false, errorIsTerminal: false, noColour: true),
            new([new("port", ExaminationState.Failed, "", 0.5)], new("code", "It\e[31m is\nwrong.", "Mend it.", "", "\e]0;title\a")), "Kafka");
        Assert.DoesNotContain('\e', output.ToString());
        Assert.Contains("It [31m is wrong.", output.ToString(), StringComparison.Ordinal);
    }

    private static (int ExitCode, string Output) Run(params string[] arguments)
    {
        using ProgramUnderTest program = ProgramUnderTest.StartWith([], "", null, null, arguments);
        int exitCode = program.WaitForExit();
        Assert.Empty(program.Error.Trim());
        return (exitCode, program.Output);
    }
}
