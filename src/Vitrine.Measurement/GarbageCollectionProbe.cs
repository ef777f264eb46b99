namespace Vitrine.Measurement;

/// <summary>Garbage collections of this process: pauses, and bytes allocated.</summary>
/// <remarks>One thread. <see cref="Poll"/> allocates nothing; call it once a frame, so that it meets the pauses one by one.</remarks>
public sealed class GarbageCollectionProbe
{
    private readonly LatencyHistogram _pauses = new();
    private int _collections = GC.CollectionCount(0);
    private TimeSpan _pauseTotal = GC.GetTotalPauseDuration();
    private long _allocatedBytes = GC.GetTotalAllocatedBytes();

    /// <summary>Pauses seen by <see cref="Poll"/>. Several collections between two polls count with their mean.</summary>
    public LatencyHistogram Pauses => _pauses;

    /// <summary>Bytes allocated by all threads since construction or <see cref="Restart"/>. The runtime counts in allocation
    /// contexts of 8 KB unless <paramref name="precise"/>, which stops all threads.</summary>
    public long GetAllocatedBytes(bool precise) => GC.GetTotalAllocatedBytes(precise) - _allocatedBytes;

    /// <summary>Looks whether a collection happened.</summary>
    public void Poll()
    {
        int collections = GC.CollectionCount(0);
        if (collections == _collections)
        {
            return;
        }

        TimeSpan total = GC.GetTotalPauseDuration();
        int count = collections - _collections;
        for (int i = 0; i < count; i++)
        {
            _pauses.Record((long)((total - _pauseTotal).TotalNanoseconds / count));
        }

        (_collections, _pauseTotal) = (collections, total);
    }

    /// <summary>Counts from now.</summary>
    public void Restart()
    {
        _pauses.Clear();
        _collections = GC.CollectionCount(0);
        _pauseTotal = GC.GetTotalPauseDuration();
        _allocatedBytes = GC.GetTotalAllocatedBytes(precise: true);
    }
}
