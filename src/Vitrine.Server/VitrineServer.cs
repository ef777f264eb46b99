using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Vitrine.Events.Kafka;
using Vitrine.Server.Access;
using Vitrine.Server.Metrics;
using Vitrine.Server.Service;
using Vitrine.Server.Sharing;
using Vitrine.Server.Web;
using Vitrine.Transports;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;
using Vitrine.Transports.WebSocket;
using Vitrine.Wire;

namespace Vitrine.Server;

/// <summary>Serves one <see cref="ShareSession"/> over HTTP: the web pages, <c>/stream</c>, <c>/healthz</c>,
/// <c>/metrics</c>, and calls as gRPC and as JSON below <c>/api/</c>; calls and the live stream over QUIC too.</summary>
/// <remarks>All members may be called from any thread.</remarks>
public sealed class VitrineServer : IAsyncDisposable
{
    private readonly ShareSession _session;
    private readonly ServerOptions _options;
    private readonly TimeProvider _time;
    private readonly AccessControl _access;
    private readonly FailureLimiter _failures;
    private readonly MetricsPage _metrics = new();
    private readonly X509Certificate2? _certificate;
    private readonly IDisposable? _export;
    private readonly WebApplication _app;
    private readonly WebServerCounts _webCounts;
    private readonly ViewerSeats _seats;
    private readonly DesktopService _desktop;
    private readonly PriorKnowledge _priorKnowledge = new();
    private readonly CallTable _calls;
    private readonly CallGate _gate;
    private readonly HealthService _health;
    private readonly ILogger? _callLog;
    private readonly Lock _quicLock = new();
    private readonly PeerLedger _peers;
    private volatile QuicEntrance? _quic;
    private QuicEntrance? _otherQuic; // sends with the other congestion control; from when somebody asks for it
    private int _isStopped;

    private static string ProgramVersion => typeof(VitrineServer).Assembly.GetName().Version?.ToString(3) ?? "";

    // Says so over HTTP and gRPC alike.
    private bool HasFailed => _session.Ended.IsFaulted;

    private VitrineServer(ShareSession session, ServerOptions options, TimeProvider time, ILoggerFactory? logs)
    {
        (_session, _options, _time) = (session, options, time);
        _access = new(options);
        _seats = new(options.ViewersMax);
        _desktop = new(session, _seats);
        _failures = new(time);
        _peers = new(time);
        _certificate = options.IsTls ? HostCertificate.Load(options, time) : null;
        _export = OtlpExport.StartIfAsked();
        _calls = new(Bindings(out _health));
        _gate = new(_access, _failures);
        _callLog = logs?.CreateLogger("Vitrine.Calls");
        _app = Build(logs);
        _webCounts = new(_app.Services.GetRequiredService<IMeterFactory>());
        _ = TellHealthAsync();
    }

    /// <summary>What is served.</summary>
    public ShareSession Session => _session;

    /// <summary>Where the server listens; the port is the one chosen when 0 was asked for.</summary>
    public IPEndPoint EndPoint { get; private set; } = new(IPAddress.None, 0);

    /// <summary>The token that lets people view.</summary>
    public string Token => _access.ViewToken;

    /// <summary>The token that also lets people administer; null unless asked for.</summary>
    public string? AdministerToken => _access.AdministerToken;

    /// <summary>Address of the page for people who may view; holds the token.</summary>
    public Uri Url => AddressFor(_access.ViewToken);

    /// <summary>Address for people who may also control; null unless asked for.</summary>
    public Uri? ControlUrl => _access.ControlToken is { } token ? AddressFor(token) : null;

    /// <summary>Address for people who may also administer; null unless asked for.</summary>
    public Uri? AdministerUrl => _access.AdministerToken is { } token ? AddressFor(token) : null;

    /// <summary>Address of the page of events for people who may administer; null unless both were asked for.</summary>
    public Uri? EventsUrl => _options.Events is not null && _access.AdministerToken is { } token ? AddressFor(token, WebPages.EventsPath) : null;

    /// <summary>SHA-256 of the certificate, to be compared by people; null without TLS.</summary>
    public string? CertificateFingerprint => _certificate is null ? null : HostCertificate.Fingerprint(_certificate);

    /// <summary>Where the server speaks QUIC; null when it does not, or not yet: <see cref="OpenQuic"/>.</summary>
    public IPEndPoint? QuicEndPoint => _quic?.EndPoint;

    /// <summary>SHA-256 of the certificate that is shown over QUIC; null when it is not spoken.</summary>
    public string? QuicFingerprint => _quic?.Fingerprint;

    /// <summary>Why QUIC is not spoken although it was asked for; empty when it is, or was not. The ways over TCP go on without it.</summary>
    public string QuicFailure { get; private set; } = "";

    /// <summary>Starts to listen.</summary>
    /// <param name="session">Served; started by the caller, stopped with the server.</param>
    /// <param name="options">Validated here.</param>
    /// <param name="time">The clock; null: the system's.</param>
    /// <param name="logs">Where the web server's own messages go; null: nowhere.</param>
    /// <exception cref="ServerStartException">It cannot start; the message says what to do.</exception>
    public static async Task<VitrineServer> StartAsync(ShareSession session, ServerOptions options, TimeProvider? time = null, ILoggerFactory? logs = null)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Validate() is { Count: > 0 } errors)
        {
            throw new ServerStartException(ServerStartFailure.InvalidOptions, string.Join(Environment.NewLine, errors));
        }

        VitrineServer server = new(session, options, time ?? TimeProvider.System, logs);
        try
        {
            await server._app.StartAsync();
        }
        catch (Exception exception) when (Explain(exception, options) is { } explained)
        {
            await server.ReleaseAsync();
            throw explained;
        }

        string address = server._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        server.EndPoint = new(options.Listen, new Uri(address).Port);
        session.Events.HostStarted(server.EndPoint.ToString());
        if (!IPAddress.IsLoopback(options.Listen))
        {
            server.OpenQuic();
        }

        return server;
    }

    /// <summary>Speaks QUIC from now on, where <see cref="ServerOptions.Quic"/> says so and it works. Beyond loopback that is so from the
    /// start; on loopback, where QUIC is seldom of use, from when the first viewer asks where it is spoken, so that whoever shares with a browser
    /// beside it has no UDP port, no certificate in its folder and nothing of the libraries in memory. Any thread.</summary>
    /// <returns>Whether it is spoken; else <see cref="QuicFailure"/> says why not.</returns>
    public bool OpenQuic() => _options.Quic && FindQuic(_options.QuicCongestion) is not null;

    /// <summary>Says goodbye to the viewers and stops.</summary>
    /// <param name="timeout">How long viewers may take to leave; null: 2 s.</param>
    public async Task StopAsync(TimeSpan? timeout = null)
    {
        if (Interlocked.Exchange(ref _isStopped, 1) != 0)
        {
            return;
        }

        TimeSpan patience = timeout ?? TimeSpan.FromSeconds(2);
        await _session.StopAsync(GoodbyeReason.Closing, "The host stopped sharing.", patience);
        using CancellationTokenSource deadline = new(TimeSpan.FromMilliseconds(500)); // requests for files that are under way
        await _app.StopAsync(deadline.Token);
        await ReleaseAsync();
        _session.Events.HostStopped(HasFailed ? "It had an error of its own." : "It was told to.");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync();

    private QuicEntrance? StartQuic(IPEndPoint endPoint, QuicCongestionControl congestion, out string why)
    {
        X509Certificate2? own = null;
        try
        {
            // QUIC has no way without TLS: on loopback too a certificate is shown, the one that is kept for the network.
            X509Certificate2 certificate = _certificate ?? (own = HostCertificate.Load(_options, _time));
            return QuicEntrance.TryStart(endPoint, certificate, congestion, _options.QuicThreads, _options.ViewersMax, _calls, _gate.Check, _peers, _session, _seats, _callLog, out why);
        }
        catch (ServerStartException exception)
        {
            why = exception.Message;
            return null;
        }
        finally
        {
            own?.Dispose();
        }
    }

    // The first port is for everybody. Whoever compares cubic with bbr over a path needs both from the same host: one more port, once, for
    // those who may view.
    private QuicEntrance? FindQuic(QuicCongestionControl congestion)
    {
        lock (_quicLock)
        {
            if (Volatile.Read(ref _isStopped) != 0)
            {
                return null;
            }

            if (_quic is null)
            {
                _quic = StartQuic(EndPoint, _options.QuicCongestion, out string why);
                if (why.Length > 0 && why != QuicFailure)
                {
                    _session.Events.Error("quic", why);
                }

                QuicFailure = why;
            }

            return _quic is null || _quic.Congestion == congestion ? _quic : _otherQuic ??= StartQuic(new(EndPoint.Address, 0), congestion, out _);
        }
    }

    private async Task ReleaseAsync()
    {
        QuicEntrance? first, other;
        lock (_quicLock)
        {
            (first, other) = (_quic, _otherQuic);
        }

        await (first?.DisposeAsync() ?? default);
        await (other?.DisposeAsync() ?? default);
        await _app.DisposeAsync();
        _desktop.Dispose();
        _export?.Dispose();
        _webCounts.Dispose();
        _metrics.Dispose();
        _certificate?.Dispose();
    }

    private static ServerStartException? Explain(Exception exception, ServerOptions options)
    {
        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case AddressInUseException or SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }:
                    return new(ServerStartFailure.PortBusy,
                        $"Port {options.Port} of {options.Listen} is in use by another program. Give another one with --port NUMBER, or --port 0 for any free one.", exception);
                case SocketException { SocketErrorCode: SocketError.AccessDenied }:
                    return new(ServerStartFailure.AddressUnavailable,
                        $"This user may not listen on port {options.Port}. Give one from 1024 to 65535 with --port NUMBER.", exception);
                case SocketException { SocketErrorCode: SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported }:
                    return new(ServerStartFailure.AddressUnavailable,
                        $"{options.Listen} is not an address of this machine. Give one that is with --listen ADDRESS (0.0.0.0 for all).", exception);
                default:
                    break;
            }
        }

        return null;
    }

    private WebApplication Build(ILoggerFactory? logs)
    {
        // Empty: no configuration files, no environment, no console life time, no logging but ours.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        if (logs is not null)
        {
            builder.Services.AddSingleton(logs);
        }

        builder.WebHost.UseKestrelCore();
        if (_certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        builder.WebHost.UseSockets(sockets =>
        {
            // Bytes are handed to the kernel by the thread that has them, without a turn through a queue. Nothing of ours blocks.
            sockets.UnsafePreferInlineScheduling = true;
            sockets.NoDelay = true;
        });
        builder.Services.Replace(ServiceDescriptor.Singleton<IMemoryPoolFactory<byte>, SendBlocks>());
        builder.Services.AddSingleton<IConnectionListenerFactory>(_priorKnowledge);
        builder.WebHost.ConfigureKestrel(ConfigureKestrel);
        WebApplication app = builder.Build();
        app.UseGrpcCalls(_calls, new() { Access = _gate.Check, Logger = _callLog });
        app.Use(next => context =>
        {
            SecurityHeaders.Apply(context.Response.Headers);
            return next(context);
        });
        app.UseJsonCalls(_calls, new() { Access = _gate.Check, Logger = _callLog, About = ("Vitrine", ProgramVersion) });
        app.Use(next => context =>
        {
            PeerLimits.Served(context); // calls say so themselves when they end well
            return next(context);
        });
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan }); // the viewer's clock requests show that it lives
        app.Use(next => context => context.Request.Path.Value switch
        {
            "/stream" => StreamAsync(context),
            "/healthz" => HealthAsync(context),
            "/metrics" => MetricsAsync(context),
            QuicOffer.Path => OfferQuicAsync(context),
            _ => next(context),
        });
        WebPages.Use(app, _options.WebRoot);
        app.Run(context => RefuseAsync(context, StatusCodes.Status404NotFound, "There is nothing here."));
        return app;
    }

    private List<CallBinding> Bindings(out HealthService health)
    {
        List<CallBinding> bindings = [.. _desktop.Bindings];
        bindings.AddRange(new EventLogService(_options.Events, _time).Bindings);
        foreach (CallBinding echo in new EchoService().Bindings)
        {
            bindings.Add(echo with { Method = new(echo.Method.Descriptor, ViewerGrants.View) }); // what a network carries is not for strangers to try here
        }

        health = new(bindings.Select(binding => binding.Method.Service).Distinct());
        bindings.AddRange(health.Bindings);
        bindings.AddRange(new ReflectionService(bindings).Bindings);
        return bindings;
    }

    private void ConfigureKestrel(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        KestrelServerLimits limits = kestrel.Limits;
        limits.MaxConcurrentConnections = (_options.ViewersMax * 4) + 64; // a page loads over up to six connections
        limits.MaxRequestBodySize = 0;
        GrpcServer.ConfigureLimits(limits);
        kestrel.Listen(_options.Listen, _options.Port, listen =>
        {
            listen.UsePeerLimits(_peers);
            listen.UseLiveSockets();
            if (_certificate is not null)
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                listen.UseHttps(_certificate);
            }
            else
            {
                listen.Protocols = HttpProtocols.Http1;
                _priorKnowledge.UseOn(listen);
            }
        });
        if (_certificate is null)
        {
            kestrel.Listen(_priorKnowledge.Http2EndPoint, listen => listen.Protocols = HttpProtocols.Http2);
        }
    }

    private async Task StreamAsync(HttpContext context)
    {
        bool isHttp2 = Http2PacketConnection.IsRequest(context.Request);
        if (!isHttp2 && (!context.WebSockets.IsWebSocketRequest || !context.WebSockets.WebSocketRequestedProtocols.Contains(WebSocketPacketConnection.SubProtocol)))
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest,
                $"This address takes WebSockets that ask for the sub-protocol {WebSocketPacketConnection.SubProtocol}, and HTTP/2 requests with a body of {Http2PacketConnection.ContentType}.");
            return;
        }

        if (!IsOwnOrigin(context.Request))
        {
            ShareMeter.ViewersRefused.Add(1, ShareMeter.Reason("origin"));
            await RefuseAsync(context, StatusCodes.Status403Forbidden, "Pages of other origins may not connect.");
            return;
        }

        ViewerGrants grants = _access.Check(context.Request.Query["t"]);
        if (grants == ViewerGrants.None)
        {
            ShareMeter.ViewersRefused.Add(1, ShareMeter.Reason("token"));
            await RefuseTokenAsync(context);
            return;
        }

        if (!_session.Status.IsSharing)
        {
            ShareMeter.ViewersRefused.Add(1, ShareMeter.Reason("stopped"));
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "Sharing is stopped.");
            return;
        }

        if (!_seats.TryTake())
        {
            ShareMeter.ViewersRefused.Add(1, ShareMeter.Reason("full"));
            await RefuseFullAsync(context);
            return;
        }

        try
        {
            if (isHttp2)
            {
                await using Http2PacketConnection bodies = Http2PacketConnection.Accept(context);
                await _session.ServeAsync(bodies, grants);
                return;
            }

            WebSocketAcceptContext accept = new() { SubProtocol = WebSocketPacketConnection.SubProtocol, KeepAliveInterval = Timeout.InfiniteTimeSpan };
            string peer = new IPEndPoint(context.Connection.RemoteIpAddress ?? IPAddress.None, context.Connection.RemotePort).ToString();
            await using WebSocketPacketConnection connection = new(await context.WebSockets.AcceptWebSocketAsync(accept), peer, abort: context.Abort);
            await _session.ServeAsync(connection, grants);
        }
        finally
        {
            _seats.Release();
        }
    }

    // As /healthz says it. The echo needs no session.
    private async Task TellHealthAsync()
    {
        await _session.Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (HasFailed)
        {
            _health.Set("", isServing: false);
            _health.Set(_desktop.Bindings[0].Method.Service, isServing: false);
        }
    }

    private Task HealthAsync(HttpContext context)
    {
        string? token = context.Request.Query["t"];
        ViewerGrants grants = _access.Check(token);
        if (token is not null && grants == ViewerGrants.None)
        {
            return RefuseTokenAsync(context);
        }

        // A page whose stream was refused asks here for the reason: a browser does not tell it.
        if (token is not null && _seats.AreTaken)
        {
            return RefuseFullAsync(context);
        }

        bool isTrusted = grants != ViewerGrants.None || IsLoopback(context);
        context.Response.Headers.CacheControl = "no-store";
        if (!isTrusted)
        {
            return context.Response.WriteAsJsonAsync(new HealthAnswer("ok", null, null, null, null), HealthJson.Default.HealthAnswer);
        }

        ShareStatus status = _session.Status;
        string state = HasFailed ? "failed" : !status.IsSharing ? "stopped" : status.State switch
        {
            TopologyState.Live => status.IsOpen ? "live" : "resting",
            TopologyState.DisplayGone => "display-gone",
            TopologyState.Hidden => "hidden",
            _ => "closed",
        };
        context.Response.StatusCode = state == "failed" ? StatusCodes.Status500InternalServerError : StatusCodes.Status200OK;
        KafkaHealthReport? kafka = _options.Events?.Health;
        return context.Response.WriteAsJsonAsync(
            new HealthAnswer(
                state == "failed" ? "failed" : "ok", state, status.Viewers, status.SourceName, status.Size.ToString(),
                kafka?.State.ToString().ToLowerInvariant(), kafka is { Reason.Length: > 0 } ? kafka.Reason : null),
            HealthJson.Default.HealthAnswer);
    }

    private Task OfferQuicAsync(HttpContext context)
    {
        if (_access.Check(context.Request.Query["t"]) == ViewerGrants.None)
        {
            return RefuseTokenAsync(context);
        }

        QuicCongestionControl congestion = _options.QuicCongestion;
        if (context.Request.Query[QuicOffer.CongestionParameter].ToString() is { Length: > 0 } wanted && !QuicOffer.TryParseCongestion(wanted, out congestion))
        {
            return RefuseAsync(context, StatusCodes.Status400BadRequest, "There are cubic and bbr.");
        }

        if (!_options.Quic || FindQuic(congestion) is not { } quic)
        {
            return RefuseAsync(context, StatusCodes.Status404NotFound, "QUIC is not spoken here.");
        }

        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.Body.WriteAsync(new QuicOffer(quic.EndPoint.Port, quic.Fingerprint) { Congestion = quic.Congestion.ToString().ToLowerInvariant() }.ToJson()).AsTask();
    }

    private Task MetricsAsync(HttpContext context)
    {
        if (!IsLoopback(context) && _access.Check(context.Request.Query["t"]) == ViewerGrants.None)
        {
            return RefuseTokenAsync(context);
        }

        context.Response.ContentType = MetricsPage.ContentType;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(_metrics.Write());
    }

    private Task RefuseTokenAsync(HttpContext context)
    {
        TimeSpan wait = _failures.Fail(context.Connection.RemoteIpAddress);
        if (wait == TimeSpan.Zero)
        {
            return RefuseAsync(context, StatusCodes.Status401Unauthorized, "The token is wrong or missing. Open the address that the host printed when it started.");
        }

        context.Response.Headers.RetryAfter = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        return RefuseAsync(context, StatusCodes.Status429TooManyRequests, "Too many failed attempts from this address.");
    }

    private static Task RefuseFullAsync(HttpContext context)
    {
        context.Response.Headers.RetryAfter = "5";
        return RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "The host has as many viewers as it takes.");
    }

    private static Task RefuseAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(text + "\n");
    }

    // Programs that are not browsers send no origin; a browser always does, and a page cannot change it.
    private static bool IsOwnOrigin(HttpRequest request)
    {
        if (request.Headers.Origin.Count == 0)
        {
            return true;
        }

        return request.Headers.Origin.Count == 1
            && Uri.TryCreate(request.Headers.Origin[0], UriKind.Absolute, out Uri? origin)
            && origin.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase);
    }

    private static bool IsLoopback(HttpContext context) => context.Connection.RemoteIpAddress is { } address && IPAddress.IsLoopback(address);

    private Uri AddressFor(string token, string path = "/")
    {
        IPAddress listen = EndPoint.Address;
        string host = listen.Equals(IPAddress.Any) || listen.Equals(IPAddress.IPv6Any) ? ReachableHost() : new IPEndPoint(listen, 0).ToString()[..^2];
        return new Uri($"{(_options.IsTls ? "https" : "http")}://{host}:{EndPoint.Port}{path}?t={token}");
    }

    /// <summary>What people on the network can type when the server listens everywhere: the first address that is not this machine's own.</summary>
    private static string ReachableHost() =>
        NetworkInterface.GetAllNetworkInterfaces()
            .Where(network => network.OperationalStatus == OperationalStatus.Up)
            .SelectMany(network => network.GetIPProperties().UnicastAddresses)
            .Select(unicast => unicast.Address)
            .FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address))
            ?.ToString() ?? Dns.GetHostName();

    /// <summary>The program decides when to stop, not the host library.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
