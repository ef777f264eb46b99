using System.Buffers;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Quic;

/// <summary>A call over one QUIC stream. Re-used: <see cref="RunAsync"/>, <see cref="TryReset"/>.</summary>
/// <remarks>A call that is over, for whatever reason of this side, fires <see cref="_over"/>: reads that wait end by it, and a write that
/// waits is cut after its stream was reset.</remarks>
#pragma warning disable CA1001 // TryReset disposes of what it owns when it is not used again
internal sealed class QuicServerCall(QuicCallServer server) : ServerCall
#pragma warning restore CA1001
{
    private static readonly byte[] s_livePath = System.Text.Encoding.ASCII.GetBytes(QuicPacketConnection.Path);

    // The longest that a timer takes; a deadline beyond it is none in practice.
    private static readonly TimeSpan s_timerMax = TimeSpan.FromMilliseconds(uint.MaxValue - 2);

    // A stream tells only whom reads or writes that its peer gave up: who waits for that is told so often.
    private static readonly TimeSpan s_probe = TimeSpan.FromMilliseconds(20);

    private readonly CallFrameReader _reader = new(server.Options.RequestBytesMax) { Hold = new() };
    private readonly PooledBuffer _out = new(server.Options.ResponseBytesMax + (3 * CallFrame.BlockBytesMax));
    private readonly CallMetadata _requestMetadata = new();
    private readonly CallMetadata _responseMetadata = new();
    private readonly CallMetadata _trailers = new();
    private readonly CancellationTokenSource _over = new();
    private readonly CancellationTokenSource _cut = new(); // ends the write that waits
    private readonly Lock _gate = new(); // who writes: the handler, or the probe
    private CancellationTokenRegistration _wake;
    private Timer? _stall; // made by the first write that waits
    private Timer? _probe; // made for who waits for the end
    private QuicPeer _quicPeer = null!;
    private QuicStream _stream = null!;
    private CallBinding? _binding;
    private CallDeadline _deadline;
    private ViewerGrants _grants;
    private string? _peer;
    private int _roomBytes; // taken for what is in _out
    private long _writeEndMilliseconds; // when a write that waits is given up; 0 while none waits
    private bool _isWriting;
    private bool _isRead; // the only request was read
    private bool _isStarted; // response metadata are out
    private bool _isWritten; // the only answer was written
    private bool _isHeadLate;
    private volatile bool _isStalled;
    private volatile bool _isAborted;
    private volatile bool _isBroken; // the peer's doing
    private volatile bool _wasReset; // ours

    public override CallMethod Method => _binding!.Method;

    public override string Peer => _peer ??= _quicPeer.Connection.RemoteEndPoint.ToString();

    public override string Transport => "quic";

    public override ViewerGrants Grants => _grants;

    public override CallDeadline Deadline => _deadline;

    public override CallMetadata RequestMetadata => _requestMetadata;

    public override CallMetadata ResponseMetadata => _responseMetadata;

    public override CallMetadata Trailers => _trailers;

    public override CancellationToken Cancelled
    {
        get
        {
            _probe ??= new Timer(static call => ((QuicServerCall)call!).Probe(), this, s_probe, s_probe);
            return _over.Token;
        }
    }

    /// <summary>Whether the caller gave it up before its end.</summary>
    public bool WasBrokenOff { get; private set; }

    private bool IsOver => _over.IsCancellationRequested || _isStalled || _isBroken;

    /// <summary>Serves a call from its head to its end, whatever comes.</summary>
    /// <param name="peer">Whose stream it is.</param>
    /// <param name="stream">Owned.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<CallStatusCode> RunAsync(QuicPeer peer, QuicStream stream)
    {
        (_quicPeer, _stream) = (peer, stream);
        _reader.Hold!.Begin(peer.Account);
        _wake = _over.Token.UnsafeRegister(static call => ((QuicServerCall)call!).Wake(), this);
        CallException? failure = null;
        try
        {
            await BeginAsync();
            if (_binding is null)
            {
                await ServeLiveAsync();
            }
            else
            {
                await _binding.Handler(this);
            }

            failure = _binding is not null && Method.GivesOneResponse && !_isWritten ? new(CallStatusCode.Internal, $"The handler of {Method.Path} gave no answer.") : null;
        }
        catch (CallException exception)
        {
            failure = exception;
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException && IsOver)
        {
            failure = Ended(exception);
        }
        catch (Exception exception)
        {
            failure = new(CallStatusCode.Unknown, "The server failed in this call."); // what it was is nobody's business but ours
            server.LogFault(_binding?.Method.Path ?? "", exception);
        }

        await FinishAsync(failure);
        return failure?.Code ?? CallStatusCode.Ok;
    }

    /// <summary>Makes it as new.</summary>
    /// <returns>False: it cannot be used again.</returns>
    public bool TryReset()
    {
        GiveRoomBack(); // of an answer that was not sent any more
        _reader.Hold!.GiveBack();
        _reader.Clear();
        _out.Clear();
        if (_probe is not null || !_over.TryReset() || !_cut.TryReset())
        {
            _probe?.Dispose();
            _stall?.Dispose();
            _over.Dispose();
            _cut.Dispose();
            return false; // rare; whoever still holds the token sees it cancelled, and the object is left to the collector
        }

        (_quicPeer, _stream, _binding, _peer, _wake) = (null!, null!, null, null, default);
        (_deadline, _grants, WasBrokenOff) = (CallDeadline.None, ViewerGrants.None, false);
        (_isRead, _isStarted, _isWritten, _isHeadLate, _isStalled, _isAborted, _isBroken, _wasReset) = (false, false, false, false, false, false, false, false);
        _requestMetadata.Clear();
        _responseMetadata.Clear();
        _trailers.Clear();
        return true;
    }

    public override ValueTask<bool> ReadAsync(IMessage into)
    {
        ArgumentNullException.ThrowIfNull(into);
        return Method.TakesOneRequest ? ReadOnlyRequestAsync(into) : ReadNextAsync(into);
    }

    public override ValueTask WriteAsync(IMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (_isWritten)
        {
            throw new InvalidOperationException($"{Method.Path} gives one answer.");
        }

        if (IsOver)
        {
            throw Ended();
        }

        _isWritten = Method.GivesOneResponse;
        if (!_isStarted)
        {
            _isStarted = true;
            if (_responseMetadata.Count > 0)
            {
                CallFrame.WriteResponse(_out, _responseMetadata);
            }
        }

        if (_quicPeer.Account is { } account)
        {
            int bytes = message.CalculateSize();
            ValueTask room = account.Answers.TakeAsync(bytes, _over.Token);
            if (!room.IsCompletedSuccessfully)
            {
                return WriteAfterAsync(room, bytes, message);
            }

            _roomBytes += bytes;
        }

        CallFrame.WriteMessage(_out, message, server.Options.ResponseBytesMax);
        return _isWritten ? default : SendAsync(isFinal: false); // the only answer goes out together with the end
    }

    public override void Abort()
    {
        _isAborted = true;
        GiveUp(CallStatusCode.Cancelled);
        _over.Cancel();
    }

    private async ValueTask WriteAfterAsync(ValueTask room, int bytes, IMessage message)
    {
        try
        {
            await room;
        }
        catch (OperationCanceledException exception)
        {
            throw Ended(exception);
        }

        _roomBytes += bytes;
        CallFrame.WriteMessage(_out, message, server.Options.ResponseBytesMax);
        if (!_isWritten)
        {
            await SendAsync(isFinal: false);
        }
    }

    private void GiveRoomBack()
    {
        if (_roomBytes > 0)
        {
            _quicPeer.Account!.Answers.Release(_roomBytes);
            _roomBytes = 0;
        }
    }

    private async ValueTask BeginAsync()
    {
        CallFrameRead frame;
        ValueTask<CallFrameRead> reading = PeekAsync();
        if (reading.IsCompletedSuccessfully)
        {
            frame = reading.Result;
        }
        else
        {
            _isHeadLate = true;
            _over.CancelAfter(server.Options.HeadTimeout);
            frame = await reading;
            _over.CancelAfter(Timeout.InfiniteTimeSpan);
            _isHeadLate = false;
        }

        if (frame.Type != CallFrameType.Request || !CallFrame.TryReadRequest(frame.Payload.Span, out CallRequestHead head)
            || !CallFrame.TryReadMetadata(head.Metadata, _requestMetadata))
        {
            QuicMeter.Limits.Add(1, QuicMeter.Head);
            throw new CallException(CallStatusCode.Internal, "That was not the head of a call, or its metadata are more than the limit.");
        }

        bool isLive = server.Options.Live is not null && head.Path.SequenceEqual(s_livePath);
        _binding = isLive ? null : server.Find(head.Path);
        _grants = server.Authorize(_binding?.Method ?? CallPacketConnection.Method, head.Token, _quicPeer.Connection);
        if (head.Priority != CallOptions.Default.Priority)
        {
            _stream.Priority = head.Priority - CallOptions.Default.Priority;
        }

        if (head.DeadlineMicros > 0 && !isLive)
        {
            TimeSpan left = TimeSpan.FromTicks((long)Math.Min(head.DeadlineMicros, long.MaxValue / TimeSpan.TicksPerMicrosecond) * TimeSpan.TicksPerMicrosecond);
            _deadline = CallDeadline.After(left, server.Options.Time);
            if (left < s_timerMax)
            {
                _over.CancelAfter(left);
            }
        }

        _reader.Take();
        _reader.Hold!.GiveBack();
        if (_stream.ArrivedEarly && _binding is not { Method.IsIdempotent: true } && !_quicPeer.Connection.HandshakeCompleted.IsCompletedSuccessfully)
        {
            try
            {
                await _quicPeer.Connection.HandshakeCompleted.WaitAsync(_over.Token);
            }
            catch (Exception exception) when (exception is QuicException or OperationCanceledException)
            {
                throw Broken(exception);
            }
        }
    }

    private async ValueTask ServeLiveAsync()
    {
        if (!_quicPeer.TryBeginLive())
        {
            throw new CallException(CallStatusCode.AlreadyExists, "A connection carries one live stream.");
        }

        _quicPeer.Account?.Served();
        try
        {
            await using QuicPacketConnection packets = QuicPacketConnection.Accept(_quicPeer.Connection, _stream, _reader, server.Options.Time);
            try
            {
                await server.Options.Live!(packets, _grants);
            }
            finally
            {
                _wasReset = packets.HasEnded; // its end is written already
            }
        }
        finally
        {
            _quicPeer.EndLive();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ReadNextAsync(IMessage into)
    {
        _reader.Hold!.GiveBack();
        CallFrameRead frame = await PeekAsync();
        if (frame.Type is null)
        {
            return false;
        }

        TakeMessage(frame, into);
        return true;
    }

    /// <summary>Reads to the end of the requests, so that nothing of the stream is left when the answer goes out.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ReadOnlyRequestAsync(IMessage into)
    {
        if (_isRead)
        {
            return false;
        }

        CallFrameRead frame = await PeekAsync();
        if (frame.Type is null)
        {
            throw new CallException(CallStatusCode.Unimplemented, $"{Method.Path} takes one request, and there is none.");
        }

        TakeMessage(frame, into);
        _isRead = true;
        frame = await PeekAsync();
        return frame.Type is null ? true : throw new CallException(CallStatusCode.Unimplemented, $"{Method.Path} takes one request, and there are more.");
    }

    private void TakeMessage(CallFrameRead frame, IMessage into)
    {
        if (frame.Type != CallFrameType.Message)
        {
            throw new CallException(CallStatusCode.Internal, "That was not a message of a call.");
        }

        CallMessages.Read(new ReadOnlySequence<byte>(frame.Payload), into);
        _reader.Take();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<CallFrameRead> PeekAsync()
    {
        try
        {
            return await _reader.PeekAsync(_stream, _over.Token);
        }
        catch (Exception exception) when (exception is QuicException or OperationCanceledException)
        {
            throw Broken(exception);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync(bool isFinal)
    {
        try
        {
            ValueTask write;
            lock (_gate)
            {
                _isWriting = true;
                write = _stream.WriteAsync(_out.Written, isFinal, _cut.Token);
            }

            if (!write.IsCompletedSuccessfully)
            {
                if (!write.IsCompleted)
                {
                    WatchWrite();
                }

                await write;
            }
        }
        catch (Exception exception) when (exception is QuicException or OperationCanceledException)
        {
            throw Broken(exception);
        }
        finally
        {
            lock (_gate)
            {
                _writeEndMilliseconds = 0;
                _isWriting = false;
            }

            _out.Drop(_out.Count);
            GiveRoomBack();
        }
    }

    private async ValueTask FinishAsync(CallException? failure)
    {
        await _wake.DisposeAsync(); // waits for a wake-up that runs
        if (_probe is not null)
        {
            await _probe.DisposeAsync();
        }

        if (!_wasReset && !_isBroken)
        {
            if (!_isStarted && _responseMetadata.Count > 0)
            {
                CallFrame.WriteResponse(_out, _responseMetadata);
            }

            CallFrame.WriteEnd(_out, failure, _trailers);
            try
            {
                await SendAsync(isFinal: true);
            }
            catch (CallException)
            {
                // There is nobody to tell how it ended.
            }
        }

        await _stream.DisposeAsync();
    }

    /// <summary>Why a call is over.</summary>
    private CallException Ended(Exception? cause = null)
    {
        if (_isStalled)
        {
            return new(CallStatusCode.ResourceExhausted, "The caller did not read its answers.", innerException: cause);
        }

        if (_isHeadLate && _over.IsCancellationRequested && !_isAborted)
        {
            QuicMeter.Limits.Add(1, QuicMeter.HeadWait);
            return new(CallStatusCode.DeadlineExceeded, "The head of the call did not come in time.", innerException: cause);
        }

        // A timer may fire a little before the clock says so: it is the deadline when nothing else is.
        bool isPast = !_deadline.IsNone && (_deadline.Remaining(server.Options.Time) == TimeSpan.Zero
            || (_over.IsCancellationRequested && !_isBroken && !_isAborted));
        return isPast
            ? new(CallStatusCode.DeadlineExceeded, "The deadline passed.", innerException: cause)
            : new(CallStatusCode.Cancelled, "The caller gave up, or its connection is lost.", innerException: cause);
    }

    private CallException Broken(Exception exception)
    {
        if (exception is QuicClosedException or QuicStreamException { ByPeer: true })
        {
            (_isBroken, WasBrokenOff) = (true, true);
        }

        return Ended(exception);
    }

    private void WatchWrite()
    {
        TimeSpan patience = server.Options.StalledReaderTimeout;
        Volatile.Write(ref _writeEndMilliseconds, Environment.TickCount64 + (long)patience.TotalMilliseconds);
        _stall ??= new Timer(static call => ((QuicServerCall)call!).LookForStall(), this, Timeout.Infinite, Timeout.Infinite);
        _stall.Change((long)patience.TotalMilliseconds + 1, Timeout.Infinite);
    }

    // A timer that fires for a write which has ended meanwhile finds 0, or a later end.
    private void LookForStall()
    {
        // A write that ends at this moment waits until its stream is reset: afterwards the object may serve another.
        lock (_gate)
        {
            if (_writeEndMilliseconds != 0 && Environment.TickCount64 >= _writeEndMilliseconds)
            {
                _isStalled = true;
                QuicMeter.Limits.Add(1, QuicMeter.StalledReader);
                GiveUp(CallStatusCode.ResourceExhausted);
            }
        }
    }

    /// <summary>The call is over: what waits to be taken would keep the stream, and its end cannot overtake it.</summary>
    private void Wake()
    {
        bool isWriting;
        lock (_gate)
        {
            isWriting = _isWriting;
        }

        if (isWriting)
        {
            GiveUp(Ended().Code);
        }
    }

    private void GiveUp(CallStatusCode code)
    {
        _wasReset = true;
        _stream.Reset((ulong)code);
        _stream.StopSending((ulong)code);
        _cut.Cancel();
    }

    /// <summary>Looks whether the caller still wants answers.</summary>
    private void Probe()
    {
        ValueTask probe = default;
        lock (_gate)
        {
            if (!_isWriting)
            {
                probe = _stream.WriteAsync(default);
            }
        }

        if (probe.IsFaulted)
        {
            _ = probe.AsTask().Exception; // seen
            (_isBroken, WasBrokenOff) = (true, true);
            _over.Cancel();
        }
    }
}
