using System.Net;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.Builder;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Grpc;
using Vitrine.Transports.Tests.Quic;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Calls;

/// <summary>What a call is, whatever carries it: the same for every transport.</summary>
public sealed class CallContractTests
{
    // As JSON the bytes are a third longer.
    private const int BytesMax = 6 << 20;

    public static TheoryData<string> Transports => QuicSupport.TryLoad(out _) || Environment.GetEnvironmentVariable("CI") == "true" ? ["grpc", "json", "quic"] : ["grpc", "json"];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task FourKindsOfCall_AnswersOfTheEcho(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        ByteString payload = ByteString.CopyFrom([.. Enumerable.Range(0, 256).Select(i => (byte)i)]);
        EchoReply reply = new();
        for (int i = 0; i < 100; i++) // pooled objects are as good as new ones
        {
            await host.Channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFrom(payload.Span[i..]) }, reply, CallOptions.Default);
            Assert.Equal(new EchoReply { Payload = ByteString.CopyFrom(payload.Span[i..]), Requests = 1 }, reply);
        }

        await using (ClientCall call = await host.Channel.StartAsync(EchoService.ServerStream, CallOptions.Default))
        {
            await call.WriteAsync(new EchoRequest { Payload = payload, ReplyCount = 5000 });
            await call.CompleteWritesAsync();
            for (ulong i = 0; i < 5000; i++)
            {
                Assert.True(await call.ReadAsync(reply));
                Assert.Equal(new EchoReply { Payload = payload, Requests = 1, Sequence = i }, reply);
            }

            Assert.False(await call.ReadAsync(reply));
            Assert.False(await call.ReadAsync(reply));
        }

        await using (ClientCall call = await host.Channel.StartAsync(EchoService.ClientStream, CallOptions.Default))
        {
            for (int i = 0; i < 1000; i++)
            {
                await call.WriteAsync(new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") });
            }

            await call.CompleteWritesAsync();
            await call.ReadSingleAsync(reply);
            Assert.Equal((1000ul, "999"), (reply.Requests, reply.Payload.ToStringUtf8()));
        }

        await using (ClientCall call = await host.Channel.StartAsync(EchoService.Duplex, CallOptions.Default))
        {
            for (int i = 0; i < 100; i++) // one after the other: nothing waits for the end of the requests
            {
                await call.WriteAsync(new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") });
                Assert.True(await call.ReadAsync(reply));
                Assert.Equal($"{i}", reply.Payload.ToStringUtf8());
            }

            await call.CompleteWritesAsync();
            Assert.False(await call.ReadAsync(reply));
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task ManyAtOnceAndLarge_EachHasItsOwn(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        await Task.WhenAll(Enumerable.Range(0, 500).Select(async i =>
        {
            byte[] bytes = new byte[i == 0 ? 3 << 20 : i * 37];
            new Random(i).NextBytes(bytes);
            EchoReply reply = new();
            await host.Channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFrom(bytes) }, reply, CallOptions.Default);
            Assert.True(reply.Payload.Span.SequenceEqual(bytes));
        }));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Failure_CodeMessageAndDetailsBeforeAndAfterAnswers(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        const string message = "größer als 100 % \"so\" \\ \n日本 \ud83d\ude00";
        ByteString detail = ByteString.CopyFromUtf8("detail");
        foreach (CallStatusCode code in System.Enum.GetValues<CallStatusCode>().Where(code => code != CallStatusCode.Ok))
        {
            EchoRequest request = new() { Failure = new() { Code = (int)code, Message = message, Detail = detail } };
            AssertFailure(code, await Assert.ThrowsAsync<CallException>(() => host.Channel.CallAsync(EchoService.Unary, request, new EchoReply(), CallOptions.Default).AsTask()));

            await using ClientCall call = await host.Channel.StartAsync(EchoService.Duplex, CallOptions.Default);
            EchoReply reply = new();
            await call.WriteAsync(new EchoRequest());
            Assert.True(await call.ReadAsync(reply));
            await call.WriteAsync(request);
            AssertFailure(code, await Assert.ThrowsAsync<CallException>(() => call.ReadAsync(reply).AsTask()));
            AssertFailure(code, await Assert.ThrowsAsync<CallException>(() => call.ReadAsync(reply).AsTask()));
        }

        void AssertFailure(CallStatusCode code, CallException failure)
        {
            Assert.Equal((code, message), (failure.Code, failure.Message));
            Any any = Assert.Single(failure.Details);
            Assert.Equal(detail, any.Unpack<EchoReply>().Payload);
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Metadata_TextAndBytesBothWays(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        CallMetadata sent = new();
        sent.Add("echo-text", "value, with blanks");
        sent.Add("echo-text", "another");
        sent.Add("echo-bytes-bin", new byte[] { 0, 255, 1, 2 });
        sent.Add("echo-trailer-text", "end");
        sent.Add("echo-trailer-bytes-bin", new byte[] { 9 });
        foreach (CallMethod method in (CallMethod[])[EchoService.Unary, EchoService.ServerStream])
        {
            await using ClientCall call = await host.Channel.StartAsync(method, new() { Metadata = sent });
            await call.WriteAsync(new EchoRequest { ReplyCount = 1 });
            await call.CompleteWritesAsync();
            CallMetadata received = await call.ReadMetadataAsync();
            Assert.Equal("value, with blanks, another", string.Join(", ", received.Where(entry => entry.Name == "echo-text").Select(entry => entry.Text)));
            Assert.Equal([0, 255, 1, 2], received.Bytes("echo-bytes-bin")!.Value.ToArray());
            while (await call.ReadAsync(new EchoReply()))
            {
            }

            Assert.Equal("end", call.Trailers.Text("echo-trailer-text"));
            Assert.Equal([9], call.Trailers.Bytes("echo-trailer-bytes-bin")!.Value.ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Deadline_FailsHereAndAtTheServer(string transport)
    {
        TaskCompletionSource<CallStatusCode> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        CallBinding waiting = new(EchoService.Unary, call => WaitAsync(call, ended));
        await using CallHost host = await CallHost.StartAsync(transport, [waiting]);
        CallException failure = await Assert.ThrowsAsync<CallException>(() => host.Channel.CallAsync(
            EchoService.Unary, new EchoRequest(), new EchoReply(), new() { Deadline = CallDeadline.After(TimeSpan.FromSeconds(3)) }).AsTask());
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
        Assert.Contains(await ended.Task.WaitAsync(GrpcHost.Patience), (CallStatusCode[])[CallStatusCode.DeadlineExceeded, CallStatusCode.Cancelled]);
        CallException past = await Assert.ThrowsAsync<CallException>(() => host.Channel.CallAsync(
            EchoService.Unary, new EchoRequest(), new EchoReply(), new() { Deadline = CallDeadline.After(TimeSpan.Zero) }).AsTask());
        Assert.Equal(CallStatusCode.DeadlineExceeded, past.Code);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task CancelledOrDisposed_ReachesTheServer(string transport)
    {
        TaskCompletionSource<CallStatusCode> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (CallHost host = await CallHost.StartAsync(transport, [new(EchoService.Unary, call => WaitAsync(call, ended))]))
        {
            using CancellationTokenSource given = new(TimeSpan.FromSeconds(3)); // the handler runs by then, on a busy machine too
            CallException failure = await Assert.ThrowsAsync<CallException>(() =>
                host.Channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default, given.Token).AsTask());
            Assert.Equal(CallStatusCode.Cancelled, failure.Code);
            Assert.Equal(CallStatusCode.Cancelled, await ended.Task.WaitAsync(GrpcHost.Patience));
        }

        TaskCompletionSource<CallStatusCode> read = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (CallHost host = await CallHost.StartAsync(transport, [new(EchoService.Duplex, call => ReadAllAsync(call, read))]))
        {
            ClientCall call = await host.Channel.StartAsync(EchoService.Duplex, CallOptions.Default);
            await call.WriteAsync(new EchoRequest());
            Assert.True(await call.ReadAsync(new EchoReply()));
            await call.DisposeAsync();
            Assert.Equal(CallStatusCode.Cancelled, await read.Task.WaitAsync(GrpcHost.Patience));
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task HandlerAborts_ItsReadEndsAndTheCallerSeesIt(string transport)
    {
        TaskCompletionSource<CallStatusCode> read = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CallHost host = await CallHost.StartAsync(transport, [new(EchoService.Duplex, async call =>
        {
            Task reading = ReadAllAsync(call, read).AsTask();
            call.Abort();
            call.Abort();
            await reading;
        })]);
        await using ClientCall call = await host.Channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        CallException failure = await Assert.ThrowsAsync<CallException>(() => call.ReadAsync(new EchoReply()).AsTask().WaitAsync(GrpcHost.Patience));
        Assert.Equal(CallStatusCode.Cancelled, failure.Code);
        Assert.Equal(CallStatusCode.Cancelled, await read.Task.WaitAsync(GrpcHost.Patience));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task HandlerWithAFault_UnknownAndNothingOfIt(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport, [new(EchoService.Unary, _ => throw new InvalidOperationException("secret"))]);
        CallException failure = await Assert.ThrowsAsync<CallException>(() => host.Channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default).AsTask());
        Assert.Equal(CallStatusCode.Unknown, failure.Code);
        Assert.DoesNotContain("secret", failure.Message, StringComparison.Ordinal);
        CallException missing = await Assert.ThrowsAsync<CallException>(async () =>
        {
            await using ClientCall call = await host.Channel.StartAsync(EchoService.Duplex, CallOptions.Default);
            await call.CompleteWritesAsync();
            await call.ReadAsync(new EchoReply());
        });
        Assert.Equal(CallStatusCode.Unimplemented, missing.Code);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task LargeAnswers_CrossTheFlowControlWindows(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        byte[] bytes = new byte[3 << 20];
        new Random(1).NextBytes(bytes);
        await using ClientCall call = await host.Channel.StartAsync(EchoService.ServerStream, CallOptions.Default);
        await call.WriteAsync(new EchoRequest { Payload = ByteString.CopyFrom(bytes), ReplyCount = 3 });
        await call.CompleteWritesAsync();
        EchoReply reply = new();
        for (ulong i = 0; i < 3; i++)
        {
            Assert.True(await call.ReadAsync(reply));
            Assert.Equal(i, reply.Sequence);
            Assert.True(reply.Payload.Span.SequenceEqual(bytes));
        }

        Assert.False(await call.ReadAsync(reply));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task WritesAfterTheServersEnd_ThrowTheCallsStatus(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        await using ClientCall call = await host.Channel.StartAsync(EchoService.ClientStream, CallOptions.Default);
        await call.WriteAsync(new EchoRequest { Failure = new() { Code = (int)CallStatusCode.Aborted, Message = "enough" } });
        CallException failure = await Assert.ThrowsAsync<CallException>(async () =>
        {
            while (true)
            {
                await call.WriteAsync(new EchoRequest());
            }
        });
        Assert.Equal((CallStatusCode.Aborted, "enough"), (failure.Code, failure.Message));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task DeadlineInTheMiddleOfAStream_EndsIt(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        CallOptions options = new() { Deadline = CallDeadline.After(TimeSpan.FromSeconds(2)) }; // the first answer comes before, on a busy machine too
        await using ClientCall call = await host.Channel.StartAsync(EchoService.Duplex, options);
        await call.WriteAsync(new EchoRequest());
        Assert.True(await call.ReadAsync(new EchoReply()));
        CallException failure = await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task ServerKilledInACall_Unavailable(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        await using ClientCall call = await host.Channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        await call.WriteAsync(new EchoRequest());
        Assert.True(await call.ReadAsync(new EchoReply()));
        Task<CallException> failing = Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
        await host.StopAsync();
        Assert.True((await failing).Code is CallStatusCode.Unavailable or CallStatusCode.Internal or CallStatusCode.Cancelled, (await failing).ToString());
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Access_TokenDecides(string transport)
    {
        List<(string?, IPAddress?)> asked = [];
        CallMethod method = new(EchoService.Unary.Descriptor, ViewerGrants.Control);
        CallBinding binding = new(method, async call =>
        {
            await call.ReadAsync(new EchoRequest());
            Assert.Equal(ViewerGrants.View | ViewerGrants.Control, call.Grants);
            await call.WriteAsync(new EchoReply());
        });
        await using CallHost host = await CallHost.StartAsync(transport, [binding], (token, address) =>
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
        });
        foreach ((string? token, CallStatusCode code) in ((string?, CallStatusCode)[])[(null, CallStatusCode.Unauthenticated), ("wrong", CallStatusCode.Unauthenticated),
            ("viewer", CallStatusCode.PermissionDenied), ("often", CallStatusCode.ResourceExhausted)])
        {
            await using ICallChannel refused = host.Connect(token);
            CallException failure = await Assert.ThrowsAsync<CallException>(() => refused.CallAsync(method, new EchoRequest(), new EchoReply(), CallOptions.Default).AsTask());
            Assert.Equal(code, failure.Code);
        }

        await using ICallChannel admitted = host.Connect("controller");
        await admitted.CallAsync(method, new EchoRequest(), new EchoReply(), CallOptions.Default);
        Assert.Equal([null, "wrong", "viewer", "often", "controller"], asked.Select(question => question.Item1));
        Assert.All(asked, question => Assert.Equal(IPAddress.Loopback, question.Item2));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task MessageBeyondTheLimit_ResourceExhaustedOnEitherSide(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport, requestBytesMax: 1000, responseBytesMax: 2000);
        await using ICallChannel small = host.Connect(responseBytesMax: 100), mute = host.Connect(requestBytesMax: 100);
        EchoRequest large = new() { Payload = ByteString.CopyFrom(new byte[1001]) };
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(host.Channel, large)); // refused by the server
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(host.Channel, new() { ReplyBytes = 3000 })); // not sent by the server
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(small, new() { ReplyBytes = 200 })); // refused by the client
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(mute, large)); // not sent by the client

        static async Task<CallStatusCode> CodeAsync(ICallChannel channel, EchoRequest request) =>
            (await Assert.ThrowsAsync<CallException>(async () => await channel.CallAsync(EchoService.Unary, request, new EchoReply(), CallOptions.Default))).Code;
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task DisposedWhileItReads_ReadThrows(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        for (int i = 0; i < 20; i++)
        {
            ClientCall call = await host.Channel.StartAsync(EchoService.Duplex, CallOptions.Default);
            await call.WriteAsync(new EchoRequest());
            Assert.True(await call.ReadAsync(new EchoReply()));
            Task<CallException> failing = Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
            await call.DisposeAsync();
            Assert.Equal(CallStatusCode.Cancelled, (await failing).Code);
            Assert.Equal(CallStatusCode.Cancelled, (await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()))).Code);
            Assert.Equal(CallStatusCode.Cancelled, (await Assert.ThrowsAsync<CallException>(async () => await call.WriteAsync(new EchoRequest()))).Code);
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task NobodyThere_Unavailable(string transport)
    {
        await using CallHost host = await CallHost.StartAsync(transport);
        await host.StopAsync();
        CallException failure = await Assert.ThrowsAsync<CallException>(() =>
            host.Channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default).AsTask().WaitAsync(GrpcHost.Patience));
        Assert.Equal(CallStatusCode.Unavailable, failure.Code);
    }

    private static async ValueTask WaitAsync(ServerCall call, TaskCompletionSource<CallStatusCode> ended)
    {
        await call.ReadAsync(new EchoRequest());
        TaskCompletionSource over = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (call.Cancelled.Register(() => over.TrySetResult()))
        {
            await over.Task;
        }

        ended.TrySetResult(call.Deadline.IsNone ? CallStatusCode.Cancelled : CallStatusCode.DeadlineExceeded);
        call.Cancelled.ThrowIfCancellationRequested();
    }

    private static async ValueTask ReadAllAsync(ServerCall call, TaskCompletionSource<CallStatusCode> ended)
    {
        try
        {
            EchoRequest request = new();
            while (await call.ReadAsync(request))
            {
                await call.WriteAsync(new EchoReply());
            }

            ended.TrySetResult(CallStatusCode.Ok);
        }
        catch (CallException exception)
        {
            ended.TrySetResult(exception.Code);
            throw;
        }
    }

    /// <summary>A server and channels to it, over one transport.</summary>
    private sealed class CallHost : IAsyncDisposable
    {
        private readonly string _transport;
        private readonly Uri _address;
        private readonly IAsyncDisposable _server;
        private readonly Func<Task> _stop;

        private CallHost(string transport, Uri address, IAsyncDisposable server, Func<Task> stop)
        {
            (_transport, _address, _server, _stop) = (transport, address, server, stop);
            Channel = Connect();
        }

        public ICallChannel Channel { get; }

        public static async Task<CallHost> StartAsync(string transport, IEnumerable<CallBinding>? bindings = null, CallAccess? access = null,
            int requestBytesMax = BytesMax, int responseBytesMax = BytesMax)
        {
            CallTable table = new(bindings ?? new EchoService().Bindings);
            if (transport == "quic")
            {
                QuicListener listener = QuicListener.Listen(new() { EndPoint = new(IPAddress.Loopback, 0), Certificate = QuicPair.Certificate, Protocols = [QuicCallServer.Protocol] });
                QuicCallServer quic = new(listener, table, new() { Access = access, RequestBytesMax = requestBytesMax, ResponseBytesMax = responseBytesMax });
                return new(transport, new($"quic://127.0.0.1:{listener.LocalEndPoint.Port}"), quic, () => quic.DisposeAsync().AsTask());
            }

            (WebApplication app, Uri address) = await GrpcHost.ListenAsync(builder =>
            {
                if (transport == "grpc")
                {
                    builder.UseGrpcCalls(table, new() { Access = access, RequestBytesMax = requestBytesMax, ResponseBytesMax = responseBytesMax });
                }
                else
                {
                    builder.UseJsonCalls(table, new() { Access = access, RequestBytesMax = requestBytesMax, ResponseBytesMax = responseBytesMax });
                }
            });
            return new(transport, address, app, () => app.StopAsync(new CancellationToken(canceled: true)));
        }

        public ICallChannel Connect(string? token = null, int requestBytesMax = BytesMax, int responseBytesMax = BytesMax) => _transport switch
        {
            "quic" => new QuicCallChannel(_address, new()
            {
                CertificateFingerprint = QuicPair.Fingerprint(QuicPair.Certificate), Token = token, RequestBytesMax = requestBytesMax, ResponseBytesMax = responseBytesMax,
            }),
            "grpc" => new GrpcChannel(_address, new() { Token = token, RequestBytesMax = requestBytesMax, ResponseBytesMax = responseBytesMax }),
            _ => new HttpJsonChannel(_address, new() { Token = token, RequestBytesMax = requestBytesMax, ResponseBytesMax = responseBytesMax }),
        };

        public Task StopAsync() => _stop();

        public async ValueTask DisposeAsync()
        {
            await Channel.DisposeAsync();
            await StopAsync();
            await _server.DisposeAsync();
        }
    }
}
