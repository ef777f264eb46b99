using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Vitrine.Transports;

/// <summary>Which certificate a client takes a host for, and connections over TCP that hold to it. QUIC, whose TLS is another library's, asks the
/// same questions (<see cref="FaultOfDates"/>, <see cref="FaultOfFingerprint"/>).</summary>
/// <remarks>Any thread.</remarks>
internal sealed class HostTrust
{
    private readonly byte[]? _expected;
    private readonly TimeProvider _time;
    private volatile string? _fault;

    /// <param name="fingerprint">SHA-256 of the certificate in hexadecimal, colons allowed: this one and no other, and only on days it is valid.
    /// Null: the machine's certificate authorities decide.</param>
    /// <param name="time">Says which day it is.</param>
    public HostTrust(string? fingerprint, TimeProvider time)
    {
        _expected = fingerprint is null ? null : Convert.FromHexString(fingerprint.Replace(":", "", StringComparison.Ordinal));
        _time = time;
    }

    /// <summary>What is wrong with a certificate today, for people; null: nothing.</summary>
    public static string? FaultOfDates(X509Certificate2 certificate, DateTimeOffset now)
    {
        DateTime today = now.UtcDateTime, from = certificate.NotBefore.ToUniversalTime(), to = certificate.NotAfter.ToUniversalTime();
        return today >= to ? FormattableString.Invariant($"it expired on {to:yyyy-MM-dd}, and was valid from {from:yyyy-MM-dd}")
            : today < from ? FormattableString.Invariant($"it is valid from {from:yyyy-MM-dd} only, until {to:yyyy-MM-dd}")
            : null;
    }

    /// <summary>Whether a certificate is another one than the expected, for people; null: it is the one.</summary>
    /// <param name="encoded">The certificate as it was shown.</param>
    /// <param name="expected">SHA-256.</param>
    public static string? FaultOfFingerprint(ReadOnlySpan<byte> encoded, ReadOnlySpan<byte> expected)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(encoded, hash);
        return CryptographicOperations.FixedTimeEquals(hash, expected)
            ? null
            : $"its fingerprint is {string.Join(':', Convert.ToHexString(hash).Chunk(2).Select(pair => new string(pair)))}, not the expected one";
    }

    /// <summary>Whether a connection failed in its TLS handshake.</summary>
    public static bool IsTlsFailure(Exception? exception)
    {
        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is AuthenticationException)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Why a TLS handshake failed, as a sentence for people.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="authority">The host.</param>
    public string Explain(Exception exception, string authority) => _fault is { } fault
        ? $"The certificate of {authority} is refused: {fault}."
        : $"No secure connection to {authority}: {exception.InnerException?.Message ?? exception.Message}";

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
        handler.SslOptions.RemoteCertificateValidationCallback = IsTrusted;
        return handler;
    }

    /// <summary>A connection without delay.</summary>
    /// <param name="endPoint">Where to.</param>
    /// <param name="receiveBufferBytes">As of <see cref="CreateHandler"/>.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public static async ValueTask<Stream> ConnectAsync(DnsEndPoint endPoint, int? receiveBufferBytes, CancellationToken cancellationToken)
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

    private bool IsTrusted(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        _fault = certificate is not X509Certificate2 shown ? "the host showed none"
            : FaultOfDates(shown, _time.GetUtcNow()) is { } dates ? dates
            : _expected is not null ? FaultOfFingerprint(shown.RawDataMemory.Span, _expected)
            : errors == SslPolicyErrors.None ? null
            : (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0 ? "it is not for this host; give its fingerprint, which the host prints when it starts"
            : "nobody trusted signed it; give its fingerprint, which the host prints when it starts";
        return _fault is null;
    }
}
