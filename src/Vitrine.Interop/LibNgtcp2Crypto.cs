using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Functions of libngtcp2_crypto_gnutls (<c>ngtcp2/ngtcp2_crypto.h</c>): what joins ngtcp2 and GnuTLS, and tokens. Results below 0 are
/// errors; times are nanoseconds.</summary>
/// <remarks>Its <c>ngtcp2_crypto_*_cb</c> functions are put into the table of callbacks by name: <see cref="Callback"/>.</remarks>
internal static unsafe partial class LibNgtcp2Crypto
{
    /// <summary>Its file.</summary>
    public const string Library = "libngtcp2_crypto_gnutls.so.8";

    /// <summary>Package that brings it: Debian 13, and the backports of Debian 12.</summary>
    public const string Package = "libngtcp2-crypto-gnutls8";

    /// <summary>First byte of a token from a Retry packet.</summary>
    public const byte TokenMagicRetry2 = 0xb7;

    /// <summary>First byte of a token from a NEW_TOKEN frame.</summary>
    public const byte TokenMagicRegular = 0x36;

    public const int RetryTokenBytesMax = 90;
    public const int RegularTokenBytesMax = 41;

    [LibraryImport(Library)]
    public static partial int ngtcp2_crypto_gnutls_configure_server_session(nint session);

    [LibraryImport(Library)]
    public static partial int ngtcp2_crypto_gnutls_configure_client_session(nint session);

    /// <summary>16 bytes, RFC 9000, section 10.3.2.</summary>
    [LibraryImport(Library)]
    public static partial int ngtcp2_crypto_generate_stateless_reset_token(byte* token, byte* secret, nuint secretBytes, Ngtcp2Cid* cid);

    [LibraryImport(Library)]
    public static partial nint ngtcp2_crypto_generate_retry_token2(byte* token, byte* secret, nuint secretBytes, uint version, byte* remote, uint remoteBytes, Ngtcp2Cid* retrySource, Ngtcp2Cid* originalDestination, ulong now);

    /// <summary>0 when the token is ours, of this address and not older than <paramref name="timeout"/>.</summary>
    [LibraryImport(Library)]
    public static partial int ngtcp2_crypto_verify_retry_token2(Ngtcp2Cid* originalDestination, byte* token, nuint tokenBytes, byte* secret, nuint secretBytes, uint version, byte* remote, uint remoteBytes, Ngtcp2Cid* destination, ulong timeout, ulong now);

    [LibraryImport(Library)]
    public static partial nint ngtcp2_crypto_generate_regular_token(byte* token, byte* secret, nuint secretBytes, byte* remote, uint remoteBytes, ulong now);

    /// <summary>0 when the token is ours, of this address and not older than <paramref name="timeout"/>.</summary>
    [LibraryImport(Library)]
    public static partial int ngtcp2_crypto_verify_regular_token(byte* token, nuint tokenBytes, byte* secret, nuint secretBytes, byte* remote, uint remoteBytes, ulong timeout, ulong now);

    /// <summary>A whole Retry packet. Bytes written.</summary>
    [LibraryImport(Library)]
    public static partial nint ngtcp2_crypto_write_retry(byte* into, nuint intoBytes, uint version, Ngtcp2Cid* dcid, Ngtcp2Cid* scid, Ngtcp2Cid* originalDestination, byte* token, nuint tokenBytes);

    /// <summary>A whole Initial packet with CONNECTION_CLOSE, without a connection. Bytes written.</summary>
    [LibraryImport(Library)]
    public static partial nint ngtcp2_crypto_write_connection_close(byte* into, nuint intoBytes, uint version, Ngtcp2Cid* dcid, Ngtcp2Cid* scid, ulong error, byte* reason, nuint reasonBytes);

    /// <summary>The standard callback <c>ngtcp2_crypto_NAME_cb</c>.</summary>
    public static void* Callback(string name) => (void*)NativeLibrary.GetExport(NativeLibrary.Load(Library), $"ngtcp2_crypto_{name}_cb");
}

/// <summary><c>ngtcp2_crypto_conn_ref</c>, with what our callbacks need behind it. Native memory; lives as long as its session.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Ngtcp2ConnectionReference
{
    /// <summary>Gives <see cref="Connection"/>.</summary>
    public delegate* unmanaged[Cdecl]<Ngtcp2ConnectionReference*, nint> GetConnection;

    /// <summary>The user pointer of the connection's callbacks.</summary>
    public nint User;

    /// <summary>The <c>ngtcp2_conn</c>.</summary>
    public nint Connection;
}
