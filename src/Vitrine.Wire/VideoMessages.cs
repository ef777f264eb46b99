using System.Buffers.Binary;
using System.Numerics;
using Vitrine.Frames;

namespace Vitrine.Wire;

/// <summary>One region of the video plane: a rectangle, and which of the tiles that it touches it covers. Borrows the bits.</summary>
public readonly ref struct RegionRecord
{
    internal const int HeadBytes = 12;

    /// <summary>Smallest side of a region.</summary>
    public const int SidePixelsMin = 16;

    /// <summary>Makes one.</summary>
    public RegionRecord(ushort region, DeviceRectangle bounds, ReadOnlySpan<byte> cover)
    {
        (Region, Bounds) = (region, bounds);
        Cover = cover;
    }

    /// <summary>Number.</summary>
    public ushort Region { get; }

    /// <summary>Even in position and size, within the picture.</summary>
    public DeviceRectangle Bounds { get; }

    /// <summary>A bit for every tile that <see cref="Bounds"/> touches, rows from the top, the first in the lowest bit. Borrowed.</summary>
    public ReadOnlySpan<byte> Cover { get; }

    /// <summary>The tiles that a rectangle touches, in tiles.</summary>
    public static DeviceRectangle TilesOf(DeviceRectangle bounds)
    {
        int left = bounds.X / TileGrid.TilePixels, top = bounds.Y / TileGrid.TilePixels;
        return new(
            left, top, ((bounds.Right + TileGrid.TilePixels - 1) / TileGrid.TilePixels) - left, ((bounds.Bottom + TileGrid.TilePixels - 1) / TileGrid.TilePixels) - top);
    }

    /// <summary>Bytes of <see cref="Cover"/> for a rectangle.</summary>
    public static int CoverBytes(DeviceRectangle bounds)
    {
        DeviceRectangle tiles = TilesOf(bounds);
        return ((tiles.Width * tiles.Height) + 7) / 8;
    }

    /// <summary>Whether a tile, by its place in the picture's grid, is covered; false for a tile that the rectangle does not touch.</summary>
    public bool Covers(int column, int row)
    {
        DeviceRectangle tiles = TilesOf(Bounds);
        if (!tiles.Contains(new DevicePoint(column, row)))
        {
            return false;
        }

        int index = ((row - tiles.Y) * tiles.Width) + column - tiles.X;
        return (Cover[index >> 3] >> (index & 7) & 1) != 0;
    }

    internal bool IsValid(DeviceSize picture)
    {
        if (((Bounds.X | Bounds.Y | Bounds.Width | Bounds.Height) & 1) != 0 || Bounds.Width < SidePixelsMin || Bounds.Height < SidePixelsMin
            || !DeviceRectangle.Of(picture).Contains(Bounds) || Cover.Length != CoverBytes(Bounds))
        {
            return false;
        }

        DeviceRectangle tiles = TilesOf(Bounds);
        int used = (((tiles.Width * tiles.Height) - 1) % 8) + 1;
        return BitOperations.Log2(Cover[^1]) < used;
    }
}

/// <summary>Walks the records of a <see cref="PacketType.Regions"/> payload; all were checked by <see cref="TryRead"/>.</summary>
/// <remarks>Allocates nothing.</remarks>
public ref struct RegionsReader
{
    /// <summary>Most regions of a picture.</summary>
    public const int RegionsMax = 8;

    private ReadOnlySpan<byte> _rest;

    /// <summary>Generation, times, count.</summary>
    public FramePrefix Prefix { get; private init; }

    /// <summary>Starts, after checking every record.</summary>
    /// <param name="payload">The whole payload; borrowed for the life of the reader.</param>
    /// <param name="size">Of the picture of the payload's generation (check that first, with <see cref="FramePrefix.TryRead"/>).</param>
    /// <param name="reader">The reader; empty unless the result is <see cref="WireStatus.Ok"/>.</param>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, DeviceSize size, out RegionsReader reader)
    {
        reader = default;
        if (FramePrefix.TryRead(payload, out FramePrefix prefix) != WireStatus.Ok || prefix.Count > RegionsMax)
        {
            return WireStatus.Malformed;
        }

        Span<DeviceRectangle> bounds = stackalloc DeviceRectangle[RegionsMax];
        Span<ushort> numbers = stackalloc ushort[RegionsMax];
        int count = 0;
        RegionsReader checking = new() { Prefix = prefix, _rest = payload[FramePrefix.SizeBytes..] };
        RegionsReader good = checking;
        while (checking.TryReadNext(out RegionRecord record))
        {
            if (count == prefix.Count || !record.IsValid(size) || numbers[..count].Contains(record.Region))
            {
                return WireStatus.Malformed;
            }

            foreach (DeviceRectangle other in bounds[..count])
            {
                if (other.Intersects(record.Bounds))
                {
                    return WireStatus.Malformed;
                }
            }

            (bounds[count], numbers[count]) = (record.Bounds, record.Region);
            count++;
        }

        if (count != prefix.Count || !checking._rest.IsEmpty)
        {
            return WireStatus.Malformed;
        }

        reader = good;
        return WireStatus.Ok;
    }

    /// <summary>The next region, if there is one.</summary>
    public bool TryReadNext(out RegionRecord region)
    {
        region = default;
        if (_rest.Length < RegionRecord.HeadBytes)
        {
            return false;
        }

        int coverBytes = BinaryPrimitives.ReadUInt16LittleEndian(_rest[10..]);
        if (coverBytes > _rest.Length - RegionRecord.HeadBytes)
        {
            return false;
        }

        region = new(
            BinaryPrimitives.ReadUInt16LittleEndian(_rest),
            new(Field(2), Field(4), Field(6), Field(8)),
            _rest.Slice(RegionRecord.HeadBytes, coverBytes));
        _rest = _rest[(RegionRecord.HeadBytes + coverBytes)..];
        return true;
    }

    private readonly int Field(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_rest[offset..]);
}

/// <summary>Writes the payload of a <see cref="PacketType.Regions"/> packet.</summary>
public ref struct RegionsWriter
{
    private readonly Span<byte> _destination;
    private int _length;
    private int _count;

    /// <summary>Starts. The destination holds at least what <see cref="SizeBytesMax"/> says.</summary>
    public RegionsWriter(Span<byte> destination)
    {
        _destination = destination;
        _length = FramePrefix.SizeBytes;
    }

    /// <summary>Most bytes for regions of a picture that do not overlap: a border tile may be counted by each of four regions.</summary>
    public static int SizeBytesMax(DeviceSize picture) => FramePrefix.SizeBytes
        + (RegionsReader.RegionsMax * (RegionRecord.HeadBytes + RegionRecord.CoverBytes(DeviceRectangle.Of(picture))));

    /// <summary>Adds a region; at most <see cref="RegionsReader.RegionsMax"/>.</summary>
    public void Add(in RegionRecord region)
    {
        PayloadWriter writer = new(_destination[_length..]);
        writer.U16(region.Region);
        writer.U16((ushort)region.Bounds.X);
        writer.U16((ushort)region.Bounds.Y);
        writer.U16((ushort)region.Bounds.Width);
        writer.U16((ushort)region.Bounds.Height);
        writer.U16((ushort)region.Cover.Length);
        writer.Bytes(region.Cover);
        _length += writer.Length;
        _count++;
    }

    /// <summary>Writes the prefix.</summary>
    /// <returns>Bytes of the payload.</returns>
    public readonly int Finish(uint generation, uint capturedAfterNs, uint encodedAfterNs)
    {
        new FramePrefix(generation, capturedAfterNs, encodedAfterNs, (uint)_count).Write(_destination);
        return _length;
    }
}

/// <summary>How an access unit is coded.</summary>
public enum VideoCodec : byte
{
    /// <summary>ITU-T H.264, Annex B byte stream.</summary>
    H264 = 1,
}

/// <summary>What is to be known of an access unit.</summary>
[Flags]
public enum VideoFlags : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>An IDR picture with its parameter sets: decoding can begin here.</summary>
    KeyFrame = 1,

    /// <summary>Coded at half of width and height.</summary>
    HalfSize = 2,
}

/// <summary>Where an access unit belongs and what it shows.</summary>
/// <param name="Region">Number of the region.</param>
/// <param name="Codec">May be a value that <see cref="VideoCodec"/> does not list: skip it.</param>
/// <param name="Flags">See <see cref="VideoFlags"/>; unknown bits are ignored.</param>
/// <param name="Stream">Number of the encoder's stream.</param>
/// <param name="Number">In the stream, from 1.</param>
/// <param name="CodedSize">Of the coded picture.</param>
/// <param name="Bounds">The rectangle of the picture that its top left part shows.</param>
public readonly record struct VideoHead(
    ushort Region, VideoCodec Codec, VideoFlags Flags, uint Stream, uint Number, DeviceSize CodedSize, DeviceRectangle Bounds)
{
    /// <summary>Size on the wire, the frame's prefix left out.</summary>
    public const int SizeBytes = 24;

    /// <summary>Largest side of a coded picture.</summary>
    public const int CodedSidePixelsMax = 16_384;

    /// <summary>Whether decoding can begin here.</summary>
    public bool IsKeyFrame => (Flags & VideoFlags.KeyFrame) != 0;

    /// <summary>The part of the coded picture that is shown.</summary>
    public DeviceSize ShownSize => (Flags & VideoFlags.HalfSize) != 0 ? new((Bounds.Width + 1) / 2, (Bounds.Height + 1) / 2) : Bounds.Size;
}

/// <summary>One access unit of a region's stream. Borrows its bytes.</summary>
public readonly ref struct VideoPacket
{
    /// <summary>Most bytes of an access unit: a packet to a viewer holds it.</summary>
    public const int DataBytesMax = 1_048_000;

    /// <summary>Bytes in front of the data, the packet's header left out.</summary>
    public const int HeadBytes = FramePrefix.SizeBytes + VideoHead.SizeBytes;

    private VideoPacket(FramePrefix prefix, VideoHead head, ReadOnlySpan<byte> data)
    {
        (Prefix, Head) = (prefix, head);
        Data = data;
    }

    /// <summary>Generation and times; its count is the number of bytes.</summary>
    public FramePrefix Prefix { get; }

    /// <summary>Where it belongs.</summary>
    public VideoHead Head { get; }

    /// <summary>The access unit; borrowed from the payload.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>Reads the payload.</summary>
    /// <param name="payload">The whole payload; borrowed.</param>
    /// <param name="size">Of the picture of the payload's generation (check that first, with <see cref="FramePrefix.TryRead"/>).</param>
    /// <param name="packet">The packet; default unless the result is <see cref="WireStatus.Ok"/>.</param>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, DeviceSize size, out VideoPacket packet)
    {
        packet = default;
        if (payload.Length <= HeadBytes || FramePrefix.TryRead(payload, out FramePrefix prefix) != WireStatus.Ok
            || prefix.Count > DataBytesMax || prefix.Count != payload.Length - HeadBytes)
        {
            return WireStatus.Malformed;
        }

        PayloadReader reader = new(payload[FramePrefix.SizeBytes..]);
        VideoHead head = new(
            reader.U16(), (VideoCodec)reader.U8(), (VideoFlags)reader.U8(), reader.U32(), reader.U32(),
            new(reader.U16(), reader.U16()), new(reader.U16(), reader.U16(), reader.U16(), reader.U16()));
        DeviceSize coded = head.CodedSize, shown = head.ShownSize;
        bool isValid = head.Number > 0 && ((coded.Width | coded.Height | head.Bounds.X | head.Bounds.Y | head.Bounds.Width | head.Bounds.Height) & 1) == 0
            && coded is { Width: >= RegionRecord.SidePixelsMin and <= VideoHead.CodedSidePixelsMax, Height: >= RegionRecord.SidePixelsMin and <= VideoHead.CodedSidePixelsMax }
            && head.Bounds.Width >= RegionRecord.SidePixelsMin && head.Bounds.Height >= RegionRecord.SidePixelsMin
            && shown.Width <= coded.Width && shown.Height <= coded.Height && DeviceRectangle.Of(size).Contains(head.Bounds);
        if (!isValid)
        {
            return WireStatus.Malformed;
        }

        packet = new(prefix, head, reader.Rest);
        return WireStatus.Ok;
    }

    /// <summary>Writes the payload.</summary>
    /// <param name="destination">At least <see cref="HeadBytes"/> and the data long.</param>
    /// <param name="generation">Of the picture.</param>
    /// <param name="capturedAfterNs">From origin until the pixels were in memory.</param>
    /// <param name="encodedAfterNs">From origin until it was coded.</param>
    /// <param name="head">Where it belongs.</param>
    /// <param name="data">1 to <see cref="DataBytesMax"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int Write(
        Span<byte> destination, uint generation, uint capturedAfterNs, uint encodedAfterNs, in VideoHead head, ReadOnlySpan<byte> data)
    {
        int bytes = WriteHead(destination, generation, capturedAfterNs, encodedAfterNs, head, data.Length);
        data.CopyTo(destination[HeadBytes..]);
        return bytes;
    }

    /// <summary>Writes what comes before the data; the data are to be written behind the first <see cref="HeadBytes"/> bytes.</summary>
    /// <param name="destination">At least <see cref="HeadBytes"/> long.</param>
    /// <param name="generation">Of the picture.</param>
    /// <param name="capturedAfterNs">From origin until the pixels were in memory.</param>
    /// <param name="encodedAfterNs">From origin until it was coded.</param>
    /// <param name="head">Where it belongs.</param>
    /// <param name="dataBytes">1 to <see cref="DataBytesMax"/>.</param>
    /// <returns>Bytes of the payload, data included.</returns>
    public static int WriteHead(
        Span<byte> destination, uint generation, uint capturedAfterNs, uint encodedAfterNs, in VideoHead head, int dataBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dataBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dataBytes, DataBytesMax);
        new FramePrefix(generation, capturedAfterNs, encodedAfterNs, (uint)dataBytes).Write(destination);
        PayloadWriter writer = new(destination[FramePrefix.SizeBytes..]);
        writer.U16(head.Region);
        writer.U8((byte)head.Codec);
        writer.U8((byte)head.Flags);
        writer.U32(head.Stream);
        writer.U32(head.Number);
        writer.U16((ushort)head.CodedSize.Width);
        writer.U16((ushort)head.CodedSize.Height);
        writer.U16((ushort)head.Bounds.X);
        writer.U16((ushort)head.Bounds.Y);
        writer.U16((ushort)head.Bounds.Width);
        writer.U16((ushort)head.Bounds.Height);
        return FramePrefix.SizeBytes + writer.Length + dataBytes;
    }
}

/// <summary>What a viewer can show.</summary>
[Flags]
public enum ViewerCapabilities : ushort
{
    /// <summary>Tiles.</summary>
    None = 0,

    /// <summary>Decodes H.264: it is sent <see cref="PacketType.Regions"/> and <see cref="PacketType.Video"/>.</summary>
    H264 = 1,
}

/// <summary>Replaces what <see cref="ViewerHello.Capabilities"/> said.</summary>
/// <param name="Capabilities">From now on; unknown bits are ignored.</param>
public readonly record struct CapabilitiesMessage(ViewerCapabilities Capabilities) : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.Capabilities;

    /// <inheritdoc/>
    public int SizeBytesMax => 2;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out CapabilitiesMessage message)
    {
        PayloadReader reader = new(payload);
        message = new((ViewerCapabilities)reader.U16());
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.U16((ushort)Capabilities);
        return writer.Length;
    }
}

/// <summary>Why a viewer needs a key frame; others are taken as <see cref="DecoderError"/>.</summary>
public enum KeyFrameReason : ushort
{
    /// <summary>An access unit did not come.</summary>
    Missing = 0,

    /// <summary>The decoder did not take one.</summary>
    DecoderError = 1,

    /// <summary>Decoder or presentation were made anew.</summary>
    Recreated = 2,
}

/// <summary>«I lost the chain of this region.»</summary>
/// <param name="Region">Number of the region; one that is not there (any more) is ignored.</param>
/// <param name="Reason">For the counters.</param>
public readonly record struct KeyFrameRequest(ushort Region, KeyFrameReason Reason) : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.KeyFrame;

    /// <inheritdoc/>
    public int SizeBytesMax => 4;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out KeyFrameRequest message)
    {
        PayloadReader reader = new(payload);
        message = new(reader.U16(), (KeyFrameReason)reader.U16());
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.U16(Region);
        writer.U16((ushort)Reason);
        return writer.Length;
    }
}
