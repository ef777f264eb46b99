using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicDatagramTests
{
    [QuicFact]
    public async Task Datagrams_BothWays()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Assert.InRange(client.DatagramBytesMax, 1100, 1452);
        byte[] biggest = QuicPair.RandomBytes(client.DatagramBytesMax);
        Assert.Equal(QuicDatagramStatus.Queued, client.SendDatagram(biggest));
        Assert.Equal(QuicDatagramStatus.TooLong, client.SendDatagram(new byte[1453]));
        byte[] buffer = new byte[1500];
        int bytes = await server.ReceiveDatagramAsync(buffer);
        Assert.True(biggest.AsSpan().SequenceEqual(buffer.AsSpan(0, bytes)));
        Task<int> wait = client.ReceiveDatagramAsync(buffer).AsTask();
        Assert.Equal(QuicDatagramStatus.Queued, server.SendDatagram(new byte[3]));
        Assert.Equal(3, await wait);
    }

    // RFC 9221, section 4: a datagram may be empty. ngtcp2 would end the process over one that is told in the wrong way.
    [QuicFact]
    public async Task EmptyDatagram_ArrivesAsOne()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task<int> wait = server.ReceiveDatagramAsync(new byte[10]).AsTask();
        Assert.Equal(QuicDatagramStatus.Queued, client.SendDatagram([]));
        Assert.Equal(0, await wait);
    }

    [QuicFact]
    public async Task PeerTakesNone_SaysSo()
    {
        await using QuicPair pair = new(server => server with { DatagramQueueMax = 0 });
        (QuicConnection client, _) = await pair.ConnectAsync();
        Assert.Equal(0, client.DatagramBytesMax);
        Assert.Equal(QuicDatagramStatus.NotSupported, client.SendDatagram(new byte[3]));
        await client.CloseAsync();
        Assert.Equal(QuicDatagramStatus.Closed, client.SendDatagram(new byte[3]));
    }

    [QuicFact]
    public async Task NobodyReceives_TheNewestAreKept()
    {
        await using QuicPair pair = new(server => server with { DatagramQueueMax = 4 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        for (byte i = 0; i < 20; i++)
        {
            client.SendDatagram(new[] { i });
            while ((await client.GetStatisticsAsync()).BytesInFlight > 0)
            {
                await Task.Delay(1);
            }
        }

        while ((await server.GetStatisticsAsync()).DatagramsDropped < 16)
        {
            await Task.Delay(1); // until the last one is there
        }

        byte[] buffer = new byte[1500];
        for (byte i = 16; i < 20; i++)
        {
            Assert.Equal(1, await server.ReceiveDatagramAsync(buffer));
            Assert.Equal(i, buffer[0]);
        }

        Assert.Equal(16, (await server.GetStatisticsAsync()).DatagramsDropped);
    }

    [QuicFact]
    public async Task TooManyToSend_TheOldestGoes()
    {
        await using QuicPair pair = new(client: client => client with { DatagramQueueMax = 3 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        TaskCompletionSource<QuicDatagramStatus[]> sent = new();
        pair.Client.Loop.Post(() => sent.SetResult([.. Enumerable.Range(0, 5).Select(i => client.SendDatagram(new[] { (byte)i }))]));
        Assert.Equal(
            [QuicDatagramStatus.Queued, QuicDatagramStatus.Queued, QuicDatagramStatus.Queued, QuicDatagramStatus.QueuedForOlder, QuicDatagramStatus.QueuedForOlder],
            await sent.Task);
        byte[] buffer = new byte[1500];
        for (byte i = 2; i < 5; i++)
        {
            Assert.Equal(1, await server.ReceiveDatagramAsync(buffer));
            Assert.Equal(i, buffer[0]);
        }
    }

    [QuicFact]
    public async Task Close_EndsTheWait()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task<int> wait = server.ReceiveDatagramAsync(new byte[10]).AsTask();
        await client.CloseAsync(5);
        Assert.Equal(new QuicApplicationClose(true, 5, ""), (await Assert.ThrowsAsync<QuicClosedException>(() => wait)).Reason);
    }
}
