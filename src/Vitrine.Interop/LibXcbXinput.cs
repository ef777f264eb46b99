using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>XINPUT 2: raw input events, whoever has the focus.</summary>
internal static partial class LibXcbXinput
{
    internal const string Library = "libxcb-xinput.so.0";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb-xinput0";

    internal const ushort DeviceAllMaster = 1;
    internal const ushort Motion = 6;
    internal const ushort RawKeyPress = 13;
    internal const ushort RawKeyRelease = 14;
    internal const ushort RawButtonPress = 15;
    internal const ushort RawButtonRelease = 16;
    internal const ushort RawMotion = 17;

    /// <summary>Address of the extension's identity, or 0 when the library is missing.</summary>
    internal static nint Id { get; } = LibXcb.FindExtensionId(Library, "xcb_input_id");

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_input_xi_query_version(XcbConnection c, ushort major_version, ushort minor_version);

    [LibraryImport(Library)]
    internal static unsafe partial XcbInputXiQueryVersionReply* xcb_input_xi_query_version_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_input_xi_select_events_checked(
        XcbConnection c, uint window, ushort num_mask, ReadOnlySpan<uint> masks);
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbInputXiQueryVersionReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public ushort MajorVersion;
    [FieldOffset(10)]
    public ushort MinorVersion;
}

[StructLayout(LayoutKind.Explicit, Size = 4)]
internal struct XcbInputEventMask
{
    [FieldOffset(0)]
    public ushort Deviceid;
    [FieldOffset(2)]
    public ushort MaskLen;
}
