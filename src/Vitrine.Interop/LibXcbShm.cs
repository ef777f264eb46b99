using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>MIT-SHM: pictures in memory that the X server and this process both map. Protocol 1.2.</summary>
internal static partial class LibXcbShm
{
    internal const string Library = "libxcb-shm.so.0";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb-shm0";

    /// <summary>Address of the extension's identity, or 0 when the library is missing.</summary>
    internal static nint Id { get; } = LibXcb.FindExtensionId(Library, "xcb_shm_id");

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_shm_query_version(XcbConnection c);

    [LibraryImport(Library)]
    internal static unsafe partial XcbShmQueryVersionReply* xcb_shm_query_version_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_shm_attach_checked(XcbConnection c, uint shmseg, uint shmid, byte read_only);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_shm_attach_fd_checked(XcbConnection c, uint shmseg, int shm_fd, byte read_only);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_shm_detach(XcbConnection c, uint shmseg);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_shm_put_image(
        XcbConnection c, uint drawable, uint gc, ushort total_width, ushort total_height, ushort src_x, ushort src_y,
        ushort src_width, ushort src_height, short dst_x, short dst_y, byte depth, byte format, byte send_event, uint shmseg,
        uint offset);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_shm_get_image(
        XcbConnection c, uint drawable, short x, short y, ushort width, ushort height, uint plane_mask, byte format, uint shmseg,
        uint offset);

    [LibraryImport(Library)]
    internal static unsafe partial XcbShmGetImageReply* xcb_shm_get_image_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_shm_create_pixmap_checked(
        XcbConnection c, uint pid, uint drawable, ushort width, ushort height, byte depth, uint shmseg, uint offset);
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbShmQueryVersionReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte SharedPixmaps;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public ushort MajorVersion;
    [FieldOffset(10)]
    public ushort MinorVersion;
    [FieldOffset(12)]
    public ushort Uid;
    [FieldOffset(14)]
    public ushort Gid;
    [FieldOffset(16)]
    public byte PixmapFormat;
}

[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct XcbShmGetImageReply
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
    [FieldOffset(12)]
    public uint Size;
}
