using System.Buffers;
using System.Collections.Concurrent;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Vitrine.Wire;

namespace Vitrine.Events.Schemas;

/// <summary>What is wrong with the bytes of an event.</summary>
public enum EventFormatFailure
{
    /// <summary>They are no message of the schema that they name.</summary>
    Serialisation,

    /// <summary>Nobody knows their schema, or it is not one that is understood here.</summary>
    Schema,
}

/// <summary>An event cannot be read: its bytes will not change, so trying again is of no use.</summary>
/// <param name="failure">Of which kind.</param>
/// <param name="message">For people.</param>
/// <param name="innerException">What was found below.</param>
public sealed class EventFormatException(EventFormatFailure failure, string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Of which kind.</summary>
    public EventFormatFailure Failure { get; } = failure;
}

/// <summary>Writes and reads messages of one type with schemas of a store, in Confluent's wire format (<see cref="SchemaFraming"/>).</summary>
/// <remarks>Thread-safe.</remarks>
/// <typeparam name="T">The type.</typeparam>
/// <param name="store">Keeps the schemas.</param>
public sealed class EventFormat<T>(ISchemaStore store)
    where T : class, IMessage<T>, new()
{
    private readonly ConcurrentDictionary<string, byte[]> _prefixes = new();
    private readonly ConcurrentDictionary<int, string> _faults = new(); // of schemas that were looked up; empty: it is understood

    /// <summary>Registers the type's schema for topics, before anything is written to them.</summary>
    /// <param name="topics">What is written; a schema's subject is the topic's name and <c>-value</c>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IncompatibleSchemaException">Readers of a topic would not understand it.</exception>
    /// <exception cref="SchemaStoreException">The store could not be asked, or has said no.</exception>
    public async Task RegisterAsync(IReadOnlyList<string> topics, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(topics);
        MessageDescriptor type = new T().Descriptor;
        foreach (string topic in topics)
        {
            int id = await store.RegisterAsync($"{topic}-value", type.File, cancellationToken);
            _prefixes[topic] = SchemaFraming.PrefixOf(id, type);
            _faults[id] = "";
        }
    }

    /// <summary>Adds a message to a batch.</summary>
    /// <param name="batch">Takes it.</param>
    /// <param name="topic">One of those that were registered.</param>
    /// <param name="key">Messages of one key keep their order.</param>
    /// <param name="message">The message.</param>
    /// <exception cref="ArgumentException">The topic was not registered, or the batch is full.</exception>
    public void Write(EventBatch batch, string topic, ReadOnlySpan<byte> key, T message)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(message);
        if (!_prefixes.TryGetValue(topic, out byte[]? prefix))
        {
            throw new ArgumentException($"No schema was registered for the topic {topic}.", nameof(topic));
        }

        Span<byte> value = batch.Reserve(topic, key, prefix.Length + message.CalculateSize());
        prefix.CopyTo(value);
        message.WriteTo(value[prefix.Length..]);
    }

    /// <summary>Reads a message.</summary>
    /// <param name="record">As it stands in the log.</param>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    /// <exception cref="EventFormatException">It cannot be read, now or later.</exception>
    /// <exception cref="SchemaStoreException">The store could not be asked: it may be read later.</exception>
    public ValueTask<T> ReadAsync(in EventRecord record, CancellationToken cancellationToken = default)
    {
        ReadOnlyMemory<byte> value = record.Value;
        if (SchemaFraming.TryRead(value.Span, out SchemaFrame frame) is not SchemaFramingError.None and var error)
        {
            throw new EventFormatException(EventFormatFailure.Serialisation, error switch
            {
                SchemaFramingError.NotFramed => "It does not begin as what is written with a schema's number.",
                SchemaFramingError.TooShort => "It ends before its message begins.",
                _ => "The head before its message is none.",
            });
        }

        ReadOnlyMemory<byte> payload = value[frame.PayloadOffset..];
        return _faults.TryGetValue(frame.SchemaId, out string? fault) ? new(Parse(payload, frame, fault)) : LookUpAsync(payload, frame, cancellationToken);
    }

    private async ValueTask<T> LookUpAsync(ReadOnlyMemory<byte> payload, SchemaFrame frame, CancellationToken cancellationToken)
    {
        FileDescriptorProto? writer = await store.FindAsync(frame.SchemaId, cancellationToken);
        if (writer is null)
        {
            // Not remembered: somebody may register it yet.
            throw new EventFormatException(EventFormatFailure.Schema, $"The store of schemas has none of number {frame.SchemaId}.");
        }

        return Parse(payload, frame, _faults.GetOrAdd(frame.SchemaId, FaultOf(frame.SchemaId, writer)));
    }

    private static string FaultOf(int id, FileDescriptorProto writer)
    {
        FileDescriptor own = new T().Descriptor.File;
        if (writer.Package != own.Package)
        {
            return $"Schema {id} is of {writer.Package}, and not of {own.Package}.";
        }

        // Either may be the newer one: what is written with a newer one is read by what there was before, too.
        FileDescriptorProto reader = own.ToProto();
        bool isUnderstood = ProtobufCompatibility.FindIncompatible([writer], reader).Count == 0 || ProtobufCompatibility.FindIncompatible([reader], writer).Count == 0;
        return isUnderstood ? "" : $"Schema {id} is not one that {own.Name} understands: {string.Join("; ", ProtobufCompatibility.FindIncompatible([writer], reader))}.";
    }

    private static T Parse(ReadOnlyMemory<byte> payload, in SchemaFrame frame, string fault)
    {
        if (fault.Length > 0)
        {
            throw new EventFormatException(EventFormatFailure.Schema, fault);
        }

        if (!IsType(frame.MessageIndexes.Span))
        {
            throw new EventFormatException(EventFormatFailure.Schema, $"It is another message of schema {frame.SchemaId} than {new T().Descriptor.FullName}.");
        }

        T message = new();
        if (!MessageLengths.Fit(new ReadOnlySequence<byte>(payload), message.Descriptor))
        {
            throw new EventFormatException(EventFormatFailure.Serialisation, $"It is no {message.Descriptor.FullName}: a part is longer than the whole.");
        }

        try
        {
            message.MergeFrom(payload.Span);
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw new EventFormatException(EventFormatFailure.Serialisation, $"It is no {message.Descriptor.FullName}: {exception.Message}", exception);
        }

        return message;
    }

    // Messages keep their places in a file for as long as it is compatible.
    private static bool IsType(ReadOnlySpan<int> indexes) =>
        SchemaFraming.FindMessage(new T().Descriptor.File, indexes) is { } found && found.FullName == new T().Descriptor.FullName;
}
