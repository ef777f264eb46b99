using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Vitrine.Server.Access;

/// <summary>The certificate the server shows: the one given, or one made on first use and kept for this user alone.</summary>
internal static class HostCertificate
{
    // 825 days: the most that Apple's systems take from a certificate a person has trusted by hand.
    private const int ValidDays = 825;

    // Viewers refuse an expired one, whatever its fingerprint, and a host that runs loads none: it is made anew at a start before that.
    private const int RenewDays = 60;

    /// <exception cref="ServerStartException">It cannot be read, made or kept.</exception>
    public static X509Certificate2 Load(ServerOptions options, TimeProvider time)
    {
        try
        {
            return options.CertificatePath is { } path
                ? Read(path, options.CertificateKeyPath)
                : ReadOrMake(options, time);
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException)
        {
            string which = options.CertificatePath is { } path ? $"The certificate {path} cannot be used" : $"No certificate could be made in {options.ConfigDirectory}";
            throw new ServerStartException(ServerStartFailure.CertificateUnusable,
                $"{which}: {exception.Message} Give another one with --cert FILE (PEM with its key, or PKCS#12 without a password).", exception);
        }
    }

    /// <summary>SHA-256 of the certificate, as people compare it: pairs of hexadecimal digits with colons.</summary>
    public static string Fingerprint(X509Certificate2 certificate) =>
        string.Join(':', certificate.GetCertHash(HashAlgorithmName.SHA256).Select(value => value.ToString("X2", System.Globalization.CultureInfo.InvariantCulture)));

    private static X509Certificate2 Read(string path, string? keyPath)
    {
        if (keyPath is null && !File.ReadAllText(path).Contains("-----BEGIN", StringComparison.Ordinal))
        {
            return X509CertificateLoader.LoadPkcs12FromFile(path, password: null);
        }

        return X509Certificate2.CreateFromPemFile(path, keyPath);
    }

    private static X509Certificate2 ReadOrMake(ServerOptions options, TimeProvider time)
    {
        string path = Path.Combine(options.ConfigDirectory, "certificate.pem");
        bool isThere = File.Exists(path);
        if (isThere)
        {
            X509Certificate2 kept = Read(path, null);
            DateTime today = time.GetUtcNow().UtcDateTime;
            if (kept.NotAfter.ToUniversalTime() > today.AddDays(RenewDays) && kept.NotBefore.ToUniversalTime() <= today)
            {
                return kept;
            }

            kept.Dispose(); // a new one, with a new fingerprint
        }

        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 made = Make(key, time);

        OwnerFile.Write(path, $"{made.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n", replaces: isThere);
        return Read(path, null);
    }

    private static X509Certificate2 Make(ECDsa key, TimeProvider time)
    {
        string host = Dns.GetHostName();
        CertificateRequest request = new($"CN={host.Replace(",", "", StringComparison.Ordinal)}, O=Vitrine", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        if (Uri.CheckHostName(host) == UriHostNameType.Dns)
        {
            names.AddDnsName(host);
        }

        foreach (IPAddress address in LocalAddresses())
        {
            names.AddIpAddress(address);
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false)); // serverAuth
        DateTimeOffset now = time.GetUtcNow();
        return request.CreateSelfSigned(now.AddHours(-1), now.AddDays(ValidDays)); // an hour: viewers' clocks differ
    }

    private static IEnumerable<IPAddress> LocalAddresses() =>
        System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces()
            .SelectMany(network => network.GetIPProperties().UnicastAddresses)
            .Select(unicast => unicast.Address)
            .Where(address => !address.IsIPv6LinkLocal)
            .Append(IPAddress.Loopback)
            .Distinct()
            .Take(64);
}
