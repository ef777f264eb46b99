using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>Servers that break rules, against our client.</summary>
public sealed class GrpcBadServerTests : IAsyncLifetime
{
    private static readonly byte[] s_message = RawHttp2.Message(new EchoReply { Payload = ByteString.CopyFromUtf8("payload") }.ToByteArray());

    private WebApplication _app = null!;
    private GrpcChannel _channel = null!;
    private Func<HttpContext, Task> _answer = _ => Task.CompletedTask;

    public async Task InitializeAsync()
    {
        (_app, Uri address) = await GrpcHost.ListenAsync(builder => builder.Run(context => _answer(context)));
        _channel = Connect(address);
    }

    public async Task DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Theory]
    [InlineData(400, CallStatusCode.Internal)]
    [InlineData(401, CallStatusCode.Unauthenticated)]
    [InlineData(403, CallStatusCode.PermissionDenied)]
    [InlineData(404, CallStatusCode.Unimplemented)]
    [InlineData(429, CallStatusCode.Unavailable)]
    [InlineData(502, CallStatusCode.Unavailable)]
    [InlineData(503, CallStatusCode.Unavailable)]
    [InlineData(504, CallStatusCode.Unavailable)]
    [InlineData(500, CallStatusCode.Unknown)]
    [InlineData(204, CallStatusCode.Unknown)]
    public async Task HttpStatus_AsTheMappingSays(int status, CallStatusCode code)
    {
        _answer = context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        };
        await AssertFailsAsync(code);
    }

    [Theory]
    [InlineData(0, CallStatusCode.Internal)]
    [InlineData(1, CallStatusCode.Internal)]
    [InlineData(2, CallStatusCode.Internal)]
    [InlineData(3, CallStatusCode.Internal)]
    [InlineData(8, CallStatusCode.Cancelled)]
    [InlineData(11, CallStatusCode.ResourceExhausted)]
    [InlineData(12, CallStatusCode.PermissionDenied)]
    public async Task ResetCode_AsTheMappingSays(int reset, CallStatusCode code)
    {
        _answer = async context =>
        {
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync(s_message);
            await context.Response.Body.FlushAsync();
            context.Features.Get<IHttpResetFeature>()!.Reset(reset);
        };
        await AssertFailsAsync(code);
    }

    [Fact]
    public async Task AnswersThatAreNone_StatusAndNothingElse()
    {
        await AssertAsync(s_message, "0", null);
        await AssertAsync([], "0", CallStatusCode.Internal); // no answer
        await AssertAsync([.. s_message, .. s_message], "0", CallStatusCode.Internal); // two
        await AssertAsync(s_message[..^1], "0", CallStatusCode.Internal); // cut off
        await AssertAsync(s_message, null, CallStatusCode.Internal); // no status
        await AssertAsync(s_message, "99", CallStatusCode.Unknown);
        await AssertAsync(s_message, "ok", CallStatusCode.Unknown);
        await AssertAsync(s_message, "9", CallStatusCode.FailedPrecondition);
        await AssertAsync([9, 0, 0, 0, 0], "0", CallStatusCode.Internal);
        await AssertAsync(RawHttp2.Message([0x0A, 0x7F]), "0", CallStatusCode.Internal);
        await AssertAsync([0, 0xFF, 0xFF, 0xFF, 0xFF, 1], "0", CallStatusCode.ResourceExhausted);
        await AssertAsync(RawHttp2.Message([1, 2, 3], isCompressed: true), "0", CallStatusCode.Internal); // no encoding named
        await AssertAsync(RawHttp2.Message([1, 2, 3], isCompressed: true), "0", CallStatusCode.Internal, "gzip");
        await AssertAsync(RawHttp2.Message(Bomb(), isCompressed: true), "0", CallStatusCode.ResourceExhausted, "gzip");
        await AssertAsync(s_message, "0", CallStatusCode.Internal, "snappy");
        await AssertAsync(s_message, "0", CallStatusCode.Unknown, null, "text/html");
    }

    [Fact]
    public async Task MessageAndDetailsThatAreNone_StatusHolds()
    {
        _answer = context =>
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = "5";
            context.Response.Headers["grpc-message"] = "100 % %zz %C3";
            context.Response.Headers["grpc-status-details-bin"] = "!!!";
            return Task.CompletedTask;
        };
        CallException failure = await AssertFailsAsync(CallStatusCode.NotFound);
        Assert.StartsWith("100 % %zz ", failure.Message, StringComparison.Ordinal);
        Assert.Empty(failure.Details);
    }

    [Fact]
    public async Task ConnectionCutInACall_Unavailable()
    {
        _answer = async context =>
        {
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync(s_message);
            await context.Response.Body.FlushAsync();
            context.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionLifetimeFeature>()!.Abort();
        };
        await AssertFailsAsync(CallStatusCode.Unavailable);
    }

    [Fact]
    public async Task NeverAnswers_DeadlineEndsIt()
    {
        TaskCompletionSource aborted = new();
        _answer = async context =>
        {
            await using CancellationTokenRegistration registration = context.RequestAborted.Register(aborted.SetResult);
            await aborted.Task;
        };
        CallException failure = await Assert.ThrowsAsync<CallException>(async () => await _channel.CallAsync(
            EchoService.Unary, new EchoRequest(), new EchoReply(), new() { Deadline = CallDeadline.After(TimeSpan.FromMilliseconds(200)) }));
        Assert.Equal(CallStatusCode.DeadlineExceeded, failure.Code);
        await aborted.Task.WaitAsync(GrpcHost.Patience); // it reached the socket
    }

    [Fact]
    public async Task SilentPeer_KeepAliveFindsOut()
    {
        using Socket listener = new(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        await using GrpcChannel channel = new(new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndPoint!).Port}"), new() { KeepAliveDelay = TimeSpan.FromSeconds(1), KeepAliveTimeout = TimeSpan.FromSeconds(1) });
        Task<CallException> failing = Assert.ThrowsAsync<CallException>(
            async () => await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default));
        using Socket server = await listener.AcceptAsync();
        await server.SendAsync(RawHttp2.Frame(RawHttp2.Settings, 0, 0, [])); // and nothing else, as if the network were gone
        Assert.Equal(CallStatusCode.Unavailable, (await failing.WaitAsync(GrpcHost.Patience)).Code);
    }

    private static GrpcChannel Connect(Uri address) => new(address, new() { ResponseBytesMax = 1 << 20 });

    private static byte[] Bomb()
    {
        using MemoryStream zipped = new();
        using (GZipStream gzip = new(zipped, CompressionLevel.Optimal))
        {
            gzip.Write(new byte[100 << 20]);
        }

        return zipped.ToArray();
    }

    private async Task AssertAsync(byte[] body, string? status, CallStatusCode? code, string? encoding = null, string contentType = "application/grpc")
    {
        _answer = async context =>
        {
            context.Response.ContentType = contentType;
            if (encoding is not null)
            {
                context.Response.Headers["grpc-encoding"] = encoding;
            }

            await context.Response.Body.WriteAsync(body);
            await context.Response.Body.FlushAsync();
            if (status is not null)
            {
                context.Response.AppendTrailer("grpc-status", status);
            }
        };
        if (code is null)
        {
            await _channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default);
            return;
        }

        await AssertFailsAsync(code.Value);
    }

    /// <summary>As a unary call and as a stream.</summary>
    private async Task<CallException> AssertFailsAsync(CallStatusCode code)
    {
        CallException failure = await Assert.ThrowsAsync<CallException>(
            async () => await _channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default));
        Assert.Equal(code, failure.Code);
        CallException streamed = await Assert.ThrowsAsync<CallException>(async () =>
        {
            await using ClientCall call = await _channel.StartAsync(EchoService.Duplex, CallOptions.Default);
            await call.CompleteWritesAsync();
            await call.ReadSingleAsync(new EchoReply());
        });
        Assert.Equal(code, streamed.Code);
        return failure;
    }
}
