using Vitrine.Codecs.Regions;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tests.Regions;

public sealed class UnitStoreTests
{
    [Fact]
    public void StreamsComeAndGo_BuffersOfTheFirstServeThemAll()
    {
        CodedTilePool pool = new(8 << 20);
        UnitStore units = new(pool);
        byte[] data = new byte[200_000];
        Play(units, data, stream: 1, pictures: 40);
        uint stream = 1;
        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            for (int i = 0; i < 10; i++)
            {
                Play(units, data, ++stream, pictures: 100);
            }
        }));
        Assert.Equal(0, pool.OutstandingCount);
    }

    /// <summary>A key frame, pictures of many sizes, and now and then another key frame.</summary>
    private static void Play(UnitStore units, byte[] data, uint stream, int pictures)
    {
        for (int i = 0; i < pictures; i++)
        {
            bool isKeyFrame = i % 30 == 0;
            int bytes = isKeyFrame ? data.Length : 500 + (i * 7919 % 60_000);
            VideoHead head = new(1, VideoCodec.H264, isKeyFrame ? VideoFlags.KeyFrame : 0, stream, (uint)i + 1, new(640, 480), new DeviceRectangle(0, 0, 640, 480));
            units.Add(0, 0, head, data.AsSpan(0, bytes), new UnitTimes(1, 2, 3));
        }

        units.End(0, 0);
    }
}
