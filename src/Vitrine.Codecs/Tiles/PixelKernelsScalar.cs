namespace Vitrine.Codecs.Tiles;

/// <summary>The plain twin of <see cref="PixelKernels"/>: what its results are held against.</summary>
internal static class PixelKernelsScalar
{
    public static int EqualFromLeft(ReadOnlySpan<uint> a, ReadOnlySpan<uint> b)
    {
        int i = 0;
        while (i < a.Length && (a[i] | PixelKernels.OpaqueMask) == (b[i] | PixelKernels.OpaqueMask))
        {
            i++;
        }

        return i;
    }

    public static int EqualFromRight(ReadOnlySpan<uint> a, ReadOnlySpan<uint> b)
    {
        int i = 0;
        while (i < a.Length && (a[^(i + 1)] | PixelKernels.OpaqueMask) == (b[a.Length - i - 1] | PixelKernels.OpaqueMask))
        {
            i++;
        }

        return i;
    }

    public static void CopyOpaque(ReadOnlySpan<uint> source, Span<uint> destination)
    {
        for (int i = 0; i < source.Length; i++)
        {
            destination[i] = source[i] | PixelKernels.OpaqueMask;
        }
    }

    public static bool IsSolid(ReadOnlySpan<uint> pixels)
    {
        foreach (uint pixel in pixels)
        {
            if (pixel != pixels[0])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The polynomial that the five rounds come to: each pixel times the factors of the rounds in which its bit is 0.</summary>
    public static uint HashStrip(ReadOnlySpan<uint> strip)
    {
        ReadOnlySpan<uint> factors = [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D, 0x27D4_EB2F, 0x1656_67B1];
        uint hash = 0;
        for (int i = 0; i < PixelKernels.StripPixels; i++)
        {
            uint term = strip[i] | PixelKernels.OpaqueMask;
            for (int round = 0; round < factors.Length; round++)
            {
                term *= (i >> round & 1) == 0 ? factors[round] : 1;
            }

            hash += term;
        }

        return hash;
    }
}
