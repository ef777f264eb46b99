using Vitrine.Codecs.H264;
using Vitrine.Codecs.Tests.Regions;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Measurement;

namespace Vitrine.Codecs.Tests.H264;

public sealed class H264EncoderPoolTests
{
    [Fact]
    public void SizeOnTheWay_IsRoundedUp()
    {
        Assert.Equal(new DeviceSize(64, 64), H264EncoderPool.CodedSizeOf(new(16, 64)));
        Assert.Equal(new DeviceSize(832, 640), H264EncoderPool.CodedSizeOf(new(800, 600)));
        Assert.Equal(new DeviceSize(1920, 1088), H264EncoderPool.CodedSizeOf(new(1920, 1080)));
    }

    [Fact]
    public void RegionThatGrowsALittle_GetsItsEncoderBackWithAKeyFrameAndNothingOfBefore()
    {
        using H264EncoderPool pool = new();
        H264Encoder first = Rent(pool, new(200, 100));
        MovingPicture.Paint(first.Input, 1);
        Assert.Equal(EncodeStatus.Encoded, first.TryEncode(0, false, out _, out _));
        pool.Return(first);
        Assert.Equal(1, pool.IdleCount);
        H264Encoder second = Rent(pool, new(250, 120));
        Assert.Same(first, second);
        Assert.True(second.Input.Y.IndexOfAnyExcept((byte)16) < 0 && second.Input.U.IndexOfAnyExcept((byte)128) < 0);
        Assert.Equal(EncodeStatus.Encoded, second.TryEncode(1, false, out _, out bool isKeyFrame));
        Assert.True(isKeyFrame);
        Assert.Equal((1, 1), (pool.OpenedCount, pool.ReusedCount));
        pool.Return(second);
    }

    [Fact]
    public void OtherSizeOrPace_OpensAnother()
    {
        using H264EncoderPool pool = new();
        H264Encoder first = Rent(pool, new(200, 100));
        pool.Return(first);
        H264Encoder wider = Rent(pool, new(300, 100));
        Assert.NotSame(first, wider);
        H264Encoder slower = pool.TryRent(new() { Size = new(200, 100), FramesPerSecondMax = 5 }, out string reason) ?? throw new InvalidOperationException(reason);
        Assert.NotSame(first, slower);
        pool.Return(wider);
        pool.Return(slower);
        Assert.Equal(3, pool.IdleCount);
    }

    [Fact]
    public void OtherRate_TakesTheSameEncoder()
    {
        using H264EncoderPool pool = new();
        H264Encoder first = Rent(pool, new(200, 100));
        pool.Return(first);
        H264Encoder again = pool.TryRent(new() { Size = new(200, 100), BitsPerSecondMax = 500_000 }, out string reason) ?? throw new InvalidOperationException(reason);
        Assert.Same(first, again);
        Assert.Equal(500_000, again.BitsPerSecondMax);
        pool.Return(again);
    }

    [Fact]
    public void MoreThanTheBound_ClosesTheOldest()
    {
        using H264EncoderPool pool = new(idleMax: 2);
        H264Encoder[] encoders = [Rent(pool, new(64, 64)), Rent(pool, new(128, 64)), Rent(pool, new(192, 64))];
        Assert.Equal(3, pool.RentedCount);
        foreach (H264Encoder encoder in encoders)
        {
            pool.Return(encoder);
        }

        Assert.Equal((2, 0), (pool.IdleCount, pool.RentedCount));
        Assert.Throws<ObjectDisposedException>(() => encoders[0].TryEncode(0, false, out _, out _));
        Assert.Same(encoders[2], Rent(pool, new(192, 64)));
        pool.Return(encoders[2]);
    }

    [Fact]
    public void IdleForLong_IsClosedAndTheOthersAreNot()
    {
        StepClock clock = new(lookNs: 0);
        using H264EncoderPool pool = new(time: clock);
        H264Encoder[] encoders = [Rent(pool, new(64, 64)), Rent(pool, new(128, 64)), Rent(pool, new(192, 64))];
        pool.Return(encoders[0]);
        clock.AdvanceMs(20_000);
        pool.Return(encoders[1]);
        pool.CloseIdle(TimeSpan.FromSeconds(30));
        Assert.Equal(2, pool.IdleCount);
        clock.AdvanceMs(10_000);
        pool.CloseIdle(TimeSpan.FromSeconds(30));
        Assert.Equal((1, 1), (pool.IdleCount, pool.RentedCount));
        Assert.Throws<ObjectDisposedException>(() => encoders[0].TryEncode(0, false, out _, out _));
        clock.AdvanceMs(3_600_000);
        Assert.Equal(EncodeStatus.Encoded, encoders[2].TryEncode(0, false, out _, out _)); // rented: no matter for how long
        pool.Return(encoders[2]);
        pool.CloseIdle(TimeSpan.FromSeconds(30));
        Assert.Equal(1, pool.IdleCount);
        pool.CloseIdle(TimeSpan.Zero);
        Assert.Equal(0, pool.IdleCount);
    }

    [Fact]
    public void NoneToBeHad_SaysWhy()
    {
        using H264EncoderPool pool = new();
        Assert.Null(pool.TryRent(new() { Size = new(64, 64), Encoder = "h264_nothing" }, out string reason));
        Assert.Contains("h264_nothing", reason, StringComparison.Ordinal);
        Assert.Equal(0, pool.RentedCount);
    }

    [Fact]
    public void TwoHundredOfEach_LeaveNothing()
    {
        OpenAndClose(20);
        Assert.True(ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample before));
        OpenAndClose(200);
        Assert.True(ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample after));
        // Tests beside this one come and go with encoders and threads of their own; 200 of ours would be 400 and more.
        Assert.InRange(after.Descriptors - before.Descriptors, int.MinValue, 20);
        Assert.InRange(after.Threads - before.Threads, int.MinValue, 40);
        Assert.InRange(after.ResidentBytes - before.ResidentBytes, long.MinValue, 150L << 20); // one holds more than 3 MB
    }

    private static void OpenAndClose(int count)
    {
        for (int i = 0; i < count; i++)
        {
            using H264Encoder encoder = H264EncoderTests.Open(new() { Size = new(640, 384) });
            using H264Decoder decoder = H264EncoderTests.OpenDecoder();
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(0, true, out ReadOnlySpan<byte> unit, out _));
            Assert.Equal(DecodeStatus.Decoded, decoder.Decode(unit, out YuvPicture _));
        }
    }

    private static H264Encoder Rent(H264EncoderPool pool, DeviceSize size) =>
        pool.TryRent(new() { Size = size }, out string reason) ?? throw new InvalidOperationException(reason);
}
