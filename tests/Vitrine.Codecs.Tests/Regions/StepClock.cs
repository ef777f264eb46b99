namespace Vitrine.Codecs.Tests.Regions;

/// <summary>A clock that a test moves on. Every look at it costs time too, so that work seems to take some.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class StepClock(long lookNs = 60_000) : TimeProvider
{
    private long _nowNs = 1_000_000_000_000;

    /// <summary>What a look costs from now on.</summary>
    public long LookNs { get; set; } = lookNs;

    public override long TimestampFrequency => 1_000_000_000;

    public override long GetTimestamp() => Interlocked.Add(ref _nowNs, LookNs);

    public void AdvanceMs(double milliseconds) => Interlocked.Add(ref _nowNs, (long)(milliseconds * 1e6));
}
