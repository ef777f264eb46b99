using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Vitrine.Measurement;
using Vitrine.Transports;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;

namespace Vitrine.Lab.Transport;

/// <summary>Answers echoes over every transport, and nothing else: what the transport laboratory loads. The transports are those of
/// <c>vitrine share</c>.</summary>
/// <remarks>Anyone who reaches it may use its processor: for the time of a measurement, on a network that is trusted so far.</remarks>
public static class EchoServer
{
    /// <summary>Ports from the one given on that are listened at.</summary>
    public const int Ports = 6;

    /// <summary>Most threads that speak QUIC on a port.</summary>
    public const int QuicThreadsMax = QuicListenerOptions.LoopsMax;

    /// <summary>Application protocol of a raw echo over QUIC.</summary>
    public const string QuicProtocol = "vitrine-echo";

    private const int RequestBytesMax = 4 << 20;

    /// <summary>Of a host with as many viewers as it takes by default.</summary>
    private const int ConnectionsMax = 320;

    /// <summary>Pauses between two looks count with their mean.</summary>
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMilliseconds(50);

    /// <summary>Serves until the input ends. Writes a line of JSON when it listens, and one for each line «figures»,
    /// «objects» or «holdings» it reads.</summary>
    /// <param name="listen">Address.</param>
    /// <param name="port">Of TCP and of UDP, and the two after it of UDP for calls, two more for raw echoes with bbr, and one for calls as of a host; 0: any.</param>
    /// <param name="quicThreads">Of each of those that speak QUIC, 1 to 64.</param>
    /// <param name="certificate">With its key. Owned by the caller.</param>
    /// <param name="input">Orders.</param>
    /// <param name="output">Answers.</param>
    /// <param name="cancellationToken">Ends it too.</param>
    /// <exception cref="IOException">A port is taken, or the address is not of this machine; the message says which, and what mends it.</exception>
    public static async Task RunAsync(
        IPAddress listen, int port, int quicThreads, X509Certificate2 certificate, TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        CallTable table = new(new EchoService().Bindings);
        PeerLedger peers = new();
        await using WebApplication web = Build(new IPEndPoint(listen, port), certificate, table, peers);
        await web.StartAsync(cancellationToken);
        int chosen = new Uri(web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
        await using QuicListener? quic = TryListen(port, QuicCongestionControl.Cubic);
        await using QuicListener? quicBbr = TryListen(port == 0 ? 0 : port + 3, QuicCongestionControl.Bbr);
        await using QuicListener? quicBbrOnce = TryListen(port == 0 ? 0 : port + 4, QuicCongestionControl.Bbr, sendsTwice: false);
        await using QuicCallServer? calls = TryServe(new IPEndPoint(listen, port == 0 ? 0 : port + 1), certificate, quicThreads, QuicCongestionControl.Cubic);
        await using QuicCallServer? callsBbr = TryServe(new IPEndPoint(listen, port == 0 ? 0 : port + 2), certificate, quicThreads, QuicCongestionControl.Bbr);
        await using QuicCallServer? hostCalls = TryServeAsHost(new IPEndPoint(listen, port == 0 ? 0 : port + 5), certificate, quicThreads, table, peers);
        using LimitCounts limits = new();
        QuicListener[] listeners = [.. ((QuicListener?[])[quic, quicBbr, quicBbrOnce]).OfType<QuicListener>()];
        Task echoing = Task.WhenAll(listeners.Select(AcceptAsync));
        EchoReady ready = new(
            Environment.ProcessId, new IPEndPoint(listen, chosen).ToString(), quic?.LocalEndPoint.ToString(),
            calls?.Listener.LocalEndPoint.ToString(), callsBbr?.Listener.LocalEndPoint.ToString(),
            quicBbr?.LocalEndPoint.ToString(), quicBbrOnce?.LocalEndPoint.ToString(), hostCalls?.Listener.LocalEndPoint.ToString());
        await output.WriteLineAsync(JsonSerializer.Serialize(ready, EchoJson.Default.EchoReady));
        await output.FlushAsync(cancellationToken);
        GarbageCollectionProbe collections = new();
        using (new Timer(_ => Guarded(collections.Poll), null, s_lookEvery, s_lookEvery))
        {
            await ObeyAsync();
        }

        foreach (QuicListener listener in listeners)
        {
            await listener.DisposeAsync(); // ends what follows
        }

        await echoing;
        using CancellationTokenSource deadline = new(TimeSpan.FromMilliseconds(500));
        await web.StopAsync(deadline.Token);

        QuicListener? TryListen(int onPort, QuicCongestionControl congestion, bool sendsTwice = true) =>
            EchoServer.TryListen(new IPEndPoint(listen, onPort), certificate, quicThreads, QuicProtocol, congestion, sendsTwice);

        async Task ObeyAsync()
        {
            AllocationSampler? objects = null; // while they are counted
            try
            {
                while (await input.ReadLineAsync(cancellationToken) is { } order)
                {
                    if (order == "figures")
                    {
                        EchoServerFigures figures = default!;
                        Guarded(() =>
                        {
                            LatencyHistogram pauses = collections.Pauses;
                            figures = new(GC.GetTotalAllocatedBytes(), pauses.Count, pauses.P99Ns, pauses.MaxNs);
                            pauses.Clear();
                        });
                        await output.WriteLineAsync(JsonSerializer.Serialize(figures, EchoJson.Default.EchoServerFigures));
                        await output.FlushAsync(cancellationToken);
                    }
                    else if (order == "objects")
                    {
                        EchoServerObjects counted = new(objects?.CountPerSecond ?? 0, objects?.Events ?? 0);
                        objects?.Dispose();
                        objects = objects is null ? new() : null;
                        await output.WriteLineAsync(JsonSerializer.Serialize(counted, EchoJson.Default.EchoServerObjects));
                        await output.FlushAsync(cancellationToken);
                    }
                    else if (order == "holdings")
                    {
                        await output.WriteLineAsync(JsonSerializer.Serialize(ReadHoldings(hostCalls, limits), EchoJson.Default.EchoServerHoldings));
                        await output.FlushAsync(cancellationToken);
                    }
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // Asked to end.
            }
            finally
            {
                objects?.Dispose();
            }
        }

        void Guarded(Action look)
        {
            lock (collections)
            {
                look();
            }
        }
    }

    private static EchoServerHoldings ReadHoldings(QuicCallServer? calls, LimitCounts limits)
    {
        LiveMemory memory = LiveMemory.Collect();
        QuicListenerStatistics quic = calls?.Listener.GetStatistics() ?? new();
        Dictionary<string, long> refusals = limits.Read();
        refusals["quic.connections-refused"] = quic.ConnectionsRefused;
        refusals["quic.closings-cut"] = quic.ClosingsCut;
        refusals["quic.first-packets-delayed"] = quic.FirstPacketsDelayed;
        refusals["quic.peers-shut-out"] = quic.PeersShutOut;
        refusals["quic.retries-sent"] = quic.RetriesSent;
        refusals["quic.handshakes-failed"] = quic.HandshakesFailed;
        refusals["quic.protocol-errors"] = quic.ProtocolErrors;
        refusals["quic.datagrams-dropped"] = quic.DatagramsDropped;
        return new(memory.ManagedBytes, memory.NativeBytes, quic.BufferBytes, memory.Threads, memory.Descriptors, quic.Connections + quic.ConnectionsClosing, refusals);
    }

    private static WebApplication Build(IPEndPoint endPoint, X509Certificate2 certificate, CallTable table, PeerLedger peers)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddSingleton<IHostLifetime, CallerLifetime>();
        builder.WebHost.UseKestrelCore();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true); // as a host that shares: nothing of ours blocks
        builder.Services.Replace(ServiceDescriptor.Singleton<IMemoryPoolFactory<byte>, SendBlocks>());
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            GrpcServer.ConfigureLimits(kestrel.Limits);
            kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
            kestrel.Limits.MaxRequestBodySize = RequestBytesMax;
            kestrel.Listen(endPoint, listen =>
            {
                listen.UsePeerLimits(peers);
                listen.UseLiveSockets();
                listen.Protocols = HttpProtocols.Http2;
                listen.UseHttps(certificate);
            });
        });
        WebApplication web = builder.Build();
        web.UseGrpcCalls(table, new GrpcServerOptions());
        web.UseJsonCalls(table, new JsonServerOptions());
        return web;
    }

    private static QuicCallServer? TryServeAsHost(IPEndPoint endPoint, X509Certificate2 certificate, int quicThreads, CallTable table, PeerLedger peers) =>
        TryListen(QuicCallServer.Listening(endPoint, certificate, ConnectionsMax, peers) with { Loops = quicThreads }) is { } listener
            ? new(listener, table, new QuicCallServerOptions { Peers = peers })
            : null;

    private static QuicListener? TryListen(
        IPEndPoint endPoint, X509Certificate2 certificate, int quicThreads, string protocol, QuicCongestionControl congestion, bool sendsTwice) =>
        TryListen(new QuicListenerOptions
        {
            EndPoint = endPoint,
            Certificate = certificate,
            Loops = quicThreads,
            Protocols = [protocol],
            CongestionControl = congestion,
            Retry = QuicRetryPolicy.Never, // as the peer: one round trip
            BidirectionalStreamsMax = 1 << 10,
            RunsContinuationsInline = true,
            SendsTwiceWhenLossy = sendsTwice,
        });

    // Without its libraries the others are measured.
    private static QuicListener? TryListen(QuicListenerOptions options)
    {
        try
        {
            return QuicListener.Listen(options);
        }
        catch (PlatformNotSupportedException)
        {
            return null;
        }
        catch (SocketException exception)
        {
            throw new IOException(
                exception.SocketErrorCode == SocketError.AddressAlreadyInUse
                    ? $"UDP port {options.EndPoint.Port} of {options.EndPoint.Address} is in use by another program. Of the port given with --port NUMBER, and of the {Ports - 1} after it, UDP must be free; 0 takes any."
                    : $"UDP port {options.EndPoint.Port} of {options.EndPoint.Address} cannot be had: {exception.Message}",
                exception);
        }
    }

    private static QuicCallServer? TryServe(IPEndPoint endPoint, X509Certificate2 certificate, int quicThreads, QuicCongestionControl congestion) =>
        TryListen(endPoint, certificate, quicThreads, QuicCallServer.Protocol, congestion, sendsTwice: true) is { } listener
            ? new(listener, new CallTable(new EchoService().Bindings), new QuicCallServerOptions())
            : null;

    private static async Task AcceptAsync(QuicListener listener)
    {
        try
        {
            while (true)
            {
                _ = EchoConnectionAsync(await listener.AcceptConnectionAsync());
            }
        }
        catch (ObjectDisposedException)
        {
            // No more.
        }
    }

    private static async Task EchoConnectionAsync(QuicConnection connection)
    {
        await using (connection)
        {
            try
            {
                while (true)
                {
                    _ = EchoStreamAsync(await connection.AcceptStreamAsync());
                }
            }
            catch (QuicClosedException)
            {
                // The client has left.
            }
        }
    }

    private static async Task EchoStreamAsync(QuicStream stream)
    {
        byte[] bytes = ArrayPool<byte>.Shared.Rent(2048);
        int length = 0;
        try
        {
            while (true)
            {
                int read = await stream.ReadAsync(bytes.AsMemory(length));
                if (read == 0)
                {
                    break;
                }

                length += read;
                if (length == bytes.Length)
                {
                    if (length >= RequestBytesMax)
                    {
                        stream.Reset(1);
                        return;
                    }

                    byte[] larger = ArrayPool<byte>.Shared.Rent(4 * length);
                    bytes.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(bytes);
                    bytes = larger;
                }
            }

            await stream.WriteAsync(bytes.AsMemory(0, length), isFinal: true);
        }
        catch (QuicException)
        {
            // The client took it back, or has left: it counts that.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
            await stream.DisposeAsync();
        }
    }

    /// <summary>The caller decides when to stop, not the host library.</summary>
    private sealed class CallerLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
