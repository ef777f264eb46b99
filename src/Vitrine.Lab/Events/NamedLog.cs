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

    private readonly ISchemaStore _schemas;

    private NamedLog(IEventLog log, ISchemaStore schemas, string prefix) => (Log, Format, _schemas, TopicPrefix) = (log, new(schemas), schemas, prefix);

    public IEventLog Log { get; }

    public EventFormat<Event> Format { get; }

    /// <summary>On Kafka.</summary>
    public string TopicPrefix { get; }

    /// <summary>Names new topics on a cluster.</summary>
    public static string NameOf(string bootstrap) => $"{KafkaMark}{bootstrap} vitrine-crash-{Guid.NewGuid():N}.";

    public static NamedLog Open(string name, int partitions = 1)
    {
        if (FindKafka(name, partitions) is { } kafka)
        {
            KafkaLog log = KafkaLog.Open(kafka);
            return new(log, log.OpenSchemas(), kafka.TopicPrefix);
        }

        return new(EmbeddedLog.Open(new() { Folder = name, RetentionBytes = 8L << 30 }), LocalSchemaStore.Open(Path.Combine(name, HostEvents.SchemasName)), "");
    }

    /// <summary>Beside the process that owns it.</summary>
    public static KeptLog OpenToRead(string name) => FindKafka(name, 1) is { } kafka ? KeptLog.Open(kafka) : KeptLog.Open(name);

    public async ValueTask DisposeAsync()
    {
        _schemas.Dispose();
        await Log.DisposeAsync();
    }

    private static KafkaOptions? FindKafka(string name, int partitions) => !name.StartsWith(KafkaMark, StringComparison.Ordinal) ? null : KafkaOptions.FromEnvironment(name.Split(' ')[1])! with
    {
        TopicPrefix = name.Split(' ')[2],
        Partitions = partitions,
        DeliveryTimeout = s_transaction,
        SessionTimeout = s_session,
    };
}
