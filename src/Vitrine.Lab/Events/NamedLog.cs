using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Lab.Events;

/// <summary>A log as processes of the laboratory are told of it: a folder, or a cluster. Topics of the crash series have one partition there, so that there is
/// one order as in the folder.</summary>
internal sealed class NamedLog : IAsyncDisposable
{
    private const string KafkaMark = "kafka ";

    // What a dead member has begun holds up its successor as long.
    private static readonly TimeSpan s_transaction = TimeSpan.FromSeconds(10), s_session = TimeSpan.FromSeconds(6);

    private readonly IEventLog? _log; // null: a folder of another process
    private readonly IDisposable _schemas;
    private readonly string _name;

    private NamedLog(string name, IEventLog? log, ISchemaStore schemas, IDisposable owned, string prefix) =>
        (_name, _log, Format, _schemas, TopicPrefix) = (name, log, new(schemas), owned, prefix);

    public IEventLog Log => _log ?? throw new InvalidOperationException("It was opened to be read.");

    public EventFormat<Event> Format { get; }

    /// <summary>On Kafka.</summary>
    public string TopicPrefix { get; }

    /// <summary>Names new topics on a cluster.</summary>
    public static string NameOf(string bootstrap) => $"{KafkaMark}{bootstrap} vitrine-crash-{Guid.NewGuid():N}.";

    public static NamedLog Open(string name, int partitions = 1) =>
        TryOpenKafka(name, partitions) ?? Own(name, EmbeddedLog.Open(new() { Folder = name, RetentionBytes = 8L << 30 }), LocalSchemaStore.Open(Path.Combine(name, HostEvents.SchemasName)));

    /// <summary>Beside the process that owns it.</summary>
    public static NamedLog OpenToRead(string name) => TryOpenKafka(name, 1) ?? Own(name, null, LocalSchemaStore.OpenToRead(Path.Combine(name, HostEvents.SchemasName)));

    public IEventReader Read(EventStart start, string topic) => _log?.Read(start, topic) ?? EmbeddedReader.Open(_name, start, topic);

    public async ValueTask DisposeAsync()
    {
        _schemas.Dispose();
        await (_log?.DisposeAsync() ?? default);
    }

    private static NamedLog Own(string name, IEventLog? log, LocalSchemaStore schemas) => new(name, log, schemas, schemas, "");

    private static NamedLog? TryOpenKafka(string name, int partitions)
    {
        if (!name.StartsWith(KafkaMark, StringComparison.Ordinal))
        {
            return null;
        }

        string[] parts = name.Split(' ');
        KafkaLog log = KafkaLog.Open(KafkaOptions.FromEnvironment(parts[1])! with
        {
            TopicPrefix = parts[2],
            Partitions = partitions,
            DeliveryTimeout = s_transaction,
            SessionTimeout = s_session,
        });
        KafkaSchemaStore schemas = new(log);
        return new(name, log, schemas, schemas, parts[2]);
    }
}
