using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Regions;

/// <summary>Tiles near each other that keep changing, and what showing them would cost.</summary>
/// <param name="Bounds">Around what changed in them, even in position and size; within the picture.</param>
/// <param name="Rate">Of the tile that changes most often, a second.</param>
/// <param name="TileBytes">A second, coded losslessly.</param>
/// <param name="TileNs">Processor time a second, coded losslessly.</param>
/// <param name="VideoBytes">A second, as video.</param>
/// <param name="VideoNs">Processor time a second, as video.</param>
public readonly record struct MotionArea(DeviceRectangle Bounds, double Rate, double TileBytes, double TileNs, double VideoBytes, double VideoNs)
{
    /// <summary>Whether video is cheaper in bytes and in processor time, by these factors.</summary>
    public bool IsWorthVideo(double byBytes, double byTime) => TileBytes > byBytes * VideoBytes && TileNs > byTime * VideoNs;
}

/// <summary>Finds, in the history of the tiles, where video would be shown.</summary>
/// <remarks>A function of its inputs but for its working memory. One thread. Nothing is allocated after construction.</remarks>
internal sealed class RegionPlanner
{
    /// <summary>Tiles that do not move between two that do: up to one is bridged.</summary>
    private const int ReachTiles = 2;

    private readonly DeviceSize _size;
    private readonly TileHistory _history;
    private readonly VideoCost _cost;
    private readonly byte[] _marks;
    private readonly int[] _stack;
    private readonly MotionArea[] _areas = new MotionArea[64];
    private readonly DeviceRectangle[] _tiles = new DeviceRectangle[64];

    public RegionPlanner(DeviceSize size, TileHistory history, VideoCost cost)
    {
        (_size, _history, _cost) = (size, history, cost);
        (_marks, _stack) = (new byte[history.Count], new int[history.Count]);
    }

    /// <summary>Those who are sent what is coded.</summary>
    public int Viewers { get; set; } = 1;

    /// <summary>Areas that keep moving, no tile touched by two of them; the most of what tiles would cost first. Valid until the next call.</summary>
    /// <param name="costShareMin">A tile counts when coding it losslessly costs at least this share of what its pixels cost as video.</param>
    public ReadOnlySpan<MotionArea> Find(double costShareMin)
    {
        Array.Clear(_marks);
        double tileNs = costShareMin * _cost.PixelNs * TileGrid.TilePixels * TileGrid.TilePixels;
        int hot = 0;
        for (int tile = 0; tile < _marks.Length; tile++)
        {
            if (_history.IsHot(tile) && _history.CostOf(tile).Ns >= tileNs)
            {
                _marks[tile] = 1;
                hot++;
            }
        }

        int count = 0;
        for (int tile = 0; hot > 0 && tile < _marks.Length && count < _areas.Length; tile++)
        {
            if (_marks[tile] == 1)
            {
                _areas[count] = Grow(tile, out _tiles[count]);
                count++;
            }
        }

        count = Merge(count);
        for (int i = 0; i < count; i++)
        {
            _areas[i] = Price(_areas[i]);
        }

        Span<MotionArea> areas = _areas.AsSpan(0, count);
        areas.Sort(static (left, right) => right.TileNs.CompareTo(left.TileNs));
        return areas;
    }

    private MotionArea Grow(int start, out DeviceRectangle tiles)
    {
        int columns = _history.Columns, rows = _marks.Length / columns, depth = 0;
        DeviceRectangle bounds = default;
        tiles = default;
        double rate = 0, bytes = 0, ns = 0;
        _stack[depth++] = start;
        _marks[start] = 2;
        while (depth > 0)
        {
            int tile = _stack[--depth], column = tile % columns, row = tile / columns;
            tiles = tiles.Union(new(column, row, 1, 1));
            bounds = bounds.Union(_history.ExtentOf(tile));
            double tileRate = _history.RateOf(tile);
            (int costBytes, int costNs) = _history.CostOf(tile);
            rate = Math.Max(rate, tileRate);
            bytes += tileRate * costBytes;
            ns += tileRate * costNs;
            for (int y = Math.Max(0, row - ReachTiles); y <= Math.Min(rows - 1, row + ReachTiles); y++)
            {
                for (int x = Math.Max(0, column - ReachTiles); x <= Math.Min(columns - 1, column + ReachTiles); x++)
                {
                    if (_marks[(y * columns) + x] == 1)
                    {
                        _marks[(y * columns) + x] = 2;
                        _stack[depth++] = (y * columns) + x;
                    }
                }
            }
        }

        bounds = Even(bounds);
        tiles = RegionRecord.TilesOf(bounds).Union(tiles);
        return new(bounds, rate, bytes, ns, 0, 0);
    }

    /// <summary>Areas that touch the same tile become one.</summary>
    private int Merge(int count)
    {
        for (bool isMerged = true; isMerged;)
        {
            isMerged = false;
            for (int i = 0; i < count; i++)
            {
                for (int k = i + 1; k < count; k++)
                {
                    if (_tiles[i].Intersects(_tiles[k]))
                    {
                        MotionArea one = _areas[i], other = _areas[k];
                        _areas[i] = new(
                            one.Bounds.Union(other.Bounds), Math.Max(one.Rate, other.Rate), one.TileBytes + other.TileBytes, one.TileNs + other.TileNs, 0, 0);
                        _tiles[i] = RegionRecord.TilesOf(_areas[i].Bounds).Union(_tiles[i]).Union(_tiles[k]);
                        (_areas[k], _tiles[k]) = (_areas[count - 1], _tiles[count - 1]);
                        count--;
                        isMerged = true;
                    }
                }
            }
        }

        return count;
    }

    private MotionArea Price(in MotionArea area)
    {
        double bytes = area.Rate * area.Bounds.Area * _cost.PixelBytes, sendNs = VideoCost.SendByteNs * Viewers;
        return area with
        {
            TileNs = area.TileNs + (area.TileBytes * sendNs),
            VideoBytes = bytes,
            VideoNs = (area.Rate * ((area.Bounds.Area * _cost.PixelNs) + VideoCost.PictureNs)) + (bytes * sendNs),
        };
    }

    private DeviceRectangle Even(DeviceRectangle bounds)
    {
        int left = bounds.X & ~1, top = bounds.Y & ~1;
        int right = Math.Min((bounds.Right + 1) & ~1, _size.Width & ~1), bottom = Math.Min((bounds.Bottom + 1) & ~1, _size.Height & ~1);
        return new(left, top, Math.Max(0, right - left), Math.Max(0, bottom - top));
    }
}
