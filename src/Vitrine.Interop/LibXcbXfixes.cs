using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>XFIXES: regions on the server, and the cursor's picture.</summary>
internal static partial class LibXcbXfixes
{
    internal const string Library = "libxcb-xfixes.so.0";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb-xfixes0";

    /// <summary>Event number after the extension's first.</summary>
    internal const byte CursorNotify = 1;
    internal const uint CursorNotifyMaskDisplayCursor = 1;

    /// <summary>Address of the extension's identity, or 0 when the library is missing.</summary>
    internal static nint Id { get; } = LibXcb.FindExtensionId(Library, "xcb_xfixes_id");

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_query_version(XcbConnection c, uint client_major_version, uint client_minor_version);

    [LibraryImport(Library)]
    internal static unsafe partial XcbXfixesQueryVersionReply* xcb_xfixes_query_version_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_create_region(
        XcbConnection c, uint region, uint rectangles_len, ReadOnlySpan<XcbRectangle> rectangles);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_destroy_region(XcbConnection c, uint region);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_set_region(
        XcbConnection c, uint region, uint rectangles_len, ReadOnlySpan<XcbRectangle> rectangles);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_union_region(XcbConnection c, uint source1, uint source2, uint destination);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_intersect_region(XcbConnection c, uint source1, uint source2, uint destination);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_translate_region(XcbConnection c, uint region, short dx, short dy);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_fetch_region(XcbConnection c, uint region);

    [LibraryImport(Library)]
    internal static unsafe partial XcbXfixesFetchRegionReply* xcb_xfixes_fetch_region_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRectangle* xcb_xfixes_fetch_region_rectangles(XcbXfixesFetchRegionReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_xfixes_fetch_region_rectangles_length(XcbXfixesFetchRegionReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_set_gc_clip_region(
        XcbConnection c, uint gc, uint region, short x_origin, short y_origin);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_select_cursor_input(XcbConnection c, uint window, uint event_mask);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_select_selection_input(XcbConnection c, uint window, uint selection, uint event_mask);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_get_cursor_image(XcbConnection c);

    [LibraryImport(Library)]
    internal static unsafe partial XcbXfixesGetCursorImageReply* xcb_xfixes_get_cursor_image_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial uint* xcb_xfixes_get_cursor_image_cursor_image(XcbXfixesGetCursorImageReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_xfixes_get_cursor_image_cursor_image_length(XcbXfixesGetCursorImageReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_hide_cursor(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_xfixes_show_cursor(XcbConnection c, uint window);
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbXfixesQueryVersionReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint MajorVersion;
    [FieldOffset(12)]
    public uint MinorVersion;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbXfixesFetchRegionReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public XcbRectangle Extents;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbXfixesGetCursorImageReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public short X;
    [FieldOffset(10)]
    public short Y;
    [FieldOffset(12)]
    public ushort Width;
    [FieldOffset(14)]
    public ushort Height;
    [FieldOffset(16)]
    public ushort Xhot;
    [FieldOffset(18)]
    public ushort Yhot;
    [FieldOffset(20)]
    public uint CursorSerial;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbXfixesCursorNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Subtype;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Window;
    [FieldOffset(8)]
    public uint CursorSerial;
    [FieldOffset(12)]
    public uint Timestamp;
    [FieldOffset(16)]
    public uint Name;
}
