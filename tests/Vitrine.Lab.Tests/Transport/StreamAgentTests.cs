using System.Text.Json;
using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

public class StreamAgentTests(EchoServerFixture server) : IClassFixture<EchoServerFixture>
{
    [Theory]
    [InlineData(EchoProtocol.Calls)]
    [InlineData(EchoProtocol.Grpc)]
    [InlineData(EchoProtocol.Http2)]
    public async Task OneStreamIsNotRead_TheOthersMissNothing_AndItGoesOnAfterwards(EchoProtocol protocol)
    {
        StreamLoad load = new() { Protocol = protocol, Address = server.CallsAt(protocol), Fingerprint = server.Fingerprint, Streams = 5, AnswersPerSecond = 200, AnswerBytes = 64 << 10 };
        StreamResult[] results = await OrderAsync(
            new() { Open = load, Seconds = 0.3 }, new() { Seconds = 0.6, Stalls = true }, new() { Seconds = 0.3, Stalls = true }, new() { Seconds = 0.3 }, new() { Closes = true });
        Assert.All(results, result => Assert.Null(result.Failure));
        Assert.All(results, result => Assert.Equal(0, result.Missing));
        Assert.All(results[..4], result => Assert.Equal(result.Answers, EchoLoadResult.Decode(result.Latency).Count));
        Assert.InRange(results[1].Answers, 90, 100); // four of five streams, 40 a second each
        Assert.InRange(results[2].StalledAnswers - results[1].StalledAnswers, 0, 0);
        Assert.True(results[3].StalledAnswers > results[2].StalledAnswers);
        Assert.Null(results[3].StalledEnd);
    }

    [Fact]
    public async Task NobodyListens_TheAnswerSaysSo()
    {
        StreamResult[] results = await OrderAsync(
            new() { Open = new() { Protocol = EchoProtocol.Grpc, Address = "127.0.0.1:1", Fingerprint = server.Fingerprint } }, new StreamOrder() { Seconds = 1 });
        Assert.Contains("127.0.0.1:1", results[0].Failure, StringComparison.Ordinal);
        Assert.Equal("No streams are open.", results[1].Failure);
    }

    private static async Task<StreamResult[]> OrderAsync(params StreamOrder[] orders)
    {
        StringWriter output = new();
        StringReader input = new(string.Join('\n', orders.Select(order => JsonSerializer.Serialize(order, EchoJson.Default.StreamOrder))));
        await StreamAgent.RunAsync(input, output, CancellationToken.None);
        return [.. output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize(line, EchoJson.Default.StreamResult)!)];
    }
}
