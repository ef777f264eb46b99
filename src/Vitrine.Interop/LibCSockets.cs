using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>The C library's batched socket calls. A socket itself is made and configured by
/// <see cref="System.Net.Sockets.Socket"/>; errors are in <c>errno</c> (<see cref="Marshal.GetLastSystemError"/>).</summary>
internal static unsafe partial class LibCSockets
{
    internal const int MessageDontWait = 0x40; // MSG_DONTWAIT
    internal const int MessageTruncated = 0x20; // MSG_TRUNC, in the flags of a received message

    internal const int ErrorInterrupted = 4; // EINTR
    internal const int ErrorInputOutput = 5; // EIO
    internal const int ErrorBadDescriptor = 9; // EBADF
    internal const int ErrorTryAgain = 11; // EAGAIN
    internal const int ErrorNoMemory = 12; // ENOMEM
    internal const int ErrorBadAddress = 14; // EFAULT
    internal const int ErrorInvalid = 22; // EINVAL
    internal const int ErrorMessageSize = 90; // EMSGSIZE
    internal const int ErrorNoBuffers = 105; // ENOBUFS
    internal const int ErrorConnectionRefused = 111; // ECONNREFUSED

    internal const int LevelSocket = 1; // SOL_SOCKET
    internal const int SocketReusePort = 15; // SO_REUSEPORT
    internal const int SocketSendBufferForce = 32; // SO_SNDBUFFORCE: beyond net.core.wmem_max, with CAP_NET_ADMIN
    internal const int SocketReceiveBufferForce = 33; // SO_RCVBUFFORCE
    internal const int SocketReceiveOverflow = 40; // SO_RXQ_OVFL
    internal const int SocketAttachFilter = 26; // SO_ATTACH_FILTER
    internal const int SocketDetachFilter = 27; // SO_DETACH_FILTER

    internal const int LevelIP = 0; // SOL_IP
    internal const int IPTypeOfService = 1; // IP_TOS
    internal const int IPPacketInformation = 8; // IP_PKTINFO
    internal const int IPMtuDiscover = 10; // IP_MTU_DISCOVER
    internal const int IPReceiveTypeOfService = 13; // IP_RECVTOS

    internal const int LevelIPv6 = 41; // SOL_IPV6
    internal const int IPv6MtuDiscover = 23; // IPV6_MTU_DISCOVER
    internal const int IPv6ReceivePacketInformation = 49; // IPV6_RECVPKTINFO
    internal const int IPv6PacketInformation = 50; // IPV6_PKTINFO
    internal const int IPv6ReceiveTrafficClass = 66; // IPV6_RECVTCLASS
    internal const int IPv6TrafficClass = 67; // IPV6_TCLASS

    /// <summary>IP_PMTUDISC_PROBE and IPV6_PMTUDISC_PROBE: don't fragment, and do not believe the path's MTU that ICMP tells.</summary>
    internal const int MtuDiscoverProbe = 3;

    internal const int LevelUdp = 17; // SOL_UDP
    internal const int UdpSegment = 103; // UDP_SEGMENT, Linux 4.18
    internal const int UdpReceiveOffload = 104; // UDP_GRO, Linux 5.0

    /// <summary>Bytes sent, or -1.</summary>
    [LibraryImport(LibC.Library)]
    internal static partial nint sendmsg(SafeSocketHandle socket, MessageHeader* message, int flags);

    /// <summary>Messages sent, or -1 when the first of them failed.</summary>
    [LibraryImport(LibC.Library)]
    internal static partial int sendmmsg(SafeSocketHandle socket, BatchedMessage* messages, uint count, int flags);

    /// <summary>Messages received, or -1 when there was none.</summary>
    [LibraryImport(LibC.Library)]
    internal static partial int recvmmsg(SafeSocketHandle socket, BatchedMessage* messages, uint count, int flags, nint timeout);

    /// <summary><c>CMSG_LEN</c>: a control message with its data.</summary>
    internal static int ControlLengthBytes(int dataBytes) => sizeof(ControlHeader) + dataBytes;

    /// <summary><c>CMSG_SPACE</c>: the same with the padding behind it.</summary>
    internal static int ControlSpaceBytes(int dataBytes) => sizeof(ControlHeader) + ((dataBytes + 7) & ~7);
}

/// <summary><c>struct iovec</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct BufferVector
{
    public byte* Start;
    public nuint LengthBytes;
}

/// <summary><c>struct sock_filter</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 8)]
internal readonly struct FilterInstruction(ushort code, uint value, byte ifTrue = 0, byte ifFalse = 0)
{
    [FieldOffset(0)]
    public readonly ushort Code = code;

    [FieldOffset(2)]
    public readonly byte IfTrue = ifTrue;

    [FieldOffset(3)]
    public readonly byte IfFalse = ifFalse;

    [FieldOffset(4)]
    public readonly uint Value = value;
}

/// <summary><c>struct sock_fprog</c>, 64 bit.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct FilterProgram
{
    [FieldOffset(0)]
    public ushort Count;

    [FieldOffset(8)]
    public FilterInstruction* Instructions;
}

/// <summary><c>struct msghdr</c>, 64 bit.</summary>
[StructLayout(LayoutKind.Explicit, Size = 56)]
internal unsafe struct MessageHeader
{
    [FieldOffset(0)]
    public void* Name;

    [FieldOffset(8)]
    public uint NameBytes;

    [FieldOffset(16)]
    public BufferVector* Vectors;

    [FieldOffset(24)]
    public nuint VectorCount;

    [FieldOffset(32)]
    public byte* Control;

    [FieldOffset(40)]
    public nuint ControlBytes;

    [FieldOffset(48)]
    public int Flags;
}

/// <summary><c>struct mmsghdr</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct BatchedMessage
{
    [FieldOffset(0)]
    public MessageHeader Header;

    /// <summary>Bytes received or sent.</summary>
    [FieldOffset(56)]
    public uint LengthBytes;
}

/// <summary><c>struct cmsghdr</c>; its data follow.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct ControlHeader
{
    /// <summary>Header and data, without padding.</summary>
    [FieldOffset(0)]
    public nuint LengthBytes;

    [FieldOffset(8)]
    public int Level;

    [FieldOffset(12)]
    public int Type;
}
