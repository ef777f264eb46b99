using System.Runtime.InteropServices;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>What <see cref="TileDecoder.Apply"/> answers.</summary>
public enum DecodeStatus
{
    /// <summary>Applied.</summary>
    Ok = 0,

    /// <summary>Not for this picture: another generation, or another type of packet.</summary>
    Skipped = 1,

    /// <summary>A rule of the protocol is broken. What came before the broken part of the packet was applied.</summary>
    Malformed = 2,
}

/// <summary>A viewer's picture: applies copies and tiles to it.</summary>
/// <remarks>One thread. Allocates in <see cref="Reset"/> only.</remarks>
public sealed class TileDecoder : IDisposable
{
    private readonly byte[] _tile = new byte[TileGrid.TileBytesMax];
    private readonly byte[] _plane = new byte[TileGrid.TilePixels * TileGrid.TilePixels / 2];
    private MappedMemory? _memory;
    private bool _isFrameOpen;

    /// <summary>Makes a decoder without a picture; everything is skipped until <see cref="Reset"/>.</summary>
    /// <exception cref="DllNotFoundException">liblz4 is missing; the message names the package.</exception>
    public TileDecoder() => Lz4Block.EnsureAvailable();

    /// <summary>Of the picture; 0x0 before <see cref="Reset"/>.</summary>
    public DeviceSize Size { get; private set; }

    /// <summary>Of the picture.</summary>
    public uint Generation { get; private set; }

    /// <summary>B, G, R, X (255 once a tile was written); rows from the top, no padding. Empty before <see cref="Reset"/>.</summary>
    public Span<byte> Picture => _memory is null ? [] : _memory.GetSpan();

    /// <summary>Number of the frame of the last packet applied; 0 before the first.</summary>
    public uint LastSequence { get; private set; }

    /// <summary>Whether the last packet applied was the last of its frame.</summary>
    public bool IsFrameComplete { get; private set; }

    /// <summary>What the packets of the current frame wrote: grows until the frame is complete, starts anew with the next one.</summary>
    public DamageRegion FrameDamage { get; } = new();

    /// <summary>When the host first knew of the change, host's clock; 0 when the frame shows none.</summary>
    public long OriginNs { get; private set; }

    /// <summary>When the pixels were in the host's memory, host's clock; 0 with <see cref="OriginNs"/> 0.</summary>
    public long CapturedNs { get; private set; }

    /// <summary>When the frame was coded, host's clock; 0 with <see cref="OriginNs"/> 0.</summary>
    public long EncodedNs { get; private set; }

    /// <summary>Tiles applied since construction.</summary>
    public long TileCount { get; private set; }

    /// <summary>Copies applied since construction.</summary>
    public long CopyCount { get; private set; }

    /// <summary>A new generation: forgets the picture and starts with zeros.</summary>
    /// <param name="size">0x0 for no picture.</param>
    /// <param name="generation">Of the topology.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is neither 0x0 nor one that a picture may have.</exception>
    public void Reset(DeviceSize size, uint generation)
    {
        if (_memory is not null && Size != size)
        {
            ((IDisposable)_memory).Dispose();
            _memory = null;
        }

        if (size == default)
        {
            _memory = null;
        }
        else if (_memory is null)
        {
            _memory = new("vitrine-decoded", (int)FrameFormat.Packed(size).SizeBytes);
        }
        else
        {
            _memory.GetSpan().Clear();
        }

        (Size, Generation, LastSequence, IsFrameComplete, _isFrameOpen) = (size, generation, 0, false, false);
        (OriginNs, CapturedNs, EncodedNs) = (0, 0, 0);
        FrameDamage.Clear();
    }

    /// <summary>Applies one packet.</summary>
    /// <param name="header">As <see cref="PacketHeader.TryRead"/> gave it.</param>
    /// <param name="payload">Exactly <see cref="PacketHeader.PayloadBytes"/> long; borrowed.</param>
    public DecodeStatus Apply(in PacketHeader header, ReadOnlySpan<byte> payload)
    {
        if (payload.Length != header.PayloadBytes)
        {
            return DecodeStatus.Malformed;
        }

        if (header.Type is not (PacketType.Tiles or PacketType.Copy))
        {
            return DecodeStatus.Skipped;
        }

        if (FramePrefix.TryRead(payload, out FramePrefix prefix) != WireStatus.Ok)
        {
            return DecodeStatus.Malformed;
        }

        if (_memory is null || prefix.Generation != Generation)
        {
            return DecodeStatus.Skipped;
        }

        if (!_isFrameOpen)
        {
            FrameDamage.Clear();
        }

        WireStatus status = header.Type == PacketType.Copy ? ApplyCopies(payload) : ApplyTiles(payload);
        if (status != WireStatus.Ok)
        {
            return DecodeStatus.Malformed;
        }

        LastSequence = header.Sequence;
        OriginNs = header.OriginNs;
        (CapturedNs, EncodedNs) = OriginNs == 0 ? (0, 0) : (OriginNs + prefix.CapturedAfterNs, OriginNs + prefix.EncodedAfterNs);
        _isFrameOpen = (header.Flags & PacketFlags.More) != 0;
        IsFrameComplete = !_isFrameOpen;
        return DecodeStatus.Ok;
    }

    /// <summary>A packet of another type was the last one of the frame.</summary>
    internal void EndFrame() => _isFrameOpen = false;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_memory is not null)
        {
            Reset(default, Generation);
        }
    }

    private WireStatus ApplyCopies(ReadOnlySpan<byte> payload)
    {
        WireStatus status = CopyReader.TryRead(payload, Size, out CopyReader copies);
        PictureView picture = new(MemoryMarshal.Cast<byte, uint>(Picture), Size.Width);
        while (copies.TryReadNext(out CopyRecord copy))
        {
            picture.Move(copy);
            FrameDamage.Add(copy.DestinationBounds);
            CopyCount++;
        }

        return status;
    }

    private WireStatus ApplyTiles(ReadOnlySpan<byte> payload)
    {
        if (TilesReader.TryRead(payload, Size, out TilesReader tiles) != WireStatus.Ok)
        {
            return WireStatus.Malformed;
        }

        Span<byte> picture = Picture;
        int strideBytes = Size.Width * FrameFormat.BytesPerPixel;
        while (tiles.TryReadNext(out TileRecord tile))
        {
            int rowBytes = tile.Bounds.Width * FrameFormat.BytesPerPixel;
            ReadOnlySpan<byte> raw = tile.Data;
            if (tile.Encoding == TileEncoding.Lz4)
            {
                Span<byte> decoded = _tile.AsSpan(0, rowBytes * tile.Bounds.Height);
                if (!Lz4Block.TryDecompress(tile.Data, decoded))
                {
                    return WireStatus.Malformed;
                }

                raw = decoded;
            }
            else if (tile.Encoding == TileEncoding.Indexed)
            {
                Span<byte> decoded = _tile.AsSpan(0, rowBytes * tile.Bounds.Height);
                if (!IndexedTile.TryExpand(tile.Data, tile.Bounds.Width, _plane, MemoryMarshal.Cast<byte, uint>(decoded)))
                {
                    return WireStatus.Malformed;
                }

                raw = decoded;
            }

            int offset = (tile.Bounds.Y * strideBytes) + (tile.Bounds.X * FrameFormat.BytesPerPixel);
            for (int y = 0; y < tile.Bounds.Height; y++, offset += strideBytes)
            {
                Span<byte> row = picture.Slice(offset, rowBytes);
                if (tile.Encoding == TileEncoding.Solid)
                {
                    MemoryMarshal.Cast<byte, uint>(row).Fill(MemoryMarshal.Read<uint>(tile.Data));
                }
                else
                {
                    raw.Slice(y * rowBytes, rowBytes).CopyTo(row);
                }
            }

            FrameDamage.Add(tile.Bounds);
            TileCount++;
        }

        return tiles.Status;
    }
}
