using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>Clients that break rules, or stop reading, against our server.</summary>
[Collection(nameof(AloneCollection))]
public sealed class GrpcBadClientTests
{
    private const string Unary = "/vitrine.v1.Echo/Unary", ServerStream = "/vitrine.v1.Echo/ServerStream", Duplex = "/vitrine.v1.Echo/Duplex";
    private static readonly byte[] s_message = RawHttp2.Message(new EchoRequest { Payload = ByteString.CopyFromUtf8("payload") }.ToByteArray());

    [Fact]
    public async Task MessagesThatAreNone_StatusAndNothingElse()
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        (string, string)[] gzip = [("grpc-encoding", "gzip")];
        byte[] zipped = Gzip(s_message.AsSpan(5)), damaged = [.. zipped], large = Gzip(new EchoRequest { Payload = ByteString.CopyFrom(new byte[100_000]) }.ToByteArray());
        damaged[12] ^= 0xFF;
        Assert.Equal("0", Call(host, Unary, s_message));
        Assert.Equal("0", Call(host, Unary, RawHttp2.Message(zipped, isCompressed: true), gzip));
        Assert.Equal("12", Call(host, Unary, [])); // none
        Assert.Equal("12", Call(host, Unary, [.. s_message, .. s_message])); // two
        Assert.Equal("13", Call(host, Unary, s_message[..^1])); // cut off
        Assert.Equal("13", Call(host, Unary, s_message[..3]));
        Assert.Equal("13", Call(host, Duplex, s_message[..^1]));
        Assert.Equal("13", Call(host, Unary, RawHttp2.Message([0x0A, 0x7F])));
        Assert.Equal("13", Call(host, Unary, [7, .. s_message.AsSpan(1)])); // flags of another protocol
        Assert.Equal("13", Call(host, Unary, RawHttp2.Message(zipped, isCompressed: true))); // encoding not named
        Assert.Equal("13", Call(host, Unary, RawHttp2.Message(damaged, isCompressed: true), gzip));
        Assert.Equal("13", Call(host, Unary, RawHttp2.Message(large.AsSpan()[..^9], isCompressed: true), gzip));
        Assert.Equal("13", Call(host, Unary, RawHttp2.Message([], isCompressed: true), gzip));
        Assert.Equal("12", Call(host, Unary, s_message, ("grpc-encoding", "snappy")));
        Assert.Equal("12", Call(host, "/vitrine.v1.Echo/Nothing", s_message));
        Assert.Equal("0", Call(host, Unary, s_message, ("grpc-timeout", "10S")));
        Assert.Equal("4", Call(host, Unary, s_message, ("grpc-timeout", "0m")));
        Assert.Equal("13", Call(host, Unary, s_message, ("grpc-timeout", "123456789S")));
        Assert.Equal("13", Call(host, Unary, s_message, ("grpc-timeout", "soon")));
        Assert.Equal("13", Call(host, Unary, s_message, ("echo-some-bin", "!")));
        Assert.Equal("0", Call(host, Unary, s_message, ("echo-some-bin", "AAE=, AAE")));
        Assert.Equal("8", Call(host, Unary, s_message, [.. Enumerable.Range(0, 65).Select(i => ($"name-{i}", "value"))]));
        Assert.Equal(":415", Call(host, Unary, s_message, ("content-type", "application/grpc+json")));
        Assert.Equal(":404", Call(host, Unary, s_message, ("content-type", "application/grpc-web")));
        Assert.Equal("0", Call(host, Unary, s_message, ("content-type", "application/grpc+proto")));
    }

    [Fact]
    public async Task StreamIsGone_TheFirstWriteSaysSo()
    {
        DefaultHttpContext context = new();
        context.Features.Set<IHttpResponseBodyFeature>(new GoneBody());
        CallBinding stream = new EchoService().Bindings.Single(binding => binding.Method == EchoService.ServerStream);
        GrpcServerCall call = new(new GrpcServer(new CallTable([stream]), new()));
        call.Begin(context, null, stream, ViewerGrants.View, CallDeadline.None, CallCompression.None);
        CallException gone = await Assert.ThrowsAsync<CallException>(async () => await call.WriteAsync(new EchoReply { Sequence = 1 }));
        Assert.Equal(CallStatusCode.Cancelled, gone.Code);
        Assert.False(context.RequestAborted.IsCancellationRequested);
    }

    [Fact]
    public async Task DeadlinePassesAfterTheConnectionIsGone_OnlyTheCallEnds()
    {
        TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource<CallStatusCode> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        CallBinding slow = new(new CallMethod(TestMethods.Duplex), async call =>
        {
            await call.ReadAsync(new EchoRequest());
            started.SetResult();
            await Task.Delay(call.Deadline.Remaining(TimeProvider.System) + TimeSpan.FromMilliseconds(50)); // works on past its deadline
            CallException failure = await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoRequest()));
            ended.SetResult(failure.Code);
            throw failure;
        });
        await using GrpcHost host = await GrpcHost.StartAsync(more: [slow]);
        using (RawHttp2 client = RawHttp2.Connect(host.EndPoint))
        {
            client.Send([.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, RawHttp2.CallHeaders("/test.Test/Duplex", ("grpc-timeout", "500m"))),
                .. RawHttp2.Frame(RawHttp2.Data, 0, 1, s_message)]);
            await started.Task.WaitAsync(GrpcHost.Patience);
        }

        Assert.NotEqual(CallStatusCode.Ok, await ended.Task.WaitAsync(GrpcHost.Patience));
        Assert.Equal("0", Call(host, Unary, s_message));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task MessageLargerThanTheLimit_RefusedBeforeMemoryIsTaken(bool isBomb)
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        byte[] body = isBomb ? RawHttp2.Message(Gzip(new byte[1 << 27]), isCompressed: true) : [0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3];
        Assert.InRange(body.Length, 1, 200 << 10); // an eighth of a gigabyte when it is unpacked
        (string, string)[] encoding = [("grpc-encoding", isBomb ? "gzip" : "identity")];
        using LimitCounter limits = new("vitrine.grpc.limits");
        Call(host, Unary, s_message, encoding);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal("8", Call(host, Unary, body, encoding));
        }

        Assert.Equal(10, limits[isBomb ? "inflated-bytes" : "message-bytes"]);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, isBomb ? 100 << 20 : 10 << 20); // 10 times 4 MiB at most, and what was sent
    }

    [Fact]
    public async Task GzipRequests_AnswersAreGzipWhenTheyAreTaken()
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        byte[] request = RawHttp2.Message(Gzip(new EchoRequest { Payload = ByteString.CopyFrom(new byte[10_000]) }.ToByteArray()), isCompressed: true);
        List<byte> body = [];
        Assert.Equal("0", Call(host, Unary, request, body, ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity,deflate, gzip")));
        Assert.Equal(1, body[0]);
        Assert.InRange(body.Count, 10, 200);
        body.Clear();
        Assert.Equal("0", Call(host, Unary, request, body, ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity")));
        Assert.Equal(0, body[0]);
        Assert.InRange(body.Count, 10_000, 10_100);
    }

    [Fact]
    public async Task ReaderThatStops_CostsItsOwnStreamOnly()
    {
        await using GrpcHost host = await GrpcHost.StartAsync(new() { StalledReaderTimeout = TimeSpan.FromSeconds(1) });
        using LimitCounter limits = new("vitrine.grpc.limits");
        using RawHttp2 raw = RawHttp2.Connect(host.EndPoint, streamWindowBytes: 2000);
        byte[] endless = RawHttp2.Message(new EchoRequest { ReplyCount = 1_000_000, ReplyBytes = 1000 }.ToByteArray());
        raw.Send([.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, RawHttp2.CallHeaders(ServerStream)), .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, 1, endless)]);

        // Others of the same connection go on, until the one that is not read is reset.
        int stream = 1, served = 0;
        bool wasReset = false;
        while (!wasReset)
        {
            stream += 2;
            raw.Send([.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, stream, RawHttp2.CallHeaders(Unary)), .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, stream, s_message)]);
            bool isEnded = false;
            while (!isEnded)
            {
                Assert.True(raw.ReadFrame());
                wasReset |= raw.Stream == 1 && raw.Type == RawHttp2.Reset && BinaryPrimitives.ReadInt32BigEndian(raw.Payload.Span) == 0xB;
                isEnded = raw.Stream == stream && raw.Type == RawHttp2.Headers && (raw.Flags & RawHttp2.EndStream) != 0;
            }

            served++;
        }

        Assert.True(served > 3, $"{served} calls while one was not read");
        Assert.Equal(1, limits["stalled-reader"]);
    }

    [Fact]
    public async Task DeadlineWhileTheReaderStops_StreamIsReset()
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        using RawHttp2 raw = RawHttp2.Connect(host.EndPoint, streamWindowBytes: 2000);
        byte[] endless = RawHttp2.Message(new EchoRequest { ReplyCount = 1_000_000, ReplyBytes = 1000 }.ToByteArray());
        raw.Send([.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, RawHttp2.CallHeaders(ServerStream, ("grpc-timeout", "2S"))), .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, 1, endless)]);
        Assert.True(raw.ReadToEnd(1));
        Assert.Equal((RawHttp2.Reset, 0x8), (raw.Type, BinaryPrimitives.ReadInt32BigEndian(raw.Payload.Span)));
    }

    [Fact]
    public async Task RapidReset_ConnectionIsClosedAndOthersGoOn()
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        await using GrpcChannel channel = host.Connect();
        using RawHttp2 raw = RawHttp2.Connect(host.EndPoint);
        byte[] headers = RawHttp2.CallHeaders(Duplex);
        bool isOpen = true;
        for (int stream = 1; isOpen && stream < 2_000_000; stream += 2)
        {
            isOpen = raw.TrySend([.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, stream, headers), .. RawHttp2.ResetOf(stream, 8)]);
        }

        // By whoever notices first: ours, when too many calls were broken off (its count: ManyCallsBrokenOff), or the web server, which has limits for
        // resets and for refusals that nobody reads, and does not always give a reason.
        Assert.False(isOpen);
        while (raw.ReadFrame())
        {
        }

        EchoReply reply = new();
        await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFromUtf8("alive") }, reply, CallOptions.Default);
        Assert.Equal("alive", reply.Payload.ToStringUtf8());
    }

    [Fact]
    public async Task ManyCallsBrokenOff_ConnectionIsClosed()
    {
        await using GrpcHost host = await GrpcHost.StartAsync(new() { ResetsMax = 20 });
        using LimitCounter limits = new("vitrine.grpc.limits");
        using RawHttp2 raw = RawHttp2.Connect(host.EndPoint);
        byte[] headers = RawHttp2.CallHeaders(Duplex);
        int stream = 1;
        bool isOpen = true;
        for (; isOpen && stream < 1000; stream += 2)
        {
            // Not faster than streams end: the answer is waited for.
            isOpen = raw.TrySend([.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, stream, headers), .. RawHttp2.Frame(RawHttp2.Data, 0, stream, s_message)]);
            do
            {
                isOpen = isOpen && raw.ReadFrame();
            }
            while (isOpen && !(raw.Type == RawHttp2.Data && raw.Stream == stream));
            isOpen = isOpen && raw.TrySend(RawHttp2.ResetOf(stream, 8));
        }

        Assert.InRange(stream / 2, 20, 400);
        Assert.Equal(1, limits["resets"]);
    }

    [Fact]
    public async Task PingsAreNotAnswered_ConnectionIsClosed()
    {
        (TimeSpan Delay, TimeSpan Timeout) own = default;
        (WebApplication app, Uri address) = await GrpcHost.ListenAsync(_ => { }, limits: limits =>
        {
            own = (limits.Http2.KeepAlivePingDelay, limits.Http2.KeepAlivePingTimeout);
            limits.Http2.KeepAlivePingDelay = limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(1); // the least that there is
        });
        await using (app)
        {
            using RawHttp2 raw = RawHttp2.Connect(new(IPAddress.Loopback, address.Port), answersPings: false);
            bool wasAsked = false;
            while (raw.ReadFrame())
            {
                wasAsked |= raw.Type == RawHttp2.Ping && (raw.Flags & RawHttp2.Ack) == 0;
            }

            Assert.True(wasAsked);
            await app.StopAsync();
        }

        Assert.Equal((TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(20)), own); // as long as our client's
        Assert.Equal((own.Delay, own.Timeout), (new GrpcChannelOptions().KeepAliveDelay, new GrpcChannelOptions().KeepAliveTimeout));
    }

    private static string Call(GrpcHost host, string path, byte[] body, params (string, string)[] more) => Call(host, path, body, null, more);

    /// <summary>Makes a call on a connection of its own.</summary>
    /// <returns>The value of <c>grpc-status</c>; with a colon in front the HTTP status of an answer without it.</returns>
    private static string Call(GrpcHost host, string path, byte[] body, List<byte>? answer, params (string, string)[] more)
    {
        using RawHttp2 raw = RawHttp2.Connect(host.EndPoint);
        List<byte> headers = [.. RawHttp2.CallHeaders(path)];
        if (more.Any(field => field.Item1 == "content-type"))
        {
            headers.RemoveRange(headers.Count - 31, 31); // its own content type instead
        }

        foreach ((string name, string value) in more)
        {
            RawHttp2.Literal(headers, name, value);
        }

        raw.Send(RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, [.. headers]));
        for (int sent = 0; sent < body.Length; sent += 16_384)
        {
            raw.Send(RawHttp2.Frame(RawHttp2.Data, 0, 1, body.AsSpan(sent, Math.Min(16_384, body.Length - sent))));
        }

        raw.Send(RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, 1, []));
        string? http = null;
        while (raw.ReadFrame())
        {
            if (raw.Stream != 1)
            {
                continue;
            }

            if (raw.Type == RawHttp2.Data)
            {
                answer?.AddRange(raw.Payload.Span);
            }
            else if (raw.Type == RawHttp2.Headers)
            {
                HeaderReader fields = new(raw.Payload.Span);
                if (fields["grpc-status"] is { } status)
                {
                    return status;
                }

                http ??= fields[":status"];
            }

            if (raw.Type is RawHttp2.Data or RawHttp2.Headers && (raw.Flags & RawHttp2.EndStream) != 0)
            {
                return ":" + http;
            }

            Assert.NotEqual(RawHttp2.Reset, raw.Type);
        }

        throw new IOException("The server closed the connection.");
    }

    private static byte[] Gzip(ReadOnlySpan<byte> bytes)
    {
        using MemoryStream zipped = new();
        using (GZipStream gzip = new(zipped, CompressionLevel.Optimal))
        {
            gzip.Write(bytes);
        }

        return zipped.ToArray();
    }
}
