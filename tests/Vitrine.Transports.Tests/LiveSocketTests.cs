using System.Net.Sockets;

namespace Vitrine.Transports.Tests;

public sealed class LiveSocketTests
{
    [Fact]
    public async Task Configured_NoNagleAndABoundOnUnsentBytes()
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        LiveSocket.Configure(pair.Server);
        Assert.True(pair.Server.NoDelay);
        byte[] lowWatermark = new byte[4];
        Assert.Equal(4, pair.Server.GetRawSocketOption(6, 25, lowWatermark)); // IPPROTO_TCP, TCP_NOTSENT_LOWAT
        Assert.Equal(LiveSocket.UnsentBytesMax, BitConverter.ToInt32(lowWatermark));
    }

    [Fact]
    public void NotTcp_LeftAlone()
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        LiveSocket.Configure(socket);
    }
}
