using System.Buffers;
using System.Globalization;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Quic;
using Vitrine.Wire;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Quic;

public sealed class LivePacketOrderTests(ITestOutputHelper output) : IDisposable
{
    private readonly TestTime _time = new();
    private readonly byte[] _buffer = new byte[4096];
    private LivePacketOrder? _order;
    private long _opened;

    private LivePacketOrder Order => _order ??= new(new NoTimers(_time));

    public void Dispose() => _order?.Dispose();

    [Fact]
    public void VideoBeforeItsTiles_WaitsForThem()
    {
        Offer(LivePackets.Hello());
        Complete(Open(), 2, LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true));
        Assert.Equal("Hello 0", Take());
        Assert.Null(Take());
        Offer(LivePackets.Tiles(1, true));
        Assert.Equal("Tiles 1+", Take());
        Assert.Equal("Video 1 #1", Take());
        Assert.Null(Take());
    }

    [Fact]
    public void UnitsOutOfOrder_InOrderOfTheirChain()
    {
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        long first = Open(), second = Open(), third = Open();
        Complete(third, 1, LivePackets.Video(3, false, 1, 1, 3));
        Complete(second, 1, LivePackets.Video(2, false, 1, 1, 2));
        Assert.Null(Take());
        Complete(first, 1, LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true));
        Assert.Equal(["Video 1 #1", "Video 2 #2", "Video 3 #3"], TakeAll());
    }

    [Fact]
    public void KeyFrame_NeedsNoneAndMakesTheOlderStale()
    {
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        long first = Open(), second = Open(), key = Open();
        Complete(second, 1, LivePackets.Video(2, false, 1, 1, 2));
        Complete(key, 1, LivePackets.Video(3, false, 1, 1, 3, isKeyFrame: true));
        Assert.Equal("Video 3 #3", Take());
        Complete(first, 1, LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true));
        Assert.Null(Take());
        Assert.Equal((0, 2L), (Order.UnitCount, Order.Dropped));
    }

    [Fact]
    public void LostUnit_TheNextWaitsForItAWhile()
    {
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        Complete(9, 1, LivePackets.Video(2, false, 1, 1, 2));
        Complete(8, 1, LivePackets.Video(2, false, 2, 1, 1, isKeyFrame: true));
        Assert.Equal("Video 2 #1", Take()); // another region
        Assert.Null(Take());
        _time.Advance(TimeSpan.FromMilliseconds(LivePacketOrder.ChainMilliseconds));
        Assert.Equal("Video 2 #2", Take()); // the decoder asks for a key frame
        Complete(7, 1, LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true));
        Assert.Null(Take());
        Assert.Equal((0, 1L), (Order.UnitCount, Order.Dropped));
    }

    [Fact]
    public void VideoThatIsLate_TilesGoOnAndNoFrameIsTorn()
    {
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        long video = Open();
        Offer(LivePackets.Tiles(1, true));
        Assert.Equal("Tiles 1+", Take());
        Offer(LivePackets.Tiles(2, true));
        Assert.Null(Take()); // frame 1 waits for its video
        _time.Advance(TimeSpan.FromMilliseconds(LivePacketOrder.LateMilliseconds));
        Assert.Equal("Tiles 2+", Take());
        Assert.Equal(1, Order.Overtaken);
        Complete(video, 2, LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true));
        Assert.Equal("Video 2+ #1", Take()); // the tiles of frame 2 are not all there
        Offer(LivePackets.Tiles(2, false));
        Assert.Equal("Tiles 2", Take());
    }

    [Fact]
    public void VideoAfterItsFrameHasPassed_ShownByItself()
    {
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        long first = Open(), second = Open();
        Offer(LivePackets.Tiles(2, false));
        Assert.Equal("Tiles 2", Take());
        Complete(first, 1, LivePackets.Video(1, true, 1, 1, 1, isKeyFrame: true));
        Complete(second, 1, LivePackets.Video(1, false, 2, 2, 1, isKeyFrame: true));
        Assert.Equal(["Video 2 #1", "Video 2 #1"], TakeAll());
    }

    [Fact]
    public void TwoWays_OnlyOneCounts()
    {
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        Complete(1, 1, LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true));
        Complete(1, 1, LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true));
        Complete(2, 1, LivePackets.Video(2, false, 1, 1, 2));
        Assert.Equal(["Video 1 #1", "Video 2 #2"], TakeAll());
        Complete(2, 1, LivePackets.Video(2, false, 1, 1, 2));
        Assert.Null(Take());
        Assert.Equal((0, 2L), (Order.UnitCount, Order.Dropped));
    }

    [Fact]
    public void NobodyTakes_SoManyUnitsAreHeld()
    {
        for (uint i = 1; i <= LivePacketOrder.UnitsWithoutStreamMax + 10; i++)
        {
            Complete(i, 1, LivePackets.Video(i, false, 1, 1, i, isKeyFrame: i == 1));
        }

        Assert.Equal((LivePacketOrder.UnitsWithoutStreamMax, 10L), (Order.UnitCount, Order.Dropped));
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        Assert.Equal(LivePacketOrder.UnitsWithoutStreamMax, TakeAll().Count);
        Complete(5000, 1, LivePackets.Video(5000, false, 1, 1, 5000, isKeyFrame: true));
        Assert.Equal("Video 5000 #5000", Take());
    }

    [Fact]
    public void CursorPositions_TheNewestOnlyOnWhicheverWay()
    {
        Order.OfferDatagram(LivePackets.Position(1, 10));
        Assert.Null(Take()); // before the greeting nothing has a meaning
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        Order.OfferDatagram(LivePackets.Position(3, 30));
        Order.OfferDatagram(LivePackets.Position(2, 20));
        Assert.Equal("CursorPosition 0", Take());
        Assert.Equal(3, BitConverter.ToInt32(_buffer, PacketHeader.SizeBytes));
        Assert.Null(Take());
        Offer(LivePackets.Position(3, 30)); // repeated in order: it had arrived
        Assert.Null(Take());
        Offer(LivePackets.Position(4, 40));
        Assert.Equal("CursorPosition 0", Take());
        Order.OfferDatagram(LivePackets.Position(3, 30));
        Assert.Null(Take());
    }

    /// <summary>Hosts that send anything, networks that lose, delay and reorder video as they like: VITRINE_FUZZ_SEED makes it another run.</summary>
    [Fact]
    public void AnyLossAndOrder_TilesExactChainsWholeFramesNeverTorn()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SEED"), CultureInfo.InvariantCulture, out int given) ? given : 1;
        long units = 0, dropped = 0, overtaken = 0;
        for (int run = 0; run < 300; run++)
        {
            Run(new Random(seed + run), ref units, ref dropped, ref overtaken);
        }

        output.WriteLine($"{units} units, {dropped} dropped, {overtaken} frames overtaken");
        Assert.True(units > 0 && dropped > 0 && overtaken > 0);
    }

    [Fact]
    public void AnyBytes_IgnoredOrRefused()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SEED"), CultureInfo.InvariantCulture, out int given) ? given : 1;
        Random random = new(seed);
        Offer(LivePackets.Hello());
        Assert.Equal("Hello 0", Take());
        int accepted = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] packet = random.Next(3) switch { 0 => LivePackets.Position(i, i), 1 => LivePackets.Video((uint)i, false, 1, 1, (uint)i), _ => new byte[random.Next(80)] };
            byte[] bytes = [.. new byte[] { 1 }, .. packet];
            for (int changes = random.Next(4); changes > 0 && bytes.Length > 1; changes--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            Order.OfferDatagram(bytes.AsSpan(1));
            PooledBuffer buffer = new(4096);
            buffer.Write(bytes.AsSpan(0, random.Next(3) == 0 ? random.Next(bytes.Length + 1) : bytes.Length));
            if (Order.TryAdd(Open(), null, buffer))
            {
                accepted++;
            }
            else
            {
                buffer.Clear();
            }

            while (Take() is not null)
            {
            }

            if (Order.UnitCount > 0)
            {
                Order.Dispose(); // it waits for packets that nobody sent
                _order = null;
                Offer(LivePackets.Hello());
                Assert.Equal("Hello 0", Take());
            }
        }

        Assert.True(accepted > 100);
    }

    private static void Run(Random random, ref long units, ref long dropped, ref long overtaken)
    {
        // What is sent: a unit knows how many ordered packets went before it.
        List<byte[]> ordered = [LivePackets.Hello()];
        List<(ulong After, byte[] Packet, bool IsLost, int Delay)> video = [];
        Dictionary<uint, int> lastOrdered = []; // of a frame
        uint number = 0;
        for (uint frame = 1; frame <= 40; frame++)
        {
            int tiles = random.Next(3), count = random.Next(3);
            if (tiles + count == 0)
            {
                tiles = 1;
            }

            for (int i = 0; i < tiles; i++)
            {
                ordered.Add(LivePackets.Tiles(frame, i + 1 < tiles || count > 0));
                lastOrdered[frame] = ordered.Count;
            }

            for (int i = 0; i < count; i++)
            {
                number++;
                video.Add(((ulong)ordered.Count, LivePackets.Video(frame, i + 1 < count, 7, 1, number, number == 1 || random.Next(8) == 0), random.Next(20) == 0, random.Next(6) == 0 ? random.Next(30) : 0));
            }
        }

        TestTime time = new();
        using LivePacketOrder order = new(new NoTimers(time));
        byte[] buffer = new byte[4096];
        int offered = 0, taken = 0;
        uint chain = 0;
        List<(int Step, int Unit)> arrivals = [.. video.Select((unit, i) => (Step: (int)unit.After + unit.Delay, i)).OrderBy(arrival => arrival.Step).ThenBy(_ => random.Next())];
        int last = (ordered.Count * 5) + 100;
        for (int step = 0; step < last; step++)
        {
            if (step == last - 10)
            {
                time.Advance(TimeSpan.FromMilliseconds(LivePacketOrder.ChainMilliseconds)); // what waits for lost units goes on
            }

            foreach ((_, int unit) in arrivals.Where(arrival => arrival.Step == step))
            {
                if (video[unit].IsLost)
                {
                    order.NoteLost();
                    continue;
                }

                Assert.True(order.TryAdd(unit, null, Unit(video[unit].After, video[unit].Packet)));
            }

            ValueTask offer = default;
            if (offered == taken && offered < ordered.Count)
            {
                offer = order.OfferAsync(ordered[offered++]);
            }

            while (TryTake(order, buffer, out int count))
            {
                Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(buffer.AsSpan(0, count), out PacketHeader header));
                if (header.Type == PacketType.Video)
                {
                    uint unit = BitConverter.ToUInt32(buffer, PacketHeader.SizeBytes + 24);
                    Assert.True(unit > chain, "units never go back");
                    Assert.True(video[(int)unit - 1].After <= (ulong)taken, "tiles come before their video");
                    chain = unit;
                }
                else
                {
                    Assert.True(ordered[taken].AsSpan().SequenceEqual(buffer.AsSpan(0, count)), "what must not be lost comes as it was sent");
                    taken++;
                }

                if (header.Type != PacketType.Hello && (header.Flags & PacketFlags.More) == 0)
                {
                    // Whoever looks now sees whole frames: all tiles up to some frame, and none after it.
                    Assert.True(taken == 1 || lastOrdered.ContainsValue(taken), $"torn within a frame after {taken} packets");
                }
            }

            Assert.True(offer.IsCompleted || offered == taken + 1);
            time.Advance(TimeSpan.FromMilliseconds(random.Next(15)));
        }

        Assert.Equal(ordered.Count, taken);
        Assert.Equal(0, order.UnitCount);
        units += video.Count;
        dropped += order.Dropped;
        overtaken += order.Overtaken;
    }

    private static bool TryTake(LivePacketOrder order, byte[] into, out int bytes)
    {
        bool isTaken = order.TryTakeNow(into, out PacketReceived received);
        bytes = received.Bytes;
        Assert.True(!isTaken || received.Status == PacketReceiveStatus.Packet);
        return isTaken;
    }

    private long Open() => _opened++;

    private void Offer(byte[] packet)
    {
        ValueTask offer = Order.OfferAsync(packet);
        Assert.False(offer.IsCompleted); // until it is taken
    }

    private void Complete(long unit, ulong after, byte[] packet) => Assert.True(Order.TryAdd(unit, null, Unit(after, packet)));

    private static PooledBuffer Unit(ulong after, byte[] packet)
    {
        PooledBuffer bytes = new(4096);
        bytes.Advance(VariableInteger.Write(bytes.GetSpan(VariableInteger.BytesMax), after));
        bytes.Write(packet);
        return bytes;
    }

    private string? Take() => TryTake(Order, _buffer, out int bytes) ? LivePackets.Describe(_buffer.AsSpan(0, bytes)) : null;

    private List<string> TakeAll()
    {
        List<string> all = [];
        while (Take() is { } one)
        {
            all.Add(one);
        }

        return all;
    }

    /// <summary>The test looks itself when time has passed.</summary>
    private sealed class NoTimers(TestTime time) : TimeProvider
    {
        public override long TimestampFrequency => time.TimestampFrequency;

        public override long GetTimestamp() => time.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Never();

        private sealed class Never : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => default;
        }
    }
}
