using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>XTEST: input as if it came from a device.</summary>
internal static partial class LibXcbXtest
{
    internal const string Library = "libxcb-xtest.so.0";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb-xtest0";

    internal const byte KeyPress = 2;
    internal const byte KeyRelease = 3;
    internal const byte ButtonPress = 4;
    internal const byte ButtonRelease = 5;
    internal const byte MotionNotify = 6;

    /// <summary>Address of the extension's identity, or 0 when the library is missing.</summary>
    internal static nint Id { get; } = LibXcb.FindExtensionId(Library, "xcb_test_id");

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_test_get_version(XcbConnection c, byte major_version, ushort minor_version);

    [LibraryImport(Library)]
    internal static unsafe partial XcbTestGetVersionReply* xcb_test_get_version_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_test_fake_input(
        XcbConnection c, byte type, byte detail, uint time, uint root, short rootX, short rootY, byte deviceid);
}

[StructLayout(LayoutKind.Explicit, Size = 12)]
internal struct XcbTestGetVersionReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte MajorVersion;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public ushort MinorVersion;
}
