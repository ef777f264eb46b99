using FsCheck;
using FsCheck.Fluent;
using Vitrine.Capture.Topology;
using Vitrine.Frames;

namespace Vitrine.Capture.Tests.Topology;

public sealed class DisplayTopologyTests
{
    private static readonly double[] Scales = [1, 1.1, 1.25, 4 / 3.0, 1.5, 1.75, 2, 2.5, 3];

    [Fact]
    public void AnyLayout_PixelToLogicalAndBackIsTheSamePixel() =>
        Prop.ForAll(AnyLayout(), topology =>
        {
            foreach (DisplayMonitor monitor in topology.Monitors)
            {
                foreach (DevicePoint point in EdgesAndSamples(monitor.Device))
                {
                    Assert.Equal(point, topology.ToDevice(topology.ToLogical(point)));
                    Assert.Same(monitor, topology.Nearest(topology.ToLogical(point)));
                }
            }
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void AnyLayout_LogicalPointIsOnOneMonitorOnly() =>
        Prop.ForAll(AnyLayout(), topology =>
        {
            for (int i = 0; i < topology.Monitors.Count; i++)
            {
                LogicalRectangle a = topology.Monitors[i].Logical;
                for (int j = 0; j < i; j++)
                {
                    LogicalRectangle b = topology.Monitors[j].Logical;
                    Assert.False(
                        a.X < b.X + b.Width && b.X < a.X + a.Width && a.Y < b.Y + b.Height && b.Y < a.Y + a.Height,
                        $"{topology.Monitors[i]} overlaps {topology.Monitors[j]}");
                }
            }
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void AnyLayout_LogicalToPixelAndBackIsLessThanAPixelAway() =>
        Prop.ForAll(AnyLayout(), Gen.Choose(0, 1_000_000).Two().ToArbitrary(), (topology, parts) =>
        {
            foreach (DisplayMonitor monitor in topology.Monitors)
            {
                LogicalPoint point = new(
                    monitor.Logical.X + (monitor.Logical.Width * parts.Item1 / 1_000_001),
                    monitor.Logical.Y + (monitor.Logical.Height * parts.Item2 / 1_000_001));
                DevicePoint pixel = topology.ToDevice(point);
                Assert.True(monitor.Device.Contains(pixel));
                LogicalPoint back = monitor.ToLogical(pixel);
                double tolerance = 1 / monitor.Scale * 1.001;
                Assert.InRange(point.X - back.X, -1e-3, tolerance);
                Assert.InRange(point.Y - back.Y, -1e-3, tolerance);
            }
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void OneScale_EveryStepOverAnyBorderIsOnePixel() =>
        Prop.ForAll(AnyLayout(oneScale: true), topology =>
        {
            double step = 1 / topology.Primary.Scale;
            foreach ((DisplayMonitor a, DisplayMonitor b, DevicePoint from, DevicePoint to) in Crossings(topology))
            {
                LogicalPoint before = a.ToLogical(from), after = b.ToLogical(to);
                Assert.Equal((to.X - from.X) * step, after.X - before.X, 1e-5);
                Assert.Equal((to.Y - from.Y) * step, after.Y - before.Y, 1e-5);
            }
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void MixedScalesInARow_NoGapAndNoJumpAtAnyBorder() =>
        Prop.ForAll(Row(), topology =>
        {
            foreach ((DisplayMonitor a, DisplayMonitor b, DevicePoint from, DevicePoint to) in Crossings(topology))
            {
                // Over the border the logical coordinate goes on by the pixel that was left, and by nothing else.
                bool horizontal = from.X != to.X;
                LogicalPoint before = a.ToLogical(from), after = b.ToLogical(to);
                double step = horizontal ? after.X - before.X : after.Y - before.Y;
                double expected = horizontal ? (to.X > from.X ? 1 / a.Scale : -1 / b.Scale) : (to.Y > from.Y ? 1 / a.Scale : -1 / b.Scale);
                Assert.Equal(expected, step, 1e-5);

                // A walk over the border in small logical steps skips no pixel and ends where it should.
                DevicePoint last = from;
                for (int i = 1; i <= 64; i++)
                {
                    LogicalPoint point = i == 64
                        ? after
                        : new(before.X + ((after.X - before.X) * i / 64), before.Y + ((after.Y - before.Y) * i / 64));
                    DevicePoint pixel = topology.ToDevice(point);
                    Assert.InRange(horizontal ? Math.Abs(pixel.X - last.X) : Math.Abs(pixel.Y - last.Y), 0, 1);
                    last = pixel;
                }

                Assert.Equal(to, last);
            }
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void TwoMonitorsOfMixedScale_EdgesMeetWhereTheSharedBorderBegins()
    {
        DisplayTopology topology = new(1, new(-3840, 0, 5760, 2160),
        [
            new("L", new(-3840, 0, 3840, 2160), 2, IsPrimary: true),
            new("R", new(0, 540, 1920, 1080), 1),
        ]);

        Assert.Equal(new LogicalRectangle(-1920, 0, 1920, 1080), topology.Find("L")!.Logical);
        Assert.Equal(new LogicalRectangle(0, 270, 1920, 1080), topology.Find("R")!.Logical);
        Assert.Equal("L", topology.Primary.Name);
        Assert.Equal(new LogicalPoint(-0.5, 0), topology.ToLogical(new DevicePoint(-1, 0)));
        Assert.Equal(new DevicePoint(0, 540), topology.ToDevice(new LogicalPoint(0, 270)));
    }

    [Fact]
    public void PointOnNoMonitor_NearestPixel()
    {
        DisplayTopology topology = new(1, new(0, 0, 200, 100), [new("A", new(0, 0, 100, 100), 1), new("B", new(100, 50, 100, 50), 1)]);

        Assert.Equal(new DevicePoint(150, 50), topology.ToDevice(new LogicalPoint(150, 30)));
        Assert.Equal(new DevicePoint(0, 99), topology.ToDevice(new LogicalPoint(-5, 1000)));
        Assert.Equal("B", topology.Nearest(new DevicePoint(500, 0)).Name);
    }

    [Fact]
    public void RectangleInLogicalUnits_CoveredByItsDeviceRectangle()
    {
        DisplayTopology topology = new(1, new(0, 0, 150, 150), [new("A", new(0, 0, 150, 150), 1.5)]);

        Assert.Equal(new DeviceRectangle(0, 1, 2, 3), topology.Primary.ToDevice(new LogicalRectangle(0.5, 1, 0.5, 1.5)));
        Assert.Equal(new DeviceRectangle(30, 30, 60, 90), topology.Primary.ToDevice(topology.Primary.ToLogical(new DeviceRectangle(30, 30, 60, 90))));
    }

    [Fact]
    public void MonitorsOfTheSamePixels_StayOnEachOther()
    {
        DisplayTopology topology = new(1, new(0, 0, 100, 100), [new("A", new(0, 0, 100, 100), 1), new("B", new(0, 0, 100, 100), 2)]);

        Assert.Equal(new DevicePoint(99, 99), topology.ToDevice(topology.ToLogical(new DevicePoint(99, 99))));
        Assert.Equal(new LogicalRectangle(0, 0, 50, 50), topology.Find("B")!.Logical);
    }

    [Fact]
    public void NoMonitor_ScreenIsTheOnlyOne()
    {
        DisplayTopology topology = new(3, new(0, 0, 640, 480), [new("off", default, 1)]);

        Assert.Equal(3, topology.Generation);
        Assert.Equal(new DeviceRectangle(0, 0, 640, 480), Assert.Single(topology.Monitors).Device);
        Assert.True(topology.Primary.IsPrimary);
    }

    [Fact]
    public void ScaleThatIsNone_Refused()
    {
        foreach (double scale in new[] { 0, -1, double.NaN, double.PositiveInfinity, 21 })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => new DisplayTopology(1, new(0, 0, 9, 9), [new("A", new(0, 0, 9, 9), scale)]));
        }
    }

    [Fact]
    public void OnlyGenerationDiffers_SameLayout()
    {
        DisplayTopology Make(int generation, double scale) => new(generation, new(0, 0, 9, 9), [new("A", new(0, 0, 9, 9), scale)]);

        Assert.True(Make(1, 1).IsSameLayout(Make(2, 1)));
        Assert.False(Make(1, 1).IsSameLayout(Make(1, 2)));
        Assert.False(Make(1, 1).IsSameLayout(null));
    }

    // Every pair of neighbouring pixels that lie on different monitors, at the ends and in the middle of the shared border.
    private static IEnumerable<(DisplayMonitor From, DisplayMonitor To, DevicePoint FromPixel, DevicePoint ToPixel)> Crossings(DisplayTopology topology)
    {
        foreach (DisplayMonitor a in topology.Monitors)
        {
            foreach (DisplayMonitor b in topology.Monitors)
            {
                int top = Math.Max(a.Device.Y, b.Device.Y), bottom = Math.Min(a.Device.Bottom, b.Device.Bottom) - 1;
                int left = Math.Max(a.Device.X, b.Device.X), right = Math.Min(a.Device.Right, b.Device.Right) - 1;
                if (a.Device.Right == b.Device.X && bottom >= top)
                {
                    foreach (int y in new[] { top, (top + bottom) / 2, bottom })
                    {
                        yield return (a, b, new(a.Device.Right - 1, y), new(b.Device.X, y));
                        yield return (b, a, new(b.Device.X, y), new(a.Device.Right - 1, y));
                    }
                }
                else if (a.Device.Bottom == b.Device.Y && right >= left)
                {
                    foreach (int x in new[] { left, (left + right) / 2, right })
                    {
                        yield return (a, b, new(x, a.Device.Bottom - 1), new(x, b.Device.Y));
                        yield return (b, a, new(x, b.Device.Y), new(x, a.Device.Bottom - 1));
                    }
                }
            }
        }
    }

    private static IEnumerable<DevicePoint> EdgesAndSamples(DeviceRectangle device)
    {
        int[] xs = [device.X, Math.Min(device.X + 1, device.Right - 1), device.X + (device.Width / 3), device.X + (device.Width * 5 / 7), device.Right - 1];
        int[] ys = [device.Y, Math.Min(device.Y + 1, device.Bottom - 1), device.Y + (device.Height / 3), device.Y + (device.Height * 5 / 7), device.Bottom - 1];
        return from x in xs from y in ys select new DevicePoint(x, y);
    }

    // Monitors attached one after the other to a random side of a random earlier one; some touch nothing.
    private static Arbitrary<DisplayTopology> AnyLayout(bool oneScale = false) =>
        (from seed in Gen.Choose(0, int.MaxValue - 1)
         from count in Gen.Choose(1, 7)
         select Build(seed, count, oneScale, rowOnly: false)).ToArbitrary();

    private static Arbitrary<DisplayTopology> Row() =>
        (from seed in Gen.Choose(0, int.MaxValue - 1)
         from count in Gen.Choose(2, 6)
         select Build(seed, count, oneScale: false, rowOnly: true)).ToArbitrary();

    private static DisplayTopology Build(int seed, int count, bool oneScale, bool rowOnly)
    {
        Random random = new(seed);
        double scale = Scales[random.Next(Scales.Length)];
        bool vertical = random.Next(2) == 0;
        List<DeviceRectangle> devices = [];
        for (int attempts = 0; devices.Count < count && attempts < 200; attempts++)
        {
            int width = random.Next(1, 4000), height = random.Next(1, 4000);
            if (devices.Count == 0)
            {
                devices.Add(new(random.Next(-9000, 9000), random.Next(-9000, 9000), width, height));
                continue;
            }

            DeviceRectangle to = rowOnly ? devices[^1] : devices[random.Next(devices.Count)];
            int alongX = to.X + random.Next(1 - width, to.Width), alongY = to.Y + random.Next(1 - height, to.Height);
            int apart = !rowOnly && random.Next(8) == 0 ? random.Next(1, 50) : 0;
            DeviceRectangle next = (rowOnly ? (vertical ? 2 : 0) : random.Next(4)) switch
            {
                0 => new(to.Right + apart, alongY, width, height),
                1 => new(to.X - width - apart, alongY, width, height),
                2 => new(alongX, to.Bottom + apart, width, height),
                _ => new(alongX, to.Y - height - apart, width, height),
            };
            if (!devices.Any(device => device.Intersects(next)))
            {
                devices.Add(next);
            }
        }

        int primary = random.Next(devices.Count);
        return new(1, devices.Aggregate((a, b) => a.Union(b)), devices.Select((device, i) => new MonitorDescription(
            $"M{i}", device, oneScale ? scale : Scales[random.Next(Scales.Length)], random.Next(4) * 90, i == primary)));
    }
}
