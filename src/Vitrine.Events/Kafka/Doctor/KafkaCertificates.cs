using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>What <see cref="KafkaTls"/> names, read from its files.</summary>
internal sealed class KafkaCertificates : IDisposable
{
    private readonly X509Certificate2Collection? _authorities;
    private readonly X509Certificate2? _own;
    private readonly X509Certificate2Collection _intermediates = [];

    /// <exception cref="FindingException">A file cannot be used.</exception>
    public KafkaCertificates(KafkaTls tls, DateTimeOffset now)
    {
        if (tls.AuthoritiesFile is { } authorities)
        {
            _authorities = Read(KafkaSettingNames.Authorities, authorities, () => Import(authorities));
            if (_authorities.Count == 0)
            {
                throw new FindingException(KafkaFindings.TlsFile(KafkaSettingNames.Authorities, authorities, "it has no certificate in it"));
            }
        }

        if ((tls.CertificateFile is null) != (tls.KeyFile is null))
        {
            (string given, string lacking) = tls.KeyFile is null ? (KafkaSettingNames.Certificate, KafkaSettingNames.Key) : (KafkaSettingNames.Key, KafkaSettingNames.Certificate);
            throw new FindingException(KafkaFindings.TlsHalf(given, lacking));
        }

        if (tls is { CertificateFile: { } certificate, KeyFile: { } key })
        {
            _intermediates = Read(KafkaSettingNames.Certificate, certificate, () => Import(certificate));
            bool isEncrypted = Read(KafkaSettingNames.Key, key, () => File.ReadAllText(key)).Contains("-BEGIN ENCRYPTED", StringComparison.Ordinal);
            _own = isEncrypted ? ReadEncrypted(certificate, key, tls.KeyPassword) : Read(KafkaSettingNames.Key, key, () => X509Certificate2.CreateFromPemFile(certificate, key));
            if (_own.NotAfter < now.LocalDateTime || _own.NotBefore > now.LocalDateTime)
            {
                throw new FindingException(KafkaFindings.OwnCertificateTime(certificate, _own, now));
            }
        }
    }

    /// <summary>Whether there is a certificate of ours to show.</summary>
    public bool HasOwn => _own is not null;

    /// <summary>How TLS is begun.</summary>
    public SslClientAuthenticationOptions For(string host, RemoteCertificateValidationCallback validate, Action asked)
    {
        SslClientAuthenticationOptions options = new()
        {
            TargetHost = host,
            RemoteCertificateValidationCallback = validate,
            CertificateChainPolicy = new() { RevocationMode = X509RevocationMode.NoCheck },
        };
        if (_authorities is not null)
        {
            options.CertificateChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            options.CertificateChainPolicy.CustomTrustStore.AddRange(_authorities);
        }

        if (_own is not null)
        {
            options.ClientCertificateContext = SslStreamCertificateContext.Create(_own, _intermediates, offline: true);
        }
        else
        {
            options.LocalCertificateSelectionCallback = (_, _, _, remote, _) =>
            {
                if (remote is not null)
                {
                    asked(); // it is called without, too, before the handshake
                }

                return null!;
            };
        }

        return options;
    }

    public void Dispose()
    {
        _own?.Dispose();
        foreach (X509Certificate2 certificate in _intermediates.Concat(_authorities ?? []))
        {
            certificate.Dispose();
        }
    }

    private static X509Certificate2Collection Import(string path)
    {
        X509Certificate2Collection read = [];
        read.ImportFromPemFile(path);
        return read;
    }

    private static X509Certificate2 ReadEncrypted(string certificate, string key, string? password)
    {
        try
        {
            return X509Certificate2.CreateFromEncryptedPemFile(certificate, password, key);
        }
        catch (CryptographicException exception)
        {
            throw new FindingException(KafkaFindings.TlsKeyPassword(key, exception.Message));
        }
    }

    private static T Read<T>(string setting, string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new FindingException(KafkaFindings.TlsFile(setting, path, exception.Message));
        }
    }
}
