using System.Net.Sockets;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicEarlyDataTests
{
    [QuicFact]
    public async Task SecondConnection_SendsInItsFirstFlight()
    {
        await using QuicPair pair = new();
        QuicSession session = await SessionAsync(pair);
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        relay.ToClient = _ => false; // the server's answers do not arrive: what it gets came in the first flight
        ValueTask<QuicConnection> accept = pair.Listener.AcceptConnectionAsync();
        await using QuicConnection client = await pair.Client.ConnectAsync(pair.To with { EndPoint = relay.EndPoint, Session = session, AllowEarlyData = true });
        await using QuicStream stream = await client.OpenStreamAsync();
        await stream.WriteAsync("early"u8.ToArray(), isFinal: true);
        await using QuicConnection server = await accept;
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal("early"u8.ToArray(), await QuicPair.ReadAllAsync(taken));
        Assert.True(taken.ArrivedEarly);
        Assert.False(client.HandshakeCompleted.IsCompleted);
        relay.ToClient = _ => true;
        await client.HandshakeCompleted;
        Assert.True(client.IsResumed);
        Assert.True(client.IsEarlyDataAccepted);
        await using QuicStream late = await client.OpenStreamAsync();
        await late.WriteAsync("late"u8.ToArray(), isFinal: true);
        await using QuicStream takenLate = await server.AcceptStreamAsync();
        Assert.Equal("late"u8.ToArray(), await QuicPair.ReadAllAsync(takenLate));
        Assert.False(takenLate.ArrivedEarly);
    }

    [QuicFact]
    public async Task ServerThatForgot_EarlyDataAreSentAgain()
    {
        await using QuicPair first = new();
        QuicSession session = await SessionAsync(first);
        await using QuicPair second = new(); // the same certificate, another ticket key
        Task serve = EchoServer.RunAsync(second.Listener);
        await using QuicConnection client = await second.Client.ConnectAsync(second.To with { Session = session, AllowEarlyData = true });
        byte[] message = QuicPair.RandomBytes(20_000);
        byte[][] answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(async _ =>
        {
            await using QuicStream stream = await client.OpenStreamAsync();
            await stream.WriteAsync(message, isFinal: true);
            return await QuicPair.ReadAllAsync(stream);
        }));
        Assert.All(answers, answer => Assert.True(message.AsSpan().SequenceEqual(answer)));
        Assert.False(client.IsEarlyDataAccepted);
        Assert.False(client.IsResumed);
        await second.DisposeAsync();
        await serve;
    }

    [QuicFact]
    public async Task ServerThatTakesNone_DataArriveAfterTheHandshake()
    {
        await using QuicPair pair = new(server => server with { AllowsEarlyData = false });
        QuicSession session = await SessionAsync(pair);
        ValueTask<QuicConnection> accept = pair.Listener.AcceptConnectionAsync();
        await using QuicConnection client = await pair.Client.ConnectAsync(pair.To with { Session = session, AllowEarlyData = true });
        await using QuicStream stream = await client.OpenStreamAsync();
        await stream.WriteAsync("late"u8.ToArray(), isFinal: true);
        await using QuicConnection server = await accept;
        await using QuicStream taken = await server.AcceptStreamAsync();
        Assert.Equal("late"u8.ToArray(), await QuicPair.ReadAllAsync(taken));
        Assert.False(taken.ArrivedEarly);
        Assert.False(client.IsEarlyDataAccepted);
    }

    [QuicFact]
    public async Task SessionOfAnotherHostOrFingerprint_NotUsed()
    {
        await using QuicPair pair = new(client: client => client with { Roots = [QuicPair.Certificate] });
        QuicSession session = await SessionAsync(pair);
        await using QuicConnection other = await pair.Client.ConnectAsync(pair.To with { Session = session, AllowEarlyData = true, CertificateFingerprint = null });
        Assert.True(other.HandshakeCompleted.IsCompleted);
        Assert.False(other.IsResumed);
        await using QuicConnection same = await pair.Client.ConnectAsync(pair.To with { Session = session });
        Assert.True(same.IsResumed);
    }

    // 1,000 times: 40 recorded first flights, 25 times each. Every one reaches the TLS library: the connection before it is gone.
    [QuicFact]
    public async Task ReplayedFirstFlight_RefusedEveryTime()
    {
        const int Flights = 40;
        const int Rounds = 25;
        await using QuicPair pair = new(server => server with { HandshakeTimeout = TimeSpan.FromSeconds(1), ReplayWindow = TimeSpan.FromMinutes(2), Retry = QuicRetryPolicy.Never });
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        int requests = 0;
        Task serve = ServeAsync(pair.Listener, bytes =>
        {
            Assert.Equal(100, bytes);
            Interlocked.Increment(ref requests);
        });

        List<byte[][]> flights = [];
        for (int i = 0; i < Flights; i++)
        {
            QuicSession session = await AskForSessionAsync(pair);
            await using QuicConnection client = await pair.Client.ConnectAsync(pair.To with { EndPoint = relay.EndPoint, Session = session, AllowEarlyData = true });
            await using QuicStream stream = await client.OpenStreamAsync();
            await stream.WriteAsync(new byte[100], isFinal: true);
            Assert.Empty(await QuicPair.ReadAllAsync(stream));
            await client.HandshakeCompleted;
            Assert.True(client.IsEarlyDataAccepted);
            flights.Add([.. relay.Sent(client.LocalEndPoint).Where(datagram => (datagram[0] & 0x80) != 0 && (datagram[0] & 0x30) <= 0x10)]); // Initial, 0-RTT
            await client.CloseAsync();
        }

        Assert.Equal(Flights, requests);
        Assert.Equal(0, pair.Listener.GetStatistics().ReplaysRefused);
        using Socket attacker = UdpRelay.Bind();
        for (int round = 1; round <= Rounds; round++)
        {
            await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { Connections: 0, ConnectionsClosing: 0 });
            foreach (byte[] datagram in flights.SelectMany(flight => flight))
            {
                await attacker.SendToAsync(datagram, pair.Listener.LocalEndPoint);
            }

            await QuicPair.UntilAsync(() => pair.Listener.GetStatistics().ReplaysRefused >= round * Flights);
        }

        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { Connections: 0, ConnectionsClosing: 0 });
        Assert.Equal(Flights * Rounds, pair.Listener.GetStatistics().ReplaysRefused);
        Assert.Equal(Flights, requests);
        await pair.DisposeAsync();
        await serve;
    }

    // The first packet is whole, so that a connection begins; of the others only the beginning arrives.
    [QuicFact]
    public async Task FirstFlightIsCut_NothingIsServed_NothingStays()
    {
        const int Flights = 10, RequestBytes = 5000;
        await using QuicPair pair = new(server => server with { HandshakeTimeout = TimeSpan.FromSeconds(1), Retry = QuicRetryPolicy.Never });
        int requests = 0;
        Task serve = ServeAsync(pair.Listener, bytes =>
        {
            Assert.Equal(RequestBytes, bytes);
            Interlocked.Increment(ref requests);
        });
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint) { ToServer = _ => false };
        List<byte[][]> flights = [];
        for (int i = 0; i < Flights; i++)
        {
            QuicSession session = await AskForSessionAsync(pair);
            await using QuicConnection client = await pair.Client.ConnectAsync(pair.To with { EndPoint = relay.EndPoint, Session = session, AllowEarlyData = true });
            await using QuicStream stream = await client.OpenStreamAsync();
            await stream.WriteAsync(new byte[RequestBytes], isFinal: true);
            await QuicPair.UntilAsync(() => relay.Sent(client.LocalEndPoint).Sum(datagram => datagram.Length) > RequestBytes);
            flights.Add(relay.Sent(client.LocalEndPoint));
        }

        using Socket attacker = UdpRelay.Bind();
        Random random = new(1);
        foreach (byte[][] flight in flights)
        {
            await attacker.SendToAsync(flight[0], pair.Listener.LocalEndPoint);
            foreach (byte[] datagram in flight.Skip(1))
            {
                await attacker.SendToAsync(datagram.AsMemory(0, random.Next(1, datagram.Length)), pair.Listener.LocalEndPoint);
            }
        }

        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { Connections: 0, ConnectionsClosing: 0, BufferBytes: 0, HandshakesFailed: Flights });
        Assert.Equal(0, requests);

        // Whole, it is served.
        relay.ToServer = _ => true;
        QuicSession last = await AskForSessionAsync(pair);
        await using QuicConnection honest = await pair.Client.ConnectAsync(pair.To with { EndPoint = relay.EndPoint, Session = last, AllowEarlyData = true });
        await using QuicStream whole = await honest.OpenStreamAsync();
        await whole.WriteAsync(new byte[RequestBytes], isFinal: true);
        Assert.Empty(await QuicPair.ReadAllAsync(whole));
        await honest.HandshakeCompleted;
        Assert.True(honest.IsEarlyDataAccepted);
        Assert.Equal(1, requests);
        await honest.CloseAsync();
        await pair.DisposeAsync();
        await serve;
    }

    /// <summary>Answers each request with nothing when it has come whole.</summary>
    /// <param name="listener">Until it is disposed.</param>
    /// <param name="received">Told how long a request was.</param>
    private static async Task ServeAsync(QuicListener listener, Action<int> received)
    {
        try
        {
            while (true)
            {
                QuicConnection connection = await listener.AcceptConnectionAsync();
                _ = Task.Run(async () =>
                {
                    try
                    {
                        while (true)
                        {
                            await using QuicStream stream = await connection.AcceptStreamAsync();
                            received((await QuicPair.ReadAllAsync(stream)).Length);
                            await stream.WriteAsync(default, isFinal: true);
                        }
                    }
                    catch (QuicException)
                    {
                        await connection.DisposeAsync();
                    }
                });
            }
        }
        catch (ObjectDisposedException)
        {
            // the end
        }
    }

    /// <summary>A session of a server that somebody serves.</summary>
    private static async Task<QuicSession> AskForSessionAsync(QuicPair pair)
    {
        await using QuicConnection connection = await pair.Client.ConnectAsync(pair.To);
        await QuicPair.UntilAsync(() => connection.SavedSession is not null);
        return connection.SavedSession!;
    }

    private static async Task<QuicSession> SessionAsync(QuicPair pair)
    {
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await QuicPair.UntilAsync(() => client.SavedSession is not null);
        QuicSession session = client.SavedSession!;
        await client.DisposeAsync();
        await server.DisposeAsync();
        return session;
    }
}
