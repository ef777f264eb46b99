using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading.Channels;
using Vitrine.Events;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Schemas;

namespace Vitrine.Cli.Verbs;

/// <summary>Says how what keeps the events is.</summary>
internal sealed partial class EventsHealthVerb : EventsSettingsVerb
{
    private readonly Option<bool> _watch = new("--watch") { Description = "says it again whenever it changes, until Ctrl-C" };
    private readonly Option<bool> _json = new("--json") { Description = "a JSON object a line" };

    public EventsHealthVerb(Terminal terminal)
        : base(
            terminal,
            "health",
            "Says whether what keeps the events is healthy, degraded or unreachable, and why. Exit code 0 when it is healthy, else 1.",
            ("vitrine events health", "once"),
            ("vitrine events health --watch --json", "whenever it changes, for programs"))
    {
        Options.Add(_watch);
        Options.Add(_json);
        SetAction((parsed, _) => RunAsync(parsed));
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        if (!TryFind(parsed, out string folder, out KafkaOptions? kafka))
        {
            return ExitCode.Usage;
        }

        using StopSignal stop = new();
        bool asJson = parsed.GetValue(_json);
        try
        {
            if (kafka is null)
            {
                string? fault = await FaultOfAsync(folder).ConfigureAwait(false);
                Print(new($"the folder {folder}", NameOf(fault is null ? KafkaHealthState.Healthy : KafkaHealthState.Unreachable), fault ?? "", null, null, null, null), asJson);
                return fault is null ? ExitCode.Done : ExitCode.Failed;
            }

            Channel<KafkaHealthReport> changes = Channel.CreateUnbounded<KafkaHealthReport>();
            await using KafkaHealth health = KafkaHealth.Start(kafka, "host-watch", TimeProvider.System, report => changes.Writer.TryWrite(report));
            KafkaHealthReport report = await changes.Reader.ReadAsync(stop.Token).ConfigureAwait(false);
            if (!parsed.GetValue(_watch) && report.State == KafkaHealthState.Healthy)
            {
                // The coordinator is asked for a little later than the brokers.
                await Task.Delay(KafkaHealth.MetadataInterval, stop.Token).ConfigureAwait(false);
                report = health.Report;
            }

            while (true)
            {
                Print(
                    new($"Kafka at {kafka.Bootstrap}", NameOf(report.State), report.Reason, report.Brokers, report.Answering, report.MetadataMs, report.CoordinatorMs), asJson);
                if (!parsed.GetValue(_watch))
                {
                    return report.State == KafkaHealthState.Healthy ? ExitCode.Done : ExitCode.Failed;
                }

                report = await changes.Reader.ReadAsync(stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            return ExitCode.Done;
        }
    }

    // Whether it is there and reads: the doctor looks at more, writes, and asks whose it is, which is nothing for every minute.
    private static async Task<string?> FaultOfAsync(string folder)
    {
        try
        {
            await using KeptLog log = KeptLog.Open(folder);
            await using IEventReader reader = log.Read(EventStart.Oldest);
            reader.TryRead(out _);
            return null;
        }
        catch (Exception exception) when (exception is EventLogException or SchemaStoreException)
        {
            return exception.Message;
        }
    }

    private static string NameOf(KafkaHealthState state) => state.ToString().ToUpperInvariant();

    private void Print(HealthLine line, bool asJson)
    {
        if (asJson)
        {
            Terminal.Output.WriteLine(JsonSerializer.Serialize(line, HealthLineJson.Default.HealthLine));
        }
        else
        {
            string brokers = line.Brokers is { } all ? string.Create(CultureInfo.InvariantCulture, $"; {line.Answering} of {all} brokers answer{(line.MetadataMs is { } ms ? $", within {ms:0.0} ms" : "")}") : "";
            Terminal.Output.WriteLine($"{Terminal.Strong(line.State)}  {Terminal.OneLine(line.Log)}{brokers}{(line.Reason.Length > 0 ? $": {Terminal.OneLine(line.Reason)}" : "")}");
        }

        Terminal.Output.Flush();
    }

    /// <summary>What is told.</summary>
    internal sealed record HealthLine(string Log, string State, string Reason, int? Brokers, int? Answering, double? MetadataMs, double? CoordinatorMs);

    [JsonSerializable(typeof(HealthLine))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
    internal sealed partial class HealthLineJson : JsonSerializerContext;
}
