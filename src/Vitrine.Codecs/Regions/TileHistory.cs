using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Regions;

/// <summary>What every tile has done of late: how often it changed, where in it, and what coding it losslessly cost.</summary>
/// <remarks>One thread. Nothing is allocated after construction.</remarks>
internal sealed class TileHistory
{
    /// <summary>A tile that has not changed for this time rests. Longer than the pauses of a video of 10 frames a second.</summary>
    public const long RestNs = 120_000_000;

    /// <summary>A tile that changes at least so often a second keeps moving: a blinking caret (2) does not, an animation on threes (8) does.</summary>
    private const double HotRate = 6;

    /// <summary>Time in which a tile that does not change any more cools to 1/e. Short, so that a burst of a third of a second is
    /// recognised and a blinking caret is not.</summary>
    private const double CoolingSeconds = 0.4;

    /// <summary>Damage of this time and the one before it counts for the extents.</summary>
    private const long ExtentsNs = 400_000_000;

    // A frame of fewer tiles says little about what a tile costs beside its coding.
    private const int ManyTiles = 16;
    private const double OverheadMax = 4;

    private readonly DeviceSize _size;
    private readonly int _columns;
    private readonly Entry[] _entries;
    private long _extentsSinceNs;
    private long _nowNs;
    private long _codedNs;
    private double _overhead = 1.3;

    public TileHistory(DeviceSize size)
    {
        (_size, _columns) = (size, TileGrid.Columns(size));
        _entries = new Entry[_columns * TileGrid.Rows(size)];
    }

    /// <summary>Number of tiles.</summary>
    public int Count => _entries.Length;

    /// <summary>Tiles in a row.</summary>
    public int Columns => _columns;

    /// <summary>The time that everything noted from now on has.</summary>
    public void Begin(long nowNs)
    {
        _nowNs = nowNs;
        if (nowNs - _extentsSinceNs >= ExtentsNs)
        {
            bool isLong = nowNs - _extentsSinceNs >= 2 * ExtentsNs;
            foreach (ref Entry entry in _entries.AsSpan())
            {
                (entry.Before, entry.Now) = (isLong ? default : entry.Now, default);
            }

            _extentsSinceNs = nowNs;
        }
    }

    /// <summary>Damage was reported.</summary>
    public void NoteDamage(DeviceRectangle rectangle)
    {
        rectangle = rectangle.Intersect(DeviceRectangle.Of(_size));
        DeviceRectangle tiles = RegionRecord.TilesOf(rectangle);
        for (int row = tiles.Y; row < tiles.Bottom; row++)
        {
            for (int column = tiles.X; column < tiles.Right; column++)
            {
                ref Entry entry = ref _entries[(row * _columns) + column];
                entry.Now = entry.Now.Union(rectangle.Intersect(BoundsOf((row * _columns) + column)));
            }
        }
    }

    /// <summary>A tile was coded, because it changed or because video does not cover it any more.</summary>
    public void NoteCoded(int tile, int bytes, int costNs, bool isChange)
    {
        ref Entry entry = ref _entries[tile];
        _codedNs += costNs;
        if (isChange)
        {
            Heat(ref entry);
        }

        bool isFirst = entry.Bytes == 0;
        // A quarter of the news each time: one odd frame decides nothing.
        entry.Bytes = isFirst ? bytes : entry.Bytes + ((bytes - entry.Bytes) / 4);
        entry.CostNs = isFirst ? costNs : entry.CostNs + ((costNs - entry.CostNs) / 4);
    }

    /// <summary>A frame was coded: what it took beyond coding its tiles (comparing, looking for moves) is part of what tiles cost. A frame with
    /// copies says nothing of that: most of it went into what they brought, and the row of tiles that scrolled in would be charged with it,
    /// become video, and keep the rest from being copied.</summary>
    public void NoteFrame(int codedTiles, int copies, long elapsedNs)
    {
        if (codedTiles >= ManyTiles && copies == 0 && _codedNs > 0)
        {
            _overhead += (Math.Clamp((double)elapsedNs / _codedNs, 1, OverheadMax) - _overhead) / 8;
        }

        _codedNs = 0;
    }

    /// <summary>A copy brought a tile's new content: nearly free.</summary>
    public void NoteCopied(int tile)
    {
        ref Entry entry = ref _entries[tile];
        Heat(ref entry);
        entry.Bytes -= entry.Bytes / 4;
        entry.CostNs -= entry.CostNs / 4;
    }

    /// <summary>Covered pixels of a tile were damaged.</summary>
    public void NoteCovered(int tile) => Heat(ref _entries[tile]);

    /// <summary>Changes a second.</summary>
    public double RateOf(int tile)
    {
        ref Entry entry = ref _entries[tile];
        return entry.Heat == 0 ? 0 : entry.Heat * Cooled(_nowNs - entry.ChangedNs) / CoolingSeconds;
    }

    /// <summary>Whether a tile keeps moving: often, and just now.</summary>
    public bool IsHot(int tile) => _nowNs - _entries[tile].ChangedNs < RestNs && RateOf(tile) >= HotRate;

    /// <summary>When a tile changed last; 0: never.</summary>
    public long ChangedNs(int tile) => _entries[tile].ChangedNs;

    /// <summary>Bytes, and nanoseconds of coding, that showing a tile's change losslessly costs.</summary>
    public (int Bytes, int Ns) CostOf(int tile) => (_entries[tile].Bytes, (int)(_entries[tile].CostNs * _overhead));

    /// <summary>Where in a tile there was damage of late; empty when there was none.</summary>
    public DeviceRectangle ExtentOf(int tile) => _entries[tile].Before.Union(_entries[tile].Now);

    private DeviceRectangle BoundsOf(int tile) => TileGrid.Bounds(_size, tile % _columns, tile / _columns);

    private void Heat(ref Entry entry)
    {
        if (entry.ChangedNs == _nowNs)
        {
            return; // once a frame
        }

        entry.Heat = 1 + (entry.ChangedNs == 0 ? 0 : entry.Heat * Cooled(_nowNs - entry.ChangedNs));
        entry.ChangedNs = _nowNs;
    }

    private static double Cooled(long elapsedNs) => Math.Exp(-elapsedNs * (1e-9 / CoolingSeconds));

    private struct Entry
    {
        public double Heat;
        public long ChangedNs;
        public int Bytes;
        public int CostNs;
        public DeviceRectangle Now;
        public DeviceRectangle Before;
    }
}
