using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>COMPOSITE: a window's whole picture, also where it is covered.</summary>
internal static partial class LibXcbComposite
{
    internal const string Library = "libxcb-composite.so.0";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb-composite0";

    internal const byte RedirectAutomatic = 0;
    internal const byte RedirectManual = 1;

    /// <summary>Address of the extension's identity, or 0 when the library is missing.</summary>
    internal static nint Id { get; } = LibXcb.FindExtensionId(Library, "xcb_composite_id");

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_composite_query_version(XcbConnection c, uint client_major_version, uint client_minor_version);

    [LibraryImport(Library)]
    internal static unsafe partial XcbCompositeQueryVersionReply* xcb_composite_query_version_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_composite_redirect_window_checked(XcbConnection c, uint window, byte update);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_composite_unredirect_window(XcbConnection c, uint window, byte update);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_composite_name_window_pixmap_checked(XcbConnection c, uint window, uint pixmap);
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbCompositeQueryVersionReply
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
