using Vitrine.Frames;
using Vitrine.Lab.Content;

namespace Vitrine.Lab.Tests.Content;

public sealed class NumberStripTests
{
    private const int Width = 352, Height = 32, Stride = Width * 4;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(0x5A5A)]
    [InlineData(65_535)]
    public void NumberDrawn_IsReadAgainWhereItIs(int number)
    {
        byte[] picture = new byte[Stride * Height];
        NumberStrip.Write(picture.AsSpan((5 * Stride) + (7 * 4)), Stride, number);
        Assert.True(NumberStrip.TryRead(picture, Stride, new DevicePoint(7, 5), out int read));
        Assert.Equal(number, read);
    }

    [Fact]
    public void LongNumber_IsTakenModulo()
    {
        byte[] picture = new byte[Stride * Height];
        NumberStrip.Write(picture, Stride, (3L * NumberStrip.Numbers) + 77);
        Assert.True(NumberStrip.TryRead(picture, Stride, default, out int read));
        Assert.Equal(77, read);
    }

    [Fact]
    public void PlainPicture_IsNoStrip()
    {
        byte[] picture = new byte[Stride * Height];
        Assert.False(NumberStrip.TryRead(picture, Stride, default, out _));
        picture.AsSpan().Fill(255);
        Assert.False(NumberStrip.TryRead(picture, Stride, default, out _));
    }

    [Fact]
    public void OneBlockOfAnotherFrame_IsNoStrip()
    {
        for (int block = 0; block < NumberStrip.Blocks; block++)
        {
            uint code = 0;
            for (int i = 0; i < NumberStrip.Blocks; i++)
            {
                code = (code << 1) | (NumberStrip.IsWhite(4242, i) != (i == block) ? 1u : 0u);
            }

            Assert.False(NumberStrip.TryDecode(code, out _));
        }
    }

    [Theory]
    [InlineData(5, 65_530, 65_541)]
    [InlineData(65_530, 65_541, 65_530)]
    [InlineData(100, 90, 100)]
    public void NumberRoundTheEnd_IsTheNearestFrame(int number, long near, long frame) => Assert.Equal(frame, NumberStrip.Unwrap(number, near));

    // What a lossy codec does to it: ringing and blur between blocks, half the resolution, and noise of a PSNR of 28 dB.
    [Fact]
    public void LossyPictureOf28Decibels_KeepsEveryNumber()
    {
        var random = new Random(7);
        byte[] picture = new byte[Stride * Height];
        for (int number = 0; number < NumberStrip.Numbers; number += 3331)
        {
            NumberStrip.Write(picture, Stride, number);
            byte[] lossy = Blur(picture);
            double error = 0;
            int count = 0;
            for (int i = 0; i < lossy.Length; i++)
            {
                double noise = (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2 * 18;
                lossy[i] = (byte)Math.Clamp(lossy[i] + noise, 0, 255);
                error += Math.Pow(lossy[i] - picture[i], 2);
                count++;
            }

            Assert.True(10 * Math.Log10(255 * 255 / (error / count)) < 28);
            Assert.True(NumberStrip.TryRead(lossy, Stride, default, out int read));
            Assert.Equal(number, read);
        }
    }

    private static byte[] Blur(byte[] picture)
    {
        byte[] blurred = new byte[picture.Length];
        for (int y = 0; y < Height; y++)
        {
            for (int x = 0; x < Width; x++)
            {
                int left = Math.Max(x - 2, 0), right = Math.Min(x + 2, Width - 1), above = Math.Max(y - 2, 0), below = Math.Min(y + 2, Height - 1);
                for (int channel = 0; channel < 4; channel++)
                {
                    int sum = 0;
                    for (int v = above; v <= below; v++)
                    {
                        for (int u = left; u <= right; u++)
                        {
                            sum += picture[(v * Stride) + (u * 4) + channel];
                        }
                    }

                    blurred[(y * Stride) + (x * 4) + channel] = (byte)(sum / ((right - left + 1) * (below - above + 1)));
                }
            }
        }

        return blurred;
    }
}
