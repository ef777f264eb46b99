using System.Runtime.InteropServices;
using Vitrine.Codecs.Regions;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>What one viewer is sent for one frame: references to coded tiles and access units, nothing copied. Reused frame after frame.</summary>
/// <remarks>One thread at a time. Holds at most one screen of coded bytes and <see cref="UnitStore.UnitsMax"/> access units a
/// stream, until <see cref="Release"/>.</remarks>
public sealed class TileSnapshot : IDisposable
{
    /// <summary>Largest packet of tiles written, header included. A quarter of what the protocol allows: a viewer decodes one
    /// while the next travels.</summary>
    public const int PacketBytesMax = 256 << 10;

    /// <summary>Smallest destination that <see cref="TryWriteNextPacket"/> takes: one raw tile, or all copies.</summary>
    public const int PacketBytesMin = PacketHeader.SizeBytes + FramePrefix.SizeBytes + 8 + TileGrid.TileBytesMax;

    private readonly List<Item> _items = [];
    private readonly List<CopyRecord> _copies = [];
    private TileStore? _store;
    private int _written;
    private bool _copiesWritten;
    private readonly List<AccessUnit> _units = [];
    private byte[] _regions = [];
    private int _regionsBytes;
    private int _regionCount;
    private int _unitsWritten;
    private bool _regionsWritten;

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

    /// <summary>Access units in it.</summary>
    public int UnitCount => _units.Count;

    /// <summary>Whether it says what the video plane is.</summary>
    public bool HasRegions => _regionsBytes > 0;

    /// <summary>Whether every packet was written.</summary>
    public bool IsComplete =>
        _written == _items.Count && (_copiesWritten || _copies.Count == 0) && (_regionsWritten || _regionsBytes == 0) && _unitsWritten == _units.Count;

    internal bool IsEmpty => _items.Count == 0 && _copies.Count == 0 && _regionsBytes == 0 && _units.Count == 0;

    internal List<AccessUnit> Units => _units;

    /// <summary>Bytes that <see cref="TryWriteNextPacket"/> needs now: <see cref="PacketBytesMax"/>, or more for a large access unit.</summary>
    public int NextPacketBytesMax => _written == _items.Count && _unitsWritten < _units.Count
        ? Math.Max(PacketBytesMax, PacketHeader.SizeBytes + VideoPacket.HeadBytes + _units[_unitsWritten].Length)
        : PacketBytesMax;

    /// <summary>Writes the next packet.</summary>
    /// <param name="destination">At least <see cref="NextPacketBytesMax"/> when that is more than <see cref="PacketBytesMax"/>, else
    /// at least <see cref="PacketBytesMin"/>; packets of tiles use no more than <see cref="PacketBytesMax"/> of it.</param>
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
        Span<byte> payload = destination[PacketHeader.SizeBytes..Math.Min(destination.Length, NextPacketBytesMax)];
        uint capturedAfterNs = FramePrefix.After(OriginNs, CapturedNs), encodedAfterNs = FramePrefix.After(OriginNs, EncodedNs);
        long originNs = OriginNs;
        PacketType type;
        int payloadBytes;
        if (!_regionsWritten && _regionsBytes > 0)
        {
            type = PacketType.Regions;
            payloadBytes = _regionsBytes;
            _regions.AsSpan(0, _regionsBytes).CopyTo(payload);
            new FramePrefix(Generation, capturedAfterNs, encodedAfterNs, (uint)_regionCount).Write(payload);
            _regionsWritten = true;
        }
        else if (!_copiesWritten && _copies.Count > 0)
        {
            type = PacketType.Copy;
            payloadBytes = CopyWriter.Write(payload, Generation, capturedAfterNs, encodedAfterNs, CollectionsMarshal.AsSpan(_copies));
            _copiesWritten = true;
        }
        else if (_written == _items.Count)
        {
            type = PacketType.Video;
            AccessUnit unit = _units[_unitsWritten++];
            (originNs, capturedAfterNs, encodedAfterNs) = (unit.OriginNs, FramePrefix.After(unit.OriginNs, unit.CapturedNs), FramePrefix.After(unit.OriginNs, unit.EncodedNs));
            payloadBytes = VideoPacket.WriteHead(payload, Generation, capturedAfterNs, encodedAfterNs, unit.Head, unit.Length);
            unit.CopyTo(payload[VideoPacket.HeadBytes..]);
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

        new PacketHeader(type, IsComplete ? PacketFlags.None : PacketFlags.More, 0, payloadBytes, Sequence, originNs, sentNs).Write(destination);
        bytesWritten = PacketHeader.SizeBytes + payloadBytes;
        return true;
    }

    /// <summary>Gives every reference back. Harmless when there is none.</summary>
    public void Release()
    {
        _store?.Return(CollectionsMarshal.AsSpan(_items), CollectionsMarshal.AsSpan(_units));
        _store = null;
        _items.Clear();
        _copies.Clear();
        _units.Clear();
        (_written, _copiesWritten, _regionsBytes, _regionsWritten, _unitsWritten) = (0, false, 0, false, 0);
    }

    /// <inheritdoc/>
    public void Dispose() => Release();

    internal void Begin(TileStore store) => _store = store;

    internal void Add(in Item item) => _items.Add(item);

    internal void SetRegions(ReadOnlySpan<byte> payload, int count)
    {
        if (_regions.Length < payload.Length)
        {
            _regions = new byte[payload.Length];
        }

        payload.CopyTo(_regions);
        (_regionsBytes, _regionCount) = (payload.Length, count);
    }

    internal void Add(in CopyRecord copy) => _copies.Add(copy);

    /// <summary>One tile: a colour, or bytes that it holds a reference to.</summary>
    internal readonly record struct Item(ushort Column, ushort Row, TileEncoding Encoding, uint SolidPixel, CodedTile? Data)
    {
        public bool TryWrite(ref TilesWriter writer)
        {
            uint pixel = SolidPixel;
            return Data is null
                ? writer.TryAdd(Column, Row, TileEncoding.Solid, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in pixel)))
                : writer.TryAdd(Column, Row, Encoding, Data.Bytes);
        }
    }
}
