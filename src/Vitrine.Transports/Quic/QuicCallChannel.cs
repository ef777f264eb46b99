using System.Net;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Quic;

/// <summary>Calls a <see cref="QuicCallServer"/>: one connection, a stream a call. Connects with the first call, and again when the
/// connection is lost.</summary>
/// <remarks>A connection that continues an earlier one of the same channel carries idempotent calls that allow it in its first flight
/// (<see cref="CallOptions.AllowEarly"/>); all others wait for the handshake.</remarks>
public sealed class QuicCallChannel : ICallChannel
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _closed = new();
    private readonly ConnectionBackoff _backoff;
    private readonly QuicClient _client;
    private readonly Uri _address;
    private QuicConnection? _connection;
    private QuicSession? _session;
    private Task<QuicConnection>? _connecting;

    /// <summary>Makes a channel.</summary>
    /// <param name="address">Host and port; the scheme says nothing: QUIC is always encrypted.</param>
    /// <param name="options">How; null: everything at its default.</param>
    /// <exception cref="PlatformNotSupportedException">A library is missing; the message names its package.</exception>
    public QuicCallChannel(Uri address, QuicCallChannelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        (_address, Options) = (address, options ?? new());
        _backoff = Options.Backoff ?? new(time: Options.Time);
        _client = new(Options.Transport with { Protocols = [QuicCallServer.Protocol], HandshakeTimeout = Options.ConnectTimeout });
    }

    /// <inheritdoc/>
    public TransportCapabilities Capabilities => TransportCapabilities.Requests | TransportCapabilities.Streams
        | TransportCapabilities.EarlyRequests | TransportCapabilities.Migration | TransportCapabilities.Priorities;

    /// <summary>The connection that is used now; null before the first call.</summary>
    public QuicConnection? Connection => Volatile.Read(ref _connection);

    internal QuicCallChannelOptions Options { get; }

    /// <inheritdoc/>
    public async ValueTask<ClientCall> StartAsync(CallMethod method, CallOptions options, CancellationToken cancellation = default) =>
        await OpenAsync(method, options, cancellation);

    /// <inheritdoc/>
    public async ValueTask CallAsync(CallMethod method, IMessage request, IMessage response, CallOptions options, CancellationToken cancellation = default)
    {
        QuicClientCall call = await OpenAsync(method, options, cancellation);
        try
        {
            await call.WriteAsync(request);
            await call.CompleteWritesAsync();
            await call.ReadSingleAsync(response);
        }
        finally
        {
            await call.DisposeAsync();
        }
    }

    /// <summary>Goes on from another address of this machine; calls that run go on. See <see cref="QuicConnection.MigrateAsync"/>.</summary>
    /// <exception cref="InvalidOperationException">There is no connection.</exception>
    public Task<bool> MigrateAsync(IPEndPoint local) => (Connection ?? throw new InvalidOperationException("There is no connection yet.")).MigrateAsync(local);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_closed.IsCancellationRequested)
            {
                return;
            }

            _closed.Cancel();
        }

        if (_connecting is { } connecting)
        {
            await ((Task)connecting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await (_connection?.DisposeAsync() ?? default);
        await _client.DisposeAsync();
        _closed.Dispose();
    }

    /// <summary>What went wrong, as a status.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="deadline">Of the call.</param>
    /// <param name="isPast">Whether the deadline ended it on this side.</param>
    /// <param name="isGivenUp">Whether the caller ended it.</param>
    internal CallException Explain(Exception exception, CallDeadline deadline, bool isPast, bool isGivenUp)
    {
        bool isClosed = _closed.IsCancellationRequested;
        if (ClientCallEnd.Explain(exception, deadline, isPast || isGivenUp || isClosed, isGivenUp, isClosed && !isPast, Options.Time) is { } ended)
        {
            return ended;
        }

        return exception switch
        {
            QuicStreamException { ByPeer: true, Code: var code } => new(
                code is > 0 and <= (ulong)CallStatusCode.Unauthenticated ? (CallStatusCode)code : code == 0 ? CallStatusCode.Cancelled : CallStatusCode.Internal,
                $"The server gave the call up with code {code}.", innerException: exception),
            QuicClosedException { Reason: QuicApplicationClose { ByPeer: true, Code: (ulong)CallStatusCode.ResourceExhausted } } =>
                new(CallStatusCode.ResourceExhausted, exception.Message, innerException: exception),
            _ => new(CallStatusCode.Unavailable, $"{_address.Authority} cannot be reached, or the connection is lost: {exception.Message}", innerException: exception),
        };
    }

    private async ValueTask<QuicClientCall> OpenAsync(CallMethod method, CallOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(options);
        ObjectDisposedException.ThrowIf(_closed.IsCancellationRequested, this);
        ClientCallEnd.ThrowIfPast(options, Options.Time);
        QuicClientCall call = new(this, method, options, cancellation);
        try
        {
            await call.OpenAsync();
            return call;
        }
        catch
        {
            await call.DisposeAsync();
            throw;
        }
    }

    /// <summary>A connection on which streams can be opened.</summary>
    /// <param name="isEarly">Whether what is sent may be replayed.</param>
    /// <param name="cancellation">Ends the wait, not the attempt.</param>
    internal ValueTask<QuicConnection> ConnectAsync(bool isEarly, CancellationToken cancellation)
    {
        QuicConnection? connection = Volatile.Read(ref _connection);
        return connection is not null && !connection.Closed.IsCompleted && (isEarly || connection.HandshakeCompleted.IsCompletedSuccessfully)
            ? new(connection)
            : ConnectSlowlyAsync(isEarly, cancellation);
    }

    private async ValueTask<QuicConnection> ConnectSlowlyAsync(bool isEarly, CancellationToken cancellation)
    {
        Task<QuicConnection> connecting;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_closed.IsCancellationRequested, this);
            if (_connection is { } known && !known.Closed.IsCompleted)
            {
                connecting = Task.FromResult(known);
            }
            else
            {
                _connecting = connecting = _connecting is { IsCompleted: false } running ? running : ReconnectAsync(isEarly);
            }
        }

        QuicConnection connection = await connecting.WaitAsync(cancellation);
        if (!isEarly)
        {
            await connection.HandshakeCompleted.WaitAsync(cancellation);
        }

        return connection;
    }

    private async Task<QuicConnection> ReconnectAsync(bool isEarly)
    {
        await Task.Yield(); // out of the lock
        if (_backoff.Remaining is { Ticks: > 0 } wait)
        {
            throw new QuicException($"it could not be reached a moment ago; it is tried again in {wait.TotalSeconds:0.0} s.");
        }

        if (_connection is { } old)
        {
            _session = old.SavedSession ?? _session;
            await old.DisposeAsync();
        }

        try
        {
            QuicConnection connection = await QuicAddress.ConnectAsync(_client, _address, endPoint => new()
            {
                EndPoint = endPoint,
                Host = _address.DnsSafeHost,
                CertificateFingerprint = Options.CertificateFingerprint,
                Session = _session,
                AllowEarlyData = isEarly,
            }, _closed.Token);
            _backoff.Succeeded();
            Volatile.Write(ref _connection, connection);
            return connection;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            _backoff.Failed();
            throw;
        }
    }
}
