using System.Buffers.Binary;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Vitrine.Events.Schemas;

/// <summary>Why bytes are no message that was written with a schema of a registry.</summary>
public enum SchemaFramingError
{
    /// <summary>They are one.</summary>
    None = 0,

    /// <summary>They end within what stands before the message.</summary>
    TooShort = 1,

    /// <summary>They do not begin with <see cref="SchemaFraming.Magic"/>: written without a registry.</summary>
    NotFramed = 2,

    /// <summary>No registry gives such a number: they begin with 1.</summary>
    BadSchemaId = 3,

    /// <summary>What should say which message of the schema it is does not: negative, nested too deep, or no number.</summary>
    BadIndexes = 4,
}

/// <summary>What stands before a message.</summary>
/// <param name="SchemaId">The registry's number of the schema it was written with, from 1.</param>
/// <param name="MessageIndexes">Which message of the schema's file: its place among those of the file, then among those nested in that one, and so on.</param>
/// <param name="PayloadOffset">Where the message itself begins.</param>
public readonly record struct SchemaFrame(int SchemaId, ReadOnlyMemory<int> MessageIndexes, int PayloadOffset);

/// <summary>The wire format of Confluent's schema registry for Protobuf: a zero, the schema's number in four bytes, the highest
/// first, the number of message indexes and each of them as zigzag variable-length integers, the message. The indexes of a file's
/// first message, <c>[0]</c>, are one zero.</summary>
/// <remarks>https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format.
/// Nothing here holds state.</remarks>
public static class SchemaFraming
{
    /// <summary>The first byte.</summary>
    public const byte Magic = 0;

    /// <summary>Messages nested deeper are refused: Protobuf's own compiler ends at 32.</summary>
    public const int DepthMax = 32;

    private const int IdEnd = 5;

    private static readonly int[] s_first = [0];

    /// <summary>What stands before every message of a type that is written with a schema: made once, written before each.</summary>
    /// <param name="schemaId">The registry's number of the schema, from 1.</param>
    /// <param name="message">The type.</param>
    public static byte[] PrefixOf(int schemaId, MessageDescriptor message)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(schemaId, 1);
        ArgumentNullException.ThrowIfNull(message);
        var indexes = new Stack<int>();
        for (MessageDescriptor? at = message; at is not null; at = at.ContainingType)
        {
            indexes.Push(at.Index);
        }

        using var bytes = new MemoryStream();
        Span<byte> head = stackalloc byte[IdEnd];
        head[0] = Magic;
        BinaryPrimitives.WriteInt32BigEndian(head[1..], schemaId);
        bytes.Write(head);
        using (var numbers = new CodedOutputStream(bytes, leaveOpen: true))
        {
            if (indexes is { Count: 1 } && indexes.Peek() == 0)
            {
                numbers.WriteSInt32(0);
            }
            else
            {
                numbers.WriteSInt32(indexes.Count);
                foreach (int index in indexes)
                {
                    numbers.WriteSInt32(index);
                }
            }
        }

        return bytes.ToArray();
    }

    /// <summary>Reads what stands before a message.</summary>
    /// <param name="bytes">All of it, the message included. From anybody: nothing is taken for granted, and no more than
    /// <see cref="DepthMax"/> numbers are kept.</param>
    /// <param name="frame">The result, without an error.</param>
    /// <param name="hasIndexes">Whether indexes are there. npm's <c>@kafkajs/confluent-schema-registry</c> writes none; what is read
    /// without them is the first message of the file.</param>
    public static SchemaFramingError TryRead(ReadOnlySpan<byte> bytes, out SchemaFrame frame, bool hasIndexes = true)
    {
        frame = default;
        if (bytes.Length < IdEnd)
        {
            return bytes.Length > 0 && bytes[0] != Magic ? SchemaFramingError.NotFramed : SchemaFramingError.TooShort;
        }

        if (bytes[0] != Magic)
        {
            return SchemaFramingError.NotFramed;
        }

        int schemaId = BinaryPrimitives.ReadInt32BigEndian(bytes[1..]);
        if (schemaId < 1)
        {
            return SchemaFramingError.BadSchemaId;
        }

        int at = IdEnd;
        int[] indexes = s_first;
        if (hasIndexes)
        {
            if (TryReadNumber(bytes, ref at, out int count) is not SchemaFramingError.None and var countError)
            {
                return countError;
            }

            if (count is < 0 or > DepthMax)
            {
                return SchemaFramingError.BadIndexes;
            }

            indexes = count == 0 ? s_first : new int[count];
            for (int i = 0; i < count; i++)
            {
                if (TryReadNumber(bytes, ref at, out indexes[i]) is not SchemaFramingError.None and var error)
                {
                    return error;
                }

                if (indexes[i] < 0)
                {
                    return SchemaFramingError.BadIndexes;
                }
            }
        }

        frame = new(schemaId, indexes, at);
        return SchemaFramingError.None;
    }

    /// <summary>The type that the indexes say.</summary>
    /// <param name="file">The schema.</param>
    /// <param name="indexes">Of a <see cref="SchemaFrame"/>.</param>
    /// <returns>Null when the schema has no such message.</returns>
    public static MessageDescriptor? FindMessage(FileDescriptor file, ReadOnlySpan<int> indexes)
    {
        ArgumentNullException.ThrowIfNull(file);
        IList<MessageDescriptor> messages = file.MessageTypes;
        MessageDescriptor? found = null;
        foreach (int index in indexes)
        {
            if (index < 0 || index >= messages.Count)
            {
                return null;
            }

            found = messages[index];
            messages = found.NestedTypes;
        }

        return found;
    }

    // Protobuf's sint32: seven bits a byte, the lowest first, then 0, -1, 1, -2 as 0, 1, 2, 3.
    private static SchemaFramingError TryReadNumber(ReadOnlySpan<byte> bytes, ref int at, out int number)
    {
        number = 0;
        uint read = 0;
        for (int shift = 0; shift < 35; shift += 7)
        {
            if (at >= bytes.Length)
            {
                return SchemaFramingError.TooShort;
            }

            byte next = bytes[at++];
            if (shift == 28 && next > 0x0F)
            {
                return SchemaFramingError.BadIndexes;
            }

            read |= (uint)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                number = (int)(read >> 1) ^ -(int)(read & 1);
                return SchemaFramingError.None;
            }
        }

        return SchemaFramingError.BadIndexes;
    }
}
