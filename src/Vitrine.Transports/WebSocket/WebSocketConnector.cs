using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;

namespace Vitrine.Transports.WebSocket;

/// <summary>What became of an attempt to connect.</summary>
public enum ConnectStatus
{
    /// <summary>The connection stands.</summary>
    Connected = 0,

    /// <summary>Nobody answers at that address, or not in time.</summary>
    Unreachable = 1,

    /// <summary>The token is wrong or missing (HTTP 401 or 403).</summary>
    AccessDenied = 2,

    /// <summary>Too many failed attempts from this address (HTTP 429): wait.</summary>
    RateLimited = 3,

    /// <summary>The host takes no viewers now: it has as many as it takes, or sharing is stopped (HTTP 503).</summary>
    TooManyViewers = 4,

    /// <summary>The certificate is not the expected one, or not trusted.</summary>
    CertificateRefused = 5,

    /// <summary>Something answers, but not Vitrine.</summary>
    NotVitrine = 6,
}

/// <summary>Result of an attempt to connect.</summary>
/// <param name="Status">What became of it.</param>
/// <param name="Connection">Owned by the caller; null unless <see cref="ConnectStatus.Connected"/>.</param>
/// <param name="Detail">For people; empty when connected.</param>
public readonly record struct ConnectResult(ConnectStatus Status, IPacketConnection? Connection, string Detail);

/// <summary>How to connect.</summary>
public sealed record WebSocketConnectOptions
{
    /// <summary>How long the attempt may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>SHA-256 of the host's certificate in hexadecimal (colons allowed): the host is trusted when it shows this one and
    /// no other. Null: the machine's certificate authorities decide.</summary>
    public string? CertificateFingerprint { get; init; }

    /// <summary>Value of the <c>Origin</c> header; null sends none, as programs that are not browsers do.</summary>
    public string? Origin { get; init; }

    /// <summary>Bytes the kernel may hold for a viewer that does not read; null leaves it to the kernel.</summary>
    public int? ReceiveBufferBytes { get; init; }
}

/// <summary>Client side of the WebSocket transport.</summary>
public static class WebSocketConnector
{
    /// <summary>Connects.</summary>
    /// <param name="address">ws://, wss://, http:// or https://; the path as given.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    public static async Task<ConnectResult> ConnectAsync(Uri address, WebSocketConnectOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(options);
        UriBuilder builder = new(address);
        builder.Scheme = builder.Scheme switch { "http" => "ws", "https" => "wss", string other => other };
        bool fingerprintMismatch = false;
        SocketsHttpHandler handler = new()
        {
            ConnectCallback = (context, token) => OpenSocketAsync(context.DnsEndPoint, options, token),
            UseProxy = false,
        };
        if (options.CertificateFingerprint is { } fingerprint)
        {
            byte[] expected = Convert.FromHexString(fingerprint.Replace(":", "", StringComparison.Ordinal));
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                bool same = certificate is not null
                    && CryptographicOperations.FixedTimeEquals(expected, certificate.GetCertHash(HashAlgorithmName.SHA256));
                fingerprintMismatch = !same;
                return same;
            };
        }

        HttpMessageInvoker invoker = new(handler, disposeHandler: true);
        ClientWebSocket socket = new();
        socket.Options.AddSubProtocol(WebSocketPacketConnection.SubProtocol);
        socket.Options.KeepAliveInterval = TimeSpan.Zero; // the protocol's own clock exchange shows that the path lives
        socket.Options.CollectHttpResponseDetails = true;
        if (options.Origin is { } origin)
        {
            socket.Options.SetRequestHeader("Origin", origin);
        }

        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(options.Timeout);
        ConnectResult result;
        try
        {
            await socket.ConnectAsync(builder.Uri, invoker, deadline.Token);
            result = socket.SubProtocol == WebSocketPacketConnection.SubProtocol
                ? new(ConnectStatus.Connected, new WebSocketPacketConnection(socket, builder.Uri.Authority, invoker), "")
                : new(ConnectStatus.NotVitrine, null, $"{builder.Uri.Authority} does not speak {WebSocketPacketConnection.SubProtocol}.");
        }
        catch (WebSocketException exception)
        {
            result = Explain(socket.HttpStatusCode, exception, fingerprintMismatch, builder.Uri.Authority);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            result = new(ConnectStatus.Unreachable, null, $"{builder.Uri.Authority} did not answer within {options.Timeout.TotalSeconds:0.#} s.");
        }
        catch
        {
            socket.Dispose();
            invoker.Dispose();
            throw;
        }

        if (result.Connection is null)
        {
            socket.Dispose();
            invoker.Dispose();
        }

        return result;
    }

    private static ConnectResult Explain(HttpStatusCode status, WebSocketException exception, bool fingerprintMismatch, string authority) => status switch
    {
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new(ConnectStatus.AccessDenied, null, $"{authority} refused: the token is wrong or missing, or the origin is not its own."),
        HttpStatusCode.TooManyRequests => new(ConnectStatus.RateLimited, null, $"{authority} refused: too many failed attempts from this address. Wait a minute."),
        HttpStatusCode.ServiceUnavailable => new(ConnectStatus.TooManyViewers, null, $"{authority} takes no viewers now: it has as many as it takes, or sharing is stopped."),
        _ when fingerprintMismatch => new(ConnectStatus.CertificateRefused, null, $"{authority} shows another certificate than the expected one."),
        _ when exception.InnerException is HttpRequestException { InnerException: System.Security.Authentication.AuthenticationException } =>
            new(ConnectStatus.CertificateRefused, null, $"The certificate of {authority} is not trusted. Give its fingerprint, which the host prints when it starts."),
        0 => new(ConnectStatus.Unreachable, null, $"Nobody answers at {authority}: {exception.InnerException?.Message ?? exception.Message}"),
        _ => new(ConnectStatus.NotVitrine, null, $"{authority} answered HTTP {(int)status}: this is not a Vitrine host, or not its address."),
    };

    private static async ValueTask<Stream> OpenSocketAsync(DnsEndPoint endPoint, WebSocketConnectOptions options, CancellationToken cancellationToken)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (options.ReceiveBufferBytes is { } bytes)
            {
                socket.ReceiveBufferSize = bytes;
            }

            await socket.ConnectAsync(endPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
