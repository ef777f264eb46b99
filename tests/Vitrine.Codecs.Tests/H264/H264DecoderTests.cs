using System.Diagnostics;
using System.Globalization;
using Vitrine.Codecs.H264;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Measurement;
using Vitrine.Wire;
using Vitrine.Wire.Tests;
using Xunit.Abstractions;

namespace Vitrine.Codecs.Tests.H264;

public sealed class H264DecoderTests(ITestOutputHelper output)
{
    [Fact]
    public void BytesThatAreNoVideo_AreCorrupt()
    {
        using H264Decoder decoder = H264EncoderTests.OpenDecoder();
        foreach (byte[] bytes in new byte[][]
        {
            [], [0], [0, 0, 1], [0, 0, 1, 0x65], [0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 1, 0x65, 0x88], new byte[1000], new byte[VideoPacket.DataBytesMax + 1],
        })
        {
            Assert.Equal(DecodeStatus.Corrupt, decoder.Decode(bytes, out YuvPicture picture));
            Assert.True(picture.Y.IsEmpty);
        }
    }

    [Fact]
    public void AfterDamage_NothingIsShownUntilAKeyFrame()
    {
        List<byte[]> units = Stream(new(320, 192), 12, keyFrameAt: 8);
        using H264Decoder decoder = H264EncoderTests.OpenDecoder();
        for (int i = 0; i < units.Count; i++)
        {
            byte[] unit = i == 4 ? units[i][..(units[i].Length / 2)] : units[i];
            Assert.Equal(i is >= 4 and < 8 ? DecodeStatus.Corrupt : DecodeStatus.Decoded, decoder.Decode(unit, out _));
        }
    }

    [Fact]
    public void UnitsInAnotherOrder_AreAStatusAndAKeyFrameMends()
    {
        List<byte[]> units = Stream(new(320, 192), 12, keyFrameAt: 11);
        using H264Decoder decoder = H264EncoderTests.OpenDecoder();
        foreach (int i in new[] { 0, 2, 1, 5, 3, 3, 10, 9, 8, 0, 7 })
        {
            Assert.True(Enum.IsDefined(decoder.Decode(units[i], out _)));
        }

        Assert.Equal(DecodeStatus.Decoded, decoder.Decode(units[11], out _));
    }

    [Fact]
    public void PictureLargerThanTheBound_IsRefusedBeforeMemoryIsTaken()
    {
        // A parameter set of 16384x16384 pixels, then one of 16368x16 that is small enough; both with a slice that says nothing.
        using H264Decoder decoder = H264EncoderTests.OpenDecoder();
        Assert.True(ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample before));
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(DecodeStatus.Corrupt, decoder.Decode(WithSize(1024, 1024), out _));
        }

        Assert.True(ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample after));
        Assert.InRange(after.ResidentBytes - before.ResidentBytes, long.MinValue, 64 << 20);
    }

    [Fact]
    public void StreamOfAnotherSize_IsFollowed()
    {
        using H264Decoder decoder = H264EncoderTests.OpenDecoder();
        foreach (DeviceSize size in new DeviceSize[] { new(320, 192), new(64, 64), new(640, 384), new(322, 190) })
        {
            foreach (byte[] unit in Stream(size, 3, -1))
            {
                Assert.Equal(DecodeStatus.Decoded, decoder.Decode(unit, out YuvPicture picture));
                Assert.Equal(size, picture.Size);
            }
        }
    }

    /// <summary>VITRINE_FUZZ_SECONDS makes it longer, VITRINE_FUZZ_SEED makes it another run.</summary>
    [Fact]
    public void ChangedUnits_StatusOnlyAndBoundedMemory()
    {
        List<byte[]> corpus = [.. Stream(new(128, 64), 10, 5), .. Stream(new(64, 128), 4, 2), WithSize(2, 2), WithSize(1024, 1)];
        Mutator mutator = new();
        using H264Decoder decoder = H264EncoderTests.OpenDecoder();
        Assert.True(ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample before));
        Stopwatch watch = Stopwatch.StartNew();
        long[] outcomes = new long[4];
        long inputs = 0, sum = 0;
        while (watch.Elapsed < Mutator.Duration)
        {
            // A chain is damaged in one place out of four, so that damage meets pictures to refer to.
            byte[] input = corpus[mutator.Next(corpus.Count)];
            if (mutator.Next(4) == 0)
            {
                input = mutator.Mutate(input, corpus[mutator.Next(corpus.Count)]);
            }

            DecodeStatus status = decoder.Decode(input, out YuvPicture picture);
            outcomes[(int)status]++;
            inputs++;
            if (status == DecodeStatus.Decoded)
            {
                // Every byte of what is given can be read.
                foreach (byte value in picture.Y)
                {
                    sum += value;
                }

                sum += picture.U[^1] + picture.V[^1];
                Assert.InRange((long)picture.Size.Width * picture.Size.Height, 1, H264Decoder.PixelsMax);
            }
        }

        Assert.True(ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample after));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{inputs} inputs: {outcomes[0]} decoded, {outcomes[1]} wait, {outcomes[2]} corrupt, {outcomes[3]} failed; {(after.ResidentBytes - before.ResidentBytes) >> 20} MB more, {sum}"));
        Assert.True(outcomes[0] > 0 && outcomes[2] > 0);
        Assert.Equal(0, outcomes[3]);
        Assert.InRange(after.ResidentBytes - before.ResidentBytes, long.MinValue, 1L << 30);
    }

    private static List<byte[]> Stream(DeviceSize size, int count, int keyFrameAt)
    {
        using H264Encoder encoder = H264EncoderTests.Open(new() { Size = size });
        List<byte[]> units = [];
        for (int i = 0; i < count; i++)
        {
            MovingPicture.Paint(encoder.Input, i);
            Assert.Equal(EncodeStatus.Encoded, encoder.TryEncode(i * 33_333_333L, i == keyFrameAt, out ReadOnlySpan<byte> unit, out _));
            units.Add(unit.ToArray());
        }

        return units;
    }

    // Baseline parameter sets of a picture of so many macroblocks, and the head of an IDR slice.
    private static byte[] WithSize(int widthBlocks, int heightBlocks)
    {
        BitWriter sequence = new();
        sequence.Write(66, 8).Write(0, 8).Write(51, 8).Golomb(0).Golomb(0).Golomb(2).Golomb(1).Write(0, 1)
            .Golomb(widthBlocks - 1).Golomb(heightBlocks - 1).Write(1, 1).Write(1, 1).Write(0, 1).Write(0, 1).Write(1, 1);
        BitWriter picture = new();
        picture.Golomb(0).Golomb(0).Write(0, 1).Write(0, 1).Golomb(0).Golomb(0).Golomb(0).Write(0, 1).Write(0, 2)
            .Golomb(0).Golomb(0).Golomb(0).Write(0, 1).Write(0, 1).Write(0, 1).Write(1, 1);
        BitWriter slice = new();
        slice.Golomb(0).Golomb(7).Golomb(0).Write(0, 4).Golomb(0).Write(0, 1).Write(0, 1).Golomb(0).Write(1, 1);
        return [0, 0, 0, 1, 0x67, .. sequence.Bytes, 0, 0, 0, 1, 0x68, .. picture.Bytes, 0, 0, 0, 1, 0x65, .. slice.Bytes];
    }

    private sealed class BitWriter
    {
        private readonly List<bool> _bits = [];

        public byte[] Bytes => [.. _bits.Chunk(8).Select(chunk => (byte)chunk.Select((bit, i) => bit ? 128 >> i : 0).Sum())];

        public BitWriter Write(int value, int count)
        {
            for (int i = count - 1; i >= 0; i--)
            {
                _bits.Add((value >> i & 1) != 0);
            }

            return this;
        }

        public BitWriter Golomb(int value)
        {
            int length = 32 - int.LeadingZeroCount(value + 1);
            return Write(0, length - 1).Write(value + 1, length);
        }
    }
}
