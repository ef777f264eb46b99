using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <content>What ngtcp2 and GnuTLS call back, see <see cref="QuicCallbacks"/>: on the loop's thread, inside a call of ours. Nothing here
/// writes packets or runs what users wait for.</content>
public sealed unsafe partial class QuicConnection
{
    /// <summary>A callback threw: the connection ends with it.</summary>
    internal void ReportCallbackFault(Exception exception) => _callbackFault ??= exception;

    internal bool OnHandshakeCompleted()
    {
        GnuTlsDatum name = default;
        if (LibGnuTls.gnutls_alpn_get_selected_protocol(_session!.Pointer, &name) == 0)
        {
            Protocol = Encoding.ASCII.GetString(name.Data, (int)name.Bytes);
        }

        IsResumed = LibGnuTls.gnutls_session_is_resumed(_session.Pointer) != 0;
        if (_server is not null)
        {
            _server.HandshakeEnded(isCompleted: true);
            if (!SendToken() || LibGnuTls.gnutls_session_ticket_send(_session.Pointer, 1, 0) < 0)
            {
                return false;
            }
        }
        else
        {
            if (!IsResumed && !_isCertificateVerified)
            {
                _certificateFault = "the server showed none";
                return false;
            }

            IsEarlyDataAccepted = HasEarlyData && (LibGnuTls.gnutls_session_get_flags(_session.Pointer) & LibGnuTls.SessionEarlyData) != 0;
            if (HasEarlyData && !IsEarlyDataAccepted && LibNgtcp2.ngtcp2_conn_tls_early_data_rejected(_connection) != 0)
            {
                return false;
            }

            if (IsResumed && _connect!.Session is { } session)
            {
                _certificateExpires = session.CertificateExpires;
            }
        }

        _isInHandshake = false;
        UpdateStreamLimits();
        UpdateDatagramMax();
        _handshake.TrySetResult();
        QueueCompletion();
        return true;
    }

    internal void OnStreamOpened(long id)
    {
        QuicStream stream = new(this, id, isLocal: false, priority: 0) { IsOpened = true };
        _streams.Add(id, stream);
        lock (_lock)
        {
            _toAccept.Enqueue(stream);
        }

        QueueCompletion();
    }

    internal void OnStreamData(long id, uint flags, byte* data, int bytes)
    {
        if (_streams.TryGetValue(id, out QuicStream? stream))
        {
            stream.Received(data, bytes, (flags & LibNgtcp2.StreamDataFin) != 0, (flags & LibNgtcp2.StreamDataEarly) != 0);
        }
        else
        {
            ReportConsumed(bytes);
        }
    }

    internal void OnStreamAcknowledged(long id, ulong end)
    {
        if (_streams.TryGetValue(id, out QuicStream? stream))
        {
            stream.Acknowledged(end);
        }
    }

    internal void OnStreamClosed(long id, ulong? code)
    {
        if (!_streams.TryGetValue(id, out QuicStream? stream))
        {
            return;
        }

        _streamLosses += (long)LibNgtcp2.ngtcp2_conn_get_stream_loss_count(_connection, id);
        _schedule.Remove(stream);
        if (stream.Closed(code))
        {
            Release(stream);
        }
    }

    internal void OnStreamReset(long id, ulong code)
    {
        if (_streams.TryGetValue(id, out QuicStream? stream))
        {
            stream.ResetByPeer(code);
        }
    }

    internal void OnStreamCredit(long id)
    {
        if (_streams.TryGetValue(id, out QuicStream? stream))
        {
            stream.IsBlocked = false;
            if (stream.IsOpened && stream.HasMoreToSend)
            {
                _schedule.Add(stream);
            }
        }
    }

    internal void OnStreamLimits()
    {
        if (_connection != 0)
        {
            UpdateStreamLimits();
        }
    }

    internal void OnDatagram(byte* data, int bytes)
    {
        if (bytes > NativeBlock.Capacity)
        {
            Interlocked.Increment(ref _datagramsDropped);
            return;
        }

        if (_intake?.Invoke(new ReadOnlySpan<byte>(data, bytes)) == true) // SAFETY: ngtcp2 lends them for the call
        {
            return;
        }

        lock (_lock)
        {
            NativeBlock* block;
            if (_datagramsIn.Count >= Options.DatagramQueueMax)
            {
                block = (NativeBlock*)_datagramsIn.Dequeue();
                Interlocked.Increment(ref _datagramsDropped);
            }
            else
            {
                block = Blocks.Rent();
            }

            Buffer.MemoryCopy(data, NativeBlock.Data(block), NativeBlock.Capacity, bytes); // SAFETY: checked above
            block->Start = 0;
            block->End = bytes;
            _datagramsIn.Enqueue((nint)block);
        }

        QueueCompletion();
    }

    internal void OnDatagramAcknowledged(ulong id)
    {
        if ((id & WatchedMark) != 0)
        {
            _watcher?.Acknowledged(id & ~WatchedMark);
        }
    }

    internal void OnDatagramLost(ulong id)
    {
        _datagramsLost++;
        if ((id & WatchedMark) != 0)
        {
            _losses.NoteLoss(); // no repair will tell it
            _watcher?.Lost(id & ~WatchedMark);
        }
    }

    internal void OnStatelessReset() => _isReset = true;

    internal void OnPathValidated(bool isValid, bool needsToken)
    {
        _ = isValid ? _pathsValidated++ : _pathsRefused++;
        _hasPathResult = true;
        _pathResult = isValid;
        if (needsToken && _server is not null && isValid)
        {
            SendToken();
        }
    }

    internal void OnEarlyDataRejected()
    {
        _isEarlyRejected = true;
        _bidiNative = _uniNative = 0; // ngtcp2 has forgotten all streams
        _schedule.Clear();
    }

    internal void OnNewToken(byte* token, int bytes)
    {
        _token = new ReadOnlySpan<byte>(token, bytes).ToArray();
        SaveSession();
    }

    /// <summary>A session ticket came.</summary>
    internal void OnTicket()
    {
        GnuTlsDatum data;
        if (LibGnuTls.gnutls_session_get_data2(_session!.Pointer, &data) != 0)
        {
            return;
        }

        _ticket = new ReadOnlySpan<byte>(data.Data, (int)data.Bytes).ToArray();
        LibC.free(data.Data);
        SaveSession();
    }

    internal bool OnNewId(Ngtcp2Cid* id, byte* token, int bytes)
    {
        if (_server is null)
        {
            *id = RandomId(bytes);
            RandomNumberGenerator.Fill(new Span<byte>(token, LibNgtcp2.ResetTokenBytes));
            return true;
        }

        *id = _server.NewId();
        if (!_server.TryResetToken(id, token))
        {
            return false;
        }

        AddId(new ConnectionId(id->Data, id->Bytes));
        return true;
    }

    internal void OnIdRetired(Ngtcp2Cid* id)
    {
        if (_server is not null)
        {
            ConnectionId key = new(id->Data, id->Bytes);
            _ids.Remove(key);
            _server.RemoveRoute(key);
        }
    }

    internal void OnQlog(ReadOnlySpan<byte> data)
    {
        try
        {
            _qlog?.Write(data);
        }
        catch (IOException)
        {
            _qlog = null; // its finaliser closes what cannot be flushed
            _tls.QlogFailed();
        }
    }

    internal void OnSecret(ReadOnlySpan<byte> label, GnuTlsDatum* secret)
    {
        GnuTlsDatum client = default;
        GnuTlsDatum server = default;
        LibGnuTls.gnutls_session_get_random(_session!.Pointer, &client, &server);
        _tls.KeyLog?.Append(label, new ReadOnlySpan<byte>(client.Data, (int)client.Bytes), new ReadOnlySpan<byte>(secret->Data, (int)secret->Bytes));
    }

    /// <summary>Whether the server's certificate is the one we want; else the fault is remembered.</summary>
    internal bool OnCertificate()
    {
        uint count;
        GnuTlsDatum* chain = LibGnuTls.gnutls_certificate_get_peers(_session!.Pointer, &count);
        if (chain is null || count == 0)
        {
            _certificateFault = "the server showed none";
            return false;
        }

        // SAFETY: the session owns the chain, and each has its length beside it.
        ReadOnlySpan<byte> encoded = new(chain->Data, (int)chain->Bytes);
        try
        {
            using X509Certificate2 certificate = X509CertificateLoader.LoadCertificate(encoded);
            _certificateExpires = certificate.NotAfter.ToUniversalTime();
            _certificateFault = HostTrust.FaultOfDates(certificate, ((QuicClientOptions)Options).Time.GetUtcNow());
        }
        catch (CryptographicException exception)
        {
            _certificateFault = exception.Message;
        }

        _certificateFault ??= _fingerprint.Length > 0 ? HostTrust.FaultOfFingerprint(encoded, _fingerprint) : CheckChain();
        _isCertificateVerified = _certificateFault is null;
        return _isCertificateVerified;
    }

    private string? CheckChain()
    {
        uint status;
        byte[] host = [.. Encoding.UTF8.GetBytes(_connect!.Host), 0];
        int result;
        fixed (byte* name = host)
        {
            result = LibGnuTls.gnutls_certificate_verify_peers3(_session!.Pointer, name, &status);
        }

        return result < 0 ? LibGnuTls.Describe(result)
            : status == 0 ? null
            : (status & LibGnuTls.CertificateUnexpectedOwner) != 0 ? $"it is not for {_connect.Host}"
            : (status & LibGnuTls.CertificateSignerNotFound) != 0 ? "nobody trusted signed it"
            : (status & (LibGnuTls.CertificateExpired | LibGnuTls.CertificateNotActivated)) != 0 ? "it, or one that signed it, is not valid today"
            : FormattableString.Invariant($"it is not valid (GnuTLS status 0x{status:x})");
    }

    private bool SendToken()
    {
        byte* token = stackalloc byte[LibNgtcp2Crypto.RegularTokenBytesMax];
        int bytes = _server!.MakeToken(token, in _remote);
        return bytes > 0 && LibNgtcp2.ngtcp2_conn_submit_new_token(_connection, token, (nuint)bytes) == 0;
    }

    private void SaveSession()
    {
        if (_ticket is null)
        {
            return;
        }

        byte* parameters = stackalloc byte[512];
        nint bytes = LibNgtcp2.ngtcp2_conn_encode_0rtt_transport_params(_connection, parameters, 512);
        if (bytes > 0)
        {
            Volatile.Write(ref _savedSession, new QuicSession(_connect!.Host, _connect.CertificateFingerprint, _certificateExpires, _ticket,
                new ReadOnlySpan<byte>(parameters, (int)bytes).ToArray(), _token));
        }
    }
}
