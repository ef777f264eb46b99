using System.Diagnostics;
using System.Globalization;
using Vitrine.Codecs.Regions;
using Vitrine.Codecs.Tests.Tiles;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;
using Vitrine.Wire.Tests;
using Xunit.Abstractions;

namespace Vitrine.Codecs.Tests.Regions;

/// <summary>A viewer's decoder against packets of video that were changed, cut, lost, repeated and put into another order: a status,
/// no exception, and a good picture again after the next key frame. VITRINE_FUZZ_SECONDS makes it longer.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    [Fact]
    public void ChangedPackets_StatusOnlyAndThePictureComesBack()
    {
        DeviceSize size = new(320, 240);
        List<byte[]> corpus = RealPackets(size);
        StepClock clock = new();
        using PictureDecoder decoder = new(clock);
        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0, recovered = 0;
        long[] outcomes = new long[3];
        while (watch.Elapsed < Mutator.Duration)
        {
            decoder.Reset(size, 1);
            for (int i = 0; i < 40; i++)
            {
                byte[] packet = corpus[mutator.Next(corpus.Count)];
                byte[] input = mutator.Next(3) == 0 ? packet : mutator.Mutate(packet, corpus[mutator.Next(corpus.Count)]);
                try
                {
                    outcomes[(int)Apply(decoder, input)]++;
                }
                catch (Exception exception)
                {
                    Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
                }

                clock.AdvanceMs(20);
                inputs++;
            }

            while (decoder.TryTakeKeyFrameRequest(out _))
            {
            }

            // Whatever came before: what the host really sends after a key frame request is shown.
            long decoded = decoder.Counts.Decoded;
            foreach (byte[] packet in corpus)
            {
                Assert.Equal(DecodeStatus.Ok, Apply(decoder, packet));
            }

            recovered += decoder.Counts.Decoded > decoded ? 1 : 0;
            Assert.True(decoder.Counts.Decoded > decoded, $"seed {Mutator.Seed}, input {inputs}: no picture came back");
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{inputs} inputs: {outcomes[0]} applied, {outcomes[1]} skipped, {outcomes[2]} malformed; recovered {recovered} times"));
        Assert.True(outcomes[0] > 0 && outcomes[2] > 0);
    }

    private static DecodeStatus Apply(PictureDecoder decoder, byte[] packet)
    {
        if (PacketHeader.TryRead(packet, out PacketHeader header) != WireStatus.Ok)
        {
            return DecodeStatus.Skipped;
        }

        ReadOnlySpan<byte> payload = packet.AsSpan(PacketHeader.SizeBytes);
        return decoder.Apply(header with { PayloadBytes = payload.Length }, payload);
    }

    /// <summary>From before a film begins until it plays.</summary>
    private static List<byte[]> RealPackets(DeviceSize size)
    {
        List<byte[]> packets = [];
        StepClock clock = new();
        using PaintedScreen screen = new(size, 5);
        using H264EncoderSource encoders = new();
        using TileStore store = new(size, 1);
        using RegionCoder coder = new(store, clock, encoders);
        using TileSnapshot snapshot = new();
        VideoChains chains = new();
        byte[] buffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];
        uint since = 0;
        for (int frame = 0; frame < 24; frame++)
        {
            screen.Noise(new(40, 30, 200, 150));
            clock.AdvanceMs(33);
            using (FrameLease lease = screen.Take())
            {
                coder.Code(lease);
            }

            if (store.TakeSnapshot(snapshot, since, DeviceRectangle.Of(size), chains) == SnapshotStatus.Ready)
            {
                while (snapshot.TryWriteNextPacket(buffer, 7, out int bytes))
                {
                    packets.Add(buffer.AsSpan(0, bytes).ToArray());
                }
            }

            since = snapshot.Sequence;
        }

        Assert.Contains(packets, packet => packet[3] == (byte)PacketType.Video);
        return packets;
    }
}
