using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <content>Which packets are written, on the loop's thread: datagrams first, then streams and watched datagrams by priority, and what goes to
/// one place in one call.</content>
public sealed unsafe partial class QuicConnection
{
    private const int WatchedWaitMost = 32;

    /// <summary>Sends what can be sent now.</summary>
    internal void Write(ulong now)
    {
        if (_native is null)
        {
            return;
        }

        if (_port.IsBlocked)
        {
            _loop.WaitWritable(_port, this);
            return;
        }

        ProbeBlocked();
        byte* buffer = _loop.SendBuffer;
        Ngtcp2Path* path = _loop.Path;
        Ngtcp2Vector* vectors = stackalloc Ngtcp2Vector[VectorsMax];
        Ngtcp2PacketInfo info = default;
        long quantum = (long)Math.Max(LibNgtcp2.ngtcp2_conn_get_send_quantum(_connection), LibNgtcp2.UdpPayloadBytesMax);
        int used = 0;
        int segment = 0;
        QuicPort batchPort = _port;
        SocketAddressBytes batchRemote = _remote;
        SocketAddressBytes batchLocal = _local;
        EcnCodepoint batchEcn = default;
        int failure = 0;
        bool hasNew = false; // in the packet that is being filled
        while (quantum > 0)
        {
            nint written;
            byte* into = buffer + used;
            long streamBytes = 0;
            bool isFinal = false;
            QuicStream? stream = null;
            nint taken = -1;
            if ((_datagramHeld is not null || _datagramsOut.Count > 0 || _watchedOut.Count > 0) && TryPeekDatagram(vectors))
            {
                int accepted = 0;
                bool isWatched = (_datagramId & WatchedMark) != 0;
                nuint count = vectors->Bytes > 0 ? 1u : 0; // ngtcp2 ends the process over a vector without bytes
                written = LibNgtcp2.ngtcp2_conn_writev_datagram_versioned(_connection, path, LibNgtcp2.PacketInfoVersion, &info, into, LibNgtcp2.UdpPayloadBytesMax,
                    &accepted, isWatched ? 0 : LibNgtcp2.WriteStreamMore, _datagramId, vectors, count, now);
                if (accepted != 0)
                {
                    hasNew = true;
                    PopDatagram();
                    if (isWatched)
                    {
                        TellSent(_datagramId);
                    }
                }
                else if (written == LibNgtcp2.ErrorInvalidArgument || written == LibNgtcp2.ErrorInvalidState)
                {
                    DropDatagram(); // longer than the peer takes, or it takes none
                    continue;
                }
            }
            else
            {
                int count = 0;
                uint flags = 0;
                if (_schedule.Count > 0)
                {
                    stream = _schedule.Next;
                    count = stream.GetNext(vectors, VectorsMax, out streamBytes, out isFinal);
                    if (streamBytes == 0 && !isFinal)
                    {
                        _schedule.Remove(stream);
                        continue;
                    }

                    if (streamBytes > 0 && LibNgtcp2.ngtcp2_conn_get_max_data_left(_connection) == 0)
                    {
                        stream = null; // the connection's window is full: only what is not stream data
                        count = 0;
                    }
                    else
                    {
                        flags = (isFinal ? LibNgtcp2.WriteStreamFin : 0) | (_schedule.Count > 1 ? LibNgtcp2.WriteStreamMore : 0);
                    }
                }

                written = LibNgtcp2.ngtcp2_conn_writev_stream_versioned(_connection, path, LibNgtcp2.PacketInfoVersion, &info, into, LibNgtcp2.UdpPayloadBytesMax,
                    &taken, flags, stream?.Id ?? -1, vectors, (nuint)count, now);
                if (stream is not null && taken >= 0)
                {
                    hasNew = true;
                    stream.Sent(taken, isFinal && taken == streamBytes);
                    if (taken == streamBytes && (isFinal || !stream.HasMoreToSend))
                    {
                        _schedule.Remove(stream);
                    }
                    else
                    {
                        _schedule.Rotate();
                    }
                }
            }

            if (written < 0)
            {
                switch (written)
                {
                    case LibNgtcp2.ErrorWriteMore:
                        continue;
                    case LibNgtcp2.ErrorStreamDataBlocked when stream is not null:
                        _schedule.Remove(stream);
                        stream.IsBlocked = true;
                        if (!stream.IsInBlocked)
                        {
                            stream.IsInBlocked = true;
                            _blocked.Enqueue(stream);
                        }

                        continue;
                    case LibNgtcp2.ErrorStreamShutWrite when stream is not null:
                        _schedule.Remove(stream);
                        stream.StoppedByPeer();
                        continue;
                    case LibNgtcp2.ErrorStreamNotFound when stream is not null:
                        _schedule.Remove(stream);
                        continue;
                    default:
                        failure = (int)written;
                        break;
                }

                break;
            }

            if (written == 0)
            {
                break;
            }

            // Packets of one size to one place go out in one call.
            EcnCodepoint ecn = (EcnCodepoint)info.Ecn;
            if (Options.SendsTwiceWhenLossy)
            {
                NotePacket(into, (int)written, hasNew, ecn, now);
                hasNew = false;
            }

            if (used > 0 && (written > segment || ecn != batchEcn || !_loop.PathRemote->Equals(batchRemote) || !_loop.PathLocal->Equals(batchLocal)))
            {
                Send(batchPort, buffer, used, segment, in batchRemote, in batchLocal, batchEcn);
                if (batchPort.IsBlocked)
                {
                    // This packet waits behind them; as lost as any other when it cannot.
                    _sendFailures++;
                    used = 0;
                    break;
                }

                Buffer.MemoryCopy(buffer + used, buffer, QuicEventLoop.SendBufferBytes, written); // SAFETY: both inside the buffer
                used = 0;
            }

            if (used == 0)
            {
                segment = (int)written;
                batchEcn = ecn;
                batchRemote = *_loop.PathRemote;
                batchLocal = *_loop.PathLocal;
                batchPort = PortOf(in batchLocal);
            }

            used += (int)written;
            quantum -= written;
            if (written < segment || used + LibNgtcp2.UdpPayloadBytesMax > QuicEventLoop.SendBufferBytes)
            {
                Send(batchPort, buffer, used, segment, in batchRemote, in batchLocal, batchEcn);
                used = 0;
                if (batchPort.IsBlocked)
                {
                    break;
                }
            }
        }

        if (used > 0)
        {
            Send(batchPort, buffer, used, segment, in batchRemote, in batchLocal, batchEcn);
        }

        if (failure != 0)
        {
            Fail(failure);
            return;
        }

        LibNgtcp2.ngtcp2_conn_update_pkt_tx_time(_connection, now);
        if ((int)LibNgtcp2.ngtcp2_conn_get_path_max_tx_udp_payload_size(_connection) != _packetBytesMax)
        {
            UpdateDatagramMax();
        }

        if (batchPort.IsBlocked)
        {
            _loop.WaitWritable(batchPort, this);
        }
        else if (quantum <= 0)
        {
            _loop.Touch(this); // the others have their turn first
        }

        SetTimer();
        if (_cannotSend)
        {
            _cannotSend = false;
            AddressesChanged();
        }
    }

    private void SetTimer() => _loop.SetTimer(this, Math.Min(LibNgtcp2.ngtcp2_conn_get_expiry(_connection), NextRepeat));

    // ngtcp2 does not tell that the peer wants no more of a stream, it only refuses to write it: blocked streams are tried again, a few at a
    // time, when something came.
    private void ProbeBlocked()
    {
        int count = _hasRead ? Math.Min(_blocked.Count, ProbesMax) : 0;
        _hasRead = false;
        for (int i = 0; i < count; i++)
        {
            QuicStream stream = _blocked.Dequeue();
            stream.IsInBlocked = false;
            if (stream.IsBlocked && !stream.IsNativeClosed)
            {
                stream.IsBlocked = false;
                _schedule.Add(stream);
            }
        }
    }

    // The next datagram, which stays ours until a packet has it.
    private bool TryPeekDatagram(Ngtcp2Vector* vector)
    {
        while (true)
        {
            if (_datagramHeld is null)
            {
                lock (_lock)
                {
                    _datagramId = 0;
                    if (!_datagramsOut.TryDequeue(out nint pointer))
                    {
                        if (!_watchedOut.TryPeek(out (nint Block, ulong Id, int Priority) watched)
                            || (_schedule.Count > 0 && _schedule.Next.ScheduledPriority < watched.Priority))
                        {
                            return false;
                        }

                        _watchedOut.Dequeue();
                        (pointer, _datagramId) = (watched.Block, watched.Id);
                        if (_watchedOut.Count <= WatchedWaitMax)
                        {
                            _watchedWait?.TrySetResult();
                            _watchedWait = null;
                        }
                    }

                    _datagramHeld = (NativeBlock*)pointer;
                }
            }

            if (_datagramHeld->End <= _datagramBytesMax)
            {
                vector->Data = NativeBlock.Data(_datagramHeld);
                vector->Bytes = (nuint)_datagramHeld->End;
                return true;
            }

            DropDatagram(); // the path takes less than it did
        }
    }

    // Watched datagrams that may wait to be sent when a wait for them ends: what waits here cannot be replaced by something newer. A quarter of
    // what is under way where losses have made the window small.
    private int WatchedWaitMax =>
        LossyWindowBytes is > 0 and long window ? (int)Math.Clamp(window / 4 / LibNgtcp2.UdpPayloadBytesMax, 1, WatchedWaitMost) : WatchedWaitMost;

    private void DropDatagram()
    {
        ulong id = _datagramId;
        PopDatagram();
        Interlocked.Increment(ref _datagramsDropped);
        if ((id & WatchedMark) != 0)
        {
            TellSent(id);
            _watcher?.Lost(id & ~WatchedMark);
        }
    }

    private void TellSent(ulong id) => _watcher?.Sent(id & ~WatchedMark, Time(LibNgtcp2.ngtcp2_conn_get_pto(_connection)));

    private void PopDatagram()
    {
        if (_datagramHeld is not null)
        {
            Blocks.Return(_datagramHeld);
            _datagramHeld = null;
        }
    }

    private QuicPort PortOf(in SocketAddressBytes local)
    {
        if (_ports.Count > 1)
        {
            foreach (QuicPort port in _ports)
            {
                if (port.Local.Equals(local))
                {
                    return port;
                }
            }
        }

        return _port;
    }

    private void Send(QuicPort port, byte* data, int bytes, int segmentBytes, in SocketAddressBytes remote, in SocketAddressBytes local, EcnCodepoint ecn)
    {
        _packetsSent += (bytes + segmentBytes - 1) / segmentBytes;
        _bytesSent += bytes;
        int failures = port.Send(data, bytes, segmentBytes, in remote, in local, ecn);
        _sendFailures += failures;
        _cannotSend |= failures > 0;
    }
}
