using Vitrine.Events.Hosts;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Sharing;

/// <summary>Counts how late a viewer sees changes, until somebody takes the figures.</summary>
/// <remarks>Thread-safe. Recording allocates nothing.</remarks>
internal sealed class LatencyTally
{
    private readonly Lock _lock = new();
    private readonly uint[] _counts = new uint[LatencyCounts.BucketMax + 1];
    private double _maxMs;

    /// <summary>Counts one.</summary>
    /// <param name="milliseconds">What cannot be true is left out: a viewer's figures are an estimate at best.</param>
    public void Record(double milliseconds)
    {
        if (milliseconds is > -100 and < 60_000)
        {
            double known = Math.Max(milliseconds, 0);
            lock (_lock)
            {
                _counts[LatencyCounts.BucketOf(known * 1e3)]++;
                _maxMs = Math.Max(_maxMs, known);
            }
        }
    }

    /// <summary>The figures since the last time; null: none.</summary>
    public LatencyBuckets? Take()
    {
        LatencyBuckets? taken = null;
        lock (_lock)
        {
            for (int bucket = 0; bucket < _counts.Length; bucket++)
            {
                if (_counts[bucket] != 0)
                {
                    taken ??= new() { MaxMilliseconds = _maxMs };
                    taken.Counts[(uint)bucket] = _counts[bucket];
                    _counts[bucket] = 0;
                }
            }

            _maxMs = 0;
        }

        return taken;
    }
}
