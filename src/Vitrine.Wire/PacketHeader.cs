using System.Buffers.Binary;

namespace Vitrine.Wire;

/// <summary>What a parser answers. Bytes from outside never cause an exception.</summary>
public enum WireStatus
{
    /// <summary>Read.</summary>
    Ok = 0,

    /// <summary>A rule of <c>docs/PROTOCOL.md</c> is broken: count it and close with <see cref="GoodbyeReason.ProtocolError"/>.</summary>
    Malformed = 1,

    /// <summary>The header is of another protocol version: close with <see cref="GoodbyeReason.VersionMismatch"/>.</summary>
    VersionMismatch = 2,

    /// <summary>Fewer bytes than a header: a byte stream waits for more, a message transport treats it as <see cref="Malformed"/>.</summary>
    Incomplete = 3,
}

/// <summary>What a packet carries. A value not listed here is skipped by the receiver: that is how the protocol grows.</summary>
public enum PacketType : byte
{
    /// <summary><see cref="HelloMessage"/>, host to viewer.</summary>
    Hello = 0x01,

    /// <summary><see cref="TopologyMessage"/>, host to viewer.</summary>
    Topology = 0x02,

    /// <summary><see cref="TilesReader"/>, host to viewer.</summary>
    Tiles = 0x03,

    /// <summary><see cref="CopyReader"/>, host to viewer.</summary>
    Copy = 0x04,

    /// <summary><see cref="CursorShapeMessage"/>, host to viewer.</summary>
    CursorShape = 0x05,

    /// <summary><see cref="CursorPositionMessage"/>, host to viewer.</summary>
    CursorPosition = 0x06,

    /// <summary><see cref="Wire.ClockReply"/>, host to viewer.</summary>
    ClockReply = 0x07,

    /// <summary><see cref="StatisticsMessage"/>, host to viewer.</summary>
    Statistics = 0x08,

    /// <summary><see cref="Wire.Goodbye"/>, both ways.</summary>
    Goodbye = 0x09,

    /// <summary><see cref="RegionsReader"/>, host to viewer.</summary>
    Regions = 0x0A,

    /// <summary><see cref="VideoPacket"/>, host to viewer.</summary>
    Video = 0x0B,

    /// <summary><see cref="Wire.ViewerHello"/>, viewer to host.</summary>
    ViewerHello = 0x41,

    /// <summary><see cref="Wire.Presented"/>, viewer to host.</summary>
    Presented = 0x42,

    /// <summary><see cref="Wire.ClockRequest"/>, viewer to host.</summary>
    ClockRequest = 0x43,

    /// <summary><see cref="Wire.Select"/>, viewer to host.</summary>
    Select = 0x44,

    /// <summary><see cref="Wire.Refresh"/>, viewer to host.</summary>
    Refresh = 0x45,

    /// <summary><see cref="KeyFrameRequest"/>, viewer to host.</summary>
    KeyFrame = 0x46,

    /// <summary><see cref="CapabilitiesMessage"/>, viewer to host.</summary>
    Capabilities = 0x47,
}

/// <summary>Flags of a packet; unknown bits are kept and ignored.</summary>
[Flags]
public enum PacketFlags : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Further packets of the same frame follow.</summary>
    More = 1,
}

/// <summary>The 32 bytes in front of every payload.</summary>
/// <param name="Type">What the payload is; may be a value that <see cref="PacketType"/> does not list.</param>
/// <param name="Flags">See <see cref="PacketFlags"/>.</param>
/// <param name="Stream">One number a shared source.</param>
/// <param name="PayloadBytes">Bytes that follow the header.</param>
/// <param name="Sequence">Frame number for frames and their acknowledgements, else 0.</param>
/// <param name="OriginNs">When the host first knew of the change shown here, host's monotonic clock; 0 when none.</param>
/// <param name="SentNs">When the sender handed the packet to the transport, sender's monotonic clock.</param>
public readonly record struct PacketHeader(
    PacketType Type, PacketFlags Flags, ushort Stream, int PayloadBytes, uint Sequence, long OriginNs, long SentNs)
{
    /// <summary>Size on the wire.</summary>
    public const int SizeBytes = 32;

    /// <summary>The version written and accepted.</summary>
    public const byte Version = 1;

    /// <summary>Largest payload from host to viewer.</summary>
    public const int PayloadBytesMaxToViewer = 1 << 20;

    /// <summary>Largest payload from viewer to host.</summary>
    public const int PayloadBytesMaxToHost = 1 << 10;

    private const ushort Magic = 0x5456; // «VT», little-endian

    /// <summary>Reads a header.</summary>
    /// <param name="source">At least the header; more is not looked at.</param>
    /// <param name="header">The header, or default.</param>
    /// <param name="payloadBytesMax">The bound of this direction: <see cref="PayloadBytesMaxToViewer"/> or <see cref="PayloadBytesMaxToHost"/>.</param>
    public static WireStatus TryRead(ReadOnlySpan<byte> source, out PacketHeader header, int payloadBytesMax = PayloadBytesMaxToViewer)
    {
        header = default;
        if (source.Length < SizeBytes)
        {
            return WireStatus.Incomplete;
        }

        if (BinaryPrimitives.ReadUInt16LittleEndian(source) != Magic)
        {
            return WireStatus.Malformed;
        }

        // The version comes before everything that another version could mean differently.
        if (source[2] != Version)
        {
            return WireStatus.VersionMismatch;
        }

        uint payloadBytes = BinaryPrimitives.ReadUInt32LittleEndian(source[8..]);
        if (payloadBytes > (uint)payloadBytesMax)
        {
            return WireStatus.Malformed;
        }

        header = new(
            (PacketType)source[3],
            (PacketFlags)BinaryPrimitives.ReadUInt16LittleEndian(source[4..]),
            BinaryPrimitives.ReadUInt16LittleEndian(source[6..]),
            (int)payloadBytes,
            BinaryPrimitives.ReadUInt32LittleEndian(source[12..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[24..]));
        return WireStatus.Ok;
    }

    /// <summary>Writes the header.</summary>
    /// <param name="destination">At least <see cref="SizeBytes"/> long.</param>
    public void Write(Span<byte> destination)
    {
        destination = destination[..SizeBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(destination, Magic);
        destination[2] = Version;
        destination[3] = (byte)Type;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[4..], (ushort)Flags);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], Stream);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[8..], (uint)PayloadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[12..], Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(destination[16..], OriginNs);
        BinaryPrimitives.WriteInt64LittleEndian(destination[24..], SentNs);
    }
}
