using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>RANDR: size of the screen, outputs, modes and monitors.</summary>
internal static partial class LibXcbRandr
{
    internal const string Library = "libxcb-randr.so.0";

    /// <summary>Debian's package.</summary>
    internal const string Package = "libxcb-randr0";

    /// <summary>Event numbers after the extension's first.</summary>
    internal const byte ScreenChangeNotify = 0;
    internal const byte Notify = 1;
    internal const ushort NotifyMaskScreenChange = 1;
    internal const ushort NotifyMaskCrtcChange = 2;
    internal const ushort NotifyMaskOutputChange = 4;
    internal const ushort NotifyMaskOutputProperty = 8;
    internal const ushort NotifyMaskResourceChange = 64;

    /// <summary>Address of the extension's identity, or 0 when the library is missing.</summary>
    internal static nint Id { get; } = LibXcb.FindExtensionId(Library, "xcb_randr_id");

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_query_version(XcbConnection c, uint major_version, uint minor_version);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrQueryVersionReply* xcb_randr_query_version_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_select_input(XcbConnection c, uint window, ushort enable);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_get_screen_resources_current(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrGetScreenResourcesCurrentReply* xcb_randr_get_screen_resources_current_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial uint* xcb_randr_get_screen_resources_current_crtcs(XcbRandrGetScreenResourcesCurrentReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_randr_get_screen_resources_current_crtcs_length(XcbRandrGetScreenResourcesCurrentReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial uint* xcb_randr_get_screen_resources_current_outputs(XcbRandrGetScreenResourcesCurrentReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_randr_get_screen_resources_current_outputs_length(XcbRandrGetScreenResourcesCurrentReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrModeInfo* xcb_randr_get_screen_resources_current_modes(
        XcbRandrGetScreenResourcesCurrentReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_randr_get_screen_resources_current_modes_length(XcbRandrGetScreenResourcesCurrentReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_get_screen_size_range(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrGetScreenSizeRangeReply* xcb_randr_get_screen_size_range_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_get_crtc_info(XcbConnection c, uint crtc, uint config_timestamp);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrGetCrtcInfoReply* xcb_randr_get_crtc_info_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial uint* xcb_randr_get_crtc_info_outputs(XcbRandrGetCrtcInfoReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_randr_get_crtc_info_outputs_length(XcbRandrGetCrtcInfoReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_get_output_info(XcbConnection c, uint output, uint config_timestamp);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrGetOutputInfoReply* xcb_randr_get_output_info_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial byte* xcb_randr_get_output_info_name(XcbRandrGetOutputInfoReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_randr_get_output_info_name_length(XcbRandrGetOutputInfoReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_get_output_property(
        XcbConnection c, uint output, uint property, uint type, uint long_offset, uint long_length, byte _delete, byte pending);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrGetOutputPropertyReply* xcb_randr_get_output_property_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial byte* xcb_randr_get_output_property_data(XcbRandrGetOutputPropertyReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_randr_get_output_property_data_length(XcbRandrGetOutputPropertyReply* R);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_get_output_primary(XcbConnection c, uint window);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrGetOutputPrimaryReply* xcb_randr_get_output_primary_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_get_monitors(XcbConnection c, uint window, byte get_active);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrGetMonitorsReply* xcb_randr_get_monitors_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrMonitorInfoIterator xcb_randr_get_monitors_monitors_iterator(XcbRandrGetMonitorsReply* R);

    [LibraryImport(Library)]
    internal static unsafe partial uint* xcb_randr_monitor_info_outputs(XcbRandrMonitorInfo* R);

    [LibraryImport(Library)]
    internal static unsafe partial int xcb_randr_monitor_info_outputs_length(XcbRandrMonitorInfo* R);

    [LibraryImport(Library)]
    internal static unsafe partial void xcb_randr_monitor_info_next(XcbRandrMonitorInfoIterator* i);

    [LibraryImport(Library)]
    internal static unsafe partial XcbCookie xcb_randr_set_monitor_checked(
        XcbConnection c, uint window, XcbRandrMonitorInfo* monitorinfo);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_delete_monitor(XcbConnection c, uint window, uint name);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_set_screen_size_checked(
        XcbConnection c, uint window, ushort width, ushort height, uint mm_width, uint mm_height);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_create_mode(
        XcbConnection c, uint window, XcbRandrModeInfo mode_info, uint name_len, ReadOnlySpan<byte> name);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrCreateModeReply* xcb_randr_create_mode_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_set_crtc_config(
        XcbConnection c, uint crtc, uint timestamp, uint config_timestamp, short x, short y, uint mode, ushort rotation,
        uint outputs_len, ReadOnlySpan<uint> outputs);

    [LibraryImport(Library)]
    internal static unsafe partial XcbRandrSetCrtcConfigReply* xcb_randr_set_crtc_config_reply(
        XcbConnection c, XcbCookie cookie, XcbGenericError** e);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_add_output_mode_checked(XcbConnection c, uint output, uint mode);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_delete_output_mode(XcbConnection c, uint output, uint mode);

    [LibraryImport(Library)]
    internal static partial XcbCookie xcb_randr_destroy_mode(XcbConnection c, uint mode);
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrQueryVersionReply
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
internal struct XcbRandrGetScreenResourcesCurrentReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Timestamp;
    [FieldOffset(12)]
    public uint ConfigTimestamp;
    [FieldOffset(16)]
    public ushort NumCrtcs;
    [FieldOffset(18)]
    public ushort NumOutputs;
    [FieldOffset(20)]
    public ushort NumModes;
    [FieldOffset(22)]
    public ushort NamesLen;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrGetScreenSizeRangeReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public ushort MinWidth;
    [FieldOffset(10)]
    public ushort MinHeight;
    [FieldOffset(12)]
    public ushort MaxWidth;
    [FieldOffset(14)]
    public ushort MaxHeight;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrModeInfo
{
    [FieldOffset(0)]
    public uint Id;
    [FieldOffset(4)]
    public ushort Width;
    [FieldOffset(6)]
    public ushort Height;
    [FieldOffset(8)]
    public uint DotClock;
    [FieldOffset(12)]
    public ushort HsyncStart;
    [FieldOffset(14)]
    public ushort HsyncEnd;
    [FieldOffset(16)]
    public ushort Htotal;
    [FieldOffset(18)]
    public ushort Hskew;
    [FieldOffset(20)]
    public ushort VsyncStart;
    [FieldOffset(22)]
    public ushort VsyncEnd;
    [FieldOffset(24)]
    public ushort Vtotal;
    [FieldOffset(26)]
    public ushort NameLen;
    [FieldOffset(28)]
    public uint ModeFlags;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrGetCrtcInfoReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Status;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Timestamp;
    [FieldOffset(12)]
    public short X;
    [FieldOffset(14)]
    public short Y;
    [FieldOffset(16)]
    public ushort Width;
    [FieldOffset(18)]
    public ushort Height;
    [FieldOffset(20)]
    public uint Mode;
    [FieldOffset(24)]
    public ushort Rotation;
    [FieldOffset(26)]
    public ushort Rotations;
    [FieldOffset(28)]
    public ushort NumOutputs;
    [FieldOffset(30)]
    public ushort NumPossibleOutputs;
}

[StructLayout(LayoutKind.Explicit, Size = 36)]
internal struct XcbRandrGetOutputInfoReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Status;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Timestamp;
    [FieldOffset(12)]
    public uint Crtc;
    [FieldOffset(16)]
    public uint MmWidth;
    [FieldOffset(20)]
    public uint MmHeight;
    [FieldOffset(24)]
    public byte Connection;
    [FieldOffset(25)]
    public byte SubpixelOrder;
    [FieldOffset(26)]
    public ushort NumCrtcs;
    [FieldOffset(28)]
    public ushort NumModes;
    [FieldOffset(30)]
    public ushort NumPreferred;
    [FieldOffset(32)]
    public ushort NumClones;
    [FieldOffset(34)]
    public ushort NameLen;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrGetOutputPropertyReply
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
    public uint NumItems;
}

[StructLayout(LayoutKind.Explicit, Size = 12)]
internal struct XcbRandrGetOutputPrimaryReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Output;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrGetMonitorsReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Timestamp;
    [FieldOffset(12)]
    public uint NMonitors;
    [FieldOffset(16)]
    public uint NOutputs;
}

[StructLayout(LayoutKind.Explicit, Size = 24)]
internal struct XcbRandrMonitorInfo
{
    [FieldOffset(0)]
    public uint Name;
    [FieldOffset(4)]
    public byte Primary;
    [FieldOffset(5)]
    public byte Automatic;
    [FieldOffset(6)]
    public ushort NOutput;
    [FieldOffset(8)]
    public short X;
    [FieldOffset(10)]
    public short Y;
    [FieldOffset(12)]
    public ushort Width;
    [FieldOffset(14)]
    public ushort Height;
    [FieldOffset(16)]
    public uint WidthInMillimeters;
    [FieldOffset(20)]
    public uint HeightInMillimeters;
}

[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct XcbRandrMonitorInfoIterator
{
    [FieldOffset(0)]
    public nint Data;
    [FieldOffset(8)]
    public int Rem;
    [FieldOffset(12)]
    public int Index;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrCreateModeReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Mode;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrSetCrtcConfigReply
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Status;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Length;
    [FieldOffset(8)]
    public uint Timestamp;
}

[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct XcbRandrScreenChangeNotifyEvent
{
    [FieldOffset(0)]
    public byte ResponseType;
    [FieldOffset(1)]
    public byte Rotation;
    [FieldOffset(2)]
    public ushort Sequence;
    [FieldOffset(4)]
    public uint Timestamp;
    [FieldOffset(8)]
    public uint ConfigTimestamp;
    [FieldOffset(12)]
    public uint Root;
    [FieldOffset(16)]
    public uint RequestWindow;
    [FieldOffset(20)]
    public ushort SizeID;
    [FieldOffset(22)]
    public ushort SubpixelOrder;
    [FieldOffset(24)]
    public ushort Width;
    [FieldOffset(26)]
    public ushort Height;
    [FieldOffset(28)]
    public ushort Mwidth;
    [FieldOffset(30)]
    public ushort Mheight;
}
