using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Motion;

namespace Vitrine.Lab.Tests.Motion;

public sealed class MotionPainterTests
{
    [Fact]
    public void EveryTurn_BeginsWithTheSameContent()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(1024, 768));
        using X11Connection connection = X11Connection.TryOpen(display.Name, out string error) ?? throw new InvalidOperationException(error);
        using var load = new TypingLoad(connection, new(0, 0, 900, 700), 200);
        using var painter = new MotionPainter(connection, load, TimeProvider.System);
        Assert.True(load.TurnFrames > 1);
        for (long turn = 0; turn < 3; turn++)
        {
            painter.Start();
            Assert.True(SpinWait.SpinUntil(() => painter.Times.Last > turn * load.TurnFrames, TimeSpan.FromSeconds(30)));
            painter.Stop();
            Assert.True(painter.Times.Last < (turn + 1) * load.TurnFrames, "a turn was painted before it could be stopped");
            Assert.NotEqual(0, painter.Times.GetNs((turn * load.TurnFrames) + 1));
        }
    }

    [Fact]
    public void FramePaintedOnceMore_SamePixels()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(1024, 768));
        using X11Connection connection = X11Connection.TryOpen(display.Name, out string error) ?? throw new InvalidOperationException(error);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        using var load = new ScrollingLoad(connection, new(0, 0, 900, 700), 200);
        using var painter = new MotionPainter(connection, load, TimeProvider.System);
        for (long turn = 0; turn < 2; turn++)
        {
            painter.Start();
            Assert.True(SpinWait.SpinUntil(() => painter.Times.Last > (turn * load.TurnFrames) + 20, TimeSpan.FromSeconds(30)));
            painter.Stop();
            long last = painter.Times.Last;
            byte[] played = truth.Hash();
            painter.Repaint(last - 3);
            Assert.NotEqual(played, truth.Hash());
            painter.Repaint(last);
            Assert.Equal(played, truth.Hash());
        }
    }

    [Theory]
    [InlineData("typing")]
    [InlineData("scrolling")]
    [InlineData("dragging")]
    public void SameFrameOfEveryTurn_SamePixels(string name)
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(1024, 768));
        using X11Connection connection = X11Connection.TryOpen(display.Name, out string error) ?? throw new InvalidOperationException(error);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        using MotionLoad load = name switch
        {
            "typing" => new TypingLoad(connection, new(0, 0, 900, 700), 200),
            "scrolling" => new ScrollingLoad(connection, new(0, 0, 900, 700), 200),
            _ => new DraggingLoad(connection, new(1024, 768), new(600, 400), 200),
        };
        byte[] first = Paint(0, 50), other = Paint(1, 51), again = Paint(2, 50);
        Assert.Equal(first, again);
        Assert.NotEqual(first, other);

        byte[] Paint(long turn, int frames)
        {
            load.Begin();
            for (int frame = 1; frame <= frames; frame++)
            {
                load.Paint((turn * load.TurnFrames) + frame);
            }

            Assert.True(connection.Synchronize());
            return truth.Hash();
        }
    }
}
