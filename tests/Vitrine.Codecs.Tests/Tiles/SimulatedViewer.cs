using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tests.Tiles;

/// <summary>A viewer that takes snapshots from a store through real packets.</summary>
internal sealed class SimulatedViewer : IDisposable
{
    private readonly byte[] _packet;
    private readonly TileStore _store;
    private uint _since;

    public SimulatedViewer(TileStore store, DeviceRectangle interest, int packetBytes = TileSnapshot.PacketBytesMax)
    {
        (_store, Interest, _packet) = (store, interest, new byte[packetBytes]);
        Decoder.Reset(store.Size, store.Generation);
    }

    public DeviceRectangle Interest { get; private set; }

    public TileDecoder Decoder { get; } = new();

    public TileSnapshot Snapshot { get; } = new();

    public int PacketCount { get; private set; }

    public void Select(DeviceRectangle interest) => (Interest, _since) = (interest, 0);

    /// <summary>Takes what is there, has the encoder code what is stale, applies it.</summary>
    /// <returns>Whether a frame came.</returns>
    public bool Update(TileEncoder encoder)
    {
        SnapshotStatus status = _store.TakeSnapshot(Snapshot, _since, Interest);
        if (status == SnapshotStatus.NeedsCoding)
        {
            Assert.True(_store.WantsCoding);
            Assert.True(encoder.EncodeStale() > 0);
            Assert.False(_store.WantsCoding);
            status = _store.TakeSnapshot(Snapshot, _since, Interest);
        }

        Assert.NotEqual(SnapshotStatus.NeedsCoding, status);
        _since = Snapshot.Sequence;
        return status == SnapshotStatus.Ready && Send();
    }

    /// <summary>Applies the snapshot as it is.</summary>
    public bool Send()
    {
        bool more = true, tilesBegan = false;
        while (Snapshot.TryWriteNextPacket(_packet, 7, out int bytes))
        {
            PacketCount++;
            Assert.True(more, "A packet after the last one of the frame.");
            Assert.InRange(bytes, PacketHeader.SizeBytes, Math.Min(_packet.Length, TileSnapshot.PacketBytesMax));
            Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(_packet, out PacketHeader header));
            Assert.Equal(bytes, PacketHeader.SizeBytes + header.PayloadBytes);
            Assert.False(tilesBegan && header.Type == PacketType.Copy, "Copies come first.");
            tilesBegan |= header.Type == PacketType.Tiles;
            Assert.Equal(DecodeStatus.Ok, Decoder.Apply(header, _packet.AsSpan(PacketHeader.SizeBytes, header.PayloadBytes)));
            more = (header.Flags & PacketFlags.More) != 0;
            Assert.Equal(!more, Decoder.IsFrameComplete);
            Assert.Equal(Snapshot.Sequence, Decoder.LastSequence);
        }

        Assert.False(more);
        Snapshot.Release();
        return true;
    }

    public void AssertShows(PaintedScreen screen) =>
        Assert.Null(screen.FirstDifference(Decoder.Picture, Interest.Intersect(DeviceRectangle.Of(screen.Size))));

    public void Dispose()
    {
        Snapshot.Dispose();
        Decoder.Dispose();
    }
}
