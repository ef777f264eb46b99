using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vitrine.Measurement;

/// <summary>Counts durations in buckets whose width grows with the value, so that every value is kept with a relative error
/// below 0.1 % in constant memory (G. Tene's high dynamic range histogram; the buckets are those of 3 significant digits).</summary>
/// <remarks>
/// <para>Recording is lock-free and happens on any number of threads: each of up to 64 living ones writes a shard of its own
/// with plain stores, so that threads neither wait for each other nor share cache lines; further ones share one more shard by
/// interlocked instructions. Reading adds the shards up; while others record it gives a picture that may lack the values recorded
/// meanwhile.</para>
/// <para>Recording never allocates managed memory, so that what it measures is not disturbed: shards are native memory, zeroed, of
/// which only the touched pages become resident. Each takes 254 KB of addresses; there are at most 65, and few threads make few.
/// They are freed with the histogram.</para>
/// <para><see cref="HdrHistogramEncoding"/> and <see cref="HdrHistogramLog"/> export it for the tools of others.</para>
/// </remarks>
public sealed unsafe class LatencyHistogram
{
    /// <summary>Largest value kept, in nanoseconds: 2^40 - 1, about 18 minutes. Larger ones count as this.</summary>
    public const long ValueNsMax = (1L << 40) - 1;

    // 2048 sub-buckets of which the upper 1024 are used in every octave but the first: a bucket is at most 1/1024 of its
    // value wide, and its middle is at most 0.05 % away from any value in it.
    private const int SubBucketBits = 11;
    private const int SubBucketsHalf = 1 << (SubBucketBits - 1);

    /// <summary>Number of buckets.</summary>
    internal const int BucketCount = (SubBucketsHalf * (40 - SubBucketBits)) + (1 << SubBucketBits);

    // A shard: sum, largest value, smallest value, then the counts. 128 bytes before and behind keep the two lines of 64 bytes
    // that a processor fetches together from being another shard's too. The smallest value is kept as ValueNsMax less it, so
    // that zeroed memory is an empty shard.
    private const int PaddingCells = 128 / sizeof(long);
    private const int SumCell = PaddingCells, MaxCell = PaddingCells + 1, BelowTopCell = PaddingCells + 2, FirstCount = PaddingCells + 8;
    private const int ShardCells = FirstCount + BucketCount + PaddingCells;

    // Addresses of shards by the number of the thread that writes them; 0 is the one that threads without a number share. No
    // SafeHandle each: making one would allocate while recording. The finaliser frees them, hence KeepAlive where they are used.
    private readonly nint[] _shards = new nint[RecordingThread.Numbers + 1];

    /// <summary>Frees the shards; nothing records or reads any more.</summary>
    ~LatencyHistogram()
    {
        foreach (nint shard in _shards)
        {
            if (shard != 0)
            {
                NativeMemory.Free((void*)shard);
                GC.RemoveMemoryPressure(ShardCells * sizeof(long));
            }
        }
    }

    /// <summary>Values recorded.</summary>
    public long Count => Summarise().Count;

    /// <summary>Largest value recorded, exact; 0 when none was.</summary>
    public long MaxNs => Summarise().MaxNs;

    /// <summary>Smallest value recorded, exact; 0 when none was.</summary>
    public long MinNs => Summarise().MinNs;

    /// <summary>Mean of the values recorded, exact; 0 when none was.</summary>
    public double MeanNs => Summarise() is { Count: > 0 } summary ? (double)summary.SumNs / summary.Count : 0;

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
        int number = RecordingThread.Number;
        nint[] shards = _shards;
        if (number > 0 && shards[number] is not 0 and nint address)
        {
            // SAFETY: a shard has ShardCells cells; the index of a clamped value is below BucketCount. No other thread writes
            // here: plain additions lose nothing, and readers see each cell whole.
            long* shard = (long*)address;
            shard[FirstCount + IndexOf(valueNs)]++;
            shard[SumCell] += valueNs;
            if (valueNs > shard[MaxCell])
            {
                shard[MaxCell] = valueNs;
            }

            if (ValueNsMax - valueNs > shard[BelowTopCell])
            {
                shard[BelowTopCell] = ValueNsMax - valueNs;
            }

            GC.KeepAlive(this);
        }
        else
        {
            RecordFirst(valueNs);
        }
    }

    /// <summary>Adds everything that <paramref name="other"/> holds. Any thread, also while others record here.</summary>
    public void Add(LatencyHistogram other)
    {
        ArgumentNullException.ThrowIfNull(other);
        Summary summary = other.Summarise();
        if (summary.Count > 0)
        {
            long* shared = GetShard(0);
            Span<nint> room = stackalloc nint[other._shards.Length];
            ReadOnlySpan<nint> shards = other.FindShards(room);
            for (int i = 0; i < BucketCount; i++)
            {
                long count = CountIn(shards, i);
                if (count != 0)
                {
                    Interlocked.Add(ref shared[FirstCount + i], count);
                }
            }

            AddToSummary(shared, summary.SumNs, summary.MaxNs, summary.MinNs);
        }

        GC.KeepAlive(other);
        GC.KeepAlive(this);
    }

    /// <summary>Forgets everything. For when nobody records: a value recorded meanwhile may bring back those of its bucket.</summary>
    public void Clear()
    {
        Span<nint> room = stackalloc nint[_shards.Length];
        foreach (nint shard in FindShards(room))
        {
            new Span<long>((void*)shard, ShardCells).Clear(); // SAFETY: shards have that many cells
        }

        GC.KeepAlive(this);
    }

    /// <summary>The value that <paramref name="percent"/> per cent of the recorded ones do not exceed; 0 when none was recorded.</summary>
    /// <param name="percent">0 (the smallest) to 100 (the largest).</param>
    public long GetPercentileNs(double percent)
    {
        if (!(percent >= 0 && percent <= 100))
        {
            throw new ArgumentOutOfRangeException(nameof(percent), percent, "A percentile lies between 0 and 100.");
        }

        Summary summary = Summarise();
        if (summary.Count == 0)
        {
            return 0;
        }

        // One step down, so that a rank that is whole does not become the next by rounding: 99.9 % of 1,000 is 999.
        long rank = Math.Clamp((long)Math.Ceiling(Math.BitDecrement(percent) * summary.Count / 100), 1, summary.Count);
        Span<nint> room = stackalloc nint[_shards.Length];
        ReadOnlySpan<nint> shards = FindShards(room);
        long seen = 0, valueNs = summary.MaxNs;
        for (int i = 0; i < BucketCount; i++)
        {
            seen += CountIn(shards, i);
            if (seen >= rank)
            {
                valueNs = Math.Max(Math.Min(MiddleOf(i), summary.MaxNs), summary.MinNs);
                break;
            }
        }

        GC.KeepAlive(this);
        return valueNs;
    }

    /// <summary>Counts of all buckets, from the smallest values up; a copy.</summary>
    internal long[] ToCounts()
    {
        Span<nint> room = stackalloc nint[_shards.Length];
        ReadOnlySpan<nint> shards = FindShards(room);
        long[] counts = new long[BucketCount];
        for (int i = 0; i < counts.Length; i++)
        {
            counts[i] = CountIn(shards, i);
        }

        GC.KeepAlive(this);
        return counts;
    }

    /// <summary>Counts a value <paramref name="count"/> times, by interlocked instructions.</summary>
    /// <param name="valueNs">As for <see cref="Record"/>.</param>
    /// <param name="count">At least 1; the sum of all values must stay below 2^63.</param>
    internal void RecordMany(long valueNs, long count)
    {
        valueNs = Math.Clamp(valueNs, 0, ValueNsMax);
        long* shared = GetShard(0);
        Interlocked.Add(ref shared[FirstCount + IndexOf(valueNs)], count);
        AddToSummary(shared, valueNs * count, valueNs, valueNs);
        GC.KeepAlive(this);
    }

    /// <summary>The bucket of a value between 0 and <see cref="ValueNsMax"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int IndexOf(long value)
    {
        // The lowest 11 bits set: values below 2048 have buckets of their own, as if they were in the first octave.
        int shift = 64 - SubBucketBits - BitOperations.LeadingZeroCount((ulong)value | ((1UL << SubBucketBits) - 1));
        return (SubBucketsHalf * shift) + (int)(value >> shift);
    }

    private static long MiddleOf(int index)
    {
        int shift = Math.Max(0, (index / SubBucketsHalf) - 1);
        long low = (long)(index - (SubBucketsHalf * shift)) << shift;
        return low + ((1L << shift) >> 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void RecordFirst(long valueNs)
    {
        int number = RecordingThread.Take();
        if (number == 0)
        {
            RecordMany(valueNs, 1);
        }
        else
        {
            GetShard(number);
            Record(valueNs);
        }
    }

    private long* GetShard(int number)
    {
        nint shard = Volatile.Read(ref _shards[number]);
        if (shard != 0)
        {
            return (long*)shard;
        }

        nint made = (nint)NativeMemory.AllocZeroed(ShardCells, sizeof(long));
        nint before = Interlocked.CompareExchange(ref _shards[number], made, 0);
        if (before != 0)
        {
            NativeMemory.Free((void*)made); // another thread was first, with the shared one
            return (long*)before;
        }

        GC.AddMemoryPressure(ShardCells * sizeof(long)); // forgotten histograms are collected as if it were managed
        return (long*)made;
    }

    private static void AddToSummary(long* shared, long sumNs, long maxNs, long minNs)
    {
        Interlocked.Add(ref shared[SumCell], sumNs);
        Raise(ref shared[MaxCell], maxNs);
        Raise(ref shared[BelowTopCell], ValueNsMax - minNs);
    }

    private static void Raise(ref long cell, long value)
    {
        for (long seen = Volatile.Read(ref cell); value > seen;)
        {
            long before = Interlocked.CompareExchange(ref cell, value, seen);
            seen = before == seen ? value : before;
        }
    }

    private Summary Summarise()
    {
        Span<nint> room = stackalloc nint[_shards.Length];
        long count = 0, sumNs = 0, maxNs = 0, belowTop = 0;
        foreach (nint address in FindShards(room))
        {
            // SAFETY: shards have ShardCells cells, and are freed by the finaliser only.
            long* shard = (long*)address;
            foreach (long bucket in new ReadOnlySpan<long>(shard + FirstCount, BucketCount))
            {
                count += bucket;
            }

            sumNs += Volatile.Read(ref shard[SumCell]);
            maxNs = Math.Max(maxNs, Volatile.Read(ref shard[MaxCell]));
            belowTop = Math.Max(belowTop, Volatile.Read(ref shard[BelowTopCell]));
        }

        GC.KeepAlive(this);
        return new(count, sumNs, maxNs, count == 0 ? 0 : ValueNsMax - belowTop);
    }

    private ReadOnlySpan<nint> FindShards(Span<nint> room)
    {
        int count = 0;
        foreach (ref nint shard in _shards.AsSpan())
        {
            if (Volatile.Read(ref shard) is not 0 and nint address)
            {
                room[count++] = address;
            }
        }

        return room[..count];
    }

    private static long CountIn(ReadOnlySpan<nint> shards, int index)
    {
        long count = 0;
        foreach (nint shard in shards)
        {
            count += Volatile.Read(ref ((long*)shard)[FirstCount + index]); // SAFETY: callers stay below BucketCount
        }

        return count;
    }

    private readonly record struct Summary(long Count, long SumNs, long MaxNs, long MinNs);
}
