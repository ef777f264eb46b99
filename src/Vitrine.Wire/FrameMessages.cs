using System.Buffers.Binary;
using Vitrine.Frames;

namespace Vitrine.Wire;

/// <summary>The first 16 bytes of the payload of <see cref="PacketType.Tiles"/> and <see cref="PacketType.Copy"/>.</summary>
/// <param name="Generation">Of the topology it belongs to. A receiver looks at it first and skips other generations unread.</param>
/// <param name="CapturedAfterNs">From origin until the pixels were in the host's memory.</param>
/// <param name="EncodedAfterNs">From origin until the frame was coded.</param>
/// <param name="Count">Records that follow.</param>
public readonly record struct FramePrefix(uint Generation, uint CapturedAfterNs, uint EncodedAfterNs, uint Count)
{
    /// <summary>Size on the wire.</summary>
    public const int SizeBytes = 16;

    /// <summary>Reads the prefix; the records behind it are not looked at.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out FramePrefix prefix)
    {
        if (payload.Length < SizeBytes)
        {
            prefix = default;
            return WireStatus.Malformed;
        }

        prefix = new(
            BinaryPrimitives.ReadUInt32LittleEndian(payload),
            BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(payload[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(payload[12..]));
        return WireStatus.Ok;
    }

    /// <summary>Nanoseconds from <paramref name="originNs"/> to <paramref name="laterNs"/>, as the wire holds them: saturating.</summary>
    public static uint After(long originNs, long laterNs) => (uint)Math.Clamp(laterNs - originNs, 0, uint.MaxValue);

    /// <summary>Writes the prefix.</summary>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Generation);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], CapturedAfterNs);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[8..], EncodedAfterNs);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[12..], Count);
    }
}

/// <summary>How the pixels of a tile are written.</summary>
public enum TileEncoding : byte
{
    /// <summary>One pixel for all.</summary>
    Solid = 0,

    /// <summary>Rows from the top, no padding.</summary>
    Raw = 1,

    /// <summary>One LZ4 block that decodes to exactly the raw form.</summary>
    Lz4 = 2,

    /// <summary>2 to 16 colours and a plane of indices (<see cref="IndexedLayout"/>).</summary>
    Indexed = 3,
}

/// <summary>How the data of an <see cref="TileEncoding.Indexed"/> tile lie: number of colours, packing, colours, plane of
/// indices. Rows of the plane begin at whole bytes; the first pixel has the lowest bits.</summary>
public static class IndexedLayout
{
    /// <summary>Most colours.</summary>
    public const int ColoursMax = 16;

    /// <summary>Bytes in front of the colours.</summary>
    public const int HeadBytes = 2;

    /// <summary>The plane follows as it is.</summary>
    public const byte PlaneRaw = 0;

    /// <summary>The plane follows as one LZ4 block.</summary>
    public const byte PlaneLz4 = 1;

    /// <summary>Bits of an index: 1, 2 or 4.</summary>
    public static int BitsOf(int colours) => colours <= 2 ? 1 : colours <= 4 ? 2 : 4;

    /// <summary>Bytes of the plane.</summary>
    public static int PlaneBytes(int width, int height, int colours) => ((width * BitsOf(colours)) + 7) / 8 * height;

    /// <summary>Where the plane begins.</summary>
    public static int PlaneOffset(int colours) => HeadBytes + (colours * FrameFormat.BytesPerPixel);

    /// <summary>Whether head and length keep the rules; what an LZ4 block decodes to, and that no index points beyond the
    /// colours, is for the decoder to check.</summary>
    public static bool IsValid(ReadOnlySpan<byte> data, DeviceSize tile)
    {
        if (data.Length < HeadBytes || data[0] is < 2 or > ColoursMax)
        {
            return false;
        }

        int planeBytes = data.Length - PlaneOffset(data[0]);
        return data[1] switch
        {
            PlaneRaw => planeBytes == PlaneBytes(tile.Width, tile.Height, data[0]),
            PlaneLz4 => planeBytes >= 1 && data.Length <= TileGrid.TileBytesMax,
            _ => false,
        };
    }
}

/// <summary>The grid of tiles over a picture.</summary>
public static class TileGrid
{
    /// <summary>Side of a tile; the last column and row are as small as what is left.</summary>
    public const int TilePixels = 64;

    /// <summary>Bytes of a whole tile in raw form, and the most that a coded tile has.</summary>
    public const int TileBytesMax = TilePixels * TilePixels * FrameFormat.BytesPerPixel;

    /// <summary>Columns over a width.</summary>
    public static int Columns(DeviceSize size) => (size.Width + TilePixels - 1) / TilePixels;

    /// <summary>Rows over a height.</summary>
    public static int Rows(DeviceSize size) => (size.Height + TilePixels - 1) / TilePixels;

    /// <summary>The pixels of a tile; empty when it is not in the picture.</summary>
    public static DeviceRectangle Bounds(DeviceSize size, int column, int row) =>
        DeviceRectangle.Of(size).Intersect(new(column * TilePixels, row * TilePixels, TilePixels, TilePixels));
}

/// <summary>One tile. Data is borrowed from the payload.</summary>
public readonly ref struct TileRecord
{
    internal const int HeadBytes = 8;

    internal TileRecord(int column, int row, DeviceRectangle bounds, TileEncoding encoding, ReadOnlySpan<byte> data)
    {
        (Column, Row, Bounds, Encoding) = (column, row, bounds, encoding);
        Data = data;
    }

    /// <summary>From the left.</summary>
    public int Column { get; }

    /// <summary>From the top.</summary>
    public int Row { get; }

    /// <summary>The pixels it covers; within the picture.</summary>
    public DeviceRectangle Bounds { get; }

    /// <summary>How <see cref="Data"/> is written.</summary>
    public TileEncoding Encoding { get; }

    /// <summary>Of the length that the encoding asks for; what an LZ4 block decodes to is for the decoder to check. Borrowed.</summary>
    public ReadOnlySpan<byte> Data { get; }
}

/// <summary>Walks the records of a <see cref="PacketType.Tiles"/> payload and checks each against its bounds.</summary>
/// <remarks>Read until <see cref="TryReadNext"/> is false, then look at <see cref="Status"/>. Allocates nothing.</remarks>
public ref struct TilesReader
{
    /// <summary>Most tiles of one packet.</summary>
    public const int TilesMax = 65_536;

    private readonly DeviceSize _size;
    private ReadOnlySpan<byte> _rest;
    private uint _left;

    private TilesReader(FramePrefix prefix, DeviceSize size, ReadOnlySpan<byte> records)
    {
        (Prefix, _size, _left) = (prefix, size, prefix.Count);
        _rest = records;
    }

    /// <summary>Generation, times, count.</summary>
    public FramePrefix Prefix { get; }

    /// <summary><see cref="WireStatus.Malformed"/> as soon as a record breaks a rule or bytes are left over after the last one.</summary>
    public WireStatus Status { get; private set; }

    /// <summary>Starts.</summary>
    /// <param name="payload">The whole payload; borrowed for the life of the reader.</param>
    /// <param name="size">Of the picture of the payload's generation (check that first, with <see cref="FramePrefix.TryRead"/>).</param>
    /// <param name="reader">The reader.</param>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, DeviceSize size, out TilesReader reader)
    {
        if (FramePrefix.TryRead(payload, out FramePrefix prefix) != WireStatus.Ok || prefix.Count > TilesMax)
        {
            reader = new() { Status = WireStatus.Malformed };
            return WireStatus.Malformed;
        }

        reader = new(prefix, size, payload[FramePrefix.SizeBytes..]);
        return WireStatus.Ok;
    }

    /// <summary>The next tile, if there is one and it keeps the rules.</summary>
    public bool TryReadNext(out TileRecord tile)
    {
        tile = default;
        if (_left == 0)
        {
            Status = _rest.IsEmpty ? Status : WireStatus.Malformed;
            return false;
        }

        if (_rest.Length < TileRecord.HeadBytes)
        {
            return Fail();
        }

        int column = BinaryPrimitives.ReadUInt16LittleEndian(_rest), row = BinaryPrimitives.ReadUInt16LittleEndian(_rest[2..]);
        byte encoding = _rest[4];
        int dataBytes = BinaryPrimitives.ReadUInt16LittleEndian(_rest[6..]);
        DeviceRectangle bounds = TileGrid.Bounds(_size, column, row);
        bool isLengthValid = encoding switch
        {
            (byte)TileEncoding.Solid => dataBytes == FrameFormat.BytesPerPixel,
            (byte)TileEncoding.Raw => dataBytes == bounds.Area * FrameFormat.BytesPerPixel,
            (byte)TileEncoding.Lz4 => dataBytes is >= 1 and <= TileGrid.TileBytesMax,
            (byte)TileEncoding.Indexed => dataBytes <= _rest.Length - TileRecord.HeadBytes
                && IndexedLayout.IsValid(_rest.Slice(TileRecord.HeadBytes, dataBytes), bounds.Size),
            _ => false,
        };
        if (bounds.IsEmpty || !isLengthValid || dataBytes > _rest.Length - TileRecord.HeadBytes)
        {
            return Fail();
        }

        tile = new(column, row, bounds, (TileEncoding)encoding, _rest.Slice(TileRecord.HeadBytes, dataBytes));
        _rest = _rest[(TileRecord.HeadBytes + dataBytes)..];
        _left--;
        return true;
    }

    private bool Fail()
    {
        Status = WireStatus.Malformed;
        _left = 0;
        _rest = default;
        return false;
    }
}

/// <summary>Writes the payload of a <see cref="PacketType.Tiles"/> packet.</summary>
public ref struct TilesWriter
{
    private readonly Span<byte> _destination;
    private int _count;

    /// <summary>Starts. The destination's length is the bound; it holds at least the prefix.</summary>
    public TilesWriter(Span<byte> destination)
    {
        _destination = destination;
        Length = FramePrefix.SizeBytes;
    }

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>Adds a tile.</summary>
    /// <returns>False when it does not fit any more; nothing is written then.</returns>
    public bool TryAdd(int column, int row, TileEncoding encoding, scoped ReadOnlySpan<byte> data)
    {
        if (_count == TilesReader.TilesMax || _destination.Length - Length < TileRecord.HeadBytes + data.Length)
        {
            return false;
        }

        Span<byte> head = _destination.Slice(Length, TileRecord.HeadBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(head, (ushort)column);
        BinaryPrimitives.WriteUInt16LittleEndian(head[2..], (ushort)row);
        head[4] = (byte)encoding;
        head[5] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(head[6..], (ushort)data.Length);
        data.CopyTo(_destination[(Length + TileRecord.HeadBytes)..]);
        Length += TileRecord.HeadBytes + data.Length;
        _count++;
        return true;
    }

    /// <summary>Writes the prefix.</summary>
    /// <returns>Bytes of the payload.</returns>
    public readonly int Finish(uint generation, uint capturedAfterNs, uint encodedAfterNs)
    {
        new FramePrefix(generation, capturedAfterNs, encodedAfterNs, (uint)_count).Write(_destination);
        return Length;
    }
}

/// <summary>One rectangle of content that moved.</summary>
/// <param name="Source">Where it was in the picture as it was before.</param>
/// <param name="Destination">Top left corner of where it is now.</param>
public readonly record struct CopyRecord(DeviceRectangle Source, DevicePoint Destination)
{
    internal const int SizeBytes = 12;

    /// <summary>The pixels written.</summary>
    public DeviceRectangle DestinationBounds => new(Destination.X, Destination.Y, Source.Width, Source.Height);
}

/// <summary>Walks the records of a <see cref="PacketType.Copy"/> payload; all were checked by <see cref="TryRead"/>.</summary>
/// <remarks>Allocates nothing.</remarks>
public ref struct CopyReader
{
    /// <summary>Most rectangles of one packet.</summary>
    public const int CopiesMax = 256;

    private ReadOnlySpan<byte> _rest;

    /// <summary>Generation, times, count.</summary>
    public FramePrefix Prefix { get; private init; }

    /// <summary>Starts, after checking every record.</summary>
    /// <param name="payload">The whole payload; borrowed for the life of the reader.</param>
    /// <param name="size">Of the picture of the payload's generation (check that first, with <see cref="FramePrefix.TryRead"/>).</param>
    /// <param name="reader">The reader; empty unless the result is <see cref="WireStatus.Ok"/>.</param>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, DeviceSize size, out CopyReader reader)
    {
        reader = default;
        if (FramePrefix.TryRead(payload, out FramePrefix prefix) != WireStatus.Ok || prefix.Count is < 1 or > CopiesMax
            || payload.Length != FramePrefix.SizeBytes + (prefix.Count * CopyRecord.SizeBytes))
        {
            return WireStatus.Malformed;
        }

        DeviceRectangle picture = DeviceRectangle.Of(size);
        CopyReader checking = new() { Prefix = prefix, _rest = payload[FramePrefix.SizeBytes..] };
        CopyReader good = checking;
        while (checking.TryReadNext(out CopyRecord copy))
        {
            if (copy.Source.IsEmpty || !picture.Contains(copy.Source) || !picture.Contains(copy.DestinationBounds))
            {
                return WireStatus.Malformed;
            }
        }

        reader = good;
        return WireStatus.Ok;
    }

    /// <summary>The next rectangle, if there is one. Apply them in order, each as if read whole before it is written.</summary>
    public bool TryReadNext(out CopyRecord copy)
    {
        if (_rest.IsEmpty)
        {
            copy = default;
            return false;
        }

        copy = new(
            new(Field(0), Field(2), Field(4), Field(6)),
            new(Field(8), Field(10)));
        _rest = _rest[CopyRecord.SizeBytes..];
        return true;
    }

    private readonly int Field(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_rest[offset..]);
}

/// <summary>Writes the payload of a <see cref="PacketType.Copy"/> packet.</summary>
public static class CopyWriter
{
    /// <summary>Bytes of the payload for a number of copies.</summary>
    public static int SizeBytes(int copyCount) => FramePrefix.SizeBytes + (copyCount * CopyRecord.SizeBytes);

    /// <summary>Writes 1 to <see cref="CopyReader.CopiesMax"/> copies.</summary>
    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, uint generation, uint capturedAfterNs, uint encodedAfterNs, ReadOnlySpan<CopyRecord> copies)
    {
        ArgumentOutOfRangeException.ThrowIfZero(copies.Length, nameof(copies));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(copies.Length, CopyReader.CopiesMax, nameof(copies));
        new FramePrefix(generation, capturedAfterNs, encodedAfterNs, (uint)copies.Length).Write(destination);
        PayloadWriter writer = new(destination[FramePrefix.SizeBytes..]);
        foreach (CopyRecord copy in copies)
        {
            writer.U16((ushort)copy.Source.X);
            writer.U16((ushort)copy.Source.Y);
            writer.U16((ushort)copy.Source.Width);
            writer.U16((ushort)copy.Source.Height);
            writer.U16((ushort)copy.Destination.X);
            writer.U16((ushort)copy.Destination.Y);
        }

        return FramePrefix.SizeBytes + writer.Length;
    }
}
