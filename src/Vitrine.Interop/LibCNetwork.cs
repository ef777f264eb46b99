using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Interop;

/// <summary>The C library's calls for network namespaces, TUN devices and changes of addresses (<c>namespaces(7)</c>, <c>netdevice(7)</c>,
/// the kernel's <c>tuntap.rst</c>, <c>rtnetlink(7)</c>). All return -1 and set errno on failure, read with <see cref="Marshal.GetLastSystemError"/>.</summary>
internal static partial class LibCNetwork
{
    internal const string Library = "libc";

    /// <summary><c>CLONE_NEWNET</c>.</summary>
    internal const int NewNetworkNamespace = 0x4000_0000;

    internal const int OpenWriteOnly = 1;
    internal const int OpenReadWrite = 2;
    internal const int OpenAppend = 0x400;
    internal const int OpenNonBlocking = 0x800;
    internal const int OpenCloseOnExec = 0x8_0000;

    internal const int FamilyInet = 2;
    internal const int TypeDatagram = 2;
    internal const int SocketCloseOnExec = 0x8_0000;
    internal const int SocketNonBlocking = 0x800;
    internal const int FamilyNetlink = 16;
    internal const int TypeRaw = 3;
    internal const int NetlinkRoute = 0;

    /// <summary>Groups of NETLINK_ROUTE: links, addresses and routes of IPv4 and IPv6.</summary>
    internal const uint RouteGroups = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

    internal const nuint TunSetInterface = 0x4004_54ca; // TUNSETIFF
    internal const short TunLayer3 = 0x0001;            // IFF_TUN
    internal const short TunNoPacketInformation = 0x1000; // IFF_NO_PI

    internal const nuint AddRoute = 0x890b;             // SIOCADDRT
    internal const nuint GetInterfaceFlags = 0x8913;    // SIOCGIFFLAGS
    internal const nuint SetInterfaceFlags = 0x8914;    // SIOCSIFFLAGS
    internal const nuint SetInterfaceAddress = 0x8916;  // SIOCSIFADDR
    internal const nuint SetInterfaceMtu = 0x8922;      // SIOCSIFMTU
    internal const nuint SetTransmitQueueLength = 0x8943; // SIOCSIFTXQLEN

    internal const short InterfaceUp = 1;               // IFF_UP
    internal const ushort RouteUp = 1;                  // RTF_UP

    internal const int NotPermitted = 1;                // EPERM
    internal const int NoEntry = 2;                     // ENOENT
    internal const int Interrupted = 4;                 // EINTR
    internal const int NoDeviceOrAddress = 6;           // ENXIO
    internal const int AccessDenied = 13;               // EACCES
    internal const int NoDevice = 19;                   // ENODEV
    internal const int InvalidArgument = 22;            // EINVAL
    internal const int NoSpace = 28;                    // ENOSPC: a limit of user.max_*_namespaces is reached

    /// <summary>Gives the calling thread a namespace of its own.</summary>
    [LibraryImport(Library)]
    internal static partial int unshare(int flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial SafeFileHandle open(string path, int flags);

    [LibraryImport(Library)]
    internal static partial SafeFileHandle socket(int family, int type, int protocol);

    [LibraryImport(Library)]
    internal static partial int ioctl(SafeFileHandle descriptor, nuint request, ref InterfaceRequest argument);

    [LibraryImport(Library)]
    internal static partial int ioctl(SafeFileHandle descriptor, nuint request, in RouteEntry argument);

    /// <summary>0, or -1. The address of a netlink socket.</summary>
    [LibraryImport(Library)]
    internal static partial int bind(SafeFileHandle socket, in NetlinkAddress address, uint addressBytes);

    /// <summary>One packet of a TUN device; -1 when none waits (non-blocking) or the device is down.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial nint read(int descriptor, byte* buffer, nuint count);

    /// <summary>One packet to a TUN device; -1 when the device is down or the packet is not one.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial nint write(int descriptor, byte* buffer, nuint count);

    /// <summary>As <see cref="LibC.poll"/>, with nanoseconds; <paramref name="timeout"/> null waits for ever.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial int ppoll(PollDescriptor* descriptors, nuint count, Timespec* timeout, void* signalMask);
}

/// <summary><c>struct sockaddr_in</c>; the address in network order.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct InternetAddress
{
    [FieldOffset(0)]
    public ushort Family;
    [FieldOffset(4)]
    public uint Address;
}

/// <summary><c>struct sockaddr_nl</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = Bytes)]
internal struct NetlinkAddress
{
    public const int Bytes = 12;

    [FieldOffset(0)]
    public ushort Family;

    /// <summary>Bits: which messages are wanted.</summary>
    [FieldOffset(8)]
    public uint Groups;
}

/// <summary><c>struct ifreq</c>: a name, then one of several values.</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
internal unsafe struct InterfaceRequest
{
    /// <summary>Bytes of a name with its 0.</summary>
    public const int NameBytes = 16;

    [FieldOffset(0)]
    public fixed byte Name[NameBytes];
    [FieldOffset(16)]
    public short Flags;
    [FieldOffset(16)]
    public int Number;
    [FieldOffset(16)]
    public InternetAddress Address;
}

/// <summary><c>struct rtentry</c> (64 bit).</summary>
[StructLayout(LayoutKind.Explicit, Size = 120)]
internal unsafe struct RouteEntry
{
    [FieldOffset(8)]
    public InternetAddress Destination;
    [FieldOffset(40)]
    public InternetAddress Mask;
    [FieldOffset(56)]
    public ushort Flags;

    /// <summary>1 more than the metric.</summary>
    [FieldOffset(80)]
    public short MetricPlusOne;

    /// <summary>The device's name, with its 0.</summary>
    [FieldOffset(88)]
    public byte* Device;
}
