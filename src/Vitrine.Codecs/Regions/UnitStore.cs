using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Regions;

/// <summary>The latest access units of every stream: two qualities of up to eight regions.</summary>
/// <remarks>Not thread-safe: the tile store's lock guards it, but for <see cref="WantsKeyFrame"/>. Holds <see cref="UnitsMax"/> units
/// a stream, the oldest is dropped; their bytes lie in the tiles' pool.</remarks>
internal sealed class UnitStore(CodedTilePool pool)
{
    /// <summary>A viewer that is further behind than this waits for a key frame: at 30 frames a second a quarter of a second.</summary>
    public const int UnitsMax = 8;

    /// <summary>Qualities of a region.</summary>
    public const int Qualities = 2;

    private readonly Ring[] _rings = [.. Enumerable.Range(0, RegionsReader.RegionsMax * Qualities).Select(_ => new Ring())];
    private readonly Stack<AccessUnit> _free = new();
    private int _wanted;

    /// <summary>Units held by the store and by snapshots.</summary>
    public int OutstandingCount { get; private set; }

    /// <summary>Buffers of the pool that they have.</summary>
    public int PieceCount { get; private set; }

    /// <summary>Whether any stream's key frame is waited for. Any thread.</summary>
    public bool WantsKeyFrame => Volatile.Read(ref _wanted) > 0;

    /// <summary>Adds the newest unit of a stream.</summary>
    public void Add(int slot, int quality, in VideoHead head, ReadOnlySpan<byte> data, UnitTimes times)
    {
        Ring ring = _rings[(slot * Qualities) + quality];
        if (ring.Stream != head.Stream)
        {
            Empty(ring);
            (ring.Stream, ring.Region) = (head.Stream, head.Region);
        }

        if (ring.Count == UnitsMax)
        {
            Return(ring.Units[ring.First]!);
            ring.First = (ring.First + 1) % UnitsMax;
            ring.Count--;
        }

        AccessUnit unit = _free.TryPop(out AccessUnit? free) ? free : new();
        unit.Set(pool, head, data, times);
        OutstandingCount++;
        PieceCount += unit.PieceCount;
        ring.Units[(ring.First + ring.Count++) % UnitsMax] = unit;
        if (head.IsKeyFrame)
        {
            SetWanted(ring, false);
        }
    }

    /// <summary>A stream has ended; snapshots keep what they hold.</summary>
    public void End(int slot, int quality)
    {
        Ring ring = _rings[(slot * Qualities) + quality];
        Empty(ring);
        ring.Stream = 0;
    }

    /// <summary>All streams have ended.</summary>
    public void Clear()
    {
        for (int i = 0; i < _rings.Length; i++)
        {
            End(i / Qualities, i % Qualities);
        }
    }

    /// <summary>Whether a key frame of the stream was waited for; it is not any more.</summary>
    public bool TakeWanted(int slot, int quality)
    {
        Ring ring = _rings[(slot * Qualities) + quality];
        bool isWanted = ring.IsKeyFrameWanted;
        SetWanted(ring, false);
        return isWanted;
    }

    /// <summary>Gives one reference back.</summary>
    public void Return(AccessUnit unit)
    {
        if (--unit.References == 0)
        {
            OutstandingCount--;
            PieceCount -= unit.PieceCount;
            unit.Empty(pool);
            _free.Push(unit);
        }
    }

    /// <summary>Takes, for a viewer, what it lacks of every stream that shows something in the area.</summary>
    /// <returns>Whether key frames are waited for that were not before.</returns>
    public bool Collect(List<AccessUnit> into, VideoChains chains, DeviceRectangle area)
    {
        int wantedBefore = _wanted;
        for (int slot = 0; slot < RegionsReader.RegionsMax; slot++)
        {
            Ring ring = _rings[(slot * Qualities) + chains.Quality];
            ref VideoChains.Chain chain = ref chains[slot];
            if (ring.Count == 0 || !ring.Newest.Head.Bounds.Intersects(area))
            {
                chain.IsBroken = chain.Stream != 0;
                continue;
            }

            if (chain.Stream != ring.Stream)
            {
                chain = new() { Region = ring.Region, Stream = ring.Stream, IsBroken = true };
            }

            int from = FirstOwed(ring, chain);
            if (from < 0)
            {
                chain.IsBroken = true;
                SetWanted(ring, true);
                continue;
            }

            for (int i = from; i < ring.Count; i++)
            {
                AccessUnit unit = ring.At(i);
                unit.References++;
                into.Add(unit);
                (chain.Number, chain.IsBroken) = (unit.Head.Number, false);
            }
        }

        return wantedBefore == 0 && _wanted > 0;
    }

    /// <summary>Index of the first unit that continues the chain, or of the newest key frame that begins it anew; Count when
    /// the viewer has everything; -1 when it can get nothing.</summary>
    private static int FirstOwed(Ring ring, in VideoChains.Chain chain)
    {
        uint oldest = ring.At(0).Head.Number, newest = ring.Newest.Head.Number;
        if (!chain.IsBroken && chain.Number + 1 >= oldest)
        {
            return (int)Math.Min(chain.Number + 1 - oldest, ring.Count);
        }

        for (int i = ring.Count - 1; i >= 0 && ring.At(i).Head.Number > chain.Number; i--)
        {
            if (ring.At(i).Head.IsKeyFrame)
            {
                return i;
            }
        }

        return -1;
    }

    private void Empty(Ring ring)
    {
        for (; ring.Count > 0; ring.Count--)
        {
            Return(ring.Units[ring.First]!);
            ring.First = (ring.First + 1) % UnitsMax;
        }

        SetWanted(ring, false);
    }

    private void SetWanted(Ring ring, bool isWanted)
    {
        if (ring.IsKeyFrameWanted != isWanted)
        {
            ring.IsKeyFrameWanted = isWanted;
            Volatile.Write(ref _wanted, _wanted + (isWanted ? 1 : -1));
        }
    }

    private sealed class Ring
    {
        public readonly AccessUnit?[] Units = new AccessUnit?[UnitsMax];
        public int First;
        public int Count;
        public uint Stream;
        public ushort Region;
        public bool IsKeyFrameWanted;

        public AccessUnit Newest => At(Count - 1);

        public AccessUnit At(int index) => Units[(First + index) % UnitsMax]!;
    }
}

/// <summary>When an access unit came to be; monotonic nanoseconds.</summary>
internal readonly record struct UnitTimes(long OriginNs, long CapturedNs, long EncodedNs);
