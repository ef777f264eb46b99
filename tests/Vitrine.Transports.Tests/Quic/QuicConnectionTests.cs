using System.Net;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicConnectionTests
{
    [QuicFact]
    public async Task Connect_BothSidesAgreeOnTheProtocol()
    {
        await using QuicPair pair = new(server => server with { Protocols = ["other", QuicPair.Protocol] });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Assert.Equal(QuicPair.Protocol, client.Protocol);
        Assert.Equal(QuicPair.Protocol, server.Protocol);
        Assert.True(server.IsServer);
        Assert.Equal(client.LocalEndPoint, server.RemoteEndPoint);
        Assert.Equal(pair.Listener.LocalEndPoint, client.RemoteEndPoint);
        Assert.False(client.IsResumed);
    }

    [QuicFact]
    public async Task Connect_NoProtocolInCommon_Refused()
    {
        await using QuicPair pair = new(client: client => client with { Protocols = ["nobody-speaks-this"] });
        QuicClosedException failure = await Assert.ThrowsAsync<QuicClosedException>(() => pair.Client.ConnectAsync(pair.To));
        Assert.Equal((byte)120, Assert.IsType<QuicTransportClose>(failure.Reason).TlsAlert); // no_application_protocol, RFC 7301
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { ProtocolErrors: 1, HandshakesFailed: 1 });
    }

    [QuicFact]
    public async Task BidirectionalStream_RequestAndAnswer()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream request = await client.OpenStreamAsync();
        await request.WriteAsync("hello"u8.ToArray(), isFinal: true);
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(request.Id, taken.Id);
        Assert.False(taken.ArrivedEarly);
        Assert.Equal("hello"u8.ToArray(), await QuicPair.ReadAllAsync(taken));
        await taken.WriteAsync("world"u8.ToArray(), isFinal: true);
        Assert.Equal("world"u8.ToArray(), await QuicPair.ReadAllAsync(request));
    }

    [QuicFact]
    public async Task UnidirectionalStream_OneWayOnly()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream sent = await server.OpenStreamAsync(isBidirectional: false);
        Assert.False(sent.CanRead);
        await sent.WriteAsync("push"u8.ToArray(), isFinal: true);
        await using QuicStream taken = await client.AcceptStreamAsync();
        Assert.False(taken.CanWrite);
        Assert.Equal("push"u8.ToArray(), await QuicPair.ReadAllAsync(taken));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await taken.WriteAsync(new byte[1]));
    }

    [QuicFact]
    public async Task BigTransfer_BothWaysAtOnce_SameBytes()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        byte[] up = QuicPair.RandomBytes(24 << 20, 1);
        byte[] down = QuicPair.RandomBytes(16 << 20, 2);
        await using QuicStream request = await client.OpenStreamAsync();
        Task write = request.WriteAsync(up, isFinal: true).AsTask();
        await using QuicStream taken = await server.AcceptStreamAsync();
        Task answer = taken.WriteAsync(down, isFinal: true).AsTask();
        Task<byte[]> gotDown = QuicPair.ReadAllAsync(request);
        byte[] gotUp = await QuicPair.ReadAllAsync(taken);
        Assert.True(up.AsSpan().SequenceEqual(gotUp));
        byte[] downReceived = await gotDown;
        Assert.True(down.AsSpan().SequenceEqual(downReceived));
        await write;
        await answer;
    }

    [QuicFact]
    public async Task ReaderThatStops_WriterWaits_AndTheOtherStreamsGoOn()
    {
        await using QuicPair pair = new(
            server => server with { StreamWindowBytes = 32 << 10, StreamWindowBytesMax = 32 << 10 },
            client => client with { StreamSendBytesMax = 64 << 10 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream stalled = await client.OpenStreamAsync();
        byte[] bytes = QuicPair.RandomBytes(1 << 20);
        Task write = stalled.WriteAsync(bytes, isFinal: true).AsTask();
        await using QuicStream unread = await server.AcceptStreamAsync();

        for (int i = 0; i < 100; i++)
        {
            await using QuicStream other = await client.OpenStreamAsync();
            await other.WriteAsync(new byte[10_000], isFinal: true);
            await using QuicStream taken = await server.AcceptStreamAsync();
            Assert.Equal(10_000, (await QuicPair.ReadAllAsync(taken)).Length);
            await taken.WriteAsync(default, isFinal: true);
            Assert.Empty(await QuicPair.ReadAllAsync(other));
        }

        Assert.False(write.IsCompleted);
        Assert.InRange(pair.Listener.GetStatistics().BufferBytes, 1, 64 << 10); // the window and what its blocks round up to
        byte[] received = await QuicPair.ReadAllAsync(unread);
        Assert.True(bytes.AsSpan().SequenceEqual(received));
        await write;
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics().BufferBytes == 0);
    }

    [QuicFact]
    public async Task ConnectionSendLimit_HoldsForAllStreams_AndLetsGo()
    {
        await using QuicPair pair = new(client: client => client with { ConnectionSendBytesMax = 100_000 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task[] writes = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            QuicStream stream = await client.OpenStreamAsync(isBidirectional: false);
            return stream.WriteAsync(new byte[300_000], isFinal: true).AsTask();
        }));
        Assert.InRange((await client.GetStatisticsAsync()).SendBytesHeld, 0, 100_000);
        // All at once: those that wait for their turn would fill the connection's window (RFC 9000, section 4.1), and the one that is read
        // would have no room in it.
        List<Task<int>> reads = [];
        for (int i = 0; i < 20; i++)
        {
            reads.Add(CountAsync(await server.AcceptStreamAsync()));
        }

        int[] got = await Task.WhenAll(reads);
        await Task.WhenAll(writes);
        Assert.All(got, bytes => Assert.Equal(300_000, bytes));

        static async Task<int> CountAsync(QuicStream stream)
        {
            await using (stream)
            {
                return (await QuicPair.ReadAllAsync(stream)).Length;
            }
        }
    }

    [QuicFact]
    public async Task StreamsThatNobodyReads_LeaveRoomForOthers()
    {
        await using QuicPair pair = new(
            server => server with { StreamWindowBytes = 1000, StreamWindowBytesMax = 1000 },
            client => client with { StreamSendBytesMax = 50_000, ConnectionSendBytesMax = 100_000 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        List<Task> unread = [];
        for (int i = 0; i < 8; i++)
        {
            QuicStream stream = await client.OpenStreamAsync(isBidirectional: false);
            unread.Add(stream.WriteAsync(new byte[300_000], isFinal: true).AsTask());
            await server.AcceptStreamAsync();
        }

        QuicStream read = await client.OpenStreamAsync(isBidirectional: false);
        Task write = read.WriteAsync(new byte[300_000], isFinal: true).AsTask();
        Assert.Equal(300_000, (await QuicPair.ReadAllAsync(await server.AcceptStreamAsync())).Length);
        await write;
        Assert.All(unread, each => Assert.False(each.IsCompleted));
        await client.CloseAsync();
        await Task.WhenAll(unread).ContinueWith(all => _ = all.Exception, TaskScheduler.Default);
    }

    [QuicFact]
    public async Task MoreStreamsThanAllowed_WaitForTheirTurn()
    {
        await using QuicPair pair = new(server => server with { BidirectionalStreamsMax = 3 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task<int> serve = Task.Run(async () =>
        {
            int count = 0;
            for (; count < 50; count++)
            {
                await using QuicStream taken = await server.AcceptStreamAsync();
                await taken.WriteAsync(await QuicPair.ReadAllAsync(taken), isFinal: true);
            }

            return count;
        });
        byte[][] answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
        {
            await using QuicStream stream = await client.OpenStreamAsync();
            await stream.WriteAsync(new[] { (byte)i }, isFinal: true);
            return await QuicPair.ReadAllAsync(stream);
        }));
        Assert.Equal(Enumerable.Range(0, 50).Select(i => (byte)i), answers.Select(answer => Assert.Single(answer)));
        Assert.Equal(50, await serve);
    }

    [QuicFact]
    public async Task ManyConnections_OneLoopEach_AllAnswer()
    {
        await using QuicPair pair = new();
        Task serve = EchoServer.RunAsync(pair.Listener);
        byte[] message = QuicPair.RandomBytes(1024);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
        {
            await using QuicConnection connection = await pair.Client.ConnectAsync(pair.To);
            for (int i = 0; i < 5; i++)
            {
                await using QuicStream stream = await connection.OpenStreamAsync();
                await stream.WriteAsync(message, isFinal: true);
                byte[] answer = await QuicPair.ReadAllAsync(stream);
                Assert.True(message.AsSpan().SequenceEqual(answer));
            }
        }));
        Assert.Equal(100, pair.Listener.GetStatistics().HandshakesCompleted);
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { Connections: 0, BufferBytes: 0 });
        await pair.DisposeAsync();
        await serve;
    }

    [QuicFact]
    public async Task Close_PeerSeesCodeAndReason_AndStreamsFail()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream stream = await client.OpenStreamAsync();
        await stream.WriteAsync(new byte[1]);
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(1, await taken.ReadAsync(new byte[10]));
        Task<int> read = taken.ReadAsync(new byte[10]).AsTask();
        ValueTask<QuicStream> accept = server.AcceptStreamAsync();
        await client.CloseAsync(42, "that is all");
        Assert.Equal(new QuicApplicationClose(ByPeer: false, 42, "that is all"), await client.Closed);
        Assert.Equal(new QuicApplicationClose(ByPeer: true, 42, "that is all"), await server.Closed);
        Assert.Equal(await server.Closed, (await Assert.ThrowsAsync<QuicClosedException>(() => read)).Reason);
        await Assert.ThrowsAsync<QuicClosedException>(async () => await accept);
        await Assert.ThrowsAsync<QuicClosedException>(async () => await taken.WriteAsync(new byte[1]));
        await Assert.ThrowsAsync<QuicClosedException>(async () => await stream.ReadAsync(new byte[1]));
        await Assert.ThrowsAsync<QuicClosedException>(async () => await server.OpenStreamAsync());
    }

    [QuicFact]
    public async Task DataBeforeTheClose_CanStillBeRead()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        QuicStream stream = await client.OpenStreamAsync(isBidirectional: false);
        await stream.WriteAsync(new byte[5000], isFinal: true);
        await QuicPair.UntilAsync(() => stream.UnacknowledgedBytes == 0);
        await client.CloseAsync();
        await server.Closed;
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(5000, (await QuicPair.ReadAllAsync(taken)).Length);
    }

    [QuicFact]
    public async Task NothingSent_IdleTimeoutOnBothSides()
    {
        await using QuicPair pair = new(client: client => client with { IdleTimeout = TimeSpan.FromSeconds(1) });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Assert.IsType<QuicIdleTimeout>(await client.Closed);
        Assert.IsType<QuicIdleTimeout>(await server.Closed);
    }

    [QuicFact]
    public async Task KeepAlive_OutlivesTheIdleTimeout()
    {
        await using QuicPair pair = new(client: client => client with { IdleTimeout = TimeSpan.FromSeconds(2), KeepAlive = TimeSpan.FromMilliseconds(150) });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        long before = (await client.GetStatisticsAsync()).PacketsSent;
        while ((await client.GetStatisticsAsync()).PacketsSent < before + 15)
        {
            await Task.Delay(20);
        }

        Assert.False(client.Closed.IsCompleted);
        Assert.False(server.Closed.IsCompleted);
    }

    [QuicFact]
    public async Task NobodyAnswers_HandshakeTimeout()
    {
        await using QuicPair pair = new(client: client => client with { HandshakeTimeout = TimeSpan.FromMilliseconds(300) });
        using UdpSocket silent = UdpSocket.Bind(new IPEndPoint(IPAddress.Loopback, 0), new UdpSocketOptions());
        QuicClosedException failure = await Assert.ThrowsAsync<QuicClosedException>(() => pair.Client.ConnectAsync(pair.To with { EndPoint = silent.LocalEndPoint }));
        Assert.IsType<QuicHandshakeTimeout>(failure.Reason);
    }

    [QuicFact]
    public async Task ListenerDisposed_ClientsHearOfIt()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await pair.Listener.DisposeAsync();
        Assert.Equal(new QuicTransportClose(ByPeer: true, 0, ""), await client.Closed);
        Assert.IsType<QuicEndpointDisposed>(await server.Closed);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await pair.Listener.AcceptConnectionAsync());
    }

    [QuicFact]
    public async Task PortTaken_SaysSo()
    {
        await using QuicPair pair = new();
        Assert.Throws<System.Net.Sockets.SocketException>(() => QuicListener.Listen(pair.ServerOptions with { EndPoint = pair.Listener.LocalEndPoint }));
    }

    [QuicFact]
    public async Task CancelledConnect_LeavesNothing()
    {
        await using QuicPair pair = new();
        using UdpSocket silent = UdpSocket.Bind(new IPEndPoint(IPAddress.Loopback, 0), new UdpSocketOptions());
        using CancellationTokenSource cancel = new();
        Task<QuicConnection> connect = pair.Client.ConnectAsync(pair.To with { EndPoint = silent.LocalEndPoint }, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connect);
    }

    [QuicFact]
    public async Task IPv6_Works()
    {
        await using QuicPair pair = new(server => server with { EndPoint = new IPEndPoint(IPAddress.IPv6Any, 0) });
        foreach (IPAddress address in new[] { IPAddress.IPv6Loopback, IPAddress.Loopback })
        {
            (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = new IPEndPoint(address, pair.Listener.LocalEndPoint.Port) });
            await using QuicStream stream = await client.OpenStreamAsync();
            await stream.WriteAsync(new byte[100_000], isFinal: true);
            await using QuicStream taken = await server.AcceptStreamAsync();
            Assert.Equal(100_000, (await QuicPair.ReadAllAsync(taken)).Length);
        }
    }

    [QuicFact]
    public async Task CancelledRead_StreamGoesOn()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream stream = await client.OpenStreamAsync();
        await stream.WriteAsync(new byte[1]);
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(1, await taken.ReadAsync(new byte[10]));
        using CancellationTokenSource cancel = new();
        Task<int> read = taken.ReadAsync(new byte[10], cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
        await stream.WriteAsync(new byte[2], isFinal: true);
        Assert.Equal(2, (await QuicPair.ReadAllAsync(taken)).Length);
    }
}
