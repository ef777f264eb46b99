using System.Buffers;
using Google.Protobuf.Reflection;

namespace Vitrine.Wire;

/// <summary>Checks bytes from outside before Protobuf reads them: that no part is longer than what it is part of.</summary>
/// <remarks>Google.Protobuf 3.25 adds the length of a nested message to its place without a check, and a length near 2^31 becomes a limit that
/// limits nothing: 50 bytes make it take 1.4 GB for a field that is not there. A field's length is read as Protobuf's own reader does, which drops what is
/// beyond 32 bits (https://protobuf.dev/programming-guides/encoding/).</remarks>
public static class MessageLengths
{
    // Protobuf's own limit of nesting.
    private const int DepthMax = 100;

    private const int Varint = 0, Fixed64 = 1, Bytes = 2, StartGroup = 3, EndGroup = 4, Fixed32 = 5;

    /// <summary>Whether all lengths fit.</summary>
    /// <param name="bytes">Of the message.</param>
    /// <param name="type">Of the message: which fields are messages in turn.</param>
    /// <returns>False: it is no message of this type, or is nested too deep.</returns>
    public static bool Fit(in ReadOnlySequence<byte> bytes, MessageDescriptor type)
    {
        ArgumentNullException.ThrowIfNull(type);
        SequenceReader<byte> reader = new(bytes);
        return Fit(ref reader, reader.Length, type, 0);
    }

    private static bool Fit(ref SequenceReader<byte> reader, long end, MessageDescriptor type, int depth)
    {
        while (reader.Consumed < end)
        {
            if (!TryReadVarint(ref reader, out uint tag))
            {
                return false;
            }

            switch (tag & 7)
            {
                case Varint:
                    if (!TryReadVarint(ref reader, out _))
                    {
                        return false;
                    }

                    break;
                case Fixed64 or Fixed32:
                    if (!TryAdvance(ref reader, (tag & 7) == Fixed64 ? sizeof(ulong) : sizeof(uint), end))
                    {
                        return false;
                    }

                    break;
                case Bytes:
                    if (!TryReadVarint(ref reader, out uint length) || length > end - reader.Consumed)
                    {
                        return false;
                    }

                    if (type.FindFieldByNumber((int)(tag >> 3)) is { FieldType: FieldType.Message, MessageType: var nested })
                    {
                        if (depth == DepthMax || !Fit(ref reader, reader.Consumed + length, nested, depth + 1))
                        {
                            return false;
                        }
                    }
                    else
                    {
                        reader.Advance(length);
                    }

                    break;
                case StartGroup or EndGroup:
                    break; // what is between has lengths of its own
                default:
                    return false;
            }
        }

        return reader.Consumed == end;
    }

    private static bool TryAdvance(ref SequenceReader<byte> reader, int count, long end)
    {
        if (count > end - reader.Consumed)
        {
            return false;
        }

        reader.Advance(count);
        return true;
    }

    private static bool TryReadVarint(ref SequenceReader<byte> reader, out uint value)
    {
        value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (!reader.TryRead(out byte next))
            {
                return false;
            }

            value |= shift < 32 ? (uint)(next & 0x7F) << shift : 0;
            if (next < 0x80)
            {
                return true;
            }
        }

        return false;
    }
}
