using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;

namespace Vitrine.Server.Tests.Service;

/// <summary>Every way to make calls on a host, by name.</summary>
internal static class Channels
{
    public static TheoryData<string> Names => QuicSupport.TryLoad(out _) || Environment.GetEnvironmentVariable("CI") == "true" ? ["grpc", "json", "quic"] : ["grpc", "json"];

    public static ICallChannel Open(string name, VitrineServer server, string? token) => name == "quic"
        ? new QuicCallChannel(new($"quic://127.0.0.1:{server.QuicEndPoint!.Port}"), new() { Token = token, CertificateFingerprint = server.QuicFingerprint, ResponseBytesMax = 64 << 20 })
        : Open(name, new Uri(server.Url.GetLeftPart(UriPartial.Authority)), token, server.CertificateFingerprint);

    public static ICallChannel Open(string name, Uri address, string? token, string? fingerprint) => name switch
    {
        "grpc" => new GrpcChannel(address, new() { Token = token, CertificateFingerprint = fingerprint, ResponseBytesMax = 64 << 20 }),
        "json" => new HttpJsonChannel(address, new() { Token = token, CertificateFingerprint = fingerprint }),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "No such channel."),
    };
}
