using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Functions of libngtcp2 1.11 (<c>ngtcp2/ngtcp2.h</c>): QUIC without sockets, clock or TLS. Call <see cref="QuicLibraries.Require"/>
/// first. Results below 0 are errors; times and durations are nanoseconds.</summary>
/// <remarks>A connection is used by one thread at a time. The functions that read, write or handle expiry call back, and must not be called
/// from a callback. The versions of settings (2), callbacks (1), parameters (1), packet (1) and connection information (1) that these
/// structures have are passed with each call.</remarks>
internal static unsafe partial class LibNgtcp2
{
    /// <summary>Its file.</summary>
    public const string Library = "libngtcp2.so.16";

    /// <summary>Package that brings it: Debian 13, and the backports of Debian 12.</summary>
    public const string Package = "libngtcp2-16";

    /// <summary>Major and minor number (<c>version_num &gt;&gt; 8</c>) with the layouts below.</summary>
    public const int KnownVersion = 0x010b;

    /// <summary>QUIC version 1, RFC 9000.</summary>
    public const uint Version1 = 1;

    public const int CallbacksVersion = 1;
    public const int SettingsVersion = 2;
    public const int ParametersVersion = 1;
    public const int PacketInfoVersion = 1;
    public const int ConnectionInfoVersion = 1;

    /// <summary>Least that every path carries, RFC 9000, section 14.</summary>
    public const int UdpPayloadBytesMin = 1200;

    /// <summary>Most that path MTU discovery probes: 1,500 less IPv6 and UDP headers.</summary>
    public const int UdpPayloadBytesMax = 1452;

    public const int ConnectionIdBytesMax = 20;
    public const int ResetTokenBytes = 16;

    public const int ErrorInvalidArgument = -201;
    public const int ErrorInvalidState = -204;
    public const int ErrorStreamIdBlocked = -206;
    public const int ErrorStreamDataBlocked = -208;
    public const int ErrorCrypto = -213;
    public const int ErrorStreamShutWrite = -219;
    public const int ErrorStreamNotFound = -220;
    public const int ErrorReceivedVersionNegotiation = -222;
    public const int ErrorClosing = -223;
    public const int ErrorDraining = -224;
    public const int ErrorConnectionIdBlocked = -227;
    public const int ErrorWriteMore = -230;
    public const int ErrorRetry = -231;
    public const int ErrorDropConnection = -232;
    public const int ErrorVersionNegotiation = -235;
    public const int ErrorHandshakeTimeout = -236;
    public const int ErrorIdleClose = -238;
    public const int ErrorNoMemory = -501;
    public const int ErrorCallbackFailure = -502;

    public const uint WriteStreamMore = 1;
    public const uint WriteStreamFin = 2;
    public const uint StreamDataFin = 1;
    public const uint StreamDataEarly = 2;
    public const uint StreamCloseHasError = 1;
    public const uint PathValidationNewToken = 2;
    public const int PathValidationAborted = 2;

    /// <summary>RFC 9000, section 20.1.</summary>
    public const ulong TransportConnectionRefused = 0x2;

    /// <summary>RFC 9000, section 20.1.</summary>
    public const ulong TransportInvalidToken = 0xb;

    /// <summary>Null when the library is older than <paramref name="leastVersion"/>.</summary>
    [LibraryImport(Library)]
    public static partial Ngtcp2Info* ngtcp2_version(int leastVersion);

    /// <summary>Static text.</summary>
    [LibraryImport(Library)]
    public static partial byte* ngtcp2_strerror(int error);

    [LibraryImport(Library)]
    public static partial void ngtcp2_cid_init(Ngtcp2Cid* cid, byte* data, nuint bytes);

    [LibraryImport(Library)]
    public static partial void ngtcp2_settings_default_versioned(int version, Ngtcp2Settings* settings);

    [LibraryImport(Library)]
    public static partial void ngtcp2_transport_params_default_versioned(int version, Ngtcp2TransportParameters* parameters);

    [LibraryImport(Library)]
    public static partial nint ngtcp2_transport_params_encode_versioned(byte* into, nuint intoBytes, int version, Ngtcp2TransportParameters* parameters);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_client_new_versioned(nint* connection, Ngtcp2Cid* dcid, Ngtcp2Cid* scid, Ngtcp2Path* path, uint version,
        int callbacksVersion, void** callbacks, int settingsVersion, Ngtcp2Settings* settings, int parametersVersion, Ngtcp2TransportParameters* parameters, void* memory, nint user);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_server_new_versioned(nint* connection, Ngtcp2Cid* dcid, Ngtcp2Cid* scid, Ngtcp2Path* path, uint version,
        int callbacksVersion, void** callbacks, int settingsVersion, Ngtcp2Settings* settings, int parametersVersion, Ngtcp2TransportParameters* parameters, void* memory, nint user);

    [LibraryImport(Library)]
    public static partial void ngtcp2_conn_del(nint connection);

    /// <summary>0 when the packet may be the first of a connection.</summary>
    [LibraryImport(Library)]
    public static partial int ngtcp2_accept(Ngtcp2PacketHeader* header, byte* packet, nuint bytes);

    /// <summary>Ids of a packet; <see cref="ErrorVersionNegotiation"/> when it wants a version this library has not.</summary>
    [LibraryImport(Library)]
    public static partial int ngtcp2_pkt_decode_version_cid(Ngtcp2VersionCid* into, byte* packet, nuint bytes, nuint shortCidBytes);

    [LibraryImport(Library)]
    public static partial nint ngtcp2_pkt_decode_hd_long(Ngtcp2PacketHeader* into, byte* packet, nuint bytes);

    /// <summary>Bytes written; below 0 on failure.</summary>
    [LibraryImport(Library)]
    public static partial nint ngtcp2_pkt_write_version_negotiation(byte* into, nuint intoBytes, byte random, byte* dcid, nuint dcidBytes, byte* scid, nuint scidBytes, uint* versions, nuint count);

    /// <summary>Bytes written; below 0 on failure.</summary>
    [LibraryImport(Library)]
    public static partial nint ngtcp2_pkt_write_stateless_reset(byte* into, nuint intoBytes, byte* token, byte* random, nuint randomBytes);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_read_pkt_versioned(nint connection, Ngtcp2Path* path, int packetInfoVersion, Ngtcp2PacketInfo* info, byte* packet, nuint bytes, ulong now);

    /// <summary>Bytes of the packet; 0 when none can be sent now.</summary>
    [LibraryImport(Library)]
    public static partial nint ngtcp2_conn_writev_stream_versioned(nint connection, Ngtcp2Path* path, int packetInfoVersion, Ngtcp2PacketInfo* info, byte* into, nuint intoBytes,
        nint* taken, uint flags, long streamId, Ngtcp2Vector* data, nuint count, ulong now);

    /// <summary>Bytes of the packet; 0 when none can be sent now.</summary>
    [LibraryImport(Library)]
    public static partial nint ngtcp2_conn_writev_datagram_versioned(nint connection, Ngtcp2Path* path, int packetInfoVersion, Ngtcp2PacketInfo* info, byte* into, nuint intoBytes,
        int* accepted, uint flags, ulong datagramId, Ngtcp2Vector* data, nuint count, ulong now);

    [LibraryImport(Library)]
    public static partial nint ngtcp2_conn_write_connection_close_versioned(nint connection, Ngtcp2Path* path, int packetInfoVersion, Ngtcp2PacketInfo* info, byte* into, nuint intoBytes, Ngtcp2CloseError* error, ulong now);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial void ngtcp2_conn_update_pkt_tx_time(nint connection, ulong now);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial ulong ngtcp2_conn_get_expiry(nint connection);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_handle_expiry(nint connection, ulong now);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial ulong ngtcp2_conn_get_pto(nint connection);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial nuint ngtcp2_conn_get_send_quantum(nint connection);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial nuint ngtcp2_conn_get_path_max_tx_udp_payload_size(nint connection);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial ulong ngtcp2_conn_get_max_data_left(nint connection);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_open_bidi_stream(nint connection, long* streamId, nint user);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_open_uni_stream(nint connection, long* streamId, nint user);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_shutdown_stream_write(nint connection, uint flags, long streamId, ulong error);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_shutdown_stream_read(nint connection, uint flags, long streamId, ulong error);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_extend_max_stream_offset(nint connection, long streamId, ulong bytes);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial void ngtcp2_conn_extend_max_offset(nint connection, ulong bytes);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial void ngtcp2_conn_extend_max_streams_bidi(nint connection, nuint count);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial void ngtcp2_conn_extend_max_streams_uni(nint connection, nuint count);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial ulong ngtcp2_conn_get_streams_bidi_left(nint connection);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial ulong ngtcp2_conn_get_streams_uni_left(nint connection);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial nuint ngtcp2_conn_get_stream_loss_count(nint connection, long streamId);

    [LibraryImport(Library)]
    public static partial void ngtcp2_conn_set_tls_native_handle(nint connection, nint session);

    [LibraryImport(Library)]
    public static partial void ngtcp2_conn_set_keep_alive_timeout(nint connection, ulong duration);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial int ngtcp2_conn_get_handshake_completed(nint connection);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial byte ngtcp2_conn_get_tls_alert(nint connection);

    /// <summary>What the peer said when it closed.</summary>
    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial Ngtcp2CloseError* ngtcp2_conn_get_ccerr(nint connection);

    [LibraryImport(Library)]
    public static partial void ngtcp2_conn_get_conn_info_versioned(nint connection, int version, Ngtcp2ConnectionInfo* into);

    /// <summary>Null before the peer's parameters are known.</summary>
    [LibraryImport(Library)]
    public static partial Ngtcp2TransportParameters* ngtcp2_conn_get_remote_transport_params(nint connection);

    [LibraryImport(Library)]
    public static partial nint ngtcp2_conn_encode_0rtt_transport_params(nint connection, byte* into, nuint intoBytes);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_decode_and_set_0rtt_transport_params(nint connection, byte* data, nuint bytes);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_tls_early_data_rejected(nint connection);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial int ngtcp2_conn_get_tls_early_data_rejected(nint connection);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_submit_new_token(nint connection, byte* token, nuint bytes);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_initiate_key_update(nint connection, ulong now);

    [LibraryImport(Library)]
    public static partial int ngtcp2_conn_initiate_immediate_migration(nint connection, Ngtcp2Path* path, ulong now);

    /// <summary>Owned by the connection; changes with the path.</summary>
    [LibraryImport(Library)]
    public static partial Ngtcp2Path* ngtcp2_conn_get_path(nint connection);

    [LibraryImport(Library)]
    public static partial void ngtcp2_ccerr_set_liberr(Ngtcp2CloseError* error, int libraryError, byte* reason, nuint reasonBytes);

    [LibraryImport(Library)]
    public static partial void ngtcp2_ccerr_set_application_error(Ngtcp2CloseError* error, ulong code, byte* reason, nuint reasonBytes);

    [LibraryImport(Library)]
    public static partial void ngtcp2_ccerr_set_transport_error(Ngtcp2CloseError* error, ulong code, byte* reason, nuint reasonBytes);

    [LibraryImport(Library)]
    public static partial void ngtcp2_ccerr_set_tls_alert(Ngtcp2CloseError* error, byte alert, byte* reason, nuint reasonBytes);

    /// <summary>The library's words for one of its errors.</summary>
    public static string Describe(int error) => Marshal.PtrToStringUTF8((nint)ngtcp2_strerror(error)) ?? "error";
}

/// <summary>An <c>ngtcp2_conn</c>; freed with all it holds.</summary>
/// <remarks>Its callbacks get a user pointer, which must stay valid until disposal.</remarks>
internal sealed class Ngtcp2Connection : SafeHandle
{
    /// <summary>Takes over what <c>ngtcp2_conn_client_new</c> or <c>ngtcp2_conn_server_new</c> made.</summary>
    public Ngtcp2Connection(nint connection)
        : base(0, ownsHandle: true) => SetHandle(connection);

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibNgtcp2.ngtcp2_conn_del(handle);
        return true;
    }
}

/// <summary><c>ngtcp2_info</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct Ngtcp2Info
{
    [FieldOffset(0)]
    public int Age;
    [FieldOffset(4)]
    public int VersionNumber;
    [FieldOffset(8)]
    public byte* VersionText;
}

/// <summary><c>ngtcp2_cid</c>: a connection id.</summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
internal unsafe struct Ngtcp2Cid
{
    [FieldOffset(0)]
    public nuint Bytes;
    [FieldOffset(8)]
    public fixed byte Data[LibNgtcp2.ConnectionIdBytesMax];
}

/// <summary><c>ngtcp2_vec</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct Ngtcp2Vector
{
    [FieldOffset(0)]
    public byte* Data;
    [FieldOffset(8)]
    public nuint Bytes;
}

/// <summary><c>ngtcp2_pkt_info</c>, which is aligned to 8.</summary>
[StructLayout(LayoutKind.Explicit, Size = 8)]
internal struct Ngtcp2PacketInfo
{
    /// <summary>RFC 3168: 0 not capable, 1 and 2 capable, 3 congestion experienced.</summary>
    [FieldOffset(0)]
    public byte Ecn;
    [FieldOffset(0)]
    private ulong _all;
}

/// <summary><c>ngtcp2_addr</c>: a native socket address elsewhere.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct Ngtcp2Address
{
    [FieldOffset(0)]
    public byte* Address;
    [FieldOffset(8)]
    public uint Bytes;
}

/// <summary><c>ngtcp2_path</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
internal unsafe struct Ngtcp2Path
{
    [FieldOffset(0)]
    public Ngtcp2Address Local;
    [FieldOffset(16)]
    public Ngtcp2Address Remote;
    [FieldOffset(32)]
    public void* User;
}

/// <summary><c>ngtcp2_pkt_hd</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 112)]
internal unsafe struct Ngtcp2PacketHeader
{
    [FieldOffset(0)]
    public Ngtcp2Cid DestinationId;
    [FieldOffset(32)]
    public Ngtcp2Cid SourceId;
    [FieldOffset(64)]
    public long PacketNumber;

    /// <summary>Inside the packet it was read from.</summary>
    [FieldOffset(72)]
    public byte* Token;
    [FieldOffset(80)]
    public nuint TokenBytes;
    [FieldOffset(88)]
    public nuint PacketNumberBytes;
    [FieldOffset(96)]
    public nuint Bytes;
    [FieldOffset(104)]
    public uint Version;
    [FieldOffset(108)]
    public byte Type;
    [FieldOffset(109)]
    public byte Flags;
}

/// <summary><c>ngtcp2_version_cid</c>: pointers into the packet.</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
internal unsafe struct Ngtcp2VersionCid
{
    [FieldOffset(0)]
    public uint Version;
    [FieldOffset(8)]
    public byte* DestinationId;
    [FieldOffset(16)]
    public nuint DestinationIdBytes;
    [FieldOffset(24)]
    public byte* SourceId;
    [FieldOffset(32)]
    public nuint SourceIdBytes;
}

/// <summary><c>ngtcp2_transport_params</c>, RFC 9000, section 18.2.</summary>
[StructLayout(LayoutKind.Explicit, Size = 344)]
internal unsafe struct Ngtcp2TransportParameters
{
    [FieldOffset(96)]
    public Ngtcp2Cid OriginalDestinationId;
    [FieldOffset(128)]
    public Ngtcp2Cid InitialSourceId;
    [FieldOffset(160)]
    public Ngtcp2Cid RetrySourceId;
    [FieldOffset(192)]
    public ulong InitialMaxStreamDataBidiLocal;
    [FieldOffset(200)]
    public ulong InitialMaxStreamDataBidiRemote;
    [FieldOffset(208)]
    public ulong InitialMaxStreamDataUni;
    [FieldOffset(216)]
    public ulong InitialMaxData;
    [FieldOffset(224)]
    public ulong InitialMaxStreamsBidi;
    [FieldOffset(232)]
    public ulong InitialMaxStreamsUni;
    [FieldOffset(240)]
    public ulong MaxIdleTimeout;
    [FieldOffset(248)]
    public ulong MaxUdpPayloadSize;
    [FieldOffset(256)]
    public ulong ActiveConnectionIdLimit;
    [FieldOffset(264)]
    public ulong AckDelayExponent;
    [FieldOffset(272)]
    public ulong MaxAckDelay;
    [FieldOffset(280)]
    public ulong MaxDatagramFrameSize;
    [FieldOffset(288)]
    public byte HasResetToken;
    [FieldOffset(289)]
    public byte DisableActiveMigration;
    [FieldOffset(290)]
    public byte HasOriginalDestinationId;
    [FieldOffset(291)]
    public byte HasInitialSourceId;
    [FieldOffset(292)]
    public byte HasRetrySourceId;
    [FieldOffset(294)]
    public fixed byte ResetToken[LibNgtcp2.ResetTokenBytes];
    [FieldOffset(310)]
    public byte GreaseQuicBit;
}

/// <summary><c>ngtcp2_settings</c>, version 2.</summary>
[StructLayout(LayoutKind.Explicit, Size = 184)]
internal unsafe struct Ngtcp2Settings
{
    /// <summary>(user, flags, data, bytes).</summary>
    [FieldOffset(0)]
    public delegate* unmanaged[Cdecl]<nint, uint, byte*, nuint, void> QlogWrite;

    /// <summary>0 Reno, 1 Cubic, 2 BBR.</summary>
    [FieldOffset(8)]
    public int CongestionControl;
    [FieldOffset(16)]
    public ulong InitialTimestamp;
    [FieldOffset(24)]
    public ulong InitialRtt;
    [FieldOffset(40)]
    public nuint MaxTxUdpPayloadSize;
    [FieldOffset(48)]
    public byte* Token;
    [FieldOffset(56)]
    public nuint TokenBytes;

    /// <summary>0 unknown, 1 from Retry, 2 from NEW_TOKEN.</summary>
    [FieldOffset(64)]
    public int TokenType;
    [FieldOffset(80)]
    public ulong MaxWindow;
    [FieldOffset(88)]
    public ulong MaxStreamWindow;
    [FieldOffset(96)]
    public nuint AckThreshold;
    [FieldOffset(104)]
    public byte NoTxUdpPayloadSizeShaping;
    [FieldOffset(112)]
    public ulong HandshakeTimeout;
    [FieldOffset(156)]
    public byte NoPathMtuDiscovery;
    [FieldOffset(160)]
    public uint InitialPacketNumber;
    [FieldOffset(176)]
    public nuint PathMtuProbes;
}

/// <summary><c>ngtcp2_ccerr</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
internal unsafe struct Ngtcp2CloseError
{
    /// <summary>0 transport, 1 application, 2 version negotiation, 3 idle, 4 dropped, 5 retry.</summary>
    [FieldOffset(0)]
    public int Type;
    [FieldOffset(8)]
    public ulong Code;
    [FieldOffset(16)]
    public ulong FrameType;
    [FieldOffset(24)]
    public byte* Reason;
    [FieldOffset(32)]
    public nuint ReasonBytes;
}

/// <summary><c>ngtcp2_conn_info</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 56)]
internal struct Ngtcp2ConnectionInfo
{
    [FieldOffset(0)]
    public ulong LatestRtt;
    [FieldOffset(8)]
    public ulong MinRtt;
    [FieldOffset(16)]
    public ulong SmoothedRtt;
    [FieldOffset(24)]
    public ulong RttVariation;
    [FieldOffset(32)]
    public ulong CongestionWindow;
    [FieldOffset(40)]
    public ulong SlowStartThreshold;
    [FieldOffset(48)]
    public ulong BytesInFlight;
}

/// <summary>Slots of <c>ngtcp2_callbacks</c>, version 1: a table of pointers in this order.</summary>
internal enum Ngtcp2Callback
{
    ClientInitial,
    RecvClientInitial,
    RecvCryptoData,
    HandshakeCompleted,
    RecvVersionNegotiation,
    Encrypt,
    Decrypt,
    HpMask,
    RecvStreamData,
    AckedStreamDataOffset,
    StreamOpen,
    StreamClose,
    RecvStatelessReset,
    RecvRetry,
    ExtendMaxLocalStreamsBidi,
    ExtendMaxLocalStreamsUni,
    Rand,
    GetNewConnectionId,
    RemoveConnectionId,
    UpdateKey,
    PathValidation,
    SelectPreferredAddr,
    StreamReset,
    ExtendMaxRemoteStreamsBidi,
    ExtendMaxRemoteStreamsUni,
    ExtendMaxStreamData,
    DcidStatus,
    HandshakeConfirmed,
    RecvNewToken,
    DeleteCryptoAeadCtx,
    DeleteCryptoCipherCtx,
    RecvDatagram,
    AckDatagram,
    LostDatagram,
    GetPathChallengeData,
    StreamStopSending,
    VersionNegotiation,
    RecvRxKey,
    RecvTxKey,
    TlsEarlyDataRejected,

    /// <summary>How many there are.</summary>
    Count,
}
