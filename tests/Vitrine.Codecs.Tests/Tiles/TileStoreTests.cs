using System.Diagnostics;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tests.Tiles;

public sealed class TileStoreTests
{
    private static readonly DeviceSize Size = new(800, 640);
    private static readonly DeviceRectangle All = DeviceRectangle.Of(Size);

    [Fact]
    public void BeforeFirstFrame_NothingNew()
    {
        using TileStore store = new(Size, 1, 41);
        using TileSnapshot snapshot = new();
        Assert.Equal(SnapshotStatus.NothingNew, store.TakeSnapshot(snapshot, 0, All));
        Assert.False(store.HasPicture);
        Assert.Equal(41u, store.Sequence);
        Assert.False(snapshot.TryWriteNextPacket(new byte[TileSnapshot.PacketBytesMin], 0, out _));
    }

    [Fact]
    public void NumberOfAnotherGeneration_EverythingAgain()
    {
        using PaintedScreen screen = new(Size, 1);
        using TileStore store = new(Size, 2, 41);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using TileSnapshot snapshot = new();
        Encode(screen, encoder);
        Assert.Equal(42u, store.Sequence);
        foreach (uint since in new uint[] { 0, 1, 41, 43, uint.MaxValue })
        {
            Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(snapshot, since, All));
            Assert.Equal(13 * 10, snapshot.TileCount);
            Assert.Equal(0, snapshot.OriginNs);
        }

        Assert.Equal(SnapshotStatus.NothingNew, store.TakeSnapshot(snapshot, 42, All));
    }

    [Fact]
    public void OneTileChanged_OneTileSentWithItsTimes()
    {
        using PaintedScreen screen = new(Size, 1);
        using TileStore store = new(Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using TileSnapshot snapshot = new();
        Encode(screen, encoder);
        screen.Fill(new(70, 70, 3, 3), 0xABCDEF);
        screen.Damage(new(0, 0, 300, 300)); // more than changed
        using (FrameLease lease = screen.Take())
        {
            EncodeResult result = encoder.Encode(lease);
            Assert.Equal(new TileCounts(24, 0, 1, 0, 0, 0, 0, result.Counts.Bytes), result.Counts);
            Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(snapshot, 1, All));
            Assert.Equal(1, snapshot.TileCount);
            Assert.Equal(lease.Times.OriginNs, snapshot.OriginNs);
            Assert.Equal(lease.Times.CapturedNs, snapshot.CapturedNs);
            Assert.True(snapshot.EncodedNs > 0);
        }

        Assert.Equal(SnapshotStatus.NothingNew, store.TakeSnapshot(snapshot, 1, new(128, 0, 600, 600)));
        Assert.Equal(2u, snapshot.Sequence);
        // The interest means whole tiles.
        Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(snapshot, 1, new(127, 127, 1, 1)));
    }

    [Fact]
    public void InterestOutsideThePicture_NothingNew()
    {
        using PaintedScreen screen = new(Size, 1);
        using TileStore store = new(Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using TileSnapshot snapshot = new();
        Encode(screen, encoder);
        Assert.Equal(SnapshotStatus.NothingNew, store.TakeSnapshot(snapshot, 0, new(5000, -300, 100, 100)));
        Assert.Equal(SnapshotStatus.NothingNew, store.TakeSnapshot(snapshot, 0, default));
    }

    [Fact]
    public void CopyAcrossTheInterest_CodedForThatViewerOnly()
    {
        using PaintedScreen screen = new(Size, 1);
        using TileStore store = new(Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using TileSnapshot snapshot = new();
        int wanted = 0;
        store.CodingWanted += () => wanted++;
        screen.Text(All, 3);
        Encode(screen, encoder);
        screen.ScrollUp(All, 16);
        Assert.True(Encode(screen, encoder).Counts.Copies > 0);

        DeviceRectangle half = new(0, 0, 800, 320);
        Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(snapshot, 1, All));
        Assert.True(snapshot.CopyCount > 0);
        Assert.Equal(SnapshotStatus.NeedsCoding, store.TakeSnapshot(snapshot, 1, half));
        Assert.Equal(SnapshotStatus.NeedsCoding, store.TakeSnapshot(snapshot, 1, half));
        Assert.True(store.WantsCoding);
        Assert.Equal(1, wanted);
        int tiles = encoder.EncodeStale();
        Assert.InRange(tiles, 1, 13 * 5);
        Assert.False(store.WantsCoding);
        Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(snapshot, 1, half));
        Assert.Equal(0, snapshot.CopyCount);

        // Who has the frame before still gets the copy, not the tiles that were coded for the other.
        Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(snapshot, 1, All));
        Assert.True(snapshot.CopyCount > 0);
        Assert.True(snapshot.TileCount < 30);

        // For a while such tiles are coded with their frame.
        screen.ScrollUp(All, 16);
        Assert.True(Encode(screen, encoder).Counts.Copies > 0);
        Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(snapshot, 2, half));
        Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(snapshot, 2, All));
        Assert.True(snapshot.CopyCount > 0);
        Assert.True(snapshot.TileCount < 30);
    }

    [Fact]
    public void CopyElsewhere_DoesNotConcernTheInterest()
    {
        using PaintedScreen screen = new(Size, 1);
        using TileStore store = new(Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using TileSnapshot snapshot = new();
        screen.Text(All, 3);
        Encode(screen, encoder);
        screen.ScrollUp(new(0, 320, 800, 320), 16);
        Assert.True(Encode(screen, encoder).Counts.Copies > 0);
        Assert.Equal(SnapshotStatus.NothingNew, store.TakeSnapshot(snapshot, 1, new(0, 0, 800, 320)));
    }

    [Fact]
    public void SnapshotHeldWhileScreenChanges_ShowsItsFrame()
    {
        using PaintedScreen screen = new(Size, 1);
        TileStore store = new(Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        screen.Noise(All);
        Encode(screen, encoder);
        byte[] then = System.Runtime.InteropServices.MemoryMarshal.AsBytes(screen.Pixels).ToArray();
        using SimulatedViewer viewer = new(store, All);
        Assert.Equal(SnapshotStatus.Ready, store.TakeSnapshot(viewer.Snapshot, 0, All));
        for (int i = 0; i < 5; i++)
        {
            screen.Noise(All);
            Encode(screen, encoder);
        }

        // One screen in the store, one in the snapshot, and no more.
        Assert.Equal(2 * 13 * 10, store.OutstandingBufferCount);
        store.Dispose();
        Assert.Equal(13 * 10, store.OutstandingBufferCount);
        viewer.Send();
        Assert.Equal(0, store.OutstandingBufferCount);
        for (int i = 0; i < then.Length; i++)
        {
            Assert.True(i % 4 == 3 || viewer.Decoder.Picture[i] == then[i]);
        }
    }

    [Fact]
    public void AfterDispose_NothingNewAndNothingLeaks()
    {
        using PaintedScreen screen = new(Size, 1);
        TileStore store = new(Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using TileSnapshot snapshot = new();
        screen.Noise(All);
        Encode(screen, encoder);
        store.Dispose();
        store.Dispose();
        Assert.Equal(SnapshotStatus.NothingNew, store.TakeSnapshot(snapshot, 0, All));
        screen.Noise(All);
        Encode(screen, encoder);
        Assert.Equal(0, store.OutstandingBufferCount);
        Assert.False(store.WantsCoding);
    }

    [Fact]
    public async Task ViewersOnOtherThreads_AllExactInTheEnd()
    {
        using PaintedScreen screen = new(Size, 1);
        TileStore store = new(Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using CancellationTokenSource stop = new(TimeSpan.FromSeconds(60));
        SimulatedViewer[] viewers = [.. Enumerable.Range(0, 4).Select(i => new SimulatedViewer(store, i == 3 ? new(0, 0, 800, 320) : All))];
        uint last = 0; // 0 while frames come
        using SemaphoreSlim changed = new(0);
        Task[] tasks = [.. viewers.Select((viewer, i) => Task.Run(() =>
        {
            uint since = 0;
            byte[] packet = new byte[TileSnapshot.PacketBytesMin];
            while (since != Volatile.Read(ref last) || since == 0)
            {
                stop.Token.ThrowIfCancellationRequested();
                SnapshotStatus status = store.TakeSnapshot(viewer.Snapshot, since, viewer.Interest);
                if (status == SnapshotStatus.NeedsCoding)
                {
                    Thread.Yield();
                    continue;
                }

                since = viewer.Snapshot.Sequence;
                while (viewer.Snapshot.TryWriteNextPacket(packet, 1, out int bytes))
                {
                    Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(packet, out PacketHeader header));
                    Assert.Equal(DecodeStatus.Ok, viewer.Decoder.Apply(header, packet.AsSpan(PacketHeader.SizeBytes, header.PayloadBytes)));
                    if (i > 0)
                    {
                        Thread.Yield();
                    }
                }

                viewer.Snapshot.Release();
            }
        }))];

        screen.Text(All, 1);
        for (int frame = 0; frame < 200; frame++)
        {
            screen.DoSomething();
            screen.ScrollUp(new(30, 20, 700, 560), 16);
            Encode(screen, encoder);
            encoder.EncodeStale();
        }

        Volatile.Write(ref last, store.Sequence);
        Task all = Task.WhenAll(tasks);
        Stopwatch watch = Stopwatch.StartNew();
        while (!all.IsCompleted && watch.Elapsed < TimeSpan.FromSeconds(30))
        {
            encoder.EncodeStale();
            Thread.Yield();
        }

        await all;
        foreach (SimulatedViewer viewer in viewers)
        {
            viewer.AssertShows(screen);
            viewer.Dispose();
        }

        store.Dispose();
        Assert.Equal(0, store.OutstandingBufferCount);
    }

    private static EncodeResult Encode(PaintedScreen screen, TileEncoder encoder)
    {
        using FrameLease lease = screen.Take();
        return encoder.Encode(lease);
    }
}
