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
}
