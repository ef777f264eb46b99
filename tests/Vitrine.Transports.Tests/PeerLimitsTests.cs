using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
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
