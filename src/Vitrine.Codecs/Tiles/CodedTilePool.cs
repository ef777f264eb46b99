using System.Numerics;

namespace Vitrine.Codecs.Tiles;

/// <summary>The coded bytes of one tile; shared by the store and by the snapshots that are being sent.</summary>
internal sealed class CodedTile(int capacity)
{
    public readonly byte[] Bytes = new byte[capacity];
    public int Length;
    public int References;
    public CodedTile? NextFree;
}

/// <summary>Buffers of coded tiles, in classes of 512 bytes to 16 KiB, each twice the one before (half of a buffer is lost
/// at worst, a quarter on average). Free ones are kept up to <c>freeBytesMax</c>; beyond that they are left to the
/// garbage collector.</summary>
/// <remarks>Not thread-safe: the store's lock guards it.</remarks>
internal sealed class CodedTilePool(long freeBytesMax)
{
    private const int SmallestBytes = 512;
    private readonly CodedTile?[] _free = new CodedTile?[6];
    private long _freeBytes;

    /// <summary>Buffers handed out now.</summary>
    public int OutstandingCount { get; private set; }

    /// <summary>A buffer with one reference for <paramref name="length"/> bytes, at most 16 KiB.</summary>
    public CodedTile Rent(int length)
    {
        OutstandingCount++;
        int wanted = ClassOf(length);
        // A buffer of the next two classes will do: it wastes memory for a while, a new one costs it for ever.
        for (int i = wanted; i < Math.Min(wanted + 3, _free.Length); i++)
        {
            if (_free[i] is { } tile)
            {
                _free[i] = tile.NextFree;
                _freeBytes -= tile.Bytes.Length;
                (tile.NextFree, tile.Length, tile.References) = (null, length, 1);
                return tile;
            }
        }

        return new(SmallestBytes << wanted) { Length = length, References = 1 };
    }

    /// <summary>Gives one reference back.</summary>
    public void Return(CodedTile tile)
    {
        if (--tile.References > 0)
        {
            return;
        }

        OutstandingCount--;
        if (_freeBytes + tile.Bytes.Length <= freeBytesMax)
        {
            _freeBytes += tile.Bytes.Length;
            ref CodedTile? head = ref _free[ClassOf(tile.Bytes.Length)];
            (tile.NextFree, head) = (head, tile);
        }
    }

    private static int ClassOf(int length) => length <= SmallestBytes ? 0 : BitOperations.Log2((uint)(length - 1) / SmallestBytes) + 1;
}
