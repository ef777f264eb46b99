using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Proofs of addresses, and answers without a connection.</summary>
public class QuicAddressTests
{
    [QuicFact]
    public async Task RetryAlways_AnotherRoundTrip_ThenTheTokenSparesIt()
    {
        await using QuicPair pair = new(server => server with { Retry = QuicRetryPolicy.Always });
        (QuicConnection client, _) = await pair.ConnectAsync();
        Assert.Equal(1, pair.Listener.GetStatistics().RetriesSent);
        await QuicPair.UntilAsync(() => client.SavedSession?.Token is not null);
        QuicSession session = client.SavedSession!;
        IPEndPoint local = client.LocalEndPoint;
        await client.DisposeAsync();
        await QuicPair.UntilAsync(() => pair.Client.Loop.ConnectionCount == 0);

        (QuicConnection second, _) = await pair.ConnectAsync(pair.To with { Session = session, LocalEndPoint = local });
        Assert.True(second.IsResumed);
        Assert.Equal(1, pair.Listener.GetStatistics().RetriesSent);
        Assert.Equal(0, pair.Listener.GetStatistics().TokensRefused);
    }

    [QuicFact]
    public async Task ForgedToken_CountsAsNone()
    {
        await using QuicPair pair = new(server => server with { Retry = QuicRetryPolicy.Always });
        (QuicConnection client, _) = await pair.ConnectAsync();
        await QuicPair.UntilAsync(() => client.SavedSession?.Token is not null);
        QuicSession session = client.SavedSession!;
        byte[] forged = [.. session.Token!];
        forged[^1] ^= 1;
        QuicSession changed = new(session.Host, session.Fingerprint, session.CertificateExpires, session.Ticket, session.Parameters, forged);
        (QuicConnection second, _) = await pair.ConnectAsync(pair.To with { Session = changed });
        Assert.Equal(QuicPair.Protocol, second.Protocol);
        QuicListenerStatistics statistics = pair.Listener.GetStatistics();
        Assert.Equal(1, statistics.TokensRefused);
        Assert.Equal(2, statistics.RetriesSent);
    }

    [QuicFact]
    public async Task RetryTokenFromAnotherAddress_Refused()
    {
        await using QuicPair pair = new(server => server with { Retry = QuicRetryPolicy.Always });
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        relay.ToServer = datagram => datagram[5] >= 8 && !HasToken(datagram); // the answer to the Retry does not arrive
        using CancellationTokenSource cancel = new();
        Task<QuicConnection> connect = pair.Client.ConnectAsync(pair.To with { EndPoint = relay.EndPoint }, cancel.Token);
        byte[]? stolen = null;
        await QuicPair.UntilAsync(() => (stolen = relay.AllSent().FirstOrDefault(HasToken)) is not null);
        using Socket thief = UdpRelay.Bind();
        await thief.SendToAsync(stolen!, pair.Listener.LocalEndPoint);
        byte[] answer = new byte[1500];
        int bytes = (await thief.ReceiveFromAsync(answer, pair.Listener.LocalEndPoint)).ReceivedBytes;
        Assert.InRange(bytes, 1, 1199); // a refusal, not a handshake
        QuicListenerStatistics statistics = pair.Listener.GetStatistics();
        Assert.Equal(1, statistics.TokensRefused);
        Assert.Equal(0, statistics.HandshakesInProgress);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connect);
    }

    [QuicFact]
    public async Task ManyHandshakes_AboveTheMark_MustProveTheirAddress()
    {
        await using QuicPair pair = new(server => server with { RetryAboveHandshakes = 5, HandshakeTimeout = TimeSpan.FromSeconds(5) });
        byte[] initial = await FirstFlightAsync(pair);
        List<Socket> sockets = [];
        for (int i = 0; i < 20; i++)
        {
            Socket socket = UdpRelay.Bind();
            sockets.Add(socket);
            byte[] other = await FirstFlightAsync(pair);
            await socket.SendToAsync(other, pair.Listener.LocalEndPoint);
        }

        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { HandshakesInProgress: 5, RetriesSent: 15 });
        await using QuicConnection honest = await pair.Client.ConnectAsync(pair.To); // one round trip more, but it gets in
        Assert.Equal(16, pair.Listener.GetStatistics().RetriesSent);
        sockets.ForEach(socket => socket.Dispose());
        Assert.NotEmpty(initial);
    }

    [QuicFact]
    public async Task FloodOfFirstPackets_ShutOutForAWhile_OthersGetIn_AndItDoesAgain()
    {
        await using QuicPair pair = new(server => server with { Retry = QuicRetryPolicy.Always });
        byte[] initial = await FirstFlightAsync(pair);
        using Socket flood = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        flood.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
        while (pair.Listener.GetStatistics().PeersShutOut == 0)
        {
            await flood.SendToAsync(initial, pair.Listener.LocalEndPoint);
        }

        await using (QuicConnection honest = await pair.Client.ConnectAsync(pair.To))
        {
            Assert.Equal(QuicPair.Protocol, honest.Protocol);
        }

        QuicConnectOptions fromThere = pair.To with { LocalEndPoint = new(IPAddress.Parse("127.0.0.2"), 0) };
        await using QuicConnection again = await pair.Client.ConnectAsync(fromThere); // it asks again until it is heard
        Assert.Equal(QuicPair.Protocol, again.Protocol);
    }

    [QuicFact]
    public async Task ManyHandshakesAtOnce_WaitForTheirTurn_NoneIsLost()
    {
        const int Count = 60;
        await using QuicPair pair = new(server => server with { Retry = QuicRetryPolicy.Never });
        QuicConnection[] clients = await Task.WhenAll(Enumerable.Range(0, Count).Select(_ => pair.Client.ConnectAsync(pair.To)));
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics().HandshakesCompleted == Count);
        QuicListenerStatistics statistics = pair.Listener.GetStatistics();
        Assert.InRange(statistics.FirstPacketsDelayed, 1, 10 * Count);
        Assert.Equal(0, statistics.DatagramsDropped);
        await Task.WhenAll(clients.Select(client => client.CloseAsync()));
    }

    [QuicFact]
    public async Task HandshakesMax_MoreAreRefusedAtOnce()
    {
        await using QuicPair pair = new(server => server with { Retry = QuicRetryPolicy.Never, HandshakesMax = 3, HandshakeTimeout = TimeSpan.FromSeconds(5) });
        List<Socket> sockets = [];
        for (int i = 0; i < 3; i++)
        {
            Socket socket = UdpRelay.Bind();
            sockets.Add(socket);
            await socket.SendToAsync(await FirstFlightAsync(pair), pair.Listener.LocalEndPoint);
        }

        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics().HandshakesInProgress == 3);
        QuicClosedException failure = await Assert.ThrowsAsync<QuicClosedException>(() => pair.Client.ConnectAsync(pair.To));
        Assert.True(Assert.IsType<QuicTransportClose>(failure.Reason).IsRefusal);
        Assert.Equal(1, pair.Listener.GetStatistics().ConnectionsRefused);
        sockets.ForEach(socket => socket.Dispose());
    }

    [QuicFact]
    public async Task ConnectionsMax_MoreAreRefused_UntilOneLeaves()
    {
        await using QuicPair pair = new(server => server with { ConnectionsMax = 2 });
        (QuicConnection first, _) = await pair.ConnectAsync();
        await pair.ConnectAsync();
        await Assert.ThrowsAsync<QuicClosedException>(() => pair.Client.ConnectAsync(pair.To));
        await first.DisposeAsync();
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics().Connections < 2);
        await pair.ConnectAsync();
        Assert.Equal(1, pair.Listener.GetStatistics().ConnectionsRefused);
    }

    [QuicFact]
    public async Task ConnectionsBeingClosed_TakeNoPlaceOfOthers()
    {
        await using QuicPair pair = new(server => server with { ConnectionsMax = 1 });
        await using QuicClient other = new(new() { Protocols = ["vitrine-other"] });
        for (int i = 0; i < 5; i++)
        {
            await Assert.ThrowsAsync<QuicClosedException>(() => other.ConnectAsync(pair.To));
        }

        Assert.True(pair.Listener.GetStatistics() is { Connections: 0, ConnectionsClosing: > 0 });
        await pair.ConnectAsync();
        Assert.Equal(0, pair.Listener.GetStatistics().ConnectionsRefused);
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { Connections: 1, ConnectionsClosing: 0 });
        Assert.Equal(0, pair.Listener.GetStatistics().ClosingsCut);
    }

    [QuicFact]
    public async Task ClosingsMax_OneOnTopIsForgottenAtOnce_AndItsStrayPacketsGetAStatelessReset()
    {
        await using QuicPair pair = new(server => server with { ClosingsMax = 0 });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection late, QuicConnection lateServer) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        int dropped = 0;
        relay.ToClient = _ =>
        {
            Interlocked.Increment(ref dropped);
            return false;
        };
        await lateServer.CloseAsync();
        await QuicPair.UntilAsync(() => Volatile.Read(ref dropped) > 0); // else what says that it is closed could still come
        await server.CloseAsync();
        Assert.IsType<QuicApplicationClose>(await client.Closed);
        Assert.True(pair.Listener.GetStatistics() is { Connections: 0, ConnectionsClosing: 0, ClosingsCut: 2 });
        relay.ToClient = _ => true;
        await Assert.ThrowsAsync<QuicClosedException>(async () =>
        {
            await using QuicStream stream = await late.OpenStreamAsync();
            await stream.WriteAsync(new byte[1000]);
            await stream.ReadAsync(new byte[1]);
        });
        Assert.IsType<QuicStatelessReset>(await late.Closed);
    }

    [QuicFact]
    public async Task UnprovenAddress_GetsAtMostThreeTimesWhatItSent()
    {
        await using QuicPair pair = new(server => server with { Retry = QuicRetryPolicy.Never, HandshakeTimeout = TimeSpan.FromSeconds(3) });
        byte[] initial = await FirstFlightAsync(pair);
        using Socket victim = UdpRelay.Bind();
        await victim.SendToAsync(initial, pair.Listener.LocalEndPoint);
        long got = 0;
        Task count = Task.Run(async () =>
        {
            byte[] buffer = new byte[2000];
            while (true)
            {
                got += (await victim.ReceiveFromAsync(buffer, pair.Listener.LocalEndPoint)).ReceivedBytes;
            }
        });
        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { HandshakesFailed: 1, Connections: 0 }); // after several probe timeouts
        Assert.InRange(Interlocked.Read(ref got), 1, 3 * initial.Length);
        victim.Dispose();
        await Assert.ThrowsAnyAsync<Exception>(() => count);
    }

    [QuicFact]
    public async Task UnknownVersion_ListOfVersions_NeverLongerThanTheQuestion()
    {
        await using QuicPair pair = new();
        using Socket socket = UdpRelay.Bind();
        byte[] question = new byte[1200];
        byte[] head = [0xC0, 0xDE, 0xAD, 0xBE, 0xEF, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 21, 22, 23, 24];
        head.CopyTo(question, 0);
        await socket.SendToAsync(question.AsMemory(0, 1199), pair.Listener.LocalEndPoint); // too short to be answered
        await socket.SendToAsync(question, pair.Listener.LocalEndPoint);
        byte[] answer = new byte[1500];
        int bytes = (await socket.ReceiveFromAsync(answer, pair.Listener.LocalEndPoint)).ReceivedBytes;
        Assert.Equal([0, 0, 0, 0, 4, 21, 22, 23, 24, 8, 1, 2, 3, 4, 5, 6, 7, 8], answer[1..19]); // RFC 9000, section 17.2.1
        Assert.Equal([0, 0, 0, 1], answer[19..23]);
        Assert.Equal(0x0a0a0a0au, BitConverter.ToUInt32(answer, 23) & 0x0f0f0f0f); // a version that nobody has
        Assert.Equal(27, bytes);
        Assert.Equal(1, pair.Listener.GetStatistics().VersionNegotiationsSent);
    }

    [QuicFact]
    public async Task ServerOfAnotherVersion_ClientSaysSo()
    {
        await using QuicPair pair = new();
        using Socket server = UdpRelay.Bind();
        Task<QuicConnection> connect = pair.Client.ConnectAsync(pair.To with { EndPoint = (IPEndPoint)server.LocalEndPoint! });
        byte[] initial = new byte[2000];
        SocketReceiveFromResult got = await server.ReceiveFromAsync(initial, new IPEndPoint(IPAddress.Any, 0));
        int dcid = initial[5];
        int scid = initial[6 + dcid];
        byte[] answer = [0x80, 0, 0, 0, 0, (byte)scid, .. initial.AsSpan(7 + dcid, scid), (byte)dcid, .. initial.AsSpan(6, dcid), 0x6b, 0x33, 0x43, 0xcf];
        await server.SendToAsync(answer, got.RemoteEndPoint);
        Assert.IsType<QuicVersionMismatch>((await Assert.ThrowsAsync<QuicClosedException>(() => connect)).Reason);
    }

    [QuicFact]
    public async Task ServerKilledAndBack_ResetsItsFormerClients()
    {
        byte[] secret = RandomNumberGenerator.GetBytes(32);
        await using QuicPair pair = new(server => server with { Secret = secret });
        (QuicConnection client, _) = await pair.ConnectAsync();
        pair.Listener.Loops.Single().EndsSilently = true;
        await pair.Listener.DisposeAsync();
        await using QuicListener again = QuicListener.Listen(pair.ServerOptions with { EndPoint = pair.Listener.LocalEndPoint });
        QuicStream stream = await client.OpenStreamAsync();
        await stream.WriteAsync(new byte[100]);
        Assert.IsType<QuicStatelessReset>(await client.Closed);
        Assert.InRange(again.GetStatistics().StatelessResetsSent, 1, 10);
    }

    [QuicFact]
    public async Task ForgedReset_ChangesNothing()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        Task serve = EchoServer.ServeAsync(server);
        await QuicPair.UntilAsync(() => relay.Sent(client.LocalEndPoint).Any(datagram => (datagram[0] & 0x80) == 0));
        byte[] id = relay.Sent(client.LocalEndPoint).Last(datagram => (datagram[0] & 0x80) == 0)[1..17];
        using Socket attacker = UdpRelay.Bind();
        for (int i = 0; i < 100; i++)
        {
            await attacker.SendToAsync((byte[])[0x40, .. id, .. QuicPair.RandomBytes(30, i)], pair.Listener.LocalEndPoint);
        }

        await using QuicStream stream = await client.OpenStreamAsync();
        await stream.WriteAsync(new byte[100], isFinal: true);
        Assert.Equal(100, (await QuicPair.ReadAllAsync(stream)).Length);
        await client.CloseAsync();
        await serve;
    }

    // What a client sends first, without sending it to the server.
    private static async Task<byte[]> FirstFlightAsync(QuicPair pair)
    {
        using Socket nobody = UdpRelay.Bind();
        using CancellationTokenSource cancel = new();
        Task<QuicConnection> connect = pair.Client.ConnectAsync(pair.To with { EndPoint = (IPEndPoint)nobody.LocalEndPoint! }, cancel.Token);
        byte[] buffer = new byte[2000];
        int bytes = (await nobody.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0))).ReceivedBytes;
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connect);
        return buffer[..bytes];
    }

    // Of an Initial packet: behind the two ids stands the length of the token.
    private static bool HasToken(byte[] datagram)
    {
        if ((datagram[0] & 0xB0) != 0x80)
        {
            return false;
        }

        int scidAt = 6 + datagram[5];
        return datagram[scidAt + 1 + datagram[scidAt]] != 0;
    }
}
