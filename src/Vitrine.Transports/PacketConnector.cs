using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;
using Vitrine.Transports.WebSocket;

namespace Vitrine.Transports;

/// <summary>What carries the live stream.</summary>
public enum PacketTransport
{
    /// <summary>A WebSocket, as browsers have it.</summary>
    WebSocket = 0,

    /// <summary>The two bodies of an HTTP/2 request.</summary>
    Http2 = 1,

    /// <summary>A gRPC call, <c>vitrine.v1.Desktop/Packets</c>.</summary>
    Grpc = 2,

    /// <summary>QUIC.</summary>
    Quic = 3,

    /// <summary>QUIC where it passes, else a WebSocket; <see cref="ConnectResult.Detail"/> says why.</summary>
    Best = 4,
}

/// <summary>Connects to a host's live stream, whatever carries it.</summary>
public static class PacketConnector
{
    private const string QuicScheme = "quic";
    private const string TransportParameter = "transport", TokenParameter = "t";

    // How long QUIC may take before the WebSocket is tried: a handshake at a round trip of 500 ms, with a packet lost.
    private static readonly TimeSpan s_quicPatience = TimeSpan.FromSeconds(3);

    /// <summary>The address of the stream behind the address of a page: path <c>/stream</c>, and the page's query or, for lack of one,
    /// its fragment.</summary>
    public static Uri StreamAddress(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.AbsolutePath == "/stream")
        {
            return address;
        }

        string query = address.Query.Length > 1 ? address.Query[1..] : address.Fragment.TrimStart('#');
        return new UriBuilder(address) { Path = "/stream", Query = query, Fragment = "" }.Uri;
    }

    /// <summary>Connects.</summary>
    /// <param name="address">That of the page or of the stream: <c>http://host:port/?t=TOKEN</c>. With <c>transport=websocket</c>,
    /// <c>http2</c>, <c>grpc</c>, <c>quic</c> or <c>best</c> in its query, that transport is taken. <c>quic://host:port/?t=TOKEN</c> leads to
    /// a UDP port directly.</param>
    /// <param name="transport">What is taken when the address does not say it.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ArgumentException">The address names a transport that is none.</exception>
    public static Task<ConnectResult> ConnectAsync(Uri address, PacketTransport transport, PacketConnectOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        Uri stream = StreamAddress(address);
        List<string> parameters = [.. stream.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries)];
        if (Find(parameters, TransportParameter) is { } name)
        {
            transport = Enum.TryParse(name, ignoreCase: true, out PacketTransport named) && Enum.IsDefined(named) && !char.IsAsciiDigit(name[0])
                ? named
                : throw new ArgumentException($"«{name}» is no transport. There are: {string.Join(", ", Enum.GetNames<PacketTransport>()).ToLowerInvariant()}.", nameof(address));
            parameters.RemoveAll(parameter => parameter.StartsWith(TransportParameter + "=", StringComparison.Ordinal));
            stream = new UriBuilder(stream) { Query = string.Join('&', parameters) }.Uri;
        }

        if (stream.Scheme == QuicScheme && transport != PacketTransport.Best)
        {
            transport = PacketTransport.Quic;
        }

        switch (transport)
        {
            case PacketTransport.Http2:
                return Http2PacketConnection.ConnectAsync(stream, options, cancellationToken);
            case PacketTransport.Grpc:
                GrpcChannel channel = new(new Uri(stream.GetLeftPart(UriPartial.Authority)), new()
                {
                    Token = Find(parameters, TokenParameter),
                    CertificateFingerprint = options.CertificateFingerprint,
                    ConnectTimeout = options.Timeout,
                });
                return CallPacketConnection.ConnectAsync(channel, stream.Authority, "grpc", options.Timeout, cancellationToken);
            case PacketTransport.Quic:
                return ConnectQuicAsync(stream, options, cancellationToken);
            case PacketTransport.Best:
                return ConnectBestAsync(stream, options, cancellationToken);
            default:
                return WebSocketConnector.ConnectAsync(stream, options, cancellationToken);
        }
    }

    private static async Task<ConnectResult> ConnectQuicAsync(Uri stream, PacketConnectOptions options, CancellationToken cancellationToken)
    {
        if (!QuicSupport.TryLoad(out string missing))
        {
            return new(ConnectStatus.Unreachable, null, $"QUIC does not work here: {missing}.");
        }

        if (stream.Scheme == QuicScheme)
        {
            return await QuicConnector.ConnectAsync(stream, options, cancellationToken);
        }

        (QuicOffer? offer, ConnectResult refusal) = await QuicOffer.AskAsync(stream, options, cancellationToken);
        return offer is null
            ? refusal.Status == ConnectStatus.Connected ? refusal with { Status = ConnectStatus.Unreachable } : refusal
            : await QuicConnector.ConnectAsync(
                new UriBuilder(stream) { Scheme = QuicScheme, Port = options.QuicPort ?? offer.Port }.Uri, options with { CertificateFingerprint = offer.Certificate }, cancellationToken);
    }

    private static async Task<ConnectResult> ConnectBestAsync(Uri stream, PacketConnectOptions options, CancellationToken cancellationToken)
    {
        TimeSpan patience = options.Timeout < s_quicPatience ? options.Timeout : s_quicPatience;
        ConnectResult quic = await ConnectQuicAsync(stream, options with { Timeout = patience }, cancellationToken);
        if (quic.Status is not (ConnectStatus.Unreachable or ConnectStatus.CertificateRefused or ConnectStatus.NotVitrine))
        {
            return quic; // it stands, or would be refused over TCP as well
        }

        Uri web = stream.Scheme == QuicScheme ? new UriBuilder(stream) { Scheme = "https" }.Uri : stream;
        ConnectResult result = await WebSocketConnector.ConnectAsync(web, options, cancellationToken);
        return result.Status == ConnectStatus.Connected ? result with { Detail = $"Over a WebSocket, because QUIC does not pass: {quic.Detail}" } : result;
    }

    private static string? Find(List<string> parameters, string name) =>
        parameters.Find(parameter => parameter.StartsWith(name + "=", StringComparison.Ordinal)) is { } found ? Uri.UnescapeDataString(found[(name.Length + 1)..]) : null;
}
