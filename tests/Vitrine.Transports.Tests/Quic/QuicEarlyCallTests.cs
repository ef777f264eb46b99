using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Grpc;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Calls in the first flight (0-RTT) of somebody who does not ask whether they may happen twice, as a replay does not.</summary>
public sealed class QuicEarlyCallTests
{
    private static readonly CallMethod s_repeatable = new(TestMethods.Repeatable), s_once = new(TestMethods.Unary);

    [QuicFact]
    public async Task MayNotHappenTwice_ServedAfterTheHandshakeOnly()
    {
        await using EarlyCaller caller = await EarlyCaller.StartAsync();
        await using QuicStream once = await caller.CallAsync(s_once), repeatable = await caller.CallAsync(s_repeatable);
        Assert.Equal(1, await caller.Repeatable.WaitAsync(QuicCallHost.Patience)); // the connection before
        Assert.False(caller.Once.IsCompleted);

        caller.LetTheHandshakeEnd();
        Assert.Equal(CallStatusCode.Ok, await StatusAsync(once));
        Assert.Equal(CallStatusCode.Ok, await StatusAsync(repeatable));
        Assert.Equal(2, await caller.Once);
        Assert.True(caller.Connection.IsEarlyDataAccepted);
    }

    [QuicFact]
    public async Task HandshakeNeverEnds_WhatMayNotHappenTwiceDoesNotHappen()
    {
        await using EarlyCaller caller = await EarlyCaller.StartAsync(options => options with { HandshakeTimeout = TimeSpan.FromSeconds(3) });
        await using QuicStream once = await caller.CallAsync(s_once), repeatable = await caller.CallAsync(s_repeatable);
        Assert.Equal(1, await caller.Repeatable.WaitAsync(QuicCallHost.Patience));
        await QuicPair.UntilAsync(() => caller.Statistics.HandshakesFailed > 0);
        Assert.False(caller.Once.IsCompleted);
    }

    [QuicFact]
    public async Task CutAnywhere_OnlyTheWholeCallIsAnswered()
    {
        await using EarlyCaller caller = await EarlyCaller.StartAsync();
        byte[] call = Encode(s_repeatable);
        List<QuicStream> streams = [];
        for (int bytes = 0; bytes <= call.Length; bytes++)
        {
            streams.Add(await caller.SendAsync(call.AsMemory(0, bytes)));
        }

        Assert.Equal(1, await caller.Repeatable.WaitAsync(QuicCallHost.Patience));
        caller.LetTheHandshakeEnd();
        for (int bytes = 0; bytes <= call.Length; bytes++)
        {
            CallStatusCode status = await StatusAsync(streams[bytes]);
            Assert.True(bytes == call.Length ? status == CallStatusCode.Ok : status is CallStatusCode.Internal or CallStatusCode.Unimplemented, $"{status} for {bytes} of {call.Length} bytes");
            await streams[bytes].DisposeAsync();
        }

        Assert.True(caller.Connection.IsEarlyDataAccepted);
    }

    private static byte[] Encode(CallMethod method)
    {
        PooledBuffer call = new(4096);
        CallFrame.WriteRequest(call, method.Path, 0, CallOptions.Default.Priority, "", null);
        CallFrame.WriteMessage(call, new Int32Value { Value = 300 }, 4096);
        byte[] bytes = call.Written.ToArray();
        call.Clear();
        return bytes;
    }

    private static async Task<CallStatusCode> StatusAsync(QuicStream stream)
    {
        CallFrameReader reader = new(4096);
        CallFrameRead frame = await reader.PeekAsync(stream, CancellationToken.None);
        while (frame.Type == CallFrameType.Message)
        {
            reader.Take();
            frame = await reader.PeekAsync(stream, CancellationToken.None);
        }

        Assert.Equal(CallFrameType.End, frame.Type);
        Assert.True(CallFrame.TryReadEnd(frame.Payload.Span, new(), out CallException? failure));
        reader.Clear();
        return failure?.Code ?? CallStatusCode.Ok;
    }

    /// <summary>A server, a client that was there before and sends in its first flight, and between them what hands nothing on to the client:
    /// no handshake ends.</summary>
    private sealed class EarlyCaller : IAsyncDisposable
    {
        private readonly TaskCompletionSource<long> _repeatable = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource<long> _once = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly QuicClient _client = new(new() { Protocols = [QuicCallServer.Protocol] });
        private readonly QuicCallHost _host;
        private readonly UdpRelay _relay;

        private EarlyCaller(Func<QuicListenerOptions, QuicListenerOptions>? listener)
        {
            _host = QuicCallHost.Start(more: [new(s_repeatable, call => ServeAsync(call, _repeatable)), new(s_once, call => ServeAsync(call, _once))], listener: listener);
            _relay = new(_host.Server.Listener.LocalEndPoint) { ToClient = _ => false };
        }

        public QuicConnection Connection { get; private set; } = null!;

        public QuicListenerStatistics Statistics => _host.Server.Listener.GetStatistics();

        /// <summary>What a method found when it was served first: how many handshakes the server had completed.</summary>
        public Task<long> Repeatable => _repeatable.Task;

        public Task<long> Once => _once.Task;

        public static async Task<EarlyCaller> StartAsync(Func<QuicListenerOptions, QuicListenerOptions>? listener = null)
        {
            EarlyCaller caller = new(listener);
            QuicConnectOptions to = new() { EndPoint = caller._host.Server.Listener.LocalEndPoint, Host = "localhost", CertificateFingerprint = QuicPair.Fingerprint(QuicPair.Certificate) };
            await using QuicConnection first = await caller._client.ConnectAsync(to);
            await QuicPair.UntilAsync(() => first.SavedSession is not null);
            caller.Connection = await caller._client.ConnectAsync(to with { EndPoint = caller._relay.EndPoint, Session = first.SavedSession, AllowEarlyData = true });
            return caller;
        }

        public Task<QuicStream> CallAsync(CallMethod method) => SendAsync(Encode(method));

        /// <summary>Sends all that a stream has.</summary>
        public async Task<QuicStream> SendAsync(ReadOnlyMemory<byte> bytes)
        {
            QuicStream stream = await Connection.OpenStreamAsync();
            await stream.WriteAsync(bytes, isFinal: true);
            return stream;
        }

        public void LetTheHandshakeEnd() => _relay.ToClient = _ => true;

        public async ValueTask DisposeAsync()
        {
            await Connection.DisposeAsync();
            await _client.DisposeAsync();
            await _host.DisposeAsync();
            await _relay.DisposeAsync();
        }

        private async ValueTask ServeAsync(ServerCall call, TaskCompletionSource<long> served)
        {
            served.TrySetResult(Statistics.HandshakesCompleted);
            Int32Value message = new();
            await call.ReadAsync(message);
            await call.WriteAsync(message);
        }
    }
}
