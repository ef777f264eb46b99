using Vitrine.Imaging.Colour;

namespace Vitrine.Imaging.Tests.Colour;

public sealed class ColourDifferenceTests
{
    // Table 1 of Sharma, Wu and Dalal (2005).
    [Theory]
    [InlineData(50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425)]
    [InlineData(50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615)]
    [InlineData(50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412)]
    [InlineData(50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000)]
    [InlineData(50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000)]
    [InlineData(50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000)]
    [InlineData(50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669)]
    [InlineData(50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669)]
    [InlineData(50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792)]
    [InlineData(50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792)]
    [InlineData(50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195)]
    [InlineData(50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195)]
    [InlineData(50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045)]
    [InlineData(50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045)]
    [InlineData(50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461)]
    [InlineData(50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065)]
    [InlineData(50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492)]
    [InlineData(50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977)]
    [InlineData(50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030)]
    [InlineData(50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535)]
    [InlineData(50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000)]
    [InlineData(50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000)]
    [InlineData(50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000)]
    [InlineData(50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000)]
    [InlineData(60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644)]
    [InlineData(63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630)]
    [InlineData(61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731)]
    [InlineData(35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645)]
    [InlineData(22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373)]
    [InlineData(36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146)]
    [InlineData(90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441)]
    [InlineData(90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381)]
    [InlineData(6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377)]
    [InlineData(2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082)]
    public void PublishedPair_PublishedDifference(double l1, double a1, double b1, double l2, double a2, double b2, double expected)
    {
        LabColour first = new(l1, a1, b1), second = new(l2, a2, b2);

        Assert.Equal(expected, Math.Round(ColourDifference.Ciede2000(first, second), 4));
        Assert.Equal(expected, Math.Round(ColourDifference.Ciede2000(second, first), 4));
    }

    // Lab of sRGB's corners with D65 (CIE 15, IEC 61966-2-1).
    [Theory]
    [InlineData(0, 0, 0, 0, 0, 0)]
    [InlineData(255, 255, 255, 100, 0, 0)]
    [InlineData(255, 0, 0, 53.24, 80.09, 67.20)]
    [InlineData(0, 255, 0, 87.73, -86.18, 83.18)]
    [InlineData(0, 0, 255, 32.30, 79.19, -107.86)]
    [InlineData(128, 128, 128, 53.59, 0, 0)]
    public void Srgb_KnownLab(byte red, byte green, byte blue, double l, double a, double b)
    {
        LabColour lab = LabColour.FromSrgb(blue, green, red);

        Assert.Equal(l, lab.L, 0.01);
        Assert.Equal(a, lab.A, 0.01);
        Assert.Equal(b, lab.B, 0.01);
    }

    [Fact]
    public void EqualPictures_NoDifference()
    {
        byte[] pixels = new byte[64], padded = new byte[16 + 24];
        new Random(1).NextBytes(pixels);
        pixels.AsSpan(0, 16).CopyTo(padded);
        pixels.AsSpan(16, 16).CopyTo(padded.AsSpan(24));
        padded[3]++; // X

        PictureDifference difference = ColourDifference.Compare(pixels, 16, padded, 24, new(4, 2));

        Assert.Equal(new(0, 0, 0, double.PositiveInfinity, double.PositiveInfinity), difference);
    }

    [Fact]
    public void OnePixelOfFour_CountedAndAveraged()
    {
        byte[] first = new byte[16], second = new byte[16];
        (second[4], second[5], second[6]) = (255, 255, 255);

        PictureDifference difference = ColourDifference.Compare(first, 8, second, 8, new(2, 2));

        Assert.Equal(1, difference.DifferentPixels);
        Assert.Equal(100, difference.MaxCiede2000, 0.001);
        Assert.Equal(25, difference.MeanCiede2000, 0.001);
        Assert.Equal(10 * Math.Log10(4), difference.PsnrLumaDb, 0.000001);
        Assert.Equal(10 * Math.Log10(4), difference.PsnrRgbDb, 0.000001);
    }

    // A difference of ten levels everywhere: 20 log10(255 / 10).
    [Fact]
    public void SameDifferenceEverywhere_KnownPsnr()
    {
        byte[] first = [.. Enumerable.Repeat((byte)100, 64)], second = [.. Enumerable.Repeat((byte)110, 64)];

        PictureDifference difference = ColourDifference.Compare(first, 16, second, 16, new(4, 4));

        Assert.Equal(28.1308, difference.PsnrLumaDb, 0.0001);
        Assert.Equal(28.1308, difference.PsnrRgbDb, 0.0001);
    }

    [Fact]
    public void TooFewPixels_Refused()
    {
        Assert.Throws<ArgumentException>(() => ColourDifference.Compare(new byte[31], 16, new byte[32], 16, new(4, 2)));
        Assert.Throws<ArgumentException>(() => ColourDifference.Compare(new byte[32], 16, new byte[32], 15, new(4, 2)));
        Assert.Throws<ArgumentException>(() => ColourDifference.Compare([], 0, [], 0, default));
    }
}
