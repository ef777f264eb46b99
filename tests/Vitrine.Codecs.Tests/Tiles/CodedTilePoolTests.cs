using Vitrine.Codecs.Tiles;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tests.Tiles;

public sealed class CodedTilePoolTests
{
    private const long Mebibyte = 1 << 20;

    [Fact]
    public void AnyLengthsInAnyOrder_EveryBufferIsItsOwn()
    {
        CodedTilePool pool = new(0);
        Random random = new(1);
        List<(CodedTile Tile, byte Mark)> held = [];
        for (int i = 0; i < 20_000; i++)
        {
            if (held.Count > 0 && random.Next(300) < held.Count)
            {
                int which = random.Next(held.Count);
                (CodedTile tile, byte mark) = held[which];
                Assert.Equal(-1, tile.Bytes.IndexOfAnyExcept(mark));
                pool.Return(tile);
                held.RemoveAt(which);
            }
            else
            {
                // Small lengths as often as large ones, and the edges of the classes.
                int length = Math.Max(1, (TileGrid.TileBytesMax >> random.Next(7)) - random.Next(3));
                CodedTile tile = pool.Rent(length);
                Assert.Equal(length, tile.Bytes.Length);
                tile.Bytes.Fill((byte)i);
                held.Add((tile, (byte)i));
            }

            Assert.Equal(held.Count, pool.OutstandingCount);
        }

        foreach ((CodedTile tile, byte mark) in held)
        {
            Assert.Equal(-1, tile.Bytes.IndexOfAnyExcept(mark));
            pool.Return(tile);
        }

        Assert.Equal((0, 0), (pool.OutstandingCount, pool.HeldBytes));
    }

    [Fact]
    public void ContentChangesFromTextToFilm_NothingIsAllocated()
    {
        CodedTilePool pool = new(8 * Mebibyte); // 510 tiles of 16 KiB
        CodedTile?[] tiles = new CodedTile?[510];
        long heldBytes = pool.HeldBytes;
        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            foreach (int length in (ReadOnlySpan<int>)[TileGrid.TileBytesMax, 300, 16_000, 700, 5_000, 1, 9_000, 512, 513, 2_000, TileGrid.TileBytesMax])
            {
                Fill(length);
            }
        }));
        Assert.Equal(heldBytes, pool.HeldBytes);
        Assert.Equal(8 * Mebibyte, heldBytes);

        // One by one, as tiles of a picture are replaced.
        void Fill(int length)
        {
            for (int i = 0; i < tiles.Length; i++)
            {
                if (tiles[i] is { } tile)
                {
                    pool.Return(tile);
                }

                tiles[i] = pool.Rent(length);
            }
        }
    }

    [Fact]
    public void WhatWasHeldOnce_IsLetGoOfDownToTheBound()
    {
        CodedTilePool pool = new(2 * Mebibyte);
        CodedTile[] tiles = [.. Enumerable.Range(0, 640).Select(_ => pool.Rent(TileGrid.TileBytesMax))];
        Assert.Equal(10 * Mebibyte, pool.HeldBytes);
        foreach (CodedTile tile in tiles)
        {
            pool.Return(tile);
        }

        Assert.Equal(2 * Mebibyte, pool.HeldBytes);
    }

    [Fact]
    public void TwoReferences_GivenBackWithTheSecond()
    {
        CodedTilePool pool = new(0);
        CodedTile tile = pool.Rent(100);
        tile.References++;
        pool.Return(tile);
        Assert.Equal(1, pool.OutstandingCount);
        pool.Return(tile);
        Assert.Equal(0, pool.OutstandingCount);
    }
}
