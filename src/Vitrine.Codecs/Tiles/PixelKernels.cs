using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Vitrine.Codecs.Tiles;

/// <summary>Loops over rows of B, G, R, X pixels, eight at a time; the remainder is done one by one. X counts as 255
/// everywhere, so that it never makes a difference. <see cref="PixelKernelsScalar"/> says the same without vectors.</summary>
/// <remarks>Callers pass rows of equal length; a shorter second row throws.</remarks>
internal static class PixelKernels
{
    /// <summary>X of every pixel that we store: the byte has no meaning, one value for all compresses best.</summary>
    public const uint OpaqueMask = 0xFF00_0000;

    /// <summary>Pixels that a strip hash covers.</summary>
    public const int StripPixels = 32;

    private const int Lanes = 8;

    /// <summary>How many pixels are the same from the left.</summary>
    public static int EqualFromLeft(ReadOnlySpan<uint> a, ReadOnlySpan<uint> b)
    {
        b = b[..a.Length];
        ref uint left = ref MemoryMarshal.GetReference(a), right = ref MemoryMarshal.GetReference(b);
        Vector256<uint> mask = Vector256.Create(OpaqueMask);
        int i = 0;
        for (; i <= a.Length - Lanes; i += Lanes)
        {
            uint equal = Equal(ref left, ref right, i, mask);
            if (equal != 0xFF)
            {
                return i + BitOperations.TrailingZeroCount(~equal);
            }
        }

        for (; i < a.Length && ((a[i] ^ b[i]) & ~OpaqueMask) == 0; i++)
        {
        }

        return i;
    }

    /// <summary>How many pixels are the same from the right.</summary>
    public static int EqualFromRight(ReadOnlySpan<uint> a, ReadOnlySpan<uint> b)
    {
        b = b[..a.Length];
        ref uint left = ref MemoryMarshal.GetReference(a), right = ref MemoryMarshal.GetReference(b);
        Vector256<uint> mask = Vector256.Create(OpaqueMask);
        int end = a.Length;
        for (; end >= Lanes; end -= Lanes)
        {
            uint equal = Equal(ref left, ref right, end - Lanes, mask);
            if (equal != 0xFF)
            {
                return a.Length - end + (Lanes - 1 - BitOperations.Log2(~equal & 0xFF));
            }
        }

        for (; end > 0 && ((a[end - 1] ^ b[end - 1]) & ~OpaqueMask) == 0; end--)
        {
        }

        return a.Length - end;
    }

    /// <summary>Copies with X = 255.</summary>
    public static void CopyOpaque(ReadOnlySpan<uint> source, Span<uint> destination)
    {
        destination = destination[..source.Length];
        ref uint from = ref MemoryMarshal.GetReference(source), to = ref MemoryMarshal.GetReference(destination);
        Vector256<uint> mask = Vector256.Create(OpaqueMask);
        int i = 0;
        for (; i <= source.Length - Lanes; i += Lanes)
        {
            (Vector256.LoadUnsafe(ref from, (nuint)i) | mask).StoreUnsafe(ref to, (nuint)i);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = source[i] | OpaqueMask;
        }
    }

    /// <summary>Whether all pixels are the same. X is not ignored: only for pixels that <see cref="CopyOpaque"/> wrote.</summary>
    public static bool IsSolid(ReadOnlySpan<uint> pixels) => pixels.IsEmpty || !pixels.ContainsAnyExcept(pixels[0]);

    /// <summary>Hashes the <see cref="StripPixels"/> pixels that start at every position.</summary>
    /// <remarks>Five rounds, each joining two neighbours of the round before (1, 2, 4, 8, 16 pixels apart):
    /// h(x) = h(x) * C + h(x + k). The row buffer stays in the first-level cache, so this costs about a cycle a pixel.</remarks>
    /// <param name="row">At least <see cref="StripPixels"/> pixels.</param>
    /// <param name="hashes">As long as the row; the first <c>row.Length - StripPixels + 1</c> are hashes afterwards, the rest is scratch.</param>
    public static void HashStrips(ReadOnlySpan<uint> row, Span<uint> hashes)
    {
        CopyOpaque(row, hashes);
        int count = row.Length;
        count = Join(hashes, count, 1, 0x9E37_79B1);
        count = Join(hashes, count, 2, 0x85EB_CA77);
        count = Join(hashes, count, 4, 0xC2B2_AE3D);
        count = Join(hashes, count, 8, 0x27D4_EB2F);
        _ = Join(hashes, count, 16, 0x1656_67B1);
    }

    /// <summary>The next position from <paramref name="start"/> whose hash has its five highest bits 0; the length when there is none.</summary>
    public static int NextFingerprint(ReadOnlySpan<uint> hashes, int start)
    {
        ref uint first = ref MemoryMarshal.GetReference(hashes);
        Vector256<uint> limit = Vector256.Create(FingerprintLimit);
        int i = start;
        for (; i <= hashes.Length - Lanes; i += Lanes)
        {
            uint below = Vector256.LessThan(Vector256.LoadUnsafe(ref first, (nuint)i), limit).ExtractMostSignificantBits();
            if (below != 0)
            {
                return i + BitOperations.TrailingZeroCount(below);
            }
        }

        for (; i < hashes.Length && hashes[i] >= FingerprintLimit; i++)
        {
        }

        return i;
    }

    /// <summary>One position in 32 is looked at, whichever picture it is in: the content chooses.</summary>
    public const uint FingerprintLimit = 1u << 27;

    // The rows are at least one vector long where this is called, which the loops' bounds ensure.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Equal(ref uint left, ref uint right, int offset, Vector256<uint> mask) =>
        Vector256.Equals(
            Vector256.LoadUnsafe(ref left, (nuint)offset) | mask,
            Vector256.LoadUnsafe(ref right, (nuint)offset) | mask).ExtractMostSignificantBits();

    private static int Join(Span<uint> hashes, int count, int distance, uint factor)
    {
        int joined = count - distance;
        Span<uint> room = hashes[..count];
        ref uint first = ref MemoryMarshal.GetReference(room);
        Vector256<uint> factors = Vector256.Create(factor);
        int i = 0;
        // Writing at i is safe: later steps read from i + 8 on only.
        for (; i <= joined - Lanes; i += Lanes)
        {
            ((Vector256.LoadUnsafe(ref first, (nuint)i) * factors) + Vector256.LoadUnsafe(ref first, (nuint)(i + distance))).StoreUnsafe(ref first, (nuint)i);
        }

        for (; i < joined; i++)
        {
            room[i] = (room[i] * factor) + room[i + distance];
        }

        return joined;
    }
}
