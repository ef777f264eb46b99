using System.Buffers.Binary;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tests.Tiles;

public class IndexedTileTests
{
    [Fact]
    public void EverySizeAndNumberOfColours_ComesBackTheSame()
    {
        Random random = new(1);
        foreach (int width in (int[])[1, 2, 3, 7, 8, 9, 31, 63, 64])
        {
            foreach (int height in (int[])[1, 2, 5, 64])
            {
                for (int wanted = 2; wanted <= IndexedLayout.ColoursMax; wanted++)
                {
                    uint[] pixels = RandomPixels(random, width * height, wanted);
                    if (pixels.Distinct().Count() < 2)
                    {
                        continue;
                    }

                    byte[] data = Build(pixels, width, height);
                    Assert.Equal(pixels.Distinct().Count(), data[0]);
                    Assert.True(IndexedLayout.IsValid(data, new(width, height)));
                    Assert.True(Expand(data, width, height, out uint[] expanded));
                    Assert.Equal(pixels, expanded);
                }
            }
        }
    }

    [Fact]
    public void SeventeenColours_AreTooMany()
    {
        uint[] pixels = [.. Enumerable.Range(0, 64).Select(i => 0xFF000000u + (uint)(i % 17))];
        Assert.Equal(0, IndexedTile.Build(pixels, 8, new uint[16], new byte[64], new byte[32]));
    }

    [Fact]
    public void TwoColours_FirstPixelIsLowestBit()
    {
        byte[] plane = new byte[2];
        uint[] colours = new uint[16];
        uint[] pixels = [5, 9, 5, 5, 5, 5, 5, 9, 9, 5];
        Assert.Equal(2, IndexedTile.Build(pixels, 10, colours, new byte[10], plane));
        Assert.Equal([5u, 9u], colours[..2]);
        Assert.Equal([0b1000_0010, 0b01], plane);
    }

    [Fact]
    public void IndexBeyondTheColours_IsRefused()
    {
        byte[] data = [3, IndexedLayout.PlaneRaw, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 0b1110_0100];
        Assert.True(IndexedLayout.IsValid(data, new(4, 1)));
        Assert.False(Expand(data, 4, 1, out _));
    }

    [Fact]
    public void BlockOfAnotherLength_IsRefused()
    {
        byte[] data = [2, IndexedLayout.PlaneLz4, 1, 1, 1, 1, 2, 2, 2, 2, 0x20, 0x01, 0x02];
        Assert.True(IndexedLayout.IsValid(data, new(8, 1)));
        Assert.False(Expand(data, 8, 1, out _));
    }

    private static uint[] RandomPixels(Random random, int count, int colours)
    {
        uint[] palette = [.. Enumerable.Range(0, colours).Select(i => 0xFF000000u | (uint)((i * 0x01_0203) + random.Next(0x100)))];
        return [.. Enumerable.Range(0, count).Select(_ => palette[random.Next(colours)])];
    }

    private static byte[] Build(uint[] pixels, int width, int height)
    {
        uint[] colours = new uint[IndexedLayout.ColoursMax];
        byte[] plane = new byte[pixels.Length];
        int count = IndexedTile.Build(pixels, width, colours, new byte[pixels.Length], plane);
        byte[] data = new byte[IndexedLayout.PlaneOffset(count) + IndexedLayout.PlaneBytes(width, height, count)];
        (data[0], data[1]) = ((byte)count, IndexedLayout.PlaneRaw);
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(IndexedLayout.HeadBytes + (i * FrameFormat.BytesPerPixel)), colours[i]);
        }

        plane.AsSpan(0, IndexedLayout.PlaneBytes(width, height, count)).CopyTo(data.AsSpan(IndexedLayout.PlaneOffset(count)));
        return data;
    }

    private static bool Expand(byte[] data, int width, int height, out uint[] pixels)
    {
        pixels = new uint[width * height];
        return IndexedTile.TryExpand(data, width, new byte[TileGrid.TileBytesMax], pixels);
    }
}
