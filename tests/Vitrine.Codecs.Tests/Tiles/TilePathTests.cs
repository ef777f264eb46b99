using System.Globalization;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Xunit.Abstractions;

namespace Vitrine.Codecs.Tests.Tiles;

/// <summary>Screen to encoder to store to packets to decoder: every viewer shows the screen, exactly.</summary>
public sealed class TilePathTests(ITestOutputHelper output)
{
    public static TheoryData<int, int, int> Screens => new()
    {
        { 640, 480, 1 }, { 700, 333, 2 }, { 64, 64, 3 }, { 63, 65, 4 }, { 1, 1, 5 }, { 400, 1, 6 }, { 1, 300, 7 }, { 512, 512, 8 }, { 129, 640, 9 }, { 800, 600, 10 },
    };

    [Theory]
    [MemberData(nameof(Screens))]
    public void RandomPainting_EveryViewerExact(int width, int height, int seed)
    {
        DeviceSize size = new(width, height);
        DeviceRectangle all = DeviceRectangle.Of(size), left = new(0, 0, (width + 1) / 2, height), right = new(width / 2, 0, width - (width / 2), height);
        Random random = new(seed);
        using PaintedScreen screen = new(size, seed);
        // Numbers start shortly before they wrap around.
        using TileStore store = new(size, 9, uint.MaxValue - 40);
        using (TileEncoder encoder = new(store, TimeProvider.System))
        using (SimulatedViewer upToDate = new(store, all))
        using (SimulatedViewer skipping = new(store, all, TileSnapshot.PacketBytesMin))
        using (SimulatedViewer half = new(store, left))
        {
            SimulatedViewer? late = null;
            for (int frame = 0; frame < 150; frame++)
            {
                for (int i = random.Next(4); i > 0; i--)
                {
                    screen.DoSomething();
                }

                using (FrameLease lease = screen.Take())
                {
                    encoder.Encode(lease);
                }

                upToDate.Update(encoder);
                upToDate.AssertShows(screen);
                half.Update(encoder);
                half.AssertShows(screen);
                if (random.Next(4) == 0)
                {
                    skipping.Update(encoder);
                    skipping.AssertShows(screen);
                }

                if (frame % 37 == 20)
                {
                    half.Select(half.Interest == left ? right : left);
                }

                if (frame == 75)
                {
                    late = new(store, all);
                }

                if (late is not null && frame % 2 == 0)
                {
                    late.Update(encoder);
                    late.AssertShows(screen);
                }
            }

            late!.Dispose();
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{size}: {encoder.Totals}, copies applied {upToDate.Decoder.CopyCount}"));
        }

        store.Dispose();
        Assert.Equal(0, store.OutstandingBufferCount);
    }

    [Theory]
    [InlineData(0, -16)]
    [InlineData(0, 16)]
    [InlineData(0, -1)]
    [InlineData(0, -301)]
    [InlineData(40, 0)]
    [InlineData(-3, 0)]
    public void ScrolledText_SentAsCopy(int dx, int dy)
    {
        DeviceSize size = new(1000, 700);
        DeviceRectangle window = new(57, 43, 800, 600);
        using PaintedScreen screen = new(size, 1);
        using TileStore store = new(size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using SimulatedViewer viewer = new(store, DeviceRectangle.Of(size));
        screen.Fill(DeviceRectangle.Of(size), 0x335577);
        screen.Text(window, 5);
        Encode(screen, encoder);
        viewer.Update(encoder);

        DeviceRectangle moved = window.Intersect(window.Offset(dx, dy));
        screen.Move(moved.Offset(-dx, -dy), dx, dy);
        // What comes into sight.
        screen.Text(new(window.X, dy > 0 ? window.Y : moved.Bottom, window.Width, window.Height - moved.Height), 6);
        screen.Text(new(dx > 0 ? window.X : moved.Right, window.Y, window.Width - moved.Width, window.Height), 7);
        EncodeResult result = Encode(screen, encoder);
        Assert.True(result.Counts.Copies >= 1, result.ToString());
        Assert.True(result.Counts.Copied >= 40, result.ToString());
        Assert.True(viewer.Update(encoder));
        viewer.AssertShows(screen);
        Assert.Equal(result.Counts.Copies, viewer.Decoder.CopyCount);
    }

    [Theory]
    [InlineData(13, 9)]
    [InlineData(-40, 25)]
    [InlineData(0, 64)]
    [InlineData(7, -120)]
    public void DraggedWindow_SentAsCopy(int dx, int dy)
    {
        DeviceSize size = new(1280, 800);
        DeviceRectangle window = new(300, 150, 500, 400);
        using PaintedScreen screen = new(size, 1);
        using TileStore store = new(size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using SimulatedViewer viewer = new(store, DeviceRectangle.Of(size));
        screen.Fill(DeviceRectangle.Of(size), 0x335577);
        screen.Text(window, 5);
        Encode(screen, encoder);
        viewer.Update(encoder);

        screen.Move(window, dx, dy);
        DeviceRectangle now = window.Offset(dx, dy);
        // The backdrop comes into sight again where the window was.
        foreach (DeviceRectangle strip in new[]
        {
            new DeviceRectangle(window.X, window.Y, window.Width, Math.Max(0, now.Y - window.Y)),
            new DeviceRectangle(window.X, now.Bottom, window.Width, Math.Max(0, window.Bottom - now.Bottom)),
            new DeviceRectangle(window.X, window.Y, Math.Max(0, now.X - window.X), window.Height),
            new DeviceRectangle(now.Right, window.Y, Math.Max(0, window.Right - now.Right), window.Height),
        })
        {
            screen.Fill(strip, 0x335577);
        }

        EncodeResult result = Encode(screen, encoder);
        Assert.True(result.Counts.Copies >= 1, result.ToString());
        Assert.True(viewer.Update(encoder));
        viewer.AssertShows(screen);
    }

    [Fact]
    public void DamageWithoutChange_PublishesNothing()
    {
        using PaintedScreen screen = new(new(300, 200), 1);
        using TileStore store = new(screen.Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        int changes = 0;
        store.Changed += () => changes++;
        screen.Noise(new(0, 0, 300, 200));
        Assert.True(Encode(screen, encoder).IsPublished);
        screen.Damage(new(0, 0, 300, 200));
        EncodeResult result = Encode(screen, encoder);

        Assert.False(result.IsPublished);
        Assert.Equal(1u, result.Sequence);
        Assert.Equal(20, result.Counts.Unchanged);
        Assert.Equal(1, changes);
    }

    [Fact]
    public void OnlyXDiffers_Unchanged()
    {
        using PaintedScreen screen = new(new(130, 70), 1);
        using TileStore store = new(screen.Size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        screen.Fill(new(0, 0, 130, 70), 0x123456);
        Encode(screen, encoder);
        screen.Fill(new(0, 0, 130, 70), 0x123456); // X is new noise
        Assert.False(Encode(screen, encoder).IsPublished);
    }

    [Fact]
    public void SteadyWork_AllocatesNothing()
    {
        DeviceSize size = new(800, 600);
        using PaintedScreen screen = new(size, 1);
        using TileStore store = new(size, 1);
        using TileEncoder encoder = new(store, TimeProvider.System);
        using TileDecoder decoder = new();
        using TileSnapshot quick = new(), slow = new();
        decoder.Reset(size, 1);
        byte[] packet = new byte[TileSnapshot.PacketBytesMax];

        // The frames are made before: eight pictures that alternate, damage over a window, scrolls among them.
        using FramePool pool = new(FrameFormat.Packed(size), 8);
        FrameLease[] leases = new FrameLease[8];
        for (int i = 0; i < leases.Length; i++)
        {
            Assert.True(pool.TryRent("test", out FrameLease? lease));
            leases[i] = lease!;
            if (i == 0)
            {
                screen.Text(new(0, 0, 800, 600), 3);
            }
            else if (i == 4)
            {
                screen.Noise(new(100, 100, 200, 150));
            }
            else
            {
                screen.ScrollUp(new(20, 30, 640, 480), 16);
            }

            System.Runtime.InteropServices.MemoryMarshal.AsBytes(screen.Pixels).CopyTo(lease!.Pixels);
            lease.Damage.Add(new DeviceRectangle(20, 30, 640, 480));
        }

        uint quickSince = 0, slowSince = 0;
        int wrong = 0; // assertions allocate
        void Round(int i)
        {
            encoder.Encode(leases[i % leases.Length]);
            Take(quick, ref quickSince);
            if (i % 5 == 0)
            {
                Take(slow, ref slowSince);
            }
        }

        void Take(TileSnapshot snapshot, ref uint since)
        {
            if (store.TakeSnapshot(snapshot, since, DeviceRectangle.Of(size)) == SnapshotStatus.NeedsCoding)
            {
                encoder.EncodeStale();
                wrong += store.TakeSnapshot(snapshot, since, DeviceRectangle.Of(size)) == SnapshotStatus.Ready ? 0 : 1;
            }

            since = snapshot.Sequence;
            while (snapshot.TryWriteNextPacket(packet, 1, out int bytes))
            {
                if (ReferenceEquals(snapshot, quick))
                {
                    _ = Wire.PacketHeader.TryRead(packet, out Wire.PacketHeader header);
                    wrong += decoder.Apply(header, packet.AsSpan(Wire.PacketHeader.SizeBytes, header.PayloadBytes)) == DecodeStatus.Ok ? 0 : 1;
                }
            }

            snapshot.Release();
        }

        for (int i = 0; i < 100; i++)
        {
            Round(i);
        }

        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            for (int i = 0; i < 1_000; i++)
            {
                Round(i);
            }
        }));
        Assert.Equal(0, wrong);
        Assert.True(encoder.Totals.Copies > 500, encoder.Totals.ToString());
        foreach (FrameLease lease in leases)
        {
            lease.Dispose();
        }
    }

    private static EncodeResult Encode(PaintedScreen screen, TileEncoder encoder)
    {
        using FrameLease lease = screen.Take();
        return encoder.Encode(lease);
    }
}
