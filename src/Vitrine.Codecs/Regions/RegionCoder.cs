using Vitrine.Codecs.H264;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Imaging.Colour;
using Vitrine.Wire;

namespace Vitrine.Codecs.Regions;

/// <summary>Why a region is what it is now.</summary>
public enum RegionStep
{
    /// <summary>Video is cheaper for what moves there.</summary>
    Begins = 0,

    /// <summary>What moves has moved, or has grown or shrunk.</summary>
    Changes = 1,

    /// <summary>Some of its tiles rest and are exact again.</summary>
    Refines = 2,

    /// <summary>Nothing has moved there for a while.</summary>
    EndsAtRest = 3,

    /// <summary>Tiles are cheaper by now.</summary>
    EndsByCost = 4,

    /// <summary>Nobody watches who can decode it.</summary>
    EndsUnwatched = 5,

    /// <summary>The encoder has failed, or there is none.</summary>
    EndsByFailure = 6,

    /// <summary>Video would be cheaper, but what moves is narrower or lower than video is made of.</summary>
    StaysSmall = 7,
}

/// <summary>One decision of the region coder.</summary>
/// <param name="AtNs">Monotonic.</param>
/// <param name="Step">What.</param>
/// <param name="Region">Number of the region; 0 for none.</param>
/// <param name="Bounds">Its rectangle.</param>
/// <param name="Area">What both ways would cost; default where that was not asked.</param>
/// <param name="Detail">For people: which encoder it begins with, why it failed; may be empty.</param>
public readonly record struct RegionDecision(long AtNs, RegionStep Step, ushort Region, DeviceRectangle Bounds, MotionArea Area, string Detail);

/// <summary>What the coder has done with video since its start.</summary>
/// <param name="Regions">Live now.</param>
/// <param name="Units">Access units encoded.</param>
/// <param name="KeyFrames">Of them key frames.</param>
/// <param name="Bytes">Of all access units.</param>
/// <param name="RefinedTiles">Tiles made exact after they were video.</param>
/// <param name="Failures">Encoders that failed or could not be had.</param>
/// <param name="Small">Times that something was worth video and smaller than video is made of.</param>
public readonly record struct VideoCounts(int Regions, long Units, long KeyFrames, long Bytes, long RefinedTiles, long Failures, long Small);

/// <summary>Codes frames: lossless tiles, and video where much keeps moving; at rest all is tiles again
/// (<c>docs/design/004-motion.md</c>).</summary>
/// <remarks>One thread, but for <see cref="Counts"/>. Holds one frame of the source's pool while a region lives.</remarks>
public sealed class RegionCoder : IDisposable
{
    /// <summary>Key frames of a stream are at least this far apart.</summary>
    public const long KeyFrameNsMin = 250_000_000;

    private const long BeginNs = 150_000_000;
    private const long ShrinkNs = 500_000_000;
    private const long CostlyNs = 1_000_000_000;
    private const long IdleNs = 3_000_000_000;
    private const long FailedNs = 10_000_000_000;

    /// <summary>Encoders whose rate is fixed are replaced at most so often.</summary>
    private const long FixedRateNsMin = 2_000_000_000;

    /// <summary>Regions at a time; the wire knows more.</summary>
    private const int RegionsMax = 4;

    /// <summary>Tiles refined in one step: a few milliseconds of coding, after which new motion is looked for.</summary>
    private const int RefineTilesMax = 48;

    // Video must be this much cheaper to begin, and may be this much dearer before it ends.
    private const double BeginBytes = 2, BeginTime = 1.1, KeepBytes = 1, KeepTime = 0.6, HotCostShare = 0.25;

    private const int SidePixelsMin = 48;

    private const int StalePauses = 3;

    private static readonly DamageRegion s_noDamage = new();

    private readonly TileStore _store;
    private readonly TimeProvider _time;
    private readonly IVideoEncoderSource? _encoders;
    private readonly Action<RegionDecision>? _trace;
    private readonly TileEncoder _tiles;
    private readonly VideoPlane _plane;
    private readonly TileHistory _history;
    private readonly VideoCost _cost = new();
    private readonly RegionPlanner _planner;
    private readonly Slot[] _slots = [.. Enumerable.Range(0, RegionsMax).Select(_ => new Slot())];
    private readonly Pending[] _pending = new Pending[RegionsMax];
    private readonly int[] _uncovered;
    private readonly long[] _distances;
    private readonly int[] _slotChanged;
    private readonly Lock _countsLock = new();
    private VideoCounts _counts;
    private FrameLease? _newest;
    private ushort _lastNumber;
    private uint _lastStream;
    private long _failedUntilNs;
    private bool _isPlaneChanged;
    private int _uncoveredCount;
    private bool _mayHaveMore;
    private long _staleDueNs;

    /// <summary>Makes a coder for the store's size; the first frame is coded whole.</summary>
    /// <param name="store">Where frames are published.</param>
    /// <param name="time">The clock.</param>
    /// <param name="encoders">Null: no video. Borrowed.</param>
    /// <param name="trace">Told every decision, on the coder's thread; null: nobody.</param>
    /// <exception cref="InsufficientMemoryException">No memory for the reference picture.</exception>
    /// <exception cref="DllNotFoundException">liblz4 is missing; the message names the package.</exception>
    public RegionCoder(TileStore store, TimeProvider time, IVideoEncoderSource? encoders = null, Action<RegionDecision>? trace = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        (_store, _time, _encoders, _trace) = (store, time, encoders, trace);
        _history = new(store.Size);
        _tiles = new(store, time) { History = encoders is null ? null : _history };
        _plane = new(store.Size);
        _planner = new(store.Size, _history, _cost);
        (_uncovered, _distances, _slotChanged) = (new int[_history.Count], new long[_history.Count], new int[_history.Count]);
    }

    /// <summary>Of tiles since the start. Any thread.</summary>
    public TileCounts Totals => _tiles.Totals;

    /// <summary>Of video since the start. Any thread.</summary>
    public VideoCounts Counts
    {
        get
        {
            lock (_countsLock)
            {
                return _counts;
            }
        }
    }

    /// <summary>Why the newest of <see cref="VideoCounts.Failures"/> was, for people; empty before the first. The coder's thread.</summary>
    public string FailureReason { get; private set; } = "";

    /// <summary>Whether anybody watches who decodes video.</summary>
    public bool IsVideoWanted { get; set; } = true;

    /// <summary>Those who are sent what is coded.</summary>
    public int Viewers { get => _planner.Viewers; set => _planner.Viewers = value; }

    /// <summary>Whether anybody gets the first quality.</summary>
    public bool IsFirstQualityWanted { get; set; } = true;

    /// <summary>Whether anybody gets the second quality.</summary>
    public bool IsSecondQualityWanted { get; set; }

    /// <summary>Most bits a second of all regions together, of each quality.</summary>
    public (int First, int Second) BitsPerSecondMax { get; set; } = (20_000_000, 2_000_000);

    /// <summary>Pictures a second at most.</summary>
    public int FramesPerSecondMax { get; set; } = 60;

    /// <summary>Where people look: tiles near it are refined first.</summary>
    public DevicePoint Focus { get; set; }

    /// <summary>When <see cref="CodeDue"/> has something to do if no frame comes before; <see cref="long.MaxValue"/>: never.</summary>
    public long NextDueNs { get; private set; } = long.MaxValue;

    /// <summary>Codes a frame and publishes it.</summary>
    /// <param name="frame">Borrowed. Of the store's size; outside its damage it equals the frame before.</param>
    public void Code(FrameLease frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        if (_encoders is null)
        {
            _tiles.Encode(frame);
            return;
        }

        long nowNs = _time.GetMonotonicNanoseconds();
        _history.Begin(nowNs);
        foreach (DeviceRectangle rectangle in frame.Damage.Rectangles)
        {
            _history.NoteDamage(rectangle);
            NoteCovered(rectangle);
        }

        Plan(nowNs);
        Refine(nowNs);
        _tiles.Encode(frame, frame.Damage, _plane, _isPlaneChanged, _uncovered.AsSpan(0, _uncoveredCount));
        (_isPlaneChanged, _uncoveredCount) = (false, 0);
        Keep(frame);
        for (int slot = 0; slot < _slots.Length; slot++)
        {
            if (_slots[slot].IsLive)
            {
                EncodeVideo(slot, frame, nowNs);
            }
        }

        SetDue(nowNs);
    }

    /// <summary>Does what is due without a new frame: refines what rests, ends what has rested long, makes key frames that wait.</summary>
    public void CodeDue()
    {
        long nowNs = _time.GetMonotonicNanoseconds();
        if (_newest is null || nowNs < NextDueNs)
        {
            return;
        }

        _history.Begin(nowNs);
        Plan(nowNs);
        Refine(nowNs);
        if (_isPlaneChanged || _uncoveredCount > 0)
        {
            _tiles.Encode(_newest, s_noDamage, _plane, _isPlaneChanged, _uncovered.AsSpan(0, _uncoveredCount));
            (_isPlaneChanged, _uncoveredCount) = (false, 0);
        }

        Keep(_newest);
        CodeWanted();
        SetDue(nowNs);
    }

    /// <summary>The source ends: all is tiles from now on, exact as the newest frame, and that frame is given back.</summary>
    public void EndVideo()
    {
        if (_newest is null)
        {
            return;
        }

        long nowNs = _time.GetMonotonicNanoseconds();
        _history.Begin(nowNs);
        for (int slot = 0; slot < _slots.Length; slot++)
        {
            if (_slots[slot].IsLive)
            {
                End(slot, RegionStep.EndsAtRest, default, nowNs);
            }
        }

        _tiles.Encode(_newest, s_noDamage, _plane, _isPlaneChanged, _uncovered.AsSpan(0, _uncoveredCount));
        (_isPlaneChanged, _uncoveredCount) = (false, 0);
        Keep(_newest);
        SetDue(nowNs);
    }

    /// <summary>Makes what viewers wait for: bytes of stale tiles, key frames.</summary>
    public void CodeWanted()
    {
        long nowNs = _time.GetMonotonicNanoseconds();
        if (nowNs >= _staleDueNs || !_plane.IsCovering)
        {
            // A viewer without video wants all that moves, all the time: a quarter of the thread is for it.
            _tiles.EncodeStale(_newest, _plane);
            long doneNs = _time.GetMonotonicNanoseconds();
            _staleDueNs = _plane.IsCovering ? doneNs + (StalePauses * (doneNs - nowNs)) : 0;
            nowNs = doneNs;
        }

        for (int slot = 0; slot < _slots.Length && _newest is not null; slot++)
        {
            Slot region = _slots[slot];
            for (int quality = 0; region.IsLive && quality < UnitStore.Qualities; quality++)
            {
                Stream stream = region.Streams[quality];
                stream.IsKeyFrameOwed |= _store.TakeKeyFrameWanted(slot, quality);
                if (stream.IsKeyFrameOwed && stream.Encoder is not null && nowNs - stream.KeyFrameNs >= KeyFrameNsMin)
                {
                    EncodeStream(slot, quality, _newest, default, nowNs);
                }
            }
        }

        SetDue(nowNs);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int slot = 0; slot < _slots.Length; slot++)
        {
            ReleaseStreams(slot);
        }

        _newest?.Dispose();
        _newest = null;
        _tiles.Dispose();
    }

    private void NoteCovered(DeviceRectangle damage)
    {
        if (!_plane.IsCovering)
        {
            return;
        }

        DeviceRectangle tiles = RegionRecord.TilesOf(damage.Intersect(DeviceRectangle.Of(_store.Size)));
        for (int row = tiles.Y; row < tiles.Bottom; row++)
        {
            for (int column = tiles.X; column < tiles.Right; column++)
            {
                int tile = (row * _history.Columns) + column;
                if (_plane.CoverOf(tile) != TileCover.None
                    && damage.Intersect(_plane.TileBounds(tile)).Intersects(_plane.BoundsOf(_plane.OwnerOf(tile))))
                {
                    _history.NoteCovered(tile);
                }
            }
        }
    }

    // --- What is to be video -----------------------------------------------------------------------------------------

    private void Plan(long nowNs)
    {
        if (!IsVideoWanted || nowNs < _failedUntilNs)
        {
            for (int slot = 0; slot < _slots.Length; slot++)
            {
                if (_slots[slot].IsLive)
                {
                    End(slot, IsVideoWanted ? RegionStep.EndsByFailure : RegionStep.EndsUnwatched, default, nowNs);
                }
            }

            return;
        }

        ReadOnlySpan<MotionArea> areas = _planner.Find(HotCostShare);
        for (int slot = 0; slot < _slots.Length; slot++)
        {
            if (_slots[slot].IsLive)
            {
                Follow(slot, areas, nowNs);
            }
        }

        foreach (ref readonly MotionArea area in areas)
        {
            if (!IsTaken(area.Bounds) && area.IsWorthVideo(BeginBytes, BeginTime) && HasLasted(area, nowNs, out int pending))
            {
                if (IsLargeEnough(area.Bounds))
                {
                    Begin(area, nowNs);
                }
                else if (!_pending[pending].IsTold)
                {
                    _pending[pending].IsTold = true;
                    NoteSmall(area, nowNs);
                }
            }
        }
    }

    private void NoteSmall(in MotionArea area, long nowNs)
    {
        lock (_countsLock)
        {
            _counts = _counts with { Small = _counts.Small + 1 };
        }

        _trace?.Invoke(new(nowNs, RegionStep.StaysSmall, 0, area.Bounds, area, ""));
    }

    /// <summary>A live region takes the shape of what moves in it.</summary>
    private void Follow(int slot, ReadOnlySpan<MotionArea> areas, long nowNs)
    {
        Slot region = _slots[slot];
        DeviceRectangle tiles = RegionRecord.TilesOf(region.Bounds);
        MotionArea? moving = null;
        foreach (ref readonly MotionArea area in areas)
        {
            if (RegionRecord.TilesOf(area.Bounds).Intersects(tiles) && !IsTakenBut(slot, area.Bounds))
            {
                moving = moving is { } other
                    ? new(other.Bounds.Union(area.Bounds), Math.Max(other.Rate, area.Rate), other.TileBytes + area.TileBytes, other.TileNs + area.TileNs,
                        other.VideoBytes + area.VideoBytes, other.VideoNs + area.VideoNs)
                    : area;
            }
        }

        if (moving is not { } found || IsTakenBut(slot, found.Bounds))
        {
            if (nowNs - region.MovedNs > IdleNs)
            {
                End(slot, RegionStep.EndsAtRest, default, nowNs);
            }

            return;
        }

        region.MovedNs = nowNs;
        if (found.IsWorthVideo(KeepBytes, KeepTime))
        {
            region.WorthNs = nowNs;
        }
        else if (nowNs - region.WorthNs > CostlyNs)
        {
            End(slot, RegionStep.EndsByCost, found, nowNs);
            return;
        }

        bool isSmaller = region.Bounds.Contains(found.Bounds);
        if (!isSmaller || found.Bounds == region.Bounds || found.Bounds != region.Found)
        {
            (region.Found, region.FoundNs) = (found.Bounds, nowNs);
        }

        bool isLarge = IsLargeEnough(found.Bounds);
        if (!isSmaller)
        {
            // What it has left behind is given up when it is sure that it was left.
            DeviceRectangle both = region.Bounds.Union(found.Bounds);
            bool givesUp = IsTakenBut(slot, both) || (isLarge && both.Area > 1.5 * found.Bounds.Area);
            if (isLarge || !givesUp)
            {
                Change(slot, givesUp ? found.Bounds : both, found, nowNs);
            }
        }
        else if (isLarge && nowNs - region.FoundNs > ShrinkNs)
        {
            Change(slot, found.Bounds, found, nowNs);
        }

        Cover(slot);
    }

    /// <summary>Whether it has been worth it for long enough: the more it saves, the sooner.</summary>
    private bool HasLasted(in MotionArea area, long nowNs, out int pending)
    {
        DeviceRectangle bounds = area.Bounds;
        long neededNs = area.IsWorthVideo(2 * BeginBytes, 2) ? BeginNs / 3 : BeginNs;
        int oldest = 0;
        for (pending = 0; pending < _pending.Length; pending++)
        {
            ref Pending known = ref _pending[pending];
            if (known.Bounds.Intersects(bounds) && nowNs - known.LastNs < BeginNs)
            {
                (known.Bounds, known.LastNs) = (bounds, nowNs);
                return nowNs - known.SinceNs >= neededNs;
            }

            oldest = known.LastNs < _pending[oldest].LastNs ? pending : oldest;
        }

        pending = oldest;
        _pending[pending] = new() { Bounds = bounds, SinceNs = nowNs, LastNs = nowNs };
        return false;
    }

    /// <summary>The codec and the wire ask for 16 pixels; below this a video is not worth its picture's overhead.</summary>
    private static bool IsLargeEnough(DeviceRectangle bounds) => bounds.Width >= SidePixelsMin && bounds.Height >= SidePixelsMin;

    private bool IsTaken(DeviceRectangle bounds) => IsTakenBut(-1, bounds);

    private bool IsTakenBut(int slot, DeviceRectangle bounds)
    {
        DeviceRectangle tiles = RegionRecord.TilesOf(bounds);
        for (int other = 0; other < _slots.Length; other++)
        {
            if (other != slot && _slots[other].IsLive && RegionRecord.TilesOf(_slots[other].Bounds).Intersects(tiles))
            {
                return true;
            }
        }

        return false;
    }

    private void Begin(in MotionArea area, long nowNs)
    {
        int slot = Array.FindIndex(_slots, region => !region.IsLive);
        if (slot < 0)
        {
            return;
        }

        // A failure is told with them.
        Slot region = _slots[slot];
        (region.Number, region.Bounds) = (++_lastNumber, area.Bounds);
        int quality = IsFirstQualityWanted ? 0 : 1;
        if (!TryOpen(slot, quality, area.Bounds, CodedSize(area.Bounds, quality), nowNs))
        {
            return;
        }

        region.IsLive = true;
        (region.MovedNs, region.WorthNs, region.Found, region.FoundNs) = (nowNs, nowNs, area.Bounds, nowNs);
        _plane.Set(slot, region.Number, area.Bounds);
        _isPlaneChanged = true;
        Cover(slot);
        Tell(RegionStep.Begins, region, area, region.Streams[quality].Rented, nowNs);
    }

    /// <summary>Covers the tiles of a region that keep changing.</summary>
    private void Cover(int slot)
    {
        DeviceRectangle tiles = RegionRecord.TilesOf(_slots[slot].Bounds);
        for (int row = tiles.Y; row < tiles.Bottom; row++)
        {
            for (int column = tiles.X; column < tiles.Right; column++)
            {
                int tile = (row * _history.Columns) + column;
                if (_plane.CoverOf(tile) == TileCover.None && _history.IsHot(tile))
                {
                    _plane.SetCover(tile, true);
                    _isPlaneChanged = true;
                }
            }
        }
    }

    private void Change(int slot, DeviceRectangle bounds, in MotionArea area, long nowNs)
    {
        Slot region = _slots[slot];
        if (bounds == region.Bounds)
        {
            return;
        }

        for (int tile = 0; tile < _history.Count; tile++)
        {
            // A tile that the new rectangle cuts elsewhere shows pixels of the tile plane that were covered: it is coded anew.
            if (_plane.OwnerOf(tile) == slot && _plane.CoverOf(tile) != TileCover.None
                && region.Bounds.Intersect(_plane.TileBounds(tile)) != bounds.Intersect(_plane.TileBounds(tile)))
            {
                Uncover(tile);
            }
        }

        bool isMovedOnly = region.Bounds.Size == bounds.Size;
        region.Bounds = bounds;
        _plane.Set(slot, region.Number, bounds);
        _isPlaneChanged = true;
        for (int quality = 0; quality < UnitStore.Qualities; quality++)
        {
            Stream stream = region.Streams[quality];
            stream.IsInputStale = true;
            if (stream.Encoder is { } encoder && !Holds(encoder.Size, CodedSize(bounds, quality)))
            {
                CloseStream(slot, quality);
                if (!TryOpen(slot, quality, bounds, WithRoom(CodedSize(bounds, quality), encoder.Size, CodedSize(DeviceRectangle.Of(_store.Size), quality)), nowNs))
                {
                    End(slot, RegionStep.EndsByFailure, area, nowNs);
                    return;
                }
            }
        }

        Tell(RegionStep.Changes, region, area, isMovedOnly ? "moved" : "resized", nowNs);
    }

    private void End(int slot, RegionStep step, in MotionArea area, long nowNs)
    {
        Slot region = _slots[slot];
        for (int tile = 0; tile < _history.Count; tile++)
        {
            if (_plane.OwnerOf(tile) == slot && _plane.CoverOf(tile) != TileCover.None)
            {
                Uncover(tile);
            }
        }

        _plane.Remove(slot);
        _isPlaneChanged = true;
        region.IsLive = false;
        ReleaseStreams(slot);
        Tell(step, region, area, "", nowNs);
    }

    // --- At rest -----------------------------------------------------------------------------------------------------

    /// <summary>Uncovers tiles that have rested, the nearest to the focus first.</summary>
    private void Refine(long nowNs)
    {
        _mayHaveMore = false;
        if (!_plane.IsCovering)
        {
            return;
        }

        int count = 0;
        Span<int> resting = _slotChanged;
        for (int tile = 0; tile < _history.Count; tile++)
        {
            if (_plane.CoverOf(tile) != TileCover.None && nowNs - _history.ChangedNs(tile) >= TileHistory.RestNs)
            {
                DeviceRectangle bounds = _plane.TileBounds(tile);
                long dx = bounds.X + (bounds.Width / 2) - Focus.X, dy = bounds.Y + (bounds.Height / 2) - Focus.Y;
                (resting[count], _distances[count]) = (tile, (dx * dx) + (dy * dy));
                count++;
            }
        }

        if (count == 0)
        {
            return;
        }

        _distances.AsSpan(0, count).Sort(resting[..count]);
        int refined = Math.Min(count, RefineTilesMax);
        _mayHaveMore = refined < count;
        foreach (int tile in resting[..refined])
        {
            Uncover(tile);
        }

        _isPlaneChanged = true;
        lock (_countsLock)
        {
            _counts = _counts with { RefinedTiles = _counts.RefinedTiles + refined };
        }

        if (_trace is not null && _plane.OwnerOf(resting[0]) is >= 0 and var owner)
        {
            Tell(RegionStep.Refines, _slots[owner], default, $"{refined} of {count} tiles", nowNs);
        }
    }

    private void Uncover(int tile)
    {
        _plane.SetCover(tile, false);
        _uncovered[_uncoveredCount++] = tile;
    }

    /// <summary>Refining and key frames without a new frame need the newest one.</summary>
    private void Keep(FrameLease frame)
    {
        FrameLease? before = _newest;
        _newest = _plane.Count > 0 ? frame.AddReference("region coder") : null;
        before?.Dispose();
    }

    private void SetDue(long nowNs)
    {
        NextDueNs = long.MaxValue;
        if (_newest is null)
        {
            return;
        }

        NextDueNs = _mayHaveMore ? nowNs : nowNs + IdleNs;
        for (int tile = 0; tile < _history.Count && _plane.IsCovering && !_mayHaveMore; tile++)
        {
            if (_plane.CoverOf(tile) != TileCover.None)
            {
                NextDueNs = Math.Min(NextDueNs, _history.ChangedNs(tile) + TileHistory.RestNs);
            }
        }

        NextDueNs = _store.WantsCoding ? Math.Min(NextDueNs, Math.Max(nowNs, _staleDueNs)) : NextDueNs;
        foreach (Slot region in _slots)
        {
            foreach (Stream stream in region.Streams)
            {
                if (region.IsLive && stream is { IsKeyFrameOwed: true, Encoder: not null })
                {
                    NextDueNs = Math.Min(NextDueNs, stream.KeyFrameNs + KeyFrameNsMin);
                }
            }
        }
    }

    // --- Encoding ----------------------------------------------------------------------------------------------------

    private void EncodeVideo(int slot, FrameLease frame, long nowNs)
    {
        Slot region = _slots[slot];
        int count = 0;
        foreach (int tile in _tiles.CoveredChanged)
        {
            if (_plane.OwnerOf(tile) == slot)
            {
                _slotChanged[count++] = tile;
            }
        }

        for (int quality = 0; quality < UnitStore.Qualities && region.IsLive; quality++)
        {
            Stream stream = region.Streams[quality];
            bool isWanted = quality == 0 ? IsFirstQualityWanted : IsSecondQualityWanted;
            if (isWanted != stream.Encoder is not null)
            {
                if (!isWanted)
                {
                    CloseStream(slot, quality);
                }
                else if (!TryOpen(slot, quality, region.Bounds, CodedSize(region.Bounds, quality), nowNs))
                {
                    return;
                }
            }

            if (stream.Encoder is null)
            {
                continue;
            }

            MarkStale(stream, frame.Damage, region.Bounds);
            if (count > 0)
            {
                EncodeStream(slot, quality, frame, _slotChanged.AsSpan(0, count), nowNs);
            }
        }
    }

    private static void MarkStale(Stream stream, DamageRegion damage, DeviceRectangle bounds)
    {
        foreach (DeviceRectangle rectangle in damage.Rectangles)
        {
            stream.Stale = stream.Stale.Union(rectangle.Intersect(bounds));
        }
    }

    private void EncodeStream(int slot, int quality, FrameLease frame, ReadOnlySpan<int> changed, long nowNs)
    {
        Slot region = _slots[slot];
        Stream stream = region.Streams[quality];
        if (!FollowRate(slot, quality, nowNs))
        {
            return;
        }

        IVideoEncoder encoder = stream.Encoder!;
        long startedNs = _time.GetMonotonicNanoseconds();
        Convert(stream, encoder, frame, region.Bounds, quality);
        stream.IsKeyFrameOwed |= _store.TakeKeyFrameWanted(slot, quality);
        bool isForced = stream.Number == 0 || (stream.IsKeyFrameOwed && nowNs - stream.KeyFrameNs >= KeyFrameNsMin);
        if (!encoder.TryEncode(frame.Times.CapturedNs, isForced, out ReadOnlySpan<byte> unit, out bool isKeyFrame) || unit.Length > VideoPacket.DataBytesMax)
        {
            Fail(slot, nowNs, encoder.FailureReason.Length > 0 ? encoder.FailureReason : $"the encoder made {unit.Length} bytes of a picture: more than a packet holds");
            return;
        }

        long encodedNs = _time.GetMonotonicNanoseconds();
        if (isKeyFrame)
        {
            (stream.KeyFrameNs, stream.IsKeyFrameOwed) = (nowNs, false);
        }
        else if (quality == 0)
        {
            _cost.Note(region.Bounds.Area, unit.Length, encodedNs - startedNs);
        }

        VideoFlags flags = (isKeyFrame ? VideoFlags.KeyFrame : 0) | (quality == 1 ? VideoFlags.HalfSize : 0);
        VideoHead head = new(region.Number, VideoCodec.H264, flags, stream.Id, ++stream.Number, encoder.Size, region.Bounds);
        lock (_countsLock)
        {
            _counts = _counts with { Units = _counts.Units + 1, KeyFrames = _counts.KeyFrames + (isKeyFrame ? 1 : 0), Bytes = _counts.Bytes + unit.Length };
        }

        _store.PublishUnit(slot, quality, head, unit, changed, frame.Times, encodedNs);
    }

    private static void Convert(Stream stream, IVideoEncoder encoder, FrameLease frame, DeviceRectangle bounds, int quality)
    {
        DeviceRectangle area = stream.IsInputStale ? bounds : stream.Stale;
        (stream.IsInputStale, stream.Stale) = (false, default);
        // Chroma is shared by two by two pixels, of the half size by four by four.
        int grid = quality == 0 ? 1 : 3;
        int left = (area.X - bounds.X) & ~grid, top = (area.Y - bounds.Y) & ~grid;
        int right = Math.Min((area.Right - bounds.X + grid) & ~grid, bounds.Width), bottom = Math.Min((area.Bottom - bounds.Y + grid) & ~grid, bounds.Height);
        if (right <= left || bottom <= top)
        {
            return;
        }

        ReadOnlySpan<byte> pixels = frame.Pixels[(((bounds.Y + top) * frame.Format.StrideBytes) + ((bounds.X + left) * FrameFormat.BytesPerPixel))..];
        if (quality == 0)
        {
            ColourConverter.FromBgra(
                pixels, frame.Format.StrideBytes, encoder.Input.Crop(new(left, top, right - left, bottom - top)), VideoColours.Matrix, VideoColours.Range);
        }
        else
        {
            ColourConverter.FromBgraHalf(
                pixels, frame.Format.StrideBytes, new(right - left, bottom - top),
                encoder.Input.Crop(new(left / 2, top / 2, (right - left + 1) / 2, (bottom - top + 1) / 2)), VideoColours.Matrix, VideoColours.Range);
        }
    }

    /// <summary>Keeps a stream to its share. An encoder with a fixed rate is replaced, which costs a key frame: seldom, and when it is far off.</summary>
    /// <returns>False when there is no encoder any more.</returns>
    private bool FollowRate(int slot, int quality, long nowNs)
    {
        Stream stream = _slots[slot].Streams[quality];
        DeviceRectangle bounds = _slots[slot].Bounds;
        int bits = ShareOfBits(bounds, quality);
        if (bits == stream.BitsPerSecondMax)
        {
            return true;
        }

        if (stream.Encoder!.TrySetBitsPerSecondMax(bits))
        {
            stream.BitsPerSecondMax = bits;
            return true;
        }

        if (nowNs - stream.OpenedNs < FixedRateNsMin || (bits > 0.8 * stream.BitsPerSecondMax && bits < 1.5 * stream.BitsPerSecondMax))
        {
            return true;
        }

        DeviceSize size = stream.Encoder.Size;
        CloseStream(slot, quality);
        return TryOpen(slot, quality, bounds, size, nowNs);
    }

    private int ShareOfBits(DeviceRectangle bounds, int quality)
    {
        long all = 0;
        foreach (Slot region in _slots)
        {
            all += region.IsLive ? region.Bounds.Area : 0;
        }

        int budget = quality == 0 ? BitsPerSecondMax.First : BitsPerSecondMax.Second;
        return (int)Math.Max(100_000, budget * (double)bounds.Area / Math.Max(all, bounds.Area));
    }

    private bool TryOpen(int slot, int quality, DeviceRectangle bounds, DeviceSize size, long nowNs)
    {
        Stream stream = _slots[slot].Streams[quality];
        int bits = ShareOfBits(bounds, quality);
        stream.Encoder = _encoders!.Rent(size, FramesPerSecondMax, bits, out string reason);
        stream.Rented = reason;
        if (stream.Encoder is null)
        {
            Fail(slot, nowNs, reason);
            return false;
        }

        (stream.Id, stream.Number, stream.BitsPerSecondMax, stream.IsInputStale, stream.IsKeyFrameOwed) = (++_lastStream, 0, bits, true, false);
        stream.OpenedNs = nowNs;
        return true;
    }

    /// <summary>No video for a while: tiles show everything as well, only dearer.</summary>
    private void Fail(int slot, long nowNs, string reason)
    {
        lock (_countsLock)
        {
            _counts = _counts with { Failures = _counts.Failures + 1 };
        }

        FailureReason = reason;
        _failedUntilNs = nowNs + FailedNs;
        _mayHaveMore = true;
        Slot region = _slots[slot];
        foreach (Stream stream in region.Streams)
        {
            stream.Encoder?.Dispose(); // it is not known which calls it can still take
            stream.Encoder = null;
        }

        Tell(RegionStep.EndsByFailure, region, default, reason, nowNs);
    }

    private void ReleaseStreams(int slot)
    {
        for (int quality = 0; quality < UnitStore.Qualities; quality++)
        {
            CloseStream(slot, quality);
        }
    }

    private void CloseStream(int slot, int quality)
    {
        Stream stream = _slots[slot].Streams[quality];
        if (stream.Encoder is { } encoder)
        {
            _encoders!.Return(encoder);
            stream.Encoder = null;
        }

        _store.EndStream(slot, quality);
    }

    private static DeviceSize CodedSize(DeviceRectangle bounds, int quality) =>
        quality == 0 ? bounds.Size : new((((bounds.Width + 1) / 2) + 1) & ~1, (((bounds.Height + 1) / 2) + 1) & ~1);

    /// <summary>What outgrew its encoder is growing, as the track of a dragged window does: each side that did gets a quarter more than it had,
    /// so that a dozen steps take three encoders and three key frames.</summary>
    private static DeviceSize WithRoom(DeviceSize wanted, DeviceSize had, DeviceSize most)
    {
        DeviceSize roomy = new(Side(wanted.Width, had.Width, most.Width), Side(wanted.Height, had.Height, most.Height));
        return Holds(roomy, wanted) ? roomy : wanted;

        static int Side(int wanted, int had, int most) => wanted <= had ? had : Math.Clamp(had / 4 * 5, wanted, most);
    }

    private static bool Holds(DeviceSize size, DeviceSize wanted) => size.Width >= wanted.Width && size.Height >= wanted.Height
        && size.Area <= 2 * wanted.Area + (256 * 256);

    private void Tell(RegionStep step, Slot region, in MotionArea area, string detail, long nowNs)
    {
        lock (_countsLock)
        {
            _counts = _counts with { Regions = _plane.Count };
        }

        _trace?.Invoke(new(nowNs, step, region.Number, region.Bounds, area, detail));
    }

    private struct Pending
    {
        public DeviceRectangle Bounds;
        public long SinceNs;
        public long LastNs;

        /// <summary>That it is too small.</summary>
        public bool IsTold;
    }

    private sealed class Stream
    {
        public IVideoEncoder? Encoder;

        /// <summary>Which it is, or why there is none.</summary>
        public string Rented = "";
        public uint Id;
        public uint Number;
        public int BitsPerSecondMax;
        public long OpenedNs;
        public long KeyFrameNs;
        public bool IsKeyFrameOwed;

        /// <summary>None of the encoder's picture is of this rectangle.</summary>
        public bool IsInputStale;

        /// <summary>What of it is older than the newest frame.</summary>
        public DeviceRectangle Stale;
    }

    private sealed class Slot
    {
        public readonly Stream[] Streams = [new(), new()];
        public bool IsLive;
        public ushort Number;
        public DeviceRectangle Bounds;
        public long MovedNs;
        public long WorthNs;

        /// <summary>Where it moves now, and since when it is just there.</summary>
        public DeviceRectangle Found;
        public long FoundNs;
    }
}
