using Vitrine.Events.Embedded;
using Vitrine.Events.Kafka;
using Vitrine.Events.Processing;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>The events of this host: a log in a folder with its schemas beside it, or on Kafka; what is recorded, and what is made of it.</summary>
/// <remarks>Opened in the background: sharing does not wait for it, and goes on without it. Brokers that are not reached are asked until they are.</remarks>
public sealed class HostEvents : IAsyncDisposable
{
    /// <summary>Of the schemas, in the folder.</summary>
    public const string SchemasName = "schemas.jsonl";

    // Who makes minutes and alerts.
    private const string WatchGroup = "host-watch";

    private readonly CancellationTokenSource _stop = new();
    private readonly Action<string>? _failed;
    private readonly TimeProvider _time;
    private readonly string _folder;
    private readonly KafkaOptions? _kafka;
    private readonly Task _running;
    private readonly TaskCompletionSource _recorded = new();
    private volatile KafkaHealth? _health;
    private readonly TaskCompletionSource<(IEventLog Log, EventFormat<Event> Format)> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HostEvents(string folder, KafkaOptions? kafka, EventSource source, TimeProvider time, Action<string>? failed)
    {
        (_folder, _kafka, _time, _failed) = (folder, kafka, time, failed);
        Recorder = new(new(source, time), failed);
        _running = Task.Run(RunAsync);
    }

    /// <summary>Takes what happens.</summary>
    public EventRecorder Recorder { get; }

    /// <summary>How the cluster is that keeps them; null: a folder does.</summary>
    public KafkaHealthReport? Health => _health?.Report;

    /// <summary>The log, and what reads its events, once they are open; borrowed. It fails with why they cannot be, for people.</summary>
    public Task<(IEventLog Log, EventFormat<Event> Format)> Opened => _opened.Task;

    /// <summary>Where events are kept for a user who has not said where: <c>$XDG_STATE_HOME/vitrine/events</c>.</summary>
    public static string DefaultFolder
    {
        get
        {
            string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);
            return Path.Combine(string.IsNullOrEmpty(state) ? Path.Combine(home, ".local", "state") : state, "vitrine", "events");
        }
    }

    /// <summary>Begins to keep them.</summary>
    /// <param name="folder">Where, if not on Kafka.</param>
    /// <param name="source">Who says them.</param>
    /// <param name="time">The clock.</param>
    /// <param name="failed">Is told, for people, what does not work; on any thread.</param>
    /// <param name="kafka">The cluster that keeps them; null: the folder.</param>
    public static HostEvents Start(string folder, EventSource source, TimeProvider time, Action<string>? failed, KafkaOptions? kafka = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return new(folder, kafka, source, time, failed);
    }

    /// <summary>Writes what was recorded, and ends. Takes as long as the disk, or the brokers, do: bound the wait.</summary>
    public async ValueTask DisposeAsync()
    {
        _recorded.TrySetResult();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            if (_kafka is null)
            {
                await using EmbeddedLog log = EmbeddedLog.Open(new() { Folder = _folder, Time = _time });
                using LocalSchemaStore schemas = LocalSchemaStore.Open(Path.Combine(_folder, SchemasName));
                foreach (LogDamage damage in log.Damage.Where(damage => !damage.IsTorn))
                {
                    Tell("log", $"{damage.Path} is damaged from byte {damage.From} to {damage.Until}: its events there are lost, the others are not.");
                }

                await KeepAsync(log, schemas);
            }
            else
            {
                await using KafkaLog log = KafkaLog.Open(_kafka);
                await using KafkaHealth health = _health = KafkaHealth.Start(_kafka, WatchGroup, _time, Tell);
                using ISchemaStore schemas = log.OpenSchemas();
                await KeepAsync(log, schemas);
            }
        }
        catch (Exception exception) when (exception is EventLogException or SchemaStoreException or IncompatibleSchemaException)
        {
            Recorder.GiveUp();
            _opened.TrySetException(exception);
            _failed?.Invoke(exception.Message);
        }
    }

    private async Task KeepAsync(IEventLog log, ISchemaStore schemas)
    {
        EventFormat<Event> format = new(schemas);
        if (!await RegisterAsync(format))
        {
            Recorder.GiveUp(); // it ends before anybody was reached
            _opened.TrySetCanceled();
            return;
        }

        Recorder.Begin(log, format);
        _opened.SetResult((log, format));
        Task processing = ProcessAsync(log, format);
        await _recorded.Task;
        await Recorder.DisposeAsync();
        await _stop.CancelAsync();
        await processing;
    }

    private async Task<bool> RegisterAsync(EventFormat<Event> format)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await format.RegisterAsync(EventTopics.All, _stop.Token);
                return true;
            }
            catch (SchemaStoreException exception) when (EventFailurePolicy.ActionFor(exception) == FailureAction.Retry)
            {
                if (attempt == 1)
                {
                    _failed?.Invoke(exception.Message);
                }

                if (await PauseAsync(attempt))
                {
                    return false;
                }
            }
        }
    }

    /// <returns>Whether the host ends.</returns>
    private async Task<bool> PauseAsync(int attempt)
    {
        TimeSpan pause = EventFailurePolicy.PauseBefore(attempt, Random.Shared.NextDouble());
        return await Task.WhenAny(_recorded.Task, Task.Delay(pause, _time)) == _recorded.Task;
    }

    private async Task ProcessAsync(IEventLog log, EventFormat<Event> format)
    {
        for (int attempt = 1; ; attempt++)
        {
            // A member that was replaced is a new one: what it knew is read again.
            ExactlyOnceProcessor<Event, Event> processor = new(
                log, format, format,
                new(WatchGroup, EventTopics.OfHosts, () => new HostWatch(Recorder.Stamp, new()), new DeadLetters(Recorder.Stamp, WatchGroup).Add) { Time = _time, StandsBy = true });
            try
            {
                await processor.RunAsync(_stop.Token);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (EventLogException passing) when (passing.Failure is EventLogFailure.Fenced or EventLogFailure.Network or EventLogFailure.Broker)
            {
                attempt = processor.Processed > 0 ? 1 : attempt;
                if (attempt == 1)
                {
                    Tell("events", $"Minutes and alerts wait: {passing.Message}");
                }
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                // Even a bug of ours is no reason to keep nothing, or to share no more.
                Tell("events", $"Minutes and alerts are not made any more: {exception.Message}");
                return;
            }

            if (await PauseAsync(attempt))
            {
                return;
            }
        }
    }

    // What cannot be reached hears of it later: until then it waits, as all that happens.
    private void Tell(KafkaHealthReport health)
    {
        Event happened = Recorder.Stamp.New();
        happened.LogHealthChanged = new()
        {
            State = (LogHealthChanged.Types.State)health.State,
            Reason = health.Reason,
            Brokers = (uint)health.Brokers,
            BrokersAnswering = (uint)health.Answering,
        };
        Recorder.Record(EventTopics.Errors, happened);
    }

    private void Tell(string part, string message)
    {
        Event happened = Recorder.Stamp.New();
        happened.ErrorOccurred = new() { Part = part, Message = message };
        Recorder.Record(EventTopics.Errors, happened);
        _failed?.Invoke(message);
    }
}
