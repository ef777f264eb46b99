using System.Net;
using System.Net.Sockets;
using Vitrine.Interop;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public sealed class UdpSocketTests
{
    private const int SegmentBytes = 1200;
    private static readonly IPEndPoint Loopback = new(IPAddress.Loopback, 0);
    private static readonly UdpSocketOptions WithOffload = new();
    private static readonly UdpSocketOptions WithoutOffload = new() { Offload = false };

    public static TheoryData<bool, bool> Offloads => new() { { false, false }, { false, true }, { true, false }, { true, true } };

    [Theory]
    [MemberData(nameof(Offloads))]
    public void ManySegments_ArriveAsTheSameDatagrams(bool isSenderOffloaded, bool isReceiverOffloaded)
    {
        using UdpSocket sender = UdpSocket.Bind(Loopback, new() { Offload = isSenderOffloaded });
        using UdpSocket receiver = UdpSocket.Bind(Loopback, new() { Offload = isReceiverOffloaded });
        Assert.Equal(isSenderOffloaded, sender.HasSegmentationOffload);
        Assert.Equal(isReceiverOffloaded, receiver.HasReceiveOffload);

        // 150 and a bit: more than one call takes, and the last one is short.
        byte[] segments = new byte[(150 * SegmentBytes) + 7];
        new Random(5).NextBytes(segments);
        UdpSendResult result = sender.Send(segments, SegmentBytes, receiver.ToAddress(receiver.LocalEndPoint), default, EcnCodepoint.NotCapable);

        Assert.Equal(new UdpSendResult(UdpSendStatus.Sent, segments.Length), result);
        SocketAddressBytes remote = sender.ToAddress(sender.LocalEndPoint);
        int at = 0;
        while (at < segments.Length)
        {
            foreach (UdpDatagram datagram in ReceiveSome(receiver, 100))
            {
                Assert.Equal(Math.Min(SegmentBytes, segments.Length - at), datagram.Payload.Length);
                Assert.True(datagram.Payload.SequenceEqual(segments.AsSpan(at, datagram.Payload.Length)));
                Assert.Equal(remote, datagram.Remote);
                at += datagram.Payload.Length;
            }
        }

        Assert.Equal(0, receiver.Receive(new UdpDatagram[1]));
        Assert.Equal(isSenderOffloaded, sender.HasSegmentationOffload);
    }

    [Fact]
    public void OffloadRefusedOnTheWayOut_SentOneByOneFromThenOn()
    {
        using UdpSocket sender = UdpSocket.Bind(Loopback, WithOffload), receiver = UdpSocket.Bind(Loopback, WithoutOffload);
        using SafeSocketHandle borrowed = new(sender.Descriptor, ownsHandle: false);
        using Socket socket = new(borrowed);
        socket.SetRawSocketOption(LibCSockets.LevelSocket, 11, BitConverter.GetBytes(1)); // SO_NO_CHECK: without checksums the kernel does not split

        UdpSendResult result = sender.Send(new byte[(2 * SegmentBytes) + 1], SegmentBytes, sender.ToAddress(receiver.LocalEndPoint), default, EcnCodepoint.NotCapable);

        Assert.Equal(new UdpSendResult(UdpSendStatus.Sent, (2 * SegmentBytes) + 1), result);
        Assert.False(sender.HasSegmentationOffload);
        Assert.Equal([SegmentBytes, SegmentBytes, 1], ReceiveSome(receiver, 9).Select(datagram => datagram.Payload.Length));
    }

    [Fact]
    public void FewSlots_TheRestComesWithTheNextCall()
    {
        using UdpSocket sender = UdpSocket.Bind(Loopback, WithOffload), receiver = UdpSocket.Bind(Loopback, WithOffload);
        byte[] segments = [.. Enumerable.Range(0, 20).Select(i => (byte)i)];
        sender.Send(segments, 1, receiver.ToAddress(receiver.LocalEndPoint), default, EcnCodepoint.NotCapable);
        var seen = new List<byte>();
        while (seen.Count < segments.Length)
        {
            UdpDatagram[] some = ReceiveSome(receiver, 3);
            Assert.InRange(some.Length, 1, 3);
            seen.AddRange(some.Select(datagram => datagram.Payload[0]));
        }

        Assert.Equal(segments, seen);
    }

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("::1", "::1")]
    [InlineData("::", "::1")]
    [InlineData("::", "127.0.0.1")]
    public void EcnMarks_ArriveAsSent(string bound, string peer)
    {
        using UdpSocket sender = UdpSocket.Bind(new(IPAddress.Parse(bound), 0), WithOffload);
        using UdpSocket receiver = UdpSocket.Bind(new(IPAddress.Parse(bound), 0), WithOffload);
        SocketAddressBytes remote = sender.ToAddress(new(IPAddress.Parse(peer), receiver.LocalEndPoint.Port));
        foreach (EcnCodepoint ecn in Enum.GetValues<EcnCodepoint>())
        {
            Assert.Equal(UdpSendStatus.Sent, sender.Send([1, 2, 3], 2, remote, default, ecn).Status);
            UdpDatagram[] pair = [.. ReceiveSome(receiver, 1), .. ReceiveSome(receiver, 1)];
            Assert.All(pair, datagram => Assert.Equal(ecn, datagram.Ecn));
        }
    }

    [Theory]
    [InlineData("0.0.0.0", "127.0.0.2", "127.0.0.3")]
    [InlineData("::", "127.0.0.2", "127.0.0.3")]
    [InlineData("::", "::1", "::1")]
    public void LocalAddress_KnownAndChosen(string bound, string serverAddress, string clientAddress)
    {
        using UdpSocket server = UdpSocket.Bind(new(IPAddress.Parse(bound), 0), WithOffload);
        using UdpSocket client = UdpSocket.Bind(new(IPAddress.Parse(bound), 0), WithOffload);
        SocketAddressBytes serverIs = client.ToAddress(new(IPAddress.Parse(serverAddress), server.LocalEndPoint.Port));
        SocketAddressBytes clientIs = client.ToAddress(new(IPAddress.Parse(clientAddress), client.LocalEndPoint.Port));

        Assert.Equal(UdpSendStatus.Sent, client.Send([1], 1, serverIs, clientIs, EcnCodepoint.NotCapable).Status);
        UdpDatagram asked = Assert.Single(ReceiveSome(server, 2));
        Assert.Equal(clientIs, asked.Remote);
        Assert.Equal(serverIs, asked.Local);

        Assert.Equal(UdpSendStatus.Sent, server.Send([2], 1, asked.Remote, asked.Local, EcnCodepoint.NotCapable).Status);
        UdpDatagram answered = Assert.Single(ReceiveSome(client, 2));
        Assert.Equal(serverIs, answered.Remote);
        Assert.Equal(clientIs, answered.Local);
    }

    [Fact]
    public void NotDualStack_LeavesIPv4ToAnother()
    {
        using UdpSocket six = UdpSocket.Bind(new(IPAddress.IPv6Any, 0), WithOffload with { DualStack = false });
        using UdpSocket four = UdpSocket.Bind(new(IPAddress.Any, six.LocalEndPoint.Port), WithOffload);
        Assert.Equal(six.LocalEndPoint.Port, four.LocalEndPoint.Port);
    }

    [Fact]
    public void AddressOfAnotherMachine_UnreachableAndOffloadKept()
    {
        using UdpSocket sender = UdpSocket.Bind(new(IPAddress.Any, 0), WithOffload), receiver = UdpSocket.Bind(Loopback, WithOffload);
        SocketAddressBytes elsewhere = sender.ToAddress(new(IPAddress.Parse("192.0.2.1"), 0)); // RFC 5737
        UdpSendResult result = sender.Send(new byte[2400], SegmentBytes, sender.ToAddress(receiver.LocalEndPoint), elsewhere, EcnCodepoint.NotCapable);
        Assert.Equal(new UdpSendResult(UdpSendStatus.Unreachable, 0), result);
        Assert.True(sender.HasSegmentationOffload);
    }

    [Fact]
    public void LongerThanTheLink_TooLarge()
    {
        // The link is the loopback interface: 65,536 bytes with 48 of headers.
        using UdpSocket sender = UdpSocket.Bind(new(IPAddress.IPv6Loopback, 0), WithOffload);
        SocketAddressBytes remote = sender.ToAddress(sender.LocalEndPoint);
        Assert.Equal(new UdpSendResult(UdpSendStatus.TooLarge, 0), sender.Send(new byte[65_489], 65_489, remote, default, EcnCodepoint.NotCapable));
        Assert.Equal(UdpSendStatus.Sent, sender.Send(new byte[65_488], 65_488, remote, default, EcnCodepoint.NotCapable).Status);
        Assert.Equal(65_488, Assert.Single(ReceiveSome(sender, 1)).Payload.Length);
    }

    [SilentLinkFact]
    public void SegmentsLongerThanTheLink_TooLargeAndOffloadKept()
    {
        using SilentLink link = new(WithOffload);
        SocketAddressBytes remote = link.Socket.ToAddress(SilentLink.Neighbour);
        Assert.Equal(new UdpSendResult(UdpSendStatus.TooLarge, 0), link.Socket.Send(new byte[3200], 1600, remote, default, EcnCodepoint.NotCapable));
        Assert.Equal(new UdpSendResult(UdpSendStatus.Sent, 2800), link.Socket.Send(new byte[2800], 1400, remote, default, EcnCodepoint.NotCapable));
        Assert.True(link.Socket.HasSegmentationOffload);
    }

    [SilentLinkFact]
    public void FullSendBuffer_SaysHowMuchWasTaken_ThenLostWithTheLink() => FullSendBuffer(WithOffload);

    [SilentLinkFact]
    public void FullSendBuffer_OneByOne_SaysHowMuchWasTaken_ThenLostWithTheLink() => FullSendBuffer(WithoutOffload);

    private static void FullSendBuffer(UdpSocketOptions options)
    {
        using SilentLink link = new(options with { SendBufferBytes = 32 << 10 });
        SocketAddressBytes remote = link.Socket.ToAddress(SilentLink.Neighbour);
        byte[] segments = new byte[100 * SegmentBytes];
        UdpSendResult result;
        int sentBytes = 0;
        do
        {
            result = link.Socket.Send(segments, SegmentBytes, remote, default, EcnCodepoint.NotCapable);
            sentBytes += result.SentBytes;
        }
        while (result.Status == UdpSendStatus.Sent && sentBytes < 10_000_000);

        Assert.Equal(UdpSendStatus.WouldBlock, result.Status);
        Assert.InRange(result.SentBytes, 0, segments.Length - SegmentBytes);
        Assert.Equal(0, result.SentBytes % SegmentBytes);
        PollDescriptor[] writable = [new() { Descriptor = link.Socket.Descriptor, Events = 4 }]; // POLLOUT
        Assert.Equal(0, LibC.poll(writable, 1, 0));

        link.Remove();
        Assert.Equal(1, LibC.poll(writable, 1, 10_000));
        Assert.Equal(new UdpSendResult(UdpSendStatus.Unreachable, 0), link.Socket.Send(segments, SegmentBytes, remote, default, EcnCodepoint.NotCapable));
    }

    [Fact]
    public void LongerThanASlot_DroppedAndCounted()
    {
        using UdpSocket sender = UdpSocket.Bind(Loopback, WithOffload), receiver = UdpSocket.Bind(Loopback, WithoutOffload);
        SocketAddressBytes remote = sender.ToAddress(receiver.LocalEndPoint);
        sender.Send(new byte[3000], 3000, remote, default, EcnCodepoint.NotCapable);
        sender.Send([7], 1, remote, default, EcnCodepoint.NotCapable);
        Assert.Equal(7, Assert.Single(ReceiveSome(receiver, 4)).Payload[0]);
        Assert.Equal(1, receiver.Truncated);
    }

    [Fact]
    public void EmptyDatagram_NotHandedOut()
    {
        using UdpSocket receiver = UdpSocket.Bind(Loopback, WithOffload);
        using Socket sender = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        sender.SendTo([], receiver.LocalEndPoint);
        sender.SendTo([1], receiver.LocalEndPoint);
        Assert.Equal(1, Assert.Single(ReceiveSome(receiver, 4)).Payload[0]);
    }

    [Fact]
    public void PeerGone_CountedAndSendingGoesOn()
    {
        UdpSocket server = UdpSocket.Bind(Loopback, WithOffload);
        using UdpSocket client = UdpSocket.Bind(Loopback, WithOffload with { Remote = server.LocalEndPoint });
        Assert.Equal(UdpSendStatus.Sent, client.Send([1], 1, default, default, EcnCodepoint.Capable0).Status);
        Assert.Equal(EcnCodepoint.Capable0, Assert.Single(ReceiveSome(server, 1)).Ecn);
        server.Dispose();

        // On loopback the refusal is there when the call returns; it is told with the next one.
        Assert.Equal(UdpSendStatus.Sent, client.Send([1], 1, default, default, EcnCodepoint.NotCapable).Status);
        Assert.Equal(UdpSendStatus.Sent, client.Send([1, 2], 1, default, default, EcnCodepoint.NotCapable).Status);
        Assert.Equal(1, client.PeerErrors);
        Assert.Equal(0, client.Receive(new UdpDatagram[1]));
        Assert.Equal(2, client.PeerErrors);
        Assert.True(client.HasSegmentationOffload);
    }

    [Fact]
    public void Connected_StrangersAreNotHeard()
    {
        using UdpSocket server = UdpSocket.Bind(Loopback, WithOffload), stranger = UdpSocket.Bind(Loopback, WithOffload);
        using UdpSocket client = UdpSocket.Bind(new(IPAddress.IPv6Any, 0), WithOffload with { Remote = server.LocalEndPoint });
        SocketAddressBytes clientIs = server.ToAddress(new(IPAddress.Loopback, client.LocalEndPoint.Port));
        stranger.Send([1], 1, clientIs, default, EcnCodepoint.NotCapable);
        server.Send([2], 1, clientIs, default, EcnCodepoint.NotCapable);
        Assert.Equal(2, Assert.Single(ReceiveSome(client, 4)).Payload[0]);
    }

    [Fact]
    public void PortTaken_SaysSo_UnlessShared()
    {
        using UdpSocket first = UdpSocket.Bind(Loopback, WithOffload);
        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(() => UdpSocket.Bind(first.LocalEndPoint, WithOffload)).SocketErrorCode);

        UdpSocketOptions shared = WithOffload with { ReusePort = true };
        using UdpSocket second = UdpSocket.Bind(Loopback, shared), third = UdpSocket.Bind(second.LocalEndPoint, shared);
        Assert.Equal(second.LocalEndPoint, third.LocalEndPoint);
    }

    [Fact]
    public void Buffers_AskedForAndReported()
    {
        using UdpSocket socket = UdpSocket.Bind(Loopback, new() { ReceiveBufferBytes = 128 << 10, SendBufferBytes = 96 << 10 });
        Assert.Equal(128 << 10, socket.ReceiveBufferBytes);
        Assert.Equal(96 << 10, socket.SendBufferBytes);
    }

    [Fact]
    public void NobodyReceives_OverflowsCounted()
    {
        using UdpSocket sender = UdpSocket.Bind(Loopback, WithoutOffload);
        using UdpSocket receiver = UdpSocket.Bind(Loopback, new() { ReceiveBufferBytes = 16 << 10, Offload = false });
        SocketAddressBytes remote = sender.ToAddress(receiver.LocalEndPoint);
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(UdpSendStatus.Sent, sender.Send(new byte[SegmentBytes], SegmentBytes, remote, default, EcnCodepoint.NotCapable).Status);
        }

        var into = new UdpDatagram[100];
        int received = 0;
        for (int count; (count = receiver.Receive(into)) > 0; received += count)
        {
        }

        sender.Send([1], 1, remote, default, EcnCodepoint.NotCapable);
        Assert.Single(ReceiveSome(receiver, 1));
        Assert.InRange(received, 1, 99);
        Assert.Equal((uint)(100 - received), receiver.Overflows);
    }

    [Theory]
    [MemberData(nameof(Offloads))]
    public void SteadyState_AllocatesNothing(bool isSenderOffloaded, bool isReceiverOffloaded)
    {
        using UdpSocket sender = UdpSocket.Bind(new(IPAddress.IPv6Any, 0), new() { Offload = isSenderOffloaded });
        using UdpSocket receiver = UdpSocket.Bind(new(IPAddress.IPv6Any, 0), new() { Offload = isReceiverOffloaded });
        SocketAddressBytes remote = sender.ToAddress(new(IPAddress.Loopback, receiver.LocalEndPoint.Port));
        SocketAddressBytes local = sender.ToAddress(new(IPAddress.Loopback, 0));
        byte[] segments = new byte[10 * SegmentBytes];
        var into = new UdpDatagram[64];
        int allocating = 0;
        for (int round = 0; round < 1000; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            sender.Send(segments, SegmentBytes, in remote, in local, EcnCodepoint.Capable0);
            for (int left = 10; left > 0;)
            {
                int count = receiver.Receive(into);
                for (int i = 0; i < count; i++)
                {
                    left -= into[i].Local.Port == receiver.LocalEndPoint.Port && into[i].Ecn == EcnCodepoint.Capable0 ? 1 : 0;
                }
            }

            allocating += GC.GetAllocatedBytesForCurrentThread() == before ? 0 : 1;
        }

        Assert.InRange(allocating, 0, 5); // the runtime compiles the loop anew, on this thread's account
    }

    [Fact]
    public void Disposed_DescriptorIsBack()
    {
        // The number itself may be taken again at once by another test: the socket that it named must be gone.
        UdpSocket socket = UdpSocket.Bind(Loopback, WithOffload);
        string link = $"/proc/self/fd/{socket.Descriptor}";
        string? named = File.ResolveLinkTarget(link, returnFinalTarget: false)?.Name;
        Assert.StartsWith("socket:", named, StringComparison.Ordinal);
        socket.Dispose();
        socket.Dispose();
        Assert.DoesNotContain(named, Directory.EnumerateFileSystemEntries("/proc/self/fd").Select(entry => new FileInfo(entry).LinkTarget));
        Assert.Throws<ObjectDisposedException>(() => socket.Receive(new UdpDatagram[1]));
        Assert.Throws<ObjectDisposedException>(() => socket.Send([1], 1, default, default, EcnCodepoint.NotCapable));
        using UdpSocket again = UdpSocket.Bind(socket.LocalEndPoint, WithOffload);
    }

    // Waits with poll, as an event loop does; the payloads are valid until the next call.
    [Theory]
    [InlineData("127.0.0.1", "127.0.0.2", "127.0.0.3")]
    [InlineData("::", "127.0.0.2", "127.0.0.3")] // IPv4 on an IPv6 socket
    [InlineData("::", "::1", "127.0.0.3")]
    public void ShutOut_LongHeadersFromThereAreDropped_AllElseArrives(string receiverAddress, string shutOut, string other)
    {
        using UdpSocket receiver = UdpSocket.Bind(new(IPAddress.Parse(receiverAddress), 0), WithoutOffload);
        using Socket from = Bind(shutOut), beside = Bind(other);
        Assert.True(receiver.TryShutOut([receiver.ToAddress((IPEndPoint)from.LocalEndPoint!), receiver.ToAddress(new(IPAddress.Parse("127.0.0.9"), 1))]));
        Send(from, 0xc0);
        Send(from, 0x40);
        Send(beside, 0xc1);
        Assert.Equal([0x40, 0xc1], Take(2));
        Assert.True(receiver.TryShutOut([]));
        Send(from, 0xc2);
        Assert.Equal([0xc2], Take(1));

        void Send(Socket socket, byte first) => socket.SendTo(
            [first, .. new byte[20]], new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Loopback : IPAddress.IPv6Loopback, receiver.LocalEndPoint.Port));

        List<byte> Take(int count)
        {
            List<byte> taken = [];
            while (taken.Count < count)
            {
                taken.AddRange(ReceiveSome(receiver, 10).Select(datagram => datagram.Payload[0]));
            }

            return taken;
        }

        static Socket Bind(string address)
        {
            IPAddress local = IPAddress.Parse(address);
            Socket socket = new(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(local, 0));
            return socket;
        }
    }

    private static UdpDatagram[] ReceiveSome(UdpSocket socket, int slots)
    {
        var into = new UdpDatagram[slots];
        PollDescriptor[] readable = [new() { Descriptor = socket.Descriptor, Events = LibC.PollIn }];
        while (true)
        {
            int count = socket.Receive(into);
            if (count > 0)
            {
                return into[..count];
            }

            Assert.Equal(1, LibC.poll(readable, 1, 10_000));
        }
    }
}
