using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <content>How a connection begins, on the loop's thread.</content>
public sealed unsafe partial class QuicConnection
{
    /// <summary>Starts a client's connection. On the loop's thread.</summary>
    internal static QuicConnection Connect(QuicEventLoop loop, QuicTls tls, QuicClientOptions options, QuicConnectOptions connect, byte[] fingerprint)
    {
        IPAddress any = connect.EndPoint.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
        QuicPort port = OpenPort(connect.LocalEndPoint ?? new IPEndPoint(any, 0), connect.EndPoint);
        QuicConnection connection = new(loop, null, tls, options, port, port.Local, port.Socket.ToAddress(connect.EndPoint), connect, fingerprint);
        port.Owner = connection;
        loop.AddPort(port);
        loop.AddConnection(connection);
        if (options.FollowsAddress)
        {
            loop.WatchAddresses();
        }

        try
        {
            connection.StartClient();
        }
        catch (Exception exception)
        {
            connection.End(new QuicLocalFailure(exception.Message));
            throw;
        }

        loop.Touch(connection);
        return connection;
    }

    /// <summary>Starts a server's connection with its first packet, which is read afterwards.</summary>
    internal static QuicConnection? Accept(QuicEventLoop loop, QuicServer server, QuicTls tls, QuicListenerOptions options, QuicPort port,
        in SocketAddressBytes local, in SocketAddressBytes remote, Ngtcp2PacketHeader* header, Ngtcp2Cid* originalId, bool isRetried, ulong now)
    {
        QuicConnection connection = new(loop, server, tls, options, port, in local, in remote);
        loop.AddConnection(connection);
        string failure = "no memory";
        try
        {
            if (connection.StartServer(header, originalId, isRetried, now))
            {
                return connection;
            }
        }
        catch (InvalidOperationException exception)
        {
            failure = exception.Message; // the TLS library gives no session
        }

        connection.End(new QuicLocalFailure(failure));
        return null;
    }

    private QuicConnection(QuicEventLoop loop, QuicServer? server, QuicTls tls, QuicTransportOptions options, QuicPort port, in SocketAddressBytes local,
        in SocketAddressBytes remote, QuicConnectOptions connect, byte[] fingerprint)
        : this(loop, server, tls, options, port, in local, in remote) => (_connect, _fingerprint) = (connect, fingerprint);

    internal static QuicPort OpenPort(IPEndPoint local, IPEndPoint remote) => new(
        UdpSocket.Bind(local, new UdpSocketOptions { Remote = remote, ReceiveBatchMessages = ClientBatchMessages, DualStack = false }), isConnected: true, ClientBatchMessages);

    private void StartClient()
    {
        QuicConnectOptions connect = _connect!;
        QuicSession? session = connect.Session is { } given && given.IsFor(connect, ((QuicClientOptions)Options).Time.GetUtcNow().UtcDateTime) ? given : null;
        Ngtcp2Settings settings;
        Ngtcp2TransportParameters parameters;
        Prepare(&settings, &parameters, QuicEventLoop.Now);
        Ngtcp2Cid destination = RandomId(18);
        Ngtcp2Cid source = RandomId(ConnectionId.OwnBytes);
        OpenQlog(&settings, &destination);
        byte[] token = session?.Token ?? [];
        nint connection;
        int result;
        _self = GCHandle.Alloc(this);
        SocketAddressBytes local = _local;
        SocketAddressBytes remote = _remote;
        Ngtcp2Path path = MakePath(&local, &remote);
        fixed (byte* tokenBytes = token)
        {
            if (token.Length > 0)
            {
                settings.Token = tokenBytes;
                settings.TokenBytes = (nuint)token.Length;
                settings.TokenType = 2;
            }

            result = LibNgtcp2.ngtcp2_conn_client_new_versioned(&connection, &destination, &source, &path, LibNgtcp2.Version1, LibNgtcp2.CallbacksVersion,
                QuicCallbacks.Client, LibNgtcp2.SettingsVersion, &settings, LibNgtcp2.ParametersVersion, &parameters, null, GCHandle.ToIntPtr(_self));
        }

        Adopt(connection, result);
        _session = _tls.CreateClient(connect.Host, session);
        Join(_session);
        if (session is not null && connect.AllowEarlyData)
        {
            fixed (byte* data = session.Parameters)
            {
                if (LibNgtcp2.ngtcp2_conn_decode_and_set_0rtt_transport_params(_connection, data, (nuint)session.Parameters.Length) == 0)
                {
                    HasEarlyData = true;
                    UpdateStreamLimits();
                    UpdateDatagramMax();
                }
            }
        }
    }

    /// <summary>Whether a client may send before the handshake ends.</summary>
    internal bool HasEarlyData { get; private set; }

    private bool StartServer(Ngtcp2PacketHeader* header, Ngtcp2Cid* originalId, bool isRetried, ulong now)
    {
        Ngtcp2Settings settings;
        Ngtcp2TransportParameters parameters;
        Prepare(&settings, &parameters, now);
        Ngtcp2Cid source = _server!.NewId();
        parameters.OriginalDestinationId = *originalId;
        parameters.HasOriginalDestinationId = 1;
        if (isRetried)
        {
            parameters.RetrySourceId = header->DestinationId;
            parameters.HasRetrySourceId = 1;
        }

        parameters.HasResetToken = 1;
        if (!_server.TryResetToken(&source, parameters.ResetToken))
        {
            return false;
        }

        if (header->TokenBytes > 0)
        {
            settings.Token = header->Token;
            settings.TokenBytes = header->TokenBytes;
            settings.TokenType = isRetried ? 1 : 2;
        }

        OpenQlog(&settings, originalId);
        nint connection;
        _self = GCHandle.Alloc(this);
        SocketAddressBytes local = _local;
        SocketAddressBytes remote = _remote;
        Ngtcp2Path path = MakePath(&local, &remote);
        int result = LibNgtcp2.ngtcp2_conn_server_new_versioned(&connection, &header->SourceId, &source, &path, header->Version, LibNgtcp2.CallbacksVersion,
            QuicCallbacks.Server, LibNgtcp2.SettingsVersion, &settings, LibNgtcp2.ParametersVersion, &parameters, null, GCHandle.ToIntPtr(_self));
        if (result != 0)
        {
            return false;
        }

        Adopt(connection, result);
        _session = _tls.CreateServer();
        Join(_session);
        AddId(new ConnectionId(header->DestinationId.Data, header->DestinationId.Bytes));
        AddId(new ConnectionId(source.Data, source.Bytes));
        return true;
    }

    // Times may never go back: a packet is read with the time at which it came.
    private void Prepare(Ngtcp2Settings* settings, Ngtcp2TransportParameters* parameters, ulong now)
    {
        LibNgtcp2.ngtcp2_settings_default_versioned(LibNgtcp2.SettingsVersion, settings);
        LibNgtcp2.ngtcp2_transport_params_default_versioned(LibNgtcp2.ParametersVersion, parameters);
        settings->InitialTimestamp = now;
        settings->CongestionControl = (int)Options.CongestionControl;
        settings->MaxTxUdpPayloadSize = LibNgtcp2.UdpPayloadBytesMax;
        settings->HandshakeTimeout = Nanoseconds(Options.HandshakeTimeout);
        settings->MaxWindow = (ulong)Options.ConnectionWindowBytesMax;
        settings->MaxStreamWindow = (ulong)Options.StreamWindowBytesMax;
        parameters->InitialMaxStreamDataBidiLocal = parameters->InitialMaxStreamDataBidiRemote = parameters->InitialMaxStreamDataUni = (ulong)Options.StreamWindowBytes;
        parameters->InitialMaxData = (ulong)Options.ConnectionWindowBytes;
        parameters->InitialMaxStreamsBidi = (ulong)Options.BidirectionalStreamsMax;
        parameters->InitialMaxStreamsUni = (ulong)Options.UnidirectionalStreamsMax;
        parameters->MaxIdleTimeout = Nanoseconds(Options.IdleTimeout);
        parameters->ActiveConnectionIdLimit = 8;
        parameters->MaxDatagramFrameSize = Options.DatagramQueueMax > 0 ? 65535u : 0;
        parameters->MaxUdpPayloadSize = LibNgtcp2.UdpPayloadBytesMax;
    }

    private static ulong Nanoseconds(TimeSpan time) => (ulong)time.Ticks * 100;

    private static TimeSpan Time(ulong nanoseconds) => new((long)Math.Min(nanoseconds / 100, long.MaxValue / 2));

    internal static Ngtcp2Cid RandomId(int bytes)
    {
        Ngtcp2Cid id = new() { Bytes = (nuint)bytes };
        RandomNumberGenerator.Fill(new Span<byte>(id.Data, bytes)); // SAFETY: at most 20, which is what it holds
        return id;
    }

    // The addresses must live as long as the path is used.
    private static Ngtcp2Path MakePath(SocketAddressBytes* local, SocketAddressBytes* remote)
    {
        Ngtcp2Path path = default;
        path.Local.Address = (byte*)local;
        path.Local.Bytes = (uint)local->Length;
        path.Remote.Address = (byte*)remote;
        path.Remote.Bytes = (uint)remote->Length;
        return path;
    }

    private void Adopt(nint connection, int result)
    {
        if (result != 0)
        {
            throw new QuicException($"No connection: {LibNgtcp2.Describe(result)}.");
        }

        _native = new Ngtcp2Connection(connection);
        _connection = connection;
        if (Options.KeepAlive > TimeSpan.Zero)
        {
            LibNgtcp2.ngtcp2_conn_set_keep_alive_timeout(connection, Nanoseconds(Options.KeepAlive));
        }
    }

    private void Join(GnuTlsSession session)
    {
        session.Reference.GetConnection = QuicCallbacks.GetConnection;
        session.Reference.User = GCHandle.ToIntPtr(_self);
        session.Reference.Connection = _connection;
        LibNgtcp2.ngtcp2_conn_set_tls_native_handle(_connection, session.Pointer);
    }

    private void AddId(ConnectionId id)
    {
        _ids.Add(id);
        _server!.AddRoute(id, this);
    }

    private void OpenQlog(Ngtcp2Settings* settings, Ngtcp2Cid* originalId)
    {
        if (Options.QlogDirectory is not { } folder)
        {
            return;
        }

        try
        {
            string name = $"{Convert.ToHexStringLower(new ReadOnlySpan<byte>(originalId->Data, (int)originalId->Bytes))}_{(IsServer ? "server" : "client")}.sqlog";
            _qlog = new FileStream(System.IO.Path.Combine(folder, name), FileMode.Create, FileAccess.Write, FileShare.Read, 64 << 10);
            settings->QlogWrite = QuicCallbacks.QlogWrite;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _tls.QlogFailed(); // a log that cannot be written does not stop the connection
        }
    }
}
