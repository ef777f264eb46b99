using System.Buffers.Binary;
using Vitrine.Wire;

namespace Vitrine.Transports.Quic;

/// <summary>Head of a datagram that carries a symbol of a video packet (<c>docs/PROTOCOL.md</c>, «Live stream over QUIC»).</summary>
/// <param name="Symbol">0 to <see cref="Sources"/> - 1: a part of the packet; above: a repair symbol.</param>
/// <param name="Sources">Parts of the packet, 1 to <see cref="SourcesMax"/>.</param>
/// <param name="PacketBytes">Of the packet.</param>
/// <param name="Unit">The packet's place among all video packets of the connection, as they were sent.</param>
/// <param name="After">How many ordered packets were sent before it.</param>
internal readonly record struct LiveSymbol(int Symbol, int Sources, int PacketBytes, uint Unit, ulong After)
{
    /// <summary>Size on the wire.</summary>
    public const int HeadBytes = 20;

    /// <summary>Most parts: larger packets go on streams.</summary>
    public const int SourcesMax = 160;

    private const byte Mark = 0x53; // «S», where a packet has a «V»

    /// <summary>Bytes of each symbol: the last part ends in zeros.</summary>
    public int SymbolBytes => (PacketBytes + Sources - 1) / Sources;

    /// <summary>Writes the head.</summary>
    public void Write(Span<byte> into)
    {
        into[0] = Mark;
        into[1] = (byte)Symbol;
        into[2] = (byte)Sources;
        into[3] = 0;
        BinaryPrimitives.WriteInt32LittleEndian(into[4..], PacketBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(into[8..], Unit);
        BinaryPrimitives.WriteUInt64LittleEndian(into[12..], After);
    }

    /// <summary>Reads a whole datagram.</summary>
    /// <returns>False: it is none of these.</returns>
    public static bool TryRead(ReadOnlySpan<byte> datagram, out LiveSymbol head)
    {
        head = default;
        if (datagram.Length <= HeadBytes || datagram[0] != Mark)
        {
            return false;
        }

        head = new(
            datagram[1], datagram[2], BinaryPrimitives.ReadInt32LittleEndian(datagram[4..]), BinaryPrimitives.ReadUInt32LittleEndian(datagram[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(datagram[12..]));
        return head.Sources is >= 1 and <= SourcesMax && head.PacketBytes is >= PacketHeader.SizeBytes and <= PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer
            && head.After <= VariableInteger.Max && datagram.Length - HeadBytes == head.SymbolBytes;
    }
}
