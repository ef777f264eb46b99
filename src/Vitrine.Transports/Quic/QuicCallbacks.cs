using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>What ngtcp2 and GnuTLS call: from native code into the connection that the user pointer names. An exception never leaves
/// here, it would end the process: it is kept for the connection, and the native side is told that the callback failed.</summary>
internal static unsafe class QuicCallbacks
{
    private const int Ok = 0;
    private const int Failed = LibNgtcp2.ErrorCallbackFailure;

    /// <summary>The table of a client's connections.</summary>
    public static void** Client { get; } = MakeTable(isServer: false);

    /// <summary>The table of a server's connections.</summary>
    public static void** Server { get; } = MakeTable(isServer: true);

    /// <summary>For <see cref="Ngtcp2ConnectionReference.GetConnection"/>.</summary>
    public static delegate* unmanaged[Cdecl]<Ngtcp2ConnectionReference*, nint> GetConnection => &OnGetConnection;

    /// <summary>For <see cref="Ngtcp2Settings.QlogWrite"/>.</summary>
    public static delegate* unmanaged[Cdecl]<nint, uint, byte*, nuint, void> QlogWrite => &OnQlogWrite;

    /// <summary>For a client's session: (session), 0 takes the certificate.</summary>
    public static delegate* unmanaged[Cdecl]<nint, int> Verify => &OnVerify;

    /// <summary>For a client's session, behind NEW_SESSION_TICKET.</summary>
    public static delegate* unmanaged[Cdecl]<nint, uint, uint, uint, GnuTlsDatum*, int> Ticket => &OnTicket;

    /// <summary>For any session.</summary>
    public static delegate* unmanaged[Cdecl]<nint, byte*, GnuTlsDatum*, int> KeyLog => &OnKeyLog;

    // Lives as long as the process.
    private static void** MakeTable(bool isServer)
    {
        void** table = (void**)NativeMemory.AllocZeroed((nuint)Ngtcp2Callback.Count, (nuint)sizeof(void*));
        void Set(Ngtcp2Callback slot, void* function) => table[(int)slot] = function;
        void Standard(Ngtcp2Callback slot, string name) => Set(slot, LibNgtcp2Crypto.Callback(name));

        Standard(Ngtcp2Callback.RecvCryptoData, "recv_crypto_data");
        Standard(Ngtcp2Callback.Encrypt, "encrypt");
        Standard(Ngtcp2Callback.Decrypt, "decrypt");
        Standard(Ngtcp2Callback.HpMask, "hp_mask");
        Standard(Ngtcp2Callback.UpdateKey, "update_key");
        Standard(Ngtcp2Callback.DeleteCryptoAeadCtx, "delete_crypto_aead_ctx");
        Standard(Ngtcp2Callback.DeleteCryptoCipherCtx, "delete_crypto_cipher_ctx");
        Standard(Ngtcp2Callback.GetPathChallengeData, "get_path_challenge_data");
        Standard(Ngtcp2Callback.VersionNegotiation, "version_negotiation");
        if (isServer)
        {
            Standard(Ngtcp2Callback.RecvClientInitial, "recv_client_initial");
        }
        else
        {
            Standard(Ngtcp2Callback.ClientInitial, "client_initial");
            Standard(Ngtcp2Callback.RecvRetry, "recv_retry");
            Set(Ngtcp2Callback.RecvNewToken, (delegate* unmanaged[Cdecl]<nint, byte*, nuint, nint, int>)&OnNewToken);
            Set(Ngtcp2Callback.TlsEarlyDataRejected, (delegate* unmanaged[Cdecl]<nint, nint, int>)&OnEarlyDataRejected);
        }

        Set(Ngtcp2Callback.HandshakeCompleted, (delegate* unmanaged[Cdecl]<nint, nint, int>)&OnHandshakeCompleted);
        Set(Ngtcp2Callback.RecvStreamData, (delegate* unmanaged[Cdecl]<nint, uint, long, ulong, byte*, nuint, nint, nint, int>)&OnStreamData);
        Set(Ngtcp2Callback.AckedStreamDataOffset, (delegate* unmanaged[Cdecl]<nint, long, ulong, ulong, nint, nint, int>)&OnStreamAcknowledged);
        Set(Ngtcp2Callback.StreamOpen, (delegate* unmanaged[Cdecl]<nint, long, nint, int>)&OnStreamOpened);
        Set(Ngtcp2Callback.StreamClose, (delegate* unmanaged[Cdecl]<nint, uint, long, ulong, nint, nint, int>)&OnStreamClosed);
        Set(Ngtcp2Callback.StreamReset, (delegate* unmanaged[Cdecl]<nint, long, ulong, ulong, nint, nint, int>)&OnStreamReset);
        Set(Ngtcp2Callback.ExtendMaxStreamData, (delegate* unmanaged[Cdecl]<nint, long, ulong, nint, nint, int>)&OnStreamCredit);
        Set(Ngtcp2Callback.ExtendMaxLocalStreamsBidi, (delegate* unmanaged[Cdecl]<nint, ulong, nint, int>)&OnStreamLimits);
        Set(Ngtcp2Callback.ExtendMaxLocalStreamsUni, (delegate* unmanaged[Cdecl]<nint, ulong, nint, int>)&OnStreamLimits);
        Set(Ngtcp2Callback.RecvDatagram, (delegate* unmanaged[Cdecl]<nint, uint, byte*, nuint, nint, int>)&OnDatagram);
        Set(Ngtcp2Callback.AckDatagram, (delegate* unmanaged[Cdecl]<nint, ulong, nint, int>)&OnDatagramAcknowledged);
        Set(Ngtcp2Callback.LostDatagram, (delegate* unmanaged[Cdecl]<nint, ulong, nint, int>)&OnDatagramLost);
        Set(Ngtcp2Callback.RecvStatelessReset, (delegate* unmanaged[Cdecl]<nint, void*, nint, int>)&OnStatelessReset);
        Set(Ngtcp2Callback.PathValidation, (delegate* unmanaged[Cdecl]<nint, uint, Ngtcp2Path*, Ngtcp2Path*, int, nint, int>)&OnPathValidated);
        Set(Ngtcp2Callback.GetNewConnectionId, (delegate* unmanaged[Cdecl]<nint, Ngtcp2Cid*, byte*, nuint, nint, int>)&OnNewId);
        Set(Ngtcp2Callback.RemoveConnectionId, (delegate* unmanaged[Cdecl]<nint, Ngtcp2Cid*, nint, int>)&OnIdRetired);
        Set(Ngtcp2Callback.Rand, (delegate* unmanaged[Cdecl]<byte*, nuint, void*, void>)&OnRandom);
        return table;
    }

    // SAFETY: the user pointer is the handle of a connection, which frees it after its native side.
    private static QuicConnection Connection(nint user) => Unsafe.As<QuicConnection>(GCHandle.FromIntPtr(user).Target!);

    private static QuicConnection ConnectionOf(nint session) => Connection(((Ngtcp2ConnectionReference*)LibGnuTls.gnutls_session_get_ptr(session))->User);

    private static int Fail(nint user, Exception exception)
    {
        Connection(user).ReportCallbackFault(exception);
        return Failed;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint OnGetConnection(Ngtcp2ConnectionReference* reference) => reference->Connection;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnRandom(byte* into, nuint bytes, void* context)
    {
        try
        {
            RandomNumberGenerator.Fill(new Span<byte>(into, (int)bytes));
        }
        catch (CryptographicException)
        {
            // Not for keys: ngtcp2 wants it for greasing and packet numbers. What was there stays.
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnHandshakeCompleted(nint connection, nint user)
    {
        try
        {
            return Connection(user).OnHandshakeCompleted() ? Ok : Failed;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStreamData(nint connection, uint flags, long id, ulong offset, byte* data, nuint bytes, nint user, nint streamUser)
    {
        try
        {
            Connection(user).OnStreamData(id, flags, data, (int)bytes);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStreamAcknowledged(nint connection, long id, ulong offset, ulong bytes, nint user, nint streamUser)
    {
        try
        {
            Connection(user).OnStreamAcknowledged(id, offset + bytes);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStreamOpened(nint connection, long id, nint user)
    {
        try
        {
            Connection(user).OnStreamOpened(id);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStreamClosed(nint connection, uint flags, long id, ulong code, nint user, nint streamUser)
    {
        try
        {
            Connection(user).OnStreamClosed(id, (flags & LibNgtcp2.StreamCloseHasError) != 0 ? code : null);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStreamReset(nint connection, long id, ulong finalSize, ulong code, nint user, nint streamUser)
    {
        try
        {
            Connection(user).OnStreamReset(id, code);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStreamCredit(nint connection, long id, ulong max, nint user, nint streamUser)
    {
        try
        {
            Connection(user).OnStreamCredit(id);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStreamLimits(nint connection, ulong max, nint user)
    {
        try
        {
            Connection(user).OnStreamLimits();
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnDatagram(nint connection, uint flags, byte* data, nuint bytes, nint user)
    {
        try
        {
            Connection(user).OnDatagram(data, (int)bytes);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnDatagramAcknowledged(nint connection, ulong id, nint user)
    {
        try
        {
            Connection(user).OnDatagramAcknowledged(id);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnDatagramLost(nint connection, ulong id, nint user)
    {
        try
        {
            Connection(user).OnDatagramLost(id);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStatelessReset(nint connection, void* reset, nint user)
    {
        Connection(user).OnStatelessReset();
        return Ok;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnPathValidated(nint connection, uint flags, Ngtcp2Path* path, Ngtcp2Path* oldPath, int result, nint user)
    {
        try
        {
            if (result != LibNgtcp2.PathValidationAborted) // another path has taken its place
            {
                Connection(user).OnPathValidated(result == 0, (flags & LibNgtcp2.PathValidationNewToken) != 0);
            }

            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnNewId(nint connection, Ngtcp2Cid* id, byte* token, nuint bytes, nint user)
    {
        try
        {
            return Connection(user).OnNewId(id, token, (int)bytes) ? Ok : Failed;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnIdRetired(nint connection, Ngtcp2Cid* id, nint user)
    {
        try
        {
            Connection(user).OnIdRetired(id);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnNewToken(nint connection, byte* token, nuint bytes, nint user)
    {
        try
        {
            Connection(user).OnNewToken(token, (int)bytes);
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnEarlyDataRejected(nint connection, nint user)
    {
        try
        {
            Connection(user).OnEarlyDataRejected();
            return Ok;
        }
        catch (Exception exception)
        {
            return Fail(user, exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnQlogWrite(nint user, uint flags, byte* data, nuint bytes)
    {
        try
        {
            Connection(user).OnQlog(new ReadOnlySpan<byte>(data, (int)bytes));
        }
        catch (Exception exception)
        {
            Connection(user).ReportCallbackFault(exception);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnVerify(nint session)
    {
        try
        {
            return ConnectionOf(session).OnCertificate() ? Ok : LibGnuTls.ErrorCertificate;
        }
        catch (Exception exception)
        {
            ConnectionOf(session).ReportCallbackFault(exception);
            return LibGnuTls.ErrorCertificate;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnTicket(nint session, uint type, uint when, uint isIncoming, GnuTlsDatum* message)
    {
        try
        {
            if (isIncoming != 0)
            {
                ConnectionOf(session).OnTicket();
            }
        }
        catch (Exception exception)
        {
            ConnectionOf(session).ReportCallbackFault(exception);
        }

        return Ok;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnKeyLog(nint session, byte* label, GnuTlsDatum* secret)
    {
        try
        {
            ConnectionOf(session).OnSecret(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(label), secret);
        }
        catch (Exception exception)
        {
            ConnectionOf(session).ReportCallbackFault(exception);
        }

        return Ok;
    }
}
