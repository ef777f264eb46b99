using System.Text.Json;
using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

public class LoadAgentTests(EchoServerFixture server) : IClassFixture<EchoServerFixture>
{
    [Theory]
    [InlineData(EchoProtocol.Quic, 1024)]
    [InlineData(EchoProtocol.Quic, 300_000)]
    [InlineData(EchoProtocol.Grpc, 1024)]
    [InlineData(EchoProtocol.Grpc, 300_000)]
    [InlineData(EchoProtocol.Http2, 1024)]
    [InlineData(EchoProtocol.Http2, 300_000)]
    [InlineData(EchoProtocol.Calls, 1024)]
    [InlineData(EchoProtocol.Calls, 300_000)]
    public async Task ClosedLoop_CountsWhatIsAnswered(EchoProtocol protocol, int payloadBytes)
    {
        EchoLoadResult result = await PlayAsync(Load(protocol) with { Connections = 3, Streams = 2, PayloadBytes = payloadBytes, WarmSeconds = 0, Seconds = 0.5 });
        Assert.Null(result.Failure);
        Assert.Equal(0, result.Failed);
        Assert.True(result.Requests > 0);
        Assert.Equal(result.Requests, EchoLoadResult.Decode(result.Latency).Count);
        Assert.Equal(3, EchoLoadResult.Decode(result.Setup).Count);
        Assert.Equal(3, EchoLoadResult.Decode(result.FirstAnswer).Count);
        Assert.True(result.ServerCpuNs > 0 && result.ServerResidentBytes > 0);
    }

    [Theory]
    [InlineData(EchoProtocol.Quic)]
    [InlineData(EchoProtocol.Grpc)]
    [InlineData(EchoProtocol.Http2)]
    [InlineData(EchoProtocol.Calls)]
    public async Task OpenLoop_EachRequestIsMadeWhateverBecameOfTheOnesBefore(EchoProtocol protocol)
    {
        EchoLoadResult result = await PlayAsync(Load(protocol) with { Connections = 3, RequestsPerSecond = 200, WarmSeconds = 0.25, Seconds = 0.5, KeepsValues = true });
        // Due every 5 ms from 250 to 750 ms, the first included.
        Assert.Equal(100, result.Requests + result.Failed);
        Assert.Equal(0, result.Failed);
        Assert.Equal(100, result.ValuesUs.Count);
        Assert.True(result.SentLateUs > 0); // no clock wakes to the nanosecond
    }

    [Theory]
    [InlineData(EchoProtocol.Grpc)]
    [InlineData(EchoProtocol.Http2)]
    [InlineData(EchoProtocol.Calls)]
    public async Task SmallRequestsLargeAnswers_EndAfterSoMany(EchoProtocol protocol)
    {
        EchoLoadResult result = await PlayAsync(Load(protocol) with { Connections = 1, Streams = 2, PayloadBytes = 32, ReplyBytes = 100_000, RequestsMax = 20, WarmSeconds = 0, Seconds = 20 });
        Assert.Null(result.Failure);
        Assert.Equal(0, result.Failed);
        Assert.InRange(result.Arrived, 20, 21); // both loops may be on their way
        Assert.True(result.Seconds < 20);
    }

    [Fact]
    public async Task Connecting_IsWhatTheServerIsChargedForWithoutALoad()
    {
        EchoLoadResult result = await PlayAsync(Load(EchoProtocol.Quic) with { Connections = 3, Seconds = 0 });
        Assert.Null(result.Failure);
        Assert.Equal(3, result.Requests);
        Assert.True(result.ServerCpuNs > 0 && result.ServerResidentBytes > 0);
    }

    [Theory]
    [InlineData(EchoProtocol.Quic)]
    [InlineData(EchoProtocol.Grpc)]
    public async Task HandsOver_TimesOfEachRequestAreTold(EchoProtocol protocol)
    {
        EchoLoadResult result = await PlayAsync(
            Load(protocol) with { Connections = 1, Streams = 10, RequestsPerSecond = 200, WarmSeconds = 0, Seconds = 0.5, HandsOver = true, ConnectsTogether = true });
        Assert.Null(result.Failure);
        Assert.Equal((100, 0), (result.Requests, result.Failed));
        Assert.Equal((100, 100), (result.DueNs.Count, result.AnsweredNs.Count));
        Assert.All(result.DueNs.Zip(result.AnsweredNs), times => Assert.True(times.Second > times.First));
        long[] due = [.. result.DueNs.Order()];
        Assert.All(due.Zip(due.Skip(1)), pair => Assert.Equal(5_000_000, pair.Second - pair.First));
    }

    [Fact]
    public async Task Resumed_TheFirstRequestTravelsInTheFirstFlight()
    {
        EchoLoadResult result = await PlayAsync(Load(EchoProtocol.Quic) with { Connections = 5, Resumes = true, Seconds = 0 });
        Assert.Null(result.Failure);
        Assert.Equal(5, result.EarlyAccepted);
    }

    [Fact]
    public async Task NobodyListens_TheAnswerSaysSo()
    {
        EchoLoadResult result = await PlayAsync(Load(EchoProtocol.Grpc) with { Address = "127.0.0.1:1" });
        Assert.Contains("127.0.0.1:1", result.Failure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OtherCertificate_IsRefused()
    {
        foreach (EchoProtocol protocol in Enum.GetValues<EchoProtocol>())
        {
            EchoLoadResult result = await PlayAsync(Load(protocol) with { Fingerprint = string.Join(':', Enumerable.Repeat("AB", 32)) });
            Assert.NotNull(result.Failure);
        }
    }

    [Fact]
    public async Task Figures_TellWhatTheServerUsed()
    {
        EchoServerFigures figures = await server.AskAsync("figures", EchoJson.Default.EchoServerFigures);
        Assert.True(figures.AllocatedBytes > 0);
    }

    [Fact]
    public async Task Objects_AreCountedWhileCallsAreServed()
    {
        EchoServerObjects begun = await server.AskAsync("objects", EchoJson.Default.EchoServerObjects), counted;
        Assert.Equal(new EchoServerObjects(0, 0), begun);
        do
        {
            await PlayAsync(Load(EchoProtocol.Http2) with { Connections = 2, Seconds = 1, WarmSeconds = 0 });
            counted = await server.AskAsync("objects", EchoJson.Default.EchoServerObjects);
        }
        while (counted.Samples < 2 && await server.AskAsync("objects", EchoJson.Default.EchoServerObjects) is not null);
        Assert.True(counted.PerSecond > counted.Samples / 60.0, counted.ToString());
    }

    private EchoLoad Load(EchoProtocol protocol) => new()
    {
        Protocol = protocol,
        Address = protocol switch { EchoProtocol.Quic => server.Ready.Quic!, EchoProtocol.Calls => server.Ready.Calls!, _ => server.Ready.Https },
        Fingerprint = server.Fingerprint,
        ServerProcessId = server.Ready.ProcessId,
    };

    private static async Task<EchoLoadResult> PlayAsync(EchoLoad load)
    {
        StringWriter output = new();
        await LoadAgent.RunAsync(new StringReader(JsonSerializer.Serialize(load, EchoJson.Default.EchoLoad)), output, CancellationToken.None);
        return JsonSerializer.Deserialize(output.ToString(), EchoJson.Default.EchoLoadResult)!;
    }
}
