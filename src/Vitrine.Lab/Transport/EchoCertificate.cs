using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Vitrine.Lab.Transport;

/// <summary>One certificate for all servers of a run, in files: every handshake costs the same. Gone with the run.</summary>
internal sealed class EchoCertificate : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-echo-");

    /// <param name="addresses">Further addresses it is for; localhost and 127.0.0.1 always are.</param>
    /// <param name="time">Clock.</param>
    public EchoCertificate(IEnumerable<IPAddress> addresses, TimeProvider time)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        foreach (IPAddress address in addresses.Append(IPAddress.Loopback))
        {
            names.AddIpAddress(address);
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        DateTimeOffset now = time.GetUtcNow();
        Certificate = request.CreateSelfSigned(now.AddHours(-1), now.AddDays(7));
        (CertificatePath, KeyPath) = (Path.Combine(_folder.FullName, "certificate.pem"), Path.Combine(_folder.FullName, "key.pem"));
        File.WriteAllText(CertificatePath, Certificate.ExportCertificatePem());
        File.WriteAllText(KeyPath, key.ExportPkcs8PrivateKeyPem());
        Fingerprint = string.Join(':', Certificate.GetCertHash(HashAlgorithmName.SHA256).Select(value => value.ToString("X2", CultureInfo.InvariantCulture)));
    }

    /// <summary>With its key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>PEM.</summary>
    public string CertificatePath { get; }

    /// <summary>PEM, PKCS#8.</summary>
    public string KeyPath { get; }

    /// <summary>SHA-256.</summary>
    public string Fingerprint { get; }

    public void Dispose()
    {
        Certificate.Dispose();
        _folder.Delete(recursive: true);
    }
}
