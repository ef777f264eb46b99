using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Quic;

/// <summary>The live stream over QUIC (<c>docs/PROTOCOL.md</c>, «Live stream over QUIC»). Both sides of the wire.</summary>
/// <remarks>What must not be lost goes in order on the two-way stream that the viewer opened; each video packet on a one-way stream of its
/// own, which is reset when a key frame, the end of its region or another picture made it stale, or, where the path loses packets, as symbols in
/// datagrams; cursor positions, acknowledgements of frames, and the clock's questions and answers as datagrams. Who is at the other end sees
/// packets in an order as if there were one stream (<see cref="LivePacketOrder"/>), so that neither side's code knows of this.</remarks>
public sealed class QuicPacketConnection : IPacketConnection
{
    /// <summary>The path of the live stream: what a <see cref="QuicCallServer"/> serves there is no call.</summary>
    public const string Path = "/stream";

    /// <summary>Code of a video stream that is reset because nobody needs it any more.</summary>
    public const ulong StaleCode = 0x20;

    /// <summary>Video packets that may be under way or wait at a viewer; its host waits then.</summary>
    public const int UnitsMax = 64;

    internal const int UnitBytesMax = (2 * VariableInteger.BytesMax) + PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer;
    private const int ReadBytes = 16 * 1024;

    // A head goes out together with the beginning of its packet: all of a small one, and what fills a datagram of a large one.
    private const int BeginBytes = 1024;
    private const int VideoRegionAt = PacketHeader.SizeBytes + 16;
    private const int VideoFlagsAt = VideoRegionAt + 3;
    private const int VideoStreamAt = VideoRegionAt + 4;

    // A cursor that rests is where the last position says, and what is shown last is acknowledged: the newest goes in order as well, so
    // long after the first that did not.
    private static readonly TimeSpan s_newestRest = TimeSpan.FromMilliseconds(100);

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
    private readonly byte[] _unitHead = NewUnitHead();
    private readonly LiveSymbolSender? _symbolSender;
    private readonly LiveSymbolReceiver? _symbolReceiver;

    // Cursor positions at the host, acknowledgements of frames at the viewer: the newest says it all.
    private readonly byte[] _newest = new byte[LivePacketOrder.DatagramBytesMax];
    private readonly List<Task> _running = [];
    private readonly ITimer _newestTimer;
    private int _newestBytes; // 0: none is owed
    private bool _hasNewest;
    private ulong _orderedSent;
    private uint _generation;
    private uint _unitNumber;
    private int _turn;
    private long _unitsReset;
    private int _isEnded;
    private int _isDisposed;

    private QuicPacketConnection(QuicConnection connection, QuicStream ordered, CallFrameReader reader, bool isViewer, string peer, TimeProvider time, IAsyncDisposable? owned)
    {
        (_connection, _ordered, _reader, _isViewer, Peer, _owned) = (connection, ordered, reader, isViewer, peer, owned);
        _order = new(time);
        _newestTimer = time.CreateTimer(static state => _ = ((QuicPacketConnection)state!).RepeatNewestAsync(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _running.Add(ReadOrderedAsync());
        _running.Add(ReadDatagramsAsync());
        if (isViewer)
        {
            _symbolReceiver = new();
            connection.Intake = TryTakeSymbol;
            _running.Add(ReadUnitsAsync());
        }
        else
        {
            _symbolSender = new(connection, time);
            _running.Add(SendShortUnitsAsync());
        }
    }

    /// <inheritdoc/>
    public string Peer { get; }

    /// <inheritdoc/>
    public string Transport => "quic";

    /// <inheritdoc/>
    public TransportCapabilities Capabilities => TransportCapabilities.Streams | TransportCapabilities.Datagrams | TransportCapabilities.Migration | TransportCapabilities.Priorities;

    /// <inheritdoc/>
    public long? RoomBitsPerSecond => _symbolSender?.RoomBitsPerSecond;

    /// <summary>Video streams that this side gave up because they were stale.</summary>
    public long UnitsReset => Interlocked.Read(ref _unitsReset);

    /// <summary>Video packets that did not come, or came too late to be of use.</summary>
    public long UnitsDropped => _order.Dropped;

    /// <summary>Video packets that this side protected by repair symbols, because the path loses packets.</summary>
    public long UnitsProtected => _symbolSender?.UnitsProtected ?? 0;

    /// <summary>Of these, those that had to be sent again as a whole, because more was lost than their repair symbols stand for.</summary>
    public long UnitsShort => _symbolSender?.UnitsShort ?? 0;

    /// <summary>Video packets that came whole by their repair symbols, although a part of them was lost.</summary>
    public long UnitsRepaired => _symbolReceiver?.Repaired ?? 0;

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
            case PacketType.CursorPosition when TryOweNewest(packet.Span):
            case PacketType.Presented when TryOweNewest(packet.Span):
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

        await _newestTimer.DisposeAsync();
        await _life.CancelAsync();
        _order.Dispose();
        _connection.Intake = null;
        await Task.WhenAll(_running);
        _symbolSender?.Dispose();
        _symbolReceiver?.Dispose();
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

    /// <summary>Notes a packet that may get lost on its way, because the next one of its kind says all that it does.</summary>
    /// <returns>False: it is the first one, which goes in order.</returns>
    private bool TryOweNewest(ReadOnlySpan<byte> packet)
    {
        if (!_hasNewest || packet.Length > _newest.Length)
        {
            _hasNewest = true;
            return false;
        }

        lock (_newest)
        {
            packet.CopyTo(_newest);
            if (_newestBytes == 0)
            {
                _newestTimer.Change(s_newestRest, Timeout.InfiniteTimeSpan);
            }

            _newestBytes = packet.Length;
        }

        return true;
    }

    private async Task RepeatNewestAsync()
    {
        byte[] packet;
        lock (_newest)
        {
            packet = _newest[.._newestBytes];
            _newestBytes = 0;
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

                if (!_ordered.HasMoreToSend)
                {
                    _ordered.Priority = NextTurn(); // else what waits there, which all that follows needs, would wait for that
                }

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

        if (isKeyFrame)
        {
            _symbolSender!.GiveUp(other => other == region);
        }

        LiveUnitHead about = new(_unitNumber++, Volatile.Read(ref _orderedSent), region, encoder, NextTurn());
        if (!_symbolSender!.TrySend(packet.Span, about))
        {
            return await SendOnStreamAsync(packet, about, _unitHead);
        }

        try
        {
            await _connection.WaitForWatchedAsync(_life.Token);
            return PacketSendStatus.Sent;
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            return PacketSendStatus.Closed;
        }
    }

    /// <summary>Sends again, on streams, what may not be put together from its symbols.</summary>
    private async Task SendShortUnitsAsync()
    {
        byte[] head = NewUnitHead();
        try
        {
            while (true)
            {
                (PooledBuffer packet, LiveUnitHead about) = await _symbolSender!.WaitForShortAsync(_life.Token);
                PacketSendStatus sent = await SendOnStreamAsync(packet.Written, about, head);
                packet.Clear();
                if (sent == PacketSendStatus.Closed)
                {
                    return;
                }
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            // All is over.
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<PacketSendStatus> SendOnStreamAsync(ReadOnlyMemory<byte> packet, LiveUnitHead about, byte[] first)
    {
        try
        {
            QuicStream stream = await _connection.OpenStreamAsync(isBidirectional: false, about.Turn, _life.Token);
            try
            {
                int head = VariableInteger.Write(first, about.Number);
                head += VariableInteger.Write(first.AsSpan(head), about.After);
                int begin = Math.Min(packet.Length, BeginBytes);
                packet.Span[..begin].CopyTo(first.AsSpan(head));
                await stream.WriteAsync(first.AsMemory(0, head + begin), begin == packet.Length, _life.Token);
                if (begin < packet.Length)
                {
                    await stream.WriteAsync(packet[begin..], true, _life.Token);
                }

                lock (_sentUnits)
                {
                    _sentUnits.Add(new(stream, about.Region, about.Encoder, head + packet.Length));
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

    private static byte[] NewUnitHead() => new byte[(2 * VariableInteger.BytesMax) + BeginBytes];

    // Streams and symbols are sent in the order of what they hold, as one stream would be: each access unit needs the one before it, and a frame its
    // tiles. A key frame needs nothing; what it makes stale is reset, so that it goes first.
    private int NextTurn() => Interlocked.Increment(ref _turn);

    private void DropOtherGenerations(ReadOnlySpan<byte> topology)
    {
        uint generation = topology.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(topology) : 0;
        if (generation != _generation)
        {
            _symbolSender?.GiveUp(static _ => true);
        }

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
        if (_symbolSender?.UnitsHeld > 0)
        {
            byte[] list = regions.ToArray();
            _symbolSender.GiveUp(region => !IsListed(list, region));
        }

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
        byte[] datagram = new byte[NativeBlock.Capacity];
        try
        {
            await _order.Greeted.Task.WaitAsync(_life.Token);
            while (true)
            {
                int bytes = await _connection.ReceiveDatagramAsync(datagram, _life.Token);
                if (!TryTakeSymbol(datagram.AsSpan(0, bytes))) // it may have come before they were taken off
                {
                    _order.OfferDatagram(datagram.AsSpan(0, bytes));
                }
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            // The ordered stream tells.
        }
    }

    private bool TryTakeSymbol(ReadOnlySpan<byte> datagram)
    {
        if (_symbolReceiver is null || !_symbolReceiver.TryAdd(datagram, out uint number, out PooledBuffer? packet))
        {
            return false;
        }

        if (packet is not null && !_order.TryAdd(number, null, packet))
        {
            packet.Clear();
            _order.End(PacketReceiveStatus.Malformed);
        }

        return true;
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
                reading.Add(ReadUnitAsync(stream));
            }
        }
        catch (Exception exception) when (IsPeerGone(exception))
        {
            // The ordered stream tells.
        }

        await Task.WhenAll(reading);
    }

    private async Task ReadUnitAsync(QuicStream stream)
    {
        PooledBuffer bytes = new(UnitBytesMax + 1);
        bool isHandedOver = false;
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

            if (bytes.Count <= UnitBytesMax && VariableInteger.TryRead(bytes.Written.Span, out ulong number, out int at) && number <= uint.MaxValue)
            {
                _symbolReceiver!.Forget((uint)number);
                isHandedOver = _order.TryAdd((long)number, stream, bytes, at);
            }

            if (!isHandedOver)
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
            if (!isHandedOver)
            {
                bytes.Clear();
                _order.NoteLost();
                await stream.DisposeAsync();
            }
        }
    }

    private static bool IsPeerGone(Exception exception) => exception is QuicException or OperationCanceledException or ObjectDisposedException;

    /// <summary>A video packet that was handed over.</summary>
    private readonly record struct SentUnit(QuicStream Stream, ushort Region, uint Encoder, int Bytes);
}
