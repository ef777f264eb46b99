using Vitrine.Codecs.Regions;

namespace Vitrine.Codecs.Tests.Regions;

public sealed class VideoCostTests
{
    private const long Pixels = 100_000;

    [Fact]
    public void OnePicture_AnEighthOfTheNews()
    {
        VideoCost cost = new();
        (double pixelNs, double pixelBytes) = (cost.PixelNs, cost.PixelBytes);
        cost.Note(Pixels, 50_000, 2_300_000); // 20 ns and half a byte a pixel, beside the picture's own 0.3 ms
        Assert.Equal(pixelNs + ((20 - pixelNs) / 8), cost.PixelNs, 9);
        Assert.Equal(pixelBytes + ((0.5 - pixelBytes) / 8), cost.PixelBytes, 9);
    }

    [Fact]
    public void ManyPictures_WhatTheyCost()
    {
        VideoCost cost = new();
        for (int i = 0; i < 100; i++)
        {
            cost.Note(Pixels, 1_000, 1_300_000);
        }

        Assert.Equal(10, cost.PixelNs, 3);
        Assert.Equal(0.01, cost.PixelBytes, 5);
    }

    [Fact]
    public void PictureFasterThanItsOverhead_PixelsAreFreeAndNeverLessThanFree()
    {
        VideoCost cost = new();
        for (int i = 0; i < 1_000; i++)
        {
            cost.Note(Pixels, 0, 1);
        }

        Assert.InRange(cost.PixelNs, 0, 0.001);
        Assert.InRange(cost.PixelBytes, 0, 0.001);
    }
}
