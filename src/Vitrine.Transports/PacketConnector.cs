using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
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
}

/// <summary>Connects to a host's live stream, whatever carries it.</summary>
public static class PacketConnector
{
    private const string TransportParameter = "transport", TokenParameter = "t";

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
    /// <c>http2</c> or <c>grpc</c> in its query, that transport is taken.</param>
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
            default:
                return WebSocketConnector.ConnectAsync(stream, options, cancellationToken);
        }
    }

    private static string? Find(List<string> parameters, string name) =>
        parameters.Find(parameter => parameter.StartsWith(name + "=", StringComparison.Ordinal)) is { } found ? Uri.UnescapeDataString(found[(name.Length + 1)..]) : null;
}
