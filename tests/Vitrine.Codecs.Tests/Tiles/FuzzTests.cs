using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;
using Vitrine.Wire.Tests;
using Xunit.Abstractions;

namespace Vitrine.Codecs.Tests.Tiles;

/// <summary>The decoder against changed packets of a real encoder and changed vectors: a status, no exception, no memory.
/// VITRINE_FUZZ_SECONDS makes it longer, VITRINE_FUZZ_SEED makes it another run.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    [Fact]
    public void ChangedPackets_StatusOnlyAndNoAllocation()
    {
        DeviceSize size = new(300, 200);
        List<byte[]> corpus = [.. RealPackets(size)];
        foreach (string file in new[] { "tiles", "copy" })
        {
            JsonObject vectors = Vectors.Load(file);
            corpus.AddRange(Vectors.All(vectors, "valid").Select(vector => Packet(vectors, Vectors.Bytes((string)vector["hex"]!))));
        }

        using TileDecoder decoder = new();
        decoder.Reset(size, 1);
        foreach (byte[] packet in corpus)
        {
            Apply(decoder, packet);
        }

        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0;
        long[] outcomes = new long[3];
        while (watch.Elapsed < Mutator.Duration)
        {
            byte[] input = mutator.Mutate(corpus[mutator.Next(corpus.Count)], corpus[mutator.Next(corpus.Count)]);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                outcomes[(int)Apply(decoder, input)]++;
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
            }

            if (GC.GetAllocatedBytesForCurrentThread() != before)
            {
                // The run time itself allocates when it first takes a path or compiles it anew; a decoder that did would do so again.
                before = GC.GetAllocatedBytesForCurrentThread();
                Apply(decoder, input);
                long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(allocated == 0, $"seed {Mutator.Seed}, input {inputs}: {allocated} bytes allocated\n{Convert.ToHexString(input)}");
            }

            inputs++;
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{inputs} inputs: {outcomes[0]} applied, {outcomes[1]} skipped, {outcomes[2]} malformed"));
        Assert.True(outcomes[0] > 0 && outcomes[2] > 0);
    }

    private static DecodeStatus Apply(TileDecoder decoder, byte[] packet)
    {
        // What a transport does: the header's length is whatever came, so that damage within the payload is reached.
        if (PacketHeader.TryRead(packet, out PacketHeader header) != WireStatus.Ok)
        {
            return DecodeStatus.Skipped;
        }

        ReadOnlySpan<byte> payload = packet.AsSpan(PacketHeader.SizeBytes);
        return decoder.Apply(header with { PayloadBytes = payload.Length }, payload);
    }

    private static byte[] Packet(JsonObject vectors, byte[] payload)
    {
        byte[] packet = new byte[PacketHeader.SizeBytes + payload.Length];
        new PacketHeader((PacketType)(int)vectors["type"]!, PacketFlags.None, 0, payload.Length, 1, 1, 1).Write(packet);
        payload.CopyTo(packet.AsSpan(PacketHeader.SizeBytes));
        return packet;
    }

    private static List<byte[]> RealPackets(DeviceSize size)
    {
        List<byte[]> packets = [];
        using PaintedScreen screen = new(size, 4);
        using TileStore store = new(size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using TileSnapshot snapshot = new();
        byte[] buffer = new byte[TileSnapshot.PacketBytesMax];
        screen.Text(DeviceRectangle.Of(size), 1);
        uint since = 0;
        for (int i = 0; i < 12; i++)
        {
            using (FrameLease lease = screen.Take())
            {
                encoder.Encode(lease);
            }

            if (store.TakeSnapshot(snapshot, since, DeviceRectangle.Of(size)) == SnapshotStatus.Ready)
            {
                while (snapshot.TryWriteNextPacket(buffer, 1, out int bytes))
                {
                    packets.Add(buffer[..bytes]);
                }
            }

            since = snapshot.Sequence;
            if (i % 3 == 0)
            {
                screen.ScrollUp(DeviceRectangle.Of(size), 16);
            }
            else
            {
                screen.DoSomething();
            }
        }

        Assert.Contains(packets, packet => packet[3] == (byte)PacketType.Copy);
        return packets;
    }
}
