namespace Vitrine.Transports.Tests;

/// <summary>A clock that is moved by hand; ticks at an odd frequency, so that nobody takes its ticks for a unit.</summary>
internal sealed class TestTime : TimeProvider
{
    private long _now = 12345;

    public override long TimestampFrequency => 9_999_991;

    public override long GetTimestamp() => _now;

    public void Advance(TimeSpan time) => _now += (long)Math.Ceiling(time.TotalSeconds * TimestampFrequency);
}
