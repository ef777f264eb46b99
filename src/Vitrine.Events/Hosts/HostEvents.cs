using Vitrine.Events.Embedded;
using Vitrine.Events.Processing;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>The events of this host: a log in a folder, its schemas beside it, what is recorded, and what is made of it.</summary>
/// <remarks>Opened in the background: sharing does not wait for it, and goes on without it.</remarks>
public sealed class HostEvents : IAsyncDisposable
{
    /// <summary>Of the schemas, in the folder.</summary>
    public const string SchemasName = "schemas.jsonl";

    private readonly CancellationTokenSource _stop = new();
    private readonly Action<string>? _failed;
    private readonly TimeProvider _time;
    private readonly string _folder;
    private readonly Task _running;
    private readonly TaskCompletionSource _recorded = new();
    private readonly TaskCompletionSource<(IEventLog Log, EventFormat<Event> Format)> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HostEvents(string folder, EventSource source, TimeProvider time, Action<string>? failed)
    {
        (_folder, _time, _failed) = (folder, time, failed);
        Recorder = new(new(source, time), failed);
        _running = Task.Run(RunAsync);
    }

    /// <summary>Takes what happens.</summary>
    public EventRecorder Recorder { get; }

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
    /// <param name="folder">Where.</param>
    /// <param name="source">Who says them.</param>
    /// <param name="time">The clock.</param>
    /// <param name="failed">Is told, for people, what does not work; on any thread.</param>
    public static HostEvents Start(string folder, EventSource source, TimeProvider time, Action<string>? failed)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return new(folder, source, time, failed);
    }

    /// <summary>Writes what was recorded, and ends. Takes as long as the disk does.</summary>
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
            await using EmbeddedLog log = EmbeddedLog.Open(new() { Folder = _folder, Time = _time });
            using LocalSchemaStore schemas = LocalSchemaStore.Open(Path.Combine(_folder, SchemasName));
            foreach (LogDamage damage in log.Damage.Where(damage => !damage.IsTorn))
            {
                Tell("log", $"{damage.Path} is damaged from byte {damage.From} to {damage.Until}: its events there are lost, the others are not.");
            }

            EventFormat<Event> format = new(schemas);
            await format.RegisterAsync(EventTopics.All, _stop.Token);
            Recorder.Begin(log, format);
            _opened.SetResult((log, format));
            Task processing = ProcessAsync(log, format);
            await _recorded.Task;
            await Recorder.DisposeAsync();
            await _stop.CancelAsync();
            await processing;
        }
        catch (Exception exception) when (exception is EventLogException or SchemaStoreException or IncompatibleSchemaException)
        {
            Recorder.GiveUp();
            _opened.TrySetException(exception);
            _failed?.Invoke(exception.Message);
        }
    }

    private async Task ProcessAsync(IEventLog log, EventFormat<Event> format)
    {
        const string Group = "host-watch";
        ExactlyOnceProcessor<Event, Event> processor = new(
            log, format, format,
            new(Group, EventTopics.OfHosts, () => new HostWatch(Recorder.Stamp, new()), new DeadLetters(Recorder.Stamp, Group).Add) { Time = _time });
        try
        {
            await processor.RunAsync(_stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Told to end.
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Even a bug of ours is no reason to keep nothing, or to share no more.
            Tell("events", $"Minutes and alerts are not made any more: {exception.Message}");
        }
    }

    private void Tell(string part, string message)
    {
        Event happened = Recorder.Stamp.New();
        happened.ErrorOccurred = new() { Part = part, Message = message };
        Recorder.Record(EventTopics.Errors, happened);
        _failed?.Invoke(message);
    }
}
