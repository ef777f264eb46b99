using System.CommandLine;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Schemas;

namespace Vitrine.Cli.Verbs;

/// <summary>Prints events, and those that come.</summary>
internal sealed class EventsTailVerb : EventsSettingsVerb
{
    private const int LinesMax = 1_000_000;

    private static readonly string[] s_notUnlessAsked = [EventTopics.Statistics, EventTopics.Thumbnails];

    private readonly Option<string> _topics = new("--topics") { HelpName = "LIST", Description = $"only these, with commas between them: {string.Join(", ", EventTopics.All)}; all (default: all but {string.Join(" and ", s_notUnlessAsked)})" };
    private readonly Option<string> _since = new("--since") { HelpName = "TIME", Description = "from this time on: 2026-01-31, 2026-01-31T12:00, or so long ago: 90s, 15m, 2h, 7d" };
    private readonly Option<string> _from = new("--from") { HelpName = "POSITION", Description = "from this position on, as --json prints it" };
    private readonly Option<int> _lines = new("--lines") { HelpName = "N", Description = "so many of those that are there (default: 20)", DefaultValueFactory = _ => 20 };
    private readonly Option<string> _follow = new Option<string>("--follow") { HelpName = "on|off", Description = "whether to wait for those that come (default: on)", DefaultValueFactory = _ => "on" }.AcceptOnlyFromAmong("on", "off");
    private readonly Option<bool> _json = new("--json") { Description = "a JSON object a line" };

    public EventsTailVerb(Terminal terminal)
        : base(
            terminal,
            "tail",
            "Prints the last events, and those that come, until Ctrl-C.",
            ("vitrine events tail", "who comes and goes, alerts, minutes, errors"),
            ("vitrine events tail --topics alerts,errors --since 7d --follow off", "what was wrong in the last week"),
            ("vitrine events tail --json --topics all | jq .event", "everything, for programs"))
    {
        foreach (Option option in (Option[])[_topics, _since, _from, _lines, _follow, _json])
        {
            Options.Add(option);
        }

        SetAction((parsed, _) => RunAsync(parsed));
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        if (!TryParseTopics(parsed.GetValue(_topics), s_notUnlessAsked, out IReadOnlyList<string> topics) || !TryParseTime(parsed.GetValue(_since), out DateTimeOffset? since))
        {
            return ExitCode.Usage;
        }

        EventPosition position = default;
        if (parsed.GetValue(_from) is { } from && !EventPosition.TryParse(from, null, out position))
        {
            return Terminal.Fail(ExitCode.Usage, $"«{from}» is no position.", null, "Allowed: a number, or on Kafka topic/partition/offset, as --json prints it.");
        }

        int lines = parsed.GetValue(_lines);
        if (lines is < 0 or > LinesMax)
        {
            return Terminal.Fail(ExitCode.Usage, $"--lines {lines} cannot be used.", null, $"Allowed: 0 to {LinesMax}.");
        }

        if (!TryFind(parsed, out string folder, out KafkaOptions? kafka))
        {
            return ExitCode.Usage;
        }

        if (parsed.GetValue(_from) is not null && position.Stream.Length == 0 != kafka is null)
        {
            return Terminal.Fail(ExitCode.Usage, $"«{position}» is no position there.", null, kafka is null ? "Allowed: a number, as --json prints it." : "Allowed: topic/partition/offset, as --json prints it.");
        }

        using StopSignal stop = new();
        try
        {
            await using KeptLog log = Open(folder, kafka);
            bool isLast = parsed.GetValue(_from) is null && since is null, asJson = parsed.GetValue(_json);
            EventStart start = isLast ? EventStart.Last(lines) : since is { } time ? EventStart.Since(time) : EventStart.At(position);
            await using IEventReader reader = log.Read(start, topics);
            List<(DateTimeOffset Time, string Line)> last = [];
            while (await reader.ReadThereAsync(stop.Token).ConfigureAwait(false) is { } record)
            {
                string line = await LineAsync(log.Format, record, asJson, stop.Token).ConfigureAwait(false);
                if (isLast)
                {
                    last.Add((record.Time, line)); // the last ones of each order there is
                }
                else
                {
                    Terminal.Output.WriteLine(line);
                }
            }

            foreach ((_, string line) in last.OrderBy(each => each.Time).TakeLast(lines))
            {
                Terminal.Output.WriteLine(line);
            }

            Terminal.Output.Flush();
            foreach (LogDamage damage in (reader as EmbeddedReader)?.Damage ?? [])
            {
                Terminal.Warn($"{damage.Path} does not read from byte {damage.From} to {damage.Until}.", "The events there are lost; the others are shown.");
            }

            while (parsed.GetValue(_follow) == "on")
            {
                EventRecord record = await reader.ReadAsync(stop.Token).ConfigureAwait(false);
                Terminal.Output.WriteLine(await LineAsync(log.Format, record, asJson, stop.Token).ConfigureAwait(false));
                Terminal.Output.Flush();
            }

            return ExitCode.Done;
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            return ExitCode.Done;
        }
        catch (Exception exception) when (exception is EventLogException or SchemaStoreException)
        {
            return FailWithout(folder, kafka, exception);
        }
    }
}
