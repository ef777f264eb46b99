using Google.Protobuf;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Calls;

/// <summary>The live stream as a call of <c>vitrine.v1.Desktop/Packets</c>: a packet is a message. Both sides of the wire, over every
/// transport that carries calls.</summary>
/// <remarks>A host cannot end a call while its caller may still send: the viewer's side ends its own when it has received the packet
/// <c>Goodbye</c>, and a host that waits for that in vain aborts.</remarks>
public sealed class CallPacketConnection : IPacketConnection
{
    private readonly ServerCall? _server;
    private readonly ClientCall? _client;
    private readonly IAsyncDisposable? _owned;
    private readonly LivePacket _sent = new();
    private readonly LivePacket _received = new();
    private bool _hasFirst; // _received holds a packet that nobody has asked for yet
    private int _isAborted;

    /// <summary>The host's side.</summary>
    /// <param name="call">Borrowed: its handler ends after this was disposed.</param>
    public CallPacketConnection(ServerCall call)
    {
        ArgumentNullException.ThrowIfNull(call);
        (_server, Peer, Transport) = (call, call.Peer, call.Transport);
    }

    /// <summary>The viewer's side.</summary>
    /// <param name="call">Owned from now on.</param>
    /// <param name="peer">The other side, for people.</param>
    /// <param name="transport">See <see cref="IPacketConnection.Transport"/>.</param>
    /// <param name="owned">Disposed together with the call; may be null.</param>
    public CallPacketConnection(ClientCall call, string peer, string transport, IAsyncDisposable? owned = null)
    {
        ArgumentNullException.ThrowIfNull(call);
        (_client, Peer, Transport, _owned) = (call, peer, transport, owned);
    }

    /// <summary>The method.</summary>
    public static CallMethod Method { get; } = new(DesktopReflection.Descriptor.Services[0].FindMethodByName("Packets"), ViewerGrants.View);

    /// <inheritdoc/>
    public string Peer { get; }

    /// <inheritdoc/>
    public string Transport { get; }

    /// <inheritdoc/>
    public TransportCapabilities Capabilities => (_owned as ICallChannel)?.Capabilities ?? TransportCapabilities.None;

    /// <summary>Calls a host.</summary>
    /// <param name="channel">Owned by the connection, when there is one, and disposed otherwise.</param>
    /// <param name="peer">The other side, for people.</param>
    /// <param name="transport">See <see cref="IPacketConnection.Transport"/>.</param>
    /// <param name="timeout">How long the attempt may take.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    public static async Task<ConnectResult> ConnectAsync(ICallChannel channel, string peer, string transport, TimeSpan timeout, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(channel);
        using CancellationTokenSource attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.CancelAfter(timeout);
        CancellationTokenSource life = new(); // of the call, which outlives the attempt
        CallPacketConnection? connection = null;
        try
        {
            await using CancellationTokenRegistration end = attempt.Token.Register(life.Cancel);
            connection = new(await channel.StartAsync(Method, CallOptions.Default, life.Token), peer, transport, channel);

            // The host greets whom it lets in at once: a refusal would come in place of it.
            connection._hasFirst = await connection._client!.ReadAsync(connection._received);
            if (connection._hasFirst)
            {
                return new(ConnectStatus.Connected, connection, "");
            }

            await connection.DisposeAsync();
            return new(ConnectStatus.NotVitrine, null, $"{peer} ended the stream without a greeting.");
        }
        catch (CallException failure)
        {
            await (connection?.DisposeAsync() ?? channel.DisposeAsync());
            cancellationToken.ThrowIfCancellationRequested();
            return attempt.IsCancellationRequested ? ConnectFailure.TooLate(peer, timeout) : ConnectFailure.Explain(failure, peer);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<PacketSendStatus> SendAsync(ReadOnlyMemory<byte> packet)
    {
        try
        {
            _sent.Packet = UnsafeByteOperations.UnsafeWrap(packet); // borrowed until the transport took it
            await (_server?.WriteAsync(_sent) ?? _client!.WriteAsync(_sent));
            return PacketSendStatus.Sent;
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
            if (!_hasFirst && !await (_server?.ReadAsync(_received) ?? _client!.ReadAsync(_received)))
            {
                return new(PacketReceiveStatus.Closed, 0);
            }
        }
        catch (CallException exception) when (exception.Code is (CallStatusCode.InvalidArgument or CallStatusCode.Internal or CallStatusCode.ResourceExhausted) && Volatile.Read(ref _isAborted) == 0)
        {
            return new(PacketReceiveStatus.Malformed, 0);
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            return new(PacketReceiveStatus.Lost, 0);
        }

        _hasFirst = false;
        ReadOnlyMemory<byte> packet = _received.Packet.Memory;
        if (packet.Length > buffer.Length)
        {
            return new(PacketReceiveStatus.TooLarge, 0);
        }

        packet.CopyTo(buffer);
        if (_client is not null && PacketHeader.TryRead(packet.Span, out PacketHeader header) == WireStatus.Ok && header.Type == PacketType.Goodbye)
        {
            await CloseAsync(PacketCloseReason.Normal, TimeSpan.Zero);
        }

        return new(PacketReceiveStatus.Packet, packet.Length);
    }

    /// <inheritdoc/>
    public async ValueTask CloseAsync(PacketCloseReason reason, TimeSpan timeout)
    {
        if (_client is not null)
        {
            try
            {
                await _client.CompleteWritesAsync();
            }
            catch (Exception exception) when (IsPeerGone(exception))
            {
                // There is nobody to tell.
            }
        }
    }

    /// <inheritdoc/>
    public void Abort()
    {
        if (Interlocked.Exchange(ref _isAborted, 1) == 0)
        {
            _server?.Abort();
            if (_client is not null)
            {
                _ = _client.DisposeAsync().AsTask(); // disposing cancels; it does not throw
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_client is not null)
        {
            await _client.DisposeAsync();
        }

        if (_owned is not null)
        {
            await _owned.DisposeAsync();
        }
    }

    // ObjectDisposedException: sent or received after the end.
    private static bool IsPeerGone(Exception exception) => exception is CallException or ObjectDisposedException or OperationCanceledException;
}
