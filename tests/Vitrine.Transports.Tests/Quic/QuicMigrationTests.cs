using System.Net;
using System.Net.Sockets;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicMigrationTests
{
    [QuicFact]
    public async Task Migrate_StreamGoesOn_ServerFollows()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task serve = EchoServer.ServeAsync(server);
        await using QuicStream stream = await client.OpenStreamAsync();
        await EchoAsync(stream);
        for (int i = 0; i < 3; i++)
        {
            IPEndPoint before = client.LocalEndPoint;
            Assert.True(await QuicPair.MigrateWhenAllowedAsync(client));
            await EchoAsync(stream);
            Assert.NotEqual(before, client.LocalEndPoint);
            await QuicPair.UntilAsync(() => server.RemoteEndPoint.Equals(client.LocalEndPoint));
        }

        Assert.Equal(3, (await client.GetStatisticsAsync()).PathsValidated);
        await client.CloseAsync();
        await serve;
    }

    [QuicFact]
    public async Task RouterForgets_ConnectionGoesOnFromTheNewPort()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        Task serve = EchoServer.ServeAsync(server);
        await using QuicStream stream = await client.OpenStreamAsync();
        await EchoAsync(stream);
        IPEndPoint before = server.RemoteEndPoint;
        relay.Rebind();
        await EchoAsync(stream);
        await QuicPair.UntilAsync(() => !server.RemoteEndPoint.Equals(before));
        Assert.InRange((await server.GetStatisticsAsync()).PathsValidated, 1, 3);
        await client.CloseAsync();
        await serve;
    }

    [QuicFact]
    public async Task PacketSentFromElsewhere_DoesNotMoveTheConnection()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        Task serve = EchoServer.ServeAsync(server);
        await using QuicStream stream = await client.OpenStreamAsync();
        await EchoAsync(stream);
        IPEndPoint real = server.RemoteEndPoint;

        // Somebody on the way takes a packet and sends it first, from an address of his.
        using Socket thief = UdpRelay.Bind();
        long sent = 0;
        long got = 0;
        int steals = 1;
        relay.ToServer = datagram =>
        {
            if ((datagram[0] & 0x80) == 0 && Interlocked.Exchange(ref steals, 0) == 1)
            {
                sent += thief.SendTo(datagram, pair.Listener.LocalEndPoint);
                return false;
            }

            return true;
        };
        Task count = Task.Run(async () =>
        {
            byte[] buffer = new byte[2000];
            while (true)
            {
                got += (await thief.ReceiveFromAsync(buffer, pair.Listener.LocalEndPoint)).ReceivedBytes;
            }
        });
        for (int i = 0; i < 20; i++)
        {
            await EchoAsync(stream);
        }

        Assert.Equal(real, server.RemoteEndPoint);
        Assert.InRange(sent, 1, 1500);
        Assert.InRange(Interlocked.Read(ref got), 0, 3 * sent);
        await client.CloseAsync();
        await serve;
        thief.Dispose();
        await Assert.ThrowsAnyAsync<Exception>(() => count);
    }

    [QuicFact]
    public async Task AddressThatIsNotOurs_SaysSo_ConnectionStays()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task serve = EchoServer.ServeAsync(server);
        await Assert.ThrowsAnyAsync<QuicException>(() => client.MigrateAsync(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0)));
        await using QuicStream stream = await client.OpenStreamAsync();
        await EchoAsync(stream);
        await client.CloseAsync();
        await serve;
    }

    [QuicFact]
    public async Task ManyLoops_MigratedConnectionFindsItsOwn()
    {
        await using QuicPair pair = new(server => server with { Loops = 4 });
        Task serve = EchoServer.RunAsync(pair.Listener);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            await using QuicConnection client = await pair.Client.ConnectAsync(pair.To);
            await using QuicStream stream = await client.OpenStreamAsync();
            await EchoAsync(stream);
            Assert.True(await QuicPair.MigrateWhenAllowedAsync(client));
            for (int i = 0; i < 5; i++)
            {
                await EchoAsync(stream);
            }
        }));
        Assert.InRange(pair.Listener.GetStatistics().DatagramsForwarded, 1, 100_000); // of 20, 5 stay with their loop by chance
        await pair.DisposeAsync();
        await serve;
    }

    [QuicFact]
    public async Task UpdateKeys_StreamGoesOn()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task serve = EchoServer.ServeAsync(server);
        await using QuicStream stream = await client.OpenStreamAsync();
        for (int updates = 0; updates < 3;)
        {
            try
            {
                await client.UpdateKeysAsync();
                updates++;
            }
            catch (QuicException exception) when (exception is not QuicClosedException)
            {
                // the last one is not confirmed yet
            }

            await EchoAsync(stream);
        }

        await client.CloseAsync();
        await serve;
    }

    private static async Task EchoAsync(QuicStream stream)
    {
        byte[] message = QuicPair.RandomBytes(3000);
        await stream.WriteAsync(message);
        byte[] answer = new byte[message.Length];
        for (int got = 0; got < answer.Length;)
        {
            int bytes = await stream.ReadAsync(answer.AsMemory(got));
            Assert.NotEqual(0, bytes);
            got += bytes;
        }

        Assert.Equal(message, answer);
    }
}
