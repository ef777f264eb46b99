using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>What the TLS sessions of an end point share: certificates, ciphers, application protocols, the ticket key, the store of first
/// flights seen.</summary>
/// <remarks>Thread-safe. Disposed after the last session.</remarks>
internal sealed unsafe class QuicTls : IDisposable
{
    // TLS 1.3 only, no middle-box compatibility: RFC 9001, sections 4.2 and 8.4.
    private const string Ciphers =
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE";

    private readonly GnuTlsPriority _priority;
    private readonly GnuTlsCredentials _credentials;
    private readonly GnuTlsDatum* _protocols;
    private readonly uint _protocolCount;
    private readonly bool _allowsEarlyData;
    private readonly GnuTlsAntiReplay? _antiReplay;
    private GnuTlsDatum _ticketKey;
    private long _qlogFailures;

    private QuicTls(QuicTransportOptions options)
    {
        QuicLibraries.Require();
        if (options.Protocols.Count is 0 or > 16 || options.Protocols.Any(name => name.Length is 0 or > 255 || !Ascii.IsValid(name)))
        {
            throw new ArgumentException("1 to 16 application protocols, of 1 to 255 ASCII letters each.", nameof(options));
        }

        _priority = new GnuTlsPriority(Ciphers);
        _credentials = new GnuTlsCredentials();
        _protocolCount = (uint)options.Protocols.Count;
        _protocols = (GnuTlsDatum*)NativeMemory.AllocZeroed(_protocolCount, (nuint)sizeof(GnuTlsDatum));
        for (int i = 0; i < _protocolCount; i++)
        {
            byte[] name = Encoding.ASCII.GetBytes(options.Protocols[i]);
            _protocols[i].Data = (byte*)NativeMemory.Alloc((nuint)name.Length);
            _protocols[i].Bytes = (uint)name.Length;
            name.CopyTo(new Span<byte>(_protocols[i].Data, name.Length)); // SAFETY: allocated with this length
        }

        KeyLog = options.KeyLogPath is { } path ? QuicKeyLog.Open(path) : null;
        if (options.QlogDirectory is { } folder)
        {
            try
            {
                Directory.CreateDirectory(folder);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new QuicException($"Logs cannot be written to {folder}: {exception.Message}", exception);
            }
        }
    }

    /// <summary>For a client.</summary>
    /// <exception cref="QuicException">The roots cannot be read.</exception>
    public QuicTls(QuicClientOptions options)
        : this((QuicTransportOptions)options)
    {
        if (options.Roots.Count == 0)
        {
            _ = LibGnuTls.gnutls_certificate_set_x509_system_trust(_credentials.Pointer); // none: every chain is refused, fingerprints work
            return;
        }

        byte[] roots = Encoding.ASCII.GetBytes(string.Join('\n', options.Roots.Select(root => root.ExportCertificatePem())));
        fixed (byte* data = roots)
        {
            GnuTlsDatum pem = new() { Data = data, Bytes = (uint)roots.Length };
            Check(LibGnuTls.gnutls_certificate_set_x509_trust_mem(_credentials.Pointer, &pem, LibGnuTls.FormatPem), "The roots cannot be used");
        }
    }

    /// <summary>For a server.</summary>
    /// <exception cref="QuicException">The certificate or its key cannot be used.</exception>
    public QuicTls(QuicListenerOptions options)
        : this((QuicTransportOptions)options)
    {
        byte[] chain = Encoding.ASCII.GetBytes(string.Join('\n', options.Chain.Prepend(options.Certificate).Select(certificate => certificate.ExportCertificatePem())));
        byte[] key = Encoding.ASCII.GetBytes(ExportKey(options.Certificate));
        fixed (byte* chainData = chain, keyData = key)
        {
            GnuTlsDatum chainPem = new() { Data = chainData, Bytes = (uint)chain.Length };
            GnuTlsDatum keyPem = new() { Data = keyData, Bytes = (uint)key.Length };
            int result = LibGnuTls.gnutls_certificate_set_x509_key_mem(_credentials.Pointer, &chainPem, &keyPem, LibGnuTls.FormatPem);
            CryptographicOperations.ZeroMemory(key);
            Check(result, "The certificate cannot be used");
        }

        fixed (GnuTlsDatum* ticketKey = &_ticketKey)
        {
            Check(LibGnuTls.gnutls_session_ticket_key_generate(ticketKey), "No key for tickets");
        }

        _allowsEarlyData = options.AllowsEarlyData;
        if (_allowsEarlyData)
        {
            Replays = new ReplayStore(options.ReplayEntriesMax, options.ReplayWindow);
            _antiReplay = new GnuTlsAntiReplay();
            LibGnuTls.gnutls_anti_replay_set_window(_antiReplay.Pointer, (uint)options.ReplayWindow.TotalMilliseconds);
            LibGnuTls.gnutls_anti_replay_set_add_function(_antiReplay.Pointer, ReplayStore.Add);
            LibGnuTls.gnutls_anti_replay_set_ptr(_antiReplay.Pointer, Replays.Pointer);
        }
    }

    /// <summary>Where secrets are written; null: nowhere.</summary>
    public QuicKeyLog? KeyLog { get; }

    /// <summary>First flights seen; null when early data are not taken, or on a client.</summary>
    public ReplayStore? Replays { get; }

    /// <summary>Logs of connections that could not be written.</summary>
    public long QlogFailures => Interlocked.Read(ref _qlogFailures);

    /// <summary>Counts one.</summary>
    public void QlogFailed() => Interlocked.Increment(ref _qlogFailures);

    /// <summary>A server's session.</summary>
    /// <exception cref="InvalidOperationException">The library makes none.</exception>
    public GnuTlsSession CreateServer()
    {
        uint flags = LibGnuTls.Server | LibGnuTls.NoAutoSendTicket | LibGnuTls.NoEndOfEarlyData | (_allowsEarlyData ? LibGnuTls.EnableEarlyData : 0);
        GnuTlsSession session = new(flags, _antiReplay is null ? [_priority, _credentials] : [_priority, _credentials, _antiReplay]);
        try
        {
            Prepare(session);
            fixed (GnuTlsDatum* key = &_ticketKey)
            {
                Check(LibGnuTls.gnutls_session_ticket_enable_server(session.Pointer, key), "No tickets");
            }

            Check(LibNgtcp2Crypto.ngtcp2_crypto_gnutls_configure_server_session(session.Pointer), "No QUIC");
            if (_antiReplay is not null)
            {
                LibGnuTls.gnutls_anti_replay_enable(session.Pointer, _antiReplay.Pointer);
                Check(LibGnuTls.gnutls_record_set_max_early_data_size(session.Pointer, uint.MaxValue), "No early data"); // RFC 9001, section 4.6.1
            }

            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>A client's session.</summary>
    /// <exception cref="InvalidOperationException">The library makes none.</exception>
    public GnuTlsSession CreateClient(string host, QuicSession? resumed)
    {
        GnuTlsSession session = new(LibGnuTls.Client | LibGnuTls.EnableEarlyData | LibGnuTls.NoEndOfEarlyData, _priority, _credentials);
        try
        {
            Prepare(session);
            LibGnuTls.gnutls_handshake_set_hook_function(session.Pointer, LibGnuTls.HandshakeNewSessionTicket, LibGnuTls.HookPost, QuicCallbacks.Ticket);
            LibGnuTls.gnutls_session_set_verify_function(session.Pointer, QuicCallbacks.Verify);
            Check(LibNgtcp2Crypto.ngtcp2_crypto_gnutls_configure_client_session(session.Pointer), "No QUIC");
            if (resumed is not null)
            {
                fixed (byte* ticket = resumed.Ticket)
                {
                    Check(LibGnuTls.gnutls_session_set_data(session.Pointer, ticket, (nuint)resumed.Ticket.Length), "The saved session cannot be used");
                }
            }

            if (!IPAddress.TryParse(host, out _))
            {
                byte[] name = Encoding.ASCII.GetBytes(host);
                fixed (byte* data = name)
                {
                    Check(LibGnuTls.gnutls_server_name_set(session.Pointer, LibGnuTls.NameDns, data, (nuint)name.Length), "The host's name cannot be used");
                }
            }

            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _credentials.Dispose();
        _priority.Dispose();
        _antiReplay?.Dispose();
        Replays?.Dispose();
        for (int i = 0; i < _protocolCount; i++)
        {
            NativeMemory.Free(_protocols[i].Data);
        }

        NativeMemory.Free(_protocols);
        LibC.free(_ticketKey.Data);
        _ticketKey = default;
        KeyLog?.Dispose();
    }

    private void Prepare(GnuTlsSession session)
    {
        Check(LibGnuTls.gnutls_priority_set(session.Pointer, _priority.Pointer), "No ciphers");
        Check(LibGnuTls.gnutls_credentials_set(session.Pointer, LibGnuTls.CredentialsCertificate, _credentials.Pointer), "No credentials");
        Check(LibGnuTls.gnutls_alpn_set_protocols(session.Pointer, _protocols, _protocolCount, LibGnuTls.AlpnMandatory), "No application protocols");
        if (KeyLog is not null)
        {
            LibGnuTls.gnutls_session_set_keylog_function(session.Pointer, QuicCallbacks.KeyLog);
        }
    }

    private static string ExportKey(X509Certificate2 certificate)
    {
        using AsymmetricAlgorithm? key = (AsymmetricAlgorithm?)certificate.GetECDsaPrivateKey() ?? certificate.GetRSAPrivateKey();
        if (key is null)
        {
            throw new QuicException("The certificate has no ECDSA or RSA key beside it.");
        }

        try
        {
            return key.ExportPkcs8PrivateKeyPem();
        }
        catch (CryptographicException exception)
        {
            throw new QuicException($"The certificate's key cannot be handed to the TLS library: {exception.Message}", exception);
        }
    }

    private static void Check(int result, string what)
    {
        if (result < 0)
        {
            throw new QuicException($"{what}: {LibGnuTls.Describe(result)}.");
        }
    }
}
