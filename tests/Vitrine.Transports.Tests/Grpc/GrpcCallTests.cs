using System.Net;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>Our client against our server, over a real socket.</summary>
public sealed class GrpcCallTests : IAsyncLifetime
{
    private static readonly ByteString Payload = ByteString.CopyFromUtf8("payload");

    private GrpcHost _host = null!;
    private GrpcChannel _channel = null!;

    public async Task InitializeAsync()
    {
        _host = await GrpcHost.StartAsync();
        _channel = _host.Connect();
    }

    public async Task DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _host.DisposeAsync();
    }

    [Fact]
    public async Task Unary_AnswerIsTheRequest()
    {
        EchoReply reply = new();
        for (int i = 0; i < 100; i++) // pooled objects are as good as new ones
        {
            await _channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFromUtf8($"number {i}") }, reply, CallOptions.Default);
            Assert.Equal($"number {i}", reply.Payload.ToStringUtf8());
            Assert.Equal(1ul, reply.Requests);
        }
    }

    [Fact]
    public async Task ManyAtOnce_EachHasItsOwn()
    {
        await Task.WhenAll(Enumerable.Range(0, 500).Select(async i =>
        {
            ByteString payload = ByteString.CopyFrom(new byte[i * 37]);
            EchoReply reply = new();
            await _channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = payload }, reply, CallOptions.Default);
            Assert.Equal(payload, reply.Payload);
        }));
    }

    [Theory]
    [InlineData(CallCompression.None)]
    [InlineData(CallCompression.Gzip)]
    public async Task LargeMessages_CrossTheFlowControlWindows(CallCompression compression)
    {
        byte[] bytes = new byte[3 << 20];
        new Random(1).NextBytes(bytes.AsSpan(0, bytes.Length / 2)); // half of it shrinks
        EchoReply reply = new();
        await _channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFrom(bytes) }, reply, new() { Compression = compression });
        Assert.True(reply.Payload.Span.SequenceEqual(bytes));
        await using ClientCall call = await _channel.StartAsync(EchoService.ServerStream, new() { Compression = compression });
        await call.WriteAsync(new EchoRequest { Payload = ByteString.CopyFrom(bytes), ReplyCount = 3 });
        await call.CompleteWritesAsync();
        for (ulong i = 0; i < 3; i++)
        {
            Assert.True(await call.ReadAsync(reply));
            Assert.Equal(i, reply.Sequence);
            Assert.True(reply.Payload.Span.SequenceEqual(bytes));
        }

        Assert.False(await call.ReadAsync(reply));
    }

    [Fact]
    public async Task ServerStream_AllAnswersInOrder()
    {
        await using ClientCall call = await _channel.StartAsync(EchoService.ServerStream, CallOptions.Default);
        await call.WriteAsync(new EchoRequest { Payload = Payload, ReplyCount = 5000 });
        await call.CompleteWritesAsync();
        EchoReply reply = new();
        for (ulong i = 0; i < 5000; i++)
        {
            Assert.True(await call.ReadAsync(reply));
            Assert.Equal((i, Payload), (reply.Sequence, reply.Payload));
        }

        Assert.False(await call.ReadAsync(reply));
        Assert.False(await call.ReadAsync(reply));
    }

    [Fact]
    public async Task ClientStream_AnswerAfterTheLastRequest()
    {
        await using ClientCall call = await _channel.StartAsync(EchoService.ClientStream, CallOptions.Default);
        for (int i = 0; i < 1000; i++)
        {
            await call.WriteAsync(new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") });
        }

        await call.CompleteWritesAsync();
        EchoReply reply = new();
        await call.ReadSingleAsync(reply);
        Assert.Equal((1000ul, "999"), (reply.Requests, reply.Payload.ToStringUtf8()));
    }

    [Fact]
    public async Task Duplex_BothWaysAtOnce()
    {
        await using ClientCall call = await _channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        EchoReply reply = new();
        for (int i = 0; i < 200; i++) // one after the other: nothing waits for the end of the requests
        {
            await call.WriteAsync(new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") });
            Assert.True(await call.ReadAsync(reply));
            Assert.Equal($"{i}", reply.Payload.ToStringUtf8());
        }

        await call.CompleteWritesAsync();
        Assert.False(await call.ReadAsync(reply));
    }

    [Fact]
    public async Task Failure_StatusMessageAndDetails()
    {
        string message = "größer als 100 %\n日本 \ud83d\ude00";
        EchoRequest request = new() { Failure = new() { Code = (int)CallStatusCode.FailedPrecondition, Message = message, Detail = Payload } };
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await _channel.CallAsync(EchoService.Unary, request, new EchoReply(), CallOptions.Default));
        AssertFailure(failure);

        // After answers the status is in trailers, before them in the header block.
        await using ClientCall call = await _channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        EchoReply reply = new();
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(reply));
        await call.WriteAsync(request);
        AssertFailure(await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(reply)));
        AssertFailure(await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(reply)));

        void AssertFailure(CallException failed)
        {
            Assert.Equal((CallStatusCode.FailedPrecondition, message), (failed.Code, failed.Message));
            Any detail = Assert.Single(failed.Details);
            Assert.Equal(Payload, detail.Unpack<EchoReply>().Payload);
        }
    }

    [Fact]
    public async Task WritesAfterTheServersEnd_ThrowTheCallsStatus()
    {
        await using ClientCall call = await _channel.StartAsync(EchoService.ClientStream, CallOptions.Default);
        await call.WriteAsync(new EchoRequest { Failure = new() { Code = (int)CallStatusCode.Aborted, Message = "enough" } });
        CallException failure = await Assert.ThrowsAsync<CallException>(async () =>
        {
            while (true)
            {
                await call.WriteAsync(new EchoRequest { Payload = Payload });
            }
        });
        Assert.Equal((CallStatusCode.Aborted, "enough"), (failure.Code, failure.Message));
    }

    [Fact]
    public async Task Metadata_TextAndBytesBothWays()
    {
        CallMetadata metadata = new();
        metadata.Add("echo-text", "one two");
        metadata.Add("echo-text", "three");
        metadata.Add("echo-some-bin", new byte[] { 0, 255, 1, 254 });
        metadata.Add("echo-trailer-text", "after");
        metadata.Add("echo-trailer-some-bin", new byte[] { 7 });
        await using ClientCall call = await _channel.StartAsync(EchoService.Unary, new() { Metadata = metadata });
        await call.WriteAsync(new EchoRequest());
        await call.CompleteWritesAsync();
        CallMetadata came = await call.ReadMetadataAsync();
        Assert.Equal("one two, three", string.Join(", ", came.Where(entry => entry.Name == "echo-text").Select(entry => entry.Text)));
        Assert.Equal([0, 255, 1, 254], came.Bytes("echo-some-bin")!.Value.ToArray());
        Assert.Null(came.Text("echo-trailer-text"));
        Assert.Empty(call.Trailers);
        await call.ReadSingleAsync(new EchoReply());
        Assert.Equal("after", call.Trailers.Text("echo-trailer-text"));
        Assert.Equal([7], call.Trailers.Bytes("echo-trailer-some-bin")!.Value.ToArray());
    }

    [Fact]
    public async Task Deadline_FailsHereAndAtTheServer()
    {
        TaskCompletionSource<CallStatusCode> atServer = new();
        await using GrpcHost host = await GrpcHost.StartAsync(more: [Waiting(atServer)]);
        await using GrpcChannel channel = host.Connect();
        CallOptions options = new() { Deadline = CallDeadline.After(TimeSpan.FromMilliseconds(200)) };
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(WaitMethod, new Int32Value(), new Int32Value(), options));
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
        Assert.NotEqual(CallStatusCode.Ok, await atServer.Task.WaitAsync(GrpcHost.Patience)); // the client's reset and the server's own clock race
    }

    [Fact]
    public async Task DeadlineInTheMiddleOfAStream_EndsIt()
    {
        CallOptions options = new() { Deadline = CallDeadline.After(TimeSpan.FromSeconds(2)) }; // the first answer comes before, on a busy machine too
        await using ClientCall call = await _channel.StartAsync(EchoService.Duplex, options);
        EchoReply reply = new();
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(reply));
        CallException failure = await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(reply));
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
    }

    [Fact]
    public async Task DeadlinePassed_NothingIsSent()
    {
        CallOptions options = new() { Deadline = CallDeadline.After(TimeSpan.FromSeconds(-1)) };
        await using GrpcChannel channel = new(new("http://127.0.0.1:1")); // nobody is there, and nobody is asked
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), options));
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
    }

    [Fact]
    public async Task Cancelled_ReachesTheServer()
    {
        TaskCompletionSource<CallStatusCode> atServer = new();
        await using GrpcHost host = await GrpcHost.StartAsync(more: [Waiting(atServer)]);
        await using GrpcChannel channel = host.Connect();
        using CancellationTokenSource cancellation = new();
        await using ClientCall call = await channel.StartAsync(WaitMethod, CallOptions.Default, cancellation.Token);
        await call.WriteAsync(new Int32Value());
        Task<CallException> failing = Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new Int32Value()));
        await cancellation.CancelAsync();
        Assert.Equal(CallStatusCode.Cancelled, (await failing).Code);
        Assert.Equal(CallStatusCode.Cancelled, await atServer.Task.WaitAsync(GrpcHost.Patience));
    }

    [Fact]
    public async Task Disposed_ReachesTheServer()
    {
        TaskCompletionSource<CallStatusCode> atServer = new();
        await using GrpcHost host = await GrpcHost.StartAsync(more: [Waiting(atServer)]);
        await using GrpcChannel channel = host.Connect();
        await using (ClientCall call = await channel.StartAsync(WaitMethod, CallOptions.Default))
        {
            await call.WriteAsync(new Int32Value());
        }

        Assert.Equal(CallStatusCode.Cancelled, await atServer.Task.WaitAsync(GrpcHost.Patience));
    }

    [Fact]
    public async Task DisposedWhileItReads_ReadThrows()
    {
        for (int i = 0; i < 20; i++)
        {
            ClientCall call = await _channel.StartAsync(EchoService.Duplex, CallOptions.Default);
            await call.WriteAsync(new EchoRequest { Payload = Payload });
            Assert.True(await call.ReadAsync(new EchoReply()));
            Task<CallException> failing = Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
            await call.DisposeAsync();
            Assert.Equal(CallStatusCode.Cancelled, (await failing).Code);
            Assert.Equal(CallStatusCode.Cancelled, (await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()))).Code);
            Assert.Equal(CallStatusCode.Cancelled, (await Assert.ThrowsAsync<CallException>(async () => await call.WriteAsync(new EchoRequest()))).Code);
        }
    }

    [Fact]
    public async Task ServerKilledInACall_Unavailable()
    {
        await using ClientCall call = await _channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(new EchoReply()));
        Task<CallException> failing = Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
        await _host.KillAsync();
        Assert.True((await failing).Code is CallStatusCode.Unavailable or CallStatusCode.Internal or CallStatusCode.Cancelled, (await failing).ToString());
    }

    [Fact]
    public async Task NobodyThere_UnavailableAndNotTriedAtOnce()
    {
        int port = _host.Address.Port;
        await _host.KillAsync();
        await using GrpcChannel channel = new(_host.Address, new() { Backoff = new(initial: TimeSpan.FromSeconds(2), longest: TimeSpan.FromSeconds(2)) });
        Assert.Equal(CallStatusCode.Unavailable, await CodeAsync());
        CallException second = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default));
        Assert.Contains("tried again", second.Message, StringComparison.Ordinal);

        // The server is back: so are the calls, after the wait.
        await using GrpcHost again = await GrpcHost.StartAsync(port: port);
        CallStatusCode code;
        do
        {
            code = await CodeAsync();
        }
        while (code == CallStatusCode.Unavailable);
        Assert.Equal(CallStatusCode.Ok, code);

        async Task<CallStatusCode> CodeAsync()
        {
            try
            {
                await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
                return CallStatusCode.Ok;
            }
            catch (CallException exception)
            {
                return exception.Code;
            }
        }
    }

    [Fact]
    public async Task UnknownMethod_Unimplemented()
    {
        (Microsoft.AspNetCore.Builder.WebApplication app, Uri address) = await GrpcHost.ListenAsync(
            builder => builder.UseGrpcCalls(new CallTable([]), new()));
        await using (app)
        {
            await using GrpcChannel channel = new(address);
            CallException failure = await Assert.ThrowsAsync<CallException>(
                async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default));
            Assert.Equal(CallStatusCode.Unimplemented, failure.Code);
            Assert.Contains("/vitrine.v1.Echo/Unary", failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task MessageBeyondTheLimit_ResourceExhaustedOnEitherSide()
    {
        await using GrpcHost host = await GrpcHost.StartAsync(new() { RequestBytesMax = 1000, ResponseBytesMax = 2000 });
        await using GrpcChannel channel = host.Connect(), small = host.Connect(new() { ResponseBytesMax = 100 }), mute = host.Connect(new() { RequestBytesMax = 100 });
        EchoRequest large = new() { Payload = ByteString.CopyFrom(new byte[1001]) };
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(channel, large)); // refused by the server
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(channel, new() { ReplyBytes = 3000 })); // not sent by the server
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(small, new() { ReplyBytes = 200 })); // refused by the client
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(mute, large)); // not sent by the client
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(channel, new() { Payload = ByteString.CopyFrom(new byte[100_000]) }, CallCompression.Gzip)); // small on its way only

        static async Task<CallStatusCode> CodeAsync(GrpcChannel channel, EchoRequest request, CallCompression compression = CallCompression.None) =>
            (await Assert.ThrowsAsync<CallException>(
                async () => await channel.CallAsync(EchoService.Unary, request, new EchoReply(), new() { Compression = compression }))).Code;
    }

    [Fact]
    public async Task Access_TokenDecides()
    {
        List<(string?, IPAddress?)> asked = [];
        CallMethod method = new(WaitMethod.Descriptor, ViewerGrants.Control);
        CallBinding binding = new(method, async call =>
        {
            await call.ReadAsync(new EchoRequest());
            Assert.Equal(ViewerGrants.View | ViewerGrants.Control, call.Grants);
            await call.WriteAsync(new EchoReply());
        });
        GrpcServerOptions options = new()
        {
            Access = (token, address) =>
            {
                lock (asked)
                {
                    asked.Add((token, address));
                }

                return token switch
                {
                    "viewer" => ViewerGrants.View,
                    "controller" => ViewerGrants.View | ViewerGrants.Control,
                    "often" => throw new CallException(CallStatusCode.ResourceExhausted, "Too many attempts."),
                    _ => ViewerGrants.None,
                };
            },
        };
        await using GrpcHost host = await GrpcHost.StartAsync(options, more: [binding]);
        Assert.Equal(CallStatusCode.Unauthenticated, await CodeAsync(null));
        Assert.Equal(CallStatusCode.Unauthenticated, await CodeAsync("wrong"));
        Assert.Equal(CallStatusCode.PermissionDenied, await CodeAsync("viewer"));
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync("often"));
        Assert.Equal(CallStatusCode.Ok, await CodeAsync("controller"));
        Assert.Equal([null, "wrong", "viewer", "often", "controller"], asked.Select(question => question.Item1));
        Assert.All(asked, question => Assert.Equal(IPAddress.Loopback, question.Item2));

        async Task<CallStatusCode> CodeAsync(string? token)
        {
            await using GrpcChannel channel = host.Connect(new() { Token = token });
            try
            {
                await channel.CallAsync(method, new Int32Value(), new Int32Value(), CallOptions.Default);
                return CallStatusCode.Ok;
            }
            catch (CallException exception)
            {
                return exception.Code;
            }
        }
    }

    [Fact]
    public async Task HandlerWithAFault_UnknownAndNothingOfIt()
    {
        await using GrpcHost host = await GrpcHost.StartAsync(more: [new(WaitMethod, _ => throw new InvalidOperationException("a secret"))]);
        await using GrpcChannel channel = host.Connect();
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(WaitMethod, new Int32Value(), new Int32Value(), CallOptions.Default));
        Assert.Equal(CallStatusCode.Unknown, failure.Code);
        Assert.DoesNotContain("secret", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_PinnedCertificateOnly()
    {
        using System.Security.Cryptography.X509Certificates.X509Certificate2 certificate = GrpcHost.MakeCertificate();
        await using GrpcHost host = await GrpcHost.StartAsync(certificate: certificate);
        string fingerprint = certificate.GetCertHashString(System.Security.Cryptography.HashAlgorithmName.SHA256);
        await using GrpcChannel trusting = host.Connect(new() { CertificateFingerprint = fingerprint }),
            other = host.Connect(new() { CertificateFingerprint = new string('0', 64) }), asking = host.Connect();
        EchoReply reply = new();
        await trusting.CallAsync(EchoService.Unary, new EchoRequest { Payload = Payload }, reply, CallOptions.Default);
        Assert.Equal(Payload, reply.Payload);
        foreach (GrpcChannel channel in (GrpcChannel[])[other, asking])
        {
            CallException failure = await Assert.ThrowsAsync<CallException>(
                async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), reply, CallOptions.Default));
            Assert.Equal(CallStatusCode.Unavailable, failure.Code);
        }
    }

    /// <summary>A duplex method; <see cref="Waiting"/> serves it by waiting until the call is over, and says how.</summary>
    private static CallMethod WaitMethod { get; } = new(TestMethods.Duplex);

    private static CallBinding Waiting(TaskCompletionSource<CallStatusCode> ended) => new(WaitMethod, async call =>
    {
        try
        {
            while (await call.ReadAsync(new Int32Value()))
            {
            }

            await Task.Delay(Timeout.Infinite, call.Cancelled);
        }
        catch (CallException exception)
        {
            ended.TrySetResult(exception.Code);
            throw;
        }
        catch (OperationCanceledException)
        {
            ended.TrySetResult(CallStatusCode.Cancelled);
            throw;
        }
    });
}
