using System.CommandLine;
using System.Globalization;
using Vitrine.Cli.Settings;
using Vitrine.Events;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Cli.Verbs;

/// <summary>A verb that looks at events where the settings say that hosts keep them.</summary>
internal abstract class EventsSettingsVerb : SettingsVerb
{
    protected EventsSettingsVerb(Terminal terminal, string name, string description, params (string CommandLine, string Meaning)[] examples)
        : base(terminal, name, description, Setting.Some("events-folder", "events.kafka"), examples) => Terminal = terminal;

    protected Terminal Terminal { get; }

    /// <summary>Where events are; the error was printed if this is false.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="folder">In this folder,</param>
    /// <param name="kafka">unless they are on this cluster.</param>
    protected bool TryFind(ParseResult parsed, out string folder, out KafkaOptions? kafka)
    {
        (folder, kafka) = ("", null);
        if (ReadSettings(parsed) is not { } settings)
        {
            return false;
        }

        if (KafkaSettings.TryMakeOptions(settings, out kafka) is { } error)
        {
            Terminal.Fail(ExitCode.Usage, error.What, error.Origin, error.Mend);
            return false;
        }

        folder = settings.EventsFolder ?? HostEvents.DefaultFolder;
        return true;
    }

    protected static KeptLog Open(string folder, KafkaOptions? kafka) => kafka is null ? KeptLog.Open(folder) : KeptLog.Open(kafka);

    /// <summary>Says that there are none, and where they would be.</summary>
    protected int FailWithout(string folder, KafkaOptions? kafka, Exception exception) => kafka is null
        ? Terminal.Fail(ExitCode.Missing, $"There are no events to show in {folder}.", exception.Message, "vitrine up keeps events there, or where --events-folder says; name it with --events-folder.")
        : Terminal.Fail(ExitCode.Failed, $"The events on Kafka at {kafka.Bootstrap} cannot be read.", exception.Message, "vitrine events doctor finds out why.");

    /// <summary>Parses a list of topics.</summary>
    /// <param name="list">Null: all but <paramref name="except"/>.</param>
    /// <param name="except">Shown only to who asks for them.</param>
    /// <param name="topics">None: all.</param>
    /// <returns>Whether it is one; the error was printed if not.</returns>
    protected bool TryParseTopics(string? list, IReadOnlyList<string> except, out IReadOnlyList<string> topics)
    {
        string[] names = list?.Split(',', StringSplitOptions.TrimEntries) ?? [];
        topics = names.Length == 0 ? [.. EventTopics.All.Except(except)] : names.Contains("all") ? EventTopics.All : names;
        if (Array.Find(names, name => name != "all" && !EventTopics.All.Contains(name)) is not { } wrong)
        {
            return true;
        }

        string? nearest = NearestName.Find(wrong, EventTopics.All);
        Terminal.Fail(ExitCode.Usage, $"There is no topic «{wrong}».", nearest is null ? null : $"Did you mean {nearest}?", $"Allowed: {string.Join(", ", EventTopics.All)}, all.");
        return false;
    }

    /// <summary>Parses a time.</summary>
    /// <param name="text">Null: none.</param>
    /// <param name="time">The time; null: none.</param>
    /// <returns>Whether it is one; the error was printed if not.</returns>
    protected bool TryParseTime(string? text, out DateTimeOffset? time)
    {
        time = null;
        if (text is null)
        {
            return true;
        }

        if (!EventTime.TryParse(text, TimeProvider.System, out DateTimeOffset parsed))
        {
            Terminal.Fail(ExitCode.Usage, $"«{text}» is no time.", null, "Allowed: 2026-01-31, 2026-01-31T12:00, or 90s, 15m, 2h, 7d for so long ago.");
            return false;
        }

        time = parsed;
        return true;
    }

    /// <summary>An event on one line.</summary>
    protected async ValueTask<string> LineAsync(EventFormat<Event> format, EventRecord record, bool asJson, CancellationToken cancellationToken)
    {
        KeptEvent kept = await KeptEvents.ReadAsync(format, record, cancellationToken).ConfigureAwait(false);
        if (asJson)
        {
            return KeptEvents.ToJson(kept);
        }

        string time = record.Time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        string text = kept.Event is null ? $"{record.Topic}: {kept.Text}" : $"{KeptEvents.HostOf(kept.Event)?.HostName ?? "?"}  {kept.Text}";
        return $"{Terminal.Muted(time)}  {Terminal.OneLine(text)}";
    }
}
