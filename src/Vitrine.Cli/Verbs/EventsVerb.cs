using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Cli.Verbs;

/// <summary>What hosts keep of what happens.</summary>
internal sealed class EventsVerb : Verb
{
    public EventsVerb(Terminal terminal)
        : base(
            "events",
            "Shows what happened: hosts, viewers, figures, alerts, errors. Hosts keep it without being asked to.",
            ("vitrine events tail", "the last events, and those that come"),
            ("vitrine events tail --json --follow off --since 1h", "those of the last hour, for scripts"),
            ("vitrine events dead-letters", "events that could not be worked on, and why"),
            ("vitrine events config", "where they go: every setting of them, and where it came from"))
    {
        Add(new EventsTailVerb(terminal));
        Add(new EventsDeadLettersVerb(terminal));
        Add(new EventsConfigVerb(terminal));
    }

    /// <summary>A flag that more than one of them has.</summary>
    internal static Option<string> FolderOption() => new("--folder") { HelpName = "FOLDER", Description = "where the events are (default: where vitrine up keeps them)" };

    /// <summary>Says that there are none, and where they would be.</summary>
    internal static int FailWithout(Terminal terminal, string folder, Exception exception) => terminal.Fail(
        ExitCode.Missing, $"There are no events to show in {folder}.", exception.Message, "vitrine up keeps events there, or where --events-folder says; name it with --folder.");
}

/// <summary>Prints events, and those that come.</summary>
internal sealed class EventsTailVerb : Verb
{
    private const int LinesMax = 1_000_000;

    private readonly Terminal _terminal;
    private readonly Option<string> _folder = EventsVerb.FolderOption();
    private readonly Option<string> _topics = new("--topics") { HelpName = "LIST", Description = $"only these, with commas between them: {string.Join(", ", EventTopics.All)}; all (default: all but statistics)" };
    private readonly Option<string> _since = new("--since") { HelpName = "TIME", Description = "from this time on: 2026-01-31, 2026-01-31T12:00, or so long ago: 90s, 15m, 2h, 7d" };
    private readonly Option<string> _from = new("--from") { HelpName = "POSITION", Description = "from this position on, as --json prints it" };
    private readonly Option<int> _lines = new("--lines") { HelpName = "N", Description = "so many of those that are there (default: 20)", DefaultValueFactory = _ => 20 };
    private readonly Option<string> _follow = new Option<string>("--follow") { HelpName = "on|off", Description = "whether to wait for those that come (default: on)", DefaultValueFactory = _ => "on" }.AcceptOnlyFromAmong("on", "off");
    private readonly Option<bool> _json = new("--json") { Description = "a JSON object a line" };

    public EventsTailVerb(Terminal terminal)
        : base(
            "tail",
            "Prints the last events, and those that come, until Ctrl-C.",
            ("vitrine events tail", "who comes and goes, alerts, minutes, errors"),
            ("vitrine events tail --topics alerts,errors --since 7d --follow off", "what was wrong in the last week"),
            ("vitrine events tail --json --topics all | jq .event", "everything, for programs"))
    {
        _terminal = terminal;
        foreach (Option option in (Option[])[_folder, _topics, _since, _from, _lines, _follow, _json])
        {
            Options.Add(option);
        }

        SetAction((parsed, _) => RunAsync(parsed));
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        if (!TryParseTopics(parsed.GetValue(_topics), out IReadOnlyList<string> topics, out string wrong))
        {
            string? nearest = NearestName.Find(wrong, EventTopics.All);
            return _terminal.Fail(ExitCode.Usage, $"There is no topic «{wrong}».", nearest is null ? null : $"Did you mean {nearest}?", $"Allowed: {string.Join(", ", EventTopics.All)}, all.");
        }

        DateTimeOffset time = default;
        if (parsed.GetValue(_since) is { } since && !TryParseTime(since, TimeProvider.System, out time))
        {
            return _terminal.Fail(ExitCode.Usage, $"«{since}» is no time.", null, "Allowed: 2026-01-31, 2026-01-31T12:00, or 90s, 15m, 2h, 7d for so long ago.");
        }

        EventPosition position = default;
        if (parsed.GetValue(_from) is { } from && !EventPosition.TryParse(from, null, out position))
        {
            return _terminal.Fail(ExitCode.Usage, $"«{from}» is no position.", null, "Allowed: a number, as --json prints it.");
        }

        int lines = parsed.GetValue(_lines);
        if (lines is < 0 or > LinesMax)
        {
            return _terminal.Fail(ExitCode.Usage, $"--lines {lines} cannot be used.", null, $"Allowed: 0 to {LinesMax}.");
        }

        string folder = parsed.GetValue(_folder) ?? HostEvents.DefaultFolder;
        using StopSignal stop = new();
        try
        {
            using LocalSchemaStore schemas = LocalSchemaStore.OpenToRead(Path.Combine(folder, HostEvents.SchemasName));
            EventStart start = parsed.GetValue(_from) is not null ? EventStart.At(position)
                : parsed.GetValue(_since) is not null ? EventStart.Since(time)
                : StartOfLast(folder, topics, lines);
            using EmbeddedReader reader = EmbeddedReader.Open(folder, start, topics);
            EventFormat<Event> format = new(schemas);
            bool asJson = parsed.GetValue(_json);
            while (reader.TryRead(out EventRecord record))
            {
                _terminal.Output.WriteLine(await LineAsync(format, record, asJson, stop.Token).ConfigureAwait(false));
            }

            _terminal.Output.Flush();
            foreach (LogDamage damage in reader.Damage)
            {
                _terminal.Warn($"{damage.Path} does not read from byte {damage.From} to {damage.Until}.", "The events there are lost; the others are shown.");
            }

            while (parsed.GetValue(_follow) == "on")
            {
                EventRecord record = await reader.ReadAsync(stop.Token).ConfigureAwait(false);
                _terminal.Output.WriteLine(await LineAsync(format, record, asJson, stop.Token).ConfigureAwait(false));
                _terminal.Output.Flush();
            }

            return ExitCode.Done;
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            return ExitCode.Done;
        }
        catch (Exception exception) when (exception is EventLogException or SchemaStoreException)
        {
            return EventsVerb.FailWithout(_terminal, folder, exception);
        }
    }

    private static EventStart StartOfLast(string folder, IReadOnlyList<string> topics, int lines)
    {
        Queue<EventPosition> last = new();
        using EmbeddedReader reader = EmbeddedReader.Open(folder, EventStart.Oldest, topics);
        while (reader.TryRead(out EventRecord record))
        {
            last.Enqueue(record.Position);
            if (last.Count > lines)
            {
                last.Dequeue();
            }
        }

        return EventStart.At(last.Count > 0 ? last.Peek() : EventPosition.Embedded(reader.Offset));
    }

    private async ValueTask<string> LineAsync(EventFormat<Event> format, EventRecord record, bool asJson, CancellationToken cancellationToken)
    {
        Event? happened = null;
        string fault = "";
        try
        {
            happened = await format.ReadAsync(record, cancellationToken).ConfigureAwait(false);
        }
        catch (EventFormatException unreadable)
        {
            fault = unreadable.Message;
        }

        if (asJson)
        {
            return ToJson(record, happened, fault);
        }

        string time = record.Time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        string text = happened is null ? $"{record.Topic}: cannot be read: {fault}" : $"{happened.Source?.HostName ?? "?"}  {EventText.Describe(happened)}";
        return $"{_terminal.Muted(time)}  {Terminal.OneLine(text)}";
    }

    private static string ToJson(in EventRecord record, Event? happened, string fault)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            json.WriteString("position", record.Position.ToString());
            json.WriteString("taken", record.Time);
            json.WriteString("topic", record.Topic);
            if (happened is not null)
            {
                json.WritePropertyName("event");
                json.WriteRawValue(JsonFormatter.Default.Format(happened));
            }
            else
            {
                json.WriteString("fault", fault);
                json.WriteBase64String("value", record.Value.Span);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.ToArray());
    }

    private static bool TryParseTopics(string? list, out IReadOnlyList<string> topics, out string wrong)
    {
        string[] names = list?.Split(',', StringSplitOptions.TrimEntries) ?? [];
        wrong = names.FirstOrDefault(name => name != "all" && !EventTopics.All.Contains(name)) ?? "";
        topics = names.Length == 0 ? [.. EventTopics.All.Where(topic => topic != EventTopics.Statistics)] : names.Contains("all") ? [] : names;
        return wrong.Length == 0 && (list is null || list.Length > 0);
    }

    /// <summary>A time of the clock, or so long ago.</summary>
    internal static bool TryParseTime(string text, TimeProvider clock, out DateTimeOffset time)
    {
        time = default;
        double unit = text.Length < 2 ? 0 : text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => 0 };
        if (unit > 0 && double.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double count))
        {
            if (count * unit > TimeSpan.FromDays(36_500).TotalSeconds)
            {
                return false;
            }

            time = clock.GetUtcNow() - TimeSpan.FromSeconds(count * unit);
            return true;
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out time);
    }
}
