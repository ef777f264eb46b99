using System.Text.Json;
using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

public class HandshakeAgentTests(EchoServerFixture server) : IClassFixture<EchoServerFixture>
{
    [Fact]
    public void EverySecondOneIsBroken_InEachWayAsOften() =>
        Assert.Equal(
            [50, 13, 13, 12, 12],
            Enumerable.Range(0, 100).GroupBy(HandshakeAgent.KindOf).OrderBy(kind => kind.Key).Select(kind => kind.Count()));

    [Theory]
    [InlineData(EchoProtocol.Calls)]
    [InlineData(EchoProtocol.Grpc)]
    public async Task Handshakes_EndAsTheyAreMeantTo(EchoProtocol protocol)
    {
        StringWriter output = new();
        HandshakeOrder order = new() { Protocol = protocol, Address = server.CallsAt(protocol), Fingerprint = server.Fingerprint, Count = 80, AtATime = 8 };
        await HandshakeAgent.RunAsync(new StringReader(JsonSerializer.Serialize(order, EchoJson.Default.HandshakeOrder)), output, CancellationToken.None);
        HandshakeResult result = JsonSerializer.Deserialize(output.ToString(), EchoJson.Default.HandshakeResult)!;
        Assert.Null(result.Failure);
        Assert.Null(result.FirstUnexpected);
        Assert.Equal([40, 10, 10, 10, 10], result.Ended.OrderBy(kind => kind.Key).Select(kind => kind.Value));
        EchoServerHoldings holdings = await server.AskAsync("holdings", EchoJson.Default.EchoServerHoldings);
        Assert.True(holdings.LiveBytes > 0 && holdings.Descriptors > 0 && holdings.Threads > 0);
    }
}
