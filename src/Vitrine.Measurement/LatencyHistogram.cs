using System.Numerics;

namespace Vitrine.Measurement;

/// <summary>Counts durations in buckets whose width grows with the value, so that every value is kept with a relative error
/// below 0.1 % in constant memory (G. Tene's high dynamic range histogram).</summary>
/// <remarks>Recording is lock-free, allocation-free and may happen on any number of threads; reading while others record gives
/// a picture that may lack the values recorded meanwhile. Takes about 254 KB of address space, of which only touched pages
/// become resident.</remarks>
public sealed class LatencyHistogram
{
    /// <summary>Largest value kept, in nanoseconds: 2^40 - 1, about 18 minutes. Larger ones count as this.</summary>
    public const long ValueNsMax = (1L << 40) - 1;

    // 2048 sub-buckets of which the upper 1024 are used in every octave but the first: a bucket is at most 1/1024 of its
    // value wide, and its middle is at most 0.05 % away from any value in it.
    private const int SubBucketBits = 11;
    private const int SubBucketsHalf = 1 << (SubBucketBits - 1);
    private const int BucketCount = (SubBucketsHalf * (40 - SubBucketBits)) + (1 << SubBucketBits);

    private readonly long[] _counts = new long[BucketCount];
    private long _sumNs;
    private long _maxNs;
    private long _minNs = long.MaxValue;

    /// <summary>Values recorded.</summary>
    public long Count
    {
        get
        {
            long count = 0;
            foreach (long bucket in _counts)
            {
                count += bucket;
            }

            return count;
        }
    }

    /// <summary>Largest value recorded, exact; 0 when none was.</summary>
    public long MaxNs => Volatile.Read(ref _maxNs);

    /// <summary>Smallest value recorded, exact; 0 when none was.</summary>
    public long MinNs => Volatile.Read(ref _minNs) is long min and < long.MaxValue ? min : 0;

    /// <summary>Mean of the values recorded, exact; 0 when none was.</summary>
    public double MeanNs => Count is long count and > 0 ? (double)Volatile.Read(ref _sumNs) / count : 0;

    /// <summary>Median in nanoseconds.</summary>
    public long P50Ns => GetPercentileNs(50);

    /// <summary>95th percentile in nanoseconds.</summary>
    public long P95Ns => GetPercentileNs(95);

    /// <summary>99th percentile in nanoseconds.</summary>
    public long P99Ns => GetPercentileNs(99);

    /// <summary>Counts one value; a negative one as 0, one above <see cref="ValueNsMax"/> as that.</summary>
    public void Record(long valueNs)
    {
        valueNs = Math.Clamp(valueNs, 0, ValueNsMax);
        Interlocked.Increment(ref _counts[IndexOf(valueNs)]);
        Interlocked.Add(ref _sumNs, valueNs);
        for (long seen = Volatile.Read(ref _maxNs); valueNs > seen;)
        {
            long before = Interlocked.CompareExchange(ref _maxNs, valueNs, seen);
            if (before == seen)
            {
                break;
            }

            seen = before;
        }

        for (long seen = Volatile.Read(ref _minNs); valueNs < seen;)
        {
            long before = Interlocked.CompareExchange(ref _minNs, valueNs, seen);
            if (before == seen)
            {
                break;
            }

            seen = before;
        }
    }

    /// <summary>Adds everything that <paramref name="other"/> holds.</summary>
    public void Add(LatencyHistogram other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Count == 0)
        {
            return;
        }

        for (int i = 0; i < BucketCount; i++)
        {
            long count = Volatile.Read(ref other._counts[i]);
            if (count != 0)
            {
                Interlocked.Add(ref _counts[i], count);
            }
        }

        // The extremes go through Record's loops by way of a value that is then taken back from its bucket.
        Interlocked.Add(ref _sumNs, Volatile.Read(ref other._sumNs));
        foreach (long extreme in (ReadOnlySpan<long>)[other.MaxNs, other.MinNs])
        {
            Record(extreme);
            Interlocked.Decrement(ref _counts[IndexOf(extreme)]);
            Interlocked.Add(ref _sumNs, -extreme);
        }
    }

    /// <summary>Forgets everything. Not atomic against threads that record meanwhile.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        Volatile.Write(ref _sumNs, 0);
        Volatile.Write(ref _maxNs, 0);
        Volatile.Write(ref _minNs, long.MaxValue);
    }

    /// <summary>The value that <paramref name="percent"/> per cent of the recorded ones do not exceed; 0 when none was recorded.</summary>
    /// <param name="percent">0 (the smallest) to 100 (the largest).</param>
    public long GetPercentileNs(double percent)
    {
        if (!(percent >= 0 && percent <= 100))
        {
            throw new ArgumentOutOfRangeException(nameof(percent), percent, "A percentile lies between 0 and 100.");
        }

        long count = Count;
        if (count == 0)
        {
            return 0;
        }

        long rank = Math.Clamp((long)Math.Ceiling(percent / 100 * count), 1, count);
        long seen = 0;
        for (int i = 0; i < BucketCount; i++)
        {
            seen += _counts[i];
            if (seen >= rank)
            {
                return Math.Clamp(MiddleOf(i), MinNs, MaxNs);
            }
        }

        return MaxNs;
    }

    private static int IndexOf(long value)
    {
        int shift = Math.Max(0, 64 - BitOperations.LeadingZeroCount((ulong)value) - SubBucketBits);
        return (SubBucketsHalf * shift) + (int)(value >> shift);
    }

    private static long MiddleOf(int index)
    {
        int shift = Math.Max(0, (index / SubBucketsHalf) - 1);
        long low = (long)(index - (SubBucketsHalf * shift)) << shift;
        return low + ((1L << shift) >> 1);
    }
}
