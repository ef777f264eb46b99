using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Calls;
using Vitrine.Transports.Tests.Grpc;
using Vitrine.Transports.Tests.Quic;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests;

public class PeerLimitsTests
{
    private static readonly EchoRequest s_largest = new() { ReplyCount = 1000, ReplyBytes = EchoService.ReplyBytesMax };

    [Fact]
    public async Task PeerWastesConnections_NewOnesAreTurnedAway_TheOneItHasGoesOn()
    {
        PeerLedger peers = new(new TestTime());
        await using GrpcHost host = await GrpcHost.StartAsync(peers: peers);
        await using var channel = host.Connect();
        await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
        while (peers.MayEnter(IPAddress.Loopback))
        {
            using Socket wasted = new(SocketType.Stream, ProtocolType.Tcp);
            await wasted.ConnectAsync(host.EndPoint);
        }

        using (Socket refused = new(SocketType.Stream, ProtocolType.Tcp))
        {
            await refused.ConnectAsync(host.EndPoint);
            await refused.SendAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
            byte[] answer = new byte[100];
            Assert.Equal(0, await ReceiveAsync(refused, answer)); // closed, without a word
        }

        await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
    }

    [Theory]
    [InlineData("/vitrine.v1.Echo/ServerStream", "application/grpc")]
    [InlineData("/api/v1/echo/server-stream", "application/json")]
    public async Task AnswersAreLeftUnread_OnAllStreams_WhatWaitsIsBounded_AndGivenBack(string path, string contentType)
    {
        PeerLedger peers = new();
        await using GrpcHost host = await GrpcHost.StartAsync(peers: peers);
        using (RawHttp2 raw = RawHttp2.Connect(host.EndPoint, streamWindowBytes: 1000))
        {
            byte[] body = contentType == "application/grpc" ? RawHttp2.Message(s_largest.ToByteArray()) : System.Text.Encoding.ASCII.GetBytes(JsonFormatter.Default.Format(s_largest));
            for (int stream = 1; stream < 40; stream += 2)
            {
                raw.Send([
                    .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, stream, RawHttp2.CallHeaders(path, contentType)),
                    .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, stream, body)]);
            }

            // Room for one at least, and the pings are answered: what could be taken has been.
            await QuicPair.UntilAsync(() => peers.UnreadBytes(IPAddress.Loopback) >= EchoService.ReplyBytesMax);
            for (int i = 0; i < 10; i++)
            {
                raw.Send(RawHttp2.Frame(RawHttp2.Ping, 0, 0, new byte[8]));
                while (raw.ReadFrame() && raw.Type != RawHttp2.Ping)
                {
                }

                Assert.InRange(peers.UnreadBytes(IPAddress.Loopback), 0, PeerLedger.ConnectionUnreadBytesMax + EchoService.ReplyBytesMax);
            }
        }

        await QuicPair.UntilAsync(() => peers.UnreadBytes(IPAddress.Loopback) == 0);
    }

    [QuicFact]
    public async Task OverQuic_AnswersAreLeftUnread_WhatWaitsIsBounded_AndGivenBack()
    {
        PeerLedger peers = new();
        await using QuicCallHost host = QuicCallHost.Start(new() { Peers = peers });
        await using (QuicCallChannel channel = host.Connect())
        {
            List<ClientCall> calls = [];
            for (int i = 0; i < 20; i++)
            {
                ClientCall call = await channel.StartAsync(EchoService.ServerStream, CallOptions.Default);
                await call.WriteAsync(s_largest);
                await call.CompleteWritesAsync();
                calls.Add(call);
            }

            await QuicPair.UntilAsync(() => peers.UnreadBytes(IPAddress.Loopback) > PeerLedger.ConnectionUnreadBytesMax / 2);
            Assert.InRange(peers.UnreadBytes(IPAddress.Loopback), 0, PeerLedger.ConnectionUnreadBytesMax + EchoService.ReplyBytesMax);
            foreach (ClientCall call in calls)
            {
                await call.DisposeAsync();
            }
        }

        await QuicPair.UntilAsync(() => peers.UnreadBytes(IPAddress.Loopback) == 0);
    }

    [Theory]
    [InlineData("/vitrine.v1.Echo/Unary", "application/grpc")]
    [InlineData("/api/v1/echo/unary", "application/json")]
    public async Task RequestsNeverEnd_OnAllStreams_WhatIsReadIsBounded_MoreAreRefused_SmallOnesGoOn(string path, string contentType)
    {
        bool isGrpc = contentType == "application/grpc";
        PeerLedger peers = new(requestPatience: TimeSpan.FromMilliseconds(200));
        using LimitCounter limits = new("vitrine.peer.limits");
        await using GrpcHost host = await GrpcHost.StartAsync(peers: peers);
        using (RawHttp2 raw = RawHttp2.Connect(host.EndPoint))
        {
            byte[] head = isGrpc ? RawHttp2.CallHeaders(path, contentType) : RawHttp2.CallHeaders(path, contentType, ("content-length", "500000"));
            byte[] begun = isGrpc ? [0, 0, 0x10, 0, 0, .. new byte[1000]] : [.. "{\"payload\":\""u8, .. Enumerable.Repeat((byte)'A', 1000)];
            for (int stream = 1; stream < 40; stream += 2)
            {
                raw.Send([.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, stream, head), .. RawHttp2.Frame(RawHttp2.Data, 0, stream, begun)]);
            }

            byte[] small = isGrpc ? RawHttp2.Message(new EchoRequest { ReplyBytes = 1 }.ToByteArray()) : "{\"replyBytes\":1}"u8.ToArray();
            raw.Send([
                .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 41, RawHttp2.CallHeaders(path, contentType)),
                .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, 41, small)]);
            List<byte> answer = [];
            Assert.True(raw.ReadToEnd(41, answer));
            Assert.NotEmpty(answer);
            await QuicPair.UntilAsync(() => limits["request-bytes"] >= 10);
            Assert.True(limits["request-wait"] >= limits["request-bytes"]);
            Assert.InRange(peers.RequestBytes(IPAddress.Loopback), 1, PeerLedger.ConnectionRequestBytesMax);
        }

        await QuicPair.UntilAsync(() => peers.RequestBytes(IPAddress.Loopback) == 0);
    }

    [Fact]
    public async Task ManyJsonCallsBrokenOff_ConnectionIsClosed_AndItsPeerHasNoCredit()
    {
        PeerLedger peers = new(new TestTime());
        using LimitCounter limits = new("vitrine.json.limits");
        await using GrpcHost host = await GrpcHost.StartAsync(peers: peers);
        using RawHttp2 raw = RawHttp2.Connect(host.EndPoint);
        byte[] head = RawHttp2.CallHeaders("/api/v1/echo/duplex", "application/x-ndjson");
        bool isOpen = true;
        int stream = 1;
        for (; isOpen && stream < 10_000; stream += 2)
        {
            // Not faster than streams end: the answer is waited for.
            isOpen = raw.TrySend([.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, stream, head), .. RawHttp2.Frame(RawHttp2.Data, 0, stream, "{}\n"u8)]);
            do
            {
                isOpen = isOpen && raw.ReadFrame();
            }
            while (isOpen && !(raw.Type == RawHttp2.Data && raw.Stream == stream));
            isOpen = isOpen && raw.TrySend(RawHttp2.ResetOf(stream, 8));
        }

        Assert.False(isOpen);
        Assert.InRange(stream / 2, 1000, 4000);
        Assert.Equal(1, limits["resets"]);
        Assert.False(peers.MayEnter(IPAddress.Loopback));
    }

    [QuicFact]
    public async Task OverQuic_RequestsNeverEnd_WhatIsReadIsBounded_MoreAreRefused_SmallOnesGoOn()
    {
        PeerLedger peers = new(requestPatience: TimeSpan.FromMilliseconds(200));
        using LimitCounter limits = new("vitrine.peer.limits");
        await using QuicCallHost host = QuicCallHost.Start(new() { Peers = peers });
        await using (QuicClient client = new(new() { Protocols = [QuicCallServer.Protocol] }))
        {
            QuicConnection connection = await client.ConnectAsync(
                new() { EndPoint = host.Server.Listener.LocalEndPoint, Host = "localhost", CertificateFingerprint = QuicPair.Fingerprint(QuicPair.Certificate) });
            PooledBuffer begun = new(4096);
            CallFrame.WriteRequest(begun, EchoService.Unary.Path, 0, CallOptions.Default.Priority, "", null);
            begun.Write((ReadOnlySpan<byte>)[0, 0x80, 0x10, 0, 0, .. new byte[1000]]); // a message of 1 MiB
            for (int i = 0; i < 20; i++)
            {
                await (await connection.OpenStreamAsync()).WriteAsync(begun.Written);
            }

            await QuicPair.UntilAsync(() => limits["request-bytes"] >= 10);
            Assert.InRange(peers.RequestBytes(IPAddress.Loopback), 1, PeerLedger.ConnectionRequestBytesMax);
            await using QuicCallChannel honest = host.Connect();
            await honest.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
        }

        await QuicPair.UntilAsync(() => peers.RequestBytes(IPAddress.Loopback) == 0);
    }

    [QuicFact]
    public async Task OverQuic_FramesThatNobodyKnows_HoldNoRoom()
    {
        PeerLedger peers = new(requestPatience: TimeSpan.FromMilliseconds(200));
        await using QuicCallHost host = QuicCallHost.Start(new() { Peers = peers });
        await using QuicClient client = new(new() { Protocols = [QuicCallServer.Protocol] });
        QuicConnection connection = await client.ConnectAsync(
            new() { EndPoint = host.Server.Listener.LocalEndPoint, Host = "localhost", CertificateFingerprint = QuicPair.Fingerprint(QuicPair.Certificate) });
        await using QuicStream stream = await connection.OpenStreamAsync();
        byte[] unknown = [0x21, 0x80, 0, 0x7d, 0, .. new byte[32_000]];
        for (int i = 0; i < 2 * PeerLedger.ConnectionRequestBytesMax / unknown.Length; i++)
        {
            await stream.WriteAsync(unknown);
        }

        PooledBuffer call = new(4096);
        CallFrame.WriteRequest(call, EchoService.Unary.Path, 0, CallOptions.Default.Priority, "", null);
        CallFrame.WriteMessage(call, new EchoRequest(), 100);
        await stream.WriteAsync(call.Written, isFinal: true);
        CallFrameReader reader = new(100);
        Assert.Equal(CallFrameType.Message, (await reader.PeekAsync(stream, default)).Type);
        Assert.Equal(0, peers.RequestBytes(IPAddress.Loopback));
    }

    [Theory]
    [MemberData(nameof(CallContractTests.Transports), MemberType = typeof(CallContractTests))]
    public async Task LargeRequests_AreServed_AndTheirRoomGivenBack(string transport)
    {
        PeerLedger peers = new(requestPatience: TimeSpan.FromMinutes(10)); // they wait for each other, on a busy machine for long
        await using GrpcHost web = await GrpcHost.StartAsync(peers: peers);
        await using QuicCallHost? quic = transport == "quic" ? QuicCallHost.Start(new() { Peers = peers }) : null;
        await using ICallChannel channel = transport switch
        {
            "quic" => quic!.Connect(),
            "grpc" => web.Connect(),
            _ => new HttpJsonChannel(web.Address, new()),
        };
        EchoRequest request = new() { Payload = ByteString.CopyFrom(QuicPair.RandomBytes(2 << 20)) };
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            EchoReply reply = new();
            await channel.CallAsync(EchoService.Unary, request, reply, CallOptions.Default with { Compression = i % 2 == 0 ? CallCompression.None : CallCompression.Gzip });
            Assert.Equal(request.Payload, reply.Payload);
        }));
        await QuicPair.UntilAsync(() => peers.RequestBytes(IPAddress.Loopback) == 0);
    }

    [QuicFact]
    public async Task OverQuic_PeerWithoutCredit_IsRefusedWhenItsAddressIsProven()
    {
        PeerLedger peers = new(new TestTime());
        await using QuicCallHost host = QuicCallHost.Start(new() { Peers = peers }, listener: listen => listen with { Peers = peers });
        await using QuicCallChannel before = host.Connect();
        await before.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
        while (peers.TryEnter(IPAddress.Loopback) is { } wasted)
        {
            wasted.Dispose();
        }

        await using QuicClient client = new(new() { Protocols = [QuicCallServer.Protocol] });
        await Assert.ThrowsAsync<QuicClosedException>(() => client.ConnectAsync(
            new() { EndPoint = host.Server.Listener.LocalEndPoint, Host = "localhost", CertificateFingerprint = QuicPair.Fingerprint(QuicPair.Certificate) }));
        Assert.True(host.Server.Listener.GetStatistics().RetriesSent > 0);
        await before.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
    }

    private static async Task<int> ReceiveAsync(Socket socket, byte[] into)
    {
        try
        {
            return await socket.ReceiveAsync(into);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionReset)
        {
            return 0;
        }
    }
}
