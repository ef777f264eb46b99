using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Vitrine.Wire;

/// <summary>Reads fields in order. A read beyond the end gives 0 and is remembered, so that a parser checks once, at its end.</summary>
internal ref struct PayloadReader(ReadOnlySpan<byte> payload)
{
    private ReadOnlySpan<byte> _rest = payload;
    private bool _failed;

    /// <summary>Ok when every read was within the payload and nothing is left over.</summary>
    public readonly WireStatus End => !_failed && _rest.IsEmpty ? WireStatus.Ok : WireStatus.Malformed;

    public readonly bool Failed => _failed;

    public readonly ReadOnlySpan<byte> Rest => _rest;

    public void Fail()
    {
        _failed = true;
        _rest = default;
    }

    public ReadOnlySpan<byte> Bytes(int count)
    {
        if (count > _rest.Length)
        {
            Fail();
            return default;
        }

        ReadOnlySpan<byte> bytes = _rest[..count];
        _rest = _rest[count..];
        return bytes;
    }

    public byte U8() => Bytes(1) is [byte value] ? value : default;

    public ushort U16() => Bytes(2) is { IsEmpty: false } bytes ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : default;

    public uint U32() => Bytes(4) is { IsEmpty: false } bytes ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : default;

    public int I32() => (int)U32();

    public ulong U64() => Bytes(8) is { IsEmpty: false } bytes ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : default;

    public long I64() => (long)U64();

    /// <summary>A string of at most <paramref name="bytesMax"/> bytes of valid UTF-8.</summary>
    public string String(int bytesMax)
    {
        int count = U16();
        if (count > bytesMax)
        {
            Fail();
            return "";
        }

        ReadOnlySpan<byte> bytes = Bytes(count);
        if (!Utf8.IsValid(bytes))
        {
            Fail();
            return "";
        }

        return Encoding.UTF8.GetString(bytes);
    }
}

/// <summary>Writes fields in order. A destination that is too small is a bug of the caller and throws.</summary>
internal ref struct PayloadWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;

    public int Length { get; private set; }

    public void U8(byte value) => _destination[Length++] = value;

    public void U16(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_destination[Length..], value);
        Length += 2;
    }

    public void U32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_destination[Length..], value);
        Length += 4;
    }

    public void I32(int value) => U32((uint)value);

    public void U64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_destination[Length..], value);
        Length += 8;
    }

    public void I64(long value) => U64((ulong)value);

    public void Bytes(scoped ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_destination[Length..]);
        Length += bytes.Length;
    }

    public void Zeros(int count)
    {
        _destination.Slice(Length, count).Clear();
        Length += count;
    }

    /// <summary>A string, cut at a character so that it has at most <paramref name="bytesMax"/> bytes; lone surrogates become U+FFFD.</summary>
    public void String(string value, int bytesMax)
    {
        Span<byte> room = _destination[(Length + 2)..];
        _ = Utf8.FromUtf16(value, room[..Math.Min(room.Length, bytesMax)], out _, out int written, replaceInvalidSequences: true);
        BinaryPrimitives.WriteUInt16LittleEndian(_destination[Length..], (ushort)written);
        Length += 2 + written;
    }
}
