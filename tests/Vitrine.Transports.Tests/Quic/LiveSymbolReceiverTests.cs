using System.Diagnostics;
using System.Globalization;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public sealed class LiveSymbolReceiverTests : IDisposable
{
    private readonly LiveSymbolReceiver _receiver = new();

    public void Dispose() => _receiver.Dispose();

    [Fact]
    public void AnyEnoughSymbols_ThePacketOnce()
    {
        Random random = new(1);
        for (uint unit = 0; unit < 200; unit++)
        {
            byte[] packet = new byte[random.Next(40, 40_000)];
            random.NextBytes(packet);
            int sources = 1 + (packet.Length / 1100), repairs = 1 + (sources / 2);
            byte[][] datagrams = [.. Datagrams(packet, sources, repairs, unit, unit + 7).OrderBy(_ => random.Next())];
            int taken = 0;
            for (int i = 0; i < datagrams.Length; i++)
            {
                Assert.True(_receiver.TryAdd(datagrams[i], out uint number, out PooledBuffer? whole));
                Assert.Equal(i == sources - 1, whole is not null);
                if (whole is not null)
                {
                    taken++;
                    Assert.Equal(unit, number);
                    Assert.True(VariableInteger.TryRead(whole.Written.Span, out ulong after, out int at));
                    Assert.Equal(unit + 7ul, after);
                    Assert.True(whole.Written.Span[at..].SequenceEqual(packet));
                    whole.Clear();
                }

                Assert.Null(Add(datagrams[i])); // twice says nothing new
            }

            Assert.Equal(1, taken);
        }

        Assert.InRange(_receiver.Repaired, 150, 200);
    }

    [Fact]
    public void MoreUnitsThanItHolds_TheOldestIsGivenUp()
    {
        byte[][] first = Datagrams(new byte[3000], 3, 0, 0, 1);
        Assert.Null(Add(first[0]));
        for (uint unit = 1; unit <= LiveSymbolReceiver.UnitsMax; unit++)
        {
            Assert.Null(Add(Datagrams(new byte[3000], 3, 0, unit, 1)[0]));
        }

        Assert.Equal(1, _receiver.GivenUp);
        Assert.Null(Add(first[1]));
        Assert.Null(Add(first[2]));
    }

    [Fact]
    public void CameAnotherWay_WhatIsLateBeginsNothing()
    {
        byte[][] before = Datagrams(new byte[3000], 3, 0, 1, 1), after = Datagrams(new byte[3000], 3, 0, 2, 1);
        Assert.Null(Add(before[0]));
        _receiver.Forget(1);
        _receiver.Forget(2);
        Assert.All([.. before, .. after], datagram => Assert.Null(Add(datagram)));
    }

    [Fact]
    public void SymbolsThatContradictEachOther_TheFirstCounts()
    {
        byte[] packet = new byte[3000], other = new byte[2000];
        byte[][] datagrams = Datagrams(packet, 3, 1, 1, 1), wrong = Datagrams(other, 2, 1, 1, 1);
        Assert.Null(Add(datagrams[0]));
        Assert.All(wrong, datagram => Assert.Null(Add(datagram)));
        Assert.Null(Add(datagrams[3]));
        PooledBuffer? whole = Add(datagrams[1]);
        Assert.NotNull(whole);
        Assert.True(whole.Written.Span[1..].SequenceEqual(packet));
        whole.Clear();
    }

    [Fact]
    public void AnyBytes_NeverMoreThanWhatTheirHeadTells()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SEED"), CultureInfo.InvariantCulture, out int given) ? given : 1;
        double seconds = double.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out double asked) ? asked : 0.5;
        Random random = new(seed);
        long complete = 0, begun = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begun).TotalSeconds < seconds || complete < 100)
        {
            byte[] packet = new byte[random.Next(40, 5000)];
            foreach (byte[] datagram in Datagrams(packet, random.Next(1, 6), random.Next(4), (uint)random.Next(3000), 1))
            {
                for (int changes = random.Next(3) == 0 ? random.Next(4) : 0; changes > 0; changes--)
                {
                    datagram[random.Next(Math.Min(datagram.Length, 2 * LiveSymbol.HeadBytes))] = (byte)random.Next(256);
                }

                byte[] cut = random.Next(10) == 0 ? datagram[..random.Next(datagram.Length)] : datagram;
                if (Add(cut) is { } whole)
                {
                    complete++;
                    Assert.True(VariableInteger.TryRead(whole.Written.Span, out _, out int at));
                    Assert.Equal(LiveSymbol.TryRead(cut, out LiveSymbol head) ? head.PacketBytes : 0, whole.Count - at);
                    whole.Clear();
                }
            }
        }
    }

    // What is no symbol brings nothing.
    private PooledBuffer? Add(byte[] datagram) => _receiver.TryAdd(datagram, out _, out PooledBuffer? whole) ? whole : null;

    private static byte[][] Datagrams(byte[] packet, int sources, int repairs, uint unit, ulong after)
    {
        LiveSymbol head = new(0, sources, packet.Length, unit, after);
        int symbolBytes = head.SymbolBytes;
        byte[][] datagrams = [.. Enumerable.Range(0, sources + repairs).Select(_ => new byte[LiveSymbol.HeadBytes + symbolBytes])];
        for (int symbol = 0; symbol < datagrams.Length; symbol++)
        {
            (head with { Symbol = symbol }).Write(datagrams[symbol]);
        }

        for (int source = 0; source < sources; source++)
        {
            ReadOnlySpan<byte> part = packet.AsSpan(Math.Min(source * symbolBytes, packet.Length)..Math.Min((source + 1) * symbolBytes, packet.Length));
            part.CopyTo(datagrams[source].AsSpan(LiveSymbol.HeadBytes));
            for (int repair = 0; repair < repairs; repair++)
            {
                ErasureCode.Add(repair, source, part, datagrams[sources + repair].AsSpan(LiveSymbol.HeadBytes));
            }
        }

        return datagrams;
    }
}
