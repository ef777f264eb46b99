using System.Net;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Grpc;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Our client against our server, over real sockets.</summary>
public sealed class QuicCallTests
{
    private static readonly ByteString Payload = ByteString.CopyFromUtf8("payload");

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

    [QuicFact]
    public async Task UrgentCall_ItsAnswerOvertakesLargeOnes()
    {
        const int LargeCalls = 8, AnswerBytes = 60_000;
        await using QuicCallHost host = QuicCallHost.Start(listener: options => options with { SendsTwiceWhenLossy = false });
        await using UdpRelay relay = new(host.Server.Listener.LocalEndPoint);
        await using QuicCallChannel channel = new(new($"quic://{relay.EndPoint}"), new() { CertificateFingerprint = QuicPair.Fingerprint(QuicPair.Certificate) });
        await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
        using SemaphoreSlim link = new(0); // as slow as it gets: a datagram to the client goes on when it is let
        relay.ToClient = _ =>
        {
            link.Wait();
            return true;
        };
        try
        {
            // All answers are written before more of them goes out than fits into the network at once.
            Task[] large = [.. Enumerable.Range(0, LargeCalls).Select(_ => CallAsync(CallFrame.PriorityMax))];
            await QuicPair.UntilAsync(() => Held() >= LargeCalls * AnswerBytes);
            long before = Held();
            Task urgent = CallAsync(0);
            await QuicPair.UntilAsync(() => Held() >= before + AnswerBytes);

            // Enough for the urgent answer behind what was under way, and for no more than half of all.
            link.Release(200);
            await urgent.WaitAsync(QuicCallHost.Patience);
            Assert.DoesNotContain(large, call => call.IsCompleted);
            link.Release(100_000);
            await Task.WhenAll(large).WaitAsync(QuicCallHost.Patience);
        }
        finally
        {
            relay.ToClient = _ => true;
            link.Release(100_000);
        }

        long Held() => host.Server.Listener.GetStatistics().BufferBytes;

        async Task CallAsync(byte priority)
        {
            EchoReply reply = new();
            await channel.CallAsync(EchoService.Unary, new EchoRequest { ReplyBytes = AnswerBytes }, reply, new() { Priority = priority });
            Assert.Equal(AnswerBytes, reply.Payload.Length);
        }
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
