using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;

namespace Vitrine.Measurement.Tests;

public sealed class HdrHistogramEncodingTests
{
    [Fact]
    public void KnownValues_AreTheBytesOfTheFormat()
    {
        // 10 twice, 2050 300 times: bucket 10, and the second of the octave from 2048 (index 2048 + 1), two values wide.
        var histogram = new LatencyHistogram();
        histogram.RecordMany(10, 2);
        histogram.RecordMany(2050, 300);
        byte[] encoded = HdrHistogramEncoding.Encode(histogram);
        Assert.Equal(0x1c849314, BinaryPrimitives.ReadInt32BigEndian(encoded));
        Assert.Equal(encoded.Length - 8, BinaryPrimitives.ReadInt32BigEndian(encoded.AsSpan(4)));
        Assert.Equal(
            "1C849313" + "00000006" + "00000000" + "00000003" + "0000000000000001" + "000000FFFFFFFFFF" + "3FF0000000000000"
            + "13" // 10 empty buckets: -10
            + "04" // 2
            + "EB1F" // 2038 empty buckets: -2038 is 4075 in ZigZag
            + "D804", // 300 is 600 in ZigZag
            Convert.ToHexString(Inflate(encoded)));
    }

    [Theory]
    [InlineData("uniform")]
    [InlineData("exponential")]
    [InlineData("lognormal")]
    [InlineData("bimodal")]
    [InlineData("pareto")]
    public void RoundTrip_KeepsEveryBucket(string name)
    {
        LatencyHistogram histogram = Of(Distributions.Draw(name, 50_000));
        byte[] encoded = HdrHistogramEncoding.Encode(histogram);
        Assert.True(HdrHistogramEncoding.TryDecode(encoded, out LatencyHistogram? decoded));
        Assert.Equal(histogram.ToCounts(), decoded.ToCounts());
        Assert.InRange(decoded.MeanNs, histogram.MeanNs * 0.999, histogram.MeanNs * 1.001);
        Assert.Equal(encoded, HdrHistogramEncoding.Encode(decoded));
    }

    [Fact]
    public void ExtremesAndNothing_RoundTrip()
    {
        LatencyHistogram histogram = Of([0, 1, LatencyHistogram.ValueNsMax]);
        histogram.RecordMany(7, (1L << 60) - 1); // a count of nine bytes
        Assert.True(HdrHistogramEncoding.TryDecode(HdrHistogramEncoding.Encode(histogram), out LatencyHistogram? decoded));
        Assert.Equal(histogram.ToCounts(), decoded.ToCounts());
        Assert.True(HdrHistogramEncoding.TryDecode(HdrHistogramEncoding.Encode(new LatencyHistogram()), out decoded));
        Assert.Equal(0, decoded.Count);
    }

    [Fact]
    public void EncodingWithOtherBuckets_KeepsTheirMiddles()
    {
        // 2 digits, units of 1024: 256 sub-buckets. Bucket 5 begins at 5 * 1024; bucket 384 is the first that is 4 * 1024 wide, the
        // 128th of its octave.
        byte[] plain = Plain(digits: 2, lowest: 1024, Number(-5), Number(3), Number(-378), Number(1));
        Assert.True(HdrHistogramEncoding.TryDecode(Compress(plain), out LatencyHistogram? decoded));
        Assert.Equal(4, decoded.Count);
        Assert.Equal(((5 * 1024) + 512, (128 * 4 * 1024) + 2048), (decoded.MinNs, decoded.MaxNs));
    }

    [Fact]
    public void WhatIsNoHistogram_IsRefused()
    {
        byte[] good = HdrHistogramEncoding.Encode(Of([1, 2, 3]));
        for (int length = 0; length < good.Length; length++)
        {
            Assert.False(HdrHistogramEncoding.TryDecode(good.AsSpan(0, length), out _));
        }

        Assert.False(HdrHistogramEncoding.TryDecode([0x1c, 0x84, 0x93, 0x12, .. good.AsSpan(4)], out _)); // V0
        Assert.False(HdrHistogramEncoding.TryDecode([0x1c, 0x84, 0x93, 0x14, 0, 0, 0, 6, 0x78, 0x20, 0, 0, 0, 1], out _)); // zlib with a dictionary
        foreach (byte[] plain in (byte[][])[
            Plain(digits: 6, lowest: 1, Number(1)),
            Plain(digits: -1, lowest: 1, Number(1)),
            Plain(digits: 3, lowest: 0, Number(1)),
            Plain(digits: 3, lowest: long.MaxValue, Number(1)),
            Plain(digits: 3, lowest: 1, Number(-100_000), Number(1)), // beyond all buckets
            Plain(digits: 3, lowest: 1, Number(long.MinValue), Number(1)),
            Plain(digits: 3, lowest: 1, Number(long.MaxValue), Number(long.MaxValue)), // more values than can be counted
            Plain(digits: 3, lowest: 1, [0x80]), // a number without its end
            Plain(digits: 3, lowest: 1, new byte[HdrHistogramEncoding.CountBytesMax + 1])])
        {
            Assert.False(HdrHistogramEncoding.TryDecode(Compress(plain), out _));
        }
    }

    [Fact]
    public void ChangedBytes_AreReadOrRefusedInBoundedMemory()
    {
        const long AllocatedBytesMax = 512 << 10; // one histogram, and what reads zlib
        int seed = int.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SEED"), CultureInfo.InvariantCulture, out int given) ? given : 1;
        double seconds = double.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out double told) ? told : 3;
        var random = new Random(seed);
        byte[][] corpus = [.. Distributions.Names.Select(name => Inflate(HdrHistogramEncoding.Encode(Of(Distributions.Draw(name, 100)))))];
        Assert.True(HdrHistogramEncoding.TryDecode(Compress(corpus[0]), out _)); // first calls allocate
        long accepted = 0, refused = 0;
        for (var watch = Stopwatch.StartNew(); watch.Elapsed.TotalSeconds < seconds;)
        {
            // Half of the changes behind the compression, where they are not just a broken checksum.
            byte[] plain = [.. corpus[random.Next(corpus.Length)]];
            bool isInside = random.Next(2) == 0;
            byte[] input = isInside ? plain : Compress(plain);
            for (int i = random.Next(1, 5); i > 0; i--)
            {
                input[random.Next(random.Next(2) == 0 ? 40 : input.Length)] = (byte)(random.Next(3) switch { 0 => 0xff, 1 => 0, _ => random.Next(256) });
            }

            input = isInside ? Compress(input) : input[..random.Next(input.Length + 1)];
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                _ = HdrHistogramEncoding.TryDecode(input, out LatencyHistogram? histogram) ? accepted++ : refused++;
                Assert.True(histogram is null || histogram.Count >= 0);
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {seed}, input {accepted + refused}: {exception}\n{Convert.ToHexString(input)}");
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated <= AllocatedBytesMax, $"seed {seed}: {allocated} bytes allocated\n{Convert.ToHexString(input)}");
        }

        Assert.True(accepted > 0 && refused > 0);
    }

    private static LatencyHistogram Of(ReadOnlySpan<long> values)
    {
        var histogram = new LatencyHistogram();
        foreach (long value in values)
        {
            histogram.Record(value);
        }

        return histogram;
    }

    private static byte[] Inflate(byte[] encoded)
    {
        using var plain = new MemoryStream();
        using var zlib = new ZLibStream(new MemoryStream(encoded, 8, encoded.Length - 8), CompressionMode.Decompress);
        zlib.CopyTo(plain);
        return plain.ToArray();
    }

    private static byte[] Compress(byte[] plain)
    {
        using var compressed = new MemoryStream();
        using (var zlib = new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            zlib.Write(plain);
        }

        byte[] bytes = [0x1c, 0x84, 0x93, 0x14, 0, 0, 0, 0, .. compressed.ToArray()];
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), bytes.Length - 8);
        return bytes;
    }

    private static byte[] Plain(int digits, long lowest, params byte[][] numbers)
    {
        byte[] counts = [.. numbers.SelectMany(number => number)], header = new byte[40];
        BinaryPrimitives.WriteInt32BigEndian(header, 0x1c849313);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), counts.Length);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(12), digits);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(16), lowest);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(24), LatencyHistogram.ValueNsMax);
        BinaryPrimitives.WriteDoubleBigEndian(header.AsSpan(32), 1);
        return [.. header, .. counts];
    }

    private static byte[] Number(long number)
    {
        UInt128 rest = (ulong)((number << 1) ^ (number >> 63));
        List<byte> bytes = [];
        for (; bytes.Count < 8 && rest >= 0x80; rest >>= 7)
        {
            bytes.Add((byte)((rest & 0x7f) | 0x80));
        }

        return [.. bytes, (byte)rest];
    }
}
