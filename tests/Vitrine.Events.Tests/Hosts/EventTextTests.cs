using Vitrine.Events.Hosts;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests.Hosts;

public class EventTextTests
{
    [Theory]
    [InlineData(0, "0.0 s")]
    [InlineData(-1, "0.0 s")]
    [InlineData(double.NaN, "0.0 s")]
    [InlineData(2.34, "2.3 s")]
    [InlineData(778.9, "12 min 58 s")]
    [InlineData(3_600 + 120, "1 h 2 min")]
    [InlineData(2 * 86_400 + 7_200, "2 d 2 h")]
    public void ViewerLeft_HowLongItWasThere(double seconds, string text)
    {
        Event happened = new() { ViewerLeft = new() { ViewerId = 3, Reason = "left", ConnectedSeconds = seconds, FramesSent = 4, BytesSent = 1_200_000 } };

        Assert.Equal($"viewer 3 went (left) after {text}, 4 frames, 1.2 MB", EventText.Describe(happened));
    }
}
