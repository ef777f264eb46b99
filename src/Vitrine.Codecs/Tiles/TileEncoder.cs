using System.Runtime.InteropServices;
using Vitrine.Codecs.Regions;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>Counts of tiles, of one frame or since the start.</summary>
/// <param name="Unchanged">Damaged, but the same as before: dropped.</param>
/// <param name="Solid">Coded as one colour.</param>
/// <param name="Indexed">Coded as few colours and indices.</param>
/// <param name="Lz4">Coded as LZ4.</param>
/// <param name="Raw">LZ4 made them no smaller.</param>
/// <param name="Copied">Right after the frame's copies.</param>
/// <param name="Copies">Rectangles copied.</param>
/// <param name="Bytes">Of coded pixels, without heads.</param>
public readonly record struct TileCounts(long Unchanged, long Solid, long Indexed, long Lz4, long Raw, long Copied, long Copies, long Bytes)
{
    /// <summary>The sum.</summary>
    public static TileCounts operator +(TileCounts left, TileCounts right) => new(
        left.Unchanged + right.Unchanged, left.Solid + right.Solid, left.Indexed + right.Indexed, left.Lz4 + right.Lz4, left.Raw + right.Raw,
        left.Copied + right.Copied, left.Copies + right.Copies, left.Bytes + right.Bytes);

    /// <inheritdoc cref="op_Addition"/>
    public static TileCounts Add(TileCounts left, TileCounts right) => left + right;
}

/// <summary>What became of a frame.</summary>
/// <param name="IsPublished">False when nothing differed: no frame number was used.</param>
/// <param name="Sequence">Number of the newest frame.</param>
/// <param name="Counts">Of this frame.</param>
public readonly record struct EncodeResult(bool IsPublished, uint Sequence, TileCounts Counts);

/// <summary>Codes damaged tiles losslessly:
/// 1. Damage to tiles; tiles that equal the reference, which is what viewers have, are dropped.
/// 2. Content that moved is found and becomes copies, carried out in the reference.
/// 3. What differs still is coded: one colour, few colours and indices, LZ4, or raw.
/// 4. Everything is published to the store at once.</summary>
/// <remarks>One thread, except <see cref="Totals"/>. Allocates at construction only: one picture and a few bytes a tile.
/// Work is linear in the damaged area.
/// One thread also codes: compressing 510 tiles of dense text took 7.0 ms on one core and 3.9 ms on two when nothing else
/// ran, but 7.4 against 6.0 ms (p50) and 9.2 against 8.6 ms (p95) while the second of two cores was wanted by others, as it is
/// by the display server and the network while sharing. Frames that large are rare; typing, scrolling and dragging code a
/// few tiles, where a wake-up costs more than it gives.</remarks>
public sealed class TileEncoder : IDisposable
{
    /// <summary>Most copies of one frame: what scrolls or is dragged at a time is one thing, seldom two.</summary>
    public const int CopiesMax = 16;

    // Looking for moves costs about half a microsecond a tile; below this many changed tiles side by side coding is as cheap.
    private const int ClusterTilesMin = 6;

    private const byte Unchanged = 0;
    private const byte Changed = 1;
    private const byte Damaged = 2;
    private const byte Uncovered = 3;

    // Beside Damaged while damage is marked; gone after it.
    private const byte CoveredMark = 4;

    private readonly TileStore _store;
    private readonly TimeProvider _time;
    private readonly MappedMemory _reference;
    private readonly MoveFinder _moves;
    private readonly byte[] _states;
    private readonly byte[] _visited;
    private readonly int[] _damaged;
    private readonly int[] _copied;
    private readonly int[] _stack;
    private readonly EncodedTile[] _coded;
    private readonly CopyRecord[] _copies = new CopyRecord[CopiesMax];
    private readonly uint[] _tile = new uint[TileGrid.TilePixels * TileGrid.TilePixels];
    private readonly byte[] _compressed = new byte[TileGrid.TileBytesMax];
    private readonly uint[] _colours = new uint[IndexedLayout.ColoursMax];
    private readonly byte[] _indices = new byte[TileGrid.TilePixels * TileGrid.TilePixels];
    private readonly byte[] _plane = new byte[TileGrid.TilePixels * TileGrid.TilePixels / 2];
    private readonly int[] _coveredChanged;
    private int _coveredChangedCount;
    private readonly Lock _totalsLock = new();
    private TileCounts _totals;
    private bool _hasReference;

    /// <summary>Makes an encoder for the store's size; the first frame is coded whole.</summary>
    /// <exception cref="InsufficientMemoryException">No memory for the reference picture.</exception>
    /// <exception cref="DllNotFoundException">liblz4 is missing; the message names the package.</exception>
    public TileEncoder(TileStore store, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(time);
        Lz4Block.EnsureAvailable();
        (_store, _time) = (store, time);
        int tiles = store.Columns * store.Rows;
        (_states, _visited) = (new byte[tiles], new byte[tiles]);
        (_damaged, _copied, _stack, _coded, _coveredChanged) = (new int[tiles], new int[tiles], new int[tiles], new EncodedTile[tiles], new int[tiles]);
        _moves = new(store.Size);
        _reference = new("vitrine-reference", (int)FrameFormat.Packed(store.Size).SizeBytes);
    }

    /// <summary>Since the start. Any thread.</summary>
    public TileCounts Totals
    {
        get
        {
            lock (_totalsLock)
            {
                return _totals;
            }
        }
    }

    private PictureView Reference => new(MemoryMarshal.Cast<byte, uint>(_reference.GetSpan()), _store.Size.Width);

    /// <summary>Where changes and costs are noted; null: nowhere.</summary>
    internal TileHistory? History { get; init; }

    /// <summary>Tiles whose covered pixels were damaged in the last <see cref="Encode(FrameLease, DamageRegion, VideoPlane?, bool, ReadOnlySpan{int})"/>.</summary>
    internal ReadOnlySpan<int> CoveredChanged => _coveredChanged.AsSpan(0, _coveredChangedCount);

    /// <summary>Codes what differs and publishes it.</summary>
    /// <param name="frame">Borrowed. Of the store's size; outside its damage it equals the frame before.</param>
    public EncodeResult Encode(FrameLease frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        return Encode(frame, frame.Damage, null, false, default);
    }

    /// <summary>Codes what differs outside of what video covers, and publishes it.</summary>
    /// <param name="frame">Borrowed. Of the store's size.</param>
    /// <param name="damage">Outside of it the frame equals the one before.</param>
    /// <param name="plane">What video covers.</param>
    /// <param name="isPlaneChanged">Whether it is to be published with this frame.</param>
    /// <param name="uncovered">Tiles that video does not cover any more: coded whatever they hold.</param>
    internal EncodeResult Encode(FrameLease frame, DamageRegion damage, VideoPlane? plane, bool isPlaneChanged, ReadOnlySpan<int> uncovered)
    {
        FrameFormat format = frame.Format;
        if (format.Size != _store.Size || format.StrideBytes % FrameFormat.BytesPerPixel != 0)
        {
            throw new ArgumentException($"A frame of {format.Size} does not fit a store of {_store.Size}.", nameof(frame));
        }

        PictureView picture = new(MemoryMarshal.Cast<byte, uint>(frame.Pixels), format.StrideBytes / FrameFormat.BytesPerPixel);
        PictureView reference = Reference;
        long startedNs = History is null ? 0 : _time.GetMonotonicNanoseconds();

        // 1. Damage to tiles; covered and unchanged ones dropped.
        int damagedCount = MarkDamaged(damage, plane), changedCount = 0;
        foreach (int index in uncovered)
        {
            if (_states[index] == Unchanged)
            {
                _damaged[damagedCount++] = index;
            }

            _states[index] = Uncovered;
        }

        for (int i = 0; i < damagedCount; i++)
        {
            int index = _damaged[i];
            bool isChanged = !_hasReference || _states[index] == Uncovered || Differs(picture, reference, index, plane);
            _states[index] = !isChanged ? Unchanged : _states[index] == Uncovered ? Uncovered : Changed;
            changedCount += isChanged ? 1 : 0;
        }

        TileCounts counts = new() { Unchanged = damagedCount - changedCount };
        if (changedCount == 0 && !isPlaneChanged)
        {
            AddTotals(counts);
            return new(false, _store.Sequence, counts);
        }

        // 2. Moves. Where video was, viewers that joined meanwhile do not have what the reference has.
        int copyCount = _hasReference && changedCount >= ClusterTilesMin && uncovered.IsEmpty ? FindCopies(picture, reference, damagedCount, plane) : 0;
        bool codesCopied = copyCount > 0 && _store.IsEager;

        // 3. What differs still.
        int codedCount = 0, copiedCount = 0;
        for (int i = 0; i < damagedCount; i++)
        {
            int index = _damaged[i];
            byte state = _states[index];
            if (state == Unchanged)
            {
                continue;
            }

            _states[index] = Unchanged;
            if (copyCount > 0 && IsCopyTarget(index, copyCount) && picture.EqualsWithin(reference, Bounds(index)))
            {
                counts = counts with { Copied = counts.Copied + 1 };
                History?.NoteCopied(index);
                if (codesCopied)
                {
                    GatherFrom(reference, index);
                    _coded[codedCount++] = Code(index, copyBrings: true, ref counts);
                }
                else
                {
                    _copied[copiedCount++] = index;
                }
            }
            else
            {
                GatherFrom(picture, index);
                WriteReference(reference, index);
                _coded[codedCount++] = CodeNoted(index, state == Changed, ref counts);
            }
        }

        // 4. Published at once.
        _hasReference = true;
        counts = counts with { Copies = copyCount };
        AddTotals(counts);
        long encodedNs = _time.GetMonotonicNanoseconds();
        History?.NoteFrame(codedCount, copyCount, encodedNs - startedNs);
        _store.Publish(
            _coded.AsSpan(0, codedCount), _copied.AsSpan(0, copiedCount), _copies.AsSpan(0, copyCount), frame.Times, encodedNs, isPlaneChanged ? plane : null);
        Array.Clear(_coded, 0, codedCount);
        return new(true, _store.Sequence, counts);
    }

    /// <summary>Codes the tiles that viewers now need whole and that copies, or covered changes, made stale (<see cref="TileStore.WantsCoding"/>).</summary>
    /// <returns>Number of tiles coded.</returns>
    public int EncodeStale() => EncodeStale(null, null);

    /// <summary>As above; covered tiles are taken from the newest frame.</summary>
    internal int EncodeStale(FrameLease? newest, VideoPlane? plane)
    {
        int count = _store.TakeWanted(_copied);
        if (count == 0)
        {
            return 0;
        }

        PictureView reference = Reference;
        PictureView picture = newest is null ? reference
            : new(MemoryMarshal.Cast<byte, uint>(newest.Pixels), newest.Format.StrideBytes / FrameFormat.BytesPerPixel);
        TileCounts counts = default;
        for (int i = 0; i < count; i++)
        {
            GatherFrom(plane is not null && plane.CoverOf(_copied[i]) != TileCover.None ? picture : reference, _copied[i]);
            _coded[i] = Code(_copied[i], copyBrings: true, ref counts);
        }

        AddTotals(counts);
        _store.FillStale(_coded.AsSpan(0, count));
        Array.Clear(_coded, 0, count);
        return count;
    }

    /// <inheritdoc/>
    public void Dispose() => ((IDisposable)_reference).Dispose();

    private DeviceRectangle Bounds(int index) => TileGrid.Bounds(_store.Size, index % _store.Columns, index / _store.Columns);

    private int MarkDamaged(DamageRegion damage, VideoPlane? plane)
    {
        int count = 0;
        _coveredChangedCount = 0;
        DeviceRectangle all = DeviceRectangle.Of(_store.Size);
        if (!_hasReference)
        {
            Mark(all, plane, ref count);
            return count;
        }

        foreach (DeviceRectangle rectangle in damage.Rectangles)
        {
            Mark(rectangle.Intersect(all), plane, ref count);
        }

        for (int i = 0; i < _coveredChangedCount; i++)
        {
            _states[_coveredChanged[i]] &= unchecked((byte)~CoveredMark);
        }

        return count;
    }

    private void Mark(DeviceRectangle rectangle, VideoPlane? plane, ref int count)
    {
        if (rectangle.IsEmpty)
        {
            return;
        }

        for (int row = rectangle.Y / TileGrid.TilePixels; row <= (rectangle.Bottom - 1) / TileGrid.TilePixels; row++)
        {
            for (int column = rectangle.X / TileGrid.TilePixels; column <= (rectangle.Right - 1) / TileGrid.TilePixels; column++)
            {
                int index = (row * _store.Columns) + column;
                TileCover cover = plane is null ? TileCover.None : plane.CoverOf(index);
                if (cover != TileCover.None && (_states[index] & CoveredMark) == 0
                    && (cover == TileCover.Whole || rectangle.Intersect(Bounds(index)).Intersects(plane!.BoundsOf(plane.OwnerOf(index)))))
                {
                    _states[index] |= CoveredMark;
                    _coveredChanged[_coveredChangedCount++] = index;
                }

                if (cover != TileCover.Whole && (_states[index] & Damaged) == 0)
                {
                    _states[index] |= Damaged;
                    _damaged[count++] = index;
                }
            }
        }
    }

    /// <summary>Whether a tile's pixels differ, those that video covers left out.</summary>
    private bool Differs(PictureView picture, PictureView reference, int index, VideoPlane? plane)
    {
        DeviceRectangle bounds = Bounds(index);
        if (plane is null || plane.CoverOf(index) == TileCover.None)
        {
            return !picture.EqualsWithin(reference, bounds);
        }

        DeviceRectangle hole = plane.BoundsOf(plane.OwnerOf(index)).Intersect(bounds);
        return !picture.EqualsWithin(reference, new(bounds.X, bounds.Y, bounds.Width, hole.Y - bounds.Y))
            || !picture.EqualsWithin(reference, new(bounds.X, hole.Bottom, bounds.Width, bounds.Bottom - hole.Bottom))
            || !picture.EqualsWithin(reference, new(bounds.X, hole.Y, hole.X - bounds.X, hole.Height))
            || !picture.EqualsWithin(reference, new(hole.Right, hole.Y, bounds.Right - hole.Right, hole.Height));
    }

    /// <summary>Looks for moves in every group of changed tiles that touch each other: what else changes on the screen
    /// would only blur the box.</summary>
    private int FindCopies(PictureView picture, PictureView reference, int damagedCount, VideoPlane? plane)
    {
        int copyCount = 0;
        Array.Clear(_visited);
        for (int i = 0; i < damagedCount && copyCount < CopiesMax; i++)
        {
            if (_states[_damaged[i]] == Changed && _visited[_damaged[i]] == 0)
            {
                int tiles = GrowCluster(_damaged[i], out DeviceRectangle box);
                if (tiles >= ClusterTilesMin && (plane is null || !plane.CoversAnyOf(box)))
                {
                    copyCount += _moves.FindMoves(picture, reference, Shrink(picture, reference, box), _states, _copies.AsSpan(copyCount));
                }
            }
        }

        return copyCount;
    }

    private int GrowCluster(int start, out DeviceRectangle box)
    {
        int tiles = 0, depth = 0;
        box = default;
        _stack[depth++] = start;
        _visited[start] = 1;
        while (depth > 0)
        {
            int index = _stack[--depth], column = index % _store.Columns, row = index / _store.Columns;
            tiles++;
            box = box.Union(Bounds(index));
            for (int y = Math.Max(0, row - 1); y <= Math.Min(_store.Rows - 1, row + 1); y++)
            {
                for (int x = Math.Max(0, column - 1); x <= Math.Min(_store.Columns - 1, column + 1); x++)
                {
                    int neighbour = (y * _store.Columns) + x;
                    if (_states[neighbour] == Changed && _visited[neighbour] == 0)
                    {
                        _visited[neighbour] = 1;
                        _stack[depth++] = neighbour;
                    }
                }
            }
        }

        return tiles;
    }

    /// <summary>The smallest rectangle around the pixels that differ: what stands still beside a scrolled area would end rows early.</summary>
    private static DeviceRectangle Shrink(PictureView picture, PictureView reference, DeviceRectangle box)
    {
        int left = box.Right, right = box.X, top = box.Bottom, bottom = box.Y;
        for (int y = box.Y; y < box.Bottom; y++)
        {
            // Only what lies outside of the bounds so far can widen them.
            int fromLeft = PixelKernels.EqualFromLeft(picture.Row(box.X, y, left - box.X), reference.Row(box.X, y, left - box.X));
            bool differs = fromLeft < left - box.X;
            left = differs ? box.X + fromLeft : left;
            int start = Math.Max(right, box.X);
            int fromRight = PixelKernels.EqualFromRight(picture.Row(start, y, box.Right - start), reference.Row(start, y, box.Right - start));
            if (fromRight < box.Right - start)
            {
                differs = true;
                right = box.Right - fromRight;
            }

            if (!differs && right > left)
            {
                differs = PixelKernels.EqualFromLeft(picture.Row(left, y, right - left), reference.Row(left, y, right - left)) < right - left;
            }

            if (differs)
            {
                top = Math.Min(top, y);
                bottom = y + 1;
            }
        }

        return right > left && bottom > top ? new(left, top, right - left, bottom - top) : default;
    }

    private bool IsCopyTarget(int index, int copyCount)
    {
        DeviceRectangle bounds = Bounds(index);
        foreach (ref readonly CopyRecord copy in _copies.AsSpan(0, copyCount))
        {
            if (bounds.Intersects(copy.DestinationBounds))
            {
                return true;
            }
        }

        return false;
    }

    private void GatherFrom(PictureView picture, int index)
    {
        DeviceRectangle bounds = Bounds(index);
        for (int y = 0; y < bounds.Height; y++)
        {
            PixelKernels.CopyOpaque(picture.Row(bounds.X, bounds.Y + y, bounds.Width), _tile.AsSpan(y * bounds.Width, bounds.Width));
        }
    }

    private void WriteReference(PictureView reference, int index)
    {
        DeviceRectangle bounds = Bounds(index);
        for (int y = 0; y < bounds.Height; y++)
        {
            _tile.AsSpan(y * bounds.Width, bounds.Width).CopyTo(reference.Row(bounds.X, bounds.Y + y, bounds.Width));
        }
    }

    /// <summary>Codes what <see cref="GatherFrom"/> gathered and notes what it cost.</summary>
    private EncodedTile CodeNoted(int index, bool isChange, ref TileCounts counts)
    {
        if (History is null)
        {
            return Code(index, copyBrings: false, ref counts);
        }

        long bytesBefore = counts.Bytes, startedNs = _time.GetMonotonicNanoseconds();
        EncodedTile coded = Code(index, copyBrings: false, ref counts);
        History.NoteCoded(index, (int)(counts.Bytes - bytesBefore), (int)(_time.GetMonotonicNanoseconds() - startedNs), isChange);
        return coded;
    }

    /// <summary>Codes what <see cref="GatherFrom"/> gathered.</summary>
    private EncodedTile Code(int index, bool copyBrings, ref TileCounts counts)
    {
        Span<uint> pixels = _tile.AsSpan(0, (int)Bounds(index).Area);
        if (PixelKernels.IsSolid(pixels))
        {
            counts = counts with { Solid = counts.Solid + 1, Bytes = counts.Bytes + FrameFormat.BytesPerPixel };
            return new(index, TileEncoding.Solid, pixels[0], null, copyBrings);
        }

        ReadOnlySpan<byte> raw = MemoryMarshal.AsBytes(pixels);
        int indexedBytes = CodeIndexed(pixels, Bounds(index).Size);
        if (indexedBytes > 0 && indexedBytes < raw.Length)
        {
            counts = counts with { Indexed = counts.Indexed + 1, Bytes = counts.Bytes + indexedBytes };
            return new(index, TileEncoding.Indexed, 0, _store.Rent(_compressed.AsSpan(0, indexedBytes)), copyBrings);
        }

        int compressedBytes = Lz4Block.Compress(raw, _compressed.AsSpan(0, raw.Length - 1));
        if (compressedBytes > 0)
        {
            counts = counts with { Lz4 = counts.Lz4 + 1, Bytes = counts.Bytes + compressedBytes };
            return new(index, TileEncoding.Lz4, 0, _store.Rent(_compressed.AsSpan(0, compressedBytes)), copyBrings);
        }

        counts = counts with { Raw = counts.Raw + 1, Bytes = counts.Bytes + raw.Length };
        return new(index, TileEncoding.Raw, 0, _store.Rent(raw), copyBrings);
    }

    /// <summary>Codes a tile of few colours into <see cref="_compressed"/>.</summary>
    /// <returns>Bytes written; 0 when it has too many colours.</returns>
    private int CodeIndexed(ReadOnlySpan<uint> pixels, DeviceSize size)
    {
        int count = IndexedTile.Build(pixels, size.Width, _colours, _indices, _plane);
        if (count == 0)
        {
            return 0;
        }

        int planeBytes = IndexedLayout.PlaneBytes(size.Width, size.Height, count), planeOffset = IndexedLayout.PlaneOffset(count);
        MemoryMarshal.AsBytes(_colours.AsSpan(0, count)).CopyTo(_compressed.AsSpan(IndexedLayout.HeadBytes));
        _compressed[0] = (byte)count;
        ReadOnlySpan<byte> plane = _plane.AsSpan(0, planeBytes);
        int compressedBytes = Lz4Block.Compress(plane, _compressed.AsSpan(planeOffset, planeBytes - 1));
        _compressed[1] = compressedBytes > 0 ? IndexedLayout.PlaneLz4 : IndexedLayout.PlaneRaw;
        if (compressedBytes == 0)
        {
            plane.CopyTo(_compressed.AsSpan(planeOffset));
            compressedBytes = planeBytes;
        }

        return planeOffset + compressedBytes;
    }

    private void AddTotals(TileCounts counts)
    {
        lock (_totalsLock)
        {
            _totals += counts;
        }
    }
}
