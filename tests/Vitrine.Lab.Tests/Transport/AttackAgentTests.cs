using System.Text.Json;
using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

/// <summary>Alone: attackers take all the processor time there is.</summary>
[CollectionDefinition(nameof(AttackAgentTests), DisableParallelization = true)]
public class AttackCollection;

[Collection(nameof(AttackAgentTests))]
public sealed class AttackAgentTests : IAsyncLifetime, IDisposable
{
    // One for each test: a server remembers who attacked it.
    private readonly EchoServerFixture _server = new();

    public static TheoryData<EchoProtocol, string> Attacks { get; } = Combine();

    public Task InitializeAsync() => _server.InitializeAsync();

    public Task DisposeAsync() => _server.DisposeAsync();

    public void Dispose() => _server.Dispose();

    [Theory]
    [MemberData(nameof(Attacks))]
    public async Task ServerIsAttacked_EveryClientStrikes_AndOthersAreAnsweredAfterwards(EchoProtocol protocol, string kind)
    {
        AttackResult result = await AttackAsync(
            new() { Protocol = protocol, Address = _server.CallsAt(protocol), Fingerprint = _server.Fingerprint, Clients = 2, Kinds = [Enum.Parse<AttackKind>(kind)], Seconds = 30, EndsWhenStruck = true });
        Assert.Null(result.Failure);
        Assert.True(result.Blows[Enum.Parse<AttackKind>(kind)] > 0);
        StringWriter output = new();
        EchoLoad load = new()
        {
            Protocol = protocol,
            Address = _server.CallsAt(protocol),
            Fingerprint = _server.Fingerprint,
            Connections = 1,
            Seconds = 0.1,
        };
        await LoadAgent.RunAsync(new StringReader(JsonSerializer.Serialize(load, EchoJson.Default.EchoLoad)), output, CancellationToken.None);
        Assert.Null(JsonSerializer.Deserialize(output.ToString(), EchoJson.Default.EchoLoadResult)!.Failure);
    }

    [Fact]
    public async Task AnotherMachine_IsNotAttacked()
    {
        AttackResult result = await AttackAsync(new() { Protocol = EchoProtocol.Calls, Address = "192.0.2.1:443", Fingerprint = _server.Fingerprint, Kinds = [AttackKind.Handshakes], Seconds = 1 });
        Assert.NotNull(result.Failure);
    }

    private static TheoryData<EchoProtocol, string> Combine()
    {
        TheoryData<EchoProtocol, string> all = [];
        foreach (EchoProtocol protocol in (EchoProtocol[])[EchoProtocol.Calls, EchoProtocol.Grpc, EchoProtocol.Http2])
        {
            foreach (AttackKind kind in Enum.GetValues<AttackKind>().Where(kind => kind != AttackKind.Spinning))
            {
                all.Add(protocol, kind.ToString());
            }
        }

        return all;
    }

    private static async Task<AttackResult> AttackAsync(AttackOrder order)
    {
        StringWriter output = new();
        await AttackAgent.RunAsync(new StringReader(JsonSerializer.Serialize(order, EchoJson.Default.AttackOrder)), output, CancellationToken.None);
        return JsonSerializer.Deserialize(output.ToString(), EchoJson.Default.AttackResult)!;
    }
}
