using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <content>The event loop's side: everything that touches ngtcp2, on the loop's thread only.</content>
public sealed unsafe partial class QuicConnection : ITimed
{
    private const int ReasonBytesMax = 512;

    // Header, packet number, tag and frame head of a packet that holds one datagram: 1 + 20 + 4 + 16 + 3.
    private const int DatagramOverheadBytes = 44;

    // Two blocks hold any packet, whatever their fill.
    private const int VectorsMax = 3;

    private const int ProbesMax = 8;

    // A stream may take this part of the room that is free for all: one alone has its own limit, which is as large a part of the connection's.
    private const int FreeShare = 4;

    // A client's socket has one peer, whose datagrams the system joins: few slots hold many.
    private const int ClientBatchMessages = 4;

    // After the close, stray packets are answered or ignored for so many probe timeouts (RFC 9000, section 10.2).
    private const int LingerProbeTimeouts = 3;

    private readonly QuicEventLoop _loop;
    private readonly QuicServer? _server;
    private readonly QuicTls _tls;
    private readonly Dictionary<long, QuicStream> _streams = [];
    private readonly List<ConnectionId> _ids = [];
    private readonly StreamSchedule _schedule = new();
    private readonly Queue<QuicStream> _blocked = new();
    private readonly List<QuicPort> _ports = [];
    private readonly Queue<QuicStream> _reopen = new();
    private readonly QuicConnectOptions? _connect;
    private readonly byte[] _fingerprint = [];

    // Under the lock: changes by other threads.
    private List<QuicStream> _changedStreams = [];
    private List<QuicStream> _changedStreamsSpare = [];
    private readonly List<QuicStream> _starved = [];
    private bool _isChanged;

    private GCHandle _self;
    private Ngtcp2Connection? _native;
    private GnuTlsSession? _session;
    private nint _connection;
    private QuicPort _port;
    private SocketAddressBytes _remote;
    private SocketAddressBytes _local;
    private IPEndPoint _remoteEndPoint;
    private IPEndPoint _localEndPoint;
    private FileStream? _qlog;
    private byte[]? _closePacket;
    private int _readsWhileClosing;
    private bool _isCompletionQueued;
    private bool _isLingering;
    private bool _hasClosingPlace;
    private bool _isFreed;
    private bool _isInHandshake = true;
    private bool _isDelivered;
    private bool _isEarlyRejected;
    private string? _certificateFault;
    private DateTime _certificateExpires = DateTime.MaxValue;
    private Exception? _callbackFault;
    private byte[]? _ticket;
    private byte[]? _token;
    private QuicSession? _savedSession;
    private TaskCompletionSource<bool>? _migration;
    private ulong _datagramId; // of the one that is held
    private volatile IDatagramWatcher? _watcher;
    private volatile Func<ReadOnlySpan<byte>, bool>? _intake;
    private long _consumed;
    private long _sendBytes;
    private int _datagramBytesMax;
    private int _packetBytesMax;
    private NativeBlock* _datagramHeld;
    private long _bidiNative;
    private long _uniNative;
    private bool _isReset;
    private bool _hasRead;
    private bool _isCertificateVerified;
    private bool _hasPathResult;
    private bool _pathResult;
    private int _addressChecks;
    private bool _cannotSend;
    private int _addressesFollowed;

    private long _packetsSent;
    private long _packetsReceived;
    private long _bytesSent;
    private long _bytesReceived;
    private long _streamLosses;
    private long _datagramsLost;
    private long _datagramsDropped;
    private long _sendFailures;
    private int _pathsValidated;
    private int _pathsRefused;

    private QuicConnection(QuicEventLoop loop, QuicServer? server, QuicTls tls, QuicTransportOptions options, QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote)
    {
        (_loop, _server, _tls, Options, _port, _local, _remote) = (loop, server, tls, options, port, local, remote);
        IsServer = server is not null;
        _remoteEndPoint = remote.ToEndPoint();
        _localEndPoint = local.ToEndPoint();
        _ports.Add(port);
    }

    int ITimed.HeapIndex { get; set; } = -1;

    ulong ITimed.Due { get; set; }

    internal bool IsTouched { get; set; }

    // --- Changes by other threads ---

    /// <summary>A stream has changes. Any thread.</summary>
    internal void QueueChanged(QuicStream stream)
    {
        bool shallTell;
        lock (_lock)
        {
            _changedStreams.Add(stream);
            shallTell = MarkChanged();
        }

        if (shallTell)
        {
            _loop.Enqueue(this);
        }
    }

    /// <summary>Somebody read: the peer may send more. Any thread.</summary>
    internal void ReportConsumed(int bytes)
    {
        if (bytes == 0)
        {
            return;
        }

        long consumed = Interlocked.Add(ref _consumed, bytes);
        long threshold = Options.ConnectionWindowBytes / 8;
        if (consumed >= threshold && consumed - bytes < threshold)
        {
            bool shallTell;
            lock (_lock)
            {
                shallTell = MarkChanged();
            }

            if (shallTell)
            {
                _loop.Enqueue(this);
            }
        }
    }

    /// <summary>Takes room for bytes to send. Any thread. A stream takes a part of what is free beyond what it has: those that nobody reads leave
    /// room to the others (after the dynamic threshold of Choudhury and Hahne, 1998).</summary>
    /// <param name="stream">Whose.</param>
    /// <param name="held">What it has already.</param>
    /// <param name="wanted">What it wants more.</param>
    /// <returns>How many; fewer than wanted when the connection's limit is reached: the stream will be told when there is room.</returns>
    internal int ReserveSend(QuicStream stream, long held, int wanted)
    {
        lock (_lock)
        {
            long free = Options.ConnectionSendBytesMax - _sendBytes;
            long share = Math.Max((free - held) / FreeShare, held == 0 ? Math.Min(free, NativeBlock.Capacity) : 0);
            int granted = (int)Math.Clamp(share, 0, wanted);
            _sendBytes += granted;
            if (granted < wanted)
            {
                _starved.Add(stream);
            }

            return granted;
        }
    }

    /// <summary>Bytes were acknowledged, or given up. On the loop's thread.</summary>
    internal void ReportFreed(long bytes)
    {
        if (bytes == 0)
        {
            return;
        }

        lock (_lock)
        {
            _sendBytes -= bytes;
            foreach (QuicStream stream in _starved)
            {
                QueueCompletion(stream);
            }

            _starved.Clear();
        }
    }

    /// <summary>Whoever waits for a stream is told in this turn. On the loop's thread.</summary>
    internal void QueueCompletion(QuicStream stream)
    {
        if (!stream.IsCompletionQueued)
        {
            stream.IsCompletionQueued = true;
            _loop.QueueCompletion(stream);
        }
    }

    /// <summary>Does what other threads want. On the loop's thread.</summary>
    internal void TakeOver()
    {
        lock (_lock)
        {
            _isChanged = false;
            (_changedStreams, _changedStreamsSpare) = (_changedStreamsSpare, _changedStreams);
            if (_native is not null)
            {
                while (_toOpen.TryDequeue(out QuicStream? stream))
                {
                    _streams.Add(stream.Id, stream);
                    _reopen.Enqueue(stream);
                }
            }
            else
            {
                _toOpen.Clear();
            }
        }

        OpenNative();
        foreach (QuicStream stream in _changedStreamsSpare)
        {
            stream.TakeChanges(out ulong? resetCode, out ulong? stopCode, out int creditBytes, out bool hasMore, out bool isReleased, out bool isGivenUp);
            if (isGivenUp)
            {
                QueueCompletion(stream); // whoever waits on this side is told now, not when the peer answers
            }

            if (isReleased)
            {
                Release(stream);
                continue;
            }

            if (_native is null || !stream.IsOpened || stream.IsNativeClosed)
            {
                continue;
            }

            int result = 0;
            if (resetCode is { } reset)
            {
                result = LibNgtcp2.ngtcp2_conn_shutdown_stream_write(_connection, 0, stream.Id, reset);
                _schedule.Remove(stream);
            }

            if (result == 0 && stopCode is { } stop)
            {
                result = LibNgtcp2.ngtcp2_conn_shutdown_stream_read(_connection, 0, stream.Id, stop);
            }

            if (result == 0 && creditBytes > 0)
            {
                result = LibNgtcp2.ngtcp2_conn_extend_max_stream_offset(_connection, stream.Id, (ulong)creditBytes);
            }

            if (result != 0)
            {
                Terminate(new QuicLocalFailure(LibNgtcp2.Describe(result)), result);
                break;
            }

            if (hasMore && resetCode is null && !stream.IsBlocked)
            {
                _schedule.Add(stream);
            }
        }

        _changedStreamsSpare.Clear();
        if (_native is not null)
        {
            long consumed = Interlocked.Exchange(ref _consumed, 0);
            if (consumed > 0)
            {
                LibNgtcp2.ngtcp2_conn_extend_max_offset(_connection, (ulong)consumed);
            }

            _loop.Touch(this);
        }
        else
        {
            RetireIfUnused();
        }
    }

    // Under the lock.
    private bool MarkChanged()
    {
        bool isFirst = !_isChanged;
        _isChanged = true;
        return isFirst;
    }

    private void OpenNative()
    {
        while (_native is not null && _reopen.TryPeek(out QuicStream? stream))
        {
            long id;
            int result = stream.IsBidirectional
                ? LibNgtcp2.ngtcp2_conn_open_bidi_stream(_connection, &id, 0)
                : LibNgtcp2.ngtcp2_conn_open_uni_stream(_connection, &id, 0);
            if (result == LibNgtcp2.ErrorStreamIdBlocked)
            {
                return; // only after early data were refused by a server that allows less now
            }

            _ = stream.IsBidirectional ? _bidiNative++ : _uniNative++;
            if (result != 0 || id != stream.Id)
            {
                Terminate(new QuicLocalFailure(result != 0 ? LibNgtcp2.Describe(result) : "a stream got another number"), LibNgtcp2.ErrorInvalidState);
                return;
            }

            _reopen.Dequeue();
            stream.IsOpened = true;
            if (stream.HasMoreToSend)
            {
                _schedule.Add(stream);
            }
        }
    }

    private void Release(QuicStream stream)
    {
        if (_streams.Remove(stream.Id) && !stream.IsLocal && _native is not null && !stream.IsCreditReturned)
        {
            stream.IsCreditReturned = true;
            if (stream.IsBidirectional)
            {
                LibNgtcp2.ngtcp2_conn_extend_max_streams_bidi(_connection, 1);
            }
            else
            {
                LibNgtcp2.ngtcp2_conn_extend_max_streams_uni(_connection, 1);
            }
        }
    }

    // --- Packets and timers ---

    /// <summary>A datagram for this connection.</summary>
    internal void Read(in SocketAddressBytes local, in SocketAddressBytes remote, byte* packet, int bytes, EcnCodepoint ecn, ulong now)
    {
        _packetsReceived++;
        _bytesReceived += bytes;
        if (_native is null)
        {
            // RFC 9000, section 10.2.1: fewer and fewer answers to a peer that has not understood.
            if (_closePacket is { } packetToRepeat && int.IsPow2(++_readsWhileClosing))
            {
                fixed (byte* data = packetToRepeat)
                {
                    Send(_port, data, packetToRepeat.Length, packetToRepeat.Length, in _remote, in _local, EcnCodepoint.NotCapable);
                }
            }

            return;
        }

        SocketAddressBytes localCopy = local;
        SocketAddressBytes remoteCopy = remote;
        Ngtcp2Path path = MakePath(&localCopy, &remoteCopy);
        Ngtcp2PacketInfo info = new() { Ecn = (byte)ecn };
        int result = LibNgtcp2.ngtcp2_conn_read_pkt_versioned(_connection, &path, LibNgtcp2.PacketInfoVersion, &info, packet, (nuint)bytes, now);
        if (result == 0)
        {
            _hasRead = true;
            if (_isEarlyRejected)
            {
                _isEarlyRejected = false;
                SendAgain();
            }

            if (_hasPathResult)
            {
                _hasPathResult = false;
                FollowPath();
            }

            if (_addressChecks > 0 && !_isInHandshake)
            {
                _addressChecks--;
                FollowAddress();
            }

            _loop.Touch(this);
            return;
        }

        Fail(result);
    }

    /// <summary>The timer ran out.</summary>
    internal void HandleExpiry(ulong now)
    {
        if (_native is null)
        {
            Retire();
            return;
        }

        SendRepeats(now);
        if (LibNgtcp2.ngtcp2_conn_get_expiry(_connection) > now)
        {
            SetTimer();
            return;
        }

        int result = LibNgtcp2.ngtcp2_conn_handle_expiry(_connection, now);
        if (result != 0)
        {
            Fail(result);
            return;
        }

        _loop.Touch(this);
    }

    private void Fail(int error)
    {
        switch (error)
        {
            case LibNgtcp2.ErrorDraining when _isReset:
                Finish(new QuicStatelessReset(), null);
                break;
            case LibNgtcp2.ErrorDraining:
                Finish(PeerClose(), null);
                break;
            case LibNgtcp2.ErrorIdleClose:
                Finish(new QuicIdleTimeout(), null);
                break;
            case LibNgtcp2.ErrorHandshakeTimeout:
                Finish(new QuicHandshakeTimeout(), null);
                break;
            case LibNgtcp2.ErrorReceivedVersionNegotiation:
                Finish(new QuicVersionMismatch(), null);
                break;
            case LibNgtcp2.ErrorDropConnection or LibNgtcp2.ErrorRetry or LibNgtcp2.ErrorClosing:
                Finish(new QuicLocalFailure(LibNgtcp2.Describe(error)), null);
                break;
            case LibNgtcp2.ErrorCallbackFailure when _callbackFault is { } fault:
                Terminate(new QuicLocalFailure(fault.ToString()), error);
                break;
            case LibNgtcp2.ErrorCrypto when _certificateFault is { } certificateFault:
                Terminate(new QuicCertificateRefused(certificateFault), error);
                break;
            case LibNgtcp2.ErrorCrypto:
                byte alert = LibNgtcp2.ngtcp2_conn_get_tls_alert(_connection);
                Terminate(new QuicTransportClose(ByPeer: false, 0x100u + alert, ""), error);
                break;
            default:
                Terminate(new QuicTransportClose(ByPeer: false, ErrorCode(error), LibNgtcp2.Describe(error)), error);
                break;
        }
    }

    private static ulong ErrorCode(int error)
    {
        Ngtcp2CloseError close = default;
        LibNgtcp2.ngtcp2_ccerr_set_liberr(&close, error, null, 0);
        return close.Code;
    }

    private QuicCloseReason PeerClose()
    {
        // SAFETY: owned by the connection, which exists here; the reason has its length beside it.
        Ngtcp2CloseError* error = LibNgtcp2.ngtcp2_conn_get_ccerr(_connection);
        string words = error->Reason is null ? "" : Encoding.UTF8.GetString(error->Reason, (int)Math.Min(error->ReasonBytes, 1024));
        return error->Type == 1 ? new QuicApplicationClose(ByPeer: true, error->Code, words) : new QuicTransportClose(ByPeer: true, error->Code, words);
    }

    // Tells the peer of an error of ours.
    private void Terminate(QuicCloseReason reason, int error)
    {
        if (_native is null)
        {
            return;
        }

        Ngtcp2CloseError close = default;
        if (error == LibNgtcp2.ErrorCrypto)
        {
            LibNgtcp2.ngtcp2_ccerr_set_tls_alert(&close, LibNgtcp2.ngtcp2_conn_get_tls_alert(_connection), null, 0);
        }
        else
        {
            LibNgtcp2.ngtcp2_ccerr_set_liberr(&close, error, null, 0);
        }

        Finish(reason, &close);
    }

    private void CloseByApplication(ulong code, string reason)
    {
        if (_native is null)
        {
            return;
        }

        Span<byte> words = stackalloc byte[ReasonBytesMax];
        Encoding.UTF8.GetEncoder().Convert(reason, words, flush: true, out _, out int bytes, out _);
        fixed (byte* data = words)
        {
            Ngtcp2CloseError close = default;
            LibNgtcp2.ngtcp2_ccerr_set_application_error(&close, code, data, (nuint)bytes);
            Write(QuicEventLoop.Now); // what waits goes first, as far as the network takes it
            Finish(new QuicApplicationClose(ByPeer: false, code, reason), &close);
        }
    }

    /// <summary>Ends at once: the event loop ends, or it never began.</summary>
    internal void End(QuicCloseReason reason, bool tellsPeer = false)
    {
        Ngtcp2CloseError close = default;
        LibNgtcp2.ngtcp2_ccerr_set_transport_error(&close, 0, null, 0);
        Finish(reason, tellsPeer ? &close : null);
        Retire();
    }

    // The native connection goes now; what is left answers stray packets for a while.
    private void Finish(QuicCloseReason reason, Ngtcp2CloseError* close)
    {
        if (_native is null)
        {
            if (_self.IsAllocated)
            {
                _self.Free(); // it never came to be
                _qlog?.Dispose();
                Settle(reason);
                _isLingering = true;
            }

            return;
        }

        ulong now = QuicEventLoop.Now;
        if (close is not null && !_port.IsBlocked)
        {
            Ngtcp2PacketInfo info;
            nint bytes = LibNgtcp2.ngtcp2_conn_write_connection_close_versioned(_connection, _loop.Path, LibNgtcp2.PacketInfoVersion, &info, _loop.SendBuffer, LibNgtcp2.UdpPayloadBytesMax, close, now);
            if (bytes > 0)
            {
                _closePacket = new ReadOnlySpan<byte>(_loop.SendBuffer, (int)bytes).ToArray();
                Send(_port, _loop.SendBuffer, (int)bytes, (int)bytes, in _remote, in _local, (EcnCodepoint)info.Ecn);
            }
        }

        // At most 3 s: a handshake that broke has no round trip yet, and a flood of them must not fill the table. What ended without words on
        // either side is forgotten at once (RFC 9000, section 10.1).
        bool isSilent = close is null && reason is not (QuicApplicationClose or QuicTransportClose or QuicStatelessReset);
        ulong linger = isSilent ? 0 : Math.Min(LingerProbeTimeouts * LibNgtcp2.ngtcp2_conn_get_pto(_connection), 3_000_000_000);
        _native.Dispose();
        _native = null;
        _connection = 0;
        _session?.Dispose();
        _session = null;
        _self.Free();
        _qlog?.Dispose();
        _qlog = null;
        PopDatagram();
        ForgetRepeats();
        _schedule.Clear();
        Settle(reason);
        _isLingering = true;
        _hasClosingPlace = linger > 0 && _server?.TryBeginClosing() == true;
        if (linger == 0 || (IsServer && !_hasClosingPlace))
        {
            Retire(); // at once: the next packet of this client may be a better first one, or too many are being closed
            return;
        }

        _loop.SetTimer(this, now + linger);
    }

    private void Settle(QuicCloseReason reason)
    {
        QuicClosedException failure = new(reason);
        OpenRequest[] waits;
        lock (_lock)
        {
            _reason = reason;
            waits = [.. _openWaits];
            _openWaits.Clear();
            while (_toOpen.TryDequeue(out QuicStream? stream))
            {
                _streams.Add(stream.Id, stream);
            }

            while (_datagramsOut.TryDequeue(out nint block))
            {
                Blocks.Return((NativeBlock*)block);
            }

            while (_watchedOut.TryDequeue(out (nint Block, ulong Id, int Priority) watched))
            {
                Blocks.Return((NativeBlock*)watched.Block);
            }

            _watchedWait?.TrySetException(failure);
            _ = _watchedWait?.Task.Exception; // whoever waited may have gone
        }

        if (reason is QuicTransportClose { ByPeer: false } broken)
        {
            _server?.ProtocolError(broken.Code);
        }

        if (_isInHandshake)
        {
            _isInHandshake = false;
            _server?.HandshakeEnded(isCompleted: false);
        }

        _server?.ConnectionEnded();
        foreach (QuicStream stream in _streams.Values)
        {
            stream.Fail(failure);
        }

        foreach (OpenRequest wait in waits)
        {
            wait.TrySetException(failure);
        }

        _migration?.TrySetException(failure);
        _handshake.TrySetException(failure);
        _ = _handshake.Task.Exception; // nobody has to look
        _closed.TrySetResult(reason);
        QueueCompletion();
    }

    // Nobody answers stray packets any more.
    private void Retire()
    {
        if (_isLingering)
        {
            _isLingering = false;
            foreach (ConnectionId id in _ids)
            {
                _server!.RemoveRoute(id);
            }

            _ids.Clear();
            if (_hasClosingPlace)
            {
                _hasClosingPlace = false;
                _server!.ClosingEnded();
            }

            if (!IsServer)
            {
                foreach (QuicPort port in _ports)
                {
                    _loop.RemovePort(port);
                }

                _ports.Clear();
            }
        }

        RetireIfUnused();
    }

    private void RetireIfUnused()
    {
        if (_native is null && !_isLingering && _streams.Count == 0)
        {
            Free();
        }
    }

    /// <summary>Frees what streams and datagrams hold. After the end.</summary>
    internal void Free()
    {
        if (_native is not null || _isFreed)
        {
            return;
        }

        foreach (QuicStream stream in _streams.Values)
        {
            stream.Free();
        }

        _streams.Clear();
        lock (_lock)
        {
            while (_datagramsIn.TryDequeue(out nint block))
            {
                Blocks.Return((NativeBlock*)block);
            }
        }

        if (!_isLingering)
        {
            _isFreed = true;
            _loop.RemoveConnection(this);
        }
    }

    // --- What waits ---

    private void QueueCompletion()
    {
        if (!_isCompletionQueued)
        {
            _isCompletionQueued = true;
            _loop.QueueCompletion(this);
        }
    }

    /// <summary>Ends waits that can end. Outside callbacks: whoever waited may go on in here.</summary>
    internal void Complete()
    {
        _isCompletionQueued = false;
        if (_server is not null && !_isDelivered && _native is not null && (!_isInHandshake || _streams.Count > 0))
        {
            _isDelivered = true;
            _server.Deliver(this);
        }

        QuicStream? accepted = null;
        int bytes = 0;
        bool endsAccept;
        bool endsReceive;
        QuicCloseReason? reason;
        CancellationTokenRegistration acceptCancel = default;
        CancellationTokenRegistration receiveCancel = default;
        lock (_lock)
        {
            reason = _reason;
            endsAccept = _isAccepting && (_toAccept.TryDequeue(out accepted) || reason is not null);
            if (endsAccept)
            {
                _isAccepting = false;
                (acceptCancel, _acceptCancel) = (_acceptCancel, default);
            }

            bool hasDatagram = _isReceiving && TryReceive(_receiveInto.Span, out bytes);
            endsReceive = _isReceiving && (hasDatagram || reason is not null);
            if (endsReceive)
            {
                _isReceiving = false;
                _receiveInto = default;
                (receiveCancel, _receiveCancel) = (_receiveCancel, default);
                bytes = hasDatagram ? bytes : -1;
            }
        }

        if (endsAccept)
        {
            acceptCancel.Unregister();
            if (accepted is not null)
            {
                _accepting!.SetResult(accepted);
            }
            else
            {
                _accepting!.SetException(new QuicClosedException(reason!));
            }
        }

        if (endsReceive)
        {
            receiveCancel.Unregister();
            if (bytes >= 0)
            {
                _receiving!.SetResult(bytes);
            }
            else
            {
                _receiving!.SetException(new QuicClosedException(reason!));
            }
        }
    }

    private void UpdateStreamLimits()
    {
        lock (_lock)
        {
            _bidiLimit = _bidiNative + (long)LibNgtcp2.ngtcp2_conn_get_streams_bidi_left(_connection);
            _uniLimit = _uniNative + (long)LibNgtcp2.ngtcp2_conn_get_streams_uni_left(_connection);
            int waits = _openWaits.Count;
            for (int i = 0; i < waits; i++)
            {
                OpenRequest request = _openWaits.Dequeue();
                if (request.Task.IsCompleted)
                {
                    continue;
                }

                if (request.IsBidirectional ? _bidiOpened >= _bidiLimit : _uniOpened >= _uniLimit)
                {
                    _openWaits.Enqueue(request);
                    continue;
                }

                request.TrySetResult(MakeLocal(request.IsBidirectional, request.Priority));
                if (MarkChanged())
                {
                    _loop.Enqueue(this);
                }
            }
        }
    }

    private void UpdateDatagramMax()
    {
        _packetBytesMax = (int)LibNgtcp2.ngtcp2_conn_get_path_max_tx_udp_payload_size(_connection);
        Ngtcp2TransportParameters* remote = LibNgtcp2.ngtcp2_conn_get_remote_transport_params(_connection);
        if (remote is null || remote->MaxDatagramFrameSize == 0 || Options.DatagramQueueMax == 0)
        {
            Volatile.Write(ref _datagramBytesMax, 0);
            return;
        }

        Volatile.Write(ref _datagramBytesMax, (int)Math.Clamp(_packetBytesMax - DatagramOverheadBytes, 0, (long)Math.Min(remote->MaxDatagramFrameSize, 65535) - 3));
    }

    private void SendAgain()
    {
        _reopen.Clear();
        _blocked.Clear();
        foreach (QuicStream stream in _streams.Values.Where(stream => stream.IsLocal && !stream.IsNativeClosed).OrderBy(stream => stream.Id))
        {
            stream.Rewind();
            stream.IsOpened = stream.IsBlocked = stream.IsInBlocked = false;
            _reopen.Enqueue(stream);
        }

        UpdateStreamLimits();
        OpenNative();
    }

    private void UpdateKeys(TaskCompletionSource<bool> result)
    {
        int code = _native is null ? LibNgtcp2.ErrorClosing : LibNgtcp2.ngtcp2_conn_initiate_key_update(_connection, QuicEventLoop.Now);
        if (code != 0)
        {
            result.TrySetException(new QuicException($"The keys cannot be changed now: {LibNgtcp2.Describe(code)}."));
            return;
        }

        result.TrySetResult(true);
        _loop.Touch(this);
    }

    private void GetStatistics(TaskCompletionSource<QuicConnectionStatistics> result)
    {
        if (_native is null)
        {
            result.TrySetException(new QuicClosedException(_reason!));
            return;
        }

        Ngtcp2ConnectionInfo info;
        LibNgtcp2.ngtcp2_conn_get_conn_info_versioned(_connection, LibNgtcp2.ConnectionInfoVersion, &info);
        long losses = _streamLosses;
        foreach (QuicStream stream in _streams.Values)
        {
            if (stream.IsOpened && !stream.IsNativeClosed)
            {
                losses += (long)LibNgtcp2.ngtcp2_conn_get_stream_loss_count(_connection, stream.Id);
            }
        }

        result.TrySetResult(new QuicConnectionStatistics
        {
            LatestRtt = Time(info.LatestRtt),
            MinRtt = Time(info.MinRtt),
            SmoothedRtt = Time(info.SmoothedRtt),
            RttVariation = Time(info.RttVariation),
            ProbeTimeout = Time(LibNgtcp2.ngtcp2_conn_get_pto(_connection)),
            CongestionWindowBytes = (long)info.CongestionWindow,
            BytesInFlight = (long)info.BytesInFlight,
            PacketBytesMax = (int)LibNgtcp2.ngtcp2_conn_get_path_max_tx_udp_payload_size(_connection),
            PacketsSent = _packetsSent,
            PacketsReceived = _packetsReceived,
            PacketsRepeated = _packetsRepeated,
            BytesSent = _bytesSent,
            BytesReceived = _bytesReceived,
            StreamLosses = losses,
            DatagramsLost = _datagramsLost,
            DatagramsDropped = Interlocked.Read(ref _datagramsDropped),
            SendFailures = _sendFailures,
            SendBytesHeld = Interlocked.Read(ref _sendBytes),
            PathsValidated = _pathsValidated,
            PathsRefused = _pathsRefused,
            AddressesFollowed = _addressesFollowed,
        });
    }
}
