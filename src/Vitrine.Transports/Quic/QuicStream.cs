using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>A stream of a connection: bytes in order, in one or both directions, each of which ends by itself.</summary>
/// <remarks>Any thread. One read and one write at a time. What is written is copied and kept, outside the managed heap, until the peer
/// acknowledged it; what arrives is kept until it is read, and the peer may send only so much ahead. Dispose each stream: the peer may open
/// another one only then.</remarks>
public sealed unsafe class QuicStream : IAsyncDisposable
{
    /// <summary>Code of the reset and of the stop that disposing an unfinished stream sends.</summary>
    public const ulong DisposedCode = 0;

    // How much may be read before the peer hears that it may send more: a part of the window.
    private const int CreditShare = 4;

    private readonly QuicConnection _connection;
    private readonly Lock _lock = new();

    // Under the lock: what is to be sent. [_sendHead ... _sendTail] are the bytes [_acknowledged, _written); the cursor is at _sent.
    private NativeBlock* _sendHead;
    private NativeBlock* _sendTail;
    private NativeBlock* _cursor;
    private int _cursorAt;
    private ulong _written;
    private ulong _sent;
    private ulong _acknowledged;
    private bool _isFinalWritten;
    private bool _isFinalSent;
    private bool _isFinalAlone;
    private bool _isFinalAcknowledged;
    private TaskCompletionSource? _delivered;

    // Under the lock: what was received.
    private NativeBlock* _receiveHead;
    private NativeBlock* _receiveTail;
    private int _receivedBytes;
    private int _unreported;
    private bool _isFinalReceived;

    // Under the lock: how each direction ended.
    private Exception? _readFailure;
    private Exception? _writeFailure;
    private bool _isClosed;
    private bool _isStopped;
    private bool _isDisposed;
    private ulong? _resetCode;
    private ulong? _stopCode;

    // Under the lock: who waits.
    private PendingOperation<int>? _reading;
    private bool _isReading;
    private Memory<byte> _readInto;
    private CancellationTokenRegistration _readCancel;
    private CancellationToken _readToken;
    private PendingOperation<bool>? _writing;
    private bool _isWriting;
    private ReadOnlyMemory<byte> _writeFrom;
    private bool _writeIsFinal;
    private CancellationTokenRegistration _writeCancel;
    private CancellationToken _writeToken;

    private int _isQueued;
    private int _priority;

    internal QuicStream(QuicConnection connection, long id, bool isLocal, int priority)
    {
        (_connection, Id, IsLocal, _priority) = (connection, id, isLocal, priority);
        IsBidirectional = (id & 2) == 0;
        if (!CanRead)
        {
            _isFinalReceived = true;
        }

        if (!CanWrite)
        {
            _isFinalWritten = _isFinalSent = true;
        }
    }

    /// <summary>Number of the stream (RFC 9000, section 2.1).</summary>
    public long Id { get; }

    /// <summary>Whether this side opened it.</summary>
    public bool IsLocal { get; }

    /// <summary>Whether bytes go both ways.</summary>
    public bool IsBidirectional { get; }

    /// <summary>Whether the peer sends.</summary>
    public bool CanRead => IsBidirectional || !IsLocal;

    /// <summary>Whether this side sends.</summary>
    public bool CanWrite => IsBidirectional || IsLocal;

    /// <summary>Whether bytes of it came before the handshake ended: they may be a replay, and must cause nothing that may not happen
    /// twice (RFC 9001, section 9.2). Final once the first byte was read.</summary>
    public bool ArrivedEarly { get; private set; }

    /// <summary>The stream that is written next is one of the lowest number; those of one number take turns, a packet each.</summary>
    public int Priority
    {
        get => Volatile.Read(ref _priority);
        set
        {
            Volatile.Write(ref _priority, value);
            Enqueue();
        }
    }

    /// <summary>Bytes written that the peer has not acknowledged.</summary>
    public long UnacknowledgedBytes
    {
        get
        {
            lock (_lock)
            {
                return (long)(_written - _acknowledged);
            }
        }
    }

    /// <summary>Ends when the peer has acknowledged all that was written, up to the end. Fails, with what a write would throw, when the sending
    /// side was given up by either side: then nobody waits for what is written any more. That the peer wants no more of a two-way stream is
    /// noticed with the next write, or when its other direction has ended.</summary>
    public Task Delivered
    {
        get
        {
            if (!CanWrite)
            {
                return Task.CompletedTask;
            }

            lock (_lock)
            {
                if (_delivered is null)
                {
                    _delivered = new(TaskCreationOptions.RunContinuationsAsynchronously);
                    _ = _delivered.Task.ContinueWith(static task => task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
                    if (_writeFailure is not null)
                    {
                        _delivered.SetException(_writeFailure);
                    }
                    else if (_isClosed || _isFinalAcknowledged)
                    {
                        _delivered.SetResult();
                    }
                }

                return _delivered.Task;
            }
        }
    }

    // The event loop's own.
    internal bool IsInSchedule { get; set; }

    internal bool IsBlocked { get; set; }

    internal bool IsInBlocked { get; set; }

    internal int ScheduledPriority { get; set; }

    internal bool IsOpened { get; set; }

    internal bool IsNativeClosed { get; private set; }

    internal bool IsCompletionQueued { get; set; }

    internal bool IsCreditReturned { get; set; }

    /// <summary>Reads what is there, or waits for it.</summary>
    /// <param name="into">Borrowed until the read ends.</param>
    /// <param name="cancellationToken">Ends the wait; the stream is as it was.</param>
    /// <returns>Bytes; 0 at the end of the stream.</returns>
    /// <exception cref="QuicStreamException">The peer reset the stream, or this side stopped it.</exception>
    /// <exception cref="QuicClosedException">The connection is closed.</exception>
    public ValueTask<int> ReadAsync(Memory<byte> into, CancellationToken cancellationToken = default)
    {
        if (into.IsEmpty)
        {
            throw new ArgumentException("No room to read into.", nameof(into));
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        int bytes;
        lock (_lock)
        {
            if (_isReading)
            {
                throw new InvalidOperationException("Another read runs.");
            }

            if (!TryRead(into.Span, out bytes, out Exception? failure))
            {
                if (failure is not null)
                {
                    return ValueTask.FromException<int>(failure);
                }

                _reading ??= new(_connection.RunsInline);
                _isReading = true;
                _readInto = into;
                ValueTask<int> wait = _reading.Begin();
                _readToken = cancellationToken;
                if (cancellationToken.CanBeCanceled)
                {
                    _readCancel = cancellationToken.UnsafeRegister(static (stream, token) => ((QuicStream)stream!).CancelRead(token), this);
                }

                return wait;
            }
        }

        ReportRead(bytes);
        return new(bytes);
    }

    /// <summary>Hands bytes over. Ends when all were taken: at once, unless more than the limits are not acknowledged yet.</summary>
    /// <param name="from">Borrowed until the write ends.</param>
    /// <param name="isFinal">Nothing follows.</param>
    /// <param name="cancellationToken">Ends the wait. A part may have been taken: the stream is reset.</param>
    /// <exception cref="QuicStreamException">The peer stopped the stream, or this side reset it.</exception>
    /// <exception cref="QuicClosedException">The connection is closed.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> from, bool isFinal = false, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        ValueTask wait = default;
        lock (_lock)
        {
            if (_isWriting)
            {
                throw new InvalidOperationException("Another write runs.");
            }

            if (_writeFailure is not null)
            {
                return ValueTask.FromException(_writeFailure);
            }

            if (_isFinalWritten && !_isStopped)
            {
                throw new InvalidOperationException(CanWrite ? "The stream was ended." : "The stream is the peer's.");
            }

            _writeFrom = from;
            _writeIsFinal = isFinal;
            if (!TakeWrite())
            {
                _writing ??= new(_connection.RunsInline);
                _isWriting = true;
                wait = _writing.BeginVoid();
                _writeToken = cancellationToken;
                if (cancellationToken.CanBeCanceled)
                {
                    _writeCancel = cancellationToken.UnsafeRegister(static (stream, token) => ((QuicStream)stream!).CancelWrite(token), this);
                }
            }
        }

        Enqueue();
        return wait;
    }

    /// <summary>Gives up sending: what the peer has not got is forgotten (RESET_STREAM). Nothing when all was acknowledged.</summary>
    /// <param name="code">The application's code, for the peer.</param>
    public void Reset(ulong code)
    {
        lock (_lock)
        {
            if (!CanWrite || _isClosed || _resetCode is not null)
            {
                return;
            }

            _resetCode = code;
            _writeFailure ??= new QuicStreamException(byPeer: false, code);
            _isFinalWritten = true;
            _delivered?.TrySetException(_writeFailure);
        }

        Enqueue();
    }

    /// <summary>Wants no more of what the peer sends (STOP_SENDING); what was not read is forgotten.</summary>
    /// <param name="code">The application's code, for the peer.</param>
    public void StopSending(ulong code)
    {
        lock (_lock)
        {
            if (!CanRead || _isClosed || _stopCode is not null || _isFinalReceived)
            {
                return;
            }

            _stopCode = code;
            _readFailure ??= new QuicStreamException(byPeer: false, code);
            DropReceived();
        }

        Enqueue();
    }

    /// <summary>Gives up what is unfinished: an unended sending side is reset, an unended receiving side stopped. What was written to
    /// the end is still delivered.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return default;
            }

            _isDisposed = true;
            if (!_isFinalWritten)
            {
                _resetCode ??= DisposedCode;
                _writeFailure ??= new QuicStreamException(byPeer: false, DisposedCode);
                _isFinalWritten = true;
                _delivered?.TrySetException(_writeFailure);
            }

            if (!_isFinalReceived)
            {
                _stopCode ??= DisposedCode;
            }

            _readFailure ??= new QuicStreamException(byPeer: false, DisposedCode);
            DropReceived();
        }

        Enqueue();
        return default;
    }

    // --- The event loop's side. Called on its thread only. ---

    /// <summary>Bytes arrived. In a callback.</summary>
    internal void Received(byte* data, int bytes, bool isFinal, bool isEarly)
    {
        bool isUnwanted;
        lock (_lock)
        {
            ArrivedEarly |= isEarly;
            isUnwanted = _isDisposed || _stopCode is not null;
            if (!isUnwanted)
            {
                _receivedBytes += bytes;
                while (bytes > 0)
                {
                    if (_receiveTail is null || _receiveTail->End == NativeBlock.Capacity)
                    {
                        NativeBlock* block = _connection.Blocks.Rent();
                        _ = _receiveTail is null ? _receiveHead = block : _receiveTail->Next = block;
                        _receiveTail = block;
                    }

                    // SAFETY: ngtcp2 guarantees `bytes` at `data`; the block has the rest of its capacity free.
                    int count = Math.Min(bytes, NativeBlock.Capacity - _receiveTail->End);
                    Buffer.MemoryCopy(data, NativeBlock.Data(_receiveTail) + _receiveTail->End, count, count);
                    _receiveTail->End += count;
                    data += count;
                    bytes -= count;
                }
            }

            _isFinalReceived |= isFinal;
        }

        if (isUnwanted)
        {
            _connection.ReportConsumed(bytes);
        }

        _connection.QueueCompletion(this);
    }

    /// <summary>The peer reset its side. In a callback.</summary>
    internal void ResetByPeer(ulong code)
    {
        lock (_lock)
        {
            _readFailure ??= new QuicStreamException(byPeer: true, code);
            _isFinalReceived = true;
            DropReceived();
        }

        _connection.QueueCompletion(this);
    }

    /// <summary>The peer wants no more of ours; ngtcp2 answers with a reset of its own accord. It tells the peer's code only when the whole
    /// stream is closed, which a one-way stream is soon, and a two-way stream may never be.</summary>
    internal void StoppedByPeer()
    {
        lock (_lock)
        {
            if (IsBidirectional)
            {
                _writeFailure ??= new QuicStreamException(byPeer: true, null);
                _delivered?.TrySetException(_writeFailure);
            }

            _isStopped = true;
            _isFinalWritten = true;
            _sent = _written;
            _isFinalSent = true;
        }

        _connection.QueueCompletion(this);
    }

    /// <summary>Bytes up to an offset were acknowledged. In a callback.</summary>
    internal void Acknowledged(ulong end)
    {
        long freed;
        bool hasWriter;
        lock (_lock)
        {
            freed = (long)(end - _acknowledged);
            if (_isFinalSent && end == _written && (freed == 0 || !_isFinalAlone) && _writeFailure is null)
            {
                _isFinalAcknowledged = true;
                _delivered?.TrySetResult();
            }

            ulong left = end - _acknowledged;
            _acknowledged = end;
            while (left > 0 && _sendHead is not null)
            {
                NativeBlock* block = _sendHead;
                ulong inBlock = (ulong)(block->End - block->Start);
                if (left < inBlock)
                {
                    block->Start += (int)left;
                    break;
                }

                left -= inBlock;
                block->Start = block->End;
                PopSent();
            }

            hasWriter = _isWriting;
        }

        _connection.ReportFreed(freed);
        if (hasWriter)
        {
            _connection.QueueCompletion(this);
        }
    }

    /// <summary>ngtcp2 is done with the stream: both sides ended and everything is acknowledged, or it was given up. In a callback.</summary>
    /// <returns>Whether it was disposed as well.</returns>
    internal bool Closed(ulong? code)
    {
        bool isReleased;
        lock (_lock)
        {
            isReleased = _isDisposed;
            IsNativeClosed = true;
            _isClosed = true;
            if (code is { } given)
            {
                _writeFailure ??= new QuicStreamException(byPeer: true, given);
            }

            if (!_isFinalReceived)
            {
                _readFailure ??= new QuicStreamException(byPeer: true, code);
            }

            _isFinalReceived = true;
            _isFinalWritten = _isFinalSent = true;
            EndDelivery();
            DropSent();
        }

        _connection.QueueCompletion(this);
        return isReleased;
    }

    /// <summary>The connection is over.</summary>
    internal void Fail(Exception failure)
    {
        lock (_lock)
        {
            if (!IsNativeClosed)
            {
                IsNativeClosed = true;
                _isClosed = true;
                _writeFailure ??= failure;
                if (!_isFinalReceived)
                {
                    _readFailure ??= failure; // what arrived can still be read
                }

                _isFinalWritten = _isFinalSent = true;
                EndDelivery();
                DropSent();
            }
        }

        _connection.QueueCompletion(this);
    }

    /// <summary>Frees what is left when the event loop ends.</summary>
    internal void Free()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _readFailure ??= new QuicClosedException(new QuicEndpointDisposed());
            DropSent();
            DropReceived();
        }
    }

    /// <summary>Everything starts again: the server did not take early data, and ngtcp2 has forgotten the stream.</summary>
    internal void Rewind()
    {
        lock (_lock)
        {
            _sent = _acknowledged;
            _isFinalSent = !CanWrite;
            _isFinalAlone = false;
            _cursor = _sendHead;
            _cursorAt = _cursor is null ? 0 : _cursor->Start;
        }
    }

    /// <summary>Takes the stream off the queue of changed ones, and says what changed.</summary>
    internal void TakeChanges(out ulong? resetCode, out ulong? stopCode, out int creditBytes, out bool hasMore, out bool isReleased, out bool isGivenUp)
    {
        Interlocked.Exchange(ref _isQueued, 0);
        lock (_lock)
        {
            resetCode = _isClosed ? null : _resetCode;
            stopCode = _isClosed ? null : _stopCode;
            if (resetCode is not null)
            {
                _sent = _written;
                _isFinalSent = true;
            }

            creditBytes = _unreported;
            _unreported = 0;
            hasMore = HasMore;
            isReleased = _isDisposed && _isClosed;
            isGivenUp = _isDisposed || _resetCode is not null || _stopCode is not null;
        }
    }

    /// <summary>Whether something waits to be sent.</summary>
    internal bool HasMoreToSend
    {
        get
        {
            lock (_lock)
            {
                return HasMore;
            }
        }
    }

    /// <summary>What to send next; the memory stays until it is acknowledged.</summary>
    /// <returns>How many vectors.</returns>
    internal int GetNext(Ngtcp2Vector* vectors, int max, out long bytes, out bool isFinal)
    {
        lock (_lock)
        {
            int count = 0;
            bytes = 0;
            if (_resetCode is not null)
            {
                isFinal = false; // what was given up must not look like an end
                return 0;
            }

            NativeBlock* block = _cursor;
            int at = _cursorAt;
            while (block is not null && count < max)
            {
                if (block->End > at)
                {
                    vectors[count].Data = NativeBlock.Data(block) + at;
                    vectors[count].Bytes = (nuint)(block->End - at);
                    bytes += block->End - at;
                    count++;
                }

                block = block->Next;
                at = block is null ? 0 : block->Start;
            }

            isFinal = _isFinalWritten && _sent + (ulong)bytes == _written;
            return count;
        }
    }

    /// <summary>So much of that went into a packet.</summary>
    internal void Sent(long bytes, bool isFinal)
    {
        lock (_lock)
        {
            _sent += (ulong)bytes;
            _isFinalSent |= isFinal;
            _isFinalAlone |= isFinal && bytes == 0;
            while (bytes > 0)
            {
                int count = (int)Math.Min(bytes, _cursor->End - _cursorAt);
                _cursorAt += count;
                bytes -= count;
                if (_cursorAt == _cursor->End && _cursor->Next is not null)
                {
                    _cursor = _cursor->Next;
                    _cursorAt = _cursor->Start;
                }
            }
        }
    }

    /// <summary>Ends waits that can end. Outside callbacks: whoever waited may go on in here.</summary>
    internal void Complete()
    {
        int bytes = 0;
        bool endsRead;
        bool endsWrite = false;
        bool hasWritten = false;
        Exception? readFailure = null;
        Exception? writeFailure = null;
        CancellationTokenRegistration readCancel = default;
        CancellationTokenRegistration writeCancel = default;
        lock (_lock)
        {
            endsRead = _isReading && (TryRead(_readInto.Span, out bytes, out readFailure) || readFailure is not null);
            if (endsRead)
            {
                _isReading = false;
                _readInto = default;
                (readCancel, _readCancel) = (_readCancel, default);
            }

            if (_isWriting)
            {
                writeFailure = _writeFailure;
                hasWritten = true;
                endsWrite = writeFailure is not null || TakeWrite();
                if (endsWrite)
                {
                    _isWriting = false;
                    _writeFrom = default;
                    (writeCancel, _writeCancel) = (_writeCancel, default);
                }
            }
        }

        if (hasWritten)
        {
            Enqueue();
        }

        if (endsRead)
        {
            readCancel.Unregister();
            if (readFailure is null)
            {
                ReportRead(bytes);
                _reading!.SetResult(bytes);
            }
            else
            {
                _reading!.SetException(readFailure);
            }
        }

        if (endsWrite)
        {
            writeCancel.Unregister();
            if (writeFailure is null)
            {
                _writing!.SetResult(true);
            }
            else
            {
                _writing!.SetException(writeFailure);
            }
        }
    }

    // Under the lock.
    private void EndDelivery()
    {
        if (_writeFailure is not null)
        {
            _delivered?.TrySetException(_writeFailure);
        }
        else
        {
            _delivered?.TrySetResult();
        }
    }

    private bool HasMore => _resetCode is null && (_sent < _written || (_isFinalWritten && !_isFinalSent));

    // Under the lock. False without a failure: wait.
    private bool TryRead(Span<byte> into, out int bytes, out Exception? failure)
    {
        bytes = 0;
        failure = null;
        if (_isDisposed || _stopCode is not null)
        {
            failure = _readFailure;
            return false;
        }

        while (_receiveHead is not null && bytes < into.Length)
        {
            // SAFETY: [Start, End) of a block is initialised.
            int count = Math.Min(into.Length - bytes, _receiveHead->End - _receiveHead->Start);
            new ReadOnlySpan<byte>(NativeBlock.Data(_receiveHead) + _receiveHead->Start, count).CopyTo(into[bytes..]);
            _receiveHead->Start += count;
            bytes += count;
            if (_receiveHead->Start == _receiveHead->End)
            {
                PopReceived();
            }
        }

        _receivedBytes -= bytes;
        if (bytes > 0)
        {
            return true;
        }

        failure = _readFailure;
        return failure is null && _isFinalReceived;
    }

    // Under the lock. True when all of it was taken.
    private bool TakeWrite()
    {
        if (_isStopped)
        {
            return false; // its close is under way, with the reason
        }

        long held = (long)(_written - _acknowledged);
        int room = (int)Math.Min(_connection.Options.StreamSendBytesMax - held, _writeFrom.Length);
        room = room <= 0 ? 0 : _connection.ReserveSend(this, held, room);
        ReadOnlySpan<byte> from = _writeFrom.Span[..room];
        while (!from.IsEmpty)
        {
            if (_sendTail is null || _sendTail->End == NativeBlock.Capacity)
            {
                NativeBlock* block = _connection.Blocks.Rent();
                if (_sendTail is null)
                {
                    _sendHead = block;
                    _cursor = block;
                    _cursorAt = 0;
                }
                else
                {
                    _sendTail->Next = block;
                    if (_cursorAt == _cursor->End && _cursor == _sendTail)
                    {
                        _cursor = block;
                        _cursorAt = 0;
                    }
                }

                _sendTail = block;
            }

            int count = Math.Min(from.Length, NativeBlock.Capacity - _sendTail->End);
            from[..count].CopyTo(new Span<byte>(NativeBlock.Data(_sendTail) + _sendTail->End, count)); // SAFETY: within the capacity
            _sendTail->End += count;
            from = from[count..];
        }

        _written += (ulong)room;
        _writeFrom = _writeFrom[room..];
        if (!_writeFrom.IsEmpty)
        {
            return false;
        }

        _isFinalWritten |= _writeIsFinal;
        return true;
    }

    private void PopSent()
    {
        NativeBlock* block = _sendHead;
        _sendHead = block->Next;
        if (_sendHead is null)
        {
            _sendTail = null;
        }

        if (_cursor == block)
        {
            _cursor = _sendHead;
            _cursorAt = _cursor is null ? 0 : _cursor->Start;
        }

        _connection.Blocks.Return(block);
    }

    private void DropSent()
    {
        while (_sendHead is not null)
        {
            PopSent();
        }

        _connection.ReportFreed((long)(_written - _acknowledged));
        _acknowledged = _sent = _written;
    }

    private void PopReceived()
    {
        NativeBlock* block = _receiveHead;
        _receiveHead = block->Next;
        if (_receiveHead is null)
        {
            _receiveTail = null;
        }

        _connection.Blocks.Return(block);
    }

    // What nobody will read counts as read, or the connection's window would shrink for ever.
    private void DropReceived()
    {
        while (_receiveHead is not null)
        {
            PopReceived();
        }

        int bytes = _receivedBytes;
        _receivedBytes = 0;
        _connection.ReportConsumed(bytes);
    }

    // Outside the lock.
    private void ReportRead(int bytes)
    {
        bool isDue;
        lock (_lock)
        {
            _unreported += bytes;
            isDue = !_isFinalReceived && _unreported >= _connection.Options.StreamWindowBytes / CreditShare;
        }

        _connection.ReportConsumed(bytes);
        if (isDue)
        {
            Enqueue();
        }
    }

    private void Enqueue()
    {
        if (Interlocked.Exchange(ref _isQueued, 1) == 0)
        {
            _connection.QueueChanged(this);
        }
    }

    private void CancelRead(CancellationToken token)
    {
        lock (_lock)
        {
            if (!_isReading || _readToken != token)
            {
                return;
            }

            _isReading = false;
            _readInto = default;
            _readCancel = default;
        }

        _reading!.SetException(new OperationCanceledException(token));
    }

    private void CancelWrite(CancellationToken token)
    {
        lock (_lock)
        {
            if (!_isWriting || _writeToken != token)
            {
                return;
            }

            _isWriting = false;
            _writeFrom = default;
            _writeCancel = default;
        }

        Reset(DisposedCode);
        _writing!.SetException(new OperationCanceledException(token));
    }
}
