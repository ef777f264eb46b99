using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vitrine.Transports.Quic;

/// <summary>What a host answers at <c>/quic</c>: where it speaks QUIC, and which certificate it shows there. Whoever trusts the answer
/// trusts the certificate.</summary>
/// <param name="Port">For UDP.</param>
/// <param name="Certificate">SHA-256, pairs of hexadecimal digits with colons.</param>
public sealed partial record QuicOffer(int Port, string Certificate)
{
    /// <summary>Path of the answer.</summary>
    public const string Path = "/quic";

    private const int BytesMax = 1024;

    /// <summary>As JSON.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Json.Default.QuicOffer);

    /// <summary>Asks a host.</summary>
    /// <param name="address">Of the stream: <c>http://host:port/stream?t=TOKEN</c>.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The offer; or why there is none.</returns>
    internal static async Task<(QuicOffer? Offer, ConnectResult Refusal)> AskAsync(Uri address, PacketConnectOptions options, CancellationToken cancellationToken)
    {
        HostTrust trust = new(options.CertificateFingerprint);
        using HttpMessageInvoker invoker = new(trust.CreateHandler(), disposeHandler: true);
        using HttpRequestMessage request = new(HttpMethod.Get, new UriBuilder(address) { Path = Path }.Uri);
        using CancellationTokenSource attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.CancelAfter(options.Timeout);
        try
        {
            using HttpResponseMessage response = await invoker.SendAsync(request, attempt.Token);
            if (response.StatusCode == HttpStatusCode.NotFound)
            {
                return (null, new(ConnectStatus.Unreachable, null, $"{address.Authority} does not speak QUIC."));
            }

            if (response.StatusCode != HttpStatusCode.OK)
            {
                return (null, ConnectFailure.Explain(response.StatusCode, null, trust, address.Authority));
            }

            await response.Content.LoadIntoBufferAsync(BytesMax, attempt.Token);
            return JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(attempt.Token), Json.Default.QuicOffer) is { Port: > 0 and <= 65_535, Certificate.Length: 95 } offer
                ? (offer, default)
                : (null, new(ConnectStatus.NotVitrine, null, $"{address.Authority} says nothing about QUIC that is understood here."));
        }
        catch (JsonException)
        {
            return (null, new(ConnectStatus.NotVitrine, null, $"{address.Authority} says nothing about QUIC that is understood here."));
        }
        catch (Exception exception) when (exception is OperationCanceledException or HttpRequestException or IOException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return (null, attempt.IsCancellationRequested ? ConnectFailure.TooLate(address.Authority, options.Timeout) : ConnectFailure.Explain(0, exception, trust, address.Authority));
        }
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(QuicOffer))]
    private sealed partial class Json : JsonSerializerContext;
}
