using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Vitrine.Events.Tests.Kafka.Doctor;

/// <summary>Signs certificates, and writes them to files as users have them.</summary>
internal sealed class TestAuthority : IDisposable
{
    private static readonly DateTimeOffset s_from = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), s_until = new(2090, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly X509Certificate2 _own;
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-authority-").FullName;
    private int _serial;

    public TestAuthority(string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        _own = request.CreateSelfSigned(s_from, s_until);
        File = Path.Combine(_folder, "authority.pem");
        System.IO.File.WriteAllText(File, _own.ExportCertificatePem());
    }

    /// <summary>With its certificate.</summary>
    public string File { get; }

    public X509Certificate2 Certificate => _own;

    /// <summary>A certificate with its key, for a name.</summary>
    public X509Certificate2 Sign(string name, DateTimeOffset? from = null, DateTimeOffset? until = null)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 signed = request.Create(
            _own.SubjectName, X509SignatureGenerator.CreateForECDsa(_own.GetECDsaPrivateKey()!), from ?? s_from, until ?? s_until.AddYears(-1), BitConverter.GetBytes(++_serial));
        return signed.CopyWithPrivateKey(key);
    }

    /// <summary>The same, in files.</summary>
    public (string Certificate, string Key) Write(string name, DateTimeOffset? until = null, string? password = null)
    {
        using X509Certificate2 certificate = Sign(name, null, until);
        string path = Path.Combine(_folder, $"{name}-{_serial}");
        System.IO.File.WriteAllText(path + ".pem", certificate.ExportCertificatePem());
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        System.IO.File.WriteAllText(path + ".key", password is null ? key.ExportPkcs8PrivateKeyPem() : key.ExportEncryptedPkcs8PrivateKeyPem(password, new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)));
        return (path + ".pem", path + ".key");
    }

    public void Dispose()
    {
        _own.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
