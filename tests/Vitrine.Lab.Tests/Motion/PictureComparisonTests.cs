using Vitrine.Frames;
using Vitrine.Lab.Motion;

namespace Vitrine.Lab.Tests.Motion;

public sealed class PictureComparisonTests
{
    private static readonly DeviceSize s_size = new(37, 11);

    [Fact]
    public void OnlyUnusedBytesDiffer_IsEqual()
    {
        byte[] left = Random(), right = [.. left];
        for (int i = 3; i < right.Length; i += 4)
        {
            right[i] ^= 0xFF;
        }

        Assert.True(PictureComparison.AreEqual(left, right));
        Assert.False(PictureComparison.AreEqual(left, right.AsSpan(4)));
    }

    [Fact]
    public void AnyOnePixelDiffers_IsFoundAndCountedUnlessItIsExcepted()
    {
        var except = new DeviceRectangle(5, 3, 20, 4);
        for (int pixel = 0; pixel < s_size.Area; pixel++)
        {
            byte[] left = Random(), right = [.. left];
            right[(pixel * 4) + (pixel % 3)] ^= 1;
            bool isExcepted = except.Contains(new DevicePoint(pixel % s_size.Width, pixel / s_size.Width));
            Assert.False(PictureComparison.AreEqual(left, right));
            Assert.Equal(isExcepted ? 0 : 1, PictureComparison.CountOutside(left, right, s_size, except, _ => true));
            Assert.Equal(0, PictureComparison.CountOutside(left, right, s_size, except, differing => differing != new DevicePoint(pixel % s_size.Width, pixel / s_size.Width)));
        }
    }

    [Fact]
    public void EveryValueOneOff_Is48Decibels()
    {
        byte[] left = new byte[s_size.Area * 4], right = new byte[left.Length];
        left.AsSpan().Fill(100);
        right.AsSpan().Fill(101);
        var quality = new PictureQuality();
        quality.Add(left, s_size.Width * 4, right, s_size.Width * 4, DeviceRectangle.Of(s_size));
        Assert.Equal(48.13, quality.ColourDecibels, 2);
        Assert.Equal(48.13, quality.LumaDecibels, 2);
        Assert.Equal(quality.LumaDecibels, quality.WorstLumaDecibels);
    }

    private static byte[] Random()
    {
        byte[] picture = new byte[s_size.Area * 4];
        new Random(11).NextBytes(picture);
        return picture;
    }
}
