using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Vitrine.Transports;

/// <summary>Which certificate a client takes a host for, and connections that hold to it.</summary>
internal sealed class HostTrust
{
    private readonly byte[]? _expected;
    private volatile bool _hasSeenAnother;

    /// <param name="fingerprint">SHA-256 of the certificate in hexadecimal, colons allowed: this one and no other. Null: the machine's
    /// certificate authorities decide.</param>
    public HostTrust(string? fingerprint) =>
        _expected = fingerprint is null ? null : Convert.FromHexString(fingerprint.Replace(":", "", StringComparison.Ordinal));

    /// <summary>Whether a host showed another certificate than the expected one.</summary>
    public bool HasSeenAnother => _hasSeenAnother;

    /// <summary>A handler that goes to the host directly and trusts it so.</summary>
    /// <param name="receiveBufferBytes">Bytes the kernel may hold for a client that does not read; null leaves it to the kernel.</param>
    public SocketsHttpHandler CreateHandler(int? receiveBufferBytes = null)
    {
        SocketsHttpHandler handler = new()
        {
            ConnectCallback = (context, token) => ConnectAsync(context.DnsEndPoint, receiveBufferBytes, token),
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
        };
        if (_expected is not null)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = IsExpected;
        }

        return handler;
    }

    private bool IsExpected(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        bool same = certificate is not null && CryptographicOperations.FixedTimeEquals(_expected, certificate.GetCertHash(HashAlgorithmName.SHA256));
        _hasSeenAnother |= !same;
        return same;
    }

    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint endPoint, int? receiveBufferBytes, CancellationToken cancellationToken)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (receiveBufferBytes is { } bytes)
            {
                socket.ReceiveBufferSize = bytes;
            }

            await socket.ConnectAsync(endPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
