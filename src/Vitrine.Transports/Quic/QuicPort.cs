using System.Runtime.InteropServices;

namespace Vitrine.Transports.Quic;

/// <summary>A socket in an event loop, and what could not be sent on it yet.</summary>
/// <remarks>The event loop's thread only.</remarks>
internal sealed unsafe class QuicPort : IDisposable
{
    private byte* _pending;
    private int _pendingBytes;
    private int _pendingSegment;
    private SocketAddressBytes _pendingRemote;
    private SocketAddressBytes _pendingLocal;
    private EcnCodepoint _pendingEcn;

    public QuicPort(UdpSocket socket, bool isConnected, int batchMessages) =>
        (Socket, IsConnected, BatchMessages, Local) = (socket, isConnected, batchMessages, socket.ToAddress(socket.LocalEndPoint));

    public UdpSocket Socket { get; }

    /// <summary>Whether it knows its one peer.</summary>
    public bool IsConnected { get; }

    /// <summary>What one call takes from the system: when it took as many, there may be more.</summary>
    public int BatchMessages { get; }

    /// <summary>As it is bound.</summary>
    public SocketAddressBytes Local { get; }

    /// <summary>Whose it is: a client's connection. Null: a server's.</summary>
    public QuicConnection? Owner { get; set; }

    /// <summary>Whose it is: a server. Null: a client's.</summary>
    public QuicServer? Server { get; set; }

    /// <summary>Its place in the loop.</summary>
    public int Index { get; set; }

    /// <summary>The system's buffer is full: nothing may be sent before <see cref="SendPending"/>.</summary>
    public bool IsBlocked => _pendingBytes > 0;

    /// <summary>Who waits for that.</summary>
    public List<QuicConnection> Waiting { get; } = [];

    /// <summary>Sends datagrams of one size, the last of which may be shorter; keeps what the system does not take.</summary>
    /// <returns>How many were given up because they cannot be sent.</returns>
    public int Send(byte* data, int bytes, int segmentBytes, in SocketAddressBytes remote, in SocketAddressBytes local, EcnCodepoint ecn)
    {
        int failures = 0;
        while (bytes > 0)
        {
            // SAFETY: the caller guarantees `bytes` at `data`.
            UdpSendResult result = Socket.Send(new ReadOnlySpan<byte>(data, bytes), segmentBytes, IsConnected ? default : remote, IsConnected ? default : local, ecn);
            data += result.SentBytes;
            bytes -= result.SentBytes;
            switch (result.Status)
            {
                case UdpSendStatus.WouldBlock:
                    Keep(data, bytes, segmentBytes, in remote, in local, ecn);
                    return failures;
                case UdpSendStatus.TooLarge:
                    failures++; // a probe of the path's MTU: the rest may pass
                    data += Math.Min(segmentBytes, bytes);
                    bytes -= Math.Min(segmentBytes, bytes);
                    break;
                case UdpSendStatus.Unreachable:
                    return failures + ((bytes + segmentBytes - 1) / segmentBytes);
                case UdpSendStatus.Sent:
                default:
                    break;
            }
        }

        return failures;
    }

    /// <summary>Sends what is kept; <see cref="IsBlocked"/> tells whether it went.</summary>
    public void SendPending()
    {
        int bytes = _pendingBytes;
        _pendingBytes = 0;
        if (bytes > 0)
        {
            Send(_pending, bytes, _pendingSegment, in _pendingRemote, in _pendingLocal, _pendingEcn);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Socket.Dispose();
        NativeMemory.Free(_pending);
        _pending = null;
        _pendingBytes = 0;
    }

    private void Keep(byte* data, int bytes, int segmentBytes, in SocketAddressBytes remote, in SocketAddressBytes local, EcnCodepoint ecn)
    {
        if (_pending is null)
        {
            _pending = (byte*)NativeMemory.Alloc(QuicEventLoop.SendBufferBytes);
        }

        // SAFETY: a batch is never longer than the loop's buffer; the parts may overlap when a kept batch is kept again.
        Buffer.MemoryCopy(data, _pending, QuicEventLoop.SendBufferBytes, bytes);
        _pendingBytes = bytes;
        _pendingSegment = segmentBytes;
        _pendingRemote = remote;
        _pendingLocal = local;
        _pendingEcn = ecn;
    }
}
