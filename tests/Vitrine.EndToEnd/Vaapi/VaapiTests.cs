using Vitrine.Codecs.H264;
using Vitrine.Codecs.Tests.H264;
using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.EndToEnd.Vaapi;

/// <summary>The system's libavcodec and libva, with a driver that codes in memory and without loss.</summary>
public sealed class VaapiTests(MemoryDriver driver) : IClassFixture<MemoryDriver>
{
    private const long FrameNs = 33_333_333;

    [Theory]
    [InlineData(64, 64, "")]
    [InlineData(322, 178, "")]
    [InlineData(640, 384, "")]
    [InlineData(322, 178, "MEMORY_VA_NO_DERIVE")]
    [InlineData(322, 178, "MEMORY_VA_NO_SYNC_BUFFER")]
    public void EveryPicture_ComesOutAtOnceAndDecodesExactly(int width, int height, string without)
    {
        MemoryDriver.Set((without, "1"));
        using (H264Encoder encoder = Open(new() { Size = new(width, height), BitsPerSecondMax = 100_000_000 }, ", VBR, 2 slices"))
        using (H264Decoder decoder = H264Decoder.TryCreate(out _)!)
        {
            for (int i = 0; i < 12; i++)
            {
                bool wantsKeyFrame = i is 0 or 7;
                MovingPicture.Paint(encoder.Input, i / 2); // every other one is the same again
                Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(i * FrameNs, wantsKeyFrame, out ReadOnlySpan<byte> unit, out bool isKeyFrame));
                Assert.Equal(wantsKeyFrame, isKeyFrame);
                Assert.Equal(wantsKeyFrame, AnnexB.HasKeyFrame(unit));
                Assert.Equal(2, Slices(unit));
                Assert.Equal(DecodeStatus.Decoded, decoder.Decode(unit, out YuvPicture picture));
                AssertEqual(encoder.Input, picture);
            }
        }

        Assert.Equal(0, driver.Objects);
    }

    [Fact]
    public void Stream_SaysItsColoursAndThatNothingIsReordered()
    {
        MemoryDriver.Set();
        using H264Encoder encoder = Open(new() { Size = new(320, 192) }, "VBR");
        Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(0, true, out ReadOnlySpan<byte> unit, out _));
        SequenceParameters parameters = SequenceParameters.Read(unit);
        // BT.709's primaries and transfer, BT.601's matrix.
        Assert.Equal((1, 1, 6, false), (parameters.Primaries, parameters.Transfer, parameters.Matrix, parameters.IsFullRange));
        Assert.Equal((1, 1), parameters.ChromaLocation);
        Assert.Equal(0, parameters.ReorderedFramesMax);
        Assert.Equal(new DeviceSize(320, 192), parameters.Size);
    }

    [Theory]
    [InlineData("MEMORY_VA_RATE", "2", "CBR, 2 slices", 2)]
    [InlineData("MEMORY_VA_SLICES", "1", "VBR, 1 slice", 1)]
    [InlineData("MEMORY_VA_LOW_POWER", "1", "VBR, 2 slices, low power", 2)]
    public void DriverThatTakesLess_IsUsedAsItIs(string setting, string value, string said, int slices)
    {
        MemoryDriver.Set((setting, value));
        using (H264Encoder encoder = Open(new() { Size = new(128, 64) }, said))
        {
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(0, true, out ReadOnlySpan<byte> unit, out _));
            Assert.Equal(slices, Slices(unit));
        }

        Assert.Equal(0, driver.Objects);
    }

    [Theory]
    [InlineData("MEMORY_VA_NO_H264", "1")]
    [InlineData("MEMORY_VA_RATE", "16")]
    public void DriverWithoutWhatIsNeeded_IsNamedAndGivenBack(string setting, string value)
    {
        MemoryDriver.Set((setting, value));
        Assert.Null(VaapiEncoder.TryOpen(new() { Size = new(128, 64) }, [driver.Device], out string reason));
        Assert.StartsWith($"{driver.Device}: ", reason, StringComparison.Ordinal);
        Assert.Contains("its driver has no encoder for H.264", reason, StringComparison.Ordinal);
        Assert.Equal(0, driver.Objects);
    }

    [Fact]
    public void DeviceThatIsNone_IsPassedOver()
    {
        MemoryDriver.Set();
        using AvEncoder? encoder = VaapiEncoder.TryOpen(new() { Size = new(128, 64) }, ["/dev/null", driver.Device], out string reason);
        Assert.NotNull(encoder);
        Assert.Contains($"VA-API hardware {driver.Device}", reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("3", "h264_vaapi: ")]
    public void Probe_SeesWhetherItCodes(string failsAt, string? fault)
    {
        MemoryDriver.Set(("MEMORY_VA_FAILS_AT", failsAt));
        using H264Encoder encoder = Open(new() { Size = new(256, 128) }, "VBR");
        Assert.Equal(fault, H264Support.FaultOf(encoder)?[..12]);
    }

    [Fact]
    public void DriverThatFailsMidStream_FailsForGoodAndIsGivenBack()
    {
        MemoryDriver.Set(("MEMORY_VA_FAILS_AT", "3"));
        using (H264Encoder encoder = Open(new() { Size = new(128, 64) }, "VBR"))
        {
            for (int i = 0; i < 5; i++)
            {
                Assert.Equal(i < 2 ? EncodeStatus.Encoded : EncodeStatus.Failed, encoder.TryEncode(i * FrameNs, false, out ReadOnlySpan<byte> unit, out _));
                Assert.Equal(i >= 2, unit.IsEmpty);
            }

            Assert.StartsWith("h264_vaapi: ", encoder.FailureReason, StringComparison.Ordinal);
        }

        Assert.Equal(0, driver.Objects);
    }

    [Fact]
    public void ThousandPictures_AllocateNothingAndTakeNoMoreSurfaces()
    {
        MemoryDriver.Set();
        using H264Encoder encoder = Open(new() { Size = new(64, 64) }, "VBR");
        int encoded = 0;
        Encode(100);
        int objects = driver.Objects;
        Assert.Equal(0, Allocation.BytesOf(() => Encode(1_000)));
        Assert.Equal("", encoder.FailureReason);
        Assert.Equal(objects, driver.Objects);

        void Encode(int pictures)
        {
            for (int end = encoded + pictures; encoded < end; encoded++)
            {
                encoder.Input.Y[encoded % 64] = (byte)encoded;
                _ = encoder.TryEncode(encoded * FrameNs, encoded % 100 == 0, out _, out _);
            }
        }
    }

    private H264Encoder Open(H264EncoderOptions options, string said)
    {
        AvEncoder? encoder = VaapiEncoder.TryOpen(options, [driver.Device], out string reason);
        bool isRight = encoder is not null && reason.Contains(said, StringComparison.Ordinal);
        if (!isRight)
        {
            encoder?.Dispose();
        }

        Assert.True(isRight, reason);
        return H264Encoder.Create(encoder!, options);
    }

    private static int Slices(ReadOnlySpan<byte> unit)
    {
        int count = 0;
        for (int i = 0; i + 3 < unit.Length; i++)
        {
            count += unit[i] == 0 && unit[i + 1] == 0 && unit[i + 2] == 1 && (unit[i + 3] & 31) is 1 or 5 ? 1 : 0;
        }

        return count;
    }

    private static void AssertEqual(YuvPicture nv12, YuvPicture i420)
    {
        Assert.Equal(YuvLayout.Nv12, nv12.Layout);
        Assert.Equal(nv12.Size, i420.Size);
        int width = nv12.Size.Width;
        for (int y = 0; y < nv12.Size.Height; y++)
        {
            Assert.True(nv12.Y.Slice(y * nv12.YStrideBytes, width).SequenceEqual(i420.Y.Slice(y * i420.YStrideBytes, width)), $"luma row {y}");
        }

        for (int y = 0; y < nv12.Size.Height / 2; y++)
        {
            for (int x = 0; x < width / 2; x++)
            {
                ReadOnlySpan<byte> pair = nv12.U.Slice((y * nv12.UvStrideBytes) + (x * 2), 2);
                Assert.Equal((pair[0], pair[1]), (i420.U[(y * i420.UvStrideBytes) + x], i420.V[(y * i420.UvStrideBytes) + x]));
            }
        }
    }
}
