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
    private readonly QuicCounts _counts = new();
    private readonly QuicTls _tls;
    private readonly QuicServer[] _servers;
    private readonly Channel<QuicConnection> _accepted = Channel.CreateUnbounded<QuicConnection>(); // bounded by AcceptBacklogMax
    private int _connections;
    private int _closing;
    private int _handshakes;
    private int _backlog;
    private int _isDisposed;

    private QuicListener(QuicListenerOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Loops, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Loops, QuicListenerOptions.LoopsMax, nameof(options));
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
        HandshakesCompleted = _counts[QuicCount.HandshakesCompleted],
        HandshakesFailed = _counts[QuicCount.HandshakesFailed],
        ConnectionsRefused = _counts[QuicCount.ConnectionsMax] + _counts[QuicCount.HandshakesMax] + _counts[QuicCount.AcceptBacklogMax],
        ClosingsCut = _counts[QuicCount.ClosingsCut],
        ProtocolErrors = _counts[QuicCount.ProtocolErrors] + _counts[QuicCount.StreamsMax] + _counts[QuicCount.WindowExceeded],
        RetriesSent = _counts[QuicCount.RetriesSent],
        TokensRefused = _counts[QuicCount.TokensRefused],
        ReplaysRefused = _tls.Replays?.Refused ?? 0,
        VersionNegotiationsSent = _counts[QuicCount.VersionNegotiationsSent],
        StatelessResetsSent = _counts[QuicCount.StatelessResetsSent],
        DatagramsDropped = _counts[QuicCount.DatagramsDropped],
        FirstPacketsDelayed = _counts[QuicCount.FirstPacketsDelayed],
        PeersShutOut = _counts[QuicCount.PeersShutOut],
        DatagramsForwarded = _counts[QuicCount.DatagramsForwarded],
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
        int handshakes = Interlocked.Increment(ref _handshakes), connections = Interlocked.Increment(ref _connections), backlog = Volatile.Read(ref _backlog);
        QuicCount? limit = connections > _options.ConnectionsMax ? QuicCount.ConnectionsMax
            : handshakes > _options.HandshakesMax ? QuicCount.HandshakesMax
            : backlog >= _options.AcceptBacklogMax || backlog + handshakes > _options.AcceptBacklogMax + _options.HandshakesMax ? QuicCount.AcceptBacklogMax
            : null;
        if (limit is { } reached)
        {
            Interlocked.Decrement(ref _connections);
            Interlocked.Decrement(ref _handshakes);
            _counts.Add(reached);
            return false;
        }

        return true;
    }

    internal void HandshakeEnded(bool isCompleted)
    {
        Interlocked.Decrement(ref _handshakes);
        _counts.Add(isCompleted ? QuicCount.HandshakesCompleted : QuicCount.HandshakesFailed);
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
            _counts.Add(QuicCount.ClosingsCut);
            return false;
        }

        return true;
    }

    internal void ClosingEnded() => Interlocked.Decrement(ref _closing);

    /// <param name="error">RFC 9000, section 20.1.</param>
    internal void ProtocolError(ulong error) => _counts.AddProtocolError(error);

    internal void RetrySent() => _counts.Add(QuicCount.RetriesSent);

    internal void TokenRefused() => _counts.Add(QuicCount.TokensRefused);

    internal void VersionNegotiationSent() => _counts.Add(QuicCount.VersionNegotiationsSent);

    internal void StatelessResetSent() => _counts.Add(QuicCount.StatelessResetsSent);

    internal void FirstPacketDelayed() => _counts.Add(QuicCount.FirstPacketsDelayed);

    internal void PeerShutOut() => _counts.Add(QuicCount.PeersShutOut);

    internal void Dropped() => _counts.Add(QuicCount.DatagramsDropped);

    internal void Forwarded() => _counts.Add(QuicCount.DatagramsForwarded);
}
