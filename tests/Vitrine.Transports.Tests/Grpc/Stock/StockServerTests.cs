using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Tests.Quic;
using Vitrine.Wire.Health.V1;
using Vitrine.Wire.Reflection.V1Alpha;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Grpc.Stock;

/// <summary>Our client against servers of others.</summary>
public sealed class StockServerTests
{
    private static readonly ByteString Payload = ByteString.CopyFromUtf8("payload");

    [Fact]
    public Task GrpcJs_EveryCheckHolds() => CheckAtItsPortAsync(StockProgram.StartJs("server", StockProgram.Protos), compresses: false); // its clients do, its servers do not

    [Fact]
    public async Task GrpcGo_EveryCheckHolds()
    {
        (StockProgram program, IPEndPoint server) = await StockProgram.StartGoServerAsync("grpc-go", "--plain");
        await using (program)
        {
            await CheckAsync(program, new($"http://{server}"));
            await using GrpcChannel channel = new(new($"http://{server}"));
            await HealthAsync(channel);
            await ReflectionAsync(channel);
        }
    }

    [Fact]
    public async Task GrpcGoOverTls_EveryCheckHolds()
    {
        X509Certificate2 certificate = QuicPair.Certificate;
        using TemporaryFile certificateFile = new(certificate.ExportCertificatePem());
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        using TemporaryFile keyFile = new(key.ExportPkcs8PrivateKeyPem());
        (StockProgram program, IPEndPoint server) = await StockProgram.StartGoServerAsync("grpc-go", "--certificate", certificateFile.Path, "--key", keyFile.Path);
        await using (program)
        {
            await CheckAsync(program, new($"https://{server}"), new() { CertificateFingerprint = QuicPair.Fingerprint(certificate) });
        }
    }

    [Fact]
    public Task PythonGrpcio_EveryCheckHolds() => CheckAtItsPortAsync(StockProgram.StartPython("server", StockProgram.Descriptors));

    private static async Task CheckAtItsPortAsync(StockProgram program, bool compresses = true)
    {
        await using (program)
        {
            await CheckAsync(program, new($"http://127.0.0.1:{int.Parse(await program.ReadLineAsync(), CultureInfo.InvariantCulture)}"), compresses: compresses);
        }
    }

    private static async Task CheckAsync(StockProgram program, Uri address, GrpcChannelOptions? options = null, bool compresses = true)
    {
        await using GrpcChannel channel = new(address, options);
        await UnaryAsync(channel);
        await StreamsAsync(channel);
        await FailuresAsync(channel);
        await MetadataAsync(channel);
        await GzipAsync(address, options, compresses);
        await DeadlineAsync(channel);
        Assert.Contains("cancelled", await program.ReadLineAsync(), StringComparison.Ordinal);
        await CancelAsync(channel);
        Assert.Contains("cancelled", await program.ReadLineAsync(), StringComparison.Ordinal);
    }

    private static async Task UnaryAsync(GrpcChannel channel)
    {
        await Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            EchoReply reply = new();
            await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") }, reply, CallOptions.Default);
            Assert.Equal($"{i}", reply.Payload.ToStringUtf8());
        }));
        byte[] large = new byte[3 << 20];
        EchoReply back = new();
        await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFrom(large) }, back, CallOptions.Default);
        Assert.Equal(large.Length, back.Payload.Length);
    }

    private static async Task StreamsAsync(GrpcChannel channel)
    {
        EchoReply reply = new();
        await using (ClientCall server = await channel.StartAsync(EchoService.ServerStream, CallOptions.Default))
        {
            await server.WriteAsync(new EchoRequest { Payload = Payload, ReplyCount = 1000 });
            await server.CompleteWritesAsync();
            for (ulong i = 0; i < 1000; i++)
            {
                Assert.True(await server.ReadAsync(reply));
                Assert.Equal(i, reply.Sequence);
            }

            Assert.False(await server.ReadAsync(reply));
        }

        await using (ClientCall client = await channel.StartAsync(EchoService.ClientStream, CallOptions.Default))
        {
            for (int i = 0; i < 100; i++)
            {
                await client.WriteAsync(new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") });
            }

            await client.CompleteWritesAsync();
            await client.ReadSingleAsync(reply);
            Assert.Equal((100ul, "99"), (reply.Requests, reply.Payload.ToStringUtf8()));
        }

        await using ClientCall duplex = await channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        for (int i = 0; i < 50; i++)
        {
            await duplex.WriteAsync(new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") });
            Assert.True(await duplex.ReadAsync(reply));
            Assert.Equal($"{i}", reply.Payload.ToStringUtf8());
        }

        await duplex.CompleteWritesAsync();
        Assert.False(await duplex.ReadAsync(reply));
    }

    private static async Task FailuresAsync(GrpcChannel channel)
    {
        const string message = "größer als 100 %\n日本";
        EchoRequest request = new() { Failure = new() { Code = 9, Message = message, Detail = Payload } };
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, request, new EchoReply(), CallOptions.Default));
        Assert.Equal((CallStatusCode.FailedPrecondition, message), (failure.Code, failure.Message));
        Assert.Equal(Payload, Assert.Single(failure.Details).Unpack<EchoReply>().Payload);

        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(new EchoReply()));
        await call.WriteAsync(new EchoRequest { Failure = new() { Code = 15, Message = "late" } });
        failure = await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
        Assert.Equal((CallStatusCode.DataLoss, "late"), (failure.Code, failure.Message));

        CallMethod missing = new(TestMethods.Unary);
        failure = await Assert.ThrowsAsync<CallException>(async () => await channel.CallAsync(missing, new EchoRequest(), new EchoReply(), CallOptions.Default));
        Assert.Equal(CallStatusCode.Unimplemented, failure.Code);
    }

    private static async Task MetadataAsync(GrpcChannel channel)
    {
        CallMetadata metadata = new();
        metadata.Add("echo-text", "one two");
        metadata.Add("echo-some-bin", new byte[] { 0, 255, 1 });
        metadata.Add("echo-trailer-text", "after");
        metadata.Add("echo-trailer-some-bin", new byte[] { 7 });
        await using ClientCall call = await channel.StartAsync(EchoService.Unary, new() { Metadata = metadata });
        await call.WriteAsync(new EchoRequest());
        await call.CompleteWritesAsync();
        CallMetadata head = await call.ReadMetadataAsync();
        Assert.Equal("one two", head.Text("echo-text"));
        Assert.Equal([0, 255, 1], head.Bytes("echo-some-bin")!.Value.ToArray());
        await call.ReadSingleAsync(new EchoReply());
        Assert.Equal("after", call.Trailers.Text("echo-trailer-text"));
        Assert.Equal([7], call.Trailers.Bytes("echo-trailer-some-bin")!.Value.ToArray());
    }

    private static async Task GzipAsync(Uri address, GrpcChannelOptions? options, bool compresses)
    {
        ByteString payload = ByteString.CopyFrom(new byte[100_000]);
        await using TcpRelay relay = new(IPEndPoint.Parse(address.Authority));
        await using GrpcChannel channel = new(new UriBuilder(address) { Port = relay.EndPoint.Port }.Uri, options);
        EchoReply reply = new();
        await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = payload }, reply, new() { Compression = CallCompression.Gzip });
        Assert.Equal(payload, reply.Payload);
        Assert.InRange(relay.BytesToServer, 1, payload.Length / 4); // with all that belongs to a connection
        Assert.Equal(compresses, relay.BytesToClient < payload.Length / 4);
    }

    private static async Task HealthAsync(GrpcChannel channel)
    {
        ServiceDescriptor health = HealthReflection.Descriptor.Services[0];
        CallMethod check = new(health.FindMethodByName("Check")), watch = new(health.FindMethodByName("Watch"));
        HealthCheckResponse answer = new();
        await channel.CallAsync(check, new HealthCheckRequest { Service = EchoService.Unary.Service }, answer, CallOptions.Default);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, answer.Status);
        CallException failure = await Assert.ThrowsAsync<CallException>(async () => await channel.CallAsync(check, new HealthCheckRequest { Service = "nothing" }, answer, CallOptions.Default));
        Assert.Equal(CallStatusCode.NotFound, failure.Code);

        await using ClientCall call = await channel.StartAsync(watch, CallOptions.Default);
        await call.WriteAsync(new HealthCheckRequest { Service = "nothing" });
        await call.CompleteWritesAsync();
        Assert.True(await call.ReadAsync(answer));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.ServiceUnknown, answer.Status);
    }

    private static async Task ReflectionAsync(GrpcChannel channel)
    {
        CallMethod info = new(ReflectionReflection.Descriptor.Services[0].FindMethodByName("ServerReflectionInfo"));
        await using ClientCall call = await channel.StartAsync(info, CallOptions.Default);
        ServerReflectionResponse answer = new();
        await call.WriteAsync(new ServerReflectionRequest { ListServices = "*" });
        Assert.True(await call.ReadAsync(answer));
        Assert.Contains(EchoService.Unary.Service, answer.ListServicesResponse.Service.Select(service => service.Name));
        await call.WriteAsync(new ServerReflectionRequest { FileContainingSymbol = EchoService.Unary.Service });
        Assert.True(await call.ReadAsync(answer));
        FileDescriptorProto file = FileDescriptorProto.Parser.ParseFrom(Assert.Single(answer.FileDescriptorResponse.FileDescriptorProto));
        Assert.Equal(EchoReflection.Descriptor.Services[0].Methods.Select(method => method.Name), Assert.Single(file.Service).Method.Select(method => method.Name));
        await call.CompleteWritesAsync();
        Assert.False(await call.ReadAsync(answer));
    }

    private static async Task DeadlineAsync(GrpcChannel channel)
    {
        // Long enough for the first answer on a busy machine: the server's handler runs when the time is over.
        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, new() { Deadline = CallDeadline.After(TimeSpan.FromSeconds(2)), Metadata = Watched() });
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(new EchoReply()));
        CallException failure = await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
    }

    /// <summary>Asks the server to tell of the end of a call whose requests never end.</summary>
    private static CallMetadata Watched()
    {
        CallMetadata metadata = new();
        metadata.Add("echo-watch", "end");
        return metadata;
    }

    private static async Task CancelAsync(GrpcChannel channel)
    {
        using CancellationTokenSource cancellation = new();
        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, new() { Metadata = Watched() }, cancellation.Token);
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(new EchoReply()));
        Task<CallException> failing = Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
        await cancellation.CancelAsync();
        Assert.Equal(CallStatusCode.Cancelled, (await failing).Code);
    }
}
