using System.Net;
using System.Net.Sockets;
using Vitrine.Transports;

namespace Vitrine.Viewer.Tests;

public sealed class HeadlessViewerTests
{
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
