using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>One event loop's share of a listener: which connection a datagram is for, and what to answer when it is for none.</summary>
/// <remarks>The loop's thread only, unless said otherwise. Whatever it answers without a connection is shorter than what it answers to, so
/// it cannot be used to amplify.</remarks>
internal sealed unsafe class QuicServer
{
    private const ulong RetryTokenLifetime = 10_000_000_000;
    private const int StatelessResetsMaxPerSecond = 1000;

    private const int RetryCounts = 1024; // a power of two
    private const int RetriesMaxPerSecond = 100;

    // What a turn of the loop may spend on those who are not connected: a handshake begun costs as much as hundreds of packets of those who are.
    private const ulong StrangersNanosecondsMax = 500_000;
    private const int StrangersWaitingMax = 1024;
    private const int ShutOutMax = 16;

    private static readonly TimeSpan s_shutOut = TimeSpan.FromSeconds(1);

    // RFC 9000, section 10.3: at least 21 bytes, and shorter than what it answers.
    private const int ResetBytesMin = 21;
    private const int ResetBytesMax = 43;

    private readonly QuicListener _listener;
    private readonly QuicListenerOptions _options;
    private readonly QuicTls _tls;
    private readonly int _index;
    private readonly Dictionary<ConnectionId, QuicConnection> _routes = [];
    private readonly Lock _lock = new();
    private readonly Action _readForwarded;
    private List<Forwarded> _forwarded = [];
    private List<Forwarded> _forwardedSpare = [];
    private ulong _resetSecond;
    private int _resetsInSecond;
    private readonly int[] _retries = new int[RetryCounts];
    private ulong _retrySecond;
    private readonly Queue<Stranger> _strangers = new();
    private readonly List<SocketAddressBytes> _shutOut = [];
    private ulong _strangersNanoseconds;
    private bool _isServingStrangers;

    public QuicServer(QuicListener listener, QuicEventLoop loop, QuicTls tls, QuicListenerOptions options, int index)
    {
        (_listener, Loop, _tls, _options, _index) = (listener, loop, tls, options, index);
        _readForwarded = ReadForwarded;
        loop.Server = this;
    }

    public QuicEventLoop Loop { get; }

    /// <summary>Whether first packets wait for another turn.</summary>
    public bool HasStrangers => _strangers.Count > 0;

    /// <summary>Another turn of the loop.</summary>
    public void BeginTurn() => _strangersNanoseconds = 0;

    /// <summary>At the end of a turn: those who waited, as long as it may last.</summary>
    public void ServeStrangers()
    {
        _isServingStrangers = true;
        while (_strangersNanoseconds < StrangersNanosecondsMax && _strangers.TryDequeue(out Stranger stranger))
        {
            NativeBlock* block = (NativeBlock*)stranger.Datagram.Block;
            Read(stranger.Port, stranger.Datagram.Local, stranger.Datagram.Remote, NativeBlock.Data(block), block->End, stranger.Datagram.Ecn, QuicEventLoop.Now);
            Loop.Blocks.Return(block);
        }

        _isServingStrangers = false;
    }

    /// <summary>The loop ends: nobody waits any more.</summary>
    public void End()
    {
        while (_strangers.TryDequeue(out Stranger stranger))
        {
            Loop.Blocks.Return((NativeBlock*)stranger.Datagram.Block);
        }
    }

    /// <summary>A random id that says which loop it belongs to.</summary>
    public Ngtcp2Cid NewId()
    {
        Ngtcp2Cid id = QuicConnection.RandomId(ConnectionId.OwnBytes);
        id.Data[0] = (byte)_index;
        return id;
    }

    public void AddRoute(ConnectionId id, QuicConnection connection) => _routes[id] = connection;

    public void RemoveRoute(ConnectionId id) => _routes.Remove(id);

    /// <summary>16 bytes that only we can know, for an id of ours.</summary>
    public bool TryResetToken(Ngtcp2Cid* id, byte* token)
    {
        fixed (byte* secret = _listener.ResetSecret)
        {
            return LibNgtcp2Crypto.ngtcp2_crypto_generate_stateless_reset_token(token, secret, (nuint)_listener.ResetSecret.Length, id) == 0;
        }
    }

    /// <summary>A token for the next connection from this address.</summary>
    /// <returns>Its bytes, at most <see cref="LibNgtcp2Crypto.RegularTokenBytesMax"/>; 0 or less when it failed.</returns>
    public int MakeToken(byte* token, in SocketAddressBytes remote)
    {
        fixed (byte* secret = _listener.TokenSecret, address = remote.AsBytes())
        {
            return (int)LibNgtcp2Crypto.ngtcp2_crypto_generate_regular_token(token, secret, (nuint)_listener.TokenSecret.Length, address, (uint)remote.Length, QuicEventLoop.Now);
        }
    }

    public void Deliver(QuicConnection connection) => _listener.Deliver(connection);

    public void HandshakeEnded(bool isCompleted) => _listener.HandshakeEnded(isCompleted);

    public void ProtocolError(ulong error) => _listener.ProtocolError(error);

    public void ConnectionEnded() => _listener.ConnectionEnded();

    public bool TryBeginClosing() => _listener.TryBeginClosing();

    public void ClosingEnded() => _listener.ClosingEnded();

    /// <summary>A datagram on a socket of this server.</summary>
    public void Read(QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote, byte* packet, int bytes, EcnCodepoint ecn, ulong now)
    {
        Ngtcp2VersionCid ids;
        int result = LibNgtcp2.ngtcp2_pkt_decode_version_cid(&ids, packet, (nuint)bytes, ConnectionId.OwnBytes);
        if (result == LibNgtcp2.ErrorVersionNegotiation)
        {
            if (TakeRetry(port, in remote, now))
            {
                NegotiateVersion(port, in local, in remote, &ids, bytes);
            }

            return;
        }

        if (result != 0)
        {
            _listener.Dropped();
            return;
        }

        if (_routes.TryGetValue(new ConnectionId(ids.DestinationId, ids.DestinationIdBytes), out QuicConnection? connection))
        {
            connection.Read(in local, in remote, packet, bytes, ecn, now);
        }
        else if ((packet[0] & 0x80) != 0)
        {
            MeetStranger(port, in local, in remote, packet, bytes, ecn, now);
        }
        else if (ids.DestinationId[0] != _index && _listener.ServerAt(ids.DestinationId[0]) is { } other)
        {
            other.Forward(new ReadOnlySpan<byte>(packet, bytes), in local, in remote, ecn);
        }
        else
        {
            ResetStateless(port, in local, in remote, &ids, bytes, now);
        }
    }

    // By another loop's thread, which got a datagram of a connection of ours.
    private void Forward(ReadOnlySpan<byte> packet, in SocketAddressBytes local, in SocketAddressBytes remote, EcnCodepoint ecn)
    {
        _listener.Forwarded();
        if (packet.Length > NativeBlock.Capacity)
        {
            _listener.Dropped();
            return;
        }

        NativeBlock* block = Loop.Blocks.Rent();
        packet.CopyTo(new Span<byte>(NativeBlock.Data(block), NativeBlock.Capacity)); // SAFETY: checked above
        block->End = packet.Length;
        bool isFirst;
        lock (_lock)
        {
            isFirst = _forwarded.Count == 0;
            _forwarded.Add(new Forwarded((nint)block, local, remote, ecn));
        }

        if (isFirst)
        {
            Loop.Post(_readForwarded);
        }
    }

    private void ReadForwarded()
    {
        lock (_lock)
        {
            (_forwarded, _forwardedSpare) = (_forwardedSpare, _forwarded);
        }

        ulong now = QuicEventLoop.Now;
        foreach (Forwarded datagram in _forwardedSpare)
        {
            NativeBlock* block = (NativeBlock*)datagram.Block;
            ConnectionId id = new(NativeBlock.Data(block) + 1, ConnectionId.OwnBytes);
            if (_routes.TryGetValue(id, out QuicConnection? connection))
            {
                connection.Read(datagram.Local, datagram.Remote, NativeBlock.Data(block), block->End, datagram.Ecn, now);
            }
            else
            {
                _listener.Dropped();
            }

            Loop.Blocks.Return(block);
        }

        _forwardedSpare.Clear();
    }

    private void MeetStranger(QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote, byte* packet, int bytes, EcnCodepoint ecn, ulong now)
    {
        // In the order of coming: early data come behind the packet that begins their connection.
        bool waits = !_isServingStrangers && (_strangers.Count > 0 || _strangersNanoseconds >= StrangersNanosecondsMax);
        if (!waits)
        {
            ulong begun = QuicEventLoop.Now;
            Accept(port, in local, in remote, packet, bytes, ecn, now);
            _strangersNanoseconds += QuicEventLoop.Now - begun;
        }
        else if (_strangers.Count < StrangersWaitingMax && bytes <= NativeBlock.Capacity && RetriesOf(in remote, now) < RetriesMaxPerSecond)
        {
            _listener.FirstPacketDelayed();
            NativeBlock* block = Loop.Blocks.Rent();
            Buffer.MemoryCopy(packet, NativeBlock.Data(block), NativeBlock.Capacity, bytes); // SAFETY: checked above
            block->End = bytes;
            _strangers.Enqueue(new(port, new((nint)block, local, remote, ecn)));
        }
        else
        {
            _listener.Dropped();
            if (RetriesOf(in remote, now) >= RetriesMaxPerSecond)
            {
                ShutOut(port, in remote);
            }
        }
    }

    private void Accept(QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote, byte* packet, int bytes, EcnCodepoint ecn, ulong now)
    {
        Ngtcp2PacketHeader header;
        if (LibNgtcp2.ngtcp2_accept(&header, packet, (nuint)bytes) != 0 || header.Version != LibNgtcp2.Version1)
        {
            _listener.Dropped();
            return;
        }

        Ngtcp2Cid originalId = header.DestinationId;
        bool isRetried = false;
        bool isProven = false;
        if (header.TokenBytes > 0)
        {
            switch (header.Token[0])
            {
                case LibNgtcp2Crypto.TokenMagicRetry2:
                    if (!TryVerifyRetry(&header, in remote, &originalId, now))
                    {
                        _listener.TokenRefused();
                        Refuse(port, in local, in remote, &header, LibNgtcp2.TransportInvalidToken); // RFC 9000, section 8.1.3
                        return;
                    }

                    isRetried = isProven = true;
                    break;
                case LibNgtcp2Crypto.TokenMagicRegular when TryVerifyRegular(&header, in remote, now):
                    isProven = true;
                    break;
                default:
                    _listener.TokenRefused(); // as if there were none
                    break;
            }

            if (!isProven)
            {
                header.TokenBytes = 0;
                header.Token = null;
            }
        }

        // An address that is not proven may be another's, who must not suffer for it: its account is looked at, and it is asked.
        if (!isProven && (_listener.WantsRetry || !MayBegin(in remote)))
        {
            if (TakeRetry(port, in remote, now))
            {
                Retry(port, in local, in remote, &header, now);
            }

            return;
        }

        if (isProven && !MayBegin(in remote))
        {
            PeerLimits.Refused();
            Refuse(port, in local, in remote, &header, LibNgtcp2.TransportConnectionRefused);
            return;
        }

        if (!_listener.TryBegin())
        {
            Refuse(port, in local, in remote, &header, LibNgtcp2.TransportConnectionRefused);
            return;
        }

        QuicConnection? connection = QuicConnection.Accept(Loop, this, _tls, _options, port, in local, in remote, &header, &originalId, isRetried, now);
        connection?.Read(in local, in remote, packet, bytes, ecn, now);
    }

    private bool MayBegin(in SocketAddressBytes remote) => _options.Peers is not { } peers || peers.MayEnter(remote.ToEndPoint().Address);

    // A Retry, or the list of versions, costs as much as a dozen packets of those who are connected. Addresses share the counts, so that a flood from few takes
    // nothing from others; a client that gets no answer asks again.
    private bool TakeRetry(QuicPort port, in SocketAddressBytes remote, ulong now)
    {
        if (++RetriesOf(in remote, now) <= RetriesMaxPerSecond)
        {
            return true;
        }

        _listener.Dropped();
        ShutOut(port, in remote);
        return false;
    }

    private ref int RetriesOf(in SocketAddressBytes remote, ulong now)
    {
        ulong second = now / 1_000_000_000;
        if (second != _retrySecond)
        {
            _retrySecond = second;
            Array.Clear(_retries);
        }

        HashCode hash = default; // differs from process to process: nobody can choose whom to meet
        hash.AddBytes(remote.NetworkBytes());
        return ref _retries[hash.ToHashCode() & (_retries.Length - 1)];
    }

    // A flood fills the system's buffer, which it shares with those who are connected, faster than anybody can look at it. So the system itself
    // drops what is no packet of a connection from there, for a while: at the cost of the sender.
    private void ShutOut(QuicPort port, in SocketAddressBytes remote)
    {
        if (_shutOut.Count == ShutOutMax)
        {
            return;
        }

        foreach (ref readonly SocketAddressBytes each in CollectionsMarshal.AsSpan(_shutOut))
        {
            if (each.NetworkBytes().SequenceEqual(remote.NetworkBytes()))
            {
                return; // it was on its way
            }
        }

        _shutOut.Add(remote);
        if (port.Socket.TryShutOut(CollectionsMarshal.AsSpan(_shutOut)))
        {
            _listener.PeerShutOut();
        }

        if (_shutOut.Count == 1)
        {
            _ = Task.Delay(s_shutOut).ContinueWith(
                _ => Loop.Post(() =>
                {
                    _shutOut.Clear();
                    port.Socket.TryShutOut([]);
                }),
                TaskScheduler.Default);
        }
    }

    private bool TryVerifyRetry(Ngtcp2PacketHeader* header, in SocketAddressBytes remote, Ngtcp2Cid* originalId, ulong now)
    {
        fixed (byte* secret = _listener.TokenSecret, address = remote.AsBytes())
        {
            return LibNgtcp2Crypto.ngtcp2_crypto_verify_retry_token2(originalId, header->Token, header->TokenBytes, secret, (nuint)_listener.TokenSecret.Length,
                header->Version, address, (uint)remote.Length, &header->DestinationId, RetryTokenLifetime, now) == 0;
        }
    }

    private bool TryVerifyRegular(Ngtcp2PacketHeader* header, in SocketAddressBytes remote, ulong now)
    {
        fixed (byte* secret = _listener.TokenSecret, address = remote.AsBytes())
        {
            return LibNgtcp2Crypto.ngtcp2_crypto_verify_regular_token(header->Token, header->TokenBytes, secret, (nuint)_listener.TokenSecret.Length,
                address, (uint)remote.Length, (ulong)_options.TokenLifetime.Ticks * 100, now) == 0;
        }
    }

    private void Retry(QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote, Ngtcp2PacketHeader* header, ulong now)
    {
        byte* token = stackalloc byte[LibNgtcp2Crypto.RetryTokenBytesMax];
        Ngtcp2Cid source = NewId();
        nint tokenBytes;
        fixed (byte* secret = _listener.TokenSecret, address = remote.AsBytes())
        {
            tokenBytes = LibNgtcp2Crypto.ngtcp2_crypto_generate_retry_token2(token, secret, (nuint)_listener.TokenSecret.Length, header->Version,
                address, (uint)remote.Length, &source, &header->DestinationId, now);
        }

        if (tokenBytes < 0)
        {
            _listener.Dropped();
            return;
        }

        nint bytes = LibNgtcp2Crypto.ngtcp2_crypto_write_retry(Loop.SendBuffer, LibNgtcp2.UdpPayloadBytesMin, header->Version, &header->SourceId, &source, &header->DestinationId, token, (nuint)tokenBytes);
        if (Answer(port, in local, in remote, bytes))
        {
            _listener.RetrySent();
        }
    }

    private void Refuse(QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote, Ngtcp2PacketHeader* header, ulong code)
    {
        nint bytes = LibNgtcp2Crypto.ngtcp2_crypto_write_connection_close(Loop.SendBuffer, LibNgtcp2.UdpPayloadBytesMin, header->Version, &header->SourceId, &header->DestinationId, code, null, 0);
        Answer(port, in local, in remote, bytes);
    }

    private void NegotiateVersion(QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote, Ngtcp2VersionCid* ids, int receivedBytes)
    {
        // Ids of other versions may be 255 bytes long: the answer repeats them, and must stay the shorter one.
        uint* versions = stackalloc uint[2] { LibNgtcp2.Version1, 0x1a2a3a4a };
        nint bytes = LibNgtcp2.ngtcp2_pkt_write_version_negotiation(Loop.SendBuffer, (nuint)Math.Min(receivedBytes, LibNgtcp2.UdpPayloadBytesMin), (byte)RandomNumberGenerator.GetInt32(256),
            ids->SourceId, ids->SourceIdBytes, ids->DestinationId, ids->DestinationIdBytes, versions, 2);
        if (receivedBytes >= LibNgtcp2.UdpPayloadBytesMin && Answer(port, in local, in remote, bytes))
        {
            _listener.VersionNegotiationSent();
        }
    }

    private void ResetStateless(QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote, Ngtcp2VersionCid* ids, int receivedBytes, ulong now)
    {
        int length = Math.Min(receivedBytes - 1, ResetBytesMax);
        ulong second = now / 1_000_000_000;
        if (second != _resetSecond)
        {
            _resetSecond = second;
            _resetsInSecond = 0;
        }

        Ngtcp2Cid id;
        LibNgtcp2.ngtcp2_cid_init(&id, ids->DestinationId, ids->DestinationIdBytes);
        byte* token = stackalloc byte[LibNgtcp2.ResetTokenBytes];
        byte* random = stackalloc byte[ResetBytesMax];
        RandomNumberGenerator.Fill(new Span<byte>(random, ResetBytesMax));
        if (length < ResetBytesMin || ++_resetsInSecond > StatelessResetsMaxPerSecond || !TryResetToken(&id, token))
        {
            _listener.Dropped();
            return;
        }

        nint bytes = LibNgtcp2.ngtcp2_pkt_write_stateless_reset(Loop.SendBuffer, (nuint)length, token, random, (nuint)(length - LibNgtcp2.ResetTokenBytes));
        if (Answer(port, in local, in remote, bytes))
        {
            _listener.StatelessResetSent();
        }
    }

    private bool Answer(QuicPort port, in SocketAddressBytes local, in SocketAddressBytes remote, nint bytes)
    {
        if (bytes <= 0 || port.IsBlocked)
        {
            _listener.Dropped();
            return false;
        }

        port.Send(Loop.SendBuffer, (int)bytes, (int)bytes, in remote, in local, EcnCodepoint.NotCapable);
        return true;
    }

    private readonly record struct Forwarded(nint Block, SocketAddressBytes Local, SocketAddressBytes Remote, EcnCodepoint Ecn);

    private readonly record struct Stranger(QuicPort Port, Forwarded Datagram);
}
