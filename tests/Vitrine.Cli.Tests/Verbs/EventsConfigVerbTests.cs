using System.Runtime.Versioning;
using System.Text.Json.Nodes;
using Vitrine.Cli.Settings;

namespace Vitrine.Cli.Tests.Verbs;

[UnsupportedOSPlatform("windows")]
public sealed class EventsConfigVerbTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-config-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void EveryLayer_IsShownWithItsOriginAndWithoutPasswords()
    {
        string password = Write("password", "hunter2\n", UnixFileMode.UserRead);
        Write("vitrine.yaml", "port: 8790\nevents:\n  kafka:\n    bootstrap: kafka-1:9092\n    sasl: scram-sha-256\n    sasl-user: vitrine\n    registry: https://registry.example\n    registry-user: reader\n    registry-password: hunter3\n", UnixFileMode.UserRead);
        Dictionary<string, string> variables = new() { ["VITRINE_EVENTS"] = "", ["VITRINE_EVENTS_KAFKA_PARTITIONS"] = "12", ["VITRINE_EVENTS_KAFKA_SASL"] = "scram-sha-512" };
        string[] flags = ["--events.kafka.tls", "on", "--events.kafka.sasl-password-file", password];

        (int exitCode, string output, string error) = Run(variables, flags);
        Assert.Equal((0, ""), (exitCode, error.Trim()));
        string[] lines = [.. output.Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))];
        Assert.Contains("events on default", lines);
        Assert.Contains("events.kafka.bootstrap kafka-1:9092 vitrine.yaml, line 4", lines);
        Assert.Contains("events.kafka.partitions 12 VITRINE_EVENTS_KAFKA_PARTITIONS", lines);
        Assert.Contains("events.kafka.replication - default", lines);
        Assert.Contains("events.kafka.tls on --events.kafka.tls", lines);
        Assert.Contains("events.kafka.sasl scram-sha-512 VITRINE_EVENTS_KAFKA_SASL", lines);
        Assert.Contains($"events.kafka.sasl-password ******** {password}", lines);
        Assert.Contains("events.kafka.registry-password ******** vitrine.yaml, line 9", lines);

        (exitCode, string json, _) = Run(variables, [.. flags, "--json"]);
        Assert.Equal(0, exitCode);
        JsonNode entry = JsonNode.Parse(json)!["settings"]!.AsArray().Single(entry => (string)entry!["name"]! == "events.kafka.registry-password")!;
        Assert.Equal(("********", "vitrine.yaml, line 9"), ((string)entry["value"]!, (string)entry["origin"]!));
        Assert.DoesNotContain("hunter", output + json, StringComparison.Ordinal);
    }

    [Fact]
    public void JsonFile_IsReadFromTheFolder_ButNotBesideYaml()
    {
        Write("vitrine.json", "{\n  \"events.kafka.bootstrap\": \"kafka-1:9092\"\n}\n", UnixFileMode.UserRead);
        Assert.Contains("vitrine.json, line 2", Run([]).Output, StringComparison.Ordinal);
        Write("vitrine.yaml", "port: 0\n", UnixFileMode.UserRead);
        (int exitCode, _, string error) = Run([]);
        Assert.Equal(2, exitCode);
        Assert.StartsWith("vitrine: vitrine.yaml and vitrine.json are both in this folder.", error, StringComparison.Ordinal);
        Assert.Equal(0, Run([], "--config", "vitrine.json").ExitCode);
    }

    [Fact]
    public void FaultInAFileOfASetting_ExitsWith2InThreeLines()
    {
        string empty = Write("empty", "", UnixFileMode.UserRead);
        (int exitCode, string output, string error) = Run(new() { ["VITRINE_EVENTS_KAFKA_BOOTSTRAP"] = "kafka-1:9092" }, "--events.kafka.sasl", "scram-sha-256", "--events.kafka.sasl-user", "a", "--events.kafka.sasl-password-file", empty);
        Assert.Equal((2, ""), (exitCode, output.Trim()));
        Assert.Equal($"vitrine: {empty} is empty.\n  It comes from --events.kafka.sasl-password-file.\n  The file holds one line: a password of 1 to 4096 characters.", error.Trim());
    }

    [Fact]
    public void FileThatOthersRead_IsAWarning()
    {
        Write("vitrine.yaml", "events.kafka:\n  bootstrap: kafka-1:9092\n  tls: on\n  sasl: plain\n  sasl-user: a\n  sasl-password: hunter2\n", UnixFileMode.UserRead | UnixFileMode.OtherRead);
        (int exitCode, string output, string error) = Run([]);
        Assert.Equal(0, exitCode);
        Assert.Contains("Everybody on this machine can read vitrine.yaml.", error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter", output + error, StringComparison.Ordinal);
    }

    [Fact]
    public void PasswordAsFlag_IsRefusedAndNotRepeated()
    {
        (int exitCode, string output, string error) = Run([], "--events.kafka.sasl-password", "hunter2");
        Assert.Equal(2, exitCode);
        Assert.Contains("Did you mean --events.kafka.sasl-password-file?", error, StringComparison.Ordinal);
        Assert.Contains("vitrine events config --help", error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter", output + error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("up")]
    [InlineData("share")]
    public void HelpOfWhatShares_PointsThere(string verb)
    {
        string output = ProgramUnderTest.Run(verb, "--help").Output;
        Assert.Contains("vitrine events config --help", output, StringComparison.Ordinal);
        Assert.DoesNotContain("--events.kafka.tls", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Help_ExplainsEverySetting()
    {
        string output = ProgramUnderTest.Run("events", "config", "--help").Output;
        Assert.All(Setting.Some("events.kafka"), setting => Assert.Contains($"\n  {setting.Name["events.kafka.".Length..]} {setting.ValueName}", output, StringComparison.Ordinal));
    }

    private (int ExitCode, string Output, string Error) Run(Dictionary<string, string> variables, params string[] flags)
    {
        using ProgramUnderTest program = ProgramUnderTest.StartWith(new(variables) { ["VITRINE_EVENTS"] = "" }, "", null, _folder.FullName, ["events", "config", .. flags]);
        int exitCode = program.WaitForExit();
        return (exitCode, program.Output, program.Error);
    }

    private string Write(string name, string text, UnixFileMode mode)
    {
        string path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, mode);
        return path;
    }
}
