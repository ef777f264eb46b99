using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Vitrine.Frames;

namespace Vitrine.Lab.Motion;

/// <summary>Compares pictures of B, G, R, X; X never counts.</summary>
internal static class PictureComparison
{
    /// <summary>Whether two rows or packed pictures hold the same pixels.</summary>
    public static bool AreEqual(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        if (left.Length != right.Length)
        {
            return false;
        }

        ReadOnlySpan<uint> a = MemoryMarshal.Cast<byte, uint>(left), b = MemoryMarshal.Cast<byte, uint>(right);
        Vector256<uint> mask = Vector256.Create(0xFFFFFFu);
        int i = 0;
        for (; i <= a.Length - Vector256<uint>.Count; i += Vector256<uint>.Count)
        {
            if (((Vector256.Create(a[i..]) ^ Vector256.Create(b[i..])) & mask) != Vector256<uint>.Zero)
            {
                return false;
            }
        }

        for (; i < a.Length; i++)
        {
            if (((a[i] ^ b[i]) & 0xFFFFFF) != 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Looks for pixels that differ outside of a rectangle.</summary>
    /// <param name="left">Packed.</param>
    /// <param name="right">Packed, of the same size.</param>
    /// <param name="size">Of both.</param>
    /// <param name="except">What is not looked at.</param>
    /// <param name="counts">Asked for each pixel that differs: whether it counts.</param>
    /// <returns>How many count.</returns>
    public static long CountOutside(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, DeviceSize size, DeviceRectangle except, Func<DevicePoint, bool> counts)
    {
        long count = 0;
        int rowBytes = size.Width * FrameFormat.BytesPerPixel;
        DeviceRectangle inside = except.Intersect(DeviceRectangle.Of(size));
        for (int y = 0; y < size.Height; y++)
        {
            ReadOnlySpan<byte> a = left.Slice(y * rowBytes, rowBytes), b = right.Slice(y * rowBytes, rowBytes);
            if (inside.IsEmpty || y < inside.Y || y >= inside.Bottom)
            {
                count += Count(a, b, 0, y, counts);
            }
            else
            {
                int from = inside.X * FrameFormat.BytesPerPixel, until = inside.Right * FrameFormat.BytesPerPixel;
                count += Count(a[..from], b[..from], 0, y, counts) + Count(a[until..], b[until..], inside.Right, y, counts);
            }
        }

        return count;
    }

    private static long Count(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, int x, int y, Func<DevicePoint, bool> counts)
    {
        if (AreEqual(left, right))
        {
            return 0;
        }

        long count = 0;
        ReadOnlySpan<uint> a = MemoryMarshal.Cast<byte, uint>(left), b = MemoryMarshal.Cast<byte, uint>(right);
        for (int i = 0; i < a.Length; i++)
        {
            count += ((a[i] ^ b[i]) & 0xFFFFFF) != 0 && counts(new DevicePoint(x + i, y)) ? 1 : 0;
        }

        return count;
    }
}
