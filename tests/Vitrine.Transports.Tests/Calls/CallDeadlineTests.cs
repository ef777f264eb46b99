using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Tests.Calls;

public sealed class CallDeadlineTests
{
    private readonly TestTime _time = new();

    [Fact]
    public void None_NeverPasses()
    {
        Assert.True(CallDeadline.None.IsNone);
        Assert.True(CallDeadline.After(Timeout.InfiniteTimeSpan, _time).IsNone);
        Assert.Equal(TimeSpan.MaxValue, CallDeadline.None.Remaining(_time));
    }

    [Fact]
    public void After_CountsDownToZero()
    {
        CallDeadline deadline = CallDeadline.After(TimeSpan.FromSeconds(10), _time);
        Assert.False(deadline.IsNone);
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.InRange(deadline.Remaining(_time).TotalSeconds, 5.999, 6);
        _time.Advance(TimeSpan.FromSeconds(7));
        Assert.Equal(TimeSpan.Zero, deadline.Remaining(_time));
    }

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(-5L)]
    [InlineData(0L)]
    public void NotPositive_HasPassed(long ticks)
    {
        CallDeadline deadline = CallDeadline.After(new TimeSpan(ticks), _time);
        Assert.False(deadline.IsNone);
        Assert.Equal(TimeSpan.Zero, deadline.Remaining(_time));
    }

    [Fact]
    public void VeryFar_DoesNotWrap() => Assert.True(CallDeadline.After(TimeSpan.MaxValue, _time).Remaining(_time).TotalDays > 1_000_000);
}
