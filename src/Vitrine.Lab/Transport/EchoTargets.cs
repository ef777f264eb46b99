using System.Net;
using Vitrine.Lab.Peers;

namespace Vitrine.Lab.Transport;

/// <summary>A server and how it is called.</summary>
/// <param name="Name">First part of its cases' names: ours by protocol, peers by theirs.</param>
/// <param name="Protocol">Over what.</param>
/// <param name="Address">Address and port.</param>
/// <param name="ProcessId">For its processor time and memory.</param>
/// <param name="Own">When it is ours.</param>
internal sealed record EchoTarget(string Name, EchoProtocol Protocol, string Address, int ProcessId, EchoServerProcess? Own)
{
    /// <summary>What is changed of a load for it.</summary>
    public Func<EchoLoad, EchoLoad> Adapt { get; init; } = load => load;
}

/// <summary>Ours and the peers, each with the same certificate.</summary>
internal sealed class EchoTargets : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _servers = [];

    /// <summary>In the order in which they are called.</summary>
    public List<EchoTarget> All { get; } = [];

    /// <summary>Our QUIC in other ways, for comparison.</summary>
    public List<EchoTarget> Variants { get; } = [];

    /// <summary>Why some are missing.</summary>
    public List<string> Missing { get; } = [];

    /// <summary>Our name of a protocol and the peer's.</summary>
    public static IReadOnlyList<(string Ours, string Peer)> Pairs { get; } =
        [("quic", GoPeers.QuicGo), ("grpc", GoPeers.GrpcGo), ("http2", GoPeers.GoHttp2)];

    /// <summary>Starts all that are there.</summary>
    /// <param name="options">Of the lab.</param>
    /// <param name="certificate">What they show.</param>
    /// <param name="listen">Where they listen.</param>
    /// <param name="start">Starts a program, here or in a namespace; null: here.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<EchoTargets> StartAsync(
        LabOptions options, EchoCertificate certificate, IPAddress listen, Func<string, IEnumerable<string>, ChildProcess>? start, CancellationToken cancellationToken)
    {
        EchoTargets targets = new();
        try
        {
            EchoServerProcess own = await EchoServerProcess.StartAsync(options, certificate, listen.ToString(), start, cancellationToken);
            targets._servers.Add(own);
            (GoPeers? peers, string reason) = await GoPeers.TryBuildAsync(cancellationToken);
            if (peers is null)
            {
                targets.Missing.Add($"quic-go, grpc-go, go-http2: {reason}");
            }

            if (own.Ready.Quic is { } quic)
            {
                targets.All.Add(new("quic", EchoProtocol.Quic, quic, own.ProcessId, own));
            }
            else
            {
                targets.Missing.Add("quic: libngtcp2 is missing; vitrine doctor names the package");
            }

            if (own.Ready is { QuicBbr: { } bbr, QuicBbrOnce: { } once })
            {
                targets.Variants.Add(new("quic-bbr", EchoProtocol.Quic, bbr, own.ProcessId, own) { Adapt = load => load with { Congestion = "bbr" } });
                targets.Variants.Add(new("quic-bbr-once", EchoProtocol.Quic, once, own.ProcessId, own) { Adapt = load => load with { Congestion = "bbr", SendsOnce = true } });
            }

            await AddPeerAsync(GoPeers.QuicGo, "requests", EchoProtocol.Quic, ["--alpn", EchoServer.QuicProtocol]);
            targets.All.Add(new("grpc", EchoProtocol.Grpc, own.Ready.Https, own.ProcessId, own));
            await AddPeerAsync(GoPeers.GrpcGo, "unary", EchoProtocol.Grpc, []);
            targets.All.Add(new("http2", EchoProtocol.Http2, own.Ready.Https, own.ProcessId, own));
            await AddPeerAsync(GoPeers.GoHttp2, "json", EchoProtocol.Http2, ["--path", EchoConnector.JsonPath]);
            return targets;

            async Task AddPeerAsync(string name, string mode, EchoProtocol protocol, IReadOnlyList<string> arguments)
            {
                if (peers is not null)
                {
                    GoPeerServer peer = await peers.StartServerAsync(
                        name, mode, certificate.Certificate, "cubic", ["--address", new IPEndPoint(listen, 0).ToString(), .. arguments], cancellationToken, start);
                    targets._servers.Add(peer);
                    targets.All.Add(new(name, protocol, peer.EndPoint.ToString(), peer.ProcessId, null));
                }
            }
        }
        catch
        {
            await targets.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (IAsyncDisposable server in _servers)
        {
            await server.DisposeAsync();
        }
    }
}
