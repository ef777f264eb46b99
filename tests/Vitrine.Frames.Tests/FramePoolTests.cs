using System.Runtime.InteropServices;
using FsCheck;
using FsCheck.Fluent;

namespace Vitrine.Frames.Tests;

public sealed class FramePoolTests
{
    private static readonly FrameFormat s_format = FrameFormat.Packed(new DeviceSize(24, 16));

    [Fact]
    public void NewPictures_AreStaleEverywhereAndZero()
    {
        using FramePool pool = new(s_format, 2);
        Assert.True(pool.TryRent("test", out FrameLease? lease));
        Assert.Equal(DeviceRectangle.Of(s_format.Size), lease!.Stale.Bounds);
        Assert.True(lease.Damage.IsEmpty);
        Assert.False(lease.Pixels.ContainsAnyExcept((byte)0));
        Assert.Equal(s_format.SizeBytes, lease.Pixels.Length);
        lease.Dispose();
        Assert.Empty(pool.DescribeLeaks());
    }

    [Fact]
    public void AllHeld_RentFailsAndIsCounted()
    {
        using FramePool pool = new(s_format, 2);
        Assert.True(pool.TryRent("a", out FrameLease? first));
        Assert.True(pool.TryRent("b", out FrameLease? second));
        Assert.False(pool.TryRent("c", out FrameLease? third));
        Assert.Null(third);
        Assert.Equal(1, pool.ExhaustedCount);
        Assert.Equal(2, pool.OutstandingCount);
        first!.Dispose();
        Assert.True(pool.TryRent("c", out third));
        Assert.Same(first, third);
        second!.Dispose();
        third!.Dispose();
    }

    [Fact]
    public void Rent_TakesTheFreePictureWrittenLast()
    {
        using FramePool pool = new(s_format, 3);
        FrameLease[] leases = [Rent(pool), Rent(pool), Rent(pool)];
        foreach (FrameLease lease in leases)
        {
            lease.Damage.Add(new DeviceRectangle(0, 0, 1, 1));
            pool.MarkWritten(lease, lease.Damage);
        }

        leases[2].Dispose();
        leases[0].Dispose();
        leases[1].Dispose();
        using FrameLease newest = Rent(pool);
        Assert.Same(leases[2], newest);
        using FrameLease older = Rent(pool);
        Assert.Same(leases[1], older);
    }

    [Fact]
    public void References_PictureReturnsWithTheLast()
    {
        using FramePool pool = new(s_format, 1);
        FrameLease lease = Rent(pool);
        Assert.Same(lease, lease.AddReference("recorder"));
        lease.Dispose();
        Assert.Equal(["vitrine-frames[0] held by recorder (1 references)"], pool.DescribeLeaks());
        Assert.False(pool.TryRent("test", out _));
        lease.Dispose();
        Assert.Equal(0, pool.OutstandingCount);
    }

    [Fact]
    public void PoolDisposed_HeldPictureReadableUntilReturned()
    {
        FramePool pool = new(s_format, 2, "vitrine-test-held");
        FrameLease held = Rent(pool);
        held.Pixels.Fill(7);
        pool.Dispose();
        pool.Dispose();
        Assert.Equal(1, CountMappings("vitrine-test-held"));
        Assert.False(held.Pixels.ContainsAnyExcept((byte)7));
        held.Dispose();
        Assert.Equal(0, CountMappings("vitrine-test-held"));
        Assert.Throws<ObjectDisposedException>(() => pool.TryRent("test", out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65)]
    public void CapacityOutOfBounds_Refused(int capacity) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new FramePool(s_format, capacity));

    // What a source does, against a screen of 24x16 pixels: paints land anywhere, frames are kept and returned in any
    // order, and only stale and damaged parts are ever read. Every frame must be the whole screen.
    [Fact]
    public void ReadingOnlyStaleAndDamage_GivesTheWholeScreen()
    {
        Gen<(int Action, DeviceRectangle Where)> steps =
            from action in Gen.Choose(0, 9)
            from x in Gen.Choose(0, 23)
            from y in Gen.Choose(0, 15)
            from width in Gen.Choose(1, 12)
            from height in Gen.Choose(1, 8)
            select (action, new DeviceRectangle(x, y, width, height).Intersect(DeviceRectangle.Of(s_format.Size)));
        Prop.ForAll(steps.ArrayOf().ToArbitrary(), run =>
        {
            using FramePool pool = new(s_format, 4);
            uint[] screen = new uint[s_format.Size.Area];
            DamageRegion pending = new();
            pending.Add(DeviceRectangle.Of(s_format.Size));
            List<FrameLease> held = [];
            uint colour = 0;
            bool exact = true;
            foreach ((int action, DeviceRectangle where) in run)
            {
                if (action < 4)
                {
                    colour++;
                    Paint(screen, where, colour);
                    pending.Add(where);
                }
                else if (action < 8)
                {
                    if (!pool.TryRent("test", out FrameLease? lease))
                    {
                        continue;
                    }

                    lease!.Damage.Add(pending);
                    pending.Clear();
                    Copy(screen, lease, lease.Stale);
                    Copy(screen, lease, lease.Damage);
                    pool.MarkWritten(lease, lease.Damage);
                    exact &= MemoryMarshal.Cast<byte, uint>(lease.Pixels).SequenceEqual(screen);
                    if (action == 7)
                    {
                        held.Add(lease);
                    }
                    else
                    {
                        lease.Dispose();
                    }
                }
                else if (held.Count > 0)
                {
                    held[action % held.Count].Dispose();
                    held.RemoveAt(action % held.Count);
                }
            }

            held.ForEach(lease => lease.Dispose());
            return exact && pool.DescribeLeaks().Count == 0;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void ThousandFrames_NothingAllocated()
    {
        using FramePool pool = new(s_format);
        Take(100);
        Assert.Equal(0, Allocation.BytesOf(() => Take(1_000)));

        void Take(int frames)
        {
            for (int i = 0; i < frames; i++)
            {
                FrameLease lease = Rent(pool);
                lease.Damage.Add(new DeviceRectangle(i % 20, i % 10, 3, 3));
                pool.MarkWritten(lease, lease.Damage);
                lease.AddReference("sink");
                lease.Dispose();
                lease.Dispose();
            }
        }
    }

    [Fact]
    public async Task LeasesReturnedByOtherThreads_NoneLost()
    {
        using FramePool pool = new(s_format, 8);
        SpscRing<FrameLease> ring = new(8);
        const int Frames = 10_000;
        Task consumer = Task.Factory.StartNew(
            () =>
            {
                SpinWait spin = default;
                for (int taken = 0; taken < Frames;)
                {
                    if (ring.TryDequeue(out FrameLease? lease))
                    {
                        Assert.Equal(++taken, lease!.Sequence);
                        lease.Dispose();
                    }
                    else
                    {
                        spin.SpinOnce(sleep1Threshold: -1);
                    }
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        SpinWait wait = default;
        for (int sent = 0; sent < Frames && !consumer.IsCompleted;)
        {
            if (pool.TryRent("producer", out FrameLease? lease))
            {
                lease!.Sequence = ++sent;
                lease.AddReference("consumer");
                Assert.True(ring.TryEnqueue(lease)); // it holds as many as there are
                lease.Dispose();
            }
            else
            {
                wait.SpinOnce(sleep1Threshold: -1);
            }
        }

        await consumer.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Empty(pool.DescribeLeaks());
    }

    private static FrameLease Rent(FramePool pool)
    {
        Assert.True(pool.TryRent("test", out FrameLease? lease));
        return lease!;
    }

    private static void Paint(uint[] screen, DeviceRectangle where, uint colour)
    {
        for (int y = where.Y; y < where.Bottom; y++)
        {
            screen.AsSpan((y * s_format.Size.Width) + where.X, where.Width).Fill(colour);
        }
    }

    private static void Copy(uint[] screen, FrameLease lease, DamageRegion region)
    {
        Span<uint> pixels = MemoryMarshal.Cast<byte, uint>(lease.Pixels);
        foreach (DeviceRectangle r in region.Rectangles)
        {
            for (int y = r.Y; y < r.Bottom; y++)
            {
                int start = (y * s_format.Size.Width) + r.X;
                screen.AsSpan(start, r.Width).CopyTo(pixels[start..]);
            }
        }
    }

    private static int CountMappings(string name) =>
        File.ReadLines("/proc/self/maps").Count(line => line.Contains($"memfd:{name}", StringComparison.Ordinal));
}
