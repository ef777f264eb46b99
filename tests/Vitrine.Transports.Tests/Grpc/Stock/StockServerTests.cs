using System.Globalization;
using System.Net;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Grpc.Stock;

/// <summary>Our client against servers of others.</summary>
public sealed class StockServerTests
{
    private static readonly ByteString Payload = ByteString.CopyFromUtf8("payload");

    [Fact]
    public Task GrpcJs_EveryCheckHolds() => CheckAsync(StockProgram.StartJs("server", StockProgram.Protos));

    [Fact]
    public async Task GrpcGo_EveryCheckHolds()
    {
        (StockProgram program, IPEndPoint server) = await StockProgram.StartGoServerAsync("grpc-go", "--plain");
        await using (program)
        {
            await CheckAsync(program, server.Port);
        }
    }

    [Fact]
    public Task PythonGrpcio_EveryCheckHolds() => CheckAsync(StockProgram.StartPython("server", StockProgram.Descriptors));

    private static async Task CheckAsync(StockProgram program)
    {
        await using (program)
        {
            await CheckAsync(program, int.Parse(await program.ReadLineAsync(), CultureInfo.InvariantCulture));
        }
    }

    private static async Task CheckAsync(StockProgram program, int port)
    {
        await using GrpcChannel channel = new(new($"http://127.0.0.1:{port}"));
        await UnaryAsync(channel);
        await StreamsAsync(channel);
        await FailuresAsync(channel);
        await MetadataAsync(channel);
        await GzipAsync(channel);
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

    private static async Task GzipAsync(GrpcChannel channel)
    {
        ByteString payload = ByteString.CopyFrom(new byte[100_000]);
        EchoReply reply = new();
        await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = payload }, reply, new() { Compression = CallCompression.Gzip });
        Assert.Equal(payload, reply.Payload);
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
