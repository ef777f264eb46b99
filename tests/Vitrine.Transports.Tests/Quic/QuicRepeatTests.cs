using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicRepeatTests
{
    private const int RequestBytes = 1000;

    [QuicFact]
    public async Task PacketsAreLost_TheNextGoTwice_AndTheSecondIsEnough()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        DropEvery(relay, 6);
        long clientRepeats = 0;
        await EchoAsync(pair, relay, 2000, (client, server) =>
        {
            clientRepeats = client.PacketsRepeated;
            return client.PacketsRepeated == 0 || server.PacketsRepeated == 0;
        });
        Assert.True(clientRepeats > 0);

        // What the relay saw twice was the same.
        byte[][] sent = relay.AllSent();
        Assert.Equal(clientRepeats, sent.Length - sent.DistinctBy(Convert.ToHexString).Count(), 16.0); // others were sent since the count
    }

    [QuicFact]
    public async Task Refused_NothingIsSentTwice()
    {
        await using QuicPair pair = new(server => server with { SendsTwiceWhenLossy = false }, client => client with { SendsTwiceWhenLossy = false });
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        DropEvery(relay, 6);
        await EchoAsync(pair, relay, 60, (client, server) =>
        {
            Assert.Equal((0, 0), (client.PacketsRepeated, server.PacketsRepeated));
            return true;
        });
    }

    [QuicFact]
    public async Task MuchIsUnderWay_ItIsNotSentTwice()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        DropEvery(relay, 50);
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        Task serve = EchoServer.ServeAsync(server);
        await using (QuicStream stream = await client.OpenStreamAsync(isBidirectional: false))
        {
            await stream.WriteAsync(new byte[2_000_000], isFinal: true);
            await stream.Delivered;
        }

        QuicConnectionStatistics statistics = await client.GetStatisticsAsync();
        Assert.InRange(statistics.PacketsRepeated, 0, statistics.PacketsSent / 4);
        await client.CloseAsync();
        await serve;
    }

    // Of what is long enough to be data, in both directions.
    private static void DropEvery(UdpRelay relay, int nth)
    {
        int up = 0;
        int down = 0;
        relay.ToServer = datagram => datagram.Length < RequestBytes || (datagram[0] & 0x80) != 0 || Interlocked.Increment(ref up) % nth != 0;
        relay.ToClient = datagram => datagram.Length < RequestBytes || (datagram[0] & 0x80) != 0 || Interlocked.Increment(ref down) % nth != 0;
    }

    // One after the other, as long as it is wanted.
    private static async Task EchoAsync(QuicPair pair, UdpRelay relay, int requestsMax, Func<QuicConnectionStatistics, QuicConnectionStatistics, bool> goesOn)
    {
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        Task serve = EchoServer.ServeAsync(server);
        byte[] request = QuicPair.RandomBytes(RequestBytes);
        for (int i = 0; i < requestsMax; i++)
        {
            await using QuicStream stream = await client.OpenStreamAsync();
            await stream.WriteAsync(request, isFinal: true);
            Assert.Equal(request, await QuicPair.ReadAllAsync(stream));
            if (!goesOn(await client.GetStatisticsAsync(), await server.GetStatisticsAsync()))
            {
                break;
            }
        }

        await client.CloseAsync();
        await serve;
    }
}
