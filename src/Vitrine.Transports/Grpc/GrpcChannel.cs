using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>Calls a gRPC server over <see cref="SocketsHttpHandler"/>'s HTTP/2 (<c>doc/PROTOCOL-HTTP2.md</c> of gRPC): in clear on
/// <c>http</c> (h2c with prior knowledge), with TLS on <c>https</c>.</summary>
public sealed class GrpcChannel : ICallChannel
{
    private readonly ConcurrentDictionary<CallMethod, Uri> _addresses = new();
    private readonly HttpMessageInvoker _invoker;
    private readonly CancellationTokenSource _closed = new();
    private readonly ConnectionBackoff _backoff;
    private readonly Uri _address;
    private readonly string? _authorization;
    private readonly HostTrust _trust;
    private volatile bool _isFailing;

    /// <summary>Makes a channel; it connects with the first call.</summary>
    /// <param name="address">Scheme, host and port.</param>
    /// <param name="options">How; null: everything at its default.</param>
    public GrpcChannel(Uri address, GrpcChannelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        (_address, Options) = (address, options ?? new());
        _backoff = Options.Backoff ?? new(time: Options.Time);
        _authorization = Options.Token is { } token ? "Bearer " + token : null;
        _trust = new(Options.CertificateFingerprint, Options.Time);
        SocketsHttpHandler handler = _trust.CreateHandler();
        handler.ConnectCallback = ConnectAsync;
        handler.ConnectTimeout = Options.ConnectTimeout;
        handler.EnableMultipleHttp2Connections = Options.UsesSeveralConnections;
        handler.KeepAlivePingDelay = Options.KeepAliveDelay;
        handler.KeepAlivePingTimeout = Options.KeepAliveTimeout;
        handler.KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests; // servers refuse pings of clients at rest
        handler.PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan;
        _invoker = new(handler, disposeHandler: true);
    }

    /// <inheritdoc/>
    public TransportCapabilities Capabilities => TransportCapabilities.Requests | TransportCapabilities.Streams;

    internal GrpcChannelOptions Options { get; }

    /// <inheritdoc/>
    public async ValueTask<ClientCall> StartAsync(CallMethod method, CallOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(options);
        ClientCallEnd.ThrowIfPast(options, Options.Time);
        GrpcClientCall call = new(this, method, options, cancellation);
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

    /// <inheritdoc/>
    public async ValueTask CallAsync(CallMethod method, IMessage request, IMessage response, CallOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(response);
        ArgumentNullException.ThrowIfNull(options);
        ClientCallEnd.ThrowIfPast(options, Options.Time);
        using GrpcUnaryContent content = new(request, options.Compression, Options.RequestBytesMax);
        using CancellationTokenSource over = CreateSource(options, cancellation);
        using HttpRequestMessage message = CreateRequest(method, options, content);
        try
        {
            using GrpcResponse answer = GrpcResponse.Open(await SendAsync(message, over.Token), Options.ResponseBytesMax);
            bool isAnswered = await answer.ReadAsync(response, over.Token);
            if (isAnswered && await answer.ReadAsync(response, over.Token))
            {
                await over.CancelAsync();
                throw new CallException(CallStatusCode.Internal, "The server sent two answers to a call that has one.");
            }

            if (answer.Failure is { } failure)
            {
                throw failure;
            }

            if (!isAnswered)
            {
                throw new CallException(CallStatusCode.Internal, "The server ended the call without an answer.");
            }
        }
        catch (Exception exception) when (exception is not CallException)
        {
            throw Explain(exception, options, over.Token, cancellation);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_closed.IsCancellationRequested)
        {
            return;
        }

        await _closed.CancelAsync();
        _invoker.Dispose();
        _closed.Dispose();
    }

    /// <summary>What ends a call: its deadline, its caller, the channel.</summary>
    internal CancellationTokenSource CreateSource(CallOptions options, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_closed.IsCancellationRequested, this);
        return ClientCallEnd.CreateSource(options, Options.Time, cancellation, _closed.Token);
    }

    internal HttpRequestMessage CreateRequest(CallMethod method, CallOptions options, HttpContent content)
    {
        HttpRequestMessage request = new(HttpMethod.Post, _addresses.GetOrAdd(method, static (method, address) => new Uri(address, method.Path), _address))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        HttpRequestHeaders headers = request.Headers;
        headers.TryAddWithoutValidation("te", "trailers");
        headers.TryAddWithoutValidation(GrpcHeaders.AcceptEncoding, GrpcHeaders.Accepted);
        if (options.Compression == CallCompression.Gzip)
        {
            headers.TryAddWithoutValidation(GrpcHeaders.Encoding, GrpcHeaders.Gzip);
        }

        if (!options.Deadline.IsNone)
        {
            headers.TryAddWithoutValidation(GrpcHeaders.Timeout, GrpcTimeout.Format(options.Deadline.Remaining(Options.Time)));
        }

        if (_authorization is not null)
        {
            headers.TryAddWithoutValidation("authorization", _authorization);
        }

        if (options.Metadata is { } metadata)
        {
            for (int i = 0; i < metadata.Count; i++)
            {
                CallMetadataEntry entry = metadata[i];
                headers.TryAddWithoutValidation(entry.Name, entry.IsBinary ? GrpcHeaders.ToText(entry.Bytes.Span) : entry.Text);
            }
        }

        return request;
    }

    internal async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        HttpResponseMessage response = await _invoker.SendAsync(request, cancellation);
        if (_isFailing)
        {
            _isFailing = false;
            _backoff.Succeeded();
        }

        return response;
    }

    /// <summary>What went wrong, as a status. To be asked before this side ends the call itself.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="options">Of the call.</param>
    /// <param name="over">From <see cref="CreateSource"/>.</param>
    /// <param name="caller">The caller's own token.</param>
    internal CallException Explain(Exception exception, CallOptions options, CancellationToken over, CancellationToken caller)
    {
        if (ClientCallEnd.Explain(exception, options.Deadline, over.IsCancellationRequested, caller.IsCancellationRequested, _closed.IsCancellationRequested, Options.Time) is { } ended)
        {
            return ended;
        }

        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            // One type tells of streams that were reset and of connections that ended (keep-alive, GOAWAY, broken rules); its message
            // alone says which, and the name of the message too where messages are left out of the program.
            if (cause is HttpProtocolException protocol && protocol.Message.Contains("stream", StringComparison.Ordinal))
            {
                return new(GrpcStatus.OfResetCode(protocol.ErrorCode), $"The server ended the stream with the HTTP/2 error {protocol.ErrorCode}.", innerException: exception);
            }
        }

        HttpRequestError? error = (exception as HttpRequestException)?.HttpRequestError ?? (exception as HttpIOException)?.HttpRequestError;
        if (error == HttpRequestError.SecureConnectionError)
        {
            NoteFailure();
            return new(CallStatusCode.Unavailable, _trust.Explain(exception, _address.Authority), innerException: exception);
        }

        return error == HttpRequestError.ConfigurationLimitExceeded
            ? new(CallStatusCode.ResourceExhausted, "The server sent more headers or trailers than the limit.", innerException: exception)
            : new(CallStatusCode.Unavailable, $"{_address.Authority} cannot be reached, or the connection is lost: {exception.InnerException?.Message ?? exception.Message}", innerException: exception);
    }

    private void NoteFailure()
    {
        _isFailing = true;
        _backoff.Failed();
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        if (_backoff.Remaining is { } wait && wait > TimeSpan.Zero)
        {
            throw new IOException($"It could not be reached a moment ago; it is tried again in {wait.TotalSeconds:0.0} s.");
        }

        try
        {
            return await HostTrust.ConnectAsync(context.DnsEndPoint, null, cancellation);
        }
        catch (Exception exception)
        {
            if (exception is not OperationCanceledException || !_closed.IsCancellationRequested)
            {
                NoteFailure();
            }

            throw;
        }
    }
}
