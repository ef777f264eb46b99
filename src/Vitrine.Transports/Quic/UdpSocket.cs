using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>How far <see cref="UdpSocket.Send"/> came.</summary>
internal enum UdpSendStatus
{
    /// <summary>All of it is with the kernel.</summary>
    Sent = 0,

    /// <summary>The send buffer is full; go on with the rest when the descriptor is writable.</summary>
    WouldBlock,

    /// <summary>The next datagram is longer than the link takes: fragments are never made.</summary>
    TooLarge,

    /// <summary>The next datagram is lost: no route, an address that is not this machine's (any more), a refusal of the peer or of
    /// a firewall here, or no memory in the kernel.</summary>
    Unreachable,
}

/// <summary>How far a send came.</summary>
/// <param name="Status">Why it ended.</param>
/// <param name="SentBytes">Bytes of whole datagrams that are with the kernel.</param>
internal readonly record struct UdpSendResult(UdpSendStatus Status, int SentBytes);

/// <summary>A UDP socket for a QUIC endpoint: never blocks, takes and gives datagrams in batches (<c>recvmmsg</c>, <c>sendmmsg</c>,
/// segmentation offload in both directions), and knows the local address and the ECN mark of each. Datagrams are sent with
/// don't-fragment (RFC 9000 14).</summary>
/// <remarks>One thread at a time; <see cref="Dispose"/> and the properties are safe from any. Wait with <c>poll</c> on
/// <see cref="Descriptor"/>. Nothing is allocated after <see cref="Bind"/>. Linux, 64 bit.</remarks>
internal sealed unsafe class UdpSocket : IDisposable
{
    // UDP_MAX_SEGMENTS of the kernel before 6.9.
    private const int SegmentsMax = 64;

    // What IPv4 carries in one packet: also the bound of a GSO send.
    private const int PayloadBytesMax = 65_535 - 20 - 8;

    private const int OffloadedSlotBytes = 64 << 10;

    // Received: in6_pktinfo (20 -> 40), traffic class (24), UDP_GRO (24), SO_RXQ_OVFL (24).
    private const int ControlBytesMax = 128;

    // in_pktinfo is {int ifindex, in_addr spec_dst, in_addr addr}; in6_pktinfo is {in6_addr, uint ifindex}.
    private const int PacketInformationBytes = 12;
    private const int PacketInformationIPv6Bytes = 20;

    // What the socket itself marks datagrams with. A mark that differs goes as a control message, which costs a tenth of a send; QUIC
    // marks nearly all alike.
    private const EcnCodepoint SocketEcn = EcnCodepoint.Capable0;

    // How often one call asks again after the network reported an error of an earlier datagram.
    private const int ErrorReportsMax = 8;

    private readonly Socket _socket;
    private readonly SafeSocketHandle _handle;
    private readonly bool _isIPv6;
    private readonly SocketAddressBytes _local;

    // All pinned: the headers point at the rest.
    private readonly byte[] _ring;
    private readonly int _slotBytes;
    private readonly BatchedMessage[] _received;
    private readonly BufferVector[] _receivedVectors;
    private readonly SocketAddressBytes[] _receivedNames;
    private readonly byte[] _receivedControl;
    private readonly BatchedMessage[] _sent;
    private readonly BufferVector[] _sentVectors;
    private readonly SocketAddressBytes[] _sentName;
    private readonly byte[] _sentControl;

    // The batch that is being handed out: message, and where in it the next datagram starts.
    private int _batchMessages;
    private int _nextMessage;
    private int _nextStart;
    private int _segmentBytes;
    private SocketAddressBytes _messageLocal;
    private EcnCodepoint _messageEcn;
    private long _peerErrors;
    private long _truncated;
    private uint _overflows;
    private bool _hasSegmentationOffload;

    private UdpSocket(Socket socket, UdpSocketOptions options)
    {
        // Setting it to 0 is what it is already: only a kernel that knows the option agrees.
        _hasSegmentationOffload = options.Offload && TrySet(socket, LibCSockets.LevelUdp, LibCSockets.UdpSegment, 0);
        HasReceiveOffload = options.Offload && TrySet(socket, LibCSockets.LevelUdp, LibCSockets.UdpReceiveOffload, 1);
        ReceiveBufferBytes = socket.ReceiveBufferSize / 2; // the kernel doubles what it is asked for, socket(7)
        SendBufferBytes = socket.SendBufferSize / 2;
        _socket = socket;
        _handle = socket.SafeHandle;
        _isIPv6 = socket.AddressFamily == AddressFamily.InterNetworkV6;
        LocalEndPoint = (IPEndPoint)socket.LocalEndPoint!;
        _local = SocketAddressBytes.From(LocalEndPoint);
        Descriptor = (int)_handle.DangerousGetHandle();

        int messages = options.ReceiveBatchMessages;
        _slotBytes = HasReceiveOffload ? OffloadedSlotBytes : options.DatagramBytesMax;
        _ring = GC.AllocateUninitializedArray<byte>(messages * _slotBytes, pinned: true);
        _received = GC.AllocateArray<BatchedMessage>(messages, pinned: true);
        _receivedVectors = GC.AllocateArray<BufferVector>(messages, pinned: true);
        _receivedNames = GC.AllocateArray<SocketAddressBytes>(messages, pinned: true);
        _receivedControl = GC.AllocateArray<byte>(messages * ControlBytesMax, pinned: true);
        _sent = GC.AllocateArray<BatchedMessage>(SegmentsMax, pinned: true);
        _sentVectors = GC.AllocateArray<BufferVector>(SegmentsMax, pinned: true);
        _sentName = GC.AllocateArray<SocketAddressBytes>(1, pinned: true);
        _sentControl = GC.AllocateArray<byte>(ControlBytesMax, pinned: true);

        // SAFETY: the arrays are pinned and live as long as this object; every index is inside them.
        for (int i = 0; i < messages; i++)
        {
            _receivedVectors[i] = new BufferVector { Start = PinnedAddress(ref _ring[i * _slotBytes]), LengthBytes = (nuint)_slotBytes };
            ref MessageHeader header = ref _received[i].Header;
            header.Name = Unsafe.AsPointer(ref _receivedNames[i]);
            header.Vectors = (BufferVector*)Unsafe.AsPointer(ref _receivedVectors[i]);
            header.VectorCount = 1;
            header.Control = PinnedAddress(ref _receivedControl[i * ControlBytesMax]);
            ResetReceived(ref header);
        }

        for (int i = 0; i < SegmentsMax; i++)
        {
            ref MessageHeader header = ref _sent[i].Header;
            header.Name = Unsafe.AsPointer(ref _sentName[0]);
            header.Vectors = (BufferVector*)Unsafe.AsPointer(ref _sentVectors[i]);
            header.VectorCount = 1;
            header.Control = PinnedAddress(ref _sentControl[0]);
        }
    }

    /// <summary>For <c>poll</c> and <c>epoll</c>; valid until <see cref="Dispose"/>.</summary>
    public int Descriptor { get; }

    /// <summary>Where it is bound, with the port that the kernel chose.</summary>
    public IPEndPoint LocalEndPoint { get; }

    /// <summary>Whether one call sends many datagrams as one buffer (GSO). Becomes false when the kernel refuses it on the way out.</summary>
    public bool HasSegmentationOffload => Volatile.Read(ref _hasSegmentationOffload);

    /// <summary>Whether the kernel joins datagrams of one sender (GRO).</summary>
    public bool HasReceiveOffload { get; }

    /// <summary>Bytes of datagrams the kernel granted for receiving; it counts its own overhead on top.</summary>
    public int ReceiveBufferBytes { get; }

    /// <summary>Bytes the kernel granted for sending.</summary>
    public int SendBufferBytes { get; }

    /// <summary>Times the network reported that an earlier datagram found nobody (ECONNREFUSED and its like); only with
    /// <see cref="UdpSocketOptions.Remote"/>. A report can be forged: it is a hint.</summary>
    public long PeerErrors => Interlocked.Read(ref _peerErrors);

    /// <summary>Datagrams dropped because they were longer than a slot.</summary>
    public long Truncated => Interlocked.Read(ref _truncated);

    /// <summary>Datagrams the kernel dropped because nobody received in time, modulo 2^32; known with the next one received.</summary>
    public uint Overflows => Volatile.Read(ref _overflows);

    /// <summary>Makes a socket.</summary>
    /// <param name="local">Address and port; port 0 lets the kernel choose.</param>
    /// <param name="options">The rest.</param>
    /// <exception cref="SocketException">The port is taken, the address is not this machine's, or the process may open no more files.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public static UdpSocket Bind(IPEndPoint local, UdpSocketOptions options)
    {
        ArgumentNullException.ThrowIfNull(local);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ReceiveBatchMessages, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.ReceiveBatchMessages, 1024, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.DatagramBytesMax, 512, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.DatagramBytesMax, 65_535, nameof(options));
        var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
        try
        {
            bool isIPv6 = local.AddressFamily == AddressFamily.InterNetworkV6;
            if (isIPv6)
            {
                socket.DualMode = options.DualStack && (local.Address.Equals(IPAddress.IPv6Any) || local.Address.IsIPv4MappedToIPv6);
                Set(socket, LibCSockets.LevelIPv6, LibCSockets.IPv6ReceivePacketInformation, 1);
                Set(socket, LibCSockets.LevelIPv6, LibCSockets.IPv6ReceiveTrafficClass, 1);
                Set(socket, LibCSockets.LevelIPv6, LibCSockets.IPv6TrafficClass, (int)SocketEcn);
                Set(socket, LibCSockets.LevelIPv6, LibCSockets.IPv6MtuDiscover, LibCSockets.MtuDiscoverProbe);
            }
            else
            {
                Set(socket, LibCSockets.LevelIP, LibCSockets.IPPacketInformation, 1);
            }

            if (!isIPv6 || socket.DualMode)
            {
                Set(socket, LibCSockets.LevelIP, LibCSockets.IPReceiveTypeOfService, 1);
                Set(socket, LibCSockets.LevelIP, LibCSockets.IPTypeOfService, (int)SocketEcn);
                Set(socket, LibCSockets.LevelIP, LibCSockets.IPMtuDiscover, LibCSockets.MtuDiscoverProbe);
            }

            if (options.ReusePort)
            {
                Set(socket, LibCSockets.LevelSocket, LibCSockets.SocketReusePort, 1);
            }

            Set(socket, LibCSockets.LevelSocket, LibCSockets.SocketReceiveOverflow, 1);
            if (!TrySet(socket, LibCSockets.LevelSocket, LibCSockets.SocketReceiveBufferForce, options.ReceiveBufferBytes))
            {
                socket.ReceiveBufferSize = options.ReceiveBufferBytes; // as far as net.core.rmem_max allows
            }

            if (!TrySet(socket, LibCSockets.LevelSocket, LibCSockets.SocketSendBufferForce, options.SendBufferBytes))
            {
                socket.SendBufferSize = options.SendBufferBytes;
            }

            socket.Bind(local);
            if (options.Remote is not null)
            {
                socket.Connect(isIPv6 ? new IPEndPoint(options.Remote.Address.MapToIPv6(), options.Remote.Port) : options.Remote);
            }

            return new UdpSocket(socket, options);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>An end point as this socket writes it: IPv4 mapped into IPv6 on an IPv6 socket.</summary>
    /// <exception cref="ArgumentException">IPv6 on an IPv4 socket.</exception>
    public SocketAddressBytes ToAddress(IPEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        if (!_isIPv6 && endPoint.AddressFamily != AddressFamily.InterNetwork)
        {
            throw new ArgumentException($"{endPoint} cannot be reached by an IPv4 socket.", nameof(endPoint));
        }

        return SocketAddressBytes.From(_isIPv6 && endPoint.AddressFamily == AddressFamily.InterNetwork
            ? new IPEndPoint(endPoint.Address.MapToIPv6(), endPoint.Port)
            : endPoint);
    }

    /// <summary>Takes what has arrived, at most one system call.</summary>
    /// <param name="into">Filled from the front. What did not fit comes with the next call.</param>
    /// <returns>Datagrams, or 0: nothing waits that could be taken (<c>poll</c> again).</returns>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public int Receive(Span<UdpDatagram> into)
    {
        int count = 0;
        while (count < into.Length)
        {
            // Filling again would overwrite what this call has handed out.
            if (_nextMessage == _batchMessages && (count > 0 || !Fill(into.Length)))
            {
                break;
            }

            int end = (int)_received[_nextMessage].LengthBytes;
            if (_nextStart == 0 && !OpenMessage())
            {
                end = 0;
            }

            if (_nextStart < end)
            {
                int length = Math.Min(_segmentBytes, end - _nextStart);
                into[count++] = new UdpDatagram(
                    _ring, (_nextMessage * _slotBytes) + _nextStart, length, in _receivedNames[_nextMessage], in _messageLocal, _messageEcn);
                _nextStart += length;
            }

            if (_nextStart >= end)
            {
                ResetReceived(ref _received[_nextMessage].Header);
                _nextMessage++;
                _nextStart = 0;
            }
        }

        return count;
    }

    /// <summary>Sends datagrams to one peer.</summary>
    /// <param name="segments">The datagrams, one after the other. Free again when the call returns.</param>
    /// <param name="segmentBytes">Length of each; the last may be shorter. 1 to 65,507.</param>
    /// <param name="remote">As this socket writes it (<see cref="ToAddress"/>); <c>default</c> on a connected socket.</param>
    /// <param name="local">Address to send from; its port does not matter. <c>default</c> leaves it to the kernel's routes.</param>
    /// <param name="ecn">Mark of each.</param>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public UdpSendResult Send(
        ReadOnlySpan<byte> segments, int segmentBytes, in SocketAddressBytes remote, in SocketAddressBytes local, EcnCodepoint ecn)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(segmentBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(segmentBytes, PayloadBytesMax);
        _sentName[0] = remote;
        int plainControlBytes = WriteControl(in remote, in local, ecn, segmentBytes);
        int offloadedBytes = Math.Min(SegmentsMax, PayloadBytesMax / segmentBytes) * segmentBytes;
        int sentBytes = 0;

        // SAFETY: the kernel reads the bytes during the call only, and no length passes the end of `segments`.
        fixed (byte* start = segments)
        {
            while (sentBytes < segments.Length)
            {
                int leftBytes = segments.Length - sentBytes;
                int chunkBytes = Math.Min(leftBytes, HasSegmentationOffload ? offloadedBytes : SegmentsMax * segmentBytes);
                bool isOffloaded = HasSegmentationOffload && chunkBytes > segmentBytes;
                int error = isOffloaded
                    ? SendOffloaded(start + sentBytes, chunkBytes, remote.Length, plainControlBytes)
                    : SendPlain(start + sentBytes, segmentBytes, ref chunkBytes, remote.Length, plainControlBytes);
                if (isOffloaded && error is LibCSockets.ErrorInputOutput or LibCSockets.ErrorInvalid)
                {
                    // EIO: the device cannot compute checksums. EINVAL: an old kernel, or arguments that plain sending refuses as well.
                    error = SendPlain(start + sentBytes, segmentBytes, ref chunkBytes, remote.Length, plainControlBytes);
                    Volatile.Write(ref _hasSegmentationOffload, error != 0);
                }

                if (error != 0)
                {
                    return new UdpSendResult(Status(error), sentBytes);
                }

                sentBytes += chunkBytes;
            }
        }

        return new UdpSendResult(UdpSendStatus.Sent, sentBytes);
    }

    /// <summary>Has the kernel drop packets with a long header of QUIC (RFC 9000, section 17.2) from some networks, before they take room in the
    /// receive buffer. <see cref="Overflows"/> counts them.</summary>
    /// <param name="networks">Instead of those before; none: of all. See <see cref="SocketAddressBytes.NetworkBytes"/>.</param>
    /// <returns>False: the kernel takes no filters.</returns>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public bool TryShutOut(ReadOnlySpan<SocketAddressBytes> networks)
    {
        if (networks.IsEmpty)
        {
            return TrySet(_socket, LibCSockets.LevelSocket, LibCSockets.SocketDetachFilter, 0);
        }

        FilterInstruction[] program = SocketFilter.DropLongHeadersFrom(networks);
        fixed (FilterInstruction* instructions = program)
        {
            FilterProgram filter = new() { Count = (ushort)program.Length, Instructions = instructions };
            try
            {
                _socket.SetRawSocketOption(LibCSockets.LevelSocket, LibCSockets.SocketAttachFilter, MemoryMarshal.AsBytes(new ReadOnlySpan<FilterProgram>(in filter)));
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }
    }

    /// <summary>Closes the descriptor, once.</summary>
    public void Dispose() => _socket.Dispose();

    private static void Set(Socket socket, int level, int option, int value) =>
        socket.SetRawSocketOption(level, option, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in value)));

    private static bool TrySet(Socket socket, int level, int option, int value)
    {
        try
        {
            Set(socket, level, option, value);
            return true;
        }
        catch (SocketException)
        {
            return false; // the kernel does not know the option, or this user may not
        }
    }

    private static byte* PinnedAddress(ref byte start) => (byte*)Unsafe.AsPointer(ref start);

    private static void ResetReceived(ref MessageHeader header)
    {
        header.NameBytes = SocketAddressBytes.BytesMax;
        header.ControlBytes = ControlBytesMax;
        header.Flags = 0;
    }

    private static UdpSendStatus Status(int error) => error switch
    {
        LibCSockets.ErrorTryAgain => UdpSendStatus.WouldBlock,
        LibCSockets.ErrorMessageSize => UdpSendStatus.TooLarge,
        _ => UdpSendStatus.Unreachable,
    };

    private static void ThrowForBug(int error)
    {
        if (error is LibCSockets.ErrorBadDescriptor or LibCSockets.ErrorBadAddress)
        {
            throw new InvalidOperationException($"The kernel refused a socket call: error {error}.");
        }
    }

    // One batch from the kernel; false when there is none.
    private bool Fill(int datagramsMax)
    {
        _nextMessage = _batchMessages = _nextStart = 0;
        fixed (BatchedMessage* messages = _received)
        {
            for (int report = 0; report < ErrorReportsMax;)
            {
                int count = LibCSockets.recvmmsg(_handle, messages, (uint)Math.Min(datagramsMax, _received.Length), LibCSockets.MessageDontWait, 0);
                if (count >= 0)
                {
                    _batchMessages = count;
                    return count > 0;
                }

                int error = Marshal.GetLastSystemError();
                ThrowForBug(error);
                if (error is LibCSockets.ErrorTryAgain or LibCSockets.ErrorNoMemory or LibCSockets.ErrorNoBuffers)
                {
                    return false;
                }

                if (error != LibCSockets.ErrorInterrupted)
                {
                    Interlocked.Increment(ref _peerErrors); // the report is taken by being read: ask again
                    report++;
                }
            }
        }

        return false;
    }

    // Reads the control messages of the next message; false when it is to be dropped.
    private bool OpenMessage()
    {
        ref BatchedMessage message = ref _received[_nextMessage];
        _segmentBytes = (int)message.LengthBytes;
        _messageEcn = EcnCodepoint.NotCapable;
        _messageLocal = _local;

        ReadOnlySpan<byte> control = _receivedControl.AsSpan(_nextMessage * ControlBytesMax, (int)Math.Min(message.Header.ControlBytes, ControlBytesMax));
        while (control.Length >= sizeof(ControlHeader))
        {
            ControlHeader header = MemoryMarshal.Read<ControlHeader>(control);
            int length = (int)Math.Min(header.LengthBytes, (nuint)control.Length);
            if (length < sizeof(ControlHeader))
            {
                break;
            }

            ReadOnlySpan<byte> data = control[sizeof(ControlHeader)..length];
            switch (header.Level, header.Type)
            {
                case (LibCSockets.LevelIP, LibCSockets.IPPacketInformation) when data.Length >= PacketInformationBytes:
                    _messageLocal = _local.WithAddress(data.Slice(4, 4), 0);
                    break;
                case (LibCSockets.LevelIPv6, LibCSockets.IPv6PacketInformation) when data.Length >= PacketInformationIPv6Bytes:
                    _messageLocal = _local.WithAddress(data[..16], MemoryMarshal.Read<uint>(data[16..]));
                    break;
                case (LibCSockets.LevelIP, LibCSockets.IPTypeOfService) when data.Length >= 1:
                case (LibCSockets.LevelIPv6, LibCSockets.IPv6TrafficClass) when data.Length >= 1:
                    _messageEcn = (EcnCodepoint)(data[0] & 3); // little-endian: the first byte also of an int
                    break;
                case (LibCSockets.LevelUdp, LibCSockets.UdpReceiveOffload) when data.Length >= 2:
                    _segmentBytes = Math.Max((int)MemoryMarshal.Read<ushort>(data), 1);
                    break;
                case (LibCSockets.LevelSocket, LibCSockets.SocketReceiveOverflow) when data.Length >= 4:
                    Volatile.Write(ref _overflows, MemoryMarshal.Read<uint>(data));
                    break;
            }

            control = control[Math.Min((length + 7) & ~7, control.Length)..];
        }

        if ((message.Header.Flags & LibCSockets.MessageTruncated) == 0)
        {
            return true;
        }

        Interlocked.Increment(ref _truncated);
        return false;
    }

    // Control messages of a send: those of every datagram, then the one of GSO. Returns the length of the former.
    private int WriteControl(in SocketAddressBytes remote, in SocketAddressBytes local, EcnCodepoint ecn, int segmentBytes)
    {
        int at = 0;
        if (local.Length != 0 && !local.HasAddressOf(in _local))
        {
            if (_isIPv6)
            {
                Span<byte> data = AddControl(ref at, LibCSockets.LevelIPv6, LibCSockets.IPv6PacketInformation, PacketInformationIPv6Bytes);
                local.AddressIPv6.CopyTo(data);
                MemoryMarshal.Write(data[16..], local.Scope);
            }
            else
            {
                Span<byte> data = AddControl(ref at, LibCSockets.LevelIP, LibCSockets.IPPacketInformation, PacketInformationBytes);
                data.Clear();
                local.AddressIPv4.CopyTo(data[4..]);
            }
        }

        if (ecn != SocketEcn)
        {
            // A connected socket has one peer, whose family is that of the socket's own address.
            bool isIPv4 = remote.Length != 0 ? remote.IsIPv4 : _local.IsIPv4;
            MemoryMarshal.Write(
                isIPv4
                    ? AddControl(ref at, LibCSockets.LevelIP, LibCSockets.IPTypeOfService, sizeof(int))
                    : AddControl(ref at, LibCSockets.LevelIPv6, LibCSockets.IPv6TrafficClass, sizeof(int)),
                (int)ecn);
        }

        int plainBytes = at;
        MemoryMarshal.Write(AddControl(ref at, LibCSockets.LevelUdp, LibCSockets.UdpSegment, sizeof(ushort)), (ushort)segmentBytes);
        return plainBytes;
    }

    private Span<byte> AddControl(ref int at, int level, int type, int dataBytes)
    {
        var header = new ControlHeader { LengthBytes = (nuint)LibCSockets.ControlLengthBytes(dataBytes), Level = level, Type = type };
        MemoryMarshal.Write(_sentControl.AsSpan(at), header);
        Span<byte> data = _sentControl.AsSpan(at + sizeof(ControlHeader), dataBytes);
        at += LibCSockets.ControlSpaceBytes(dataBytes);
        return data;
    }

    private void PrepareSend(int index, byte* start, int lengthBytes, int nameBytes, int controlBytes)
    {
        _sentVectors[index] = new BufferVector { Start = start, LengthBytes = (nuint)lengthBytes };
        ref MessageHeader header = ref _sent[index].Header;
        header.Name = nameBytes == 0 ? null : Unsafe.AsPointer(ref _sentName[0]);
        header.NameBytes = (uint)nameBytes;
        header.ControlBytes = (nuint)controlBytes;
    }

    // 0, or the error.
    private int SendOffloaded(byte* start, int lengthBytes, int nameBytes, int plainControlBytes)
    {
        PrepareSend(0, start, lengthBytes, nameBytes, plainControlBytes + LibCSockets.ControlSpaceBytes(sizeof(ushort)));
        fixed (BatchedMessage* message = _sent)
        {
            for (int report = 0; ;)
            {
                if (LibCSockets.sendmsg(_handle, &message->Header, LibCSockets.MessageDontWait) >= 0)
                {
                    return 0;
                }

                int error = Marshal.GetLastSystemError();
                if (!ShallAskAgain(error, ref report))
                {
                    return error;
                }
            }
        }
    }

    // 0 with how much of the length was sent, or the error when nothing was.
    private int SendPlain(byte* start, int segmentBytes, ref int lengthBytes, int nameBytes, int controlBytes)
    {
        int count = 0;
        for (int at = 0; at < lengthBytes; at += segmentBytes)
        {
            PrepareSend(count++, start + at, Math.Min(segmentBytes, lengthBytes - at), nameBytes, controlBytes);
        }

        fixed (BatchedMessage* messages = _sent)
        {
            for (int report = 0; ;)
            {
                int sent = count == 1
                    ? LibCSockets.sendmsg(_handle, &messages->Header, LibCSockets.MessageDontWait) < 0 ? -1 : 1
                    : LibCSockets.sendmmsg(_handle, messages, (uint)count, LibCSockets.MessageDontWait);
                if (sent > 0)
                {
                    lengthBytes = Math.Min(lengthBytes, sent * segmentBytes);
                    return 0;
                }

                int error = Marshal.GetLastSystemError();
                if (!ShallAskAgain(error, ref report))
                {
                    return error;
                }
            }
        }
    }

    // A report of an earlier datagram is taken by being read; this one was not sent.
    private bool ShallAskAgain(int error, ref int report)
    {
        ThrowForBug(error);
        if (error == LibCSockets.ErrorConnectionRefused)
        {
            Interlocked.Increment(ref _peerErrors);
            return ++report < ErrorReportsMax;
        }

        return error == LibCSockets.ErrorInterrupted;
    }
}
