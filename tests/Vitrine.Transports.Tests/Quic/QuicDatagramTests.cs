using System.Threading.Channels;
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

    /// <summary>A probe timeout sends what streams had in a lost packet again, and ngtcp2 forgets of such a packet that it had a datagram as well.</summary>
    [QuicFact]
    public async Task WatchedBesideStreamDataWhileNothingPasses_ItsLossIsTold()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection client, _) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        Fates fates = new();
        client.Watcher = fates;
        await using QuicStream stream = await client.OpenStreamAsync(isBidirectional: false);
        await stream.WriteAsync(new byte[100]);
        await QuicPair.UntilAsync(() => stream.UnacknowledgedBytes == 0);
        int before = relay.AllSent().Length;
        relay.ToServer = _ => false;
        TaskCompletionSource<QuicDatagramStatus> queued = new(TaskCreationOptions.RunContinuationsAsynchronously);
        pair.Client.Loop.Post(() =>
        {
            _ = stream.WriteAsync(new byte[300], isFinal: true).AsTask(); // there is room
            queued.SetResult(client.SendWatched(new byte[200], 7, 0));
        });
        Assert.Equal(QuicDatagramStatus.Queued, await queued.Task);
        await QuicPair.UntilAsync(() => relay.AllSent().Length > before + 3); // both, and probes
        relay.ToServer = _ => true;
        await stream.Delivered;
        Assert.Equal(["sent 7", "lost 7"], [await fates.NextAsync(), await fates.NextAsync()]);
    }

    [QuicFact]
    public async Task WatchedThatArrive_AreAcknowledged()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Fates fates = new();
        server.Watcher = fates;
        List<int> taken = [];
        client.Intake = datagram =>
        {
            if (datagram.Length == 5)
            {
                return false;
            }

            taken.Add(datagram.Length);
            return true;
        };
        foreach (int bytes in new[] { 3, 4, 5 })
        {
            Assert.Equal(QuicDatagramStatus.Queued, server.SendWatched(new byte[bytes], (ulong)bytes, 0));
            Assert.Equal([$"sent {bytes}", $"acknowledged {bytes}"], [await fates.NextAsync(), await fates.NextAsync()]);
        }

        Assert.Equal(5, await client.ReceiveDatagramAsync(new byte[10]));
        Assert.Equal([3, 4], taken);
        Assert.Equal(QuicDatagramStatus.TooLong, server.SendWatched(new byte[1453], 8, 0));
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

    private sealed class Fates : IDatagramWatcher
    {
        private readonly Channel<string> _all = Channel.CreateUnbounded<string>();

        public ValueTask<string> NextAsync() => _all.Reader.ReadAsync();

        public void Sent(ulong tag, TimeSpan probeTimeout) => _all.Writer.TryWrite($"sent {tag}");

        public void Acknowledged(ulong tag) => _all.Writer.TryWrite($"acknowledged {tag}");

        public void Lost(ulong tag) => _all.Writer.TryWrite($"lost {tag}");
    }
}
