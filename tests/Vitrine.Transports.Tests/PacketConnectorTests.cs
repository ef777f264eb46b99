namespace Vitrine.Transports.Tests;

public sealed class PacketConnectorTests
{
    [Theory]
    [InlineData("http://127.0.0.1:8790/?t=abc", "http://127.0.0.1:8790/stream?t=abc")]
    [InlineData("http://127.0.0.1:8790/#t=abc", "http://127.0.0.1:8790/stream?t=abc")]
    [InlineData("https://host/?t=abc#view", "https://host/stream?t=abc")]
    [InlineData("ws://host:1/stream?t=abc", "ws://host:1/stream?t=abc")]
    public void AddressOfAPage_LeadsToItsStream(string page, string stream) =>
        Assert.Equal(new Uri(stream), PacketConnector.StreamAddress(new Uri(page)));

    [Theory]
    [InlineData("http://127.0.0.1:1/?t=a&transport=pigeon")]
    [InlineData("http://127.0.0.1:1/?transport=1&t=a")]
    [InlineData("http://127.0.0.1:1/#transport=")]
    public async Task AddressNamesATransportThatIsNone_SaysWhichThereAre(string address)
    {
        ArgumentException exception = await Assert.ThrowsAsync<ArgumentException>(() =>
            PacketConnector.ConnectAsync(new Uri(address), PacketTransport.WebSocket, new(), CancellationToken.None));
        Assert.Contains("websocket, http2, grpc", exception.Message, StringComparison.Ordinal);
    }
}
