using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Vitrine.Transports.Calls;

namespace Vitrine.Lab.Transport;

/// <summary>What a program over TCP can do when this side's address changes: connect anew, at once, without waiting for anything of the old
/// connection. Requests that were under way on it are lost; those that come meanwhile wait for the new one.</summary>
/// <remarks>Requests on any thread.</remarks>
internal sealed class ReconnectingEcho : IEchoConnection
{
    private readonly EchoConnector _connector;
    private readonly Lock _lock = new();
    private Line _line;
    private IPAddress? _address;
    private int _reconnects;
    private bool _isDisposed;

    /// <param name="connector">Makes the next ones. Borrowed.</param>
    /// <param name="first">Owned from now on.</param>
    public ReconnectingEcho(EchoConnector connector, IEchoConnection first)
    {
        (_connector, _line, _address) = (connector, new(Task.FromResult(first)), AddressTowards(connector.Server));
        NetworkChange.NetworkAddressChanged += OnAddressChanged;
    }

    /// <summary>How often.</summary>
    public int Reconnects => Volatile.Read(ref _reconnects);

    public bool IsEarlyAccepted => false;

    public async Task RequestAsync(CancellationToken cancellationToken)
    {
        Line line = Volatile.Read(ref _line);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, line.Cut.Token);
        IEchoConnection connection = await line.Connecting.WaitAsync(either.Token);
        await connection.RequestAsync(either.Token);
    }

    public async ValueTask DisposeAsync()
    {
        NetworkChange.NetworkAddressChanged -= OnAddressChanged;
        Line line;
        lock (_lock)
        {
            _isDisposed = true;
            line = _line;
        }

        await line.EndAsync();
    }

    private void OnAddressChanged(object? sender, EventArgs arguments)
    {
        lock (_lock)
        {
            IPAddress? address = AddressTowards(_connector.Server);
            if (_isDisposed || address is null || address.Equals(_address))
            {
                return;
            }

            _address = address;
            Line before = _line;
            CancellationTokenSource cut = new();
            Volatile.Write(ref _line, new(Task.Run(() => ConnectAsync(cut.Token)), cut));
            _reconnects++;
            _ = before.EndAsync();
        }
    }

    private async Task<IEchoConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await _connector.ConnectAsync(cancellationToken);
            }
            catch (Exception exception) when (exception is IOException or CallException or HttpRequestException && !cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(10, cancellationToken); // the network is not there yet
            }
        }
    }

    private static IPAddress? AddressTowards(IPEndPoint server)
    {
        try
        {
            using Socket socket = new(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(server);
            return ((IPEndPoint)socket.LocalEndPoint!).Address;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    /// <summary>A connection that is, or is being made.</summary>
    private sealed class Line(Task<IEchoConnection> connecting, CancellationTokenSource? cut = null)
    {
        public Task<IEchoConnection> Connecting => connecting;

        /// <summary>Ends what is under way.</summary>
        public CancellationTokenSource Cut { get; } = cut ?? new();

        public async Task EndAsync()
        {
            await Cut.CancelAsync();
            await ((Task)connecting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (connecting.IsCompletedSuccessfully)
            {
                await (await connecting).DisposeAsync();
            }
        }
    }
}
