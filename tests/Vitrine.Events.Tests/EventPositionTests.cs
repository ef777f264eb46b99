namespace Vitrine.Events.Tests;

public class EventPositionTests
{
    [Theory]
    [InlineData("0", "", 0, 0)]
    [InlineData("1234", "", 0, 1234)]
    [InlineData("sessions/3/17", "sessions", 3, 17)]
    [InlineData("a/b/0/1", "a/b", 0, 1)]
    public void Text_ThereAndBack(string text, string stream, int partition, long offset)
    {
        EventPosition position = EventPosition.Parse(text);
        Assert.Equal(new EventPosition(stream, partition, offset), position);
        Assert.Equal(text, position.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1/2")]
    [InlineData("/0/1")]
    [InlineData("t/x/1")]
    [InlineData("t/0/")]
    [InlineData("99999999999999999999")]
    public void OtherText_IsRefused(string text)
    {
        Assert.False(EventPosition.TryParse(text, null, out _));
        Assert.Throws<FormatException>(() => EventPosition.Parse(text));
    }
}
