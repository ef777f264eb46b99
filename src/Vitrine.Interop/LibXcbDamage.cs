using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>DAMAGE: where a drawable changed.</summary>
internal static partial class LibXcbDamage
{
    internal const string Library = "libxcb-damage.so.0";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb-damage0";

    internal const byte ReportLevelRawRectangles = 0;
    internal const byte ReportLevelDeltaRectangles = 1;
    internal const byte ReportLevelBoundingBox = 2;
    internal const byte ReportLevelNonEmpty = 3;

    /// <summary>Event number after the extension's first.</summary>
    internal const byte Notify = 0;

    /// <summary>Address of the extension's identity, or 0 when the library is missing.</summary>
    internal static nint Id { get; } = LibXcb.FindExtensionId(Library, "xcb_damage_id");

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_damage_query_version(XcbConnection c, uint client_major_version, uint client_minor_version);

    [LibraryImport(Library)]
    internal static unsafe partial XcbDamageQueryVersionReply* xcb_damage_query_version_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_damage_create(XcbConnection c, uint damage, uint drawable, byte level);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_damage_create_checked(XcbConnection c, uint damage, uint drawable, byte level);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_damage_destroy(XcbConnection c, uint damage);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_damage_subtract(XcbConnection c, uint damage, uint repair, uint parts);
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbDamageQueryVersionReply
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
internal struct XcbDamageNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Level;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Drawable;
    [FieldOffset(8)]
    public uint Damage;
    [FieldOffset(12)]
    public uint Timestamp;
    [FieldOffset(16)]
    public XcbRectangle Area;
    [FieldOffset(24)]
    public XcbRectangle Geometry;
}
