using System.Globalization;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Lab;

/// <summary>An X display of the lab's own, with a connection to paint on it.</summary>
internal sealed class PrivateDisplay : IDisposable
{
    private PrivateDisplay(VirtualDisplay server, X11Connection painter) => (Server, Painter) = (server, painter);

    public VirtualDisplay Server { get; }

    /// <summary>For whoever paints; one thread at a time.</summary>
    public X11Connection Painter { get; }

    public string Name => Server.DisplayName;

    /// <exception cref="MissingRequirementException">Xvfb is not installed.</exception>
    /// <exception cref="LaboratoryException">Xvfb does not start.</exception>
    public static PrivateDisplay Start(DeviceSize size)
    {
        if (ChildProcess.Find("Xvfb") is null)
        {
            throw new MissingRequirementException("The program Xvfb", "xvfb");
        }

        VirtualDisplay server = VirtualDisplay.TryStart(size, out string error) ?? throw new LaboratoryException(error);
        X11Connection? painter = X11Connection.TryOpen(server.DisplayName, out error);
        if (painter is null)
        {
            server.Dispose();
            throw new LaboratoryException(error);
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

    /// <summary>Changes the size of the screen, as a person does who chooses another mode. Not larger than it was at the start.</summary>
    /// <exception cref="LaboratoryException">The server refuses.</exception>
    public unsafe void Resize(DeviceSize size)
    {
        XcbConnection connection = Painter.Handle;
        // SAFETY: each reply that is not null is a whole reply of its type; ours until freed, once.
        XcbRandrGetScreenResourcesCurrentReply* resources = LibXcbRandr.xcb_randr_get_screen_resources_current_reply(
            connection, LibXcbRandr.xcb_randr_get_screen_resources_current(connection, Painter.Root), null);
        if (resources is null)
        {
            throw new LaboratoryException("The display is gone.");
        }

        uint timestamp = resources->ConfigTimestamp;
        uint controller = LibXcbRandr.xcb_randr_get_screen_resources_current_crtcs(resources)[0];
        LibC.free(resources);
        // A screen can be smaller than its controller's mode only while the controller is off.
        LibC.free(LibXcbRandr.xcb_randr_set_crtc_config_reply(
            connection, LibXcbRandr.xcb_randr_set_crtc_config(connection, controller, 0, timestamp, 0, 0, 0, 1, 0, default), null));
        byte error = Painter.Check(LibXcbRandr.xcb_randr_set_screen_size_checked(
            connection, Painter.Root, (ushort)size.Width, (ushort)size.Height, (uint)size.Width / 4, (uint)size.Height / 4));
        if (error != 0)
        {
            throw new LaboratoryException($"The X server refuses the size {size}: error {error}.");
        }
    }

    /// <summary>Everything that all clients together hold on the server: windows, pixmaps, regions, damage objects, segments.</summary>
    /// <returns>-1 when the server cannot say.</returns>
    public unsafe long CountResources()
    {
        if (!Painter.Res.IsPresent)
        {
            return -1;
        }

        XcbConnection connection = Painter.Handle;
        // SAFETY: as above; the lists are as long as the replies say.
        XcbResQueryClientsReply* clients = LibXcbRes.xcb_res_query_clients_reply(connection, LibXcbRes.xcb_res_query_clients(connection), null);
        if (clients is null)
        {
            return -1;
        }

        long count = 0;
        for (int i = 0; i < LibXcbRes.xcb_res_query_clients_clients_length(clients); i++)
        {
            uint client = LibXcbRes.xcb_res_query_clients_clients(clients)[i].ResourceBase;
            XcbResQueryClientResourcesReply* held = LibXcbRes.xcb_res_query_client_resources_reply(
                connection, LibXcbRes.xcb_res_query_client_resources(connection, client), null);
            for (int j = 0; held is not null && j < LibXcbRes.xcb_res_query_client_resources_types_length(held); j++)
            {
                count += LibXcbRes.xcb_res_query_client_resources_types(held)[j].Count;
            }

            LibC.free(held);
        }

        LibC.free(clients);
        return count;
    }

    /// <summary>A source of this display's pixels.</summary>
    public X11ScreenSource Open(string backEnd, TimeProvider time, DeviceRectangle? region = null) =>
        X11Capture.TryOpenScreen(new X11CaptureOptions { DisplayName = Name, BackEnd = backEnd, Region = region, Time = time }, out string error)
            ?? throw new LaboratoryException($"{backEnd}: {error}");

    public void Dispose()
    {
        Painter.Dispose();
        Server.Dispose();
    }
}
