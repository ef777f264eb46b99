using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Regions;

/// <summary>How much of a tile is covered by video.</summary>
internal enum TileCover : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The part that lies in the rectangle.</summary>
    Cut = 1,

    /// <summary>All.</summary>
    Whole = 2,
}

/// <summary>What is video now: a rectangle a region, and which of the tiles that it touches are covered. No tile is touched by two regions.</summary>
/// <remarks>One thread. Nothing is allocated after construction.</remarks>
internal sealed class VideoPlane
{
    private readonly DeviceSize _size;
    private readonly int _columns;
    private readonly DeviceRectangle[] _bounds = new DeviceRectangle[RegionsReader.RegionsMax];
    private readonly ushort[] _numbers = new ushort[RegionsReader.RegionsMax];
    private readonly sbyte[] _owners;
    private readonly TileCover[] _covers;
    private readonly byte[] _bits;
    private int _coveredCount;

    public VideoPlane(DeviceSize size)
    {
        (_size, _columns) = (size, TileGrid.Columns(size));
        int tiles = _columns * TileGrid.Rows(size);
        (_owners, _covers, _bits) = (new sbyte[tiles], new TileCover[tiles], new byte[(tiles + 7) / 8]);
        Array.Fill(_owners, (sbyte)-1);
    }

    /// <summary>Regions now.</summary>
    public int Count { get; private set; }

    /// <summary>Whether any pixel is covered.</summary>
    public bool IsCovering => _coveredCount > 0;

    /// <summary>The rectangle of a region; empty for a free slot.</summary>
    public DeviceRectangle BoundsOf(int slot) => _bounds[slot];

    /// <summary>How much of a tile is covered.</summary>
    public TileCover CoverOf(int tile) => _covers[tile];

    /// <summary>The region that touches a tile; -1 for none.</summary>
    public int OwnerOf(int tile) => _owners[tile];

    /// <summary>Whether any tile that the rectangle touches is covered.</summary>
    public bool CoversAnyOf(DeviceRectangle area)
    {
        DeviceRectangle tiles = RegionRecord.TilesOf(area);
        for (int row = tiles.Y; IsCovering && row < tiles.Bottom; row++)
        {
            if (_covers.AsSpan((row * _columns) + tiles.X, tiles.Width).IndexOfAnyExcept(TileCover.None) >= 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Puts a region into a free slot, or gives the one there another rectangle. Tiles it covers already stay covered.</summary>
    public void Set(int slot, ushort number, DeviceRectangle bounds)
    {
        Count += _bounds[slot].IsEmpty ? 1 : 0;
        (_bounds[slot], _numbers[slot]) = (bounds, number);
        for (int tile = 0; tile < _owners.Length; tile++)
        {
            if (_owners[tile] == slot || bounds.Intersects(TileBounds(tile)))
            {
                bool isTouched = bounds.Intersects(TileBounds(tile));
                bool wasCovered = _covers[tile] != TileCover.None && _owners[tile] == slot;
                _owners[tile] = isTouched ? (sbyte)slot : (sbyte)-1;
                SetCover(tile, isTouched && wasCovered);
            }
        }
    }

    /// <summary>Frees a slot; its tiles must not be covered any more.</summary>
    public void Remove(int slot)
    {
        for (int tile = 0; tile < _owners.Length; tile++)
        {
            if (_owners[tile] == slot)
            {
                SetCover(tile, false);
                _owners[tile] = -1;
            }
        }

        _bounds[slot] = default;
        Count--;
    }

    /// <summary>No region any more.</summary>
    public void Clear()
    {
        Array.Clear(_bounds);
        Array.Clear(_covers);
        Array.Fill(_owners, (sbyte)-1);
        (Count, _coveredCount) = (0, 0);
    }

    /// <summary>Sets or clears the bit of a tile that a region touches.</summary>
    public void SetCover(int tile, bool isCovered)
    {
        _coveredCount -= _covers[tile] != TileCover.None ? 1 : 0;
        _covers[tile] = !isCovered || _owners[tile] < 0 ? TileCover.None
            : _bounds[_owners[tile]].Contains(TileBounds(tile)) ? TileCover.Whole
            : TileCover.Cut;
        _coveredCount += _covers[tile] != TileCover.None ? 1 : 0;
    }

    /// <summary>Pixels of a tile.</summary>
    public DeviceRectangle TileBounds(int tile) => TileGrid.Bounds(_size, tile % _columns, tile / _columns);

    /// <summary>Writes the regions that cover something.</summary>
    public void Write(ref RegionsWriter writer)
    {
        for (int slot = 0; slot < _bounds.Length; slot++)
        {
            if (_bounds[slot].IsEmpty)
            {
                continue;
            }

            DeviceRectangle tiles = RegionRecord.TilesOf(_bounds[slot]);
            Span<byte> cover = _bits.AsSpan(0, RegionRecord.CoverBytes(_bounds[slot]));
            cover.Clear();
            for (int row = 0, index = 0; row < tiles.Height; row++)
            {
                for (int column = 0; column < tiles.Width; column++, index++)
                {
                    bool isCovered = _covers[((tiles.Y + row) * _columns) + tiles.X + column] != TileCover.None;
                    cover[index >> 3] |= (byte)(isCovered ? 1 << (index & 7) : 0);
                }
            }

            writer.Add(new RegionRecord(_numbers[slot], _bounds[slot], cover));
        }
    }
}
