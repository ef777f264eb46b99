using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Functions of libgnutls 3.7 and newer (<c>gnutls/gnutls.h</c>), as far as QUIC needs them. Results below 0 are errors.</summary>
/// <remarks>A session is used by one thread at a time; credentials and priorities by any number once they are set up.</remarks>
internal static unsafe partial class LibGnuTls
{
    /// <summary>Its file.</summary>
    public const string Library = "libgnutls.so.30";

    /// <summary>Package that brings it.</summary>
    public const string Package = "libgnutls30";

    /// <summary>First with <see cref="NoEndOfEarlyData"/>, which RFC 9001, section 8.3, asks for.</summary>
    public const string VersionMin = "3.7.2";

    public const uint Server = 1;
    public const uint Client = 1 << 1;
    public const uint EnableEarlyData = 1 << 20;
    public const uint NoAutoSendTicket = 1 << 21;
    public const uint NoEndOfEarlyData = 1 << 22;

    /// <summary>Of a session's flags: early data were accepted.</summary>
    public const uint SessionEarlyData = 1 << 10;

    public const int FormatPem = 1;
    public const int CredentialsCertificate = 1;
    public const int NameDns = 1;
    public const uint AlpnMandatory = 1;
    public const uint HandshakeNewSessionTicket = 4;
    public const int HookPost = 1;

    public const int ErrorCertificate = -43;
    public const int ErrorDatabaseEntryExists = -428;

    public const uint CertificateSignerNotFound = 1 << 6;
    public const uint CertificateNotActivated = 1 << 9;
    public const uint CertificateExpired = 1 << 10;
    public const uint CertificateUnexpectedOwner = 1 << 14;

    /// <summary>Null when the library is older than <paramref name="least"/>.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial byte* gnutls_check_version(string? least);

    /// <summary>Static text.</summary>
    [LibraryImport(Library)]
    public static partial byte* gnutls_strerror(int error);

    [LibraryImport(Library)]
    public static partial int gnutls_init(nint* session, uint flags);

    [LibraryImport(Library)]
    public static partial void gnutls_deinit(nint session);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int gnutls_priority_init(nint* priority, string text, byte** errorAt);

    [LibraryImport(Library)]
    public static partial void gnutls_priority_deinit(nint priority);

    [LibraryImport(Library)]
    public static partial int gnutls_priority_set(nint session, nint priority);

    [LibraryImport(Library)]
    public static partial int gnutls_certificate_allocate_credentials(nint* credentials);

    [LibraryImport(Library)]
    public static partial void gnutls_certificate_free_credentials(nint credentials);

    [LibraryImport(Library)]
    public static partial int gnutls_certificate_set_x509_key_mem(nint credentials, GnuTlsDatum* certificate, GnuTlsDatum* key, int format);

    /// <summary>How many were taken.</summary>
    [LibraryImport(Library)]
    public static partial int gnutls_certificate_set_x509_trust_mem(nint credentials, GnuTlsDatum* certificates, int format);

    /// <summary>How many were taken.</summary>
    [LibraryImport(Library)]
    public static partial int gnutls_certificate_set_x509_system_trust(nint credentials);

    [LibraryImport(Library)]
    public static partial int gnutls_credentials_set(nint session, int type, nint credentials);

    /// <summary>Copies the names.</summary>
    [LibraryImport(Library)]
    public static partial int gnutls_alpn_set_protocols(nint session, GnuTlsDatum* names, uint count, uint flags);

    /// <summary>Points into the session.</summary>
    [LibraryImport(Library)]
    public static partial int gnutls_alpn_get_selected_protocol(nint session, GnuTlsDatum* name);

    [LibraryImport(Library)]
    public static partial int gnutls_server_name_set(nint session, int type, byte* name, nuint bytes);

    [LibraryImport(Library)]
    public static partial void gnutls_session_set_ptr(nint session, void* pointer);

    [LibraryImport(Library)]
    public static partial void* gnutls_session_get_ptr(nint session);

    /// <summary>(session): 0 takes the certificate of the peer.</summary>
    [LibraryImport(Library)]
    public static partial void gnutls_session_set_verify_function(nint session, delegate* unmanaged[Cdecl]<nint, int> function);

    /// <summary>The peer's chain in DER, its own certificate first; points into the session.</summary>
    [LibraryImport(Library)]
    public static partial GnuTlsDatum* gnutls_certificate_get_peers(nint session, uint* count);

    /// <summary>0 when the check was made: its result is in <paramref name="status"/>, 0 for a good one.</summary>
    [LibraryImport(Library)]
    public static partial int gnutls_certificate_verify_peers3(nint session, byte* host, uint* status);

    /// <summary>Free the bytes with <see cref="LibC.free"/>.</summary>
    [LibraryImport(Library)]
    public static partial int gnutls_session_ticket_key_generate(GnuTlsDatum* key);

    /// <summary>Copies the key.</summary>
    [LibraryImport(Library)]
    public static partial int gnutls_session_ticket_enable_server(nint session, GnuTlsDatum* key);

    [LibraryImport(Library)]
    public static partial int gnutls_session_ticket_send(nint session, uint count, uint flags);

    /// <summary>Free the bytes with <see cref="LibC.free"/>.</summary>
    [LibraryImport(Library)]
    public static partial int gnutls_session_get_data2(nint session, GnuTlsDatum* data);

    [LibraryImport(Library)]
    public static partial int gnutls_session_set_data(nint session, byte* data, nuint bytes);

    [LibraryImport(Library)]
    public static partial int gnutls_session_is_resumed(nint session);

    [LibraryImport(Library)]
    public static partial uint gnutls_session_get_flags(nint session);

    [LibraryImport(Library)]
    public static partial int gnutls_record_set_max_early_data_size(nint session, nuint bytes);

    [LibraryImport(Library)]
    public static partial int gnutls_anti_replay_init(nint* antiReplay);

    [LibraryImport(Library)]
    public static partial void gnutls_anti_replay_deinit(nint antiReplay);

    [LibraryImport(Library)]
    public static partial void gnutls_anti_replay_set_window(nint antiReplay, uint milliseconds);

    [LibraryImport(Library)]
    public static partial void gnutls_anti_replay_set_ptr(nint antiReplay, nint pointer);

    /// <summary>(pointer, time of expiry, key, data): 0 when the key was new and is kept now, <see cref="ErrorDatabaseEntryExists"/> otherwise.</summary>
    [LibraryImport(Library)]
    public static partial void gnutls_anti_replay_set_add_function(nint antiReplay, delegate* unmanaged[Cdecl]<nint, long, GnuTlsDatum*, GnuTlsDatum*, int> function);

    [LibraryImport(Library)]
    public static partial void gnutls_anti_replay_enable(nint session, nint antiReplay);

    /// <summary>(session, type, when, incoming, message): below 0 ends the handshake.</summary>
    [LibraryImport(Library)]
    public static partial void gnutls_handshake_set_hook_function(nint session, uint type, int when, delegate* unmanaged[Cdecl]<nint, uint, uint, uint, GnuTlsDatum*, int> function);

    /// <summary>(session, label, secret).</summary>
    [LibraryImport(Library)]
    public static partial void gnutls_session_set_keylog_function(nint session, delegate* unmanaged[Cdecl]<nint, byte*, GnuTlsDatum*, int> function);

    /// <summary>Points into the session.</summary>
    [LibraryImport(Library)]
    public static partial void gnutls_session_get_random(nint session, GnuTlsDatum* client, GnuTlsDatum* server);

    /// <summary>The library's words for one of its errors.</summary>
    public static string Describe(int error) => Marshal.PtrToStringUTF8((nint)gnutls_strerror(error)) ?? "error";
}

/// <summary><c>gnutls_datum_t</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct GnuTlsDatum
{
    [FieldOffset(0)]
    public byte* Data;
    [FieldOffset(8)]
    public uint Bytes;
}

/// <summary>A <c>gnutls_session_t</c> with the <see cref="Ngtcp2ConnectionReference"/> that it points to.</summary>
/// <remarks>Keeps its credentials, priorities and replay store alive until it is freed.</remarks>
internal sealed unsafe class GnuTlsSession : SafeHandle
{
    private readonly SafeHandle[] _parents;
    private readonly Ngtcp2ConnectionReference* _reference;

    /// <summary>A session that refers to nothing yet.</summary>
    /// <exception cref="InvalidOperationException">The library made none.</exception>
    public GnuTlsSession(uint flags, params SafeHandle[] parents)
        : base(0, ownsHandle: true)
    {
        _parents = parents;
        _reference = (Ngtcp2ConnectionReference*)NativeMemory.AllocZeroed((nuint)sizeof(Ngtcp2ConnectionReference));
        bool isAdded = false;
        foreach (SafeHandle parent in parents)
        {
            parent.DangerousAddRef(ref isAdded);
        }

        nint session;
        int result = LibGnuTls.gnutls_init(&session, flags);
        if (result < 0)
        {
            NativeMemory.Free(_reference);
            Release();
            throw new InvalidOperationException($"No TLS session: {LibGnuTls.Describe(result)}.");
        }

        SetHandle(session);
        LibGnuTls.gnutls_session_set_ptr(session, _reference);
    }

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <summary>What the session's pointer refers to.</summary>
    public ref Ngtcp2ConnectionReference Reference => ref *_reference; // SAFETY: allocated above, freed in ReleaseHandle

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibGnuTls.gnutls_deinit(handle);
        NativeMemory.Free(_reference);
        Release();
        return true;
    }

    private void Release()
    {
        foreach (SafeHandle parent in _parents)
        {
            parent.DangerousRelease();
        }
    }
}

/// <summary>A <c>gnutls_certificate_credentials_t</c>.</summary>
internal sealed unsafe class GnuTlsCredentials : SafeHandle
{
    /// <summary>Without certificates.</summary>
    /// <exception cref="InsufficientMemoryException">No memory.</exception>
    public GnuTlsCredentials()
        : base(0, ownsHandle: true)
    {
        nint credentials;
        if (LibGnuTls.gnutls_certificate_allocate_credentials(&credentials) < 0)
        {
            throw new InsufficientMemoryException("No memory for certificates.");
        }

        SetHandle(credentials);
    }

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibGnuTls.gnutls_certificate_free_credentials(handle);
        return true;
    }
}

/// <summary>A <c>gnutls_priority_t</c>: which versions, ciphers and groups.</summary>
internal sealed unsafe class GnuTlsPriority : SafeHandle
{
    /// <summary>By GnuTLS's priority string.</summary>
    /// <exception cref="ArgumentException">The library does not understand the text.</exception>
    public GnuTlsPriority(string text)
        : base(0, ownsHandle: true)
    {
        nint priority;
        int result = LibGnuTls.gnutls_priority_init(&priority, text, null);
        if (result < 0)
        {
            throw new ArgumentException($"{text}: {LibGnuTls.Describe(result)}", nameof(text));
        }

        SetHandle(priority);
    }

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibGnuTls.gnutls_priority_deinit(handle);
        return true;
    }
}

/// <summary>A <c>gnutls_anti_replay_t</c>.</summary>
internal sealed unsafe class GnuTlsAntiReplay : SafeHandle
{
    /// <summary>With no store yet.</summary>
    /// <exception cref="InsufficientMemoryException">No memory.</exception>
    public GnuTlsAntiReplay()
        : base(0, ownsHandle: true)
    {
        nint antiReplay;
        if (LibGnuTls.gnutls_anti_replay_init(&antiReplay) < 0)
        {
            throw new InsufficientMemoryException("No memory for a replay store.");
        }

        SetHandle(antiReplay);
    }

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibGnuTls.gnutls_anti_replay_deinit(handle);
        return true;
    }
}
