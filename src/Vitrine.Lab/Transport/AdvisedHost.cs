using Vitrine.Transports;
using Vitrine.Transports.Quic;

namespace Vitrine.Lab.Transport;

/// <summary>A host that shares, as somebody on the way to it finds it: what may be tried, and why something may not.</summary>
/// <param name="Authority">Host and port, for people.</param>
/// <param name="Choices">Ways to its echo service.</param>
/// <param name="Notes">What is left out, and why.</param>
internal sealed record AdvisedHost(string Authority, IReadOnlyList<Choice> Choices, IReadOnlyList<string> Notes)
{
    private const string TokenParameter = "t";

    /// <summary>How long it may take to connect: three losses of the first packet of TCP.</summary>
    public const double PatienceSeconds = 8;

    /// <summary>Asks the host what it speaks.</summary>
    /// <param name="address">As the host printed it: <c>https://host:port/?t=TOKEN</c>.</param>
    /// <param name="fingerprint">SHA-256 of its certificate; null: the machine's certificate authorities decide.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="LaboratoryException">It cannot be reached, or refuses; the message says why.</exception>
    public static async Task<AdvisedHost> FindAsync(Uri address, string? fingerprint, CancellationToken cancellationToken)
    {
        Uri stream = PacketConnector.StreamAddress(address);
        string? token = stream.Query.TrimStart('?').Split('&').FirstOrDefault(parameter => parameter.StartsWith(TokenParameter + "=", StringComparison.Ordinal)) is { } found
            ? Uri.UnescapeDataString(found[(TokenParameter.Length + 1)..])
            : null;
        string web = stream.GetLeftPart(UriPartial.Authority);
        List<Choice> choices = [];
        List<string> notes = [];
        if (!QuicSupport.TryLoad(out string missing))
        {
            notes.Add($"QUIC: {missing}. TCP goes on.");
        }

        PacketConnectOptions options = new() { CertificateFingerprint = fingerprint, Timeout = TimeSpan.FromSeconds(PatienceSeconds) };
        foreach (string congestion in (string[])["cubic", "bbr"])
        {
            string query = $"{stream.Query.TrimStart('?')}&{QuicOffer.CongestionParameter}={congestion}".TrimStart('&');
            (QuicOffer? offer, ConnectResult refusal) = await QuicOffer.AskAsync(new UriBuilder(stream) { Query = query }.Uri, options, cancellationToken);
            switch (refusal.Status)
            {
                case ConnectStatus.Connected when offer is null:
                    notes.Add($"quic-{congestion}: {refusal.Detail} TCP goes on.");
                    break;
                case ConnectStatus.Connected when missing.Length > 0 && !QuicSupport.TryLoad(out _):
                    break;
                case ConnectStatus.Connected:
                    choices.Add(new($"quic-{congestion}", Load(EchoProtocol.Calls, $"https://{stream.Host}:{offer.Port}") with
                    {
                        Fingerprint = offer.Certificate,
                        Congestion = congestion,
                    }));
                    if (offer.Congestion != congestion)
                    {
                        notes.Add($"quic-{congestion}: the host answers with {offer.Congestion}, whatever it is asked for: it is older than this program.");
                    }

                    break;
                default:
                    throw new LaboratoryException(refusal.Status == ConnectStatus.CertificateRefused ? $"{refusal.Detail} (--fingerprint SHA256)" : refusal.Detail);
            }
        }

        choices.Add(new("grpc", Load(EchoProtocol.Grpc, web)));
        choices.Add(new("http2", Load(EchoProtocol.Http2, web)));
        return new(stream.Authority, choices, notes);

        EchoLoad Load(EchoProtocol protocol, string server) => new() { Protocol = protocol, Address = server, Fingerprint = fingerprint, Token = token };
    }
}
