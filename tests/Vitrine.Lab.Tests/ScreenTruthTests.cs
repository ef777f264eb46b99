using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;

namespace Vitrine.Lab.Tests;

public sealed class ScreenTruthTests
{
    [Fact]
    public void OneWrongPixel_IsCountedAndChangesTheHash()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(320, 200));
        using var painter = new RandomPainter(display.Painter, seed: 7);
        for (int i = 0; i < 50; i++)
        {
            painter.Step();
        }

        Assert.True(painter.TrySynchronize());
        using var truth = new ScreenTruth(display, TimeProvider.System);
        using X11ScreenSource source = display.Open(X11Capture.Shm, TimeProvider.System);
        Assert.Equal(CaptureStatus.Frame, source.Capture(out FrameLease? frame));
        byte[] picture = frame!.Pixels.ToArray();
        FrameFormat format = frame.Format;
        frame.Dispose();

        Assert.Equal(0, truth.CountDifferences(picture));
        Assert.Equal(Lab.Browser.CanvasProbe.Hash(picture, format), truth.Hash());
        picture[(((100 * 320) + 50) * 4) + 3] ^= 0xFF; // the fourth byte means nothing
        Assert.Equal(0, truth.CountDifferences(picture));
        picture[(((100 * 320) + 50) * 4) + 1] ^= 1;
        Assert.Equal(1, truth.CountDifferences(picture));
        Assert.NotEqual(Lab.Browser.CanvasProbe.Hash(picture, format), truth.Hash());
        Assert.Equal(320 * 200, truth.CountDifferences(picture.AsSpan(4)));
    }

    [Fact]
    public void DisplayOfAnotherSize_IsReadAtThatSize()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(320, 200));
        using var truth = new ScreenTruth(display, TimeProvider.System);
        display.Resize(new DeviceSize(200, 100));
        truth.Hash();
        Assert.Equal(new DeviceSize(200, 100), truth.Size);
        long resources = display.CountResources();
        using (var window = new PaintedWindow(display.Painter, new DeviceRectangle(0, 0, 9, 9), 0, "counted"))
        {
            Assert.True(display.CountResources() > resources);
        }

        Assert.Equal(resources, display.CountResources());
    }
}
