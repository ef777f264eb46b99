using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;
using Vitrine.Transports.Calls;
using Vitrine.Wire;

namespace Vitrine.Transports.Quic;

/// <summary>A connection that is served.</summary>
internal sealed class QuicPeer(QuicConnection connection, CallResets resets, PeerConnection? account)
{
    private int _isLive;

    public QuicConnection Connection { get; } = connection;

    public CallResets Resets { get; } = resets;

    /// <summary>Null where no ledger is kept.</summary>
    public PeerConnection? Account { get; } = account;

    /// <summary>Takes the place of the live stream: a connection has one at a time, because its datagrams and one-way streams belong to it.</summary>
    public bool TryBeginLive() => Interlocked.Exchange(ref _isLive, 1) == 0;

    public void EndLive() => Volatile.Write(ref _isLive, 0);
}

/// <summary>Serves a <see cref="CallTable"/> on the connections of a <see cref="QuicListener"/>: a two-way stream is a call
/// (<c>docs/PROTOCOL.md</c>, «Calls over QUIC»).</summary>
/// <remarks>Any thread. Call objects are pooled. A caller that does not read costs its own stream: what it may leave unread is bounded by
/// the listener's limits, and its call is given up after a while.
/// <para>What arrives before the handshake has ended (0-RTT) may be a replay: idempotent methods are served at once, all others wait for
/// the end of the handshake, which proves that the caller is there (RFC 9001, section 9.2).</para></remarks>
public sealed partial class QuicCallServer : IAsyncDisposable
{
    /// <summary>The application protocol, for <see cref="QuicTransportOptions.Protocols"/>.</summary>
    public const string Protocol = "vitrine.1";

    private const int PooledCallsMax = 1024;

    // More of what waits to be acknowledged could not be replaced by something newer. At 200 ms round trip it carries 20 Mbit/s of tiles.
    private const int StreamSendBytesMax = 512 << 10;
    private const int ConnectionSendBytesMax = 4 << 20;

    // Requests are small: what one caller has under way waits, in the system's buffer, before what others send. What streams have that wait for
    // room leaves some of the connection's window to those that have it. At 200 ms round trip a stream carries 20 Mbit/s.
    private const int StreamWindowBytes = 64 << 10;
    private const int StreamWindowBytesMax = 512 << 10;
    private const int ConnectionWindowBytes = 4 << 20;

    private readonly QuicListener _listener;
    private readonly CallTable _table;
    private readonly ObjectPool<QuicServerCall> _calls;
    private readonly ConcurrentDictionary<QuicConnection, Task> _connections = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;

    /// <summary>Starts to serve.</summary>
    /// <param name="listener">Owned from now on. Speaks <see cref="Protocol"/>.</param>
    /// <param name="table">The methods.</param>
    /// <param name="options">How.</param>
    public QuicCallServer(QuicListener listener, CallTable table, QuicCallServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(listener);
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(options);
        (_listener, _table, Options) = (listener, table, options);
        _calls = new DefaultObjectPool<QuicServerCall>(new CallPolicy(this), PooledCallsMax);
        _accepting = AcceptAsync();
    }

    /// <summary>How to listen for calls and live streams: the limits of a host that shares.</summary>
    /// <param name="endPoint">Address and port; port 0 lets the system choose.</param>
    /// <param name="certificate">With its key. Borrowed until <see cref="QuicListener.Listen"/> has ended.</param>
    /// <param name="connectionsMax">Connections at a time.</param>
    /// <param name="peers">Which peers may begin them; also for <see cref="QuicCallServerOptions.Peers"/>.</param>
    public static QuicListenerOptions Listening(IPEndPoint endPoint, X509Certificate2 certificate, int connectionsMax, PeerLedger peers) => new()
    {
        Peers = peers,
        EndPoint = endPoint,
        Certificate = certificate,
        Protocols = [Protocol],
        ConnectionsMax = connectionsMax,
        HandshakesMax = 256,
        AcceptBacklogMax = 256,
        RetryAboveHandshakes = 32,
        UnidirectionalStreamsMax = 0,
        StreamSendBytesMax = StreamSendBytesMax,
        ConnectionSendBytesMax = ConnectionSendBytesMax,
        StreamWindowBytes = StreamWindowBytes,
        StreamWindowBytesMax = StreamWindowBytesMax,
        ConnectionWindowBytes = ConnectionWindowBytes,
        ConnectionWindowBytesMax = ConnectionWindowBytes,
    };

    /// <summary>Where it is served.</summary>
    public QuicListener Listener => _listener;

    internal QuicCallServerOptions Options { get; }

    /// <summary>Closes all connections: calls that run are cancelled.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        await _stop.CancelAsync();
        await _accepting;
        await Task.WhenAll(_connections.Keys.Select(connection => connection.CloseAsync((ulong)CallStatusCode.Unavailable, "The server stops.")));
        await _listener.DisposeAsync();
        await Task.WhenAll(_connections.Values);
        _stop.Dispose();
    }

    /// <summary>What a caller may do.</summary>
    /// <exception cref="CallException">Not this.</exception>
    internal ViewerGrants Authorize(CallMethod method, ReadOnlySpan<byte> token, QuicConnection connection) =>
        CallAuthorization.Check(method, token.IsEmpty ? null : Encoding.ASCII.GetString(token), connection.RemoteEndPoint.Address, Options.Access);

    internal CallBinding Find(ReadOnlySpan<byte> path) => _table.Find(path)
        ?? throw new CallException(CallStatusCode.Unimplemented, $"There is no method {Encoding.ASCII.GetString(path)} here.");

    internal void LogFault(string path, Exception exception)
    {
        if (Options.Logger is { } logger)
        {
            LogFault(logger, path, exception);
        }
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "The handler of {Path} failed")]
    private static partial void LogFault(ILogger logger, string path, Exception exception);

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                QuicConnection connection = await _listener.AcceptConnectionAsync(_stop.Token);
                TaskCompletionSource served = new(TaskCreationOptions.RunContinuationsAsynchronously);
                _connections[connection] = served.Task;
                _ = ServeAsync(connection, served);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            // It stops.
        }
        catch (QuicException exception)
        {
            LogFault("QUIC", exception); // the listener's: nobody can come any more
        }
    }

    private async Task ServeAsync(QuicConnection connection, TaskCompletionSource served)
    {
        using PeerConnection? account = Options.Peers?.TryEnter(connection.RemoteEndPoint.Address);
        QuicPeer peer = new(connection, new(Options.ResetsMax, Options.ResetsWindow, Options.Time), account);
        try
        {
            if (Options.Peers is not null && account is null)
            {
                PeerLimits.Refused();
                await connection.CloseAsync((ulong)CallStatusCode.ResourceExhausted, "Too many connections were begun for nothing.");
            }

            while (true)
            {
                QuicStream stream = await connection.AcceptStreamAsync();
                if (!stream.IsBidirectional)
                {
                    stream.StopSending((ulong)CallStatusCode.Unimplemented);
                    await stream.DisposeAsync();
                    continue;
                }

                _ = RunAsync(peer, stream);
            }
        }
        catch (QuicClosedException)
        {
            // The peer left, or we stop.
        }
        finally
        {
            await connection.DisposeAsync();
            _connections.TryRemove(connection, out _);
            served.SetResult();
        }
    }

    private async Task RunAsync(QuicPeer peer, QuicStream stream)
    {
        QuicServerCall call = _calls.Get();
        CallStatusCode code = await call.RunAsync(peer, stream);
        QuicMeter.Ended(code);
        if (code == CallStatusCode.Ok)
        {
            peer.Account?.Served();
        }
        else if (code is CallStatusCode.ResourceExhausted or CallStatusCode.Internal)
        {
            peer.Account?.NoteOversize();
        }
        else if (call.WasBrokenOff)
        {
            peer.Account?.NoteBrokenOff();
        }

        if ((call.WasBrokenOff || code is CallStatusCode.ResourceExhausted or CallStatusCode.Internal) && peer.Resets.Add())
        {
            QuicMeter.Limits.Add(1, QuicMeter.Resets);
            peer.Account?.NoteAbuse();
            await peer.Connection.CloseAsync((ulong)CallStatusCode.ResourceExhausted, "Too many calls were broken off, malformed or too large.");
        }

        if (call.TryReset())
        {
            _calls.Return(call);
        }
    }

    private sealed class CallPolicy(QuicCallServer server) : PooledObjectPolicy<QuicServerCall>
    {
        public override QuicServerCall Create() => new(server);

        public override bool Return(QuicServerCall call) => true;
    }
}
