using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Quic;

/// <summary>The live stream over QUIC (<c>docs/PROTOCOL.md</c>, «Live stream over QUIC»). Both sides of the wire.</summary>
/// <remarks>What must not be lost goes in order on the two-way stream that the viewer opened; each video packet on a one-way stream of its
/// own, which is reset when a key frame, the end of its region or another picture made it stale; cursor positions and the clock's
/// questions and answers as datagrams. Who is at the other end sees packets in an order as if there were one stream
/// (<see cref="LivePacketOrder"/>), so that neither side's code knows of this.</remarks>
public sealed class QuicPacketConnection : IPacketConnection
{
    /// <summary>The path of the live stream: what a <see cref="QuicCallServer"/> serves there is no call.</summary>
    public const string Path = "/stream";

    /// <summary>Code of a video stream that is reset because nobody needs it any more.</summary>
    public const ulong StaleCode = 0x20;

    /// <summary>Video packets that may be under way or wait at a viewer; its host waits then.</summary>
    public const int UnitsMax = 16;

    private const int UnitBytesMax = VariableInteger.BytesMax + PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer;
    private const int ReadBytes = 16 * 1024;

    // A head goes out together with the beginning of its packet: all of a small one, and what fills a datagram of a large one.
    private const int BeginBytes = 1024;
    private const int VideoRegionAt = PacketHeader.SizeBytes + 16;
    private const int VideoFlagsAt = VideoRegionAt + 3;
    private const int VideoStreamAt = VideoRegionAt + 4;

    // A cursor that rests is where the last position says: the last one goes in order as well, after so long without another.
    private static readonly TimeSpan s_positionRest = TimeSpan.FromMilliseconds(100);

    private readonly QuicConnection _connection;
    private readonly QuicStream _ordered;
    private readonly CallFrameReader _reader;
    private readonly IAsyncDisposable? _owned;
    private readonly bool _isViewer;
    private readonly LivePacketOrder _order;
    private readonly CancellationTokenSource _life = new();
    private readonly SemaphoreSlim _writing = new(1); // of the ordered stream
    private readonly List<SentUnit> _sentUnits = [];
    private readonly byte[] _head = new byte[CallFrame.HeadBytesMax + BeginBytes];
    private readonly byte[] _unitHead = new byte[VariableInteger.BytesMax + BeginBytes];
    private readonly byte[] _position = new byte[LivePacketOrder.DatagramBytesMax];
    private readonly List<Task> _running = [];
    private readonly ITimer _positionTimer;
    private int _positionBytes; // 0: none is owed
    private bool _hasPosition;
    private ulong _orderedSent;
    private uint _generation;
    private int _turn;
    private long _unitsReset;
    private int _isEnded;
    private int _isDisposed;

    private QuicPacketConnection(QuicConnection connection, QuicStream ordered, CallFrameReader reader, bool isViewer, string peer, TimeProvider time, IAsyncDisposable? owned)
    {
        (_connection, _ordered, _reader, _isViewer, Peer, _owned) = (connection, ordered, reader, isViewer, peer, owned);
        _order = new(time);
        _positionTimer = time.CreateTimer(static state => _ = ((QuicPacketConnection)state!).RepeatPositionAsync(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _running.Add(ReadOrderedAsync());
        _running.Add(ReadDatagramsAsync());
        if (isViewer)
        {
            _running.Add(ReadUnitsAsync());
        }
    }

    /// <inheritdoc/>
    public string Peer { get; }

    /// <inheritdoc/>
    public string Transport => "quic";

    /// <inheritdoc/>
    public TransportCapabilities Capabilities => TransportCapabilities.Streams | TransportCapabilities.Datagrams | TransportCapabilities.Migration | TransportCapabilities.Priorities;

    /// <summary>Video streams that this side gave up because they were stale.</summary>
    public long UnitsReset => Interlocked.Read(ref _unitsReset);

    /// <summary>Video packets that did not come, or came too late to be of use.</summary>
    public long UnitsDropped => _order.Dropped;

    /// <summary>Times that tiles did not wait any longer for the video before them.</summary>
    public long FramesOvertaken => _order.Overtaken;

    /// <summary>What carries it.</summary>
    public QuicConnection Connection => _connection;

    /// <summary>Whether this side has said that nothing more comes.</summary>
    internal bool HasEnded => Volatile.Read(ref _isEnded) != 0;

    /// <summary>The host's side.</summary>
    /// <param name="connection">Borrowed.</param>
    /// <param name="ordered">Whose head was read; borrowed.</param>
    /// <param name="reader">Of the stream.</param>
    /// <param name="time">The clock.</param>
    internal static QuicPacketConnection Accept(QuicConnection connection, QuicStream ordered, CallFrameReader reader, TimeProvider time) =>
        new(connection, ordered, reader, isViewer: false, connection.RemoteEndPoint.ToString(), time, owned: null);

    /// <summary>The viewer's side.</summary>
    /// <param name="connection">Owned.</param>
    /// <param name="ordered">Whose first frame is a message; owned.</param>
    /// <param name="reader">Of the stream.</param>
    /// <param name="peer">The other side, for people.</param>
    /// <param name="time">The clock.</param>
    /// <param name="owned">Disposed at the end.</param>
    internal static QuicPacketConnection Open(QuicConnection connection, QuicStream ordered, CallFrameReader reader, string peer, TimeProvider time, IAsyncDisposable owned) =>
        new(connection, ordered, reader, isViewer: true, peer, time, owned);

    /// <inheritdoc/>
    public ValueTask<PacketSendStatus> SendAsync(ReadOnlyMemory<byte> packet)
    {
        if (PacketHeader.TryRead(packet.Span, out PacketHeader header) != WireStatus.Ok)
        {
            throw new ArgumentException("That is no packet.", nameof(packet));
        }

        switch (header.Type)
        {
            case PacketType.CursorPosition when TryOwePosition(packet.Span):
            case PacketType.ClockReply or PacketType.ClockRequest:
                return TrySendDatagram(packet.Span) ? new(PacketSendStatus.Sent) : SendOrderedAsync(packet);
            case PacketType.Video when !_isViewer:
                return SendUnitAsync(packet);
            case PacketType.Topology:
                DropOtherGenerations(packet.Span[PacketHeader.SizeBytes..]);
                break;
            case PacketType.Regions:
                DropOtherRegions(packet.Span[PacketHeader.SizeBytes..]);
                break;
            default:
                break;
        }

        return SendOrderedAsync(packet);
    }

    /// <inheritdoc/>
    public ValueTask<PacketReceived> ReceiveAsync(Memory<byte> buffer) => _order.TakeAsync(buffer);

    /// <inheritdoc/>
    public async ValueTask CloseAsync(PacketCloseReason reason, TimeSpan timeout)
    {
        if (Interlocked.Exchange(ref _isEnded, 1) != 0)
        {
            return;
        }

        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(_life.Token);
        deadline.CancelAfter(timeout);
        try
        {
            await _writing.WaitAsync(deadline.Token);
            try
            {
                PooledBuffer end = new(CallFrame.BlockBytesMax + CallFrame.HeadBytesMax);
                if (!_isViewer)
                {
                    CallFrame.WriteEnd(end, FailureOf(reason), null);
                }

                await _ordered.WriteAsync(end.Written, isFinal: true, deadline.Token);
                end.Clear();
            }
            finally
            {
                _writing.Release();
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            Abort(); // it did not take even that
        }
    }

    /// <inheritdoc/>
    public void Abort()
    {
        _ordered.Reset((ulong)CallStatusCode.Cancelled);
        _ordered.StopSending((ulong)CallStatusCode.Cancelled);
        _order.End(PacketReceiveStatus.Lost);
        try
        {
            _life.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        await _positionTimer.DisposeAsync();
        await _life.CancelAsync();
        _order.Dispose();
        await Task.WhenAll(_running);
        lock (_sentUnits)
        {
            _sentUnits.Clear();
        }

        if (_isViewer)
        {
            _reader.Clear();
            await _ordered.DisposeAsync();
            await _connection.DisposeAsync();
        }

        await (_owned?.DisposeAsync() ?? default);
        _life.Dispose();
        _writing.Dispose();
    }

    private static CallException? FailureOf(PacketCloseReason reason) => reason switch
    {
        PacketCloseReason.Normal => null,
        PacketCloseReason.ProtocolError => new(CallStatusCode.InvalidArgument, "The viewer broke the protocol."),
        PacketCloseReason.NoAccess => new(CallStatusCode.PermissionDenied, "The viewer may not be here."),
        _ => new(CallStatusCode.Internal, "The host failed."),
    };

    private bool TrySendDatagram(ReadOnlySpan<byte> packet) =>
        Volatile.Read(ref _orderedSent) > 0 && packet.Length <= LivePacketOrder.DatagramBytesMax
            && _connection.SendDatagram(packet) is QuicDatagramStatus.Queued or QuicDatagramStatus.QueuedForOlder;

    /// <summary>Notes a position that may get lost on its way.</summary>
    /// <returns>False: it is the first one, which goes in order.</returns>
    private bool TryOwePosition(ReadOnlySpan<byte> packet)
    {
        if (!_hasPosition || packet.Length > _position.Length)
        {
            _hasPosition = true;
            return false;
        }

        lock (_position)
        {
            packet.CopyTo(_position);
            if (_positionBytes == 0)
            {
                _positionTimer.Change(s_positionRest, Timeout.InfiniteTimeSpan);
            }

            _positionBytes = packet.Length;
        }

        return true;
    }

    private async Task RepeatPositionAsync()
    {
        byte[] packet;
        lock (_position)
        {
            packet = _position[.._positionBytes];
            _positionBytes = 0;
        }

        if (packet.Length > 0 && !HasEnded)
        {
            await SendOrderedAsync(packet);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<PacketSendStatus> SendOrderedAsync(ReadOnlyMemory<byte> packet)
    {
        try
        {
            await _writing.WaitAsync(_life.Token);
            try
            {
                if (HasEnded)
                {
                    return PacketSendStatus.Closed;
                }

                _ordered.Priority = NextTurn();
                int head = VariableInteger.Write(_head, (ulong)CallFrameType.Message);
                head += VariableInteger.Write(_head.AsSpan(head), (ulong)packet.Length);
                Interlocked.Increment(ref _orderedSent);
                int begin = Math.Min(packet.Length, BeginBytes);
                packet.Span[..begin].CopyTo(_head.AsSpan(head));
                await _ordered.WriteAsync(_head.AsMemory(0, head + begin), false, _life.Token);
                if (begin < packet.Length)
                {
                    await _ordered.WriteAsync(packet[begin..], false, _life.Token);
                }

                return PacketSendStatus.Sent;
            }
            finally
            {
                _writing.Release();
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            return PacketSendStatus.Closed;
        }
    }

    /// <summary>Sends a video packet on a stream of its own. Waits when the viewer has as many as it takes.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<PacketSendStatus> SendUnitAsync(ReadOnlyMemory<byte> packet)
    {
        ushort region = BinaryPrimitives.ReadUInt16LittleEndian(packet.Span[VideoRegionAt..]);
        uint encoder = BinaryPrimitives.ReadUInt32LittleEndian(packet.Span[VideoStreamAt..]);
        bool isKeyFrame = (packet.Span[VideoFlagsAt] & (byte)VideoFlags.KeyFrame) != 0;
        lock (_sentUnits)
        {
            Prune();
            for (int i = _sentUnits.Count - 1; i >= 0; i--)
            {
                if (_sentUnits[i].Region == region && (isKeyFrame || _sentUnits[i].Encoder != encoder))
                {
                    GiveUp(i);
                }
            }
        }

        try
        {
            QuicStream stream = await _connection.OpenStreamAsync(isBidirectional: false, NextTurn(), _life.Token);
            try
            {
                int head = VariableInteger.Write(_unitHead, Volatile.Read(ref _orderedSent));
                int begin = Math.Min(packet.Length, BeginBytes);
                packet.Span[..begin].CopyTo(_unitHead.AsSpan(head));
                await stream.WriteAsync(_unitHead.AsMemory(0, head + begin), begin == packet.Length, _life.Token);
                if (begin < packet.Length)
                {
                    await stream.WriteAsync(packet[begin..], true, _life.Token);
                }

                lock (_sentUnits)
                {
                    _sentUnits.Add(new(stream, region, encoder, head + packet.Length));
                }
            }
            finally
            {
                await stream.DisposeAsync(); // what was written to the end is still delivered
            }

            return PacketSendStatus.Sent;
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            return PacketSendStatus.Closed;
        }
    }

    // Streams are sent in the order of what they hold, as one stream would be: each access unit needs the one before it, and a frame its
    // tiles. A key frame needs nothing; what it makes stale is reset, so that it goes first.
    private int NextTurn() => Interlocked.Increment(ref _turn);

    private void DropOtherGenerations(ReadOnlySpan<byte> topology)
    {
        uint generation = topology.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(topology) : 0;
        lock (_sentUnits)
        {
            Prune();
            for (int i = _sentUnits.Count - 1; i >= 0 && generation != _generation; i--)
            {
                GiveUp(i);
            }
        }

        _generation = generation;
    }

    private void DropOtherRegions(ReadOnlySpan<byte> regions)
    {
        lock (_sentUnits)
        {
            Prune();
            for (int i = _sentUnits.Count - 1; i >= 0; i--)
            {
                if (!IsListed(regions, _sentUnits[i].Region))
                {
                    GiveUp(i);
                }
            }
        }
    }

    private static bool IsListed(ReadOnlySpan<byte> regions, ushort region)
    {
        if (FramePrefix.TryRead(regions, out FramePrefix prefix) != WireStatus.Ok)
        {
            return true;
        }

        const int recordBytes = 12, coverBytesAt = 10;
        regions = regions[FramePrefix.SizeBytes..];
        for (uint i = 0; i < prefix.Count && regions.Length >= recordBytes; i++)
        {
            if (BinaryPrimitives.ReadUInt16LittleEndian(regions) == region)
            {
                return true;
            }

            regions = regions[Math.Min(recordBytes + BinaryPrimitives.ReadUInt16LittleEndian(regions[coverBytesAt..]), regions.Length)..];
        }

        return false;
    }

    // Under the lock.
    private void Prune() => _sentUnits.RemoveAll(static unit => unit.Stream.UnacknowledgedBytes == 0);

    // Under the lock.
    private void GiveUp(int index)
    {
        // A stream of which nothing went out yet cannot be reset without losing its place among those that the viewer grants: it is
        // delivered, and dropped there.
        SentUnit unit = _sentUnits[index];
        if (unit.Stream.UnacknowledgedBytes is var left && (left == 0 || left == unit.Bytes))
        {
            return;
        }

        unit.Stream.Reset(StaleCode);
        _sentUnits.RemoveAt(index);
        Interlocked.Increment(ref _unitsReset);
    }

    private async Task ReadOrderedAsync()
    {
        PacketReceiveStatus end;
        try
        {
            while (true)
            {
                CallFrameRead frame = await _reader.PeekAsync(_ordered, _life.Token);
                if (frame.Type != CallFrameType.Message)
                {
                    end = frame.Type is null || (frame.Type == CallFrameType.End && _isViewer) ? PacketReceiveStatus.Closed : PacketReceiveStatus.Malformed;
                    break;
                }

                await _order.OfferAsync(frame.Payload);
                _reader.Take();
                _reader.Hold?.GiveBack();
            }
        }
        catch (CallException exception)
        {
            end = exception.Code == CallStatusCode.ResourceExhausted ? PacketReceiveStatus.TooLarge : PacketReceiveStatus.Malformed;
        }
        catch (QuicClosedException exception)
        {
            end = exception.Reason is QuicApplicationClose { ByPeer: true, Code: 0 } ? PacketReceiveStatus.Closed : PacketReceiveStatus.Lost;
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            end = PacketReceiveStatus.Lost;
        }

        _order.End(end);
    }

    private async Task ReadDatagramsAsync()
    {
        byte[] datagram = new byte[LivePacketOrder.DatagramBytesMax + 1]; // a longer one is cut off, and too long all the same
        try
        {
            await _order.Greeted.Task.WaitAsync(_life.Token);
            while (true)
            {
                int bytes = await _connection.ReceiveDatagramAsync(datagram, _life.Token);
                _order.OfferDatagram(datagram.AsSpan(0, bytes));
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            // The ordered stream tells.
        }
    }

    private async Task ReadUnitsAsync()
    {
        List<Task> reading = [];
        try
        {
            while (true)
            {
                QuicStream stream = await _connection.AcceptStreamAsync(_life.Token);
                reading.RemoveAll(static task => task.IsCompleted);
                reading.Add(ReadUnitAsync(stream, _order.Open(stream.Id, stream)));
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            // The ordered stream tells.
        }

        await Task.WhenAll(reading);
    }

    private async Task ReadUnitAsync(QuicStream stream, LiveUnit unit)
    {
        PooledBuffer bytes = new(UnitBytesMax + 1);
        bool isComplete = false;
        try
        {
            while (bytes.Count <= UnitBytesMax)
            {
                int read = await stream.ReadAsync(bytes.GetMemory(Math.Min(ReadBytes, UnitBytesMax + 1 - bytes.Count)), _life.Token);
                if (read == 0)
                {
                    break;
                }

                bytes.Advance(read);
            }

            isComplete = bytes.Count <= UnitBytesMax && _order.TryComplete(unit, bytes);
            if (!isComplete)
            {
                _order.End(PacketReceiveStatus.Malformed);
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            // It was given up, or all is over.
        }
        finally
        {
            if (!isComplete)
            {
                bytes.Clear();
                _order.Lose(unit);
            }
        }
    }

    private static bool IsPeerGone(Exception exception) => exception is QuicException or OperationCanceledException or ObjectDisposedException;

    /// <summary>A video packet that was handed over.</summary>
    private readonly record struct SentUnit(QuicStream Stream, ushort Region, uint Encoder, int Bytes);
}
