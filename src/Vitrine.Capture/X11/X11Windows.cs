using System.Globalization;
using System.Text;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>A window as people see it in a list.</summary>
/// <param name="Id">Its number, shown as <c>0x1a00003</c>.</param>
/// <param name="Title">What its title bar says; may be empty.</param>
/// <param name="Class">The program's class, as <c>Firefox</c>; may be empty.</param>
/// <param name="Rectangle">Where it lies on the screen, without its border; device pixels.</param>
/// <param name="IsMapped">Whether it is shown, be it covered.</param>
public sealed record X11WindowEntry(uint Id, string Title, string Class, DeviceRectangle Rectangle, bool IsMapped);

/// <summary>Finds the windows of an X display.</summary>
public static unsafe class X11Windows
{
    private const int WindowsMax = 4096;
    private const int TextBytesMax = 256; // what the protocol carries of a name

    /// <summary>The windows that the window manager knows, oldest first; without one, what lies on the root, lowest first.</summary>
    public static IReadOnlyList<X11WindowEntry> List(X11Connection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        uint[] windows = ReadWindows(connection, connection.Root, "_NET_CLIENT_LIST");
        if (windows.Length == 0)
        {
            windows = ReadChildren(connection);
        }

        List<X11WindowEntry> entries = [];
        foreach (uint window in windows)
        {
            if (TryRead(connection, window) is { } entry)
            {
                entries.Add(entry);
            }
        }

        return entries;
    }

    /// <summary>The window that a text means: a number (<c>0x1a00003</c> or decimal), a title, or a part of one title only.
    /// Letter case does not matter.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="text">The text.</param>
    /// <param name="error">When null is returned: a sentence that says what is wrong, with the windows there are.</param>
    public static X11WindowEntry? Find(X11Connection connection, string text, out string error)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentException.ThrowIfNullOrEmpty(text);
        error = "";
        bool isHexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        if (uint.TryParse(isHexadecimal ? text.AsSpan(2) : text, isHexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out uint id)
            && TryRead(connection, id) is { } byId)
        {
            return byId;
        }

        IReadOnlyList<X11WindowEntry> all = List(connection);
        X11WindowEntry[] matches = [.. all.Where(window => window.Title.Equals(text, StringComparison.OrdinalIgnoreCase))];
        if (matches.Length == 0)
        {
            matches = [.. all.Where(window => window.Title.Contains(text, StringComparison.OrdinalIgnoreCase))];
        }

        if (matches.Length == 1)
        {
            return matches[0];
        }

        error = matches.Length == 0
            ? $"There is no window «{text}». {Describe(all)}"
            : $"«{text}» is in the title of {matches.Length} windows. Give the number: {Describe(matches)}";
        return null;

        static string Describe(IEnumerable<X11WindowEntry> windows)
        {
            string list = string.Join(", ", windows.Take(20).Select(window => $"0x{window.Id:x} «{window.Title}»"));
            return list.Length == 0 ? "There are no windows." : $"There are: {list}.";
        }
    }

    /// <summary>What is known of one window, or null when there is no such window that can be seen.</summary>
    public static X11WindowEntry? TryRead(X11Connection connection, uint window)
    {
        ArgumentNullException.ThrowIfNull(connection);
        XcbConnection c = connection.Handle;
        XcbCookie geometryCookie = LibXcb.xcb_get_geometry(c, window);
        XcbCookie attributesCookie = LibXcb.xcb_get_window_attributes(c, window);
        XcbCookie placeCookie = LibXcb.xcb_translate_coordinates(c, window, connection.Root, 0, 0);
        XcbGetGeometryReply* size = LibXcb.xcb_get_geometry_reply(c, geometryCookie, null);
        XcbGetWindowAttributesReply* attributes = LibXcb.xcb_get_window_attributes_reply(c, attributesCookie, null);
        XcbTranslateCoordinatesReply* place = LibXcb.xcb_translate_coordinates_reply(c, placeCookie, null);

        // SAFETY: a reply that is not null is a whole reply of its type; ours until freed. The same holds below.
        X11WindowEntry? entry = size is null || attributes is null || place is null || attributes->Class != LibXcb.WindowClassInputOutput
            ? null
            : new(
                window, "", "", new(place->DstX, place->DstY, size->Width, size->Height), attributes->MapState == LibXcb.MapStateViewable);
        LibC.free(size);
        LibC.free(attributes);
        LibC.free(place);
        if (entry is null)
        {
            return null;
        }

        byte[] title = ReadText(connection, window, connection.Atom("_NET_WM_NAME"));
        if (title.Length == 0)
        {
            title = ReadText(connection, window, LibXcb.AtomWmName);
        }

        // WM_CLASS is two texts, each ended by a zero: the instance and the class.
        string[] names = Encoding.Latin1.GetString(ReadText(connection, window, LibXcb.AtomWmClass)).Split('\0');
        return entry with { Title = Encoding.UTF8.GetString(title).TrimEnd('\0'), Class = names.Length > 1 ? names[1] : names[0] };
    }

    /// <summary>The active window as the window manager names it; 0 when there is none.</summary>
    public static uint ReadActive(X11Connection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return ReadWindows(connection, connection.Root, "_NET_ACTIVE_WINDOW") is [uint window, ..] ? window : 0;
    }

    private static uint[] ReadWindows(X11Connection connection, uint window, string property)
    {
        XcbGetPropertyReply* reply = LibXcb.xcb_get_property_reply(
            connection.Handle,
            LibXcb.xcb_get_property(connection.Handle, 0, window, connection.Atom(property), LibXcb.AtomWindow, 0, WindowsMax),
            null);
        uint[] windows = reply is null || reply->Format != 32
            ? []
            : new ReadOnlySpan<uint>(LibXcb.xcb_get_property_value(reply), LibXcb.xcb_get_property_value_length(reply) / sizeof(uint)).ToArray();
        LibC.free(reply);
        return windows;
    }

    private static uint[] ReadChildren(X11Connection connection)
    {
        XcbQueryTreeReply* reply = LibXcb.xcb_query_tree_reply(
            connection.Handle, LibXcb.xcb_query_tree(connection.Handle, connection.Root), null);
        uint[] windows = reply is null
            ? []
            : new ReadOnlySpan<uint>(
                LibXcb.xcb_query_tree_children(reply), Math.Min(LibXcb.xcb_query_tree_children_length(reply), WindowsMax)).ToArray();
        LibC.free(reply);
        return windows;
    }

    private static byte[] ReadText(X11Connection connection, uint window, uint property)
    {
        XcbGetPropertyReply* reply = LibXcb.xcb_get_property_reply(
            connection.Handle,
            LibXcb.xcb_get_property(connection.Handle, 0, window, property, LibXcb.AtomAny, 0, TextBytesMax / sizeof(uint)),
            null);
        byte[] text = reply is null || reply->Format != 8
            ? []
            : new ReadOnlySpan<byte>(LibXcb.xcb_get_property_value(reply), LibXcb.xcb_get_property_value_length(reply)).ToArray();
        LibC.free(reply);
        return text;
    }
}
