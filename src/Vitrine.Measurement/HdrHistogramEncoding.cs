using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using System.Numerics;

namespace Vitrine.Measurement;

/// <summary>The compressed V2 encoding of HdrHistogram, which histogram tools of all languages read: counts of the buckets as
/// ZigZag LEB128 numbers of at most 9 bytes, runs of empty buckets as one negative number, behind a header, compressed by zlib.</summary>
/// <remarks>Source: the encoding of the public HdrHistogram project, «V2CompressedEncodingCookieBase» and its header. Stateless; any thread.</remarks>
public static class HdrHistogramEncoding
{
    /// <summary>Most bytes of counts that <see cref="TryDecode"/> accepts behind the compression. Ours have 0.3 MB at most.</summary>
    public const int CountBytesMax = 4 << 20;

    // The low half of the last byte but one holds the greatest bytes of a number: 1 for LEB128.
    private const int Cookie = 0x1c849303 | 0x10, CompressedCookie = 0x1c849304 | 0x10, CookieMask = ~0xf0;
    private const int CompressedHeaderBytes = 8, HeaderBytes = 40, NumberBytesMax = 9;
    private const int SignificantDigits = 3, SignificantDigitsMax = 5;

    /// <summary>Encodes a histogram. What others record meanwhile may be in it or not.</summary>
    public static byte[] Encode(LatencyHistogram histogram)
    {
        ArgumentNullException.ThrowIfNull(histogram);
        var counts = new ArrayBufferWriter<byte>();
        WriteCounts(histogram.ToCounts(), counts);

        Span<byte> header = stackalloc byte[HeaderBytes];
        BinaryPrimitives.WriteInt32BigEndian(header, Cookie);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], counts.WrittenCount);
        BinaryPrimitives.WriteInt32BigEndian(header[8..], 0); // normalizing index offset: the buckets were never shifted
        BinaryPrimitives.WriteInt32BigEndian(header[12..], SignificantDigits);
        BinaryPrimitives.WriteInt64BigEndian(header[16..], 1); // lowest value told from 0
        BinaryPrimitives.WriteInt64BigEndian(header[24..], LatencyHistogram.ValueNsMax);
        BinaryPrimitives.WriteDoubleBigEndian(header[32..], 1); // integer to double conversion ratio

        using var encoded = new MemoryStream();
        encoded.SetLength(CompressedHeaderBytes);
        encoded.Position = CompressedHeaderBytes;
        using (var zlib = new ZLibStream(encoded, CompressionLevel.Optimal, leaveOpen: true))
        {
            zlib.Write(header);
            zlib.Write(counts.WrittenSpan);
        }

        byte[] bytes = encoded.ToArray();
        BinaryPrimitives.WriteInt32BigEndian(bytes, CompressedCookie);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), bytes.Length - CompressedHeaderBytes);
        return bytes;
    }

    /// <summary>Decodes a histogram of integers, of any range and precision that the encoding allows.</summary>
    /// <param name="bytes">One encoded histogram, with nothing behind it that matters.</param>
    /// <param name="histogram">A new histogram in which each value is the middle of its bucket; null when refused.</param>
    /// <returns>False: no compressed V2 encoding, cut off, of more than <see cref="CountBytesMax"/>, or with counts that cannot be.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out LatencyHistogram? histogram)
    {
        histogram = null;
        if (bytes.Length < CompressedHeaderBytes
            || (BinaryPrimitives.ReadInt32BigEndian(bytes) & CookieMask) != (CompressedCookie & CookieMask)
            || BinaryPrimitives.ReadInt32BigEndian(bytes[4..]) is not (> 0 and var length) || length > bytes.Length - CompressedHeaderBytes)
        {
            return false;
        }

        using var compressed = new MemoryStream(bytes.Slice(CompressedHeaderBytes, length).ToArray(), writable: false);
        using var zlib = new ZLibStream(compressed, CompressionMode.Decompress);
        using var plain = new BufferedStream(zlib, 4096);
        try
        {
            histogram = Decode(plain);
        }
        catch (Exception broken) when (broken is InvalidDataException or IOException)
        {
            return false; // no zlib stream; or one that wants a dictionary, of which zlib says something else
        }

        return histogram is not null;
    }

    private static void WriteCounts(ReadOnlySpan<long> counts, ArrayBufferWriter<byte> into)
    {
        long zeros = 0;
        foreach (long count in counts[..(counts.LastIndexOfAnyExcept(0L) + 1)])
        {
            if (count == 0)
            {
                zeros++;
                continue;
            }

            if (zeros > 0)
            {
                WriteNumber(zeros == 1 ? 0 : -zeros, into);
                zeros = 0;
            }

            WriteNumber(count, into);
        }

        if (into.WrittenCount == 0)
        {
            WriteNumber(0, into); // an empty histogram has one empty bucket
        }
    }

    private static void WriteNumber(long number, ArrayBufferWriter<byte> into)
    {
        ulong rest = (ulong)((number << 1) ^ (number >> 63));
        Span<byte> bytes = into.GetSpan(NumberBytesMax);
        int length = 0;
        for (; length < NumberBytesMax - 1 && rest >= 0x80; rest >>= 7)
        {
            bytes[length++] = (byte)(rest | 0x80);
        }

        bytes[length++] = (byte)rest; // the ninth has all its 8 bits
        into.Advance(length);
    }

    private static LatencyHistogram? Decode(BufferedStream plain)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (plain.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes
            || (BinaryPrimitives.ReadInt32BigEndian(header) & CookieMask) != (Cookie & CookieMask))
        {
            return null;
        }

        int left = BinaryPrimitives.ReadInt32BigEndian(header[4..]), offset = BinaryPrimitives.ReadInt32BigEndian(header[8..]);
        int digits = BinaryPrimitives.ReadInt32BigEndian(header[12..]);
        long lowest = BinaryPrimitives.ReadInt64BigEndian(header[16..]);
        if (left is < 0 or > CountBytesMax || offset != 0 || digits is < 0 or > SignificantDigitsMax || lowest < 1)
        {
            return null;
        }

        // Buckets of the encoder, which need not be ours: values up to 2 * 10^digits units each have one.
        int unitBits = BitOperations.Log2((ulong)lowest);
        int subBucketBits = BitOperations.Log2((ulong)(2 * Math.Pow(10, digits)) - 1) + 1;
        int half = 1 << (subBucketBits - 1), shiftMax = 63 - unitBits - subBucketBits;
        if (shiftMax < 0)
        {
            return null;
        }

        var histogram = new LatencyHistogram();
        Int128 sum = 0;
        long bucketsMax = (long)half * (shiftMax + 2), index = 0;
        while (left > 0)
        {
            if (!TryReadNumber(plain, ref left, out long number))
            {
                return null;
            }

            // Nothing below is reached with an index beyond the buckets, so no sum here overflows.
            if (number <= 0)
            {
                if (number < -bucketsMax)
                {
                    return null;
                }

                index += Math.Max(1, -number);
                continue;
            }

            if (index >= bucketsMax)
            {
                return null;
            }

            int shift = (int)Math.Max(0, (index / half) - 1), width = shift + unitBits;
            long value = Math.Min(LatencyHistogram.ValueNsMax, ((index - ((long)half * shift)) << width) + ((1L << width) >> 1));
            sum += (Int128)Math.Max(1, value) * number; // 1: the counts must not overflow either
            if (sum > long.MaxValue)
            {
                return null;
            }

            histogram.RecordMany(value, number);
            index++;
        }

        return histogram;
    }

    private static bool TryReadNumber(BufferedStream plain, ref int left, out long number)
    {
        ulong bits = 0;
        number = 0;
        for (int i = 0; i < NumberBytesMax; i++)
        {
            int read = left-- > 0 ? plain.ReadByte() : -1;
            if (read < 0)
            {
                return false;
            }

            bool isLast = i == NumberBytesMax - 1 || read < 0x80;
            bits |= (ulong)(i == NumberBytesMax - 1 ? read : read & 0x7f) << (7 * i);
            if (isLast)
            {
                break;
            }
        }

        number = (long)(bits >> 1) ^ -(long)(bits & 1);
        return true;
    }
}
