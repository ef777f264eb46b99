namespace Vitrine.Frames.Tests;

public sealed class MonotonicTimeTests
{
    [Theory]
    [InlineData(1_000_000_000, 123_456_789_012, 123_456_789_012)]
    [InlineData(10_000_000, 10_000_001, 1_000_000_100)]
    [InlineData(3, 10, 3_333_333_333)]
    [InlineData(24_000_000, long.MaxValue / 1000, 384_307_168_202_282_291)] // ticks times 10^9 would overflow
    public void AnyFrequency_Nanoseconds(long frequency, long ticks, long nanoseconds) =>
        Assert.Equal(nanoseconds, new FixedTime(frequency, ticks).GetMonotonicNanoseconds());

    private sealed class FixedTime(long frequency, long ticks) : TimeProvider
    {
        public override long TimestampFrequency => frequency;

        public override long GetTimestamp() => ticks;
    }
}
