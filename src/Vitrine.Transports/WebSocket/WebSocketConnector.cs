using System.Net.WebSockets;

namespace Vitrine.Transports.WebSocket;

/// <summary>Client side of the WebSocket transport.</summary>
public static class WebSocketConnector
{
    /// <summary>Connects.</summary>
    /// <param name="address">ws://, wss://, http:// or https://; the path as given.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    public static async Task<ConnectResult> ConnectAsync(Uri address, PacketConnectOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(options);
        UriBuilder builder = new(address);
        builder.Scheme = builder.Scheme switch { "http" => "ws", "https" => "wss", string other => other };
        HostTrust trust = new(options.CertificateFingerprint, options.Time);
        SocketsHttpHandler handler = trust.CreateHandler(options.ReceiveBufferBytes);
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
            result = ConnectFailure.Explain(socket.HttpStatusCode, exception, trust, builder.Uri.Authority);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            result = ConnectFailure.TooLate(builder.Uri.Authority, options.Timeout);
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
}
