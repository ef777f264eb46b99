using System.Runtime.InteropServices;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>What one viewer is sent for one frame: references to coded tiles, nothing copied. Reused frame after frame.</summary>
/// <remarks>One thread at a time. Holds at most one screen of coded bytes, until <see cref="Release"/>.</remarks>
public sealed class TileSnapshot : IDisposable
{
    /// <summary>Largest packet written, header included. A quarter of what the protocol allows: a viewer decodes one while
    /// the next travels.</summary>
    public const int PacketBytesMax = 256 << 10;

    /// <summary>Smallest destination that <see cref="TryWriteNextPacket"/> takes: one raw tile, or all copies.</summary>
    public const int PacketBytesMin = PacketHeader.SizeBytes + FramePrefix.SizeBytes + 8 + TileGrid.TileBytesMax;

    private readonly List<Item> _items = [];
    private readonly List<CopyRecord> _copies = [];
    private TileStore? _store;
    private int _written;
    private bool _copiesWritten;

    /// <summary>Number of the frame; also set when the store answered <see cref="SnapshotStatus.NothingNew"/>.</summary>
    public uint Sequence { get; internal set; }

    /// <summary>Generation of the picture.</summary>
    public uint Generation { get; internal set; }

    /// <summary>When the host first knew of the newest change in it, monotonic; 0 in a snapshot of everything, which shows no
    /// change but what is.</summary>
    public long OriginNs { get; internal set; }

    /// <summary>When its pixels were in memory, monotonic; 0 in a snapshot of everything.</summary>
    public long CapturedNs { get; internal set; }

    /// <summary>When it was coded, monotonic; 0 in a snapshot of everything.</summary>
    public long EncodedNs { get; internal set; }

    /// <summary>Tiles in it.</summary>
    public int TileCount => _items.Count;

    /// <summary>Copies in it.</summary>
    public int CopyCount => _copies.Count;

    /// <summary>Whether every packet was written.</summary>
    public bool IsComplete => _written == _items.Count && (_copiesWritten || _copies.Count == 0);

    /// <summary>Writes the next packet.</summary>
    /// <param name="destination">At least <see cref="PacketBytesMin"/>; only <see cref="PacketBytesMax"/> of it is used.</param>
    /// <param name="sentNs">Now, monotonic.</param>
    /// <param name="bytesWritten">Length of the packet.</param>
    /// <returns>False when every packet was written already.</returns>
    public bool TryWriteNextPacket(Span<byte> destination, long sentNs, out int bytesWritten)
    {
        bytesWritten = 0;
        if (IsComplete)
        {
            return false;
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, PacketBytesMin, nameof(destination));
        Span<byte> payload = destination[PacketHeader.SizeBytes..Math.Min(destination.Length, PacketBytesMax)];
        uint capturedAfterNs = FramePrefix.After(OriginNs, CapturedNs), encodedAfterNs = FramePrefix.After(OriginNs, EncodedNs);
        PacketType type;
        int payloadBytes;
        if (!_copiesWritten && _copies.Count > 0)
        {
            type = PacketType.Copy;
            payloadBytes = CopyWriter.Write(payload, Generation, capturedAfterNs, encodedAfterNs, CollectionsMarshal.AsSpan(_copies));
            _copiesWritten = true;
        }
        else
        {
            type = PacketType.Tiles;
            TilesWriter writer = new(payload);
            Span<Item> items = CollectionsMarshal.AsSpan(_items);
            while (_written < items.Length && items[_written].TryWrite(ref writer))
            {
                _written++;
            }

            payloadBytes = writer.Finish(Generation, capturedAfterNs, encodedAfterNs);
        }

        new PacketHeader(type, IsComplete ? PacketFlags.None : PacketFlags.More, 0, payloadBytes, Sequence, OriginNs, sentNs).Write(destination);
        bytesWritten = PacketHeader.SizeBytes + payloadBytes;
        return true;
    }

    /// <summary>Gives every reference back. Harmless when there is none.</summary>
    public void Release()
    {
        _store?.Return(CollectionsMarshal.AsSpan(_items));
        _store = null;
        _items.Clear();
        _copies.Clear();
        (_written, _copiesWritten) = (0, false);
    }

    /// <inheritdoc/>
    public void Dispose() => Release();

    internal void Begin(TileStore store) => _store = store;

    internal void Add(in Item item) => _items.Add(item);

    internal void Add(in CopyRecord copy) => _copies.Add(copy);

    /// <summary>One tile: a colour, or bytes that it holds a reference to.</summary>
    internal readonly record struct Item(ushort Column, ushort Row, TileEncoding Encoding, uint SolidPixel, CodedTile? Data)
    {
        public bool TryWrite(ref TilesWriter writer)
        {
            uint pixel = SolidPixel;
            return Data is null
                ? writer.TryAdd(Column, Row, TileEncoding.Solid, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in pixel)))
                : writer.TryAdd(Column, Row, Encoding, Data.Bytes.AsSpan(0, Data.Length));
        }
    }
}
