using System.Net;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>A server with the echo over QUIC, on a free port of the loopback.</summary>
internal sealed class QuicCallHost : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private QuicCallHost(QuicCallServer server) => Server = server;

    public QuicCallServer Server { get; }

    /// <summary>Starts a server.</summary>
    /// <param name="options">How calls are served.</param>
    /// <param name="more">Further methods.</param>
    /// <param name="listener">Changes how it listens.</param>
    public static QuicCallHost Start(QuicCallServerOptions? options = null, IEnumerable<CallBinding>? more = null, Func<QuicListenerOptions, QuicListenerOptions>? listener = null)
    {
        QuicListenerOptions listen = new() { EndPoint = new(IPAddress.Loopback, 0), Certificate = QuicPair.Certificate, Protocols = [QuicCallServer.Protocol] };
        return new(new(QuicListener.Listen(listener?.Invoke(listen) ?? listen), new CallTable([.. new EchoService().Bindings, .. more ?? []]), options ?? new()));
    }

    public QuicCallChannel Connect(QuicCallChannelOptions? options = null) => new(
        new($"quic://127.0.0.1:{Server.Listener.LocalEndPoint.Port}"),
        (options ?? new()) with { CertificateFingerprint = options?.CertificateFingerprint ?? QuicPair.Fingerprint(QuicPair.Certificate) });

    /// <summary>Stops at once: connections are cut.</summary>
    public Task KillAsync() => Server.DisposeAsync().AsTask();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
