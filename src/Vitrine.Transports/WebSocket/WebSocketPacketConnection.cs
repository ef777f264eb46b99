using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using WebSocketChannel = System.Net.WebSockets.WebSocket;

namespace Vitrine.Transports.WebSocket;

/// <summary>One binary WebSocket message is one packet. Both sides of the wire.</summary>
public sealed class WebSocketPacketConnection : IPacketConnection
{
    /// <summary>The sub-protocol both sides must name.</summary>
    public const string SubProtocol = "vitrine.1";

    // A packet of 1 MiB in frames of 16 KiB (what a TLS record holds) makes 64; more is a peer that wants to keep us busy.
    private const int FragmentsMax = 256;

    private readonly WebSocketChannel _socket;
    private readonly IDisposable? _owned;
    private readonly Action? _abort;

    /// <summary>Takes an open WebSocket.</summary>
    /// <param name="socket">Owned from now on.</param>
    /// <param name="peer">The other side, for people.</param>
    /// <param name="owned">Disposed together with the socket; may be null.</param>
    /// <param name="abort">Breaks the connection below at once: an upgraded HTTP connection outlives its WebSocket, and a send
    /// that waits for a peer that does not read would wait on. Null where the socket's own abort does that.</param>
    public WebSocketPacketConnection(WebSocketChannel socket, string peer, IDisposable? owned = null, Action? abort = null)
    {
        ArgumentNullException.ThrowIfNull(socket);
        (_socket, Peer, _owned, _abort) = (socket, peer, owned, abort);
    }

    /// <inheritdoc/>
    public string Peer { get; }

    /// <inheritdoc/>
    public string Transport => "websocket";

    /// <inheritdoc/>
    public ValueTask<PacketSendStatus> SendAsync(ReadOnlyMemory<byte> packet)
    {
        ValueTask sending;
        try
        {
            // No cancellation token: with one, the socket registers and allocates at every send. Abort ends a send as well.
            sending = _socket.SendAsync(packet, WebSocketMessageType.Binary, WebSocketMessageFlags.EndOfMessage, CancellationToken.None);
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            return new(PacketSendStatus.Closed);
        }

        // The common case: the kernel took it at once, and no state machine is made.
        return sending.IsCompletedSuccessfully ? Finish(sending) : AwaitAsync(sending);

        static ValueTask<PacketSendStatus> Finish(ValueTask done)
        {
            done.GetAwaiter().GetResult();
            return new(PacketSendStatus.Sent);
        }

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        static async ValueTask<PacketSendStatus> AwaitAsync(ValueTask pending)
        {
            try
            {
                await pending;
                return PacketSendStatus.Sent;
            }
            catch (Exception exception) when (IsPeerGone(exception))
            {
                return PacketSendStatus.Closed;
            }
        }
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<PacketReceived> ReceiveAsync(Memory<byte> buffer)
    {
        int bytes = 0;
        try
        {
            for (int fragment = 0; fragment < FragmentsMax; fragment++)
            {
                if (bytes == buffer.Length)
                {
                    // The buffer is full and the message is not known to be over: only an empty last fragment may follow.
                    ValueWebSocketReceiveResult rest = await _socket.ReceiveAsync(Memory<byte>.Empty, CancellationToken.None);
                    if (rest.EndOfMessage && rest.MessageType == WebSocketMessageType.Binary)
                    {
                        return new(PacketReceiveStatus.Packet, bytes);
                    }

                    return new(PacketReceiveStatus.TooLarge, 0);
                }

                ValueWebSocketReceiveResult result = await _socket.ReceiveAsync(buffer[bytes..], CancellationToken.None);
                switch (result.MessageType)
                {
                    case WebSocketMessageType.Close:
                        return new(PacketReceiveStatus.Closed, 0);
                    case WebSocketMessageType.Text:
                        return new(PacketReceiveStatus.Malformed, 0);
                    default:
                        bytes += result.Count;
                        if (result.EndOfMessage)
                        {
                            return new(PacketReceiveStatus.Packet, bytes);
                        }

                        break;
                }
            }

            return new(PacketReceiveStatus.Malformed, 0);
        }
        catch (WebSocketException exception) when (exception.WebSocketErrorCode is WebSocketError.Faulted or WebSocketError.HeaderError
            or WebSocketError.InvalidMessageType or WebSocketError.NotAWebSocket or WebSocketError.UnsupportedProtocol)
        {
            return new(PacketReceiveStatus.Malformed, 0);
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            return new(PacketReceiveStatus.Lost, 0);
        }
    }

    /// <inheritdoc/>
    public async ValueTask CloseAsync(PacketCloseReason reason, TimeSpan timeout)
    {
        WebSocketCloseStatus status = reason switch
        {
            PacketCloseReason.Normal => WebSocketCloseStatus.NormalClosure,
            PacketCloseReason.ProtocolError => WebSocketCloseStatus.ProtocolError,
            PacketCloseReason.NoAccess => WebSocketCloseStatus.PolicyViolation,
            _ => WebSocketCloseStatus.InternalServerError,
        };
        using CancellationTokenSource deadline = new(timeout);
        try
        {
            await _socket.CloseOutputAsync(status, null, deadline.Token);
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            Abort(); // it did not take even that
        }
    }

    /// <inheritdoc/>
    public void Abort()
    {
        _abort?.Invoke();
        _socket.Abort();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _owned?.Dispose();
        return default;
    }

    // IOException: the connection broke (Kestrel's ConnectionResetException too). OperationCanceledException: aborted
    // (ConnectionAbortedException too). ObjectDisposedException and InvalidOperationException: sent or received after the end.
    private static bool IsPeerGone(Exception exception) =>
        exception is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;
}
