using Vitrine.Codecs.Regions;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>What <see cref="TileStore.TakeSnapshot"/> answers.</summary>
public enum SnapshotStatus
{
    /// <summary>The snapshot holds a frame.</summary>
    Ready = 0,

    /// <summary>The viewer has everything; <see cref="TileSnapshot.Sequence"/> says up to which frame.</summary>
    NothingNew = 1,

    /// <summary>Some tiles must be coded first: <see cref="TileStore.WantsCoding"/> is set, <see cref="TileStore.CodingWanted"/>
    /// was raised, and <see cref="TileStore.Changed"/> follows when they are.</summary>
    NeedsCoding = 2,
}

/// <summary>The newest coded bytes of every tile and the number of the frame that changed it last, and the video plane over
/// them. What a viewer needs of the tiles is everything newer than the last frame it was sent, so its whole state is one
/// number: tiles merge by position because there is only one place for each. Video does not merge: how far a viewer is in
/// every stream stands in its <see cref="VideoChains"/> (<c>docs/design/004-motion.md</c>).</summary>
/// <remarks>Thread-safe, one lock, held for a walk over the tiles at most. Written by one <see cref="RegionCoder"/>.
/// Memory: one screen of coded bytes, plus what snapshots hold, plus at most one raw screen of free buffers, plus
/// <see cref="UnitStore.UnitsMax"/> access units a stream.</remarks>
public sealed class TileStore : IDisposable
{
    // A viewer that asks for tiles that were only copied will ask again soon (it is behind, or sees half of the copied
    // area), so for half a second at 60 frames a second those are coded at once. It also ends the race between a viewer
    // that asks and a scroll that makes the answer old.
    private const int EagerFrames = 30;

    // Room for the prefix, which every snapshot writes itself.
    private static readonly byte[] s_noRegions = new byte[FramePrefix.SizeBytes];

    private readonly Lock _lock = new();
    private readonly Entry[] _entries;
    private readonly int _columns;
    private readonly int _rows;
    private readonly CodedTilePool _pool;
    private readonly CopyRecord[] _copies = new CopyRecord[CopyReader.CopiesMax];
    private int _copyCount;
    private readonly UnitStore _units;
    private byte[] _regions = [];
    private int _regionsBytes;
    private int _regionCount;
    private long _regionsFrame;
    private long _frame;
    private long _tilesFrame;
    private long _previousTilesFrame;
    private long _coveredFrame;
    private long _eagerUntilFrame;
    private int _wantedCount;
    private FrameTimes _times;
    private long _encodedNs;
    private bool _disposed;

    /// <summary>Makes an empty store.</summary>
    /// <param name="size">Of the picture.</param>
    /// <param name="generation">Of the topology that announced this size.</param>
    /// <param name="lastSequence">Number of the last frame before; the first one published here gets the next one.</param>
    public TileStore(DeviceSize size, uint generation, uint lastSequence = 0)
    {
        FrameFormat format = FrameFormat.Packed(size);
        (Size, Generation, _frame) = (size, generation, lastSequence);
        (_columns, _rows) = (TileGrid.Columns(size), TileGrid.Rows(size));
        _entries = new Entry[_columns * _rows];
        // A picture replaces another, while a viewer is still sent a third; access units lie beside them, and a fifth is for pieces that
        // text has cut up.
        _pool = new(5L * _entries.Length * TileGrid.TileBytesMax);
        _units = new(_pool);
        FirstFrame = _frame + 1;
        (_tilesFrame, _previousTilesFrame, _regionsFrame) = (_frame, _frame, _frame);
    }

    /// <summary>Raised after a frame was published and after stale tiles were coded, on the encoder's thread, outside the lock.</summary>
    public event Action? Changed;

    /// <summary>Raised when <see cref="WantsCoding"/> becomes true, on the viewer's thread, outside the lock: wake the encoder's thread.</summary>
    public event Action? CodingWanted;

    /// <summary>Of the picture.</summary>
    public DeviceSize Size { get; }

    /// <summary>Of the topology that announced this size.</summary>
    public uint Generation { get; }

    /// <summary>Number of the newest frame; before the first one what the constructor was given.</summary>
    public uint Sequence => ToSequence(Interlocked.Read(ref _frame));

    /// <summary>Whether a frame was published.</summary>
    public bool HasPicture => Interlocked.Read(ref _frame) >= FirstFrame;

    /// <summary>Whether a viewer waits for stale tiles or for a key frame: the encoder's thread calls <see cref="RegionCoder.CodeWanted"/>.</summary>
    public bool WantsCoding => Volatile.Read(ref _wantedCount) > 0 || _units.WantsKeyFrame;

    /// <summary>Coded tiles and access units held by the store and by snapshots; 0 after disposal once every snapshot was released.</summary>
    public int OutstandingBufferCount
    {
        get
        {
            lock (_lock)
            {
                return _pool.OutstandingCount - _units.PieceCount + _units.OutstandingCount;
            }
        }
    }

    internal int Columns => _columns;

    internal int Rows => _rows;

    internal long FirstFrame { get; }

    /// <summary>Whether tiles that only a copy changed are to be coded with the next frame.</summary>
    internal bool IsEager
    {
        get
        {
            lock (_lock)
            {
                return _frame < _eagerUntilFrame;
            }
        }
    }

    /// <summary>Collects what a viewer needs that was last sent frame <paramref name="sinceSequence"/>.</summary>
    /// <param name="into">Filled when the result is <see cref="SnapshotStatus.Ready"/>; what it held before is released. On
    /// <see cref="SnapshotStatus.NothingNew"/> its <see cref="TileSnapshot.Sequence"/> is the newest frame: ask from there next time.</param>
    /// <param name="sinceSequence">0 for everything: at the start, after a new interest, after a refresh.</param>
    /// <param name="interest">Device pixels; every tile that it touches is meant.</param>
    /// <param name="chains">How far the viewer is in the streams of video, moved on by what the snapshot takes; null for a viewer
    /// that gets none, for which covered tiles are tiles like all others.</param>
    /// <param name="endsVideo">It gets none any more, and was sent regions: the frame says that there are none.</param>
    /// <remarks>A viewer that was sent the tiles before gets copies and the tiles of this frame; any other gets the newest
    /// bytes of every tile that changed since.</remarks>
    public SnapshotStatus TakeSnapshot(TileSnapshot into, uint sinceSequence, DeviceRectangle interest, VideoChains? chains = null, bool endsVideo = false)
    {
        ArgumentNullException.ThrowIfNull(into);
        into.Release();
        bool newlyWanted;
        SnapshotStatus status = SnapshotStatus.NeedsCoding;
        lock (_lock)
        {
            into.Generation = Generation;
            into.Sequence = ToSequence(_frame);
            if (_disposed || _frame < FirstFrame)
            {
                return SnapshotStatus.NothingNew;
            }

            long since = ToFrame(sinceSequence);
            if (since == _frame)
            {
                return SnapshotStatus.NothingNew;
            }

            // From here on «the interest» is the tiles that it touches: that is what the viewer has.
            DeviceRectangle clipped = interest.Intersect(DeviceRectangle.Of(Size));
            int left = clipped.X / TileGrid.TilePixels, top = clipped.Y / TileGrid.TilePixels;
            int right = (clipped.Right + TileGrid.TilePixels - 1) / TileGrid.TilePixels, bottom = (clipped.Bottom + TileGrid.TilePixels - 1) / TileGrid.TilePixels;
            DeviceRectangle area = new DeviceRectangle(
                left * TileGrid.TilePixels, top * TileGrid.TilePixels, (right - left) * TileGrid.TilePixels, (bottom - top) * TileGrid.TilePixels)
                .Intersect(DeviceRectangle.Of(Size));
            bool hasVideo = chains is not null;
            bool asDelta = since >= _previousTilesFrame && (since >= _tilesFrame || CanApplyCopies(area)) && (hasVideo || _coveredFrame <= since);
            newlyWanted = false;
            if (!asDelta && !AreCoded(since, hasVideo, left, top, right, bottom, out newlyWanted))
            {
                _eagerUntilFrame = _frame + EagerFrames;
            }
            else
            {
                if (chains is null && endsVideo)
                {
                    into.SetRegions(s_noRegions, 0);
                }

                status = Collect(into, since, asDelta, chains, area, left, top, right, bottom, out newlyWanted);
            }
        }

        if (newlyWanted)
        {
            CodingWanted?.Invoke();
        }

        return status;
    }

    /// <summary>Gives every buffer back that no snapshot holds. Snapshots stay valid; new ones are never ready.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            _units.Clear();
            foreach (ref Entry entry in _entries.AsSpan())
            {
                Replace(ref entry, default, null, 0, 0);
            }
        }
    }

    /// <summary>A buffer that holds a copy of <paramref name="data"/>; goes into <see cref="Publish"/> or <see cref="FillStale"/>.</summary>
    internal CodedTile Rent(ReadOnlySpan<byte> data)
    {
        CodedTile tile;
        lock (_lock)
        {
            tile = _pool.Rent(data.Length);
        }

        data.CopyTo(tile.Bytes);
        return tile;
    }

    /// <summary>Makes a frame the newest one, at once for everybody. Takes over the buffers.</summary>
    /// <param name="coded">Tiles with their new bytes.</param>
    /// <param name="copied">Indices of tiles that only copies changed; their bytes are stale from now on.</param>
    /// <param name="copies">At most <see cref="CopyReader.CopiesMax"/>.</param>
    /// <param name="times">Of the frame.</param>
    /// <param name="encodedNs">Monotonic.</param>
    /// <param name="plane">The video plane when this frame changes it; null: it is as before.</param>
    internal void Publish(
        ReadOnlySpan<EncodedTile> coded, ReadOnlySpan<int> copied, ReadOnlySpan<CopyRecord> copies, FrameTimes times, long encodedNs, VideoPlane? plane = null)
    {
        lock (_lock)
        {
            if (_disposed)
            {
                Drop(coded);
                return;
            }

            long frame = _frame + 1;
            foreach (int index in copied)
            {
                ref Entry entry = ref _entries[index];
                entry.ContentFrame = frame;
                entry.IsStale = true;
            }

            foreach (ref readonly EncodedTile tile in coded)
            {
                ref Entry entry = ref _entries[tile.Index];
                Replace(ref entry, tile.Encoding, tile.Data, tile.SolidPixel, frame);
                entry.ContentFrame = frame;
                entry.DeltaFrame = tile.CopyBrings ? entry.DeltaFrame : frame;
            }

            if (plane is not null)
            {
                SetPlane(plane, frame);
            }

            if (coded.Length > 0 || copied.Length > 0)
            {
                copies.CopyTo(_copies);
                (_copyCount, _previousTilesFrame, _tilesFrame) = (copies.Length, _tilesFrame, frame);
            }

            (_times, _encodedNs) = (times, encodedNs);
            Interlocked.Exchange(ref _frame, frame);
        }

        Changed?.Invoke();
    }

    /// <summary>Makes a frame of one access unit the newest one.</summary>
    /// <param name="slot">Of the region.</param>
    /// <param name="quality">0 or 1.</param>
    /// <param name="head">Where it belongs.</param>
    /// <param name="data">At most <see cref="VideoPacket.DataBytesMax"/>; copied.</param>
    /// <param name="changed">Indices of tiles whose covered pixels changed.</param>
    /// <param name="times">Of the frame.</param>
    /// <param name="encodedNs">Monotonic.</param>
    internal void PublishUnit(
        int slot, int quality, in VideoHead head, ReadOnlySpan<byte> data, ReadOnlySpan<int> changed, FrameTimes times, long encodedNs)
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            long frame = _frame + 1;
            _units.Add(slot, quality, head, data, new UnitTimes(times.OriginNs, times.CapturedNs, encodedNs));
            MarkCovered(changed, frame);
            (_times, _encodedNs) = (times, encodedNs);
            Interlocked.Exchange(ref _frame, frame);
        }

        Changed?.Invoke();
    }

    /// <summary>A stream and its units are gone.</summary>
    internal void EndStream(int slot, int quality)
    {
        lock (_lock)
        {
            _units.End(slot, quality);
        }
    }

    /// <summary>Whether viewers wait for a key frame of a stream; they do not any more after this.</summary>
    internal bool TakeKeyFrameWanted(int slot, int quality)
    {
        lock (_lock)
        {
            return _units.TakeWanted(slot, quality);
        }
    }

    /// <summary>Indices of the tiles that viewers wait for.</summary>
    /// <returns>How many; as many as fit into <paramref name="indices"/>.</returns>
    internal int TakeWanted(Span<int> indices)
    {
        lock (_lock)
        {
            int count = 0;
            for (int i = 0; i < _entries.Length && _wantedCount > 0 && count < indices.Length; i++)
            {
                if (_entries[i].IsWanted)
                {
                    indices[count++] = i;
                }
            }

            return count;
        }
    }

    /// <summary>Gives stale tiles their bytes. Takes over the buffers.</summary>
    internal void FillStale(ReadOnlySpan<EncodedTile> coded)
    {
        lock (_lock)
        {
            if (_disposed)
            {
                Drop(coded);
                return;
            }

            foreach (ref readonly EncodedTile tile in coded)
            {
                Replace(ref _entries[tile.Index], tile.Encoding, tile.Data, tile.SolidPixel, _frame);
            }
        }

        Changed?.Invoke();
    }

    internal void Return(ReadOnlySpan<TileSnapshot.Item> items, ReadOnlySpan<AccessUnit> units)
    {
        lock (_lock)
        {
            foreach (AccessUnit unit in units)
            {
                _units.Return(unit);
            }

            foreach (ref readonly TileSnapshot.Item item in items)
            {
                if (item.Data is not null)
                {
                    _pool.Return(item.Data);
                }
            }
        }
    }

    /// <summary>1, 2, ... 2^32-1, 1, ...: 0 means «no frame».</summary>
    private static uint ToSequence(long frame) => frame == 0 ? 0 : (uint)((frame - 1) % uint.MaxValue) + 1;

    /// <summary>Whether a viewer that has the frame before and shows only the area can apply this frame's copies.</summary>
    private bool CanApplyCopies(DeviceRectangle area)
    {
        foreach (ref readonly CopyRecord copy in _copies.AsSpan(0, _copyCount))
        {
            if (area.Intersects(copy.DestinationBounds) && !(area.Contains(copy.Source) && area.Contains(copy.DestinationBounds)))
            {
                return false;
            }
        }

        return true;
    }

    private bool AreCoded(long since, bool hasVideo, int left, int top, int right, int bottom, out bool newlyWanted)
    {
        bool all = true;
        int wantedBefore = _wantedCount;
        for (int row = top; row < bottom; row++)
        {
            foreach (ref Entry entry in _entries.AsSpan((row * _columns) + left, right - left))
            {
                if (entry.IsOwed(since, hasVideo) && entry.NeedsCoding(hasVideo))
                {
                    all = false;
                    _wantedCount += entry.IsWanted ? 0 : 1;
                    entry.IsWanted = true;
                }
            }
        }

        newlyWanted = wantedBefore == 0 && _wantedCount > 0;
        return all;
    }

    private SnapshotStatus Collect(
        TileSnapshot into, long since, bool asDelta, VideoChains? chains, DeviceRectangle area, int left, int top, int right, int bottom, out bool newlyWanted)
    {
        newlyWanted = false;
        into.Begin(this);
        bool hasNewTiles = !asDelta || since < _tilesFrame;
        if (asDelta && hasNewTiles)
        {
            foreach (ref readonly CopyRecord copy in _copies.AsSpan(0, _copyCount))
            {
                if (area.Intersects(copy.DestinationBounds))
                {
                    into.Add(copy);
                }
            }
        }

        for (int row = top; row < bottom && hasNewTiles; row++)
        {
            for (int column = left; column < right; column++)
            {
                ref Entry entry = ref _entries[(row * _columns) + column];
                if (asDelta ? entry.DeltaFrame == _tilesFrame : entry.IsOwed(since, chains is not null))
                {
                    if (entry.Data is not null)
                    {
                        entry.Data.References++;
                    }

                    into.Add(new TileSnapshot.Item((ushort)column, (ushort)row, entry.Encoding, entry.SolidPixel, entry.Data));
                }
            }
        }

        if (chains is not null)
        {
            if (_regionsFrame > since)
            {
                into.SetRegions(_regions.AsSpan(0, _regionsBytes), _regionCount);
            }

            newlyWanted = _units.Collect(into.Units, chains, area);
        }

        (into.OriginNs, into.CapturedNs, into.EncodedNs) = since < FirstFrame ? default : (_times.OriginNs, _times.CapturedNs, _encodedNs);
        if (!into.IsEmpty)
        {
            return SnapshotStatus.Ready;
        }

        into.Release();
        return SnapshotStatus.NothingNew;
    }

    private void SetPlane(VideoPlane plane, long frame)
    {
        int bytes = RegionsWriter.SizeBytesMax(Size);
        if (_regions.Length < bytes)
        {
            _regions = new byte[bytes];
        }

        RegionsWriter writer = new(_regions);
        plane.Write(ref writer);
        _regionsBytes = writer.Finish(Generation, 0, 0);
        _regionCount = plane.Count;
        _regionsFrame = frame;
        for (int i = 0; i < _entries.Length; i++)
        {
            _entries[i].IsCovered = plane.CoverOf(i) == TileCover.Whole;
        }
    }

    private void MarkCovered(ReadOnlySpan<int> changed, long frame)
    {
        foreach (int index in changed)
        {
            _entries[index].CoveredFrame = frame;
        }

        _coveredFrame = changed.Length > 0 ? frame : _coveredFrame;
    }

    /// <summary>The frame that a viewer means by a number; «before the first» for 0 and for numbers that are not from here.</summary>
    private long ToFrame(uint sequence)
    {
        uint newest = ToSequence(_frame);
        if (sequence == 0)
        {
            return FirstFrame - 1;
        }

        uint distance = newest >= sequence ? newest - sequence : newest - sequence - 1; // 0 is left out of the circle
        long frame = distance <= int.MaxValue ? _frame - distance : 0;
        return Math.Max(frame, FirstFrame - 1);
    }

    private void Drop(ReadOnlySpan<EncodedTile> coded)
    {
        foreach (ref readonly EncodedTile tile in coded)
        {
            if (tile.Data is not null)
            {
                _pool.Return(tile.Data);
            }
        }
    }

    private void Replace(ref Entry entry, TileEncoding encoding, CodedTile? data, uint solidPixel, long frame)
    {
        if (entry.Data is not null)
        {
            _pool.Return(entry.Data);
        }

        _wantedCount -= entry.IsWanted ? 1 : 0;
        (entry.Encoding, entry.Data, entry.SolidPixel, entry.IsStale, entry.IsWanted, entry.CodedFrame) = (encoding, data, solidPixel, false, false, frame);
    }

    private struct Entry
    {
        /// <summary>Frame in which pixels of the tile plane changed last; 0 before the first.</summary>
        public long ContentFrame;

        /// <summary>Frame in which covered pixels changed last: they concern viewers without video.</summary>
        public long CoveredFrame;

        /// <summary>Newest frame when the bytes were made.</summary>
        public long CodedFrame;

        /// <summary>Frame in which the tile was last part of the frame itself, not only of a copy.</summary>
        public long DeltaFrame;
        public CodedTile? Data;
        public uint SolidPixel;
        public TileEncoding Encoding;

        /// <summary>A copy changed the pixels after the bytes were coded.</summary>
        public bool IsStale;

        /// <summary>A viewer waits for the bytes.</summary>
        public bool IsWanted;

        /// <summary>All of it is covered by video.</summary>
        public bool IsCovered;

        /// <summary>Whether a viewer that has a frame lacks what changed since.</summary>
        public readonly bool IsOwed(long since, bool hasVideo) =>
            hasVideo ? !IsCovered && ContentFrame > since : ContentFrame > since || CoveredFrame > since;

        /// <summary>Whether the bytes are older than the pixels that the viewer is to see.</summary>
        public readonly bool NeedsCoding(bool hasVideo) => IsStale || (!hasVideo && CoveredFrame > CodedFrame);
    }
}

/// <summary>A tile on its way into the store.</summary>
/// <param name="Index">Row x columns + column.</param>
/// <param name="Encoding">How the bytes are written.</param>
/// <param name="SolidPixel">Colour when <paramref name="Data"/> is null.</param>
/// <param name="Data">Bytes; the store takes over the reference.</param>
/// <param name="CopyBrings">A viewer that applies the frame's copies has it already.</param>
internal readonly record struct EncodedTile(int Index, TileEncoding Encoding, uint SolidPixel, CodedTile? Data, bool CopyBrings);
