using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>X-Resource: what a client holds on the server; for leak tests.</summary>
internal static partial class LibXcbRes
{
    internal const string Library = "libxcb-res.so.0";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb-res0";

    /// <summary>Address of the extension's identity, or 0 when the library is missing.</summary>
    internal static nint Id { get; } = LibXcb.FindExtensionId(Library, "xcb_res_id");

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_res_query_version(XcbConnection c, byte client_major, byte client_minor);

    [LibraryImport(Library)]
    internal static unsafe partial XcbResQueryVersionReply* xcb_res_query_version_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_res_query_clients(XcbConnection c);

    [LibraryImport(Library)]
    internal static unsafe partial XcbResQueryClientsReply* xcb_res_query_clients_reply(XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial XcbResClient* xcb_res_query_clients_clients(XcbResQueryClientsReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_res_query_clients_clients_length(XcbResQueryClientsReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_res_query_client_resources(XcbConnection c, uint xid);

    [LibraryImport(Library)]
    internal static unsafe partial XcbResQueryClientResourcesReply* xcb_res_query_client_resources_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial XcbResType* xcb_res_query_client_resources_types(XcbResQueryClientResourcesReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_res_query_client_resources_types_length(XcbResQueryClientResourcesReply* R);
}

[StructLayout(LayoutKind.Explicit, Size = 12)]
internal struct XcbResQueryVersionReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public ushort ServerMajor;
    [FieldOffset(10)]
    public ushort ServerMinor;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbResQueryClientResourcesReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint NumTypes;
}

[StructLayout(LayoutKind.Explicit, Size = 8)]
internal struct XcbResType
{
    [FieldOffset(0)]
    public uint ResourceType;
    [FieldOffset(4)]
    public uint Count;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbResQueryClientsReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint NumClients;
}

[StructLayout(LayoutKind.Explicit, Size = 8)]
internal struct XcbResClient
{
    [FieldOffset(0)]
    public uint ResourceBase;
    [FieldOffset(4)]
    public uint ResourceMask;
}
