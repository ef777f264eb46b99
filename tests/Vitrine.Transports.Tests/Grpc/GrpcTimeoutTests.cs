using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Tests.Grpc;

public sealed class GrpcTimeoutTests
{
    [Theory]
    [InlineData(0L, "0u")]
    [InlineData(1L, "1u")] // 100 ns, rounded up
    [InlineData(10L, "1u")]
    [InlineData(15_000_000L, "1500000u")]
    [InlineData(999_999_990L, "99999999u")]
    [InlineData(999_999_991L, "100000m")]
    [InlineData(36_000_000_000L, "3600000m")]
    [InlineData(long.MaxValue, "99999999H")]
    public void Time_InTheFinestUnitThatHoldsIt(long ticks, string text) => Assert.Equal(text, GrpcTimeout.Format(new(ticks)));

    [Theory]
    [InlineData("1n", 1L)]
    [InlineData("101n", 2L)]
    [InlineData("5u", 50L)]
    [InlineData("5m", 50_000L)]
    [InlineData("5S", 50_000_000L)]
    [InlineData("5M", 3_000_000_000L)]
    [InlineData("5H", 180_000_000_000L)]
    [InlineData("99999999H", 3_599_999_964_000_000_000L)]
    [InlineData("00000000m", 0L)]
    public void Text_Read(string text, long ticks)
    {
        Assert.True(GrpcTimeout.TryParse(text, out TimeSpan timeout));
        Assert.Equal(ticks, timeout.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("5")]
    [InlineData("5s")]
    [InlineData("-5S")]
    [InlineData("5 S")]
    [InlineData("1.5S")]
    [InlineData("100000000S")]
    [InlineData("٥S")]
    public void OtherText_Refused(string text) => Assert.False(GrpcTimeout.TryParse(text, out _));
}
