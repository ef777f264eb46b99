using System.Net.Sockets;
using System.Net.WebSockets;
using Vitrine.Transports.WebSocket;
using Channel = System.Net.WebSockets.WebSocket;

namespace Vitrine.Transports.Tests.WebSocket;

public sealed class WebSocketPacketConnectionTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(32)]
    [InlineData(1000)]
    public async Task PacketFits_ArrivesWhole(int bytes)
    {
        await using Pair pair = await Pair.OpenAsync();
        byte[] packet = [.. Enumerable.Range(0, bytes).Select(i => (byte)i)], buffer = new byte[1000];
        Assert.Equal(PacketSendStatus.Sent, await pair.Host.SendAsync(packet));
        Assert.Equal(new PacketReceived(PacketReceiveStatus.Packet, bytes), await ReceiveAsync(pair.Viewer, buffer));
        Assert.Equal(packet, buffer[..bytes]);
    }

    [Theory]
    [InlineData(1001)]
    [InlineData(300_000)]
    public async Task PacketIsLongerThanTheBuffer_TooLarge(int bytes)
    {
        await using Pair pair = await Pair.OpenAsync();
        Task<PacketSendStatus> sending = pair.Host.SendAsync(new byte[bytes]).AsTask();
        Assert.Equal(PacketReceiveStatus.TooLarge, (await ReceiveAsync(pair.Viewer, new byte[1000])).Status);
        pair.Viewer.Abort();
        await sending.WaitAsync(s_patience);
    }

    [Fact]
    public async Task TextMessage_Malformed()
    {
        await using Pair pair = await Pair.OpenAsync();
        await pair.ViewerChannel.SendAsync("text"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        Assert.Equal(PacketReceiveStatus.Malformed, (await ReceiveAsync(pair.Host, new byte[100])).Status);
    }

    [Fact]
    public async Task FragmentsWithoutEnd_Malformed()
    {
        await using Pair pair = await Pair.OpenAsync();
        for (int i = 0; i < 1000; i++)
        {
            await pair.ViewerChannel.SendAsync(Array.Empty<byte>(), WebSocketMessageType.Binary, false, CancellationToken.None);
        }

        Assert.Equal(PacketReceiveStatus.Malformed, (await ReceiveAsync(pair.Host, new byte[100])).Status);
    }

    [Fact]
    public async Task BytesAreNoWebSocketFrame_Malformed()
    {
        await using Pair pair = await Pair.OpenAsync();
        await pair.Sockets.Client.SendAsync(Enumerable.Repeat((byte)0xFF, 64).ToArray());
        Assert.Equal(PacketReceiveStatus.Malformed, (await ReceiveAsync(pair.Host, new byte[100])).Status);
    }

    [Fact]
    public async Task PeerClosesInOrder_Closed()
    {
        await using Pair pair = await Pair.OpenAsync();
        await pair.Viewer.CloseAsync(PacketCloseReason.Normal, s_patience);
        Assert.Equal(PacketReceiveStatus.Closed, (await ReceiveAsync(pair.Host, new byte[100])).Status);
        Assert.Equal(PacketSendStatus.Closed, await pair.Viewer.SendAsync(new byte[1]));
    }

    [Fact]
    public async Task PeerVanishes_LostAndSendsEnd()
    {
        await using Pair pair = await Pair.OpenAsync();
        pair.Sockets.Client.Close(0);
        Assert.Equal(PacketReceiveStatus.Lost, (await ReceiveAsync(pair.Host, new byte[100])).Status);
        PacketSendStatus status = PacketSendStatus.Sent;
        for (int i = 0; i < 100 && status == PacketSendStatus.Sent; i++)
        {
            status = await pair.Host.SendAsync(new byte[1000]);
        }

        Assert.Equal(PacketSendStatus.Closed, status);
    }

    [Fact]
    public async Task PeerDoesNotRead_AbortEndsTheSend()
    {
        await using Pair pair = await Pair.OpenAsync();
        Task<PacketSendStatus> sending;
        do
        {
            sending = pair.Host.SendAsync(new byte[1 << 20]).AsTask();
        }
        while (sending.IsCompleted);
        pair.Host.Abort();
        Assert.Equal(PacketSendStatus.Closed, await sending.WaitAsync(s_patience));
    }

    private static Task<PacketReceived> ReceiveAsync(WebSocketPacketConnection connection, byte[] buffer) =>
        connection.ReceiveAsync(buffer).AsTask().WaitAsync(s_patience);

    private sealed record Pair(SocketPair Sockets, Channel ViewerChannel, WebSocketPacketConnection Host, WebSocketPacketConnection Viewer) : IAsyncDisposable
    {
        public static async Task<Pair> OpenAsync()
        {
            SocketPair sockets = await SocketPair.ConnectAsync();
            Channel host = Channel.CreateFromStream(new NetworkStream(sockets.Server, true), true, WebSocketPacketConnection.SubProtocol, Timeout.InfiniteTimeSpan);
            Channel viewer = Channel.CreateFromStream(new NetworkStream(sockets.Client, true), false, WebSocketPacketConnection.SubProtocol, Timeout.InfiniteTimeSpan);
            return new(sockets, viewer, new(host, "viewer"), new(viewer, "host"));
        }

        public async ValueTask DisposeAsync()
        {
            await Host.DisposeAsync();
            await Viewer.DisposeAsync();
            Sockets.Dispose();
        }
    }
}
