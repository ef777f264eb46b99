using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Vitrine.Lab.Transport;

/// <summary>Our <see cref="EchoServer"/> in a process of its own.</summary>
internal sealed class EchoServerProcess : IAsyncDisposable
{
    private readonly ChildProcess _child;

    private EchoServerProcess(ChildProcess child, EchoReady ready) => (_child, Ready) = (child, ready);

    public EchoReady Ready { get; }

    public int ProcessId => Ready.ProcessId;

    /// <summary>Starts one and waits until it listens.</summary>
    /// <param name="options">Of the lab.</param>
    /// <param name="certificate">What it shows.</param>
    /// <param name="listen">Address.</param>
    /// <param name="start">Starts a program, here or in a namespace; null: here.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="LaboratoryException">It does not start.</exception>
    public static async Task<EchoServerProcess> StartAsync(
        LabOptions options, EchoCertificate certificate, string listen, Func<string, IEnumerable<string>, ChildProcess>? start, CancellationToken cancellationToken)
    {
        ChildProcess child = (start ?? ((program, arguments) => ChildProcess.Start(program, arguments)))(
            options.ProgramCommand[0],
            [.. options.ProgramCommand.Skip(1), "echo", "serve", "--listen", listen, "--cert", certificate.CertificatePath, "--key", certificate.KeyPath,
                "--quic-threads", options.QuicThreads.ToString(CultureInfo.InvariantCulture)]);
        try
        {
            string line = await child.Output.ReadLineAsync(cancellationToken) ?? throw new LaboratoryException($"The echo server does not start: {child.Errors}");
            return new EchoServerProcess(child, JsonSerializer.Deserialize(line, EchoJson.Default.EchoReady)!);
        }
        catch
        {
            await child.DisposeAsync();
            throw;
        }
    }

    /// <summary>What it has used up to now.</summary>
    public Task<EchoServerFigures> ReadFiguresAsync(CancellationToken cancellationToken) => AskAsync("figures", EchoJson.Default.EchoServerFigures, cancellationToken);

    /// <summary>Begins to count the objects that it allocates, and at the second time ends.</summary>
    /// <returns>Nothing at the first time; at the second, what was counted.</returns>
    public Task<EchoServerObjects> CountObjectsAsync(CancellationToken cancellationToken) => AskAsync("objects", EchoJson.Default.EchoServerObjects, cancellationToken);

    /// <summary>What it holds when its heap has been collected, which pauses it for some milliseconds.</summary>
    public Task<EchoServerHoldings> ReadHoldingsAsync(CancellationToken cancellationToken) => AskAsync("holdings", EchoJson.Default.EchoServerHoldings, cancellationToken);

    private async Task<T> AskAsync<T>(string order, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        await _child.Input.WriteLineAsync(order.AsMemory(), cancellationToken);
        await _child.Input.FlushAsync(cancellationToken);
        string line = await _child.Output.ReadLineAsync(cancellationToken) ?? throw new LaboratoryException($"The echo server has ended: {_child.Errors}");
        return JsonSerializer.Deserialize(line, type)!;
    }

    public ValueTask DisposeAsync() => _child.DisposeAsync();
}
