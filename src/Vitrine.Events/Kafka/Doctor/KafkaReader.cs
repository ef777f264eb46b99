using System.Buffers.Binary;
using System.Text;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>Reads the types of Kafka's protocol (https://kafka.apache.org/protocol). No length is believed before the bytes are there.</summary>
internal ref struct KafkaReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _left = bytes;

    /// <summary>Bytes that were not read yet.</summary>
    public readonly int Left => _left.Length;

    public sbyte Int8() => (sbyte)Take(1)[0];

    public bool Bool() => Take(1)[0] != 0;

    public short Int16() => BinaryPrimitives.ReadInt16BigEndian(Take(sizeof(short)));

    public int Int32() => BinaryPrimitives.ReadInt32BigEndian(Take(sizeof(int)));

    public long Int64() => BinaryPrimitives.ReadInt64BigEndian(Take(sizeof(long)));

    public KafkaError Error() => (KafkaError)Int16();

    public string String() => NullableString() ?? throw new KafkaProtocolException("a text is missing");

    public string? NullableString()
    {
        short length = Int16();
        return length < 0 ? null : Encoding.UTF8.GetString(Take(length));
    }

    /// <summary>Bytes; none where there are none.</summary>
    public ReadOnlySpan<byte> Bytes()
    {
        int length = Int32();
        return length < 0 ? default : Take(length);
    }

    /// <summary>How many elements follow, each of which takes so many bytes at least.</summary>
    public int Count(int bytesLeast) => Counted(Int32(), bytesLeast);

    /// <summary>A number in seven bits a byte, of 32 bits at most.</summary>
    public uint UnsignedVarint()
    {
        uint value = 0;
        for (int shift = 0; shift < 35; shift += 7)
        {
            byte next = Take(1)[0];
            if (shift == 28 && next > 0x0F)
            {
                break;
            }

            value |= (uint)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new KafkaProtocolException("a number is longer than 32 bits");
    }

    /// <summary>As of flexible versions.</summary>
    public string? CompactString()
    {
        uint length = UnsignedVarint();
        return length == 0 ? null : Encoding.UTF8.GetString(Take(Bounded(length - 1)));
    }

    /// <summary>As of flexible versions.</summary>
    public int CompactCount(int bytesLeast)
    {
        uint count = UnsignedVarint();
        return count == 0 ? 0 : Counted(Bounded(count - 1), bytesLeast);
    }

    /// <summary>Passes over the fields that flexible versions may have more.</summary>
    public void Tags()
    {
        for (uint count = UnsignedVarint(); count > 0; count--)
        {
            UnsignedVarint();
            Take(Bounded(UnsignedVarint()));
        }
    }

    public ReadOnlySpan<byte> Take(int length)
    {
        if ((uint)length > (uint)_left.Length)
        {
            throw new KafkaProtocolException($"{length} bytes are announced where {_left.Length} are left");
        }

        ReadOnlySpan<byte> taken = _left[..length];
        _left = _left[length..];
        return taken;
    }

    private readonly int Bounded(uint length) =>
        length <= (uint)_left.Length ? (int)length : throw new KafkaProtocolException($"{length} bytes or elements are announced where {_left.Length} bytes are left");

    private readonly int Counted(int count, int bytesLeast)
    {
        if (count > _left.Length / bytesLeast)
        {
            throw new KafkaProtocolException($"{count} elements are announced where {_left.Length} bytes are left");
        }

        return Math.Max(0, count); // -1: none
    }
}

/// <summary>An answer is not as Kafka's protocol has it.</summary>
internal sealed class KafkaProtocolException(string message) : Exception(message);
