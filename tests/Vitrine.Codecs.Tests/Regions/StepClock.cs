namespace Vitrine.Codecs.Tests.Regions;

/// <summary>A clock that a test moves on. Every look at it costs time too, so that work seems to take some.</summary>
internal sealed class StepClock(long lookNs = 60_000) : TimeProvider
{
    private long _nowNs = 1_000_000_000_000;

    public override long TimestampFrequency => 1_000_000_000;

    public override long GetTimestamp() => _nowNs += lookNs;

    public void AdvanceMs(double milliseconds) => _nowNs += (long)(milliseconds * 1e6);
}
