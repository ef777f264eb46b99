using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Kafka;
using Vitrine.Events.Kafka.Doctor;

namespace Vitrine.Cli.Verbs;

/// <summary>Looks at the way to where events are kept, names the first cause of trouble on it, and says what mends it.</summary>
internal sealed partial class EventsDoctorVerb : EventsSettingsVerb
{
    private readonly Option<string> _topic = new("--topic") { HelpName = "TOPIC", Description = $"writes its one event there, in place of a topic of its own ({KafkaOptions.DefaultTopicPrefix}{KafkaDoctor.ProbeName})" };
    private readonly Option<bool> _json = new("--json") { Description = "as one JSON object" };

    public EventsDoctorVerb(Terminal terminal)
        : base(
            terminal,
            "doctor",
            "Walks the way to where events are kept, a step after the other, and names the first cause that it finds, with the change to make. Exit code 0 when there is none, else 1.",
            ("vitrine events doctor", "the log in the folder of this machine"),
            ("vitrine events doctor --events.kafka.bootstrap kafka-1:9092", "Kafka: name, port, TLS, sign-in, addresses, topics, rights, writing, reading, transactions"),
            ("vitrine events doctor --json | jq .finding", "for scripts"))
    {
        Options.Add(_topic);
        Options.Add(_json);
        SetAction((parsed, _) => TryFind(parsed, out string folder, out KafkaOptions? kafka)
            ? RunAsync(kafka, parsed.GetValue(_topic), folder, parsed.GetValue(_json))
            : Task.FromResult(ExitCode.Usage));
    }

    /// <summary>Looks at Kafka where there is one, else at the folder.</summary>
    private async Task<int> RunAsync(KafkaOptions? kafka, string? topic, string folder, bool asJson)
    {
        using StopSignal stop = new();
        try
        {
            Examination seen = kafka is null ? await EmbeddedDoctor.ExamineAsync(folder, stop.Token).ConfigureAwait(false) : await KafkaDoctor.ExamineAsync(kafka, topic, stop.Token).ConfigureAwait(false);
            if (asJson)
            {
                Terminal.Output.WriteLine(JsonSerializer.Serialize(seen, ExaminationJson.Default.Examination));
            }
            else
            {
                Print(Terminal, seen, kafka is null ? $"The log in {folder}" : $"Kafka at {kafka.Bootstrap}");
            }

            return seen.Finding is null ? ExitCode.Done : ExitCode.Failed;
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            return Terminal.Fail(ExitCode.Failed, "Stopped before all was looked at.");
        }
    }

    /// <summary>A line a step; what is wrong and what mends it stand apart, at the end.</summary>
    internal static void Print(Terminal terminal, Examination seen, string what)
    {
        int width = seen.Steps.Max(step => step.Name.Length);
        foreach (ExaminationStep step in seen.Steps.Where(step => step.State != ExaminationState.NotLookedAt || step.Detail.Length > 0))
        {
            string word = step.State switch { ExaminationState.Passed => "works", ExaminationState.Failed => "FAILS", _ => "-" };
            string seconds = step.State == ExaminationState.NotLookedAt ? "" : string.Create(CultureInfo.InvariantCulture, $"{step.Seconds:0.00} s");
            terminal.Output.WriteLine($"{word,-6}{step.Name.PadRight(width)}  {terminal.Muted($"{seconds,8}")}  {Terminal.OneLine(step.Detail)}".TrimEnd());
        }

        terminal.Output.WriteLine();
        if (seen.Finding is not { } finding)
        {
            terminal.Output.WriteLine($"{Terminal.OneLine(what)} works.");
            return;
        }

        terminal.Output.WriteLine(terminal.Strong(Terminal.OneLine(finding.Sentence)));
        if (finding.Evidence.Length > 0)
        {
            terminal.Output.WriteLine(terminal.Muted($"Seen: {Terminal.OneLine(finding.Evidence)}"));
        }

        terminal.Output.WriteLine();
        terminal.Output.WriteLine(Terminal.OneLine(finding.Mend));
        if (finding.Line.Length > 0)
        {
            terminal.Output.WriteLine($"  {Terminal.OneLine(finding.Line)}");
        }

        int left = seen.Steps.Count(step => step.State == ExaminationState.NotLookedAt);
        terminal.Output.WriteLine();
        terminal.Output.WriteLine($"{finding.Code}; {left} steps behind it were not looked at: run this again when it is mended.");
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
    [JsonSerializable(typeof(Examination))]
    internal sealed partial class ExaminationJson : JsonSerializerContext;
}
