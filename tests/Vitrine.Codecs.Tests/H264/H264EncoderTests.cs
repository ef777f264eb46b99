using Vitrine.Codecs.H264;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tests.H264;

public sealed class H264EncoderTests
{
    private const long FrameNs = 33_333_333;

    [Theory]
    [InlineData("libx264", 16, 16)]
    [InlineData("libx264", 64, 64)]
    [InlineData("libx264", 322, 178)]
    [InlineData("libx264", 1920, 1088)]
    [InlineData("libopenh264", 16, 16)]
    [InlineData("libopenh264", 64, 64)]
    [InlineData("libopenh264", 322, 178)]
    [InlineData("libopenh264", 1920, 1088)]
    public void EveryPicture_ComesOutAtOnceAndDecodes(string name, int width, int height)
    {
        using H264Encoder encoder = Open(new() { Size = new(width, height), Encoder = name });
        Assert.Equal(name, encoder.Name);
        using H264Decoder decoder = OpenDecoder();
        for (int i = 0; i < 12; i++)
        {
            bool wantsKeyFrame = i is 0 or 7;
            MovingPicture.Paint(encoder.Input, i);
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(i * FrameNs, wantsKeyFrame, out ReadOnlySpan<byte> unit, out bool isKeyFrame));
            Assert.Equal(wantsKeyFrame, isKeyFrame);
            Assert.Equal(wantsKeyFrame, AnnexB.HasKeyFrame(unit));
            Assert.Equal(DecodeStatus.Decoded, decoder.Decode(unit, out YuvPicture picture));
            Assert.Equal(new DeviceSize(width, height), picture.Size);
            Assert.InRange(MovingPicture.Psnr(encoder.Input, picture), 28, 100);
        }
    }

    [Theory]
    [InlineData("libx264")]
    [InlineData("libopenh264")]
    public void KeyFrame_BringsParameterSetsAndOthersDoNot(string name)
    {
        using H264Encoder encoder = Open(new() { Size = new(128, 64), Encoder = name });
        for (int i = 0; i < 6; i++)
        {
            MovingPicture.Paint(encoder.Input, i);
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(i * FrameNs, i == 3, out ReadOnlySpan<byte> unit, out bool isKeyFrame));
            Assert.Equal(i is 0 or 3, isKeyFrame);
            List<int> types = Units(unit);
            Assert.Equal(isKeyFrame, types.Contains(7) && types.Contains(8) && types.Contains(5));
            Assert.Equal(!isKeyFrame, types.Contains(1));
        }
    }

    [Theory]
    [InlineData("libx264")]
    [InlineData("libopenh264")]
    public void EveryAccessUnit_HasTwoSlices(string name)
    {
        using H264Encoder encoder = Open(new() { Size = new(320, 192), Encoder = name });
        for (int i = 0; i < 6; i++)
        {
            MovingPicture.Paint(encoder.Input, i);
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(i * FrameNs, i == 3, out ReadOnlySpan<byte> unit, out bool isKeyFrame));
            Assert.Equal(isKeyFrame ? [5, 5] : [1, 1], Units(unit).Where(type => type is 1 or 5));
        }
    }

    [Theory]
    [InlineData("libx264")]
    [InlineData("libopenh264")]
    public void Decoding_CanBeginAtAnyKeyFrame(string name)
    {
        using H264Encoder encoder = Open(new() { Size = new(128, 64), Encoder = name });
        using H264Decoder decoder = OpenDecoder();
        for (int i = 0; i < 12; i++)
        {
            MovingPicture.Paint(encoder.Input, i);
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(i * FrameNs, i == 5, out ReadOnlySpan<byte> unit, out _));
            if (i > 0)
            {
                Assert.Equal(i < 5 ? DecodeStatus.Corrupt : DecodeStatus.Decoded, decoder.Decode(unit, out _));
            }
        }
    }

    [Theory]
    [InlineData("libx264", true)]
    [InlineData("libopenh264", false)]
    public void Stream_SaysItsColoursAndThatNothingIsReordered(string name, bool saysWhereChromaLies)
    {
        using H264Encoder encoder = Open(new() { Size = new(320, 192), Encoder = name });
        Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(0, true, out ReadOnlySpan<byte> unit, out _));
        SequenceParameters parameters = SequenceParameters.Read(unit);
        // BT.709's primaries and transfer, BT.601's matrix.
        Assert.Equal((1, 1, 6, false), (parameters.Primaries, parameters.Transfer, parameters.Matrix, parameters.IsFullRange));
        Assert.Equal(saysWhereChromaLies ? (1, 1) : null, parameters.ChromaLocation); // in the middle of its four pixels
        Assert.Equal(0, parameters.ReorderedFramesMax);
        Assert.Equal(new DeviceSize(320, 192), parameters.Size);
    }

    [Theory]
    [InlineData("libx264")]
    [InlineData("libopenh264")]
    public void Input_KeepsItsContentFromPictureToPicture(string name)
    {
        using H264Encoder encoder = Open(new() { Size = new(64, 64), Encoder = name });
        Assert.Equal(16, encoder.Input.Y[0]);
        MovingPicture.Paint(encoder.Input, 1);
        byte[] before = encoder.Input.Y.ToArray();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(i * FrameNs, false, out _, out _));
            Assert.Equal(before, encoder.Input.Y.ToArray());
        }
    }

    [Theory]
    [InlineData("libx264")]
    [InlineData("libopenh264")]
    public void Rate_FollowsWhileItRunsWithoutAKeyFrame(string name)
    {
        using H264Encoder encoder = Open(new() { Size = new(640, 384), FramesPerSecondMax = 30, BitsPerSecondMax = 8_000_000, Encoder = name });
        Random random = new(1);
        long high = Run(encoder, random, 0, 60);
        Assert.True(encoder.TrySetBitsPerSecondMax(3_000_000));
        _ = Run(encoder, random, 60, 20);
        long low = Run(encoder, random, 80, 60);
        Assert.InRange(high * 8 / 2, 4_500_000, 12_500_000); // two seconds, and the half second that the buffer lets pass
        Assert.InRange(low * 8 / 2, 1_500_000, 4_000_000);
    }

    [Fact]
    public void FewerPicturesASecond_MayEachBeLarger()
    {
        H264EncoderOptions options = new() { Size = new(640, 384), FramesPerSecondMax = 60, BitsPerSecondMax = 2_000_000 };
        using H264Encoder encoder = Open(options);
        _ = Run(encoder, new(1), 0, 40, FrameNs * 2);
        long bytes = Run(encoder, new(2), 40, 60, FrameNs * 2);
        Assert.InRange(bytes * 8 / 4, 1_300_000, 2_600_000); // 60 pictures at 15 a second are four seconds
    }

    [Theory]
    [InlineData("libx264")]
    [InlineData("h264_nvenc")]
    public void LibavcodecsEncoders_AreToldTheSlices(string name)
    {
        H264EncoderOptions options = new() { Size = new(320, 192), Slices = 3 };
        Assert.Contains(("slices", "3"), AvEncoder.Settings(name, options));
    }

    [Fact]
    public void SeveralLackTheSame_SaidOnce() =>
        Assert.Equal("a, b: no library; c: no device", H264Encoder.Describe([("a", "no library"), ("c", "no device"), ("b", "no library")]));

    [Theory]
    [InlineData(14, 64, "smaller")]
    [InlineData(64, 0, "smaller")]
    [InlineData(65, 64, "odd")]
    [InlineData(16386, 64, "larger")]
    [InlineData(16384, 16384, "larger")]
    public void SizeOutOfBounds_SaysSo(int width, int height, string word)
    {
        Assert.Null(H264Encoder.TryCreate(new() { Size = new(width, height) }, out string reason));
        Assert.Contains(word, reason, StringComparison.Ordinal);
    }

    [Fact]
    public void OptionsOutOfBounds_SaySo()
    {
        H264EncoderOptions good = new() { Size = new(64, 64) };
        foreach (H264EncoderOptions options in new[]
        {
            good with { BitsPerSecondMax = 0 }, good with { FramesPerSecondMax = 0 }, good with { Slices = 0 }, good with { Slices = 9 }, good with { Encoder = "libx266" },
        })
        {
            Assert.Null(H264Encoder.TryCreate(options, out string reason));
            Assert.NotEmpty(reason);
        }
    }

    [Fact]
    public void EncoderThatFails_FailsForGoodWithItsReason()
    {
        H264EncoderOptions options = new() { Size = new(64, 64) };
        using H264Encoder encoder = H264Encoder.Create(new FailingBackEnd(options.Size, failAt: 3), options);
        Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(0, false, out _, out bool isKeyFrame));
        Assert.True(isKeyFrame);
        Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(FrameNs, false, out _, out _));
        for (int i = 2; i < 5; i++)
        {
            Assert.Equal(EncodeStatus.Failed, encoder.TryEncode(i * FrameNs, false, out ReadOnlySpan<byte> unit, out _));
            Assert.True(unit.IsEmpty);
            Assert.Equal("the driver went away", encoder.FailureReason);
        }
    }

    [Fact]
    public void AccessUnitLargerThanAPacket_Fails()
    {
        H264EncoderOptions options = new() { Size = new(64, 64) };
        using H264Encoder encoder = H264Encoder.Create(new FailingBackEnd(options.Size, failAt: 99) { Bytes = VideoPacket.DataBytesMax + 1 }, options);
        Assert.Equal(EncodeStatus.Failed, encoder.TryEncode(0, false, out _, out _));
        Assert.Contains("1048000", encoder.FailureReason, StringComparison.Ordinal);
    }

    [Fact]
    public void NoiseAtTheHighestRate_StaysWithinAPacketOrFails()
    {
        using H264Encoder encoder = Open(new() { Size = new(1920, 1088), FramesPerSecondMax = 30, BitsPerSecondMax = 1_000_000_000 });
        Random random = new(3);
        for (int i = 0; i < 4; i++)
        {
            MovingPicture.Noise(encoder.Input, random);
            EncodeStatus status = encoder.TryEncode(i * FrameNs, i == 2, out ReadOnlySpan<byte> unit, out _);
            Assert.True(status == EncodeStatus.Failed || unit.Length is > 0 and <= VideoPacket.DataBytesMax);
        }
    }

    [Theory]
    [InlineData("libx264")]
    [InlineData("libopenh264")]
    public void ThousandPictures_AllocateNothing(string name)
    {
        using H264Encoder encoder = Open(new() { Size = new(64, 64), Encoder = name });
        using H264Decoder decoder = OpenDecoder();
        int encoded = 0, decoded = 0;
        Encode(100);
        Assert.Equal(0, Allocation.BytesOf(() => Encode(1_000)));
        Assert.Equal(encoded, decoded);

        void Encode(int pictures)
        {
            for (int end = encoded + pictures; encoded < end; encoded++)
            {
                encoder.Input.Y[(encoded * 7) % 64] = (byte)encoded;
                _ = encoder.TrySetBitsPerSecondMax(1_000_000 + (encoded % 1_100 * 1000));
                if (encoder.TryEncode(encoded * FrameNs, encoded % 100 == 0, out ReadOnlySpan<byte> unit, out _) == EncodeStatus.Encoded
                    && decoder.Decode(unit, out _) == DecodeStatus.Decoded)
                {
                    decoded++;
                }
            }
        }
    }

    internal static H264Encoder Open(H264EncoderOptions options) =>
        H264Encoder.TryCreate(options, out string reason) ?? throw new InvalidOperationException(reason);

    internal static H264Decoder OpenDecoder() => H264Decoder.TryCreate(out string reason) ?? throw new InvalidOperationException(reason);

    private static long Run(H264Encoder encoder, Random random, int first, int count, long frameNs = FrameNs)
    {
        long bytes = 0;
        for (int i = first; i < first + count; i++)
        {
            MovingPicture.Noise(encoder.Input, random, mask: 63); // more than the rates allow, and not more than can be coded at all
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(i * frameNs, false, out ReadOnlySpan<byte> unit, out bool isKeyFrame));
            Assert.Equal(i == 0, isKeyFrame);
            bytes += unit.Length;
        }

        return bytes;
    }

    private static List<int> Units(ReadOnlySpan<byte> unit)
    {
        List<int> types = [];
        for (int i = 0; i + 3 < unit.Length; i++)
        {
            if (unit[i] == 0 && unit[i + 1] == 0 && unit[i + 2] == 1)
            {
                types.Add(unit[i + 3] & 31);
            }
        }

        return types;
    }

    private sealed class FailingBackEnd(DeviceSize size, int failAt) : EncoderBackEnd
    {
        private readonly byte[] _memory = new byte[size.Width * size.Height * 2];
        private int _count;

        public int Bytes { get; init; } = 10;

        public override string Name => "failing";

        public override YuvPicture Input
        {
            get
            {
                int luma = size.Width * size.Height, chroma = luma / 4;
                return new(
                    YuvLayout.I420, size, _memory.AsSpan(0, luma), size.Width, _memory.AsSpan(luma, chroma), _memory.AsSpan(luma + chroma, chroma), size.Width / 2);
            }
        }

        public override bool TryEncode(bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame, out string failure)
        {
            bool isGood = ++_count < failAt;
            accessUnit = isGood ? new byte[Bytes] : default;
            isKeyFrame = forceKeyFrame;
            failure = isGood ? "" : "the driver went away";
            return isGood;
        }

        public override bool TrySetRate(int bitsPerSecondMax, double framesPerSecond) => true;

        public override void Dispose()
        {
        }
    }
}
