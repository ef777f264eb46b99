using Vitrine.Frames;

namespace Vitrine.Imaging.Colour;

/// <summary>How far two pictures are apart.</summary>
/// <param name="DifferentPixels">Pixels that are not equal.</param>
/// <param name="MeanCiede2000">Over all pixels; about 1 is just noticeable.</param>
/// <param name="MaxCiede2000">Of the worst pixel.</param>
/// <param name="PsnrLumaDb">Of BT.709 luma; infinite when equal.</param>
/// <param name="PsnrRgbDb">Of red, green and blue together; infinite when equal.</param>
public readonly record struct PictureDifference(
    long DifferentPixels, double MeanCiede2000, double MaxCiede2000, double PsnrLumaDb, double PsnrRgbDb);

/// <summary>Measures differences of colour. For laboratories and tests: about 0.2 us a pixel that differs.</summary>
public static class ColourDifference
{
    private const double TwentyFiveTo7 = 6103515625;

    /// <summary>CIEDE2000 with its three weights 1: Sharma, Wu and Dalal, «The CIEDE2000 color-difference formula: Implementation
    /// notes, supplementary test data, and mathematical observations», Color Research and Application 30 (2005).</summary>
    /// <param name="first">A colour.</param>
    /// <param name="second">Another one; the order makes no difference.</param>
    public static double Ciede2000(LabColour first, LabColour second)
    {
        // 1. Chroma and hue, with a stretched so that near-greys are told apart as eyes do (equations 2 to 7).
        double meanChroma = (Math.Sqrt((first.A * first.A) + (first.B * first.B)) + Math.Sqrt((second.A * second.A) + (second.B * second.B))) / 2;
        double stretch = 1 + (0.5 * (1 - ChromaShare(meanChroma)));
        (double a1, double a2) = (stretch * first.A, stretch * second.A);
        double c1 = Math.Sqrt((a1 * a1) + (first.B * first.B)), c2 = Math.Sqrt((a2 * a2) + (second.B * second.B));
        double h1 = Hue(a1, first.B), h2 = Hue(a2, second.B);

        // 2. Differences (equations 8 to 11). Grey has no hue.
        bool grey = c1 * c2 == 0;
        double hueStep = grey ? 0 : Math.Abs(h2 - h1) <= 180 ? h2 - h1 : h2 > h1 ? h2 - h1 - 360 : h2 - h1 + 360;
        double lightness = second.L - first.L, chroma = c2 - c1, hue = 2 * Math.Sqrt(c1 * c2) * Math.Sin(Radians(hueStep / 2));

        // 3. Means and weights (equations 12 to 21).
        double meanL = (first.L + second.L) / 2, meanC = (c1 + c2) / 2, sum = h1 + h2;
        double meanH = grey ? sum : Math.Abs(h1 - h2) <= 180 ? sum / 2 : sum < 360 ? (sum + 360) / 2 : (sum - 360) / 2;
        double t = 1 - (0.17 * Math.Cos(Radians(meanH - 30))) + (0.24 * Math.Cos(Radians(2 * meanH)))
            + (0.32 * Math.Cos(Radians((3 * meanH) + 6))) - (0.20 * Math.Cos(Radians((4 * meanH) - 63)));
        double fromMiddle = (meanL - 50) * (meanL - 50), fromBlue = (meanH - 275) / 25;
        double weightL = 1 + (0.015 * fromMiddle / Math.Sqrt(20 + fromMiddle)), weightC = 1 + (0.045 * meanC), weightH = 1 + (0.015 * meanC * t);
        double rotation = -Math.Sin(Radians(60 * Math.Exp(-fromBlue * fromBlue))) * 2 * ChromaShare(meanC);

        // 4. Equation 22.
        (lightness, chroma, hue) = (lightness / weightL, chroma / weightC, hue / weightH);
        return Math.Sqrt((lightness * lightness) + (chroma * chroma) + (hue * hue) + (rotation * chroma * hue));
    }

    /// <summary>Compares two pictures of B, G, R, X pixels; X is not looked at.</summary>
    /// <param name="first">At least to the last pixel of the last row.</param>
    /// <param name="firstStrideBytes">From row to row.</param>
    /// <param name="second">Of the same size.</param>
    /// <param name="secondStrideBytes">From row to row.</param>
    /// <param name="size">At least one pixel.</param>
    /// <exception cref="ArgumentException">The pixels are fewer than size and stride say, or the size is empty.</exception>
    public static PictureDifference Compare(
        ReadOnlySpan<byte> first, int firstStrideBytes, ReadOnlySpan<byte> second, int secondStrideBytes, DeviceSize size)
    {
        if (size.Width <= 0 || size.Height <= 0 || !Holds(first, firstStrideBytes, size) || !Holds(second, secondStrideBytes, size))
        {
            throw new ArgumentException($"There are no two pictures of {size} in {first.Length} and {second.Length} bytes.", nameof(size));
        }

        long different = 0;
        double sum = 0, max = 0, lumaSquares = 0, rgbSquares = 0;
        for (int row = 0; row < size.Height; row++)
        {
            ReadOnlySpan<byte> a = first.Slice(row * firstStrideBytes, size.Width * 4), b = second.Slice(row * secondStrideBytes, size.Width * 4);
            for (int x = 0; x < a.Length; x += 4)
            {
                int blue = b[x] - a[x], green = b[x + 1] - a[x + 1], red = b[x + 2] - a[x + 2];
                if ((blue | green | red) == 0)
                {
                    continue;
                }

                different++;
                double luma = (0.0722 * blue) + (0.7152 * green) + (0.2126 * red);
                lumaSquares += luma * luma;
                rgbSquares += (blue * blue) + (green * green) + (red * red);
                double difference = Ciede2000(LabColour.FromSrgb(a[x], a[x + 1], a[x + 2]), LabColour.FromSrgb(b[x], b[x + 1], b[x + 2]));
                sum += difference;
                max = Math.Max(max, difference);
            }
        }

        return new(different, sum / size.Area, max, Psnr(lumaSquares / size.Area), Psnr(rgbSquares / (3 * size.Area)));
    }

    /// <summary>Peak signal-to-noise ratio in decibels of values from 0 to 255; infinite for 0.</summary>
    /// <param name="meanSquaredError">Mean of the squared differences.</param>
    public static double Psnr(double meanSquaredError) =>
        meanSquaredError == 0 ? double.PositiveInfinity : 10 * Math.Log10(255.0 * 255.0 / meanSquaredError);

    private static double ChromaShare(double chroma)
    {
        double seventh = Math.Pow(chroma, 7);
        return Math.Sqrt(seventh / (seventh + TwentyFiveTo7));
    }

    private static double Hue(double a, double b)
    {
        double degrees = a == 0 && b == 0 ? 0 : Math.Atan2(b, a) * 180 / Math.PI;
        return degrees < 0 ? degrees + 360 : degrees;
    }

    private static double Radians(double degrees) => degrees * Math.PI / 180;

    private static bool Holds(ReadOnlySpan<byte> pixels, int strideBytes, DeviceSize size) =>
        strideBytes >= (long)size.Width * 4 && pixels.Length >= ((long)strideBytes * (size.Height - 1)) + ((long)size.Width * 4);
}
