using System.Collections.Concurrent;
using Vitrine.Codecs.Regions;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Server.Metrics;
using Vitrine.Transports;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Sharing;

/// <summary>One viewer: what it was sent last, what part it looks at, and how much may be on its way to it.</summary>
/// <remarks>Nothing queues here. What can be owed at one time, and what happens to more of it: one goodbye (the first counts),
/// one topology, one cursor shape, one cursor position, one statistics message (the newest counts), <see cref="ClockRepliesMax"/>
/// clock replies (the oldest is dropped), <see cref="KeyFramesAskedMax"/> key frames asked for (more of them are dropped), and one
/// frame: the newest content of every tile that changed since the last frame sent, and the access units that continue its chains.
/// They go out in that order, between the packets of a frame too. Two logical threads: the sender, woken by the signal, and the
/// receiver.</remarks>
internal sealed class ViewerSession : IDisposable
{
    /// <summary>Largest packet of a frame: at 10 Mbit/s an urgent small message waits 0.2 s for one.</summary>
    private const int PacketBytesMax = TileSnapshot.PacketBytesMax;

    // Of the room that the connection has: frames are not even in size, and something else wants to be sent.
    private const double RoomShare = 0.7;

    private const int ClockRepliesMax = 16;
    private const int KeyFramesAskedMax = 16;
    private const long FirstPauseNsMin = 5_000_000_000, FirstPauseNsMax = 300_000_000_000;
    private const int DiscardedMessagesMax = 64;
    private const long StalledNs = 60_000_000_000;
    private const long HelloWaitNs = 10_000_000_000;
    private static readonly TimeSpan s_closeTimeout = TimeSpan.FromSeconds(1.5);

    private readonly ShareSession _share;
    private readonly IPacketConnection _connection;
    private readonly ViewerGrants _grants;
    private readonly TimeProvider _time;
    private readonly AsyncSignal _signal = new();
    private readonly FlowWindow _window = new();
    private readonly LinkMeter _link;
    private readonly TileSnapshot _snapshot = new();
    private readonly VideoChains _chains = new();
    // The largest cursor is a little larger than the largest packet of tiles. Grows once for a larger access unit.
    private byte[] _buffer = new byte[CursorState.PacketBytesMax];

    // Owed to the viewer.
    private readonly Lock _owedLock = new();
    private readonly (long SentNs, long ReceivedNs)[] _clockRequests = new (long, long)[ClockRepliesMax];
    private int _clockFirst;
    private int _clockCount;
    private Goodbye? _goodbye;
    private StatisticsMessage? _statistics;
    private volatile ushort _selected = TopologyMessage.WholePicture;
    private volatile bool _refreshAsked;
    private volatile bool _decodesVideo;
    private long _loweredNs;
    private long _raisedNs;
    private long _pauseNs = FirstPauseNsMin;
    private readonly ConcurrentQueue<ushort> _keyFramesAsked = new();
    private volatile bool _receiveEnded;

    // The sender's own.
    private bool _helloSent;
    private bool _goodbyeSent;
    private int _stateVersion;
    private ushort _sentSelected = TopologyMessage.WholePicture;
    private DeviceRectangle _interest;
    private TileStore? _store;
    private uint _lastSequence;
    private bool _isSnapshotHeld;
    private bool _takesVideo;
    private bool _mayHaveRegions;
    private int _cursorShapeVersion;
    private int _cursorPositionVersion;

    // Counted by the sender, read by anybody.
    private long _bytesSent;
    private long _framesSent;
    private long _framesMerged;
    private long _framesSentAtTick;
    private bool _wasFlowing;
    private volatile bool _isSendPending;
    private long _progressNs;
    private readonly long _joinedNs;
    private volatile bool _isGreeted;
    private int _isClosing;
    private readonly Lock _endLock = new(); // the connection is not the session's any more after its end
    private bool _hasEnded;
    private ITimer? _abortTimer;
    private string _endReason = "left";
    private readonly LatencyTally? _latency; // of the time since the last statistics, where they are kept
    private (long Frames, long Bytes, long Merged) _told;

    public ViewerSession(ShareSession share, long id, IPacketConnection connection, ViewerGrants grants, TimeProvider time)
    {
        (_share, Id, _connection, _grants, _time) = (share, id, connection, grants, time);
        _link = new(share.VideoBitsPerSecond.Floor, share.VideoBitsPerSecond.Ceiling);
        _joinedNs = _progressNs = time.GetMonotonicNanoseconds();
        _latency = share.Events.AreKept ? new() : null;
    }

    /// <summary>Number within the session, from 1.</summary>
    public long Id { get; }

    /// <summary>What it calls itself; empty before it has greeted.</summary>
    public string Name { get; private set; } = "";

    /// <summary>Address and port.</summary>
    public string Peer => _connection.Peer;

    /// <summary>What carries it.</summary>
    public string Transport => _connection.Transport;

    /// <summary>What it may do.</summary>
    public ViewerGrants Grants => _grants;

    /// <summary>When it came, monotonic.</summary>
    public long JoinedNs => _joinedNs;

    /// <summary>Frames handed to the connection.</summary>
    public long FramesSent => Interlocked.Read(ref _framesSent);

    /// <summary>Frames that it did not get one by one.</summary>
    public long FramesMerged => Interlocked.Read(ref _framesMerged);

    /// <summary>Bytes of packets handed to the connection.</summary>
    public long BytesSent => Interlocked.Read(ref _bytesSent);

    /// <summary>Most bits a second of video that its link carries without a queue, and its connection has room for.</summary>
    public long VideoBitsPerSecond => _connection.RoomBitsPerSecond is { } room
        ? Math.Clamp((long)(RoomShare * room), _share.VideoBitsPerSecond.Floor, _link.TargetBitsPerSecond)
        : _link.TargetBitsPerSecond;

    /// <summary>Which quality of video it gets: 0, or 1 when it cannot carry the first.</summary>
    public int VideoQuality => _chains.Quality;

    /// <summary>Moves it between the qualities. The session's thread calls it.</summary>
    /// <param name="isLow">It does not carry the first.</param>
    /// <param name="isBack">It seems to carry the first again: tried after a pause, which is twice as long every time that it was too early.</param>
    /// <param name="nowNs">Monotonic.</param>
    /// <returns>Whether it was moved.</returns>
    public bool DecideQuality(bool isLow, bool isBack, long nowNs)
    {
        int before = _chains.Quality;
        if (isLow)
        {
            if (before == 0)
            {
                bool wasEarly = _loweredNs != 0 && nowNs - _raisedNs < FirstPauseNsMax;
                _pauseNs = wasEarly ? Math.Min(_pauseNs * 2, FirstPauseNsMax) : FirstPauseNsMin;
                _chains.Quality = 1;
            }

            _loweredNs = nowNs;
        }
        else if (isBack && before == 1 && nowNs - _loweredNs >= _pauseNs)
        {
            (_chains.Quality, _raisedNs) = (0, nowNs);
        }

        return _chains.Quality != before;
    }

    /// <summary>How long it keeps the second quality at least.</summary>
    public long QualityPauseNs => _pauseNs;

    /// <summary>Why it ended, after <see cref="RunAsync"/>.</summary>
    public string EndReason => _endReason;

    /// <summary>Whether it has said what it decodes.</summary>
    public bool IsGreeted => _isGreeted;

    /// <summary>Whether it is sent video: it has greeted, and said that it decodes it.</summary>
    public bool DecodesVideo => _decodesVideo;

    /// <summary>Serves the viewer until it leaves or is closed.</summary>
    public async Task RunAsync()
    {
        Task sending = RunSendAsync();
        try
        {
            await RunReceiveAsync();
        }
        finally
        {
            if (Volatile.Read(ref _isClosing) == 0)
            {
                _receiveEnded = true;
                _signal.Set(inline: false);
            }

            // The peer closed: what it does not take any more must not hold the sender up. With a goodbye to bring out the
            // sender ends by itself, or by the abort timer.
            try
            {
                await sending.WaitAsync(s_closeTimeout, _time);
            }
            catch (TimeoutException)
            {
                _connection.Abort();
                await sending;
            }

            if (!_goodbyeSent)
            {
                await _connection.CloseAsync(PacketCloseReason.Normal, s_closeTimeout); // answers the peer's closing
            }

            ShareMeter.ViewersClosed.Add(1, ShareMeter.Reason(_endReason));
        }
    }

    /// <summary>After <see cref="RunAsync"/> has ended.</summary>
    public void Dispose()
    {
        lock (_endLock)
        {
            _hasEnded = true;
            _abortTimer?.Dispose();
        }

        _snapshot.Dispose();
    }

    /// <summary>There is something new to look at.</summary>
    public void Signal(bool inline) => _signal.Set(inline);

    /// <summary>Says goodbye and closes; a viewer that does not take it within 1.5 s is cut off. The first call counts.</summary>
    public void Close(GoodbyeReason reason, string text)
    {
        if (Interlocked.Exchange(ref _isClosing, 1) != 0)
        {
            return;
        }

        _endReason = reason switch
        {
            GoodbyeReason.Closing => "host stopped",
            GoodbyeReason.ProtocolError => "protocol error",
            GoodbyeReason.VersionMismatch => "version mismatch",
            GoodbyeReason.SourceClosed => "source closed",
            GoodbyeReason.Stalled => "stalled",
            _ => "internal error",
        };
        lock (_endLock)
        {
            if (_hasEnded)
            {
                return;
            }

            _abortTimer = _time.CreateTimer(static viewer => ((ViewerSession)viewer!).AbortLate(), this, s_closeTimeout, Timeout.InfiniteTimeSpan);
        }

        lock (_owedLock)
        {
            _goodbye = new(reason, text);
        }

        _signal.Set(inline: false);
    }

    // A timer that was stopped may still run, and a viewer may leave while it is told to.
    private void AbortLate()
    {
        lock (_endLock)
        {
            if (!_hasEnded)
            {
                _connection.Abort();
            }
        }
    }

    /// <summary>Its figures since the last time. One caller.</summary>
    public ViewerStatistics TakeStatistics()
    {
        (long Frames, long Bytes, long Merged) now = (FramesSent, BytesSent, FramesMerged), before = _told;
        _told = now;
        return new()
        {
            ViewerId = (ulong)Id,
            FramesSent = (ulong)(now.Frames - before.Frames),
            BytesSent = (ulong)(now.Bytes - before.Bytes),
            FramesMerged = (ulong)(now.Merged - before.Merged),
            Latency = _latency?.Take(),
        };
    }

    /// <summary>Once a second: statistics while frames flow, and a look whether the viewer lives.</summary>
    public void Tick(long nowNs, double elapsedSeconds, int viewers, uint hostCpuMilli)
    {
        if (nowNs - Interlocked.Read(ref _progressNs) > StalledNs)
        {
            Close(GoodbyeReason.Stalled, "Nothing was read or acknowledged for 60 s.");
            return;
        }

        if (!_isGreeted && nowNs - _joinedNs > HelloWaitNs)
        {
            Close(GoodbyeReason.ProtocolError, "No ViewerHello came.");
            return;
        }

        long framesSent = Interlocked.Read(ref _framesSent), frames = framesSent - _framesSentAtTick;
        _framesSentAtTick = framesSent;
        bool isFlowing = frames > 0;
        if (!isFlowing && !_wasFlowing)
        {
            return;
        }

        _wasFlowing = isFlowing; // one more after the last frame, so that the viewer sees 0
        lock (_owedLock)
        {
            _statistics = new(
                (uint)viewers,
                (uint)(frames * 1000 / Math.Max(elapsedSeconds, 0.001)),
                (ulong)Interlocked.Read(ref _bytesSent),
                (ulong)Interlocked.Read(ref _framesMerged),
                hostCpuMilli);
        }

        _signal.Set(inline: false);
    }

    private async Task RunSendAsync()
    {
        try
        {
            while (!_receiveEnded)
            {
                long begun = FramePathMemory.Begin();
                int bytes = WriteNext(_time.GetMonotonicNanoseconds());
                FramePathMemory.End(begun);
                if (bytes == 0)
                {
                    await _signal.WaitAsync();
                    continue;
                }

                Interlocked.Add(ref _bytesSent, bytes);
                ShareMeter.BytesSent.Add(bytes);
                begun = FramePathMemory.Begin();
                ValueTask<PacketSendStatus> sending = _connection.SendAsync(_buffer.AsMemory(0, bytes));
                FramePathMemory.EndApart(begun);
                PacketSendStatus status;
                if (sending.IsCompleted)
                {
                    status = sending.Result;
                }
                else
                {
                    _isSendPending = true;
                    status = await sending;
                    _isSendPending = false;
                    NoteProgress(); // it reads
                }

                if (status == PacketSendStatus.Closed)
                {
                    _connection.Abort(); // the receiver notices
                    return;
                }

                if (_goodbyeSent)
                {
                    await _connection.CloseAsync(CloseReasonOf(_goodbye!.Value.Reason), s_closeTimeout);
                    return;
                }
            }
        }
        catch
        {
            _connection.Abort(); // a bug of ours: the receiver ends, RunAsync rethrows
            throw;
        }
        finally
        {
            ReleaseSnapshot();
        }
    }

    /// <summary>Writes the most urgent packet that is owed into the buffer. 0: nothing is, now.</summary>
    private int WriteNext(long nowNs)
    {
        if (!_helloSent)
        {
            _helloSent = true;
            return Packet.Write(_buffer, new HelloMessage(_share.SessionId, _grants, _share.Name), nowNs);
        }

        if (TryTakeGoodbye(out Goodbye goodbye))
        {
            _goodbyeSent = true;
            return Packet.Write(_buffer, goodbye, nowNs);
        }

        ShareState? state = _share.State;
        if (state is null)
        {
            return WriteClockReply(nowNs);
        }

        if (state.Version != _stateVersion || _selected != _sentSelected)
        {
            return WriteTopology(state, nowNs);
        }

        int bytes = WriteClockReply(nowNs);
        if (bytes > 0)
        {
            return bytes;
        }

        CursorState cursor = _share.Cursor;
        if (cursor.ShapeVersion != _cursorShapeVersion)
        {
            return cursor.WriteShape(_buffer, nowNs, out _cursorShapeVersion);
        }

        if (cursor.PositionVersion != _cursorPositionVersion)
        {
            return cursor.WritePosition(_buffer, nowNs, out _cursorPositionVersion);
        }

        if (TryTakeStatistics(out StatisticsMessage statistics))
        {
            return Packet.Write(_buffer, statistics, nowNs);
        }

        return WriteFramePacket(nowNs);
    }

    private int WriteTopology(ShareState state, long nowNs)
    {
        _stateVersion = state.Version;
        _sentSelected = _selected;
        DeviceRectangle interest = state.Interest(_sentSelected);
        if (state.Store != _store)
        {
            // A frame of the old picture ends here: the viewer skips other generations.
            ReleaseSnapshot();
            _window.Clear();
            _chains.Reset();
            (_store, _lastSequence) = (state.Store, 0);
        }
        else if (interest != _interest)
        {
            ReleaseSnapshot();
            _lastSequence = 0; // what it now looks at it may never have been sent
        }

        _interest = interest;
        return Packet.Write(_buffer, state.ToMessage(_sentSelected), nowNs);
    }

    private int WriteFramePacket(long nowNs)
    {
        if (_refreshAsked)
        {
            _refreshAsked = false;
            ReleaseSnapshot();
            _chains.Reset();
            _lastSequence = 0;
        }

        while (_keyFramesAsked.TryDequeue(out ushort region))
        {
            _chains.Break(region);
        }

        if (!_isSnapshotHeld && !TryTakeSnapshot())
        {
            return 0;
        }

        if (_snapshot.NextPacketBytesMax > _buffer.Length)
        {
            _buffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];
        }

        if (!_snapshot.TryWriteNextPacket(_buffer, nowNs, out int bytes))
        {
            ReleaseSnapshot();
            return 0;
        }

        _ = PacketHeader.TryRead(_buffer, out PacketHeader header);
        _ = FramePrefix.TryRead(_buffer.AsSpan(PacketHeader.SizeBytes, bytes - PacketHeader.SizeBytes), out FramePrefix prefix);
        if (_window.InFlight == 0)
        {
            NoteProgress(); // from now on something is owed to us
        }

        _window.Sending(new(header.Sequence, header.OriginNs, header.OriginNs + prefix.CapturedAfterNs, header.OriginNs + prefix.EncodedAfterNs, nowNs, bytes));
        if (!header.Flags.HasFlag(PacketFlags.More))
        {
            ReleaseSnapshot(); // the bytes are in our buffer: a viewer that stalls now holds no tiles
            _mayHaveRegions = _takesVideo; // one that gave video up was told that there are none
            Interlocked.Increment(ref _framesSent);
            ShareMeter.FramesSent.Add(1);
        }

        return bytes;
    }

    private bool TryTakeSnapshot()
    {
        if (_store is null || !_window.IsOpen || !_isGreeted)
        {
            return false;
        }

        if (_takesVideo != _decodesVideo)
        {
            // From the first frame on, or when it says so: what was covered for it is not any more, or is again.
            _takesVideo = _decodesVideo;
            _chains.Reset();
            _lastSequence = 0;
        }

        switch (_store.TakeSnapshot(_snapshot, _lastSequence, _interest, _takesVideo ? _chains : null, endsVideo: _mayHaveRegions))
        {
            case SnapshotStatus.Ready:
                _isSnapshotHeld = true;
                _mayHaveRegions |= _takesVideo;
                uint merged = _lastSequence == 0 ? 0 : _snapshot.Sequence - _lastSequence - 1;
                if (merged is > 0 and < int.MaxValue)
                {
                    Interlocked.Add(ref _framesMerged, merged);
                    ShareMeter.FramesMerged.Add(merged);
                }

                _lastSequence = _snapshot.Sequence;
                return true;
            case SnapshotStatus.NothingNew:
                _lastSequence = _snapshot.Sequence;
                return false;
            default: // NeedsCoding: the session's thread was woken, and signals when it is done
                return false;
        }
    }

    private int WriteClockReply(long nowNs)
    {
        long sentNs, receivedNs;
        lock (_owedLock)
        {
            if (_clockCount == 0)
            {
                return 0;
            }

            (sentNs, receivedNs) = _clockRequests[_clockFirst];
            _clockFirst = (_clockFirst + 1) % ClockRepliesMax;
            _clockCount--;
        }

        return Packet.Write(_buffer, new ClockReply(sentNs, receivedNs, nowNs), nowNs);
    }

    private bool TryTakeGoodbye(out Goodbye goodbye)
    {
        lock (_owedLock)
        {
            goodbye = _goodbye.GetValueOrDefault();
            return _goodbye.HasValue;
        }
    }

    private bool TryTakeStatistics(out StatisticsMessage statistics)
    {
        lock (_owedLock)
        {
            statistics = _statistics.GetValueOrDefault();
            bool isOwed = _statistics.HasValue;
            _statistics = null;
            return isOwed;
        }
    }

    private void ReleaseSnapshot()
    {
        if (_isSnapshotHeld)
        {
            _isSnapshotHeld = false;
            _snapshot.Release();
        }
    }

    private async Task RunReceiveAsync()
    {
        byte[] buffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToHost];
        MessageBudget budget = new(_time.GetMonotonicNanoseconds());
        int discarded = 0;
        while (true)
        {
            PacketReceived received = await _connection.ReceiveAsync(buffer);
            switch (received.Status)
            {
                case PacketReceiveStatus.Closed:
                    return;
                case PacketReceiveStatus.Lost:
                    _endReason = Volatile.Read(ref _isClosing) == 0 ? "lost" : _endReason;
                    _connection.Abort(); // nobody is left to take what the sender may be waiting to hand over
                    return;
                case PacketReceiveStatus.TooLarge:
                    Close(GoodbyeReason.ProtocolError, $"A packet to the host has at most {PacketHeader.PayloadBytesMaxToHost} bytes of payload.");
                    break;
                case PacketReceiveStatus.Malformed:
                    Close(GoodbyeReason.ProtocolError, "That was not a packet.");
                    break;
                default:
                    break;
            }

            if (Volatile.Read(ref _isClosing) != 0)
            {
                // A little is still read, so that our goodbye is not lost to a reset connection; the abort timer ends it.
                if (++discarded > DiscardedMessagesMax || received.Status is PacketReceiveStatus.Malformed)
                {
                    return;
                }

                continue;
            }

            long nowNs = _time.GetMonotonicNanoseconds();
            if (!budget.TryTake(nowNs))
            {
                Close(GoodbyeReason.ProtocolError, $"More than {MessageBudget.PerSecond} messages a second.");
                continue;
            }

            if (_window.InFlight == 0 && !_isSendPending)
            {
                NoteProgress();
            }

            long begun = FramePathMemory.Begin();
            Handle(buffer.AsSpan(0, received.Bytes), nowNs);
            FramePathMemory.End(begun);
        }
    }

    private void Handle(ReadOnlySpan<byte> packet, long nowNs)
    {
        WireStatus status = PacketHeader.TryRead(packet, out PacketHeader header, PacketHeader.PayloadBytesMaxToHost);
        if (status == WireStatus.VersionMismatch)
        {
            Close(GoodbyeReason.VersionMismatch, $"This host speaks version {PacketHeader.Version}.");
            return;
        }

        ReadOnlySpan<byte> payload = status == WireStatus.Ok ? packet[PacketHeader.SizeBytes..] : default;
        if (status != WireStatus.Ok || payload.Length != header.PayloadBytes || !TryHandle(header, payload, nowNs))
        {
            Close(GoodbyeReason.ProtocolError, "That was not a packet of this protocol.");
        }
    }

    private bool TryHandle(in PacketHeader header, ReadOnlySpan<byte> payload, long nowNs)
    {
        if (!_isGreeted)
        {
            if (header.Type == PacketType.ViewerHello && ViewerHello.TryRead(payload, out ViewerHello hello) == WireStatus.Ok)
            {
                _decodesVideo = hello.Capabilities.HasFlag(ViewerCapabilities.H264);
                Name = hello.Name;
                _isGreeted = true;
                _share.Greet(this);
                _signal.Set(inline: true);
            }

            return _isGreeted || (header.Type == PacketType.Goodbye && Goodbye.TryRead(payload, out _) == WireStatus.Ok);
        }

        switch (header.Type)
        {
            case PacketType.Presented:
                if (Presented.TryRead(payload, out Presented presented) != WireStatus.Ok)
                {
                    return false;
                }

                if (_window.TryAcknowledge(header.Sequence, nowNs, out FrameInFlight frame))
                {
                    NoteProgress();
                    Record(frame, presented);
                    _link.Add(frame, _window.DeliveredBytes, presented.ReceivedNs, nowNs);
                    _signal.Set(inline: true);
                }

                return true;
            case PacketType.ClockRequest:
                if (ClockRequest.TryRead(payload, out ClockRequest request) != WireStatus.Ok)
                {
                    return false;
                }

                OweClockReply(request.RequestSentNs, nowNs);
                _signal.Set(inline: true);
                return true;
            case PacketType.Select:
                if (Select.TryRead(payload, out Select select) != WireStatus.Ok)
                {
                    return false;
                }

                _selected = select.Monitor;
                _signal.Set(inline: true);
                return true;
            case PacketType.Refresh:
                if (Refresh.TryRead(payload, out _) != WireStatus.Ok)
                {
                    return false;
                }

                _refreshAsked = true;
                _signal.Set(inline: true);
                return true;
            case PacketType.KeyFrame:
                if (KeyFrameRequest.TryRead(payload, out KeyFrameRequest keyFrame) != WireStatus.Ok)
                {
                    return false;
                }

                if (_keyFramesAsked.Count < KeyFramesAskedMax)
                {
                    _keyFramesAsked.Enqueue(keyFrame.Region);
                }

                ShareMeter.KeyFramesAsked.Add(1);
                _signal.Set(inline: true);
                return true;
            case PacketType.Capabilities:
                if (CapabilitiesMessage.TryRead(payload, out CapabilitiesMessage capabilities) != WireStatus.Ok)
                {
                    return false;
                }

                _decodesVideo = capabilities.Capabilities.HasFlag(ViewerCapabilities.H264);
                _share.CountVideoViewers();
                _signal.Set(inline: true);
                return true;
            case PacketType.ViewerHello:
                return false; // once
            case PacketType.Goodbye:
                return Goodbye.TryRead(payload, out _) == WireStatus.Ok; // the closing of the connection follows
            default:
                return true; // that is how the protocol grows
        }
    }

    private void OweClockReply(long sentNs, long receivedNs)
    {
        lock (_owedLock)
        {
            if (_clockCount == ClockRepliesMax)
            {
                _clockFirst = (_clockFirst + 1) % ClockRepliesMax;
                _clockCount--;
                ShareMeter.ClockRequestsDropped.Add(1);
            }

            _clockRequests[(_clockFirst + _clockCount++) % ClockRepliesMax] = (sentNs, receivedNs);
        }
    }

    private void NoteProgress() => Interlocked.Exchange(ref _progressNs, _time.GetMonotonicNanoseconds());

    private void Record(in FrameInFlight frame, in Presented presented)
    {
        if (frame.OriginNs == 0)
        {
            return;
        }

        RecordStage(ShareMeter.StageCapture, frame.OriginNs, frame.CapturedNs);
        RecordStage(ShareMeter.StageEncode, frame.CapturedNs, frame.EncodedNs);
        RecordStage(ShareMeter.StageSend, frame.EncodedNs, frame.SentNs);
        RecordStage(ShareMeter.StageNetwork, frame.SentNs, presented.ReceivedNs);
        RecordStage(ShareMeter.StageDecode, presented.ReceivedNs, presented.DecodedNs);
        if (presented.PresentedNs != 0)
        {
            RecordStage(ShareMeter.StagePresent, presented.DecodedNs, presented.PresentedNs);
            RecordStage(ShareMeter.StageTotal, frame.OriginNs, presented.PresentedNs);
            _latency?.Record((presented.PresentedNs - frame.OriginNs) * 1e-6);
        }
    }

    private static void RecordStage(in KeyValuePair<string, object?> stage, long fromNs, long toNs)
    {
        // A viewer's figures are an estimate at best and invented at worst: what cannot be true is left out.
        double seconds = (toNs - (double)fromNs) * 1e-9;
        if (seconds is > -0.1 and < 60)
        {
            ShareMeter.Latency.Record(Math.Max(seconds, 0), stage);
        }
    }

    private static PacketCloseReason CloseReasonOf(GoodbyeReason reason) => reason switch
    {
        GoodbyeReason.ProtocolError or GoodbyeReason.VersionMismatch => PacketCloseReason.ProtocolError,
        GoodbyeReason.AccessDenied => PacketCloseReason.NoAccess,
        GoodbyeReason.InternalError => PacketCloseReason.InternalError,
        _ => PacketCloseReason.Normal,
    };
}
