using System.Net;
using System.Net.Sockets;

namespace Vitrine.Lab.Peers;

/// <summary>A way to a port of this machine that carries only so many bytes a second towards whoever connects, and the other way as many
/// as come: a token bucket behind a small buffer, as in front of a slow line. TCP's own flow control tells the sender.</summary>
/// <remarks>What it holds is bounded: one buffer, and what the kernel grants the two small sockets, some 30 KB together. Nothing is
/// dropped. Properties may be read from any thread.</remarks>
internal sealed class NarrowLink : IAsyncDisposable
{
    /// <summary>Tokens that gather while nothing is sent.</summary>
    public const int BucketBytes = 8 << 10;

    private const int ChunkBytes = 2 << 10;
    private const int SocketBufferBytes = 4 << 10; // the kernel doubles it, and rounds it up to what it needs
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _targetPort;
    private readonly double _bytesPerSecond;
    private readonly TimeProvider _time;
    private readonly Task _accepting;
    private long _bytes;

    /// <summary>Listens on a port of its own.</summary>
    /// <param name="targetPort">Of whom it leads to.</param>
    /// <param name="bytesPerSecond">What it carries from there.</param>
    /// <param name="time">Clock.</param>
    public NarrowLink(int targetPort, double bytesPerSecond, TimeProvider time)
    {
        (_targetPort, _bytesPerSecond, _time) = (targetPort, bytesPerSecond, time);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    /// <summary>Where to connect.</summary>
    public int Port { get; }

    /// <summary>Bytes carried so far from the target.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> connections = [];
        try
        {
            while (true)
            {
                connections.Add(CarryAsync(await _listener.AcceptSocketAsync(_stop.Token)));
            }
        }
        catch (OperationCanceledException)
        {
            // The way this ends.
        }

        await Task.WhenAll(connections);
    }

    private async Task CarryAsync(Socket near)
    {
        using Socket owned = near;
        using var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveBufferSize = SocketBufferBytes };
        (near.NoDelay, near.SendBufferSize) = (true, SocketBufferBytes);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        try
        {
            await far.ConnectAsync(IPAddress.Loopback, _targetPort, ended.Token);
            Task back = PumpAsync(near, far, double.PositiveInfinity, ended.Token), forth = PumpAsync(far, near, _bytesPerSecond, ended.Token);
            await Task.WhenAny(back, forth);
            await ended.CancelAsync();
            await Task.WhenAll(back, forth);
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException)
        {
            // One side is gone; both sockets are closed by leaving.
        }
    }

    private async Task PumpAsync(Socket from, Socket to, double bytesPerSecond, CancellationToken cancellationToken)
    {
        byte[] chunk = new byte[ChunkBytes];
        double tokens = BucketBytes;
        long last = _time.GetTimestamp();
        while (true)
        {
            int read = await from.ReceiveAsync(chunk, SocketFlags.None, cancellationToken);
            if (read == 0)
            {
                return;
            }

            if (double.IsFinite(bytesPerSecond))
            {
                long now = _time.GetTimestamp();
                tokens = Math.Min(BucketBytes, tokens + (_time.GetElapsedTime(last, now).TotalSeconds * bytesPerSecond)) - read;
                last = now;
                if (tokens < 0)
                {
                    await Task.Delay(TimeSpan.FromSeconds(-tokens / bytesPerSecond), _time, cancellationToken);
                }

                Interlocked.Add(ref _bytes, read);
            }

            for (int sent = 0; sent < read;)
            {
                sent += await to.SendAsync(chunk.AsMemory(sent, read - sent), SocketFlags.None, cancellationToken);
            }
        }
    }
}
