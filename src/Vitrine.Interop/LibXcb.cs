using System.Reflection;
using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>The X11 protocol. Replies are the protocol's bytes in memory from <c>malloc</c>, freed with <see cref="LibC.free"/>;
/// a reply of null means that an error came (in <c>e</c>, or as an event when <c>e</c> is null) or that the connection is broken.</summary>
internal static partial class LibXcb
{
    internal const string Library = "libxcb.so.1";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb1";

    // Event numbers. The highest bit says that another client sent it.
    internal const byte MotionNotify = 6;
    internal const byte Expose = 12;
    internal const byte VisibilityNotify = 15;
    internal const byte CreateNotify = 16;
    internal const byte DestroyNotify = 17;
    internal const byte UnmapNotify = 18;
    internal const byte MapNotify = 19;
    internal const byte ReparentNotify = 21;
    internal const byte ConfigureNotify = 22;
    internal const byte CirculateNotify = 26;
    internal const byte PropertyNotify = 28;
    internal const byte ClientMessage = 33;
    internal const byte GenericEvent = 35;

    // Event masks.
    internal const uint EventMaskPointerMotion = 1 << 6;
    internal const uint EventMaskExposure = 1 << 15;
    internal const uint EventMaskVisibilityChange = 1 << 16;
    internal const uint EventMaskStructureNotify = 1 << 17;
    internal const uint EventMaskSubstructureNotify = 1 << 19;
    internal const uint EventMaskFocusChange = 1 << 21;
    internal const uint EventMaskPropertyChange = 1 << 22;

    // Window attributes (value_mask of create_window, change_window_attributes), in the order of their values.
    internal const uint CwBackPixmap = 1 << 0;
    internal const uint CwBackPixel = 1 << 1;
    internal const uint CwBorderPixel = 1 << 3;
    internal const uint CwOverrideRedirect = 1 << 9;
    internal const uint CwEventMask = 1 << 11;
    internal const uint CwColormap = 1 << 13;
    internal const uint CwCursor = 1 << 14;

    // value_mask of configure_window.
    internal const ushort ConfigWindowX = 1 << 0;
    internal const ushort ConfigWindowY = 1 << 1;
    internal const ushort ConfigWindowWidth = 1 << 2;
    internal const ushort ConfigWindowHeight = 1 << 3;
    internal const ushort ConfigWindowStackMode = 1 << 6;

    // value_mask of create_gc, change_gc.
    internal const uint GcForeground = 1 << 2;
    internal const uint GcBackground = 1 << 3;
    internal const uint GcFont = 1 << 14;
    internal const uint GcSubwindowMode = 1 << 15;
    internal const uint GcGraphicsExposures = 1 << 16;

    internal const uint SubwindowModeIncludeInferiors = 1;
    internal const ushort WindowClassInputOutput = 1;
    internal const byte ImageFormatZPixmap = 2;
    internal const byte VisualClassTrueColor = 4;
    internal const byte VisualClassDirectColor = 5;
    internal const byte PropModeReplace = 0;
    internal const byte MapStateViewable = 2;
    internal const uint AllPlanes = uint.MaxValue;

    // change_hosts.
    internal const byte HostFamilyServerInterpreted = 5;
    internal const byte HostFamilyLocal = 252;

    // Predefined atoms.
    internal const uint AtomNone = 0;
    internal const uint AtomAny = 0;
    internal const uint AtomAtom = 4;
    internal const uint AtomCardinal = 6;
    internal const uint AtomString = 31;
    internal const uint AtomWindow = 33;
    internal const uint AtomWmName = 39;
    internal const uint AtomWmClass = 67;

    // Error codes of the core protocol.
    internal const byte BadWindow = 3;
    internal const byte BadMatch = 8;
    internal const byte BadDrawable = 9;
    internal const byte BadAccess = 10;
    internal const byte BadAlloc = 11;

    /// <summary>The address of an extension's identity (<c>xcb_extension_t</c>, an exported variable), or 0 when the
    /// library is not installed.</summary>
    internal static nint FindExtensionId(string library, string name) =>
        NativeLibrary.TryLoad(library, Assembly.GetExecutingAssembly(), null, out nint handle)
        && NativeLibrary.TryGetExport(handle, name, out nint address) ? address : 0;

    /// <summary>Never null: whether it worked says <see cref="xcb_connection_has_error"/>.
    /// Freed by <see cref="xcb_disconnect"/> in any case.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint xcb_connect(string? displayname, out int screenp);

    [LibraryImport(Library)]
    internal static partial void xcb_disconnect(nint c);

    /// <summary>0, or why the connection is shut down: 1 socket, 2 extension, 3 memory, 4 request too long,
    /// 5 display name, 6 screen, 7 descriptor passing.</summary>
    [LibraryImport(Library)]
    internal static partial int xcb_connection_has_error(XcbConnection c);

    [LibraryImport(Library)]
    internal static unsafe partial XcbSetup* xcb_get_setup(XcbConnection c);

    [LibraryImport(Library)]
    internal static unsafe partial XcbScreenIterator xcb_setup_roots_iterator(XcbSetup* R);

    [LibraryImport(Library)]
    internal static unsafe partial void xcb_screen_next(XcbScreenIterator* i);

    [LibraryImport(Library)]
    internal static unsafe partial XcbFormat* xcb_setup_pixmap_formats(XcbSetup* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_setup_pixmap_formats_length(XcbSetup* R);

    [LibraryImport(Library)]
    internal static unsafe partial XcbDepthIterator xcb_screen_allowed_depths_iterator(XcbScreen* R);

    [LibraryImport(Library)]
    internal static unsafe partial void xcb_depth_next(XcbDepthIterator* i);

    [LibraryImport(Library)]
    internal static unsafe partial XcbVisualtype* xcb_depth_visuals(XcbDepth* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_depth_visuals_length(XcbDepth* R);

    /// <summary>The next event or error, from the socket if need be; null when there is none now.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial XcbGenericEvent* xcb_poll_for_event(XcbConnection c);

    /// <summary>The next event or error that was read already.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial XcbGenericEvent* xcb_poll_for_queued_event(XcbConnection c);

    /// <summary>Waits for the outcome of a <c>_checked</c> request: null when it worked.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial XcbGenericError* xcb_request_check(XcbConnection c, XcbCookie cookie);

    [LibraryImport(Library)]
    internal static unsafe partial XcbQueryExtensionReply* xcb_get_extension_data(XcbConnection c, nint ext);

    [LibraryImport(Library)]
    internal static partial void xcb_prefetch_extension_data(XcbConnection c, nint ext);

    [LibraryImport(Library)]
    internal static partial uint xcb_generate_id(XcbConnection c);

    [LibraryImport(Library)]
    internal static partial int xcb_flush(XcbConnection c);

    [LibraryImport(Library)]
    internal static partial uint xcb_get_maximum_request_length(XcbConnection c);

    [LibraryImport(Library)]
    internal static partial void xcb_discard_reply(XcbConnection c, uint sequence);

    [LibraryImport(Library)]
    internal static partial int xcb_get_file_descriptor(XcbConnection c);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_create_window(
        XcbConnection c, byte depth, uint wid, uint parent, short x, short y, ushort width, ushort height, ushort border_width,
        ushort _class, uint visual, uint value_mask, ReadOnlySpan<uint> value_list);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_change_window_attributes(
        XcbConnection c, uint window, uint value_mask, ReadOnlySpan<uint> value_list);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_change_window_attributes_checked(
        XcbConnection c, uint window, uint value_mask, ReadOnlySpan<uint> value_list);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_get_window_attributes(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static unsafe partial XcbGetWindowAttributesReply* xcb_get_window_attributes_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_destroy_window(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_reparent_window(XcbConnection c, uint window, uint parent, short x, short y);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_map_window(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_unmap_window(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_configure_window(
        XcbConnection c, uint window, ushort value_mask, ReadOnlySpan<uint> value_list);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_get_geometry(XcbConnection c, uint drawable);

    [LibraryImport(Library)]
    internal static unsafe partial XcbGetGeometryReply* xcb_get_geometry_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_query_tree(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static unsafe partial XcbQueryTreeReply* xcb_query_tree_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial uint* xcb_query_tree_children(XcbQueryTreeReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_query_tree_children_length(XcbQueryTreeReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_intern_atom(XcbConnection c, byte only_if_exists, ushort name_len, ReadOnlySpan<byte> name);

    [LibraryImport(Library)]
    internal static unsafe partial XcbInternAtomReply* xcb_intern_atom_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_get_atom_name(XcbConnection c, uint atom);

    [LibraryImport(Library)]
    internal static unsafe partial XcbGetAtomNameReply* xcb_get_atom_name_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial byte* xcb_get_atom_name_name(XcbGetAtomNameReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_get_atom_name_name_length(XcbGetAtomNameReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_change_property(
        XcbConnection c, byte mode, uint window, uint property, uint type, byte format, uint data_len, ReadOnlySpan<byte> data);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_delete_property(XcbConnection c, uint window, uint property);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_get_property(
        XcbConnection c, byte _delete, uint window, uint property, uint type, uint long_offset, uint long_length);

    [LibraryImport(Library)]
    internal static unsafe partial XcbGetPropertyReply* xcb_get_property_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial void* xcb_get_property_value(XcbGetPropertyReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_get_property_value_length(XcbGetPropertyReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_send_event(
        XcbConnection c, byte propagate, uint destination, uint event_mask, ReadOnlySpan<byte> event_);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_grab_server(XcbConnection c);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_ungrab_server(XcbConnection c);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_query_pointer(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static unsafe partial XcbQueryPointerReply* xcb_query_pointer_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_translate_coordinates(
        XcbConnection c, uint src_window, uint dst_window, short src_x, short src_y);

    [LibraryImport(Library)]
    internal static unsafe partial XcbTranslateCoordinatesReply* xcb_translate_coordinates_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_warp_pointer(
        XcbConnection c, uint src_window, uint dst_window, short src_x, short src_y, ushort src_width, ushort src_height,
        short dst_x, short dst_y);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_set_input_focus(XcbConnection c, byte revert_to, uint focus, uint time);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_get_input_focus(XcbConnection c);

    [LibraryImport(Library)]
    internal static unsafe partial XcbGetInputFocusReply* xcb_get_input_focus_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_open_font(XcbConnection c, uint fid, ushort name_len, ReadOnlySpan<byte> name);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_close_font(XcbConnection c, uint font);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_create_pixmap(
        XcbConnection c, byte depth, uint pid, uint drawable, ushort width, ushort height);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_create_pixmap_checked(
        XcbConnection c, byte depth, uint pid, uint drawable, ushort width, ushort height);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_free_pixmap(XcbConnection c, uint pixmap);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_create_gc(
        XcbConnection c, uint cid, uint drawable, uint value_mask, ReadOnlySpan<uint> value_list);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_change_gc(XcbConnection c, uint gc, uint value_mask, ReadOnlySpan<uint> value_list);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_set_clip_rectangles(
        XcbConnection c, byte ordering, uint gc, short clip_x_origin, short clip_y_origin, uint rectangles_len,
        ReadOnlySpan<XcbRectangle> rectangles);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_free_gc(XcbConnection c, uint gc);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_clear_area(
        XcbConnection c, byte exposures, uint window, short x, short y, ushort width, ushort height);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_copy_area(
        XcbConnection c, uint src_drawable, uint dst_drawable, uint gc, short src_x, short src_y, short dst_x, short dst_y,
        ushort width, ushort height);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_copy_area_checked(
        XcbConnection c, uint src_drawable, uint dst_drawable, uint gc, short src_x, short src_y, short dst_x, short dst_y,
        ushort width, ushort height);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_poly_line(
        XcbConnection c, byte coordinate_mode, uint drawable, uint gc, uint points_len, ReadOnlySpan<XcbPoint> points);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_poly_fill_rectangle(
        XcbConnection c, uint drawable, uint gc, uint rectangles_len, ReadOnlySpan<XcbRectangle> rectangles);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_put_image(
        XcbConnection c, byte format, uint drawable, uint gc, ushort width, ushort height, short dst_x, short dst_y,
        byte left_pad, byte depth, uint data_len, ReadOnlySpan<byte> data);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_get_image(
        XcbConnection c, byte format, uint drawable, short x, short y, ushort width, ushort height, uint plane_mask);

    [LibraryImport(Library)]
    internal static unsafe partial XcbGetImageReply* xcb_get_image_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial byte* xcb_get_image_data(XcbGetImageReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_get_image_data_length(XcbGetImageReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_image_text_8(
        XcbConnection c, byte string_len, uint drawable, uint gc, short x, short y, ReadOnlySpan<byte> text);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_poly_text_8(
        XcbConnection c, uint drawable, uint gc, short x, short y, uint items_len, ReadOnlySpan<byte> items);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_create_cursor(
        XcbConnection c, uint cid, uint source, uint mask, ushort fore_red, ushort fore_green, ushort fore_blue, ushort back_red,
        ushort back_green, ushort back_blue, ushort x, ushort y);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_create_glyph_cursor(
        XcbConnection c, uint cid, uint source_font, uint mask_font, ushort source_char, ushort mask_char, ushort fore_red,
        ushort fore_green, ushort fore_blue, ushort back_red, ushort back_green, ushort back_blue);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_free_cursor(XcbConnection c, uint cursor);

    /// <summary>Who may connect. Mode 0 inserts, 1 deletes.</summary>
    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_change_hosts_checked(
        XcbConnection c, byte mode, byte family, ushort address_len, ReadOnlySpan<byte> address);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_kill_client(XcbConnection c, uint resource);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_no_operation(XcbConnection c);
}

/// <summary>A connection; closed when the last holder lets go. Thread-safe, as XCB is.</summary>
internal sealed class XcbConnection : SafeHandle
{
    internal XcbConnection(string? displayName, out int screenNumber)
        : base(0, ownsHandle: true) => SetHandle(LibXcb.xcb_connect(displayName, out screenNumber));

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibXcb.xcb_disconnect(handle);
        return true;
    }
}

/// <summary>Number of a request, to ask for its reply or error.</summary>
internal readonly struct XcbCookie
{
    internal readonly uint Sequence;
}

/// <summary>An event, or an error when <see cref="ResponseType"/> is 0.</summary>
[StructLayout(LayoutKind.Explicit, Size = 36)]
internal struct XcbGenericEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(32)]
    public uint FullSequence;
}

[StructLayout(LayoutKind.Explicit, Size = 36)]
internal struct XcbGenericError
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte ErrorCode;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint ResourceId;
    [FieldOffset(8)]
    public ushort MinorCode;
    [FieldOffset(10)]
    public byte MajorCode;
    [FieldOffset(32)]
    public uint FullSequence;
}

[StructLayout(LayoutKind.Explicit, Size = 36)]
internal struct XcbGeGenericEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Extension;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public ushort EventType;
    [FieldOffset(32)]
    public uint FullSequence;
}

[StructLayout(LayoutKind.Explicit, Size = 12)]
internal struct XcbQueryExtensionReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public byte Present;
    [FieldOffset(9)]
    public byte MajorOpcode;
    [FieldOffset(10)]
    public byte FirstEvent;
    [FieldOffset(11)]
    public byte FirstError;
}

[StructLayout(LayoutKind.Explicit, Size = 40)]
internal struct XcbSetup
{
    [FieldOffset(0)]
    public byte Status;
    [FieldOffset(2)]
    public ushort ProtocolMajorVersion;
    [FieldOffset(4)]
    public ushort ProtocolMinorVersion;
    [FieldOffset(6)]
    public ushort Length;
    [FieldOffset(8)]
    public uint ReleaseNumber;
    [FieldOffset(12)]
    public uint ResourceIdBase;
    [FieldOffset(16)]
    public uint ResourceIdMask;
    [FieldOffset(20)]
    public uint MotionBufferSize;
    [FieldOffset(24)]
    public ushort VendorLen;
    [FieldOffset(26)]
    public ushort MaximumRequestLength;
    [FieldOffset(28)]
    public byte RootsLen;
    [FieldOffset(29)]
    public byte PixmapFormatsLen;
    [FieldOffset(30)]
    public byte ImageByteOrder;
    [FieldOffset(31)]
    public byte BitmapFormatBitOrder;
    [FieldOffset(32)]
    public byte BitmapFormatScanlineUnit;
    [FieldOffset(33)]
    public byte BitmapFormatScanlinePad;
    [FieldOffset(34)]
    public byte MinKeycode;
    [FieldOffset(35)]
    public byte MaxKeycode;
}

[StructLayout(LayoutKind.Explicit, Size = 40)]
internal struct XcbScreen
{
    [FieldOffset(0)]
    public uint Root;
    [FieldOffset(4)]
    public uint DefaultColormap;
    [FieldOffset(8)]
    public uint WhitePixel;
    [FieldOffset(12)]
    public uint BlackPixel;
    [FieldOffset(16)]
    public uint CurrentInputMasks;
    [FieldOffset(20)]
    public ushort WidthInPixels;
    [FieldOffset(22)]
    public ushort HeightInPixels;
    [FieldOffset(24)]
    public ushort WidthInMillimeters;
    [FieldOffset(26)]
    public ushort HeightInMillimeters;
    [FieldOffset(28)]
    public ushort MinInstalledMaps;
    [FieldOffset(30)]
    public ushort MaxInstalledMaps;
    [FieldOffset(32)]
    public uint RootVisual;
    [FieldOffset(36)]
    public byte BackingStores;
    [FieldOffset(37)]
    public byte SaveUnders;
    [FieldOffset(38)]
    public byte RootDepth;
    [FieldOffset(39)]
    public byte AllowedDepthsLen;
}

[StructLayout(LayoutKind.Explicit, Size = 8)]
internal struct XcbDepth
{
    [FieldOffset(0)]
    public byte Depth;
    [FieldOffset(2)]
    public ushort VisualsLen;
}

[StructLayout(LayoutKind.Explicit, Size = 24)]
internal struct XcbVisualtype
{
    [FieldOffset(0)]
    public uint VisualId;
    [FieldOffset(4)]
    public byte Class;
    [FieldOffset(5)]
    public byte BitsPerRgbValue;
    [FieldOffset(6)]
    public ushort ColormapEntries;
    [FieldOffset(8)]
    public uint RedMask;
    [FieldOffset(12)]
    public uint GreenMask;
    [FieldOffset(16)]
    public uint BlueMask;
}

[StructLayout(LayoutKind.Explicit, Size = 8)]
internal struct XcbFormat
{
    [FieldOffset(0)]
    public byte Depth;
    [FieldOffset(1)]
    public byte BitsPerPixel;
    [FieldOffset(2)]
    public byte ScanlinePad;
}

[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct XcbScreenIterator
{
    [FieldOffset(0)]
    public nint Data;
    [FieldOffset(8)]
    public int Rem;
    [FieldOffset(12)]
    public int Index;
}

[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct XcbDepthIterator
{
    [FieldOffset(0)]
    public nint Data;
    [FieldOffset(8)]
    public int Rem;
    [FieldOffset(12)]
    public int Index;
}

[StructLayout(LayoutKind.Explicit, Size = 4)]
internal struct XcbPoint
{
    [FieldOffset(0)]
    public short X;
    [FieldOffset(2)]
    public short Y;
}

[StructLayout(LayoutKind.Explicit, Size = 8)]
internal struct XcbRectangle
{
    [FieldOffset(0)]
    public short X;
    [FieldOffset(2)]
    public short Y;
    [FieldOffset(4)]
    public ushort Width;
    [FieldOffset(6)]
    public ushort Height;
}

[StructLayout(LayoutKind.Explicit, Size = 44)]
internal struct XcbGetWindowAttributesReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte BackingStore;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Visual;
    [FieldOffset(12)]
    public ushort Class;
    [FieldOffset(14)]
    public byte BitGravity;
    [FieldOffset(15)]
    public byte WinGravity;
    [FieldOffset(16)]
    public uint BackingPlanes;
    [FieldOffset(20)]
    public uint BackingPixel;
    [FieldOffset(24)]
    public byte SaveUnder;
    [FieldOffset(25)]
    public byte MapIsInstalled;
    [FieldOffset(26)]
    public byte MapState;
    [FieldOffset(27)]
    public byte OverrideRedirect;
    [FieldOffset(28)]
    public uint Colormap;
    [FieldOffset(32)]
    public uint AllEventMasks;
    [FieldOffset(36)]
    public uint YourEventMask;
    [FieldOffset(40)]
    public ushort DoNotPropagateMask;
}

[StructLayout(LayoutKind.Explicit, Size = 24)]
internal struct XcbGetGeometryReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Depth;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Root;
    [FieldOffset(12)]
    public short X;
    [FieldOffset(14)]
    public short Y;
    [FieldOffset(16)]
    public ushort Width;
    [FieldOffset(18)]
    public ushort Height;
    [FieldOffset(20)]
    public ushort BorderWidth;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbQueryTreeReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Root;
    [FieldOffset(12)]
    public uint Parent;
    [FieldOffset(16)]
    public ushort ChildrenLen;
}

[StructLayout(LayoutKind.Explicit, Size = 12)]
internal struct XcbInternAtomReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Atom;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbGetAtomNameReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public ushort NameLen;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbGetPropertyReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Format;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Type;
    [FieldOffset(12)]
    public uint BytesAfter;
    [FieldOffset(16)]
    public uint ValueLen;
}

[StructLayout(LayoutKind.Explicit, Size = 28)]
internal struct XcbQueryPointerReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte SameScreen;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Root;
    [FieldOffset(12)]
    public uint Child;
    [FieldOffset(16)]
    public short RootX;
    [FieldOffset(18)]
    public short RootY;
    [FieldOffset(20)]
    public short WinX;
    [FieldOffset(22)]
    public short WinY;
    [FieldOffset(24)]
    public ushort Mask;
}

[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct XcbTranslateCoordinatesReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte SameScreen;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Child;
    [FieldOffset(12)]
    public short DstX;
    [FieldOffset(14)]
    public short DstY;
}

[StructLayout(LayoutKind.Explicit, Size = 12)]
internal struct XcbGetInputFocusReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte RevertTo;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Focus;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbGetImageReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Depth;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Visual;
}

[StructLayout(LayoutKind.Explicit, Size = 28)]
internal struct XcbConfigureNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Event;
    [FieldOffset(8)]
    public uint Window;
    [FieldOffset(12)]
    public uint AboveSibling;
    [FieldOffset(16)]
    public short X;
    [FieldOffset(18)]
    public short Y;
    [FieldOffset(20)]
    public ushort Width;
    [FieldOffset(22)]
    public ushort Height;
    [FieldOffset(24)]
    public ushort BorderWidth;
    [FieldOffset(26)]
    public byte OverrideRedirect;
}

[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct XcbMapNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Event;
    [FieldOffset(8)]
    public uint Window;
    [FieldOffset(12)]
    public byte OverrideRedirect;
}

[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct XcbUnmapNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Event;
    [FieldOffset(8)]
    public uint Window;
    [FieldOffset(12)]
    public byte FromConfigure;
}

[StructLayout(LayoutKind.Explicit, Size = 12)]
internal struct XcbDestroyNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Event;
    [FieldOffset(8)]
    public uint Window;
}

[StructLayout(LayoutKind.Explicit, Size = 24)]
internal struct XcbReparentNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Event;
    [FieldOffset(8)]
    public uint Window;
    [FieldOffset(12)]
    public uint Parent;
    [FieldOffset(16)]
    public short X;
    [FieldOffset(18)]
    public short Y;
    [FieldOffset(20)]
    public byte OverrideRedirect;
}

[StructLayout(LayoutKind.Explicit, Size = 24)]
internal struct XcbCreateNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Parent;
    [FieldOffset(8)]
    public uint Window;
    [FieldOffset(12)]
    public short X;
    [FieldOffset(14)]
    public short Y;
    [FieldOffset(16)]
    public ushort Width;
    [FieldOffset(18)]
    public ushort Height;
    [FieldOffset(20)]
    public ushort BorderWidth;
    [FieldOffset(22)]
    public byte OverrideRedirect;
}

[StructLayout(LayoutKind.Explicit, Size = 20)]
internal struct XcbCirculateNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Event;
    [FieldOffset(8)]
    public uint Window;
    [FieldOffset(16)]
    public byte Place;
}

[StructLayout(LayoutKind.Explicit, Size = 20)]
internal struct XcbPropertyNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Window;
    [FieldOffset(8)]
    public uint Atom;
    [FieldOffset(12)]
    public uint Time;
    [FieldOffset(16)]
    public byte State;
}

[StructLayout(LayoutKind.Explicit, Size = 12)]
internal struct XcbVisibilityNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Window;
    [FieldOffset(8)]
    public byte State;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal unsafe struct XcbClientMessageEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Format;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Window;
    [FieldOffset(8)]
    public uint Type;
    [FieldOffset(12)]
    public fixed uint Data[5];
}

[StructLayout(LayoutKind.Explicit, Size = 20)]
internal struct XcbExposeEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Window;
    [FieldOffset(8)]
    public ushort X;
    [FieldOffset(10)]
    public ushort Y;
    [FieldOffset(12)]
    public ushort Width;
    [FieldOffset(14)]
    public ushort Height;
    [FieldOffset(16)]
    public ushort Count;
}
