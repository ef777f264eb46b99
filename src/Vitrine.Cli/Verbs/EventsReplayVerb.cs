using System.CommandLine;
using System.Globalization;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Cli.Verbs;

/// <summary>Plays events again, at the pace at which they came, or into another log.</summary>
internal sealed class EventsReplayVerb : EventsSettingsVerb
{
    private const string Kafka = "kafka", AtOnce = "max";
    private const int BatchEventsMax = 1000, BatchBytesMax = EventBatch.BytesMax / 4;
    private const double SpeedMax = 1_000_000;

    private readonly Option<string> _since = new("--since") { HelpName = "TIME", Description = "from this time on (default: the oldest): 2026-01-31, 2026-01-31T12:00, or so long ago: 90s, 15m, 2h, 7d" };
    private readonly Option<string> _until = new("--until") { HelpName = "TIME", Description = "up to this time (default: now), likewise" };
    private readonly Option<string> _topics = new("--topics") { HelpName = "LIST", Description = $"only these, with commas between them: {string.Join(", ", EventTopics.All)} (default: all)" };
    private readonly Option<string> _speed = new("--speed") { HelpName = "N|max", Description = "so many times as fast as it happened; max: at once (default: 1, with --to max)" };
    private readonly Option<string> _to = new("--to") { HelpName = "kafka|FOLDER", Description = "appends them to another log: Kafka, as the settings say, from the folder; or a folder" };
    private readonly Option<bool> _json = new("--json") { Description = "a JSON object a line" };

    public EventsReplayVerb(Terminal terminal)
        : base(
            terminal,
            "replay",
            "Plays events again: prints them at the pace at which they came, or appends them to another log.",
            ("vitrine events replay --since 1h --speed 10", "the last hour in six minutes"),
            ("vitrine events replay --to kafka --events.kafka.bootstrap kafka-1:9092", "what was kept in the folder goes to Kafka"),
            ("vitrine events replay --since 7d --topics alerts --speed max --json", "for programs"))
    {
        foreach (Option option in (Option[])[_since, _until, _topics, _speed, _to, _json])
        {
            Options.Add(option);
        }

        SetAction((parsed, _) => RunAsync(parsed));
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        if (!TryParseTopics(parsed.GetValue(_topics), [], out IReadOnlyList<string> topics)
            || !TryParseTime(parsed.GetValue(_since), out DateTimeOffset? since) || !TryParseTime(parsed.GetValue(_until), out DateTimeOffset? until))
        {
            return ExitCode.Usage;
        }

        string? to = parsed.GetValue(_to), speed = parsed.GetValue(_speed) ?? (to is null ? "1" : AtOnce);
        double times = double.PositiveInfinity;
        if (speed != AtOnce && (!double.TryParse(speed, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out times) || times is not (> 0 and <= SpeedMax)))
        {
            return Terminal.Fail(ExitCode.Usage, $"«{speed}» is no speed.", null, $"Allowed: a number above 0, at most {SpeedMax}, or {AtOnce}.");
        }

        if (!TryFind(parsed, out string folder, out KafkaOptions? kafka))
        {
            return ExitCode.Usage;
        }

        if (to == Kafka && kafka is null)
        {
            return Terminal.Fail(ExitCode.Usage, "Nobody says where Kafka is.", null, "--events.kafka.bootstrap HOST:PORT");
        }

        KafkaOptions? from = to == Kafka ? null : kafka;
        if (to is not null && from is null && Path.GetFullPath(to) == Path.GetFullPath(folder))
        {
            return Terminal.Fail(ExitCode.Usage, $"The events are in {folder} already.", null, "--to names another folder, or kafka.");
        }

        using StopSignal stop = new();
        try
        {
            await using KeptLog log = Open(folder, from);
            await using Target? target = to is null ? null : await Target.OpenAsync(to == Kafka ? kafka : null, to, stop.Token).ConfigureAwait(false);
            await using IEventReader reader = log.Read(since is { } first ? EventStart.Since(first) : EventStart.Oldest, topics);
            DateTimeOffset end = until ?? TimeProvider.System.GetUtcNow();
            DateTimeOffset? begin = null;
            long begun = TimeProvider.System.GetTimestamp();
            while (await reader.ReadThereAsync(stop.Token).ConfigureAwait(false) is { } record)
            {
                if (record.Time > end)
                {
                    continue; // there may be others of other orders
                }

                begin ??= record.Time;
                TimeSpan wait = double.IsInfinity(times) ? TimeSpan.Zero : ((record.Time - begin.Value) / times) - TimeProvider.System.GetElapsedTime(begun);
                if (wait > TimeSpan.Zero)
                {
                    Terminal.Output.Flush();
                    await Task.Delay(wait, stop.Token).ConfigureAwait(false);
                }

                if (target is null)
                {
                    Terminal.Output.WriteLine(await LineAsync(log.Format, record, parsed.GetValue(_json), stop.Token).ConfigureAwait(false));
                }
                else
                {
                    await target.AddAsync(log.Format, record, stop.Token).ConfigureAwait(false);
                }
            }

            if (target is not null)
            {
                await target.FlushAsync(stop.Token).ConfigureAwait(false);
                Terminal.Output.WriteLine($"Appended to {target.Name}: {target.Appended} events.");
                if (target.Unreadable > 0)
                {
                    Terminal.Warn($"{target.Unreadable} events could not be read, and were left out.", "vitrine events tail --topics all shows why.");
                }
            }

            return ExitCode.Done;
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            return ExitCode.Done;
        }
        catch (Exception exception) when (exception is EventLogException or SchemaStoreException or IncompatibleSchemaException)
        {
            return FailWithout(folder, from, exception);
        }
    }

    /// <summary>The log that takes them.</summary>
    private sealed class Target : IAsyncDisposable
    {
        private readonly IEventLog _log;
        private readonly EventFormat<Event> _format;
        private readonly ISchemaStore _schemas;
        private readonly EventBatch _batch = new();

        private Target(IEventLog log, ISchemaStore schemas) => (_log, _format, _schemas) = (log, new(schemas), schemas);

        public string Name => _log.Name;

        public long Appended { get; private set; }

        public long Unreadable { get; private set; }

        public static async Task<Target> OpenAsync(KafkaOptions? kafka, string folder, CancellationToken cancellationToken)
        {
            IEventLog log = kafka is null ? EmbeddedLog.Open(new() { Folder = folder }) : KafkaLog.Open(kafka);
            ISchemaStore? schemas = null;
            try
            {
                schemas = log is KafkaLog cluster ? cluster.OpenSchemas() : LocalSchemaStore.Open(Path.Combine(folder, HostEvents.SchemasName));
                Target target = new(log, schemas);
                await target._format.RegisterAsync(EventTopics.All, cancellationToken).ConfigureAwait(false);
                return target;
            }
            catch
            {
                schemas?.Dispose();
                await log.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }

        public async ValueTask AddAsync(EventFormat<Event> format, EventRecord record, CancellationToken cancellationToken)
        {
            try
            {
                Event happened = await format.ReadAsync(record, cancellationToken).ConfigureAwait(false);
                _format.Write(_batch, record.Topic, record.Key.Span, happened);
            }
            catch (EventFormatException)
            {
                Unreadable++;
            }

            if (_batch.Count >= BatchEventsMax || _batch.Bytes >= BatchBytesMax)
            {
                await FlushAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        public async ValueTask FlushAsync(CancellationToken cancellationToken)
        {
            if (_batch.Count > 0)
            {
                await _log.AppendAsync(_batch, cancellationToken).ConfigureAwait(false);
                Appended += _batch.Count;
                _batch.Clear();
            }
        }

        public async ValueTask DisposeAsync()
        {
            _schemas.Dispose();
            await _log.DisposeAsync().ConfigureAwait(false);
        }
    }
}
