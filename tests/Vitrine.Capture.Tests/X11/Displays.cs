using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Capture.Tests.X11;

internal static class Displays
{
    /// <summary>A private display, or a failed test that names what to install.</summary>
    public static VirtualDisplay Start(int width, int height, params ReadOnlySpan<string> arguments)
    {
        VirtualDisplay? display = VirtualDisplay.TryStart(new DeviceSize(width, height), out string error, 24, arguments);
        Assert.True(display is not null, error);
        return display;
    }

    public static X11Connection Connect(string displayName)
    {
        X11Connection? connection = X11Connection.TryOpen(displayName, out string error);
        Assert.True(connection is not null, error);
        return connection;
    }

    public static X11ScreenSource Open(X11CaptureOptions options)
    {
        X11ScreenSource? source = X11Capture.TryOpenScreen(options, out string error);
        Assert.True(source is not null, error);
        return source;
    }

    /// <summary>Takes the next frame; the caller owns it.</summary>
    public static FrameLease Next(this IFrameSource source)
    {
        CaptureStatus status = source.WaitForFrame(Deadline, out FrameLease? frame);
        Assert.Equal(CaptureStatus.Frame, status);
        return frame!;
    }

    /// <summary>Long enough for a loaded machine; reached only when a test fails.</summary>
    public static TimeSpan Deadline => TimeSpan.FromSeconds(20);
}
