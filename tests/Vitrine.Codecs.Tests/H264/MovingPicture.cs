using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.Codecs.Tests.H264;

/// <summary>Something that moves all over the picture, and how far a decoded one is from it.</summary>
internal static class MovingPicture
{
    /// <summary>Paints step <paramref name="step"/>: waves that wander, with some noise that stays.</summary>
    public static void Paint(YuvPicture picture, int step)
    {
        for (int y = 0; y < picture.Size.Height; y++)
        {
            Span<byte> row = picture.Y.Slice(y * picture.YStrideBytes, picture.Size.Width);
            for (int x = 0; x < row.Length; x++)
            {
                row[x] = (byte)(128 + (int)(80 * Math.Sin((x + (step * 3)) / 17.0)) + (((x * 31) ^ (y * 17)) & 7) + ((y + step) % 23));
            }
        }

        for (int y = 0; y < picture.Size.Height / 2; y++)
        {
            byte u = (byte)(100 + ((y + step) % 50)), v = (byte)(160 - ((y + step) % 50));
            Span<byte> row = picture.U.Slice(y * picture.UvStrideBytes, picture.Layout == YuvLayout.Nv12 ? picture.Size.Width : picture.Size.Width / 2);
            row.Fill(u);
            if (picture.Layout != YuvLayout.Nv12)
            {
                picture.V.Slice(y * picture.UvStrideBytes, picture.Size.Width / 2).Fill(v);
                continue;
            }

            for (int x = 1; x < row.Length; x += 2)
            {
                row[x] = v;
            }
        }
    }

    /// <summary>Noise that nothing predicts: as many bits as can be had.</summary>
    /// <param name="picture">Is filled.</param>
    /// <param name="random">Same seed, same noise.</param>
    /// <param name="mask">Which bits are noise.</param>
    public static void Noise(YuvPicture picture, Random random, byte mask = 255)
    {
        random.NextBytes(picture.Y);
        random.NextBytes(picture.U);
        random.NextBytes(picture.V);
        Keep(picture.Y, mask);
        Keep(picture.U, mask);
        Keep(picture.V, mask);
    }

    private static void Keep(Span<byte> bytes, byte mask)
    {
        foreach (ref byte value in bytes)
        {
            value &= mask;
        }
    }

    /// <summary>Luma, decibels; over the smaller of the two sizes.</summary>
    public static double Psnr(YuvPicture one, YuvPicture other)
    {
        DeviceSize size = new(Math.Min(one.Size.Width, other.Size.Width), Math.Min(one.Size.Height, other.Size.Height));
        double sum = 0;
        for (int y = 0; y < size.Height; y++)
        {
            ReadOnlySpan<byte> a = one.Y.Slice(y * one.YStrideBytes, size.Width), b = other.Y.Slice(y * other.YStrideBytes, size.Width);
            for (int x = 0; x < a.Length; x++)
            {
                sum += (a[x] - b[x]) * (a[x] - b[x]);
            }
        }

        return sum == 0 ? 99 : 10 * Math.Log10(255.0 * 255 * size.Width * size.Height / sum);
    }
}
