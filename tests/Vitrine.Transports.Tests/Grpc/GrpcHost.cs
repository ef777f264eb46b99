using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>A gRPC server with the echo, health and reflection, on a free port of the loopback.</summary>
internal sealed class GrpcHost : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly WebApplication _app;

    private GrpcHost(WebApplication app, HealthService health, Uri address) => (_app, Health, Address) = (app, health, address);

    public HealthService Health { get; }

    public Uri Address { get; }

    public IPEndPoint EndPoint => new(IPAddress.Loopback, Address.Port);

    /// <summary>Starts a server.</summary>
    /// <param name="options">How gRPC is served.</param>
    /// <param name="certificate">For TLS; null: in clear.</param>
    /// <param name="more">Further methods.</param>
    /// <param name="port">0: any.</param>
    /// <param name="peers">What peers may do; null: anything.</param>
    public static async Task<GrpcHost> StartAsync(GrpcServerOptions? options = null, X509Certificate2? certificate = null, IEnumerable<CallBinding>? more = null, int port = 0, PeerLedger? peers = null)
    {
        EchoService echo = new();
        List<CallBinding> bindings = [.. echo.Bindings, .. more ?? []];
        HealthService health = new(bindings.Select(binding => binding.Method.Service).Distinct());
        bindings.AddRange(health.Bindings);
        bindings.AddRange(new ReflectionService(bindings).Bindings);

        (WebApplication app, Uri address) = await ListenAsync(
            builder => builder.UseGrpcCalls(new CallTable(bindings), options ?? new()).UseJsonCalls(new CallTable(bindings), new()), certificate, port, peers);
        return new(app, health, address);
    }

    /// <summary>A web server with HTTP/2 that answers as it is told.</summary>
    public static async Task<(WebApplication App, Uri Address)> ListenAsync(
        Action<IApplicationBuilder> configure, X509Certificate2? certificate = null, int port = 0, PeerLedger? peers = null, Action<KestrelServerLimits>? limits = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        if (certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0; // as the product's: gRPC lifts it for itself
            kestrel.Limits.MaxResponseBufferSize = 64 * 1024;
            GrpcServer.ConfigureLimits(kestrel.Limits);
            limits?.Invoke(kestrel.Limits);
            kestrel.Listen(IPAddress.Loopback, port, listen =>
            {
                if (peers is not null)
                {
                    listen.UsePeerLimits(peers);
                }

                listen.Protocols = certificate is null ? HttpProtocols.Http2 : HttpProtocols.Http1AndHttp2;
                if (certificate is not null)
                {
                    listen.UseHttps(certificate);
                }
            });
        });
        WebApplication app = builder.Build();
        configure(app);
        app.Run(context =>
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });
        await app.StartAsync();
        string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return (app, new($"{(certificate is null ? "http" : "https")}://127.0.0.1:{new Uri(address).Port}"));
    }

    /// <summary>A certificate for the loopback.</summary>
    public static X509Certificate2 MakeCertificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 made = request.CreateSelfSigned(now.AddHours(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    public GrpcChannel Connect(GrpcChannelOptions? options = null) => new(Address, options);

    /// <summary>Stops at once: connections are cut.</summary>
    public async Task KillAsync() => await _app.StopAsync(new CancellationToken(canceled: true));

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        await _app.DisposeAsync();
    }
}
