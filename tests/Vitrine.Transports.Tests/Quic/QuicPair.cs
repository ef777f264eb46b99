using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>A listener and a client on loopback.</summary>
public sealed class QuicPair : IAsyncDisposable
{
    public const string Protocol = "vitrine-test";

    private static readonly Lazy<X509Certificate2> s_certificate = new(() => MakeCertificate(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30)));

    public QuicPair(Func<QuicListenerOptions, QuicListenerOptions>? server = null, Func<QuicClientOptions, QuicClientOptions>? client = null)
    {
        QuicListenerOptions listener = new()
        {
            EndPoint = new IPEndPoint(IPAddress.Loopback, 0),
            Certificate = Certificate,
            Protocols = [Protocol],
        };
        ServerOptions = server is null ? listener : server(listener);
        Listener = QuicListener.Listen(ServerOptions);
        QuicClientOptions options = new() { Protocols = [Protocol] };
        Client = new QuicClient(client is null ? options : client(options));
    }

    public static X509Certificate2 Certificate => s_certificate.Value;

    public QuicListenerOptions ServerOptions { get; }

    public QuicListener Listener { get; }

    public QuicClient Client { get; }

    public QuicConnectOptions To => new()
    {
        EndPoint = Listener.LocalEndPoint,
        Host = "localhost",
        CertificateFingerprint = Fingerprint(ServerOptions.Certificate),
    };

    public static string Fingerprint(X509Certificate2 certificate) =>
        string.Join(':', Convert.ToHexString(certificate.GetCertHash(HashAlgorithmName.SHA256)).Chunk(2).Select(pair => new string(pair)));

    public static X509Certificate2 MakeCertificate(DateTimeOffset from, DateTimeOffset to, string host = "localhost")
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={host}", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName(host);
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(from, to);
    }

    public async Task<(QuicConnection Client, QuicConnection Server)> ConnectAsync(QuicConnectOptions? options = null)
    {
        ValueTask<QuicConnection> accept = Listener.AcceptConnectionAsync();
        QuicConnection client = await Client.ConnectAsync(options ?? To);
        return (client, await accept);
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        await Listener.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Waits until something is so.</summary>
    public static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(5);
        }
    }

    /// <summary>Goes on from another port: not before the handshake is confirmed and the server has given spare connection ids.</summary>
    /// <returns>Whether the path was proven.</returns>
    public static async Task<bool> MigrateWhenAllowedAsync(QuicConnection client)
    {
        while (true)
        {
            try
            {
                return await client.MigrateAsync(new IPEndPoint(IPAddress.Loopback, 0));
            }
            catch (QuicException exception) when (exception is not QuicClosedException)
            {
                await Task.Delay(5);
            }
        }
    }

    public static async Task<byte[]> ReadAllAsync(QuicStream stream)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[32 << 10];
        while (await stream.ReadAsync(buffer) is > 0 and int bytes)
        {
            all.Write(buffer, 0, bytes);
        }

        return all.ToArray();
    }

    public static byte[] RandomBytes(int count, int seed = 1)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
