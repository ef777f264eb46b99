using System.Security.Cryptography;
using Vitrine.Frames;
using Vitrine.Lab.Content;

namespace Vitrine.Lab.Tests.Content;

public sealed class VideoLoopTests
{
    private static readonly DeviceSize s_size = new(400, 240);

    [Fact]
    public void MadeTwice_IsTheSameToTheLastPixel()
    {
        using var first = new VideoLoop(s_size, 8);
        using var second = new VideoLoop(s_size, 8);
        Assert.Equal(SHA256.HashData(first.Memory.GetSpan()), SHA256.HashData(second.Memory.GetSpan()));
    }

    [Fact]
    public void ConsecutiveFrames_AlwaysDifferInMostPixels()
    {
        using var loop = new VideoLoop(s_size, 8);
        for (long frame = 0; frame < 60; frame++)
        {
            ReadOnlySpan<byte> one = loop.GetPicture(frame), next = loop.GetPicture(frame + 1);
            int differing = 0;
            for (int i = 0; i < one.Length; i += 4)
            {
                differing += one[i] != next[i] || one[i + 1] != next[i + 1] || one[i + 2] != next[i + 2] ? 1 : 0;
            }

            Assert.True(differing > s_size.Area / 2, $"frame {frame}: {differing}");
        }
    }

    [Fact]
    public void Frames_CutFromOneSceneToTheOtherAndBack()
    {
        using var loop = new VideoLoop(s_size, 8);
        int cuts = 0, largest = 0;
        for (long frame = 0; frame < 24; frame++)
        {
            int step = Math.Abs(loop.PictureOf(frame + 1) - loop.PictureOf(frame));
            cuts += step > 1 || loop.PictureOf(frame) / 4 != loop.PictureOf(frame + 1) / 4 ? 1 : 0;
            largest = Math.Max(largest, loop.PictureOf(frame));
        }

        Assert.Equal((2, 7), (cuts, largest));
        Assert.Equal(loop.PictureOf(3), loop.PictureOf(3 + 24));
    }
}
