using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Http2;

/// <summary>The live stream as the two bodies of one HTTP/2 request: packets one after the other, as their headers delimit them. Both
/// sides of the wire.</summary>
public sealed class Http2PacketConnection : IPacketConnection
{
    /// <summary>Media type of a body of packets.</summary>
    public const string ContentType = "application/vnd.vitrine.packets";

    private readonly PipeReader _incoming;
    private readonly Stream _outgoing;
    private readonly HttpContext? _context;
    private readonly GrpcRequestContent? _request;
    private readonly CancellationTokenSource? _life;
    private readonly IDisposable[] _owned;

    private Http2PacketConnection(HttpContext context)
    {
        _context = context;
        Peer = new IPEndPoint(context.Connection.RemoteIpAddress ?? IPAddress.None, context.Connection.RemotePort).ToString();
        (_incoming, _outgoing, _owned) = (context.Request.BodyReader, context.Response.Body, []);
    }

    private Http2PacketConnection(PipeReader incoming, Stream outgoing, GrpcRequestContent request, CancellationTokenSource life, string peer, IDisposable[] owned) =>
        (_incoming, _outgoing, _request, _life, Peer, _owned) = (incoming, outgoing, request, life, peer, owned);

    /// <inheritdoc/>
    public string Peer { get; }

    /// <inheritdoc/>
    public string Transport => "http2";

    /// <summary>Whether a request wants to become such a connection.</summary>
    public static bool IsRequest(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return HttpProtocol.IsHttp2(request.Protocol) && HttpMethods.IsPost(request.Method) && request.ContentType == ContentType;
    }

    /// <summary>The host's side.</summary>
    /// <param name="context">For which <see cref="IsRequest"/> holds; borrowed: its request ends after this was disposed.</param>
    public static Http2PacketConnection Accept(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null; // packets are bounded one by one
        }

        if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null; // a viewer of a still desktop has little to say
        }

        context.Response.ContentType = ContentType;
        context.Response.Headers.CacheControl = "no-store";
        return new(context);
    }

    /// <summary>Connects.</summary>
    /// <param name="address">Of the stream, <c>http://host:port/stream?t=TOKEN</c>; without TLS by prior knowledge.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    public static async Task<ConnectResult> ConnectAsync(Uri address, PacketConnectOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(options);
        HostTrust trust = new(options.CertificateFingerprint, options.Time);
        HttpMessageInvoker invoker = new(trust.CreateHandler(options.ReceiveBufferBytes), disposeHandler: true);
        GrpcRequestContent content = new() { Headers = { ContentType = new(ContentType) } };
        HttpRequestMessage request = new(HttpMethod.Post, address) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = content };
        if (options.Origin is { } origin)
        {
            request.Headers.TryAddWithoutValidation("Origin", origin);
        }

        CancellationTokenSource life = new(); // of the connection, which outlives the attempt
        using CancellationTokenSource attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.CancelAfter(options.Timeout);
        HttpResponseMessage? response = null;
        ConnectResult result;
        try
        {
            await using CancellationTokenRegistration end = attempt.Token.Register(life.Cancel);
            response = await invoker.SendAsync(request, life.Token);
            if (response.StatusCode == HttpStatusCode.OK && response.Content.Headers.ContentType?.MediaType == ContentType)
            {
                PipeReader incoming = PipeReader.Create(await response.Content.ReadAsStreamAsync(life.Token), new(bufferSize: SendBlocks.BlockBytes));
                return new(ConnectStatus.Connected, new Http2PacketConnection(
                    incoming, await content.Opened, content, life, address.Authority, [response, request, invoker]), "");
            }

            result = ConnectFailure.Explain(response.StatusCode, null, trust, address.Authority);
        }
        catch (Exception exception) when (exception is OperationCanceledException or HttpRequestException or IOException)
        {
            if (cancellationToken.IsCancellationRequested)
            {
                Release();
                throw new OperationCanceledException(cancellationToken);
            }

            result = attempt.IsCancellationRequested ? ConnectFailure.TooLate(address.Authority, options.Timeout) : ConnectFailure.Explain(0, exception, trust, address.Authority);
        }

        Release();
        return result;

        void Release()
        {
            content.Abort();
            life.Cancel();
            response?.Dispose();
            request.Dispose();
            invoker.Dispose();
            life.Dispose();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<PacketSendStatus> SendAsync(ReadOnlyMemory<byte> packet)
    {
        try
        {
            await _outgoing.WriteAsync(packet); // the host's side hands it on by itself
            if (_request is not null)
            {
                await _outgoing.FlushAsync();
            }

            return _context?.RequestAborted.IsCancellationRequested == true ? PacketSendStatus.Closed : PacketSendStatus.Sent;
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            return PacketSendStatus.Closed;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<PacketReceived> ReceiveAsync(Memory<byte> buffer)
    {
        try
        {
            while (true)
            {
                ReadResult result = await _incoming.ReadAsync();
                PacketReceived? received = Take(result.Buffer, result.IsCompleted, buffer.Span, out SequencePosition consumed);
                _incoming.AdvanceTo(consumed, received is null ? result.Buffer.End : consumed);
                if (received is { } packet)
                {
                    return packet;
                }
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            return new(PacketReceiveStatus.Lost, 0);
        }
    }

    /// <inheritdoc/>
    public async ValueTask CloseAsync(PacketCloseReason reason, TimeSpan timeout)
    {
        _request?.Complete();
        if (_context is not null)
        {
            try
            {
                await _context.Response.CompleteAsync().WaitAsync(timeout);
            }
            catch (Exception exception) when (exception is TimeoutException || IsPeerGone(exception))
            {
                Abort(); // it did not take even that
            }
        }
    }

    /// <inheritdoc/>
    public void Abort()
    {
        _context?.Abort();
        _request?.Abort();
        try
        {
            _life?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _request?.Abort(); // does nothing after CloseAsync
        _life?.Cancel();
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }

        return default;
    }

    /// <summary>Takes a packet out of what has come. Null: more of it must come.</summary>
    internal static PacketReceived? Take(in ReadOnlySequence<byte> bytes, bool isEnd, Span<byte> into, out SequencePosition consumed)
    {
        consumed = bytes.Start;
        if (bytes.Length < PacketHeader.SizeBytes)
        {
            return !isEnd ? null : new(bytes.IsEmpty ? PacketReceiveStatus.Closed : PacketReceiveStatus.Malformed, 0);
        }

        Span<byte> head = stackalloc byte[PacketHeader.SizeBytes];
        bytes.Slice(0, PacketHeader.SizeBytes).CopyTo(head);
        WireStatus status = PacketHeader.TryRead(head, out PacketHeader header);
        long length = PacketHeader.SizeBytes + (status == WireStatus.Ok ? header.PayloadBytes : 0); // of another version, only the header can be told
        if (status is not (WireStatus.Ok or WireStatus.VersionMismatch))
        {
            return new(PacketReceiveStatus.Malformed, 0);
        }

        if (length > into.Length)
        {
            return new(PacketReceiveStatus.TooLarge, 0);
        }

        if (bytes.Length < length)
        {
            return isEnd ? new(PacketReceiveStatus.Malformed, 0) : null;
        }

        ReadOnlySequence<byte> packet = bytes.Slice(0, length);
        packet.CopyTo(into);
        consumed = packet.End;
        return new(PacketReceiveStatus.Packet, (int)length);
    }

    // IOException: the connection broke (Kestrel's ConnectionResetException and the client's HttpIOException too).
    // OperationCanceledException: aborted. ObjectDisposedException and InvalidOperationException: sent or received after the end.
    private static bool IsPeerGone(Exception exception) =>
        exception is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException or HttpRequestException or BadHttpRequestException;
}
