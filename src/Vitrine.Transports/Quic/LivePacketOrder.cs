using System.Buffers.Binary;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Quic;

/// <summary>A video packet that came outside the ordered stream.</summary>
/// <param name="Index">Its place among all of the connection, as they were sent.</param>
/// <param name="Stream">Its stream, disposed when the unit is handed on or dropped: the host may open another one only then, so that no more
/// than it was granted are under way or wait. Null: it came as symbols.</param>
/// <param name="Buffer">Holds the packet.</param>
/// <param name="PacketAt">Where the packet begins in the buffer.</param>
/// <param name="After">How many ordered packets were sent before it.</param>
/// <param name="CompletedAt">When it was there; a time stamp.</param>
internal sealed record LiveUnit(long Index, QuicStream? Stream, PooledBuffer Buffer, int PacketAt, ulong After, long CompletedAt)
{
    /// <summary>It is; borrowed from <see cref="Buffer"/>.</summary>
    public ReadOnlySpan<byte> Packet => Buffer.Written.Span[PacketAt..];
}

/// <summary>Puts packets that came on several ways into an order that a viewer can take (<c>docs/PROTOCOL.md</c>, «Live stream over QUIC»).</summary>
/// <remarks>Thread-safe; one consumer. The rules:
/// <list type="number">
/// <item>Packets of the ordered stream are handed on in their order, none is left out: outside video the picture is what it is over any
/// transport.</item>
/// <item>A video packet is handed on after the ordered packets that were sent before it, and after the one before it in its chain, for
/// which it waits no longer than <see cref="ChainMilliseconds"/>; a key frame waits for none. What is older than the newest handed on of its
/// region is dropped.</item>
/// <item>A frame that waits for its video holds the next frame up for <see cref="LateMilliseconds"/>; then it becomes part of the next
/// one, and the video is shown when it comes: it never ends a frame whose tiles are not all there.</item>
/// <item>Datagrams overtake everything, but the first packet. A cursor position that is older than the newest is dropped.</item>
/// </list></remarks>
internal sealed class LivePacketOrder : IDisposable
{
    /// <summary>How long tiles wait for the video of the frame before them. A person does not see a frame and a half of 60; to repair
    /// a lost packet takes longer on all but local networks.</summary>
    public const int LateMilliseconds = 25;

    /// <summary>How long a unit waits for the one before it. A host resets units only for a key frame, so that this is a network that
    /// loses the same packet again and again: the decoder then asks for a key frame.</summary>
    public const int ChainMilliseconds = 1000;

    /// <summary>Units without a stream that wait; more are dropped. Streams are bounded by what the host was granted, symbols only by the frames that
    /// a host has under way: 32, of some regions each.</summary>
    public const int UnitsWithoutStreamMax = 1024;

    /// <summary>Bytes of theirs, of 20 s at 12 Mbit/s.</summary>
    public const int BytesWithoutStreamMax = 32 << 20;

    /// <summary>Datagrams other than cursor positions that wait; the oldest is dropped.</summary>
    public const int DatagramsMax = 16;

    /// <summary>Longest datagram taken: the packets that travel so have up to 56 bytes.</summary>
    public const int DatagramBytesMax = 64;

    private const int RegionAt = PacketHeader.SizeBytes + 16;
    private const int FlagsAt = RegionAt + 3;
    private const int StreamAt = RegionAt + 4;
    private const int NumberAt = RegionAt + 8;
    private const int VideoBytesMin = PacketHeader.SizeBytes + 40;
    private const int ChainsMax = 64;

    private readonly Lock _lock = new();
    private readonly PendingOperation<bool> _wait = new(runsInline: false);
    private readonly PendingOperation<bool> _taken = new(runsInline: false);
    private readonly ITimer _late;
    private readonly TimeProvider _time;
    private readonly List<LiveUnit> _units = [];
    private int _withoutStream; // of them
    private long _bytesWithoutStream;
    private bool _isDisposed;
    private readonly Dictionary<ushort, (uint Stream, uint Number, long Index)> _chains = [];
    private readonly byte[][] _datagrams = [.. Enumerable.Range(0, DatagramsMax).Select(_ => new byte[DatagramBytesMax])];
    private readonly int[] _datagramBytes = new int[DatagramsMax];
    private int _datagramFirst;
    private int _datagramCount;
    private readonly byte[] _position = new byte[DatagramBytesMax];
    private int _positionBytes;
    private long _positionSentNs = long.MinValue;
    private ReadOnlyMemory<byte> _ordered;
    private bool _hasOrdered;
    private long _orderedSince;
    private ulong _orderedCount;
    private PacketReceiveStatus? _end;
    private TimeSpan _wakeIn;
    private bool _isWaiting;
    private bool _isOffered;
    private uint _sequence; // of the newest frame that a packet was handed on of
    private bool _isOpen; // its last packet was not
    private bool _hasFrame;

    /// <summary>Makes an empty one.</summary>
    /// <param name="time">For how long a frame waits.</param>
    public LivePacketOrder(TimeProvider time)
    {
        _time = time;
        _late = time.CreateTimer(static order => ((LivePacketOrder)order!).Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Ends when the first packet was handed on: datagrams have no meaning before.</summary>
    public TaskCompletionSource Greeted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Units that wait.</summary>
    public int UnitCount
    {
        get
        {
            lock (_lock)
            {
                return _units.Count;
            }
        }
    }

    /// <summary>Units dropped because a newer one had been handed on, because too many waited, or because their sender gave them up.</summary>
    public long Dropped { get; private set; }

    /// <summary>Times that tiles did not wait any longer for the video before them.</summary>
    public long Overtaken { get; private set; }

    /// <summary>The next packet of the ordered stream. Ends when it was handed on. One at a time.</summary>
    /// <param name="packet">Borrowed.</param>
    public ValueTask OfferAsync(ReadOnlyMemory<byte> packet)
    {
        ValueTask taken;
        lock (_lock)
        {
            if (_end is not null)
            {
                return default;
            }

            (_ordered, _hasOrdered, _orderedSince) = (packet, true, _time.GetTimestamp());
            _isOffered = true;
            taken = _taken.BeginVoid();
        }

        Wake();
        return taken;
    }

    /// <summary>A datagram; what cannot be one is ignored.</summary>
    public void OfferDatagram(ReadOnlySpan<byte> packet)
    {
        if (packet.Length > DatagramBytesMax || PacketHeader.TryRead(packet, out PacketHeader header) != WireStatus.Ok
            || header.PayloadBytes != packet.Length - PacketHeader.SizeBytes)
        {
            return;
        }

        lock (_lock)
        {
            if (header.Type == PacketType.CursorPosition)
            {
                if (header.SentNs <= _positionSentNs)
                {
                    return;
                }

                packet.CopyTo(_position);
                (_positionBytes, _positionSentNs) = (packet.Length, header.SentNs);
            }
            else if (header.Type is PacketType.ClockReply or PacketType.ClockRequest or PacketType.Presented)
            {
                if (_datagramCount == DatagramsMax)
                {
                    _datagramFirst = (_datagramFirst + 1) % DatagramsMax;
                    _datagramCount--;
                }

                int at = (_datagramFirst + _datagramCount++) % DatagramsMax;
                packet.CopyTo(_datagrams[at]);
                _datagramBytes[at] = packet.Length;
            }
        }

        Wake();
    }

    /// <summary>A video packet is there. They come as the network brings them.</summary>
    /// <param name="index">Its place among all, as they were sent.</param>
    /// <param name="stream">Which brought it; null: none did.</param>
    /// <param name="bytes">What was received.</param>
    /// <param name="from">Where in them what is of interest here begins: the number of ordered packets before it, and the packet.</param>
    /// <returns>False: it is none. Stream and bytes are still the caller's; else they are owned from now on.</returns>
    public bool TryAdd(long index, QuicStream? stream, PooledBuffer bytes, int from = 0)
    {
        ReadOnlySpan<byte> all = bytes.Written.Span[from..];
        if (!VariableInteger.TryRead(all, out ulong after, out int at) || PacketHeader.TryRead(all[at..], out PacketHeader header) != WireStatus.Ok
            || header.Type != PacketType.Video || header.PayloadBytes != all.Length - at - PacketHeader.SizeBytes || all.Length - at < VideoBytesMin)
        {
            return false;
        }

        LiveUnit unit = new(index, stream, bytes, from + at, after, _time.GetTimestamp());
        lock (_lock)
        {
            if (_isDisposed || (stream is null && (_withoutStream == UnitsWithoutStreamMax || _bytesWithoutStream + bytes.Count > BytesWithoutStreamMax)))
            {
                Dropped++;
                Release(unit);
                return true;
            }

            int place = _units.Count;
            while (place > 0 && _units[place - 1].Index > index)
            {
                place--;
            }

            _units.Insert(place, unit);
            if (stream is null)
            {
                (_withoutStream, _bytesWithoutStream) = (_withoutStream + 1, _bytesWithoutStream + bytes.Count);
            }
        }

        Wake();
        return true;
    }

    /// <summary>A video packet will not come.</summary>
    public void NoteLost()
    {
        lock (_lock)
        {
            Dropped++;
        }
    }

    /// <summary>The ordered stream has ended. The first time counts.</summary>
    public void End(PacketReceiveStatus status)
    {
        lock (_lock)
        {
            _end ??= status;
        }

        Wake();
    }

    /// <summary>The next packet, or the end.</summary>
    /// <param name="into">Borrowed until it ends.</param>
    public async ValueTask<PacketReceived> TakeAsync(Memory<byte> into)
    {
        while (true)
        {
            ValueTask<bool> wait;
            bool isTaken;
            PacketReceived received;
            lock (_lock)
            {
                isTaken = TryTake(into.Span, out received);
                if (!isTaken)
                {
                    _isWaiting = true;
                    wait = _wait.Begin();
                }
                else
                {
                    wait = default;
                }
            }

            ReleaseOffer();
            if (isTaken)
            {
                return received;
            }

            await wait;
        }
    }

    /// <summary>The next packet, or the end, if there is one now.</summary>
    public bool TryTakeNow(Span<byte> into, out PacketReceived received)
    {
        bool isTaken;
        lock (_lock)
        {
            isTaken = TryTake(into, out received);
        }

        ReleaseOffer();
        return isTaken;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _late.Dispose();
        lock (_lock)
        {
            _end ??= PacketReceiveStatus.Lost;
            (_isDisposed, _hasOrdered) = (true, false);
            while (_units.Count > 0)
            {
                Remove(_units.Count - 1);
            }
        }

        Greeted.TrySetResult();
        ReleaseOffer();
        Wake();
    }

    // Under the lock, as what follows.
    private bool TryTake(Span<byte> into, out PacketReceived received)
    {
        _wakeIn = TimeSpan.MaxValue;
        if ((_orderedCount > 0 && TryTakeDatagram(into, out received)) || TryTakeUnit(into, out received) || TryTakeOrdered(into, out received))
        {
            return true;
        }

        if (!_hasOrdered && _end is { } end)
        {
            received = new(end, 0);
            return true;
        }

        if (_wakeIn != TimeSpan.MaxValue)
        {
            _late.Change(_wakeIn + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }

        return false;
    }

    /// <summary>Whether so much time has passed; else it is looked at again then.</summary>
    private bool HasPassed(long since, int milliseconds)
    {
        TimeSpan left = TimeSpan.FromMilliseconds(milliseconds) - _time.GetElapsedTime(since);
        if (left > TimeSpan.Zero && left < _wakeIn)
        {
            _wakeIn = left;
        }

        return left <= TimeSpan.Zero;
    }

    private bool TryTakeDatagram(Span<byte> into, out PacketReceived received)
    {
        received = default;
        if (_datagramCount > 0)
        {
            received = Copy(_datagrams[_datagramFirst].AsSpan(0, _datagramBytes[_datagramFirst]), into);
            _datagramFirst = (_datagramFirst + 1) % DatagramsMax;
            _datagramCount--;
            return true;
        }

        if (_positionBytes > 0)
        {
            received = Copy(_position.AsSpan(0, _positionBytes), into);
            _positionBytes = 0;
            return true;
        }

        return false;
    }

    private bool TryTakeUnit(Span<byte> into, out PacketReceived received)
    {
        for (int i = 0; i < _units.Count; i++)
        {
            LiveUnit unit = _units[i];
            ReadOnlySpan<byte> packet = unit.Packet;
            ushort region = BinaryPrimitives.ReadUInt16LittleEndian(packet[RegionAt..]);
            uint stream = BinaryPrimitives.ReadUInt32LittleEndian(packet[StreamAt..]), number = BinaryPrimitives.ReadUInt32LittleEndian(packet[NumberAt..]);
            bool isKeyFrame = (packet[FlagsAt] & (byte)VideoFlags.KeyFrame) != 0;
            bool hasChain = _chains.TryGetValue(region, out (uint Stream, uint Number, long Index) chain);
            if (hasChain && unit.Index <= chain.Index) // one may come both ways
            {
                Remove(i--);
                Dropped++;
                continue;
            }

            bool isNext = hasChain && chain.Stream == stream && number == chain.Number + 1;
            if (unit.After > _orderedCount || !(isKeyFrame || isNext || HasPassed(unit.CompletedAt, ChainMilliseconds)))
            {
                continue;
            }

            if (_chains.Count >= ChainsMax)
            {
                _chains.Clear(); // regions that are long gone
            }

            _chains[region] = (stream, number, unit.Index);
            received = Copy(packet, into);
            if (received.Status == PacketReceiveStatus.Packet)
            {
                FitIntoFrame(into);
            }

            Remove(i);
            return true;
        }

        received = default;
        return false;
    }

    /// <summary>A packet of a frame that has been passed belongs to the frame of now, and ends it as little as it would have.</summary>
    private void FitIntoFrame(Span<byte> packet)
    {
        _ = PacketHeader.TryRead(packet, out PacketHeader header);
        bool isLate = _hasFrame && (SerialNumber.IsAfter(_sequence, header.Sequence) || (header.Sequence == _sequence && !_isOpen));
        if (isLate)
        {
            (header with { Sequence = _sequence, Flags = _isOpen ? header.Flags | PacketFlags.More : header.Flags & ~PacketFlags.More }).Write(packet);
        }
        else
        {
            (_sequence, _isOpen, _hasFrame) = (header.Sequence, (header.Flags & PacketFlags.More) != 0, true);
        }
    }

    private bool TryTakeOrdered(Span<byte> into, out PacketReceived received)
    {
        received = default;
        if (!_hasOrdered)
        {
            return false;
        }

        ReadOnlySpan<byte> packet = _ordered.Span;
        bool isPacket = PacketHeader.TryRead(packet, out PacketHeader header) == WireStatus.Ok;
        if (isPacket && header.Type is PacketType.Tiles or PacketType.Copy or PacketType.Regions)
        {
            if (_isOpen && header.Sequence != _sequence)
            {
                if (!HasPassed(_orderedSince, LateMilliseconds))
                {
                    return false;
                }

                Overtaken++;
            }

            (_sequence, _isOpen, _hasFrame) = (header.Sequence, (header.Flags & PacketFlags.More) != 0, true);
        }
        else if (isPacket && header.Type == PacketType.Topology)
        {
            _isOpen = false; // a frame of the old picture ends here
        }

        _hasOrdered = false;
        _orderedCount++;
        Greeted.TrySetResult();
        if (isPacket && header.Type == PacketType.CursorPosition)
        {
            if (header.SentNs <= _positionSentNs)
            {
                return TryTake(into, out received);
            }

            _positionSentNs = header.SentNs;
        }

        received = Copy(packet, into);
        return true;
    }

    private void Remove(int index)
    {
        LiveUnit unit = _units[index];
        _units.RemoveAt(index);
        if (unit.Stream is null)
        {
            (_withoutStream, _bytesWithoutStream) = (_withoutStream - 1, _bytesWithoutStream - unit.Buffer.Count);
        }

        Release(unit);
    }

    private static void Release(LiveUnit unit)
    {
        unit.Buffer.Clear();
        if (unit.Stream is { } stream)
        {
            _ = stream.DisposeAsync().AsTask(); // ends at once
        }
    }

    private static PacketReceived Copy(ReadOnlySpan<byte> packet, Span<byte> into)
    {
        if (packet.Length > into.Length)
        {
            return new(PacketReceiveStatus.TooLarge, 0);
        }

        packet.CopyTo(into);
        return new(PacketReceiveStatus.Packet, packet.Length);
    }

    private void ReleaseOffer()
    {
        bool isAwaited;
        lock (_lock)
        {
            isAwaited = _isOffered && !_hasOrdered;
            _isOffered &= !isAwaited;
        }

        if (isAwaited)
        {
            _taken.SetResult(true);
        }
    }

    private void Wake()
    {
        bool isWaiting;
        lock (_lock)
        {
            isWaiting = _isWaiting;
            _isWaiting = false;
        }

        if (isWaiting)
        {
            _wait.SetResult(true);
        }
    }
}
