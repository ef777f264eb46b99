using System.Net;

namespace Vitrine.Transports.Quic;

/// <summary>What became of a datagram that was to be sent.</summary>
public enum QuicDatagramStatus
{
    /// <summary>It waits for its packet. Nobody will tell whether it arrived.</summary>
    Queued = 0,

    /// <summary>It waits, and an older one was dropped for it.</summary>
    QueuedForOlder,

    /// <summary>Longer than <see cref="QuicConnection.DatagramBytesMax"/>.</summary>
    TooLong,

    /// <summary>The peer takes none.</summary>
    NotSupported,

    /// <summary>The connection is closed.</summary>
    Closed,
}

/// <summary>A QUIC connection (RFC 9000): streams and datagrams over one encrypted path, which may change.</summary>
/// <remarks>Any thread. One accept and one datagram receive at a time. Dispose it: that closes it, and frees what its streams hold.</remarks>
public sealed partial class QuicConnection : IAsyncDisposable
{
    private const ulong WatchedMark = 1UL << 63;

    private readonly TaskCompletionSource _handshake = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<QuicCloseReason> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();

    // Under the lock.
    private readonly Queue<QuicStream> _toAccept = new();
    private readonly Queue<QuicStream> _toOpen = new();
    private readonly Queue<OpenRequest> _openWaits = new();
    private PendingOperation<QuicStream>? _accepting;
    private bool _isAccepting;
    private CancellationTokenRegistration _acceptCancel;
    private CancellationToken _acceptToken;
    private readonly Queue<nint> _datagramsOut = new();
    private readonly Queue<nint> _datagramsIn = new();
    private readonly Queue<(nint Block, ulong Id, int Priority)> _watchedOut = new();
    private TaskCompletionSource? _watchedWait;
    private PendingOperation<int>? _receiving;
    private bool _isReceiving;
    private Memory<byte> _receiveInto;
    private CancellationTokenRegistration _receiveCancel;
    private CancellationToken _receiveToken;
    private QuicCloseReason? _reason;
    private long _bidiOpened;
    private long _uniOpened;
    private long _bidiLimit;
    private long _uniLimit;

    /// <summary>Whether this is the server's end.</summary>
    public bool IsServer { get; }

    /// <summary>Where the peer is now.</summary>
    public IPEndPoint RemoteEndPoint => Volatile.Read(ref _remoteEndPoint);

    /// <summary>The address of this machine that is used now.</summary>
    public IPEndPoint LocalEndPoint => Volatile.Read(ref _localEndPoint);

    /// <summary>The application protocol; empty before the handshake.</summary>
    public string Protocol { get; private set; } = "";

    /// <summary>Ends when the handshake does; fails with a <see cref="QuicClosedException"/>.</summary>
    public Task HandshakeCompleted => _handshake.Task;

    /// <summary>Ends when the connection does, with the reason. Never fails.</summary>
    public Task<QuicCloseReason> Closed => _closed.Task;

    /// <summary>Whether it continues an earlier session, without certificates.</summary>
    public bool IsResumed { get; private set; }

    /// <summary>Whether early data were sent and the server took them. Known after the handshake. What it did not take was sent again.</summary>
    public bool IsEarlyDataAccepted { get; private set; }

    /// <summary>What to keep for the next connection to this server; null until the server sent it, soon after the handshake. A client's.</summary>
    public QuicSession? SavedSession => Volatile.Read(ref _savedSession);

    /// <summary>Longest datagram that the peer and the path take now; 0: none.</summary>
    public int DatagramBytesMax => Volatile.Read(ref _datagramBytesMax);

    internal QuicTransportOptions Options { get; }

    internal bool RunsInline => Options.RunsContinuationsInline;

    internal NativeBlockPool Blocks => _loop.Blocks;

    /// <summary>Opens a stream; waits when the peer allows no more at a time. The peer hears of it with the first bytes.</summary>
    /// <param name="isBidirectional">Whether the peer sends as well.</param>
    /// <param name="priority">See <see cref="QuicStream.Priority"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="QuicClosedException">The connection is closed.</exception>
    public ValueTask<QuicStream> OpenStreamAsync(bool isBidirectional = true, int priority = 0, CancellationToken cancellationToken = default)
    {
        QuicStream stream;
        bool shallTell;
        lock (_lock)
        {
            if (_reason is not null)
            {
                return ValueTask.FromException<QuicStream>(new QuicClosedException(_reason));
            }

            if (isBidirectional ? _bidiOpened >= _bidiLimit : _uniOpened >= _uniLimit)
            {
                OpenRequest request = new(isBidirectional, priority);
                _openWaits.Enqueue(request);
                return new(request.Task.WaitAsync(cancellationToken));
            }

            stream = MakeLocal(isBidirectional, priority);
            shallTell = MarkChanged();
        }

        if (shallTell)
        {
            _loop.Enqueue(this);
        }

        return new(stream);
    }

    /// <summary>The next stream that the peer opened.</summary>
    /// <exception cref="QuicClosedException">The connection is closed.</exception>
    public ValueTask<QuicStream> AcceptStreamAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<QuicStream>(cancellationToken);
        }

        lock (_lock)
        {
            if (_isAccepting)
            {
                throw new InvalidOperationException("Another accept runs.");
            }

            if (_toAccept.TryDequeue(out QuicStream? stream))
            {
                return new(stream);
            }

            if (_reason is not null)
            {
                return ValueTask.FromException<QuicStream>(new QuicClosedException(_reason));
            }

            _accepting ??= new(RunsInline);
            _isAccepting = true;
            ValueTask<QuicStream> wait = _accepting.Begin();
            _acceptToken = cancellationToken;
            if (cancellationToken.CanBeCanceled)
            {
                _acceptCancel = cancellationToken.UnsafeRegister(static (connection, token) => ((QuicConnection)connection!).CancelAccept(token), this);
            }

            return wait;
        }
    }

    /// <summary>Sends a datagram, ahead of all streams; it may be lost (RFC 9221). Never waits: the oldest that waits is dropped when
    /// <see cref="QuicTransportOptions.DatagramQueueMax"/> do.</summary>
    /// <param name="datagram">Copied.</param>
    public unsafe QuicDatagramStatus SendDatagram(ReadOnlySpan<byte> datagram)
    {
        int max = DatagramBytesMax;
        bool shallTell;
        QuicDatagramStatus status = QuicDatagramStatus.Queued;
        lock (_lock)
        {
            if (_reason is not null)
            {
                return QuicDatagramStatus.Closed;
            }

            if (max == 0)
            {
                return QuicDatagramStatus.NotSupported;
            }

            if (datagram.Length > max)
            {
                return QuicDatagramStatus.TooLong;
            }

            NativeBlock* block;
            if (_datagramsOut.Count >= Options.DatagramQueueMax)
            {
                block = (NativeBlock*)_datagramsOut.Dequeue();
                Interlocked.Increment(ref _datagramsDropped);
                status = QuicDatagramStatus.QueuedForOlder;
            }
            else
            {
                block = Blocks.Rent();
            }

            datagram.CopyTo(new Span<byte>(NativeBlock.Data(block), NativeBlock.Capacity)); // SAFETY: a block has this capacity
            block->Start = 0;
            block->End = datagram.Length;
            _datagramsOut.Enqueue((nint)block);
            shallTell = MarkChanged();
        }

        if (shallTell)
        {
            _loop.Enqueue(this);
        }

        return status;
    }

    /// <summary>Sends a datagram after those of <see cref="SendDatagram"/> and by its priority among streams, and tells what becomes of it. None is
    /// dropped for a newer one: <see cref="WaitForWatchedAsync"/> bounds how many wait. No two share a packet, so that each has its own luck.</summary>
    /// <param name="datagram">Copied.</param>
    /// <param name="tag">Told to the watcher; below 2^63.</param>
    /// <param name="priority">Streams of a lower <see cref="QuicStream.Priority"/> go first. Those before it have none higher.</param>
    internal unsafe QuicDatagramStatus SendWatched(ReadOnlySpan<byte> datagram, ulong tag, int priority)
    {
        bool shallTell;
        lock (_lock)
        {
            if (_reason is not null)
            {
                return QuicDatagramStatus.Closed;
            }

            if (datagram.Length > DatagramBytesMax)
            {
                return DatagramBytesMax == 0 ? QuicDatagramStatus.NotSupported : QuicDatagramStatus.TooLong;
            }

            NativeBlock* block = Blocks.Rent();
            datagram.CopyTo(new Span<byte>(NativeBlock.Data(block), NativeBlock.Capacity)); // SAFETY: a block has this capacity
            (block->Start, block->End) = (0, datagram.Length);
            _watchedOut.Enqueue(((nint)block, tag | WatchedMark, priority));
            shallTell = MarkChanged();
        }

        if (shallTell)
        {
            _loop.Enqueue(this);
        }

        return QuicDatagramStatus.Queued;
    }

    /// <summary>Waits until few watched datagrams wait to be sent, at most 32. One at a time.</summary>
    /// <exception cref="QuicClosedException">The connection is closed.</exception>
    internal Task WaitForWatchedAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_reason is not null)
            {
                return Task.FromException(new QuicClosedException(_reason));
            }

            if (_watchedOut.Count <= WatchedWaitMax)
            {
                return Task.CompletedTask;
            }

            _watchedWait ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            return _watchedWait.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Who is told what becomes of watched datagrams; one, before the first is sent.</summary>
    internal IDatagramWatcher? Watcher
    {
        set => _watcher = value;
    }

    /// <summary>Takes datagrams that come, before they would wait for <see cref="ReceiveDatagramAsync"/>: true for those that it wants. Called on the
    /// event loop's thread, inside ngtcp2: it must neither block nor call the connection.</summary>
    internal Func<ReadOnlySpan<byte>, bool>? Intake
    {
        set => _intake = value;
    }

    /// <summary>What was sent and lost so far.</summary>
    internal QuicPacketCounts Counts
    {
        get
        {
            long twice = Volatile.Read(ref _packetsRepeated);
            return new(Volatile.Read(ref _packetsSent) - twice, twice, Volatile.Read(ref _streamLosses) + Volatile.Read(ref _datagramsLost));
        }
    }

    /// <summary>The next datagram of the peer. The oldest that waits is dropped when <see cref="QuicTransportOptions.DatagramQueueMax"/> do.</summary>
    /// <param name="into">Borrowed until it ends. What does not fit is cut off: 1,500 bytes hold any.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Its length.</returns>
    /// <exception cref="QuicClosedException">The connection is closed.</exception>
    public ValueTask<int> ReceiveDatagramAsync(Memory<byte> into, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        lock (_lock)
        {
            if (_isReceiving)
            {
                throw new InvalidOperationException("Another receive runs.");
            }

            if (TryReceive(into.Span, out int bytes))
            {
                return new(bytes);
            }

            if (_reason is not null)
            {
                return ValueTask.FromException<int>(new QuicClosedException(_reason));
            }

            _receiving ??= new(RunsInline);
            _isReceiving = true;
            _receiveInto = into;
            ValueTask<int> wait = _receiving.Begin();
            _receiveToken = cancellationToken;
            if (cancellationToken.CanBeCanceled)
            {
                _receiveCancel = cancellationToken.UnsafeRegister(static (connection, token) => ((QuicConnection)connection!).CancelReceive(token), this);
            }

            return wait;
        }
    }

    /// <summary>Goes on from another address of this machine, at once: what is under way is repaired from there. A client's, after the
    /// handshake is confirmed.</summary>
    /// <param name="local">Address, with port 0 for any; <see cref="IPAddress.Any"/> for the system's choice.</param>
    /// <returns>Whether the server answered there. It goes on there in any case.</returns>
    /// <exception cref="QuicException">The server does not allow it, or the address cannot be bound.</exception>
    public Task<bool> MigrateAsync(IPEndPoint local)
    {
        ArgumentNullException.ThrowIfNull(local);
        if (IsServer)
        {
            throw new InvalidOperationException("Only a client migrates.");
        }

        TaskCompletionSource<bool> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() => Migrate(local, result), result);
        return result.Task;
    }

    /// <summary>Changes the keys (RFC 9001, section 6); they are changed by themselves long before they wear out.</summary>
    /// <exception cref="QuicException">The last change is too young, or the handshake is not confirmed.</exception>
    public Task UpdateKeysAsync()
    {
        TaskCompletionSource<bool> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() => UpdateKeys(result), result);
        return result.Task;
    }

    /// <summary>How it does.</summary>
    /// <exception cref="QuicClosedException">The connection is closed.</exception>
    public Task<QuicConnectionStatistics> GetStatisticsAsync()
    {
        TaskCompletionSource<QuicConnectionStatistics> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() => GetStatistics(result), result);
        return result.Task;
    }

    /// <summary>Tells the peer that it is over, and ends every stream at once: what was not acknowledged may be lost. Again is nothing.</summary>
    /// <param name="code">The application's code.</param>
    /// <param name="reason">Words for the peer, cut at 512 bytes of UTF-8.</param>
    /// <returns>When that was sent.</returns>
    public async Task CloseAsync(ulong code = 0, string reason = "")
    {
        ArgumentNullException.ThrowIfNull(reason);
        if (_loop.Post(() => CloseByApplication(code, reason)))
        {
            await Closed.ConfigureAwait(false);
        }
    }

    /// <summary>Closes with code 0 unless it is closed, and frees what is left of its streams.</summary>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync().ConfigureAwait(false);
        TaskCompletionSource<bool> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        if (_loop.Post(() =>
        {
            Free();
            result.SetResult(true);
        }))
        {
            await result.Task.ConfigureAwait(false);
        }
    }

    private void Post<T>(Action action, TaskCompletionSource<T> result)
    {
        if (!_loop.Post(action))
        {
            result.TrySetException(new QuicClosedException(_reason ?? new QuicEndpointDisposed()));
        }
    }

    // Under the lock. The number is known before ngtcp2 gives it: streams are opened there in the same order.
    private QuicStream MakeLocal(bool isBidirectional, int priority)
    {
        long number = isBidirectional ? _bidiOpened++ : _uniOpened++;
        long id = (number * 4) + (isBidirectional ? 0 : 2) + (IsServer ? 1 : 0);
        QuicStream stream = new(this, id, isLocal: true, priority);
        _toOpen.Enqueue(stream);
        return stream;
    }

    // Under the lock.
    private unsafe bool TryReceive(Span<byte> into, out int bytes)
    {
        bytes = 0;
        if (!_datagramsIn.TryDequeue(out nint pointer))
        {
            return false;
        }

        NativeBlock* block = (NativeBlock*)pointer;
        bytes = Math.Min(block->End, into.Length);
        new ReadOnlySpan<byte>(NativeBlock.Data(block), bytes).CopyTo(into); // SAFETY: [0, End) is initialised
        Blocks.Return(block);
        return true;
    }

    private void CancelAccept(CancellationToken token)
    {
        lock (_lock)
        {
            if (!_isAccepting || _acceptToken != token)
            {
                return;
            }

            _isAccepting = false;
            _acceptCancel = default;
        }

        _accepting!.SetException(new OperationCanceledException(token));
    }

    private void CancelReceive(CancellationToken token)
    {
        lock (_lock)
        {
            if (!_isReceiving || _receiveToken != token)
            {
                return;
            }

            _isReceiving = false;
            _receiveInto = default;
            _receiveCancel = default;
        }

        _receiving!.SetException(new OperationCanceledException(token));
    }

    private sealed class OpenRequest(bool isBidirectional, int priority) : TaskCompletionSource<QuicStream>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public bool IsBidirectional { get; } = isBidirectional;

        public int Priority { get; } = priority;
    }
}
