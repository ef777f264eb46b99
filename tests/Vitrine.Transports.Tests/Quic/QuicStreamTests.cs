using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicStreamTests
{
    [QuicFact]
    public async Task Reset_ReaderSeesTheCode_TheOtherDirectionGoesOn()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream stream = await client.OpenStreamAsync();
        await stream.WriteAsync(new byte[10]);
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(10, await taken.ReadAsync(new byte[100]));
        stream.Reset(99);
        QuicStreamException failure = await Assert.ThrowsAsync<QuicStreamException>(async () => await taken.ReadAsync(new byte[100]));
        Assert.True(failure.ByPeer);
        Assert.Equal(99UL, failure.Code);
        await Assert.ThrowsAsync<QuicStreamException>(async () => await stream.WriteAsync(new byte[1]));
        await taken.WriteAsync(new byte[7], isFinal: true);
        Assert.Equal(7, (await QuicPair.ReadAllAsync(stream)).Length);
    }

    [QuicFact]
    public async Task StopSending_BlockedWriterIsTold_TheOtherDirectionGoesOn()
    {
        await using QuicPair pair = new(server => server with { StreamWindowBytes = 10_000, StreamWindowBytesMax = 10_000 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream stream = await client.OpenStreamAsync();
        Task write = stream.WriteAsync(new byte[10 << 20]).AsTask();
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(1000, await taken.ReadAsync(new byte[1000]));
        while ((await client.GetStatisticsAsync()).BytesInFlight > 0)
        {
            await Task.Delay(1);
        }

        taken.StopSending(17);
        Assert.True((await Assert.ThrowsAsync<QuicStreamException>(() => write)).ByPeer);
        await taken.WriteAsync(new byte[5], isFinal: true);
        Assert.Equal(5, (await QuicPair.ReadAllAsync(stream)).Length);
    }

    [QuicFact]
    public async Task StopSending_WriterOfOneWayStreamSeesTheCode_ReaderItsOwn()
    {
        await using QuicPair pair = new(client: client => client with { StreamSendBytesMax = 100_000 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream stream = await client.OpenStreamAsync(isBidirectional: false);
        Task write = stream.WriteAsync(new byte[10 << 20]).AsTask();
        await using QuicStream taken = await server.AcceptStreamAsync();
        taken.StopSending(17);
        QuicStreamException failure = await Assert.ThrowsAsync<QuicStreamException>(() => write);
        Assert.True(failure.ByPeer);
        Assert.Equal(17UL, failure.Code);
        Assert.False((await Assert.ThrowsAsync<QuicStreamException>(async () => await taken.ReadAsync(new byte[1]))).ByPeer);

        // What was not read is given back to the connection's window: others can use it all.
        for (int i = 0; i < 5; i++)
        {
            await using QuicStream other = await client.OpenStreamAsync(isBidirectional: false);
            Task writeOther = other.WriteAsync(new byte[1 << 20], isFinal: true).AsTask();
            await using QuicStream takenOther = await server.AcceptStreamAsync();
            Assert.Equal(1 << 20, (await QuicPair.ReadAllAsync(takenOther)).Length);
            await writeOther;
        }
    }

    [QuicFact]
    public async Task DisposeUnfinished_PeerIsTold_NothingStays()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        for (int i = 0; i < 2000; i++) // many more than may be open; the reset comes before, while and after the bytes are written
        {
            QuicStream stream = await client.OpenStreamAsync();
            await stream.WriteAsync(new byte[5000]);
            await stream.DisposeAsync();
            await using QuicStream taken = await server.AcceptStreamAsync();
            await Assert.ThrowsAsync<QuicStreamException>(async () =>
            {
                while (await taken.ReadAsync(new byte[5000]) > 0)
                {
                }
            });
        }

        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics().BufferBytes == 0 && pair.Client.Loop.Blocks.Rented == 0);
        Assert.False(client.Closed.IsCompleted);
    }

    [QuicFact]
    public async Task ResetStorm_CostsTheServerNothingThatStays()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task serve = EchoServer.ServeAsync(server);
        for (int i = 0; i < 2000; i++)
        {
            QuicStream stream = await client.OpenStreamAsync();
            await stream.WriteAsync(new byte[100]);
            stream.Reset(1);
            stream.StopSending(1);
            await stream.DisposeAsync();
        }

        await using QuicStream last = await client.OpenStreamAsync();
        await last.WriteAsync(new byte[3], isFinal: true);
        Assert.Equal(3, (await QuicPair.ReadAllAsync(last)).Length);
        await client.CloseAsync();
        await serve;
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics().BufferBytes == 0);
    }

    [QuicFact]
    public async Task GivenUpHere_WaitingReadAndWriteEndAtOnce()
    {
        await using QuicPair pair = new(client: client => client with { StreamSendBytesMax = 10_000 });
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection client, _) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        await using QuicStream stream = await client.OpenStreamAsync();
        relay.ToServer = _ => false; // nobody answers
        Task write = stream.WriteAsync(new byte[1 << 20]).AsTask();
        Task<int> read = stream.ReadAsync(new byte[10]).AsTask();
        Task delivered = stream.Delivered;
        stream.Reset(3);
        Assert.Equal(3UL, (await Assert.ThrowsAsync<QuicStreamException>(() => write)).Code);
        Assert.False((await Assert.ThrowsAsync<QuicStreamException>(() => delivered)).ByPeer);
        stream.StopSending(4);
        Assert.Equal(4UL, (await Assert.ThrowsAsync<QuicStreamException>(() => read)).Code);
        QuicStream other = await client.OpenStreamAsync();
        Task<int> otherRead = other.ReadAsync(new byte[10]).AsTask();
        await other.DisposeAsync();
        await Assert.ThrowsAsync<QuicStreamException>(() => otherRead);
    }

    [QuicFact]
    public async Task Delivered_EndsWithTheLastAcknowledgement()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        foreach (bool isFinalAlone in new[] { false, true })
        {
            await using QuicStream stream = await client.OpenStreamAsync();
            Task delivered = stream.Delivered;
            await stream.WriteAsync(new byte[50_000], isFinal: !isFinalAlone);
            if (isFinalAlone)
            {
                await QuicPair.UntilAsync(() => stream.UnacknowledgedBytes == 0);
                Assert.False(delivered.IsCompleted);
                await stream.WriteAsync(default, isFinal: true);
            }

            await delivered;
            Assert.Equal(0, stream.UnacknowledgedBytes);
            await using QuicStream taken = await server.AcceptStreamAsync();
            Assert.Equal(50_000, (await QuicPair.ReadAllAsync(taken)).Length);
        }

        await using QuicStream last = await client.OpenStreamAsync();
        await last.WriteAsync(new byte[10]);
        await client.CloseAsync(1);
        await Assert.ThrowsAsync<QuicClosedException>(() => last.Delivered);
    }

    [QuicFact]
    public async Task Delivered_FailsWhenTheCallerIsGone()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        QuicStream request = await client.OpenStreamAsync();
        await request.WriteAsync(new byte[10], isFinal: true);
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(10, (await QuicPair.ReadAllAsync(taken)).Length);
        await taken.WriteAsync(new byte[10]);
        Task delivered = taken.Delivered; // of a handler that waits for something else
        await QuicPair.UntilAsync(() => taken.UnacknowledgedBytes == 0);

        request.StopSending(8);
        await request.DisposeAsync();
        QuicStreamException failure = await Assert.ThrowsAsync<QuicStreamException>(() => delivered);
        Assert.True(failure.ByPeer);
        Assert.Equal(8UL, failure.Code);
    }

    [QuicFact]
    public async Task ResetAfterTheEndWasWritten_ReaderIsTold()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        await using QuicStream stream = await client.OpenStreamAsync(isBidirectional: false);
        await stream.WriteAsync(new byte[10]);
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(10, await taken.ReadAsync(new byte[100]));
        int dropped = 0;
        relay.ToServer = _ => Interlocked.Increment(ref dropped) < 0;
        await stream.WriteAsync(new byte[5000], isFinal: true);
        await QuicPair.UntilAsync(() => Volatile.Read(ref dropped) >= 4);

        stream.Reset(6);
        relay.ToServer = _ => true;
        Assert.Equal(6UL, (await Assert.ThrowsAsync<QuicStreamException>(async () => await QuicPair.ReadAllAsync(taken))).Code);
    }

    [QuicFact]
    public async Task StreamsThatAreNotDisposed_KeepTheirPlace()
    {
        await using QuicPair pair = new(server => server with { UnidirectionalStreamsMax = 2 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task<int> waits = Task.Run(async () =>
        {
            int opened = 0;
            try
            {
                for (; opened < 3; opened++)
                {
                    QuicStream stream = await client.OpenStreamAsync(isBidirectional: false);
                    await stream.WriteAsync(new byte[1], isFinal: true);
                }
            }
            catch (QuicClosedException)
            {
                // while it waited for the third
            }

            return opened;
        });
        await server.AcceptStreamAsync();
        await server.AcceptStreamAsync();
        await client.CloseAsync();
        Assert.Equal(2, await waits); // neither of the two was disposed by the server
    }

    [QuicFact]
    public async Task LowerPriorityNumber_ArrivesFirst()
    {
        await using QuicPair pair = new(
            server => server with { RunsContinuationsInline = true },
            client => client with { RunsContinuationsInline = true, StreamSendBytesMax = 1 << 20, ConnectionSendBytesMax = 64 << 20 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        int[] priorities = [4, 2, 0, 3, 1];
        TaskCompletionSource<long[]> written = new();

        // On the loop's thread: nothing is sent before all are there. Each is below a stream's window, together they are above a congestion window.
        pair.Client.Loop.Post(() =>
        {
            QuicStream[] streams = [.. priorities.Select(priority => client.OpenStreamAsync(isBidirectional: false, priority).AsTask().Result)];
            foreach (QuicStream stream in streams)
            {
                _ = stream.WriteAsync(new byte[150_000], isFinal: true).AsTask();
            }

            written.SetResult([.. streams.OrderBy(stream => stream.Priority).Select(stream => stream.Id)]);
        });
        List<long> arrived = [];
        for (int i = 0; i < priorities.Length; i++)
        {
            arrived.Add((await server.AcceptStreamAsync()).Id); // in the order of their first bytes
        }

        Assert.Equal(await written.Task, arrived);
    }

    [QuicFact]
    public async Task OnePriority_StreamsTakeTurns()
    {
        StreamSchedule schedule = new();
        await using QuicPair pair = new();
        (QuicConnection client, _) = await pair.ConnectAsync();
        QuicStream[] streams = [.. Enumerable.Range(0, 3).Select(i => new QuicStream(client, i * 4, isLocal: true, priority: 5))];
        QuicStream urgent = new(client, 100, isLocal: true, priority: -1);
        foreach (QuicStream stream in streams)
        {
            schedule.Add(stream);
        }

        List<long> order = [];
        for (int i = 0; i < 9; i++)
        {
            if (i == 4)
            {
                schedule.Add(urgent);
            }

            order.Add(schedule.Next.Id);
            if (schedule.Next == urgent)
            {
                schedule.Remove(urgent);
            }
            else
            {
                schedule.Rotate();
            }
        }

        Assert.Equal([0, 4, 8, 0, 100, 4, 8, 0, 4], order);
        streams[1].Priority = 1;
        schedule.Add(streams[1]);
        Assert.Equal(4, schedule.Next.Id);
        schedule.Remove(streams[1]);
        schedule.Remove(streams[0]);
        Assert.Equal(8, schedule.Next.Id);
        schedule.Clear();
        Assert.Equal(0, schedule.Count);
    }

    [QuicFact]
    public async Task CancelledWrite_ResetsTheStream()
    {
        await using QuicPair pair = new(client: client => client with { StreamSendBytesMax = 10_000 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream stream = await client.OpenStreamAsync();
        using CancellationTokenSource cancel = new();
        Task write = stream.WriteAsync(new byte[10 << 20], cancellationToken: cancel.Token).AsTask();
        await using QuicStream taken = await server.AcceptStreamAsync();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
        await Assert.ThrowsAsync<QuicStreamException>(async () => await QuicPair.ReadAllAsync(taken));
    }

    [QuicFact]
    public async Task SecondReadAtATime_Throws()
    {
        await using QuicPair pair = new();
        (QuicConnection client, _) = await pair.ConnectAsync();
        await using QuicStream stream = await client.OpenStreamAsync();
        Task<int> first = stream.ReadAsync(new byte[1]).AsTask();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await stream.ReadAsync(new byte[1]));
        stream.StopSending(1);
        await client.CloseAsync();
        await Assert.ThrowsAnyAsync<QuicException>(() => first);
    }

    [QuicFact]
    public async Task Lost_RepairedAndCounted()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        int number = 0;
        relay.ToServer = _ => Interlocked.Increment(ref number) % 11 != 0;
        relay.ToClient = _ => Interlocked.Increment(ref number) % 13 != 0;
        byte[] bytes = QuicPair.RandomBytes(2 << 20);
        await using QuicStream stream = await client.OpenStreamAsync();
        Task write = stream.WriteAsync(bytes, isFinal: true).AsTask();
        await using QuicStream taken = await server.AcceptStreamAsync();
        byte[] received = await QuicPair.ReadAllAsync(taken);
        Assert.True(bytes.AsSpan().SequenceEqual(received));
        await write;
        QuicConnectionStatistics statistics = await client.GetStatisticsAsync();
        Assert.InRange(statistics.StreamLosses, 1, 100_000);
        Assert.InRange(statistics.SmoothedRtt, TimeSpan.FromTicks(1), TimeSpan.FromSeconds(30));
        Assert.InRange(statistics.CongestionWindowBytes, 1, long.MaxValue);
        Assert.InRange(statistics.PacketsSent, 1000, 1_000_000);
        Assert.InRange(statistics.PacketBytesMax, 1200, 1452);
    }

    [QuicFact]
    public async Task Bbr_Works()
    {
        await using QuicPair pair = new(
            server => server with { CongestionControl = QuicCongestionControl.Bbr },
            client => client with { CongestionControl = QuicCongestionControl.Bbr });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using QuicStream stream = await client.OpenStreamAsync();
        Task write = stream.WriteAsync(new byte[5 << 20], isFinal: true).AsTask();
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal(5 << 20, (await QuicPair.ReadAllAsync(taken)).Length);
        await write;
    }
}
