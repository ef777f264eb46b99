using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>Figures of <see cref="LatencyBuckets"/>.</summary>
public static class LatencyCounts
{
    /// <summary>Buckets in which a time doubles.</summary>
    public const int BucketsADoubling = 8;

    /// <summary>The last one: an hour and more.</summary>
    public const int BucketMax = 255;

    /// <summary>The bucket of a time.</summary>
    /// <param name="microseconds">Not negative.</param>
    public static int BucketOf(double microseconds) =>
        microseconds < 1 ? 0 : Math.Min(BucketMax, (int)(Math.Log2(microseconds) * BucketsADoubling));

    /// <summary>Adds one to another.</summary>
    public static void Add(LatencyBuckets to, LatencyBuckets? buckets)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (buckets is null)
        {
            return;
        }

        foreach ((uint bucket, ulong count) in buckets.Counts)
        {
            uint known = Math.Min(bucket, BucketMax); // from anybody
            to.Counts[known] = to.Counts.TryGetValue(known, out ulong before) ? before + count : count;
        }

        to.MaxMilliseconds = Math.Max(to.MaxMilliseconds, buckets.MaxMilliseconds);
    }

    /// <summary>The time that a share of all took at most, milliseconds, to a twelfth; 0 when there are none.</summary>
    /// <param name="buckets">All.</param>
    /// <param name="share">0 to 1.</param>
    public static double PercentileMs(LatencyBuckets? buckets, double share)
    {
        if (buckets is null || buckets.Counts.Count == 0)
        {
            return 0;
        }

        double wanted = share * buckets.Counts.Values.Sum(count => (double)count), seen = 0;
        uint last = 0;
        foreach ((uint bucket, ulong count) in buckets.Counts.OrderBy(each => each.Key))
        {
            (seen, last) = (seen + count, bucket);
            if (seen >= wanted)
            {
                break;
            }
        }

        // The middle of the bucket, on the scale that it is of; none is beyond the largest there was.
        double middle = Math.Pow(2, (last + 0.5) / BucketsADoubling) / 1e3;
        return buckets.MaxMilliseconds > 0 ? Math.Min(middle, buckets.MaxMilliseconds) : middle;
    }
}
