using System.Net;
using System.Net.Sockets;
using Vitrine.Transports.WebSocket;

namespace Vitrine.Viewer.Tests;

public sealed class HeadlessViewerTests
{
    [Theory]
    [InlineData("http://127.0.0.1:8790/?t=abc", "http://127.0.0.1:8790/stream?t=abc")]
    [InlineData("http://127.0.0.1:8790/#t=abc", "http://127.0.0.1:8790/stream?t=abc")]
    [InlineData("https://host/?t=abc#view", "https://host/stream?t=abc")]
    [InlineData("ws://host:1/stream?t=abc", "ws://host:1/stream?t=abc")]
    public void AddressOfAPage_LeadsToItsStream(string page, string stream) =>
        Assert.Equal(new Uri(stream), HeadlessViewer.StreamAddress(new Uri(page)));

    [Fact]
    public async Task NobodyListens_ConnectSaysSo()
    {
        using Socket unused = new(SocketType.Stream, ProtocolType.Tcp);
        unused.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        ViewerConnectException exception = await Assert.ThrowsAsync<ViewerConnectException>(() =>
            HeadlessViewer.ConnectAsync(new Uri($"http://127.0.0.1:{((IPEndPoint)unused.LocalEndPoint!).Port}/?t=x")));
        Assert.Equal(ConnectStatus.Unreachable, exception.Status);
    }
}
