using Vitrine.Events.Embedded;
using Vitrine.Events.Kafka;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>What hosts keep, to be read: in a folder of this machine, also while its host appends, or on Kafka.</summary>
public sealed class KeptLog : IAsyncDisposable
{
    private readonly string? _folder;
    private readonly KafkaLog? _kafka;
    private readonly ISchemaStore _schemas;

    private KeptLog(string? folder, KafkaLog? kafka, ISchemaStore schemas) => (_folder, _kafka, Format, _schemas) = (folder, kafka, new(schemas), schemas);

    /// <summary>Where it is, for people.</summary>
    public string Name => _kafka?.Name ?? _folder!;

    /// <summary>Reads its events.</summary>
    public EventFormat<Event> Format { get; }

    /// <summary>Opens a folder.</summary>
    /// <exception cref="SchemaStoreException">There is none, or its schemas cannot be read.</exception>
    public static KeptLog Open(string folder) => new(folder, null, LocalSchemaStore.OpenToRead(Path.Combine(folder, HostEvents.SchemasName)));

    /// <summary>Opens a cluster. That it is not reached is found by the first use.</summary>
    /// <exception cref="EventLogException">The library is not there, or settings cannot be used.</exception>
    public static KeptLog Open(KafkaOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        KafkaLog log = KafkaLog.Open(options);
        return new(null, log, log.OpenSchemas());
    }

    /// <summary>Reads.</summary>
    /// <param name="start">Where it begins.</param>
    /// <param name="topics">What is read; none: all.</param>
    /// <exception cref="EventLogException">There is nothing, or it cannot be read.</exception>
    public IEventReader Read(EventStart start, params IReadOnlyList<string> topics) => _kafka?.Read(start, topics) ?? EmbeddedReader.Open(_folder!, start, topics);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _schemas.Dispose();
        await (_kafka?.DisposeAsync() ?? default);
    }
}
