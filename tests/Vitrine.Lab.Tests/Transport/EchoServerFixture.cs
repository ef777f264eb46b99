using System.IO.Pipelines;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

/// <summary>An echo server inside the test's process.</summary>
public sealed class EchoServerFixture : IAsyncLifetime, IDisposable
{
    private readonly EchoCertificate _certificate = new([], TimeProvider.System);
    private readonly Pipe _orders = new();
    private readonly Pipe _answers = new();
    private readonly SemaphoreSlim _asking = new(1);
    private Task _serving = Task.CompletedTask;
    private StreamWriter _order = StreamWriter.Null;
    private StreamReader _answer = StreamReader.Null;

    internal EchoReady Ready { get; private set; } = new(0, "", null, null, null, null, null, null);

    internal string Fingerprint => _certificate.Fingerprint;

    public async Task InitializeAsync()
    {
        (_order, _answer) = (new StreamWriter(_orders.Writer.AsStream()) { AutoFlush = true }, new StreamReader(_answers.Reader.AsStream()));
        _serving = EchoServer.RunAsync(
            IPAddress.Loopback, 0, 1, _certificate.Certificate, new StreamReader(_orders.Reader.AsStream()), new StreamWriter(_answers.Writer.AsStream()), CancellationToken.None);
        Ready = JsonSerializer.Deserialize((await _answer.ReadLineAsync())!, EchoJson.Default.EchoReady)!;
    }

    public async Task DisposeAsync()
    {
        await _orders.Writer.CompleteAsync();
        await _serving;
    }

    public void Dispose()
    {
        _certificate.Dispose();
        _order.Dispose();
        _answer.Dispose();
        _asking.Dispose();
    }

    /// <summary>Where calls are served over a protocol.</summary>
    internal string CallsAt(EchoProtocol protocol) => protocol == EchoProtocol.Calls ? Ready.HostCalls! : Ready.Https;

    /// <summary>Has the server carry an order out.</summary>
    internal async Task<T> AskAsync<T>(string order, JsonTypeInfo<T> type)
    {
        await _asking.WaitAsync();
        try
        {
            await _order.WriteLineAsync(order);
            return JsonSerializer.Deserialize((await _answer.ReadLineAsync())!, type)!;
        }
        finally
        {
            _asking.Release();
        }
    }
}
