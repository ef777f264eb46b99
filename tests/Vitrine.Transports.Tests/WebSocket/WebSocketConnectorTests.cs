using System.Net;
using System.Net.Sockets;
using Vitrine.Transports.WebSocket;

namespace Vitrine.Transports.Tests.WebSocket;

public sealed class WebSocketConnectorTests
{
    [Fact]
    public async Task NobodyListens_Unreachable()
    {
        using Socket unused = new(SocketType.Stream, ProtocolType.Tcp);
        unused.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound, but nobody listens
        ConnectResult result = await ConnectAsync(((IPEndPoint)unused.LocalEndPoint!).Port);
        Assert.Equal(ConnectStatus.Unreachable, result.Status);
        Assert.Null(result.Connection);
    }

    [Fact]
    public async Task NobodyAnswers_UnreachableAfterTheTimeout()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        ConnectResult result = await ConnectAsync(((IPEndPoint)listener.LocalEndpoint).Port, TimeSpan.FromMilliseconds(200));
        Assert.Equal(ConnectStatus.Unreachable, result.Status);
        Assert.Contains("did not answer", result.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("401 Unauthorized", ConnectStatus.AccessDenied)]
    [InlineData("403 Forbidden", ConnectStatus.AccessDenied)]
    [InlineData("429 Too Many Requests", ConnectStatus.RateLimited)]
    [InlineData("503 Service Unavailable", ConnectStatus.TooManyViewers)]
    [InlineData("200 OK", ConnectStatus.NotVitrine)]
    [InlineData("404 Not Found", ConnectStatus.NotVitrine)]
    public async Task HostAnswers_StatusSaysWhy(string answer, ConnectStatus expected)
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        Task answering = Task.Run(async () =>
        {
            using Socket socket = await listener.AcceptSocketAsync();
            await socket.ReceiveAsync(new byte[4096]);
            await socket.SendAsync(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        });
        ConnectResult result = await ConnectAsync(((IPEndPoint)listener.LocalEndpoint).Port);
        Assert.Equal(expected, result.Status);
        await answering;
    }

    private static Task<ConnectResult> ConnectAsync(int port, TimeSpan? timeout = null) => WebSocketConnector.ConnectAsync(
        new Uri($"http://127.0.0.1:{port}/stream?t=x"),
        new PacketConnectOptions { Timeout = timeout ?? TimeSpan.FromSeconds(20) },
        CancellationToken.None);
}
