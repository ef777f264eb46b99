namespace Vitrine.Imaging.Colour;

/// <summary>A colour in CIELAB (CIE 15:2004) with the white of sRGB, D65.</summary>
/// <param name="L">Lightness, 0 to 100.</param>
/// <param name="A">Green to red.</param>
/// <param name="B">Blue to yellow.</param>
public readonly record struct LabColour(double L, double A, double B)
{
    // sRGB's curve (IEC 61966-2-1) for the 256 values that there are.
    private static readonly double[] s_linear =
        [.. Enumerable.Range(0, 256).Select(value => value / 255.0).Select(value => value <= 0.04045 ? value / 12.92 : Math.Pow((value + 0.055) / 1.055, 2.4))];

    /// <summary>From sRGB.</summary>
    /// <param name="blue">0 to 255.</param>
    /// <param name="green">0 to 255.</param>
    /// <param name="red">0 to 255.</param>
    public static LabColour FromSrgb(byte blue, byte green, byte red)
    {
        double b = s_linear[blue], g = s_linear[green], r = s_linear[red];
        // The rows add up to the white, so that white is exactly (100, 0, 0).
        double x = Curve(((0.4124564 * r) + (0.3575761 * g) + (0.1804375 * b)) / 0.9504700);
        double y = Curve((0.2126729 * r) + (0.7151522 * g) + (0.0721750 * b));
        double z = Curve(((0.0193339 * r) + (0.1191920 * g) + (0.9503041 * b)) / 1.0888300);
        return new((116 * y) - 16, 500 * (x - y), 200 * (y - z));
    }

    private static double Curve(double value) => value > 216.0 / 24389 ? Math.Cbrt(value) : ((24389.0 / 27 * value) + 16) / 116;
}
