using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Vitrine.Frames;
using Xunit.Abstractions;

namespace Vitrine.Wire.Tests;

/// <summary>Every parser against changed vectors: a status and nothing else, whatever comes. VITRINE_FUZZ_SECONDS makes it
/// longer (3 otherwise), VITRINE_FUZZ_SEED makes it another run.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    // A topology of 64 monitors with the longest names, twice over.
    private const long AllocatedBytesMax = 48 << 10;

    [Fact]
    public void ChangedBytes_StatusOnlyAndBoundedMemory()
    {
        List<byte[]> corpus = [];
        foreach (string file in Vectors.Files)
        {
            JsonObject vectors = Vectors.Load(file);
            corpus.AddRange(Vectors.All(vectors, "valid").Concat(Vectors.All(vectors, "malformed")).Select(vector => Vectors.Bytes((string)vector["hex"]!)));
        }

        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0, accepted = 0, allocatedMax = 0;
        ParseAll([], ref accepted); // first calls allocate
        while (watch.Elapsed < Mutator.Duration)
        {
            byte[] input = mutator.Mutate(corpus[mutator.Next(corpus.Count)], corpus[mutator.Next(corpus.Count)]);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                ParseAll(input, ref accepted);
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
            }

            allocatedMax = Math.Max(allocatedMax, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.True(allocatedMax <= AllocatedBytesMax, $"seed {Mutator.Seed}, input {inputs}: {allocatedMax} bytes allocated\n{Convert.ToHexString(input)}");
            inputs++;
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{inputs} inputs, {accepted} messages accepted, at most {allocatedMax} bytes allocated for one"));
        Assert.True(accepted > 0);
    }

    /// <summary>All parsers see all inputs: a peer chooses the type.</summary>
    private static void ParseAll(byte[] input, ref long accepted)
    {
        WireStatus header = PacketHeader.TryRead(input, out PacketHeader read);
        Assert.InRange((int)header, 0, 3);
        Assert.True(header != WireStatus.Ok || read.PayloadBytes is >= 0 and <= PacketHeader.PayloadBytesMaxToViewer);
        Count(header, ref accepted);
        Count(PacketHeader.TryRead(input, out _, PacketHeader.PayloadBytesMaxToHost), ref accepted);
        Count(HelloMessage.TryRead(input, out _), ref accepted);
        Count(TopologyMessage.TryRead(input, out _), ref accepted);
        Count(CursorShapeMessage.TryRead(input, out _), ref accepted);
        Count(CursorPositionMessage.TryRead(input, out _), ref accepted);
        Count(ClockReply.TryRead(input, out _), ref accepted);
        Count(StatisticsMessage.TryRead(input, out _), ref accepted);
        Count(Goodbye.TryRead(input, out _), ref accepted);
        Count(ViewerHello.TryRead(input, out _), ref accepted);
        Count(Presented.TryRead(input, out _), ref accepted);
        Count(ClockRequest.TryRead(input, out _), ref accepted);
        Count(Select.TryRead(input, out _), ref accepted);
        Count(Refresh.TryRead(input, out _), ref accepted);
        Count(KeyFrameRequest.TryRead(input, out _), ref accepted);
        Count(CapabilitiesMessage.TryRead(input, out _), ref accepted);
        foreach (DeviceSize size in (ReadOnlySpan<DeviceSize>)[new(1, 1), new(130, 70), new(800, 600), new(32767, 2)])
        {
            WireStatus tiles = TilesReader.TryRead(input, size, out TilesReader reader);
            int count = 0;
            while (tiles == WireStatus.Ok && reader.TryReadNext(out TileRecord tile))
            {
                count++;
                Assert.True(!tile.Bounds.IsEmpty && DeviceRectangle.Of(size).Contains(tile.Bounds));
            }

            Assert.True(count <= input.Length / 9);
            Count(tiles == WireStatus.Ok ? reader.Status : tiles, ref accepted);
            WireStatus copies = CopyReader.TryRead(input, size, out CopyReader copyReader);
            Count(copies, ref accepted);
            while (copyReader.TryReadNext(out CopyRecord copy))
            {
                Assert.True(DeviceRectangle.Of(size).Contains(copy.Source) && DeviceRectangle.Of(size).Contains(copy.DestinationBounds));
            }

            Count(RegionsReader.TryRead(input, size, out RegionsReader regions), ref accepted);
            int covered = 0;
            while (regions.TryReadNext(out RegionRecord region))
            {
                Assert.True(DeviceRectangle.Of(size).Contains(region.Bounds));
                DeviceRectangle touched = RegionRecord.TilesOf(region.Bounds);
                covered += region.Covers(touched.Right - 1, touched.Bottom - 1) ? 1 : 0;
            }

            Assert.InRange(covered, 0, RegionsReader.RegionsMax);
            WireStatus video = VideoPacket.TryRead(input, size, out VideoPacket packet);
            Count(video, ref accepted);
            Assert.True(video != WireStatus.Ok || (packet.Data.Length > 0 && DeviceRectangle.Of(size).Contains(packet.Head.Bounds)));
        }
    }

    private static void Count(WireStatus status, ref long accepted) => accepted += status == WireStatus.Ok ? 1 : 0;
}
