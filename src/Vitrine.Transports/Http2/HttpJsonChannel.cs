using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Http2;

/// <summary>How a <see cref="HttpJsonChannel"/> reaches its server. Immutable.</summary>
public sealed record HttpJsonChannelOptions
{
    /// <summary>Most bytes of a request, as JSON.</summary>
    public int RequestBytesMax { get; init; } = 6 << 20;

    /// <summary>Most bytes of an answer, as JSON.</summary>
    public int ResponseBytesMax { get; init; } = 96 << 20;

    /// <summary>Sent as <c>authorization: Bearer</c> with every call; null: nothing.</summary>
    public string? Token { get; init; }

    /// <summary>SHA-256 of the server's certificate in hexadecimal (colons allowed): the server is trusted when it shows this one and no
    /// other, and it has not expired. Null: the machine's certificate authorities decide.</summary>
    public string? CertificateFingerprint { get; init; }

    /// <summary>How long setting up a connection may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The clock of deadlines, and of certificates.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>Calls the JSON interface over <see cref="SocketsHttpHandler"/>'s HTTP/2 (<c>docs/PROTOCOL.md</c>, «JSON over HTTP»): in clear on
/// <c>http</c> (prior knowledge), with TLS on <c>https</c>. Compresses nothing.</summary>
public sealed class HttpJsonChannel : ICallChannel
{
    private readonly ConcurrentDictionary<CallMethod, Uri> _addresses = new();
    private readonly CancellationTokenSource _closed = new();
    private readonly HttpMessageInvoker _invoker;
    private readonly Uri _address;
    private readonly HostTrust _trust;

    /// <summary>Makes a channel; it connects with the first call.</summary>
    /// <param name="address">Scheme, host and port.</param>
    /// <param name="options">How; null: everything at its default.</param>
    public HttpJsonChannel(Uri address, HttpJsonChannelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        (_address, Options) = (address, options ?? new());
        _trust = new(Options.CertificateFingerprint, Options.Time);
        SocketsHttpHandler handler = _trust.CreateHandler();
        handler.ConnectTimeout = Options.ConnectTimeout;
        handler.EnableMultipleHttp2Connections = true;
        _invoker = new(handler, disposeHandler: true);
    }

    /// <inheritdoc/>
    public TransportCapabilities Capabilities => TransportCapabilities.Requests | TransportCapabilities.Streams;

    internal HttpJsonChannelOptions Options { get; }

    /// <inheritdoc/>
    public ValueTask<ClientCall> StartAsync(CallMethod method, CallOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(options);
        ObjectDisposedException.ThrowIf(_closed.IsCancellationRequested, this);
        ClientCallEnd.ThrowIfPast(options, Options.Time);
        return new(new HttpJsonCall(this, method, options, cancellation));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_closed.IsCancellationRequested)
        {
            await _closed.CancelAsync();
            _invoker.Dispose();
            _closed.Dispose();
        }
    }

    /// <summary>What ends a call: its deadline, its caller, the channel.</summary>
    internal CancellationTokenSource CreateSource(CallOptions options, CancellationToken cancellation) =>
        ClientCallEnd.CreateSource(options, Options.Time, cancellation, _closed.Token);

    internal HttpRequestMessage CreateRequest(CallMethod method, CallOptions options, HttpContent content)
    {
        Uri address = _addresses.GetOrAdd(method, static (method, address) => new(address, JsonRoute.PathOf(method)
            ?? throw new CallException(CallStatusCode.Unimplemented, $"{method.Path} has no place in the JSON interface.")), _address);
        HttpRequestMessage request = new(HttpMethod.Post, address) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = content };
        HttpRequestHeaders headers = request.Headers;
        headers.TryAddWithoutValidation("accept", $"{(method.GivesOneResponse ? JsonServer.JsonType : JsonServer.LinesType)}, {Problem.ContentType}");
        if (!options.Deadline.IsNone)
        {
            headers.TryAddWithoutValidation(GrpcHeaders.Timeout, GrpcTimeout.Format(options.Deadline.Remaining(Options.Time)));
        }

        if (Options.Token is { } token)
        {
            headers.TryAddWithoutValidation("authorization", "Bearer " + token);
        }

        foreach (CallMetadataEntry entry in options.Metadata ?? [])
        {
            headers.TryAddWithoutValidation(entry.Name, entry.IsBinary ? GrpcHeaders.ToText(entry.Bytes.Span) : entry.Text);
        }

        return request;
    }

    internal Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation) => _invoker.SendAsync(request, cancellation);

    /// <summary>What went wrong, as a status.</summary>
    internal CallException Explain(Exception exception, CallOptions options, CancellationToken over, CancellationToken caller)
    {
        if (ClientCallEnd.Explain(exception, options.Deadline, over.IsCancellationRequested, caller.IsCancellationRequested, _closed.IsCancellationRequested, Options.Time) is { } ended)
        {
            return ended;
        }

        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpProtocolException protocol)
            {
                return new(GrpcStatus.OfResetCode(protocol.ErrorCode), $"The server ended the stream with the HTTP/2 error {protocol.ErrorCode}.", innerException: exception);
            }
        }

        return new(CallStatusCode.Unavailable, HostTrust.IsTlsFailure(exception)
            ? _trust.Explain(exception, _address.Authority)
            : $"{_address.Authority} cannot be reached, or the connection is lost: {exception.InnerException?.Message ?? exception.Message}", innerException: exception);
    }
}
