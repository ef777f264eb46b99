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

    /// <summary>Name of the query's parameter that asks for an entrance that sends with <c>cubic</c> or <c>bbr</c>.</summary>
    public const string CongestionParameter = "congestion";

    private const int BytesMax = 1024;

    /// <summary>What the host sends with there: <c>cubic</c> or <c>bbr</c>.</summary>
    public string Congestion { get; init; } = "cubic";

    /// <summary>Reads «cubic» or «bbr».</summary>
    public static bool TryParseCongestion(string text, out QuicCongestionControl congestion)
    {
        congestion = text == "bbr" ? QuicCongestionControl.Bbr : QuicCongestionControl.Cubic;
        return text is "cubic" or "bbr";
    }

    /// <summary>As JSON.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Json.Default.QuicOffer);

    /// <summary>Asks a host.</summary>
    /// <param name="address">Of the stream: <c>http://host:port/stream?t=TOKEN</c>; with <see cref="CongestionParameter"/>, of that entrance.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The offer; or why there is none: <see cref="ConnectStatus.Connected"/> when the host answers, but does not speak QUIC.</returns>
    public static async Task<(QuicOffer? Offer, ConnectResult Refusal)> AskAsync(Uri address, PacketConnectOptions options, CancellationToken cancellationToken)
    {
        HostTrust trust = new(options.CertificateFingerprint, options.Time);
        using HttpMessageInvoker invoker = new(trust.CreateHandler(), disposeHandler: true);
        using HttpRequestMessage request = new(HttpMethod.Get, new UriBuilder(address) { Path = Path }.Uri);
        using CancellationTokenSource attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.CancelAfter(options.Timeout);
        try
        {
            using HttpResponseMessage response = await invoker.SendAsync(request, attempt.Token);
            if (response.StatusCode == HttpStatusCode.NotFound)
            {
                return (null, new(ConnectStatus.Connected, null, $"{address.Authority} does not speak QUIC."));
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
