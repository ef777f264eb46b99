using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
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
}
