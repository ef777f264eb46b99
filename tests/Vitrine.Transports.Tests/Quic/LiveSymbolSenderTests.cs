using System.Threading.Channels;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public sealed class LiveSymbolSenderTests
{
    private static readonly LiveUnitHead s_about = new(7, 3, 1, 2, 9);

    [QuicFact]
    public async Task NoLosses_ForAStream()
    {
        await using QuicPair pair = new();
        (_, QuicConnection server) = await pair.ConnectAsync();
        using LiveSymbolSender sender = new(server, TimeProvider.System);
        Assert.False(sender.TrySend(QuicPair.RandomBytes(5000), s_about));
    }

    [QuicFact]
    public async Task Room_FollowsTheWindowDownAtOnceAndUpSlowly()
    {
        await using QuicPair pair = new();
        (_, QuicConnection server) = await pair.ConnectAsync();
        using LiveSymbolSender sender = new(server, TimeProvider.System);
        Assert.Null(sender.RoomBitsPerSecond);
        sender.NoteRoom(100_000, 200_000_000, 2);
        Assert.Equal(2_000_000, sender.RoomBitsPerSecond);
        sender.NoteRoom(13_000, 160_000_000, 2);
        Assert.Equal(325_000, sender.RoomBitsPerSecond);
        sender.NoteRoom(1_500_000, 160_000_000, 2);
        Assert.Equal(331_500, sender.RoomBitsPerSecond);
        sender.NoteRoom(0, 160_000_000, 1);
        Assert.Null(sender.RoomBitsPerSecond);
    }

    [QuicFact]
    public async Task SymbolsArrive_PutTogetherAndNothingIsHeld()
    {
        await using QuicPair pair = new();
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        using LiveSymbolSender sender = new(server, new TestTime()); // no time passes
        using LiveSymbolReceiver receiver = new();
        Channel<(uint Number, byte[] Packet)> received = Channel.CreateUnbounded<(uint, byte[])>();
        client.Intake = datagram =>
        {
            bool isSymbol = receiver.TryAdd(datagram, out uint number, out PooledBuffer? whole);
            if (whole is not null)
            {
                received.Writer.TryWrite((number, whole.Written.ToArray()));
                whole.Clear();
            }

            return isSymbol;
        };
        sender.Loss.Note(new(1000, 0, 100));
        foreach (int bytes in new[] { 40, 1000, 1200, 50_000, 150_000 })
        {
            byte[] packet = QuicPair.RandomBytes(bytes, bytes);
            Assert.True(sender.TrySend(packet, s_about with { Number = (uint)bytes }));
            (uint number, byte[] got) = await received.Reader.ReadAsync();
            Assert.Equal(bytes, (int)number);
            Assert.Equal(3, got[0]);
            Assert.True(got.AsSpan(1).SequenceEqual(packet));
        }

        await QuicPair.UntilAsync(() => sender.UnitsHeld == 0);
        Assert.Equal(5, sender.UnitsProtected);
        Assert.Equal(QuicDatagramStatus.Queued, server.SendDatagram([1, 2]));
        Assert.Equal(2, await client.ReceiveDatagramAsync(new byte[10])); // what is no symbol waits, as ever
    }

    [QuicFact]
    public async Task NothingIsToldOfSymbols_ForAStreamAfterAWhile()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (_, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        using LiveSymbolSender sender = new(server, TimeProvider.System);
        sender.Loss.Note(new(1000, 0, 100));
        relay.ToClient = _ => false; // without any acknowledgement no loss is declared
        byte[] packet = QuicPair.RandomBytes(5000);
        Assert.True(sender.TrySend(packet, s_about));
        (PooledBuffer whole, LiveUnitHead about) = await sender.WaitForShortAsync(CancellationToken.None);
        Assert.Equal(s_about, about);
        Assert.Equal(packet, whole.Written.ToArray());
        Assert.Equal((0, 1L), (sender.UnitsHeld, sender.UnitsShort));
        whole.Clear();
    }

    [QuicFact]
    public async Task TooManyAreLost_ForAStreamBeforeThat()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (_, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        using LiveSymbolSender sender = new(server, new TestTime()); // no time passes
        sender.Loss.Note(new(1000, 0, 100));
        relay.ToClient = _ => false;
        Assert.True(sender.TrySend(QuicPair.RandomBytes(5000), s_about with { Number = 1 }));
        Assert.True(sender.TrySend(QuicPair.RandomBytes(5000), s_about with { Number = 2 }));
        IDatagramWatcher watcher = sender;
        for (int symbol = 0; symbol < 20; symbol++)
        {
            watcher.Lost(2);
        }

        (PooledBuffer whole, LiveUnitHead about) = await sender.WaitForShortAsync(CancellationToken.None);
        Assert.Equal(2u, about.Number);
        whole.Clear();
    }

    [QuicFact]
    public async Task NothingIsAcknowledged_SoManyAreHeldTheRestIsForStreams()
    {
        await using QuicPair pair = new();
        await using UdpRelay relay = new(pair.Listener.LocalEndPoint);
        (_, QuicConnection server) = await pair.ConnectAsync(pair.To with { EndPoint = relay.EndPoint });
        using LiveSymbolSender sender = new(server, TimeProvider.System);
        sender.Loss.Note(new(1000, 0, 100));
        relay.ToClient = _ => false;
        for (uint i = 0; i < LiveSymbolSender.UnitsMax; i++)
        {
            Assert.True(sender.TrySend(QuicPair.RandomBytes(100), s_about with { Number = i, Region = (ushort)(i % 2) }));
        }

        Assert.False(sender.TrySend(QuicPair.RandomBytes(100), s_about with { Number = 1000 }));
        sender.GiveUp(region => region == 1);
        Assert.Equal(LiveSymbolSender.UnitsMax / 2, sender.UnitsHeld);
        Assert.True(sender.TrySend(QuicPair.RandomBytes(100), s_about with { Number = 1001 }));
    }
}
