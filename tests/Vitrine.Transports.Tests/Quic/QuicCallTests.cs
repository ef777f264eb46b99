using System.Net;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Grpc;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Our client against our server, over real sockets.</summary>
public sealed class QuicCallTests
{
    private static readonly ByteString Payload = ByteString.CopyFromUtf8("payload");

    [QuicFact]
    public async Task Unary_AnswerIsTheRequest()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        EchoReply reply = new();
        for (int i = 0; i < 100; i++) // pooled objects are as good as new ones
        {
            await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFromUtf8($"number {i}") }, reply, CallOptions.Default);
            Assert.Equal($"number {i}", reply.Payload.ToStringUtf8());
            Assert.Equal(1ul, reply.Requests);
        }
    }

    [QuicFact]
    public async Task ManyAtOnce_EachHasItsOwn()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        await Task.WhenAll(Enumerable.Range(0, 500).Select(async i =>
        {
            ByteString payload = ByteString.CopyFrom(new byte[i * 37]);
            EchoReply reply = new();
            await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = payload }, reply, CallOptions.Default);
            Assert.Equal(payload, reply.Payload);
        }));
    }

    [QuicFact]
    public async Task ServerStream_AllAnswersInOrder()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        await using ClientCall call = await channel.StartAsync(EchoService.ServerStream, CallOptions.Default);
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

    [QuicFact]
    public async Task ClientStream_AnswerAfterTheLastRequest()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        await using ClientCall call = await channel.StartAsync(EchoService.ClientStream, CallOptions.Default);
        for (int i = 0; i < 1000; i++)
        {
            await call.WriteAsync(new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") });
        }

        await call.CompleteWritesAsync();
        EchoReply reply = new();
        await call.ReadSingleAsync(reply);
        Assert.Equal((1000ul, "999"), (reply.Requests, reply.Payload.ToStringUtf8()));
    }

    [QuicFact]
    public async Task Duplex_BothWaysAtOnce()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, CallOptions.Default);
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

    [QuicFact]
    public async Task Failure_StatusMessageAndDetails()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        string message = "größer als 100 %\n日本 \ud83d\ude00";
        EchoRequest request = new() { Failure = new() { Code = (int)CallStatusCode.FailedPrecondition, Message = message, Detail = Payload } };
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, request, new EchoReply(), CallOptions.Default));
        AssertFailure(failure);

        // After answers the status is in trailers, before them in the header block.
        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, CallOptions.Default);
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

    [QuicFact]
    public async Task WritesAfterTheServersEnd_ThrowTheCallsStatus()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        await using ClientCall call = await channel.StartAsync(EchoService.ClientStream, CallOptions.Default);
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

    [QuicFact]
    public async Task Metadata_TextAndBytesBothWays()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        CallMetadata metadata = new();
        metadata.Add("echo-text", "one two");
        metadata.Add("echo-text", "three");
        metadata.Add("echo-some-bin", new byte[] { 0, 255, 1, 254 });
        metadata.Add("echo-trailer-text", "after");
        metadata.Add("echo-trailer-some-bin", new byte[] { 7 });
        await using ClientCall call = await channel.StartAsync(EchoService.Unary, new() { Metadata = metadata });
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

    [QuicFact]
    public async Task Deadline_FailsHereAndAtTheServer()
    {
        TaskCompletionSource<CallStatusCode> atServer = new();
        await using QuicCallHost host = QuicCallHost.Start(more: [Waiting(atServer)]);
        await using QuicCallChannel channel = host.Connect();
        await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default); // connected
        CallOptions options = new() { Deadline = CallDeadline.After(TimeSpan.FromSeconds(5)) };
        await using ClientCall call = await channel.StartAsync(WaitMethod, options);
        await call.WriteAsync(new Int32Value());
        Assert.True(await call.ReadAsync(new Int32Value())); // it runs there
        CallException failure = await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new Int32Value()));
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
        Assert.NotEqual(CallStatusCode.Ok, await atServer.Task.WaitAsync(QuicCallHost.Patience)); // the client's reset and the server's own clock race
    }

    [QuicFact]
    public async Task DeadlineInTheMiddleOfAStream_EndsIt()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        CallOptions options = new() { Deadline = CallDeadline.After(TimeSpan.FromSeconds(2)) };
        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, options);
        EchoReply reply = new();
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(reply));
        CallException failure = await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(reply));
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
    }

    [QuicFact]
    public async Task Cancelled_ReachesTheServer()
    {
        TaskCompletionSource<CallStatusCode> atServer = new();
        await using QuicCallHost host = QuicCallHost.Start(more: [Waiting(atServer)]);
        await using QuicCallChannel channel = host.Connect();
        using CancellationTokenSource cancellation = new();
        await using ClientCall call = await channel.StartAsync(WaitMethod, CallOptions.Default, cancellation.Token);
        await call.WriteAsync(new Int32Value());
        Assert.True(await call.ReadAsync(new Int32Value())); // it runs there
        Task<CallException> failing = Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new Int32Value()));
        await cancellation.CancelAsync();
        Assert.Equal(CallStatusCode.Cancelled, (await failing).Code);
        Assert.Equal(CallStatusCode.Cancelled, await atServer.Task.WaitAsync(QuicCallHost.Patience));
    }

    [QuicFact]
    public async Task Disposed_ReachesTheServer()
    {
        TaskCompletionSource<CallStatusCode> atServer = new();
        await using QuicCallHost host = QuicCallHost.Start(more: [Waiting(atServer)]);
        await using QuicCallChannel channel = host.Connect();
        await using (ClientCall call = await channel.StartAsync(WaitMethod, CallOptions.Default))
        {
            await call.WriteAsync(new Int32Value());
            Assert.True(await call.ReadAsync(new Int32Value()));
        }

        Assert.Equal(CallStatusCode.Cancelled, await atServer.Task.WaitAsync(QuicCallHost.Patience));
    }

    [QuicFact]
    public async Task ServerKilledInACall_Unavailable()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(new EchoReply()));
        Task<CallException> failing = Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
        await host.KillAsync();
        Assert.True((await failing).Code is CallStatusCode.Unavailable or CallStatusCode.Internal or CallStatusCode.Cancelled, (await failing).ToString());
    }

    [QuicFact]
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
        QuicCallServerOptions options = new()
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
        await using QuicCallHost host = QuicCallHost.Start(options, more: [binding]);
        Assert.Equal(CallStatusCode.Unauthenticated, await CodeAsync(null));
        Assert.Equal(CallStatusCode.Unauthenticated, await CodeAsync("wrong"));
        Assert.Equal(CallStatusCode.PermissionDenied, await CodeAsync("viewer"));
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync("often"));
        Assert.Equal(CallStatusCode.Ok, await CodeAsync("controller"));
        Assert.Equal([null, "wrong", "viewer", "often", "controller"], asked.Select(question => question.Item1));
        Assert.All(asked, question => Assert.Equal(IPAddress.Loopback, question.Item2));

        async Task<CallStatusCode> CodeAsync(string? token)
        {
            await using QuicCallChannel channel = host.Connect(new() { Token = token });
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

    [QuicFact]
    public async Task HandlerWithAFault_UnknownAndNothingOfIt()
    {
        await using QuicCallHost host = QuicCallHost.Start(more: [new(WaitMethod, _ => throw new InvalidOperationException("a secret"))]);
        await using QuicCallChannel channel = host.Connect();
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(WaitMethod, new Int32Value(), new Int32Value(), CallOptions.Default));
        Assert.Equal(CallStatusCode.Unknown, failure.Code);
        Assert.DoesNotContain("secret", failure.Message, StringComparison.Ordinal);
    }

    [QuicFact]
    public async Task LargeMessages_CrossTheFlowControlWindows()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        byte[] bytes = new byte[3 << 20];
        new Random(1).NextBytes(bytes);
        EchoReply reply = new();
        await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFrom(bytes) }, reply, CallOptions.Default);
        Assert.True(reply.Payload.Span.SequenceEqual(bytes));
        await using ClientCall call = await channel.StartAsync(EchoService.ServerStream, CallOptions.Default);
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

    [QuicFact]
    public async Task MessageBeyondTheLimit_ResourceExhaustedOnEitherSide()
    {
        await using QuicCallHost host = QuicCallHost.Start(new() { RequestBytesMax = 1000, ResponseBytesMax = 2000 });
        await using QuicCallChannel channel = host.Connect(), small = host.Connect(new() { ResponseBytesMax = 100 }), mute = host.Connect(new() { RequestBytesMax = 100 });
        EchoRequest large = new() { Payload = ByteString.CopyFrom(new byte[1001]) };
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(channel, large)); // refused by the server
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(channel, new() { ReplyBytes = 3000 })); // not sent by the server
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(small, new() { ReplyBytes = 200 })); // refused by the client
        Assert.Equal(CallStatusCode.ResourceExhausted, await CodeAsync(mute, large)); // not sent by the client

        static async Task<CallStatusCode> CodeAsync(ICallChannel channel, EchoRequest request) =>
            (await Assert.ThrowsAsync<CallException>(async () => await channel.CallAsync(EchoService.Unary, request, new EchoReply(), CallOptions.Default))).Code;
    }

    [QuicFact]
    public async Task UnknownMethod_Unimplemented()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        CallException failure = await Assert.ThrowsAsync<CallException>(async () => await channel.CallAsync(WaitMethod, new Int32Value(), new Int32Value(), CallOptions.Default));
        Assert.Equal(CallStatusCode.Unimplemented, failure.Code);
        Assert.Contains(WaitMethod.Path, failure.Message, StringComparison.Ordinal);
    }

    [QuicFact]
    public async Task CancelledAfterTheLastRequest_ReachesAHandlerThatWaits()
    {
        TaskCompletionSource<CallStatusCode> atServer = new();
        await using QuicCallHost host = QuicCallHost.Start(more: [Waiting(atServer)]);
        await using QuicCallChannel channel = host.Connect();
        await using (ClientCall call = await channel.StartAsync(WaitMethod, CallOptions.Default))
        {
            await call.WriteAsync(new Int32Value());
            await call.CompleteWritesAsync();
            Assert.True(await call.ReadAsync(new Int32Value()));
            Assert.True(await call.ReadAsync(new Int32Value())); // the handler has seen the end of the requests
        }

        Assert.Equal(CallStatusCode.Cancelled, await atServer.Task.WaitAsync(QuicCallHost.Patience));
    }

    [QuicFact]
    public async Task NobodyThere_UnavailableAndNotTriedAtOnce()
    {
        QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect(new() { ConnectTimeout = TimeSpan.FromMilliseconds(300), Backoff = new(initial: TimeSpan.FromMinutes(1)) });
        await host.DisposeAsync();
        Assert.Equal(CallStatusCode.Unavailable, (await FailAsync()).Code);
        Assert.Contains("tried again", (await FailAsync()).Message, StringComparison.Ordinal);

        Task<CallException> FailAsync() => Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default));
    }

    [QuicFact]
    public async Task AnotherCertificate_Unavailable()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect(new() { CertificateFingerprint = new string('0', 64) });
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default));
        Assert.Equal(CallStatusCode.Unavailable, failure.Code);
        Assert.IsType<QuicCertificateRefused>(Assert.IsType<QuicClosedException>(failure.InnerException).Reason);
    }

    [QuicFact]
    public async Task StalledReader_ItsOwnStreamOnly()
    {
        await using QuicCallHost host = QuicCallHost.Start(new() { StalledReaderTimeout = TimeSpan.FromSeconds(1) });
        await using QuicCallChannel channel = host.Connect();
        await using ClientCall stalled = await channel.StartAsync(EchoService.ServerStream, CallOptions.Default);
        await stalled.WriteAsync(new EchoRequest { ReplyBytes = 64 << 10, ReplyCount = 10_000 });
        await stalled.CompleteWritesAsync();
        Assert.True(await stalled.ReadAsync(new EchoReply()));
        EchoReply reply = new();
        for (int i = 0; i < 200; i++)
        {
            await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = Payload }, reply, CallOptions.Default);
            Assert.Equal(Payload, reply.Payload);
            Assert.InRange(host.Server.Listener.GetStatistics().BufferBytes, 0, 16 << 20);
        }

        CallException failure = await Assert.ThrowsAsync<CallException>(async () =>
        {
            while (await stalled.ReadAsync(reply))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1500)); // longer than the server's patience
            }
        });
        Assert.Equal(CallStatusCode.ResourceExhausted, failure.Code);
        await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = Payload }, reply, CallOptions.Default);
    }

    [QuicFact]
    public async Task CallsBrokenOffAtSpeed_ConnectionClosed()
    {
        await using QuicCallHost host = QuicCallHost.Start(new() { ResetsMax = 20 });
        await using QuicCallChannel channel = host.Connect();
        await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
        QuicConnection connection = channel.Connection!;
        while (!connection.Closed.IsCompleted)
        {
            try
            {
                await using ClientCall call = await channel.StartAsync(EchoService.Duplex, CallOptions.Default);
            }
            catch (CallException)
            {
                // It was closed in between.
            }
        }

        QuicApplicationClose close = Assert.IsType<QuicApplicationClose>(await connection.Closed);
        Assert.Equal((true, (ulong)CallStatusCode.ResourceExhausted), (close.ByPeer, close.Code));
    }

    [QuicFact]
    public async Task ChangeOfPath_CallsGoOn()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, CallOptions.Default);
        EchoReply reply = new();
        for (int i = 0; i < 60; i++)
        {
            if (i % 20 == 10)
            {
                Assert.True(await channel.MigrateAsync(new(IPAddress.Loopback, 0)));
            }

            await call.WriteAsync(new EchoRequest { Payload = ByteString.CopyFromUtf8($"{i}") });
            Assert.True(await call.ReadAsync(reply));
            Assert.Equal($"{i}", reply.Payload.ToStringUtf8());
        }
    }

    [QuicFact]
    public async Task EarlyCall_IdempotentAtOnceOthersAfterTheHandshake()
    {
        await using QuicCallHost host = QuicCallHost.Start();
        await using QuicCallChannel channel = host.Connect();
        EchoReply reply = new();
        await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = Payload }, reply, CallOptions.Default);
        QuicConnection first = channel.Connection!;
        await QuicPair.UntilAsync(() => first.SavedSession is not null);
        await first.CloseAsync();
        CallOptions early = new() { AllowEarly = true };
        await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = Payload }, reply, early);
        Assert.Equal(Payload, reply.Payload);
        QuicConnection second = channel.Connection!;
        Assert.NotSame(first, second);
        await second.HandshakeCompleted;
        Assert.True(second.IsResumed);
        Assert.True(second.IsEarlyDataAccepted);

        // Not idempotent: the same option does not let it out early.
        await QuicPair.UntilAsync(() => second.SavedSession is not null);
        await second.CloseAsync();
        await using ClientCall call = await channel.StartAsync(EchoService.Duplex, early);
        Assert.True(channel.Connection!.HandshakeCompleted.IsCompletedSuccessfully);
        await call.WriteAsync(new EchoRequest { Payload = Payload });
        Assert.True(await call.ReadAsync(reply));
    }

    /// <summary>A duplex method; <see cref="Waiting"/> answers each request and their end, waits until the call is over, and says how it was.</summary>
    private static CallMethod WaitMethod { get; } = new(TestMethods.Duplex);

    private static CallBinding Waiting(TaskCompletionSource<CallStatusCode> ended) => new(WaitMethod, async call =>
    {
        try
        {
            while (await call.ReadAsync(new Int32Value()))
            {
                await call.WriteAsync(new Int32Value());
            }

            await call.WriteAsync(new Int32Value());
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
