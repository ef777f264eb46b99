using System.Text;
using Confluent.Kafka;
using Google.Protobuf.Reflection;
using Vitrine.Events.Schemas;

namespace Vitrine.Events.Kafka;

/// <summary>Keeps schemas in a topic, for a fleet that has no registry: the record's key is the subject, its value the schema
/// (<c>FileDescriptorProto</c>).</summary>
/// <remarks>Everybody reads the first partition of <see cref="KafkaTopics.Schemas"/> from its beginning, and comes to the same: a schema that its subject
/// has already, or that may not follow those that it has, changes nothing, wherever it came from; the others are counted from 1. So two that
/// register at the same time agree, without a lock. Thread-safe.</remarks>
public sealed class KafkaSchemaStore : ISchemaStore
{
    private const int Partition = 0;

    private readonly KafkaLog _log;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly Dictionary<string, List<int>> _subjects = [];
    private readonly List<FileDescriptorProto> _schemas = []; // by number, from 1
    private IConsumer<byte[], byte[]>? _consumer;
    private long _next;

    /// <summary>On a cluster. Nothing is asked before the first use.</summary>
    /// <param name="log">Of the cluster; stays open as long.</param>
    public KafkaSchemaStore(KafkaLog log)
    {
        ArgumentNullException.ThrowIfNull(log);
        _log = log;
    }

    /// <inheritdoc/>
    public async ValueTask<int> RegisterAsync(string subject, FileDescriptor schema, CancellationToken cancellationToken = default)
    {
        SchemaSubject.Check(subject, schema);
        FileDescriptorProto parsed = FileDescriptorProto.Parser.ParseFrom(schema.SerializedData);
        await _gate.WaitAsync(cancellationToken);
        try
        {
            await CatchUpAsync(cancellationToken);
            if (Find(subject, parsed) is { } known)
            {
                return known;
            }

            SchemaSubject.CheckMayFollow(subject, [.. Versions(subject)], parsed);
            await _log.AppendToAsync(KafkaTopics.Schemas, Partition, Encoding.UTF8.GetBytes(subject), schema.SerializedData.ToByteArray(), cancellationToken);
            await CatchUpAsync(cancellationToken);
            if (Find(subject, parsed) is { } made)
            {
                return made;
            }

            // Another one came first, with a schema that this one may not follow.
            SchemaSubject.CheckMayFollow(subject, [.. Versions(subject)], parsed);
            throw new SchemaStoreException(SchemaStoreFailure.Failed, $"The schema of {subject} was written, and is not there.");
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<FileDescriptorProto?> FindAsync(int id, CancellationToken cancellationToken = default)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (id > _schemas.Count)
            {
                await CatchUpAsync(cancellationToken);
            }

            return id >= 1 && id <= _schemas.Count ? _schemas[id - 1] : null;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Ends its connections.</summary>
    public void Dispose()
    {
        _consumer?.Dispose();
        _gate.Dispose();
    }

    private IEnumerable<FileDescriptorProto> Versions(string subject) => (_subjects.GetValueOrDefault(subject) ?? []).Select(id => _schemas[id - 1]);

    private int? Find(string subject, FileDescriptorProto schema) =>
        _subjects.GetValueOrDefault(subject) is { } versions && versions.Find(id => _schemas[id - 1].Equals(schema)) is > 0 and int id ? id : null;

    private async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _log.Topics.NeedAsync(KafkaTopics.Schemas, cancellationToken);
            await Task.Run(() => CatchUp(cancellationToken), cancellationToken);
        }
        catch (KafkaException failed)
        {
            throw Unreachable(KafkaFailures.From(failed.Error, $"The schemas on {_log.Name} cannot be read", _log.LastHeard, failed));
        }
        catch (EventLogException failed)
        {
            throw Unreachable(failed);
        }
    }

    private static SchemaStoreException Unreachable(EventLogException failed) => new(
        failed.Failure switch
        {
            EventLogFailure.Authorization => SchemaStoreFailure.Unauthorized,
            EventLogFailure.Network or EventLogFailure.Broker => SchemaStoreFailure.Unreachable,
            _ => SchemaStoreFailure.Failed,
        },
        failed.Message, failed);

    private void CatchUp(CancellationToken cancellationToken)
    {
        TopicPartition partition = new(_log.Topics.NameOf(KafkaTopics.Schemas), Partition);
        if (_consumer is null)
        {
            IConsumer<byte[], byte[]> consumer = _log.MakeConsumer(KafkaClients.Consumer(_log.Options, _log.Options.TopicPrefix + "schemas")).Build();
            consumer.Assign(new TopicPartitionOffset(partition, _next));
            _consumer = consumer;
        }

        long end = _consumer.QueryWatermarkOffsets(partition, KafkaClients.QuestionTimeout).High.Value;
        while (_next < end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ConsumeResult<byte[], byte[]>? result = _consumer.Consume(KafkaClients.QuestionTimeout)
                ?? throw new KafkaException(new Error(ErrorCode.Local_TimedOut, "the schemas do not come"));
            if (!result.IsPartitionEOF)
            {
                Take(result.Message);
                _next = result.Offset.Value + 1;
            }
        }
    }

    private void Take(Message<byte[], byte[]> message)
    {
        if (message is not { Key: { Length: > 0 } key, Value: { } value } || SchemaSubject.TryParse(value) is not { } schema)
        {
            return; // not one of ours
        }

        string subject = Encoding.UTF8.GetString(key);
        if (Find(subject, schema) is not null || !MayFollow(subject, schema))
        {
            return;
        }

        int id = _schemas.FindIndex(schema.Equals) + 1;
        if (id == 0)
        {
            _schemas.Add(schema);
            id = _schemas.Count;
        }

        if (!_subjects.TryGetValue(subject, out List<int>? versions))
        {
            _subjects[subject] = versions = [];
        }

        versions.Add(id);
    }

    private bool MayFollow(string subject, FileDescriptorProto schema)
    {
        try
        {
            SchemaSubject.CheckMayFollow(subject, [.. Versions(subject)], schema);
            return true;
        }
        catch (IncompatibleSchemaException)
        {
            return false; // refused, whoever wrote it
        }
    }
}
