using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>Writes the types of Kafka's protocol.</summary>
internal sealed class KafkaWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new(256);

    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    public KafkaWriter Int8(sbyte value)
    {
        _bytes.Write([(byte)value]);
        return this;
    }

    public KafkaWriter Bool(bool value) => Int8((sbyte)(value ? 1 : 0));

    public KafkaWriter Int16(short value)
    {
        BinaryPrimitives.WriteInt16BigEndian(_bytes.GetSpan(sizeof(short)), value);
        _bytes.Advance(sizeof(short));
        return this;
    }

    public KafkaWriter Int32(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(_bytes.GetSpan(sizeof(int)), value);
        _bytes.Advance(sizeof(int));
        return this;
    }

    public KafkaWriter Int64(long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(_bytes.GetSpan(sizeof(long)), value);
        _bytes.Advance(sizeof(long));
        return this;
    }

    public KafkaWriter String(string? value)
    {
        if (value is null)
        {
            return Int16(-1);
        }

        byte[] text = Encoding.UTF8.GetBytes(value);
        Int16(checked((short)text.Length));
        return Raw(text);
    }

    public KafkaWriter Bytes(ReadOnlySpan<byte> value) => Int32(value.Length).Raw(value);

    /// <summary>An array's length, then its elements.</summary>
    public KafkaWriter Each<T>(IReadOnlyCollection<T> values, Action<KafkaWriter, T> write)
    {
        Int32(values.Count);
        foreach (T value in values)
        {
            write(this, value);
        }

        return this;
    }

    public KafkaWriter Strings(IReadOnlyCollection<string> values) => Each(values, static (writer, value) => writer.String(value));

    public KafkaWriter UnsignedVarint(uint value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            _bytes.Write([(byte)(value | 0x80)]);
        }

        _bytes.Write([(byte)value]);
        return this;
    }

    /// <summary>As records have their lengths: small negative numbers are short too.</summary>
    public KafkaWriter Varint(int value) => UnsignedVarint((uint)(value << 1) ^ (uint)(value >> 31));

    public KafkaWriter CompactString(string value)
    {
        byte[] text = Encoding.UTF8.GetBytes(value);
        return UnsignedVarint((uint)text.Length + 1).Raw(text);
    }

    public KafkaWriter Raw(ReadOnlySpan<byte> value)
    {
        _bytes.Write(value);
        return this;
    }
}
