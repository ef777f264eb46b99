using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests;

/// <summary>Events of hosts, in a log with its schemas.</summary>
internal sealed class SampleEvents : IAsyncDisposable
{
    private readonly LocalSchemaStore _schemas;

    private SampleEvents(EmbeddedLog log, LocalSchemaStore schemas) => (Log, _schemas, Format) = (log, schemas, new(schemas));

    public EmbeddedLog Log { get; }

    public EventFormat<Event> Format { get; }

    public static async Task<SampleEvents> OpenAsync(string folder, TimeProvider? time = null)
    {
        Directory.CreateDirectory(folder);
        EmbeddedLog log = EmbeddedLog.Open(new() { Folder = folder, Time = time ?? TimeProvider.System });
        SampleEvents events = new(log, LocalSchemaStore.Open(Path.Combine(folder, "schemas")));
        await events.Format.RegisterAsync(EventTopics.All);
        return events;
    }

    public static EventStamp Stamp(TimeProvider time, string host = "host-a", string session = "session-1") =>
        new(new EventSource { HostId = host, HostName = host.ToUpperInvariant(), SessionId = session, ProcessId = 7, Version = "0.1.0" }, time);

    public async Task AppendAsync(string topic, EventStamp stamp, Action<Event> what)
    {
        Event happened = stamp.New();
        what(happened);
        EventBatch batch = new();
        Format.Write(batch, topic, stamp.Key, happened);
        await Log.AppendAsync(batch);
    }

    /// <summary>All of some topics.</summary>
    public async Task<List<Event>> ReadAsync(params IReadOnlyList<string> topics)
    {
        using EmbeddedReader reader = Log.Read(EventStart.Oldest, topics);
        List<Event> events = [];
        while (reader.TryRead(out EventRecord record))
        {
            events.Add(await Format.ReadAsync(record));
        }

        return events;
    }

    public async ValueTask DisposeAsync()
    {
        await Log.DisposeAsync();
        _schemas.Dispose();
    }
}
