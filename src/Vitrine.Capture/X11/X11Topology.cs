using System.Globalization;
using System.Text;
using Vitrine.Capture.Topology;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>The monitors of an X display: RandR 1.5 monitors, else the active CRTCs, else the screen as one monitor.</summary>
/// <remarks>
/// Needs no thread of its own. Whoever waits for events on a connection calls <see cref="SelectChanges"/> once, asks
/// <see cref="IsChange"/> about each event, and then reads anew with <see cref="TryRead"/>.
/// <para>The scale is <c>Xft.dpi / 96</c> of the display's resources: on X11 that is the one scale that programs draw with,
/// whatever monitor they are on. A user who knows better gives a scale by monitor name.</para>
/// </remarks>
public static unsafe class X11Topology
{
    private const uint ResourceManagerBytesMax = 256 * 1024; // resource files of users have a few KB
    private const int NameBytesMax = 64; // what the protocol carries
    private const double DpiOfScaleOne = 96;

    private const uint RootEvents = LibXcb.EventMaskStructureNotify | LibXcb.EventMaskPropertyChange;
    private const ushort RandrEvents = LibXcbRandr.NotifyMaskScreenChange | LibXcbRandr.NotifyMaskCrtcChange
        | LibXcbRandr.NotifyMaskOutputChange | LibXcbRandr.NotifyMaskResourceChange;

    /// <summary>Asks the server for the events that <see cref="IsChange"/> knows, beside those asked for already.</summary>
    public static void SelectChanges(X11Connection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        AddRootEvents(connection, RootEvents);
        if (connection.Randr.IsAtLeast(1, 2))
        {
            _ = LibXcbRandr.xcb_randr_select_input(connection.Handle, connection.Root, RandrEvents);
        }

        _ = connection.Atom("RESOURCE_MANAGER"); // known from here on: IsChange must not wait for a reply
        connection.Flush();
    }

    /// <summary>Reads the monitors as they are now; a few round trips.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="generation">Number for the result.</param>
    /// <param name="topology">The result; null when false is returned.</param>
    /// <param name="scales">Scales by monitor name that count instead of the display's own; null: none.</param>
    /// <returns>False when the display is gone.</returns>
    public static bool TryRead(
        X11Connection connection, int generation, out DisplayTopology? topology, IReadOnlyDictionary<string, double>? scales = null)
    {
        ArgumentNullException.ThrowIfNull(connection);
        topology = null;
        if (!connection.TryGetRootSize(out DeviceSize size))
        {
            return false;
        }

        double scale = ReadScale(connection);
        List<MonitorDescription> monitors = [];
        if (connection.Randr.IsAtLeast(1, 5))
        {
            ReadMonitors(connection, scale, monitors);
        }

        if (monitors.Count == 0 && connection.Randr.IsAtLeast(1, 3))
        {
            ReadCrtcs(connection, scale, monitors);
        }

        if (connection.IsBroken)
        {
            return false;
        }

        if (monitors.Count == 0)
        {
            monitors.Add(new("screen", DeviceRectangle.Of(size), scale, IsPrimary: true));
        }

        for (int i = 0; scales is not null && i < monitors.Count; i++)
        {
            if (scales.TryGetValue(monitors[i].Name, out double own))
            {
                monitors[i] = monitors[i] with { Scale = own };
            }
        }

        topology = new DisplayTopology(generation, DeviceRectangle.Of(size), monitors);
        return true;
    }

    /// <summary>Whether an event says that <see cref="TryRead"/> may give something new.</summary>
    internal static bool IsChange(X11Connection connection, in X11Event next)
    {
        if (next.IsError)
        {
            return false;
        }

        // Changes of monitors alone (RRSetMonitor) come as ConfigureNotify of the root.
        return next.Is(connection.Randr, LibXcbRandr.ScreenChangeNotify)
            || next.Is(connection.Randr, LibXcbRandr.Notify)
            || (next.Type == LibXcb.ConfigureNotify && next.As<XcbConfigureNotifyEvent>().Window == connection.Root)
            || (next.Type == LibXcb.PropertyNotify && next.As<XcbPropertyNotifyEvent>().Window == connection.Root
                && next.As<XcbPropertyNotifyEvent>().Atom == connection.Atom("RESOURCE_MANAGER"));
    }

    /// <summary>Adds to what this client is told about the root window: the mask is one a client, and setting it replaces it.</summary>
    internal static void AddRootEvents(X11Connection connection, uint mask)
    {
        XcbGetWindowAttributesReply* reply = LibXcb.xcb_get_window_attributes_reply(
            connection.Handle, LibXcb.xcb_get_window_attributes(connection.Handle, connection.Root), null);
        if (reply is not null)
        {
            // SAFETY: a reply that is not null is a whole reply of its type; ours until freed. The same holds below.
            mask |= reply->YourEventMask;
            LibC.free(reply);
        }

        _ = LibXcb.xcb_change_window_attributes(connection.Handle, connection.Root, LibXcb.CwEventMask, [mask]);
    }

    private static void ReadMonitors(X11Connection connection, double scale, List<MonitorDescription> monitors)
    {
        XcbRandrGetMonitorsReply* reply = LibXcbRandr.xcb_randr_get_monitors_reply(
            connection.Handle, LibXcbRandr.xcb_randr_get_monitors(connection.Handle, connection.Root, 1), null);
        if (reply is null)
        {
            return;
        }

        // SAFETY: XCB checked the reply's length as a whole; the iterator's Rem counts the monitors within.
        XcbRandrMonitorInfoIterator iterator = LibXcbRandr.xcb_randr_get_monitors_monitors_iterator(reply);
        for (; iterator.Rem > 0 && monitors.Count < DisplayTopology.MonitorsMax; LibXcbRandr.xcb_randr_monitor_info_next(&iterator))
        {
            XcbRandrMonitorInfo* monitor = (XcbRandrMonitorInfo*)iterator.Data;
            int rotation = LibXcbRandr.xcb_randr_monitor_info_outputs_length(monitor) > 0
                ? ReadRotation(connection, LibXcbRandr.xcb_randr_monitor_info_outputs(monitor)[0])
                : 0;
            monitors.Add(new(
                ReadAtomName(connection, monitor->Name),
                new(monitor->X, monitor->Y, monitor->Width, monitor->Height),
                scale,
                rotation,
                monitor->Primary != 0,
                ToMillimetres(monitor->WidthInMillimeters),
                ToMillimetres(monitor->HeightInMillimeters)));
        }

        LibC.free(reply);
    }

    private static void ReadCrtcs(X11Connection connection, double scale, List<MonitorDescription> monitors)
    {
        uint primary = 0;
        XcbRandrGetOutputPrimaryReply* primaryReply = LibXcbRandr.xcb_randr_get_output_primary_reply(
            connection.Handle, LibXcbRandr.xcb_randr_get_output_primary(connection.Handle, connection.Root), null);
        if (primaryReply is not null)
        {
            primary = primaryReply->Output;
            LibC.free(primaryReply);
        }

        XcbRandrGetScreenResourcesCurrentReply* resources = LibXcbRandr.xcb_randr_get_screen_resources_current_reply(
            connection.Handle, LibXcbRandr.xcb_randr_get_screen_resources_current(connection.Handle, connection.Root), null);
        if (resources is null)
        {
            return;
        }

        ReadOnlySpan<uint> crtcs = new(
            LibXcbRandr.xcb_randr_get_screen_resources_current_crtcs(resources),
            LibXcbRandr.xcb_randr_get_screen_resources_current_crtcs_length(resources));
        foreach (uint crtc in crtcs[..Math.Min(crtcs.Length, DisplayTopology.MonitorsMax)])
        {
            XcbRandrGetCrtcInfoReply* info = LibXcbRandr.xcb_randr_get_crtc_info_reply(
                connection.Handle, LibXcbRandr.xcb_randr_get_crtc_info(connection.Handle, crtc, 0), null);
            if (info is null)
            {
                continue;
            }

            if (info->Mode != 0 && LibXcbRandr.xcb_randr_get_crtc_info_outputs_length(info) > 0)
            {
                uint output = LibXcbRandr.xcb_randr_get_crtc_info_outputs(info)[0];
                XcbRandrGetOutputInfoReply* outputInfo = ReadOutput(connection, output);
                if (outputInfo is not null)
                {
                    int rotation = ToDegrees(info->Rotation);
                    bool lying = rotation is 90 or 270; // the output tells the panel's own sides
                    monitors.Add(new(
                        ToName(LibXcbRandr.xcb_randr_get_output_info_name(outputInfo), LibXcbRandr.xcb_randr_get_output_info_name_length(outputInfo)),
                        new(info->X, info->Y, info->Width, info->Height),
                        scale,
                        rotation,
                        output == primary,
                        ToMillimetres(lying ? outputInfo->MmHeight : outputInfo->MmWidth),
                        ToMillimetres(lying ? outputInfo->MmWidth : outputInfo->MmHeight)));
                    LibC.free(outputInfo);
                }
            }

            LibC.free(info);
        }

        LibC.free(resources);
    }

    private static int ReadRotation(X11Connection connection, uint output)
    {
        int rotation = 0;
        XcbRandrGetOutputInfoReply* outputInfo = ReadOutput(connection, output);
        if (outputInfo is not null)
        {
            XcbRandrGetCrtcInfoReply* info = outputInfo->Crtc == 0 ? null : LibXcbRandr.xcb_randr_get_crtc_info_reply(
                connection.Handle, LibXcbRandr.xcb_randr_get_crtc_info(connection.Handle, outputInfo->Crtc, 0), null);
            if (info is not null)
            {
                rotation = ToDegrees(info->Rotation);
                LibC.free(info);
            }

            LibC.free(outputInfo);
        }

        return rotation;
    }

    private static XcbRandrGetOutputInfoReply* ReadOutput(X11Connection connection, uint output) =>
        LibXcbRandr.xcb_randr_get_output_info_reply(connection.Handle, LibXcbRandr.xcb_randr_get_output_info(connection.Handle, output, 0), null);

    private static double ReadScale(X11Connection connection)
    {
        XcbGetPropertyReply* reply = LibXcb.xcb_get_property_reply(
            connection.Handle,
            LibXcb.xcb_get_property(connection.Handle, 0, connection.Root, connection.Atom("RESOURCE_MANAGER"), LibXcb.AtomString, 0, ResourceManagerBytesMax / 4),
            null);
        if (reply is null)
        {
            return 1;
        }

        ReadOnlySpan<byte> resources = reply->Format == 8
            ? new(LibXcb.xcb_get_property_value(reply), LibXcb.xcb_get_property_value_length(reply))
            : [];
        double scale = ParseScale(resources);
        LibC.free(reply);
        return scale;
    }

    /// <summary>The scale that a resource database asks for: <c>Xft.dpi</c> over 96, in steps of 1/96 as it comes; 1 when it says nothing sensible.</summary>
    internal static double ParseScale(ReadOnlySpan<byte> resources)
    {
        double scale = 1;
        foreach (Range line in resources.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> text = resources[line];
            int colon = text.IndexOf((byte)':');
            if (colon > 0 && text[..colon].Trim(" \t"u8).SequenceEqual("Xft.dpi"u8)
                && double.TryParse(text[(colon + 1)..].Trim(" \t\r\0"u8), NumberStyles.Float, CultureInfo.InvariantCulture, out double dpi)
                && dpi / DpiOfScaleOne is >= DisplayTopology.ScaleMin and <= DisplayTopology.ScaleMax)
            {
                scale = dpi / DpiOfScaleOne; // the last line counts, as for Xlib
            }
        }

        return scale;
    }

    private static string ReadAtomName(X11Connection connection, uint atom)
    {
        XcbGetAtomNameReply* reply = LibXcb.xcb_get_atom_name_reply(connection.Handle, LibXcb.xcb_get_atom_name(connection.Handle, atom), null);
        if (reply is null)
        {
            return "";
        }

        string name = ToName(LibXcb.xcb_get_atom_name_name(reply), LibXcb.xcb_get_atom_name_name_length(reply));
        LibC.free(reply);
        return name;
    }

    // SAFETY: callers pass a reply's own text and length, and free the reply afterwards.
    private static string ToName(byte* text, int length) => Encoding.UTF8.GetString(text, Math.Min(length, NameBytesMax));

    private static int ToMillimetres(uint millimetres) => (int)Math.Min(millimetres, 100_000);

    // RandR's rotation is one bit of 1, 2, 4, 8 for 0, 90, 180, 270 degrees; higher bits are reflections.
    private static int ToDegrees(ushort rotation) => (rotation & 0xF) switch
    {
        2 => 90,
        4 => 180,
        8 => 270,
        _ => 0,
    };
}
