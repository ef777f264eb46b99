using FsCheck;
using FsCheck.Fluent;
using Vitrine.Frames;

namespace Vitrine.Imaging.Tests;

public sealed class PictureScaleTests
{
    [Fact]
    public void Pixels_AreTheMeansOfThoseTheyStandFor()
    {
        Picture picture = Make(4, 2, (x, y) => (byte)((x * 10) + y));
        Picture small = PictureScale.Shrink(picture, 2);
        Assert.Equal(new DeviceSize(2, 1), small.Format.Size);
        Assert.Equal([6, 6, 6, 255, 26, 26, 26, 255], small.Pixels); // (0 + 10 + 1 + 11) / 4, rounded up; (20 + 30 + 21 + 31) / 4
    }

    [Fact]
    public void SmallPictures_StayAsTheyAre()
    {
        Picture picture = Make(3, 2, (x, y) => (byte)(x + y));
        Assert.Same(picture, PictureScale.Shrink(picture, 3));
    }

    [Fact]
    public void AnySize_FitsAndOneColourStaysOne() =>
        Prop.ForAll(
            (from width in Gen.Choose(1, 300)
             from height in Gen.Choose(1, 300)
             from most in Gen.Choose(1, 320)
             from colour in Gen.Choose(0, 255)
             select (width, height, most, colour)).ToArbitrary(),
            c =>
            {
                Picture small = PictureScale.Shrink(Make(c.width, c.height, (_, _) => (byte)c.colour), c.most);
                Assert.True(small.Format.Size.Width <= Math.Max(c.most, 1) && small.Format.Size.Height <= Math.Max(c.most, 1));
                Assert.Equal(Math.Min(c.most, Math.Max(c.width, c.height)), Math.Max(small.Format.Size.Width, small.Format.Size.Height));
                Assert.All(Enumerable.Range(0, small.Pixels.Length), i => Assert.Equal(i % 4 == 3 ? 255 : c.colour, small.Pixels[i]));
            }).QuickCheckThrowOnFailure();

    private static Picture Make(int width, int height, Func<int, int, byte> level)
    {
        FrameFormat format = FrameFormat.Packed(new(width, height));
        byte[] pixels = new byte[format.SizeBytes];
        for (int i = 0; i < pixels.Length; i += FrameFormat.BytesPerPixel)
        {
            pixels.AsSpan(i, 3).Fill(level(i / 4 % width, i / 4 / width));
            pixels[i + 3] = 255;
        }

        return new(format, pixels);
    }
}
