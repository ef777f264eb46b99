using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>Tiles of few colours, as text has: the colours once, and 1, 2 or 4 bits a pixel
/// (<see cref="IndexedLayout"/>). Thirty-two times less for LZ4 to look at when there are two.</summary>
internal static class IndexedTile
{
    private const int Lanes = 8;

    /// <summary>Finds the colours and writes the plane of indices.</summary>
    /// <param name="pixels">Of the tile, rows from the top, X the same in all (<see cref="PixelKernels.CopyOpaque"/>); not all the same.</param>
    /// <param name="width">Of the tile.</param>
    /// <param name="colours">Filled; <see cref="IndexedLayout.ColoursMax"/> long.</param>
    /// <param name="indices">Scratch, as long as <paramref name="pixels"/>.</param>
    /// <param name="plane">Filled; long enough for 4 bits a pixel.</param>
    /// <returns>Number of colours; 0 when there are more than <see cref="IndexedLayout.ColoursMax"/>.</returns>
    public static int Build(ReadOnlySpan<uint> pixels, int width, Span<uint> colours, Span<byte> indices, Span<byte> plane)
    {
        colours[0] = pixels[0];
        colours[1] = pixels[pixels.IndexOfAnyExcept(pixels[0])];
        if (!pixels.ContainsAnyExcept(colours[0], colours[1]))
        {
            PackTwo(pixels, width, colours[1], plane);
            return 2;
        }

        int count = FindIndices(pixels, colours, indices);
        if (count > 0)
        {
            Pack(indices[..pixels.Length], width, IndexedLayout.BitsOf(count), plane);
        }

        return count;
    }

    /// <summary>Writes the pixels of a tile.</summary>
    /// <param name="data">As <see cref="IndexedLayout.IsValid"/> accepts it for the tile.</param>
    /// <param name="width">Of the tile.</param>
    /// <param name="scratch">Holds a plane of 4 bits a pixel.</param>
    /// <param name="pixels">Filled; width x height long.</param>
    /// <returns>False when the LZ4 block is not one of the plane's length, or an index points beyond the colours.</returns>
    public static bool TryExpand(ReadOnlySpan<byte> data, int width, Span<byte> scratch, Span<uint> pixels)
    {
        int count = data[0], bits = IndexedLayout.BitsOf(count), perByte = 8 / bits, rowBytes = ((width * bits) + 7) / 8;
        ReadOnlySpan<uint> colours = MemoryMarshal.Cast<byte, uint>(data[IndexedLayout.HeadBytes..IndexedLayout.PlaneOffset(count)]);
        ReadOnlySpan<byte> plane = data[IndexedLayout.PlaneOffset(count)..];
        if (data[1] == IndexedLayout.PlaneLz4)
        {
            Span<byte> decoded = scratch[..(rowBytes * (pixels.Length / width))];
            if (!Lz4Block.TryDecompress(plane, decoded))
            {
                return false;
            }

            plane = decoded;
        }

        int mask = (1 << bits) - 1;
        for (; !pixels.IsEmpty; pixels = pixels[width..], plane = plane[rowBytes..])
        {
            for (int x = 0; x < width; x++)
            {
                int index = (plane[x / perByte] >> (x % perByte * bits)) & mask;
                if (index >= count)
                {
                    return false;
                }

                pixels[x] = colours[index];
            }
        }

        return true;
    }

    // Eight comparisons are the eight bits of a byte: lane 0, the first pixel, is the lowest.
    private static void PackTwo(ReadOnlySpan<uint> pixels, int width, uint one, Span<byte> plane)
    {
        Vector256<uint> ones = Vector256.Create(one);
        int write = 0;
        for (; !pixels.IsEmpty; pixels = pixels[width..])
        {
            ReadOnlySpan<uint> row = pixels[..width];
            for (; row.Length >= Lanes; row = row[Lanes..])
            {
                plane[write++] = (byte)Vector256.Equals(Vector256.Create(row), ones).ExtractMostSignificantBits();
            }

            if (!row.IsEmpty)
            {
                int rest = 0;
                for (int x = 0; x < row.Length; x++)
                {
                    rest |= (row[x] == one ? 1 : 0) << x;
                }

                plane[write++] = (byte)rest;
            }
        }
    }

    private static int FindIndices(ReadOnlySpan<uint> pixels, Span<uint> colours, Span<byte> indices)
    {
        int count = 2, index = 0;
        uint last = colours[0];
        for (int i = 0; i < pixels.Length; i++)
        {
            uint pixel = pixels[i];
            if (pixel != last)
            {
                index = colours[..count].IndexOf(pixel);
                if (index < 0)
                {
                    if (count == IndexedLayout.ColoursMax)
                    {
                        return 0;
                    }

                    index = count++;
                    colours[index] = pixel;
                }

                last = pixel;
            }

            indices[i] = (byte)index;
        }

        return count;
    }

    private static void Pack(ReadOnlySpan<byte> indices, int width, int bits, Span<byte> plane)
    {
        int perByte = 8 / bits, write = 0;
        for (; !indices.IsEmpty; indices = indices[width..])
        {
            for (int x = 0; x < width; x += perByte)
            {
                int packed = 0;
                for (int i = 0, end = Math.Min(perByte, width - x); i < end; i++)
                {
                    packed |= indices[x + i] << (i * bits);
                }

                plane[write++] = (byte)packed;
            }
        }
    }
}
