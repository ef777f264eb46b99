using System.CommandLine;
using System.Globalization;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Cli.Verbs;

/// <summary>Lists events that could not be worked on, explains one, and appends them again.</summary>
internal sealed class EventsDeadLettersVerb : EventsSettingsVerb
{
    private const string AllOfThem = "all";

    private readonly Option<string> _explain = new("--explain") { HelpName = "POSITION", Description = "all that is known of this one: what happened, where, and the bytes" };
    private readonly Option<string> _replay = new("--replay") { HelpName = "POSITION|all", Description = "append the event again, as it was, to be worked on again; no host may have the folder" };

    public EventsDeadLettersVerb(Terminal terminal)
        : base(
            terminal,
            "dead-letters",
            "Lists events that could not be worked on, with the reason. Positions are those of the letters.",
            ("vitrine events dead-letters", "all of them, a line each"),
            ("vitrine events dead-letters --explain 1234", "one, with its causes and its bytes"),
            ("vitrine events dead-letters --replay all", "try all of them again, after the cause was mended"))
    {
        Options.Add(_explain);
        Options.Add(_replay);
        SetAction((parsed, _) => TryFind(parsed, out string folder, out KafkaOptions? kafka)
            ? RunAsync(folder, kafka, parsed.GetValue(_explain), parsed.GetValue(_replay))
            : Task.FromResult(ExitCode.Usage));
    }

    private async Task<int> RunAsync(string folder, KafkaOptions? kafka, string? explain, string? replay)
    {
        if ((explain ?? (replay == AllOfThem ? null : replay)) is { } asked && !EventPosition.TryParse(asked, null, out _))
        {
            return Terminal.Fail(ExitCode.Usage, $"«{asked}» is no position.", null, "Allowed: what vitrine events dead-letters prints first in each line.");
        }

        List<(EventPosition Position, Event Event)> letters;
        try
        {
            letters = await ReadAsync(folder, kafka).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is EventLogException or SchemaStoreException)
        {
            return FailWithout(folder, kafka, exception);
        }

        if (explain is null && replay is null)
        {
            foreach ((EventPosition position, Event letter) in letters)
            {
                Terminal.Output.WriteLine($"{position}  {letter.Time.ToDateTimeOffset().ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)}  {Terminal.OneLine(EventText.Describe(letter))}");
            }

            if (letters.Count == 0 && Terminal.OutputIsTerminal)
            {
                Terminal.Output.WriteLine("None: every event was worked on.");
            }

            return ExitCode.Done;
        }

        List<(EventPosition Position, Event Event)> chosen = [.. letters.Where(letter => (explain ?? replay) is AllOfThem || letter.Position == EventPosition.Parse((explain ?? replay)!))];
        if (chosen.Count == 0)
        {
            return replay == AllOfThem ? ExitCode.Done : Terminal.Fail(ExitCode.Usage, $"There is no dead letter at {explain ?? replay}.", null, "vitrine events dead-letters lists them.");
        }

        if (explain is not null)
        {
            Explain(chosen[0].Position, chosen[0].Event);
            return ExitCode.Done;
        }

        return await ReplayAsync(folder, kafka, chosen).ConfigureAwait(false);
    }

    private async Task<List<(EventPosition, Event)>> ReadAsync(string folder, KafkaOptions? kafka)
    {
        await using KeptLog log = Open(folder, kafka);
        await using IEventReader reader = log.Read(EventStart.Oldest, EventTopics.DeadLetters);
        List<(EventPosition, Event)> letters = [];
        while (await reader.ReadThereAsync().ConfigureAwait(false) is { } record)
        {
            EventPosition position = record.Position;
            try
            {
                letters.Add((position, await log.Format.ReadAsync(record).ConfigureAwait(false)));
            }
            catch (EventFormatException unreadable)
            {
                Terminal.Warn($"The letter at {position} does not read.", unreadable.Message);
            }
        }

        return letters;
    }

    private void Explain(EventPosition position, Event happened)
    {
        DeadLetter letter = happened.DeadLetter;
        TextWriter output = Terminal.Output;
        output.WriteLine($"letter    {position}, {happened.Time.ToDateTimeOffset().ToLocalTime():yyyy-MM-dd HH:mm:ss}, by {Terminal.OneLine(letter.Group)} on {Terminal.OneLine(happened.Source?.HostName ?? "?")}");
        output.WriteLine($"event     {Terminal.OneLine(letter.Topic)} {Terminal.OneLine(letter.Position)}, {letter.Taken?.ToDateTimeOffset().ToLocalTime():yyyy-MM-dd HH:mm:ss}");
        output.WriteLine($"reason    {Enum.GetName(letter.Reason)?.ToLowerInvariant()}");
        foreach (Cause cause in letter.Causes)
        {
            output.WriteLine($"cause     {Terminal.OneLine(cause.Type)}: {Terminal.OneLine(cause.Message)}");
            foreach (string line in cause.Stack.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                output.WriteLine($"          {Terminal.OneLine(line.Trim())}");
            }
        }

        output.WriteLine($"key       {Convert.ToHexStringLower(letter.Key.Span)}");
        output.WriteLine($"bytes     {letter.PayloadBytes}{(letter.PayloadBytes > letter.Payload.Length ? $", of which {letter.Payload.Length} are kept" : "")}");
        output.WriteLine(Convert.ToHexStringLower(letter.Payload.Span));
    }

    private async Task<int> ReplayAsync(string folder, KafkaOptions? kafka, List<(EventPosition Position, Event Event)> letters)
    {
        if (letters.FirstOrDefault(letter => letter.Event.DeadLetter.PayloadBytes > letter.Event.DeadLetter.Payload.Length) is { Event: not null } cut)
        {
            return Terminal.Fail(ExitCode.Failed, $"The letter at {cut.Position} cannot be appended again.", "Its event was too large: only a part of it was kept.");
        }

        try
        {
            await using IEventLog log = kafka is null ? EmbeddedLog.Open(new() { Folder = folder }) : KafkaLog.Open(kafka);
            EventBatch batch = new();
            foreach ((_, Event letter) in letters)
            {
                batch.Clear();
                batch.Add(letter.DeadLetter.Topic, letter.DeadLetter.Key.Span, letter.DeadLetter.Payload.Span);
                await log.AppendAsync(batch).ConfigureAwait(false);
            }
        }
        catch (EventLogException exception)
        {
            return Terminal.Fail(
                ExitCode.Failed, "Nothing more was appended.", exception.Message,
                exception.Failure == EventLogFailure.InUse ? "Stop the host that has the folder, and run this again." : null);
        }

        Terminal.Output.WriteLine($"Appended again: {letters.Count}. They are worked on when a host has the folder again; what fails once more becomes a letter once more.");
        return ExitCode.Done;
    }
}
