using System.Globalization;
using System.Net.Sockets;
using Vitrine.Interop;
using Vitrine.Transports.Quic;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Alone: what the process holds is measured.</summary>
[CollectionDefinition(nameof(QuicFuzzTests), DisableParallelization = true)]
public class QuicFuzzCollection;

/// <summary>Bad datagrams, in both directions. VITRINE_FUZZ_SECONDS makes it longer, VITRINE_FUZZ_SEED another one.</summary>
[Collection(nameof(QuicFuzzTests))]
public class QuicFuzzTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(double.Parse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SECONDS") ?? "3", CultureInfo.InvariantCulture));
    private static readonly int s_seed = int.Parse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SEED") ?? "20", CultureInfo.InvariantCulture);

    // Connections through a relay, which keeps what it has seen, and a port for each of its clients: the machine has 28,000.
    private const int RelayedMax = 200;

    // Every datagram of real connections may arrive changed as well: doubled, cut, with other bits, or as another's.
    [QuicFact]
    public async Task ChangedDatagramsBothWays_HonestConnectionsWork_NothingStays()
    {
        await using QuicPair pair = new(
            server => server with { HandshakeTimeout = TimeSpan.FromSeconds(8) },
            client => client with { HandshakeTimeout = TimeSpan.FromMinutes(2), IdleTimeout = TimeSpan.FromMinutes(2) });
        Task serve = EchoServer.RunAsync(pair.Listener);
        using Socket attacker = UdpRelay.Bind();
        Random random = new(s_seed);
        Random sizes = new(s_seed); // the relay has a thread of its own
        List<byte[]> corpus = [];
        byte[] last = [1];
        long started = Environment.TickCount64;
        int rounds = 0;
        Queue<UdpRelay> relays = []; // the one before hands on how its last connections ended
        do
        {
            if (relays.Count == 2)
            {
                await relays.Dequeue().DisposeAsync();
            }

            UdpRelay relay = new(pair.Listener.LocalEndPoint) { ToServer = Attack };
            relays.Enqueue(relay);
            for (int i = 0; i < RelayedMax && (i == 0 || Environment.TickCount64 - started < s_time.TotalMilliseconds); i++, rounds++)
            {
                await EchoAsync(relay);
            }
        }
        while (Environment.TickCount64 - started < s_time.TotalMilliseconds);

        await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { Connections: 0, BufferBytes: 0, HandshakesInProgress: 0 } && pair.Client.Loop.Blocks.Rented == 0);
        output.WriteLine($"seed {s_seed}: {rounds} connections, {pair.Listener.GetStatistics()}");
        foreach (UdpRelay relay in relays)
        {
            await relay.DisposeAsync();
        }

        await pair.DisposeAsync();
        await serve;

        bool Attack(byte[] datagram)
        {
            // Of what has arrived already: who delivers a copy of a first packet before the packet itself can keep anybody out.
            for (int i = 0; i < 4; i++)
            {
                byte[] changed = Change(random, corpus.Count == 0 || random.Next(2) == 0 ? last : corpus[random.Next(corpus.Count)]);
                _ = attacker.SendTo(changed, pair.Listener.LocalEndPoint);
            }

            last = datagram;
            if (corpus.Count < 500)
            {
                corpus.Add(datagram);
            }

            return true;
        }

        async Task EchoAsync(UdpRelay relay)
        {
            long begun = Environment.TickCount64;
            byte[] message = QuicPair.RandomBytes(sizes.Next(1, 20_000), rounds);
            try
            {
                await using QuicConnection connection = await pair.Client.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
                await using QuicStream stream = await connection.OpenStreamAsync();
                await stream.WriteAsync(message, isFinal: true);
                byte[] answer = await QuicPair.ReadAllAsync(stream);
                Assert.True(message.AsSpan().SequenceEqual(answer));
            }
            catch (QuicClosedException closed)
            {
                // After 8 s: its handshake took longer than the server waits, on a machine that had no time for them.
                Assert.Fail($"seed {s_seed}, connection {rounds}, after {Environment.TickCount64 - begun} ms: {closed.Reason}\n{pair.Listener.GetStatistics()}");
            }
        }
    }

    // A client whose server's datagrams are changed on the way: it connects, or it fails with a reason; it never takes other bytes.
    [QuicFact]
    public async Task ChangedAnswers_ClientConnectsOrSaysWhy()
    {
        await using QuicPair pair = new(client: client => client with { HandshakeTimeout = TimeSpan.FromSeconds(1), IdleTimeout = TimeSpan.FromSeconds(1) });
        Task serve = EchoServer.RunAsync(pair.Listener);
        Random random = new(s_seed);
        long started = Environment.TickCount64;
        int rounds = 0;
        int closed = 0;
        do
        {
            await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
            relay.ToClient = Disturb;
            for (int i = 0; i < RelayedMax && (i == 0 || Environment.TickCount64 - started < s_time.TotalMilliseconds); i++, rounds++)
            {
                await EchoAsync(relay);
            }
        }
        while (Environment.TickCount64 - started < s_time.TotalMilliseconds);

        await using (QuicConnection last = await pair.Client.ConnectAsync(pair.To))
        {
            Assert.Equal(QuicPair.Protocol, last.Protocol);
        }

        output.WriteLine($"seed {s_seed}: {rounds} connections, {closed} closed");
        await pair.DisposeAsync();
        await serve;

        bool Disturb(byte[] datagram)
        {
            if (random.Next(4) == 0)
            {
                datagram[random.Next(datagram.Length)] ^= (byte)(1 << random.Next(8));
            }

            return true;
        }

        async Task EchoAsync(UdpRelay relay)
        {
            try
            {
                await using QuicConnection connection = await pair.Client.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
                await using QuicStream stream = await connection.OpenStreamAsync();
                byte[] message = QuicPair.RandomBytes(5000, 7);
                await stream.WriteAsync(message, isFinal: true);
                byte[] answer = await QuicPair.ReadAllAsync(stream);
                Assert.True(message.AsSpan().SequenceEqual(answer));
            }
            catch (QuicClosedException)
            {
                closed++; // with a reason
            }
        }
    }

    // Half of them break off after their first flight; what they cost is given back. 100,000 with VITRINE_FUZZ_HANDSHAKES.
    [QuicFact]
    public async Task Handshakes_HalfOfThemBroken_NoGrowth()
    {
        int count = int.Parse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_HANDSHAKES") ?? "300", CultureInfo.InvariantCulture);
        await using QuicPair pair = new(server => server with { HandshakeTimeout = TimeSpan.FromMilliseconds(500), HandshakesMax = 100_000, Retry = QuicRetryPolicy.Never });
        Task serve = EchoServer.RunAsync(pair.Listener);
        await RunAsync(count / 3); // pools and code find their size
        long nativeBefore = Native();
        await RunAsync(count);
        long growth = Native() - nativeBefore;
        Assert.InRange(growth, long.MinValue, 2 << 20); // of some KiB each, 300 or 100,000 of them
        await pair.DisposeAsync();
        await serve;

        async Task RunAsync(int handshakes)
        {
            for (int done = 0; done < handshakes; done += 20)
            {
                await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
                {
                    if (i % 2 == 0)
                    {
                        await using QuicConnection connection = await pair.Client.ConnectAsync(pair.To);
                        return;
                    }

                    await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
                    relay.ToClient = _ => false;
                    using CancellationTokenSource cancel = new();
                    Task<QuicConnection> connect = pair.Client.ConnectAsync(pair.To with { EndPoint = relay.EndPoint }, cancel.Token);
                    await QuicPair.UntilAsync(() => relay.AllSent().Length > 0);
                    await cancel.CancelAsync();
                    await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connect);
                }));
            }

            await QuicPair.UntilAsync(() => pair.Listener.GetStatistics() is { Connections: 0, ConnectionsClosing: 0, HandshakesInProgress: 0 } && pair.Client.Loop.ConnectionCount == 0);
        }

        static long Native()
        {
            MallocInformation heap = LibC.mallinfo2();
            return (long)(heap.UsedBytes + heap.MappedBytes);
        }
    }

    private static byte[] Change(Random random, byte[] datagram)
    {
        byte[] changed = [.. datagram];
        for (int changes = random.Next(4); changes >= 0; changes--)
        {
            switch (random.Next(5))
            {
                case 0:
                    changed[random.Next(changed.Length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    changed[random.Next(Math.Min(changed.Length, 60))] = (byte)random.Next(256); // the header
                    break;
                case 2:
                    Array.Resize(ref changed, random.Next(1, changed.Length + 1));
                    break;
                case 3:
                    Array.Resize(ref changed, Math.Min(changed.Length + random.Next(300), 1500));
                    break;
                default:
                    random.NextBytes(changed.AsSpan(random.Next(changed.Length)));
                    break;
            }
        }

        return changed;
    }
}
