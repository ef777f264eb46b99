using System.Net;
using System.Net.Sockets;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Stands between clients and a server on loopback: hands datagrams on, remembers those of clients, drops what it is told to.</summary>
internal sealed class UdpRelay : IAsyncDisposable
{
    private readonly Socket _front = Bind();
    private readonly IPEndPoint _server;
    private readonly CancellationTokenSource _end = new();
    private readonly Dictionary<IPEndPoint, Socket> _backs = [];
    private readonly List<Task> _running = [];
    private readonly Lock _lock = new();
    private readonly List<(IPEndPoint Client, byte[] Datagram)> _sent = [];

    public UdpRelay(IPEndPoint server)
    {
        _server = server;
        _running.Add(RunAsync());
    }

    public IPEndPoint EndPoint => (IPEndPoint)_front.LocalEndPoint!;

    /// <summary>Whether a client's datagram goes on.</summary>
    public Func<byte[], bool> ToServer { get; set; } = _ => true;

    /// <summary>Whether a server's datagram goes on.</summary>
    public Func<byte[], bool> ToClient { get; set; } = _ => true;

    /// <summary>What a client has sent so far.</summary>
    public byte[][] Sent(IPEndPoint client)
    {
        lock (_lock)
        {
            return [.. _sent.Where(sent => sent.Client.Equals(client)).Select(sent => sent.Datagram)];
        }
    }

    /// <summary>What all clients have sent so far.</summary>
    public byte[][] AllSent()
    {
        lock (_lock)
        {
            return [.. _sent.Select(sent => sent.Datagram)];
        }
    }

    /// <summary>Clients leave by another port from now on, as behind a router that forgot them.</summary>
    public void Rebind()
    {
        lock (_lock)
        {
            _backs.Clear();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _front.Dispose();
        Task[] running;
        lock (_lock)
        {
            running = [.. _running];
        }

        await Task.WhenAll(running);
        _end.Dispose();
    }

    public static Socket Bind()
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    private async Task RunAsync()
    {
        byte[] buffer = new byte[65536];
        try
        {
            while (true)
            {
                SocketReceiveFromResult got = await _front.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), _end.Token);
                IPEndPoint client = (IPEndPoint)got.RemoteEndPoint;
                byte[] datagram = buffer[..got.ReceivedBytes];
                Socket back;
                lock (_lock)
                {
                    _sent.Add((client, datagram));
                    if (!_backs.TryGetValue(client, out back!))
                    {
                        back = Bind();
                        _backs.Add(client, back);
                        _running.Add(RunBackAsync(back, client));
                    }
                }

                if (ToServer(datagram))
                {
                    await back.SendToAsync(datagram, _server, _end.Token);
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // the end
        }
    }

    private async Task RunBackAsync(Socket back, IPEndPoint client)
    {
        byte[] buffer = new byte[65536];
        using Socket owned = back;
        try
        {
            while (true)
            {
                SocketReceiveFromResult got = await back.ReceiveFromAsync(buffer, _server, _end.Token);
                byte[] datagram = buffer[..got.ReceivedBytes];
                if (ToClient(datagram))
                {
                    await _front.SendToAsync(datagram, client, _end.Token);
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // the end
        }
    }
}
