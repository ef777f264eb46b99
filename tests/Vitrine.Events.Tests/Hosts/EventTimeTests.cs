using Vitrine.Events.Hosts;

namespace Vitrine.Events.Tests.Hosts;

public class EventTimeTests
{
    private static readonly DateTimeOffset s_now = new(2030, 5, 6, 7, 8, 9, TimeSpan.Zero);

    [Theory]
    [InlineData("90s", 90)]
    [InlineData("15m", 900)]
    [InlineData("1.5h", 5400)]
    [InlineData("7d", 604_800)]
    public void SoLongAgo(string text, double seconds)
    {
        Assert.True(EventTime.TryParse(text, new Stopped(), out DateTimeOffset time));
        Assert.Equal(s_now - TimeSpan.FromSeconds(seconds), time);
    }

    [Fact]
    public void TimesOfTheClock()
    {
        Assert.True(EventTime.TryParse("2030-01-31T12:00:00Z", new Stopped(), out DateTimeOffset time));
        Assert.Equal(new DateTimeOffset(2030, 1, 31, 12, 0, 0, TimeSpan.Zero), time);
        Assert.True(EventTime.TryParse("2030-01-31", new Stopped(), out time));
        Assert.Equal(new DateTime(2030, 1, 31), time.LocalDateTime);
    }

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("-5m")]
    [InlineData("99999999999d")]
    [InlineData("5 weeks")]
    [InlineData("yesterday")]
    public void OtherText_IsRefused(string text) => Assert.False(EventTime.TryParse(text, new Stopped(), out _));

    private sealed class Stopped : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => s_now;
    }
}
