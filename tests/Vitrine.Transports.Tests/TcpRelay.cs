using System.Net;
using System.Net.Sockets;

namespace Vitrine.Transports.Tests;

/// <summary>Stands between one client and a server on loopback, and counts the bytes that it hands on.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _running;
    private long _toServer;
    private long _toClient;

    public TcpRelay(IPEndPoint server)
    {
        _listener.Start();
        _running = RunAsync(server);
    }

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

    public long BytesToServer => Interlocked.Read(ref _toServer);

    public long BytesToClient => Interlocked.Read(ref _toClient);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _end.Dispose();
    }

    private async Task RunAsync(IPEndPoint server)
    {
        using TcpClient client = await _listener.AcceptTcpClientAsync(_end.Token);
        using TcpClient back = new();
        await back.ConnectAsync(server, _end.Token);
        await Task.WhenAll(
            PumpAsync(client.GetStream(), back.GetStream(), bytes => Interlocked.Add(ref _toServer, bytes)),
            PumpAsync(back.GetStream(), client.GetStream(), bytes => Interlocked.Add(ref _toClient, bytes)));
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, Action<int> count)
    {
        byte[] buffer = new byte[16 * 1024];
        while (await from.ReadAsync(buffer, _end.Token) is > 0 and int bytes)
        {
            count(bytes);
            await to.WriteAsync(buffer.AsMemory(0, bytes), _end.Token);
        }
    }
}
