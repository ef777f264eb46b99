using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Http;
using Vitrine.Events.Schemas;

namespace Vitrine.Events.Tests.Schemas;

public sealed class SchemaRegistryClientTests
{
    private static readonly FileDescriptor
        s_first = ProtoCompiler.Compile("syntax = \"proto3\"; message M { int32 x = 1; }"),
        s_second = ProtoCompiler.Compile("syntax = \"proto3\"; message M { string y = 2; }"),
        s_third = ProtoCompiler.Compile("syntax = \"proto3\"; message M { string x = 1; string y = 2; }");

    [Fact]
    public async Task Registered_FoundByAnotherClientAndAskedForOnce()
    {
        await using TestRegistry registry = await TestRegistry.StartAsync();
        using SchemaRegistryClient one = new(new() { Address = registry.Address }), other = new(new() { Address = registry.Address });
        Assert.Equal(1, await one.RegisterAsync("a-value", s_first));
        Assert.Equal(1, await one.RegisterAsync("a-value", s_first));
        Assert.Single(registry.Asked, asked => asked.StartsWith("POST", StringComparison.Ordinal));
        Assert.Equal(s_first.SerializedData, (await other.FindAsync(1))!.ToByteString());
        int asked = registry.Asked.Count;
        Assert.NotNull(await other.FindAsync(1));
        Assert.Equal(asked, registry.Asked.Count);
        Assert.Null(await other.FindAsync(77));
        Assert.Null(await other.FindAsync(0));
        Assert.Null(await other.FindAsync(-1));
    }

    [Fact]
    public async Task Incompatible_NeverGetsToTheRegistry()
    {
        await using TestRegistry registry = await TestRegistry.StartAsync();
        using SchemaRegistryClient client = new(new() { Address = registry.Address });
        await client.RegisterAsync("a", s_first);
        await client.RegisterAsync("a", s_second);
        IncompatibleSchemaException refused = await Assert.ThrowsAsync<IncompatibleSchemaException>(async () => await client.RegisterAsync("a", s_third));
        Assert.Equal(("a", SchemaChange.FieldTypeChanged), (refused.Subject, Assert.Single(refused.Differences).Change));
        Assert.Equal(2, registry.Asked.Count(asked => asked.StartsWith("POST", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task RegistrySaysIncompatible_ItsWordsAreKept()
    {
        await using TestRegistry registry = await TestRegistry.StartAsync();
        registry.Broken = context => context.Request.Method == "POST"
            ? TestRegistry.AnswerAsync(context, 409, new { error_code = 409, message = "stricter here" })
            : TestRegistry.AnswerAsync(context, 404, new { error_code = 40401, message = "" });
        using SchemaRegistryClient client = new(new() { Address = registry.Address });
        IncompatibleSchemaException refused = await Assert.ThrowsAsync<IncompatibleSchemaException>(async () => await client.RegisterAsync("a", s_first));
        Assert.Contains("stricter here", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, SchemaStoreFailure.Unauthorized)]
    [InlineData(403, SchemaStoreFailure.Unauthorized)]
    [InlineData(422, SchemaStoreFailure.InvalidSchema)]
    [InlineData(500, SchemaStoreFailure.Failed)]
    [InlineData(302, SchemaStoreFailure.Failed)]
    public async Task RegistryFails_Classified(int status, SchemaStoreFailure failure)
    {
        await using TestRegistry registry = await TestRegistry.StartAsync();
        registry.Broken = context => TestRegistry.AnswerAsync(context, status, new { error_code = status * 100, message = "because" });
        using SchemaRegistryClient client = new(new() { Address = registry.Address });
        SchemaStoreException said = await Assert.ThrowsAsync<SchemaStoreException>(async () => await client.FindAsync(1));
        Assert.Equal(failure, said.Failure);
        Assert.Contains("because", said.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NoRegistry_SaysSo()
    {
        await using TestRegistry registry = await TestRegistry.StartAsync();
        using SchemaRegistryClient client = new(new() { Address = registry.Address, Timeout = TimeSpan.FromSeconds(20) });
        registry.Broken = context => context.Response.WriteAsync("<html>hello</html>");
        Assert.Equal(SchemaStoreFailure.Failed, (await Assert.ThrowsAsync<SchemaStoreException>(async () => await client.FindAsync(1))).Failure);
        registry.Broken = async context =>
        {
            context.Response.StatusCode = 502;
            await context.Response.WriteAsync("<html>bad gateway</html>");
        };
        Assert.Contains("502", (await Assert.ThrowsAsync<SchemaStoreException>(async () => await client.FindAsync(1))).Message, StringComparison.Ordinal);
        registry.Broken = context =>
        {
            context.Abort();
            return Task.CompletedTask;
        };
        Assert.Equal(SchemaStoreFailure.Unreachable, (await Assert.ThrowsAsync<SchemaStoreException>(async () => await client.FindAsync(1))).Failure);
    }

    [Fact]
    public async Task NobodyThere_Unreachable()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using SchemaRegistryClient silent = new(new() { Address = new($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromMilliseconds(300) });
        SchemaStoreException late = await Assert.ThrowsAsync<SchemaStoreException>(async () => await silent.FindAsync(1));
        Assert.Equal(SchemaStoreFailure.Unreachable, late.Failure);
        Assert.Contains("0.3 s", late.Message, StringComparison.Ordinal);
        taken.Stop();
        using SchemaRegistryClient refused = new(new() { Address = new($"http://127.0.0.1:{port}") });
        Assert.Equal(SchemaStoreFailure.Unreachable, (await Assert.ThrowsAsync<SchemaStoreException>(async () => await refused.FindAsync(1))).Failure);
    }

    [Fact]
    public async Task Cancelled_TheWaitEnds()
    {
        using TcpListener silent = new(IPAddress.Loopback, 0);
        silent.Start();
        using SchemaRegistryClient client = new(new() { Address = new($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}") });
        using CancellationTokenSource end = new();
        Task<FileDescriptorProto?> waiting = client.FindAsync(1, end.Token).AsTask();
        using Socket connection = await silent.AcceptSocketAsync();
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        connection.ReceiveTimeout = 20_000;
        byte[] request = new byte[4096];
        int received;
        while ((received = connection.Receive(request)) > 0)
        {
            // until the socket is closed: cancellation reaches it
        }

        Assert.Equal(0, received);
    }

    [Fact]
    public async Task AnswerWithoutEnd_BoundedAndRefused()
    {
        await using TestRegistry registry = await TestRegistry.StartAsync();
        registry.Broken = async context =>
        {
            byte[] much = new byte[1 << 20];
            much.AsSpan().Fill((byte)' ');
            for (int i = 0; i < 64 && !context.RequestAborted.IsCancellationRequested; i++)
            {
                await context.Response.Body.WriteAsync(much);
            }
        };
        using SchemaRegistryClient client = new(new() { Address = registry.Address });
        await Assert.ThrowsAsync<SchemaStoreException>(async () => await client.FindAsync(1));
    }

    [Fact]
    public async Task TlsAndPassword_TrustedOnlyWhenTold()
    {
        using var certificate = TestRegistry.MakeCertificate();
        NetworkCredential credentials = new("vitrine", "geheim:ü");
        await using TestRegistry registry = await TestRegistry.StartAsync(certificate, credentials);
        using SchemaRegistryClient trusting = new(new() { Address = registry.Address, Credentials = credentials, TrustedAuthorities = [certificate] });
        Assert.Equal(1, await trusting.RegisterAsync("a", s_first));
        using SchemaRegistryClient careful = new(new() { Address = registry.Address, Credentials = credentials });
        Assert.Equal(SchemaStoreFailure.Unreachable, (await Assert.ThrowsAsync<SchemaStoreException>(async () => await careful.FindAsync(1))).Failure);
        using SchemaRegistryClient nobody = new(new() { Address = registry.Address, TrustedAuthorities = [certificate] });
        SchemaStoreException unknown = await Assert.ThrowsAsync<SchemaStoreException>(async () => await nobody.FindAsync(1));
        Assert.Equal(SchemaStoreFailure.Unauthorized, unknown.Failure);
        Assert.DoesNotContain("geheim", unknown.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SchemaOfAnotherKind_NotFound()
    {
        await using TestRegistry registry = await TestRegistry.StartAsync();
        using SchemaRegistryClient client = new(new() { Address = registry.Address });
        registry.Broken = context => TestRegistry.AnswerAsync(context, 200, new { schema = "{\"type\":\"string\"}" }); // Avro, which is what it is when nothing is said
        Assert.Null(await client.FindAsync(1));
        registry.Broken = context => TestRegistry.AnswerAsync(context, 200, new { schemaType = "PROTOBUF", schema = "syntax = \"proto3\";" });
        Assert.Null(await client.FindAsync(2));
    }

    [Fact]
    public async Task SubjectOfAnotherKind_NothingRegistered()
    {
        await using TestRegistry registry = await TestRegistry.StartAsync();
        using SchemaRegistryClient client = new(new() { Address = registry.Address });
        registry.Broken = context => context.Request.Path.Value!.EndsWith("/versions", StringComparison.Ordinal)
            ? TestRegistry.AnswerAsync(context, 200, new[] { 1 })
            : TestRegistry.AnswerAsync(context, 200, new { schema = "{\"type\":\"string\"}" });
        SchemaStoreException refused = await Assert.ThrowsAsync<SchemaStoreException>(async () => await client.RegisterAsync("a", s_first));
        Assert.Equal(SchemaStoreFailure.InvalidSchema, refused.Failure);
        Assert.DoesNotContain(registry.Asked, asked => asked.StartsWith("POST", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ftp://host")]
    [InlineData("/relative")]
    public void NoAddress_Refused(string address) =>
        Assert.Throws<ArgumentException>(() => new SchemaRegistryClient(new() { Address = new(address, UriKind.RelativeOrAbsolute) }));

    [Fact]
    public async Task ImportsOfOthers_Refused()
    {
        FileDescriptor foreign = FileDescriptor.BuildFromByteStrings([s_first.SerializedData, new FileDescriptorProto { Name = "other.proto", Dependency = { s_first.Name } }.ToByteString()])[1];
        await using TestRegistry registry = await TestRegistry.StartAsync();
        using SchemaRegistryClient client = new(new() { Address = registry.Address });
        ArgumentException refused = await Assert.ThrowsAsync<ArgumentException>(async () => await client.RegisterAsync("a", foreign));
        Assert.Contains("schema.proto", refused.Message, StringComparison.Ordinal);
        Assert.Empty(registry.Asked);
    }
}
