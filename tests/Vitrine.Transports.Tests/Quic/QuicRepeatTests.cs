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
    public async Task PathChanges_ItsFirstPacketsGoTwice_TheNextOnce()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        long atServer = 0;
        int requestsOnce = 0;
        await EchoAsync(
            pair,
            relay,
            10_000, // who takes a pause of the machine for losses remembers them for 2,000 packets
            (client, server) =>
            {
                requestsOnce = server.PacketsRepeated > 0 && server.PacketsRepeated == atServer ? requestsOnce + 1 : 0;
                atServer = server.PacketsRepeated;
                return requestsOnce < 50;
            },
            async client =>
            {
                Assert.Equal(0, (await client.GetStatisticsAsync()).PacketsRepeated);
                Assert.True(await QuicPair.MigrateWhenAllowedAsync(client));
            });
        Assert.Equal(50, requestsOnce);

        // As many as it takes to know the path, of the client's too.
        byte[][] requests = [.. relay.AllSent().Where(datagram => datagram.Length >= RequestBytes && (datagram[0] & 0x80) == 0)];
        Assert.InRange(requests.Length - requests.DistinctBy(Convert.ToHexString).Count(), 10, requests.Length / 2);
    }

    // What is sent again because nothing came back would be lost as well: only copies get through.
    [QuicFact]
    public async Task PathChanges_EachPacketIsLostTheFirstTime_TheSecondIsEnough()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        HashSet<string> seen = [];
        await EchoAsync(pair, relay, 10, (_, _) => true, async client =>
        {
            relay.ToServer = datagram => datagram.Length < RequestBytes || !seen.Add(Convert.ToHexString(datagram));
            Assert.True(await QuicPair.MigrateWhenAllowedAsync(client));
        });
        Assert.InRange(seen.Count, 10, 50);
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
        }, client => QuicPair.MigrateWhenAllowedAsync(client));
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

    // One after the other, as long as it is wanted; something happens after the first.
    private static async Task EchoAsync(
        QuicPair pair, UdpRelay relay, int requestsMax, Func<QuicConnectionStatistics, QuicConnectionStatistics, bool> goesOn, Func<QuicConnection, Task>? happens = null)
    {
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        Task serve = EchoServer.ServeAsync(server);
        byte[] request = QuicPair.RandomBytes(RequestBytes);
        for (int i = 0; i < requestsMax; i++)
        {
            if (i == 1 && happens is not null)
            {
                await happens(client);
            }

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
