using System.Buffers.Binary;

namespace Vitrine.Transports.Quic;

/// <summary>QUIC's integers (RFC 9000, section 16): the two highest bits of the first byte say whether it has 1, 2, 4 or 8 bytes; big-endian.</summary>
internal static class VariableInteger
{
    /// <summary>Most bytes of one.</summary>
    public const int BytesMax = 8;

    /// <summary>The largest: 2^62 - 1.</summary>
    public const ulong Max = (1ul << 62) - 1;

    /// <summary>Bytes of the shortest form.</summary>
    public static int Bytes(ulong value) => value switch
    {
        < 1 << 6 => 1,
        < 1 << 14 => 2,
        < 1 << 30 => 4,
        _ => 8,
    };

    /// <summary>Reads one from the start. Longer forms than needed are taken.</summary>
    /// <returns>False: it is cut off.</returns>
    public static bool TryRead(ReadOnlySpan<byte> from, out ulong value, out int bytes)
    {
        (value, bytes) = (0, 0);
        if (from.IsEmpty || from.Length < 1 << (from[0] >> 6))
        {
            return false;
        }

        bytes = 1 << (from[0] >> 6);
        value = bytes switch
        {
            1 => from[0],
            2 => BinaryPrimitives.ReadUInt16BigEndian(from) & 0x3fffu,
            4 => BinaryPrimitives.ReadUInt32BigEndian(from) & 0x3fff_ffffu,
            _ => BinaryPrimitives.ReadUInt64BigEndian(from) & Max,
        };
        return true;
    }

    /// <summary>Writes the shortest form.</summary>
    /// <param name="into">Has the room.</param>
    /// <param name="value">At most <see cref="Max"/>.</param>
    /// <returns>Its bytes.</returns>
    public static int Write(Span<byte> into, ulong value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Max);
        switch (Bytes(value))
        {
            case 1:
                into[0] = (byte)value;
                return 1;
            case 2:
                BinaryPrimitives.WriteUInt16BigEndian(into, (ushort)(value | 0x4000));
                return 2;
            case 4:
                BinaryPrimitives.WriteUInt32BigEndian(into, (uint)value | 0x8000_0000);
                return 4;
            default:
                BinaryPrimitives.WriteUInt64BigEndian(into, value | 0xc000_0000_0000_0000);
                return 8;
        }
    }
}
