using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;

namespace Vitrine.Transports.Quic;

/// <summary>Takes QUIC connections on a UDP port.</summary>
/// <remarks>Any thread. Disposing it closes all its connections.</remarks>
public sealed class QuicListener : IAsyncDisposable
{
    private const int SecretBytes = 32;

    // As many as a turn of the loop hands on at a time.
    private const int BatchMessages = 64;

    private readonly QuicListenerOptions _options;
    private readonly QuicTls _tls;
    private readonly QuicServer[] _servers;
    private readonly Channel<QuicConnection> _accepted = Channel.CreateUnbounded<QuicConnection>(); // bounded by AcceptBacklogMax
    private int _connections;
    private int _closing;
    private int _handshakes;
    private int _backlog;
    private long _completed;
    private long _failed;
    private long _refused;
    private long _closingsCut;
    private long _protocolErrors;
    private long _retries;
    private long _tokensRefused;
    private long _versionNegotiations;
    private long _resets;
    private long _dropped;
    private long _firstPacketsDelayed;
    private long _peersShutOut;
    private long _forwarded;
    private int _isDisposed;

    private QuicListener(QuicListenerOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Loops, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Loops, 256, nameof(options));
        _options = options;
        byte[] secret = options.Secret.Length == 0 ? RandomNumberGenerator.GetBytes(SecretBytes) : options.Secret.ToArray();
        if (secret.Length < SecretBytes)
        {
            throw new ArgumentException($"A secret of {SecretBytes} bytes or more.", nameof(options));
        }

        TokenSecret = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, SecretBytes, info: Encoding.ASCII.GetBytes("vitrine quic token"));
        ResetSecret = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, SecretBytes, info: Encoding.ASCII.GetBytes("vitrine quic reset"));
        CryptographicOperations.ZeroMemory(secret);
        _tls = new QuicTls(options);
        _servers = new QuicServer[options.Loops];
        LocalEndPoint = options.EndPoint;
        List<UdpSocket> sockets = [];
        try
        {
            for (int i = 0; i < options.Loops; i++)
            {
                UdpSocket socket = UdpSocket.Bind(LocalEndPoint, new UdpSocketOptions { ReusePort = options.Loops > 1, ReceiveBatchMessages = BatchMessages });
                sockets.Add(socket);
                LocalEndPoint = socket.LocalEndPoint;
            }

            for (int i = 0; i < options.Loops; i++)
            {
                _servers[i] = new QuicServer(this, new QuicEventLoop($"quic {LocalEndPoint.Port}.{i}"), _tls, options, i);
            }
        }
        catch
        {
            foreach (UdpSocket socket in sockets)
            {
                socket.Dispose();
            }

            foreach (QuicServer? server in _servers)
            {
                server?.Loop.Dispose();
            }

            _tls.Dispose();
            throw;
        }

        for (int i = 0; i < options.Loops; i++)
        {
            QuicServer server = _servers[i];
            QuicPort port = new(sockets[i], isConnected: false, BatchMessages) { Server = server };
            server.Loop.Faulted = fault => _accepted.Writer.TryComplete(fault);
            server.Loop.Post(() => server.Loop.AddPort(port));
        }
    }

    /// <summary>Where it listens, with the port the system chose.</summary>
    public IPEndPoint LocalEndPoint { get; }

    internal byte[] TokenSecret { get; }

    internal byte[] ResetSecret { get; }

    internal IEnumerable<QuicEventLoop> Loops => _servers.Select(server => server.Loop);

    internal bool WantsRetry => _options.Retry switch
    {
        QuicRetryPolicy.Always => true,
        QuicRetryPolicy.WhenBusy => Volatile.Read(ref _handshakes) >= _options.RetryAboveHandshakes,
        _ => false,
    };

    /// <summary>Starts to listen.</summary>
    /// <exception cref="PlatformNotSupportedException">A library is missing; the message names its package.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The port is taken, or the address is not of this machine.</exception>
    /// <exception cref="QuicException">The certificate cannot be used.</exception>
    public static QuicListener Listen(QuicListenerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new QuicListener(options);
    }

    /// <summary>The next connection: its handshake is complete, or it brought early data. The caller owns it.</summary>
    /// <exception cref="ObjectDisposedException">The listener is disposed.</exception>
    /// <exception cref="QuicException">It failed: a bug.</exception>
    public async ValueTask<QuicConnection> AcceptConnectionAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            QuicConnection connection = await _accepted.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            Interlocked.Decrement(ref _backlog);
            return connection;
        }
        catch (ChannelClosedException exception)
        {
            if (exception.InnerException is { } fault)
            {
                throw new QuicException("The listener failed.", fault);
            }

            throw new ObjectDisposedException(nameof(QuicListener));
        }
    }

    /// <summary>What it has done.</summary>
    public QuicListenerStatistics GetStatistics() => new()
    {
        Connections = Volatile.Read(ref _connections),
        ConnectionsClosing = Volatile.Read(ref _closing),
        HandshakesInProgress = Volatile.Read(ref _handshakes),
        HandshakesCompleted = Interlocked.Read(ref _completed),
        HandshakesFailed = Interlocked.Read(ref _failed),
        ConnectionsRefused = Interlocked.Read(ref _refused),
        ClosingsCut = Interlocked.Read(ref _closingsCut),
        ProtocolErrors = Interlocked.Read(ref _protocolErrors),
        RetriesSent = Interlocked.Read(ref _retries),
        TokensRefused = Interlocked.Read(ref _tokensRefused),
        ReplaysRefused = _tls.Replays?.Refused ?? 0,
        VersionNegotiationsSent = Interlocked.Read(ref _versionNegotiations),
        StatelessResetsSent = Interlocked.Read(ref _resets),
        DatagramsDropped = Interlocked.Read(ref _dropped),
        FirstPacketsDelayed = Interlocked.Read(ref _firstPacketsDelayed),
        PeersShutOut = Interlocked.Read(ref _peersShutOut),
        DatagramsForwarded = Interlocked.Read(ref _forwarded),
        QlogFailures = _tls.QlogFailures,
        BufferBytes = _servers.Sum(server => server.Loop.Blocks.Rented * NativeBlock.BlockBytes),
    };

    /// <summary>Closes all connections and the port.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        _accepted.Writer.TryComplete();
        await Task.Run(() =>
        {
            foreach (QuicServer server in _servers)
            {
                server.Loop.Dispose();
            }
        }).ConfigureAwait(false);
        _tls.Dispose();
    }

    internal QuicServer? ServerAt(int index) => index < _servers.Length ? _servers[index] : null;

    /// <summary>Takes the place of a connection that begins. False when a limit is reached.</summary>
    internal bool TryBegin()
    {
        int handshakes = Interlocked.Increment(ref _handshakes);
        if (Interlocked.Increment(ref _connections) > _options.ConnectionsMax || handshakes > _options.HandshakesMax
            || Volatile.Read(ref _backlog) + handshakes > _options.AcceptBacklogMax + _options.HandshakesMax || Volatile.Read(ref _backlog) >= _options.AcceptBacklogMax)
        {
            Interlocked.Decrement(ref _connections);
            Interlocked.Decrement(ref _handshakes);
            Interlocked.Increment(ref _refused);
            return false;
        }

        return true;
    }

    internal void HandshakeEnded(bool isCompleted)
    {
        Interlocked.Decrement(ref _handshakes);
        Interlocked.Increment(ref isCompleted ? ref _completed : ref _failed);
    }

    internal void Deliver(QuicConnection connection)
    {
        Interlocked.Increment(ref _backlog);
        if (!_accepted.Writer.TryWrite(connection))
        {
            Interlocked.Decrement(ref _backlog); // disposed: the loop ends it
        }
    }

    internal void ConnectionEnded() => Interlocked.Decrement(ref _connections);

    /// <summary>Takes the place of a connection that is being closed. False when there is none.</summary>
    internal bool TryBeginClosing()
    {
        if (Interlocked.Increment(ref _closing) > _options.ClosingsMax)
        {
            Interlocked.Decrement(ref _closing);
            Interlocked.Increment(ref _closingsCut);
            return false;
        }

        return true;
    }

    internal void ClosingEnded() => Interlocked.Decrement(ref _closing);

    internal void ProtocolError() => Interlocked.Increment(ref _protocolErrors);

    internal void RetrySent() => Interlocked.Increment(ref _retries);

    internal void TokenRefused() => Interlocked.Increment(ref _tokensRefused);

    internal void VersionNegotiationSent() => Interlocked.Increment(ref _versionNegotiations);

    internal void StatelessResetSent() => Interlocked.Increment(ref _resets);

    internal void FirstPacketDelayed() => Interlocked.Increment(ref _firstPacketsDelayed);

    internal void PeerShutOut() => Interlocked.Increment(ref _peersShutOut);

    internal void Dropped() => Interlocked.Increment(ref _dropped);

    internal void Forwarded() => Interlocked.Increment(ref _forwarded);
}
