using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Vitrine.Events.Tests.Schemas;

/// <summary>The part of a schema registry's interface that clients of Protobuf use, in memory, as Confluent documents it.</summary>
internal sealed class TestRegistry : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, List<int>> _subjects = [];
    private readonly List<string> _schemas = [];

    private TestRegistry(X509Certificate2? certificate, NetworkCredential? credentials)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(certificate);
            }
        }));
        builder.WebHost.UseKestrelHttpsConfiguration();
        _app = builder.Build();
        _app.Use(async (context, next) =>
        {
            Asked.Add($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
            string expected = credentials is null ? "" : "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credentials.UserName}:{credentials.Password}"));
            if (credentials is not null && context.Request.Headers.Authorization != expected)
            {
                await AnswerAsync(context, 401, new { error_code = 40101, message = "Unauthorized" });
            }
            else if (Broken is { } broken)
            {
                await broken(context);
            }
            else
            {
                await next(context);
            }
        });
        _app.MapGet("/subjects", (HttpContext context) => AnswerAsync(context, 200, _subjects.Keys));
        _app.MapGet("/subjects/{subject}/versions", (HttpContext context, string subject) =>
            _subjects.TryGetValue(subject, out List<int>? ids)
                ? AnswerAsync(context, 200, Enumerable.Range(1, ids.Count))
                : AnswerAsync(context, 404, new { error_code = 40401, message = $"Subject '{subject}' not found." }));
        _app.MapGet("/subjects/{subject}/versions/{version:int}", (HttpContext context, string subject, int version) =>
            AnswerAsync(context, 200, new { subject, version, id = _subjects[subject][version - 1], schemaType = "PROTOBUF", schema = Show(context, _subjects[subject][version - 1]) }));
        _app.MapGet("/schemas/ids/{id:int}", (HttpContext context, int id) =>
            id > 0 && id <= _schemas.Count
                ? AnswerAsync(context, 200, new { schemaType = "PROTOBUF", schema = Show(context, id) })
                : AnswerAsync(context, 404, new { error_code = 40403, message = "Schema not found" }));
        _app.MapPost("/subjects/{subject}/versions", async (HttpContext context, string subject) =>
        {
            using JsonDocument body = await JsonDocument.ParseAsync(context.Request.Body);
            string schema = body.RootElement.GetProperty("schema").GetString()!;
            if (body.RootElement.GetProperty("schemaType").GetString() != "PROTOBUF" || !Convert.TryFromBase64String(schema, new byte[schema.Length], out _))
            {
                await AnswerAsync(context, 422, new { error_code = 42201, message = "Invalid schema" });
                return;
            }

            int id = _schemas.IndexOf(schema) + 1;
            if (id == 0)
            {
                _schemas.Add(schema);
                id = _schemas.Count;
            }

            List<int> ids = _subjects.GetOrAdd(subject, _ => []);
            if (!ids.Contains(id))
            {
                ids.Add(id);
            }

            await AnswerAsync(context, 200, new { id });
        });
    }

    public ConcurrentBag<string> Asked { get; } = [];

    /// <summary>What it does instead of its duty; null for its duty.</summary>
    public Func<HttpContext, Task>? Broken { get; set; }

    /// <summary>The <c>.proto</c> text of a schema, for clients that read text.</summary>
    public Dictionary<string, string> Texts { get; } = [];

    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    public static async Task<TestRegistry> StartAsync(X509Certificate2? certificate = null, NetworkCredential? credentials = null)
    {
        var registry = new TestRegistry(certificate, credentials);
        await registry._app.StartAsync();
        return registry;
    }

    public static X509Certificate2 MakeCertificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=registry", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(80));
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    public static Task AnswerAsync(HttpContext context, int status, object body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/vnd.schemaregistry.v1+json";
        return context.Response.WriteAsync(JsonSerializer.Serialize(body));
    }

    private string Show(HttpContext context, int id) => context.Request.Query["format"] == "serialized" ? _schemas[id - 1] : Texts[_schemas[id - 1]];
}
