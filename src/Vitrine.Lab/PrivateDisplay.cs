using System.Globalization;
using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Lab;

/// <summary>An X display of the lab's own, with a connection to paint on it.</summary>
internal sealed class PrivateDisplay : IDisposable
{
    private PrivateDisplay(VirtualDisplay server, X11Connection painter) => (Server, Painter) = (server, painter);

    public VirtualDisplay Server { get; }

    /// <summary>For whoever paints; one thread at a time.</summary>
    public X11Connection Painter { get; }

    public string Name => Server.DisplayName;

    /// <exception cref="MissingRequirementException">Xvfb is not there or does not start.</exception>
    public static PrivateDisplay Start(DeviceSize size)
    {
        VirtualDisplay server = VirtualDisplay.TryStart(size, out string error) ?? throw new MissingRequirementException(error, "xvfb");
        X11Connection? painter = X11Connection.TryOpen(server.DisplayName, out error);
        if (painter is null)
        {
            server.Dispose();
            throw new InvalidOperationException(error);
        }

        return new PrivateDisplay(server, painter);
    }

    /// <summary>Splits the screen into two monitors side by side.</summary>
    /// <returns>Why not, or null.</returns>
    public async Task<string?> SplitIntoTwoMonitorsAsync(CancellationToken cancellationToken)
    {
        if (ChildProcess.Find("xrandr") is not string program)
        {
            return "xrandr is missing; install x11-xserver-utils";
        }

        int width = Server.Size.Width / 2, height = Server.Size.Height;
        foreach ((string name, int x, string output) in ((string, int, string)[])[("left", 0, "screen"), ("right", width, "none")])
        {
            string geometry = string.Create(CultureInfo.InvariantCulture, $"{width}/500x{height}/280+{x}+0");
            (int exitCode, _, string errors) = await ChildProcess.RunAsync(
                program, ["-display", Name, "--setmonitor", name, geometry, output], null, cancellationToken);
            if (exitCode != 0)
            {
                return errors;
            }
        }

        return null;
    }

    /// <summary>A source of this display's pixels.</summary>
    public X11ScreenSource Open(string backEnd, TimeProvider time, DeviceRectangle? region = null) =>
        X11Capture.TryOpenScreen(new X11CaptureOptions { DisplayName = Name, BackEnd = backEnd, Region = region, Time = time }, out string error)
            ?? throw new InvalidOperationException($"{backEnd}: {error}");

    public void Dispose()
    {
        Painter.Dispose();
        Server.Dispose();
    }
}
