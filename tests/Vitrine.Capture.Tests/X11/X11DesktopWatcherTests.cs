using System.Diagnostics;
using Vitrine.Capture.Topology;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.Tests.X11;

public sealed class X11DesktopWatcherTests
{
    [Fact]
    public void Start_TellsTopologyShapeAndPosition()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        RecordingSink sink = new();
        using X11DesktopWatcher watcher = Start(display, sink);

        sink.WaitFor(s => s.Topologies.Count == 1 && s.Shapes.Count == 1 && s.Positions.Count == 1);

        Assert.Equal(new DeviceRectangle(0, 0, 640, 480), sink.Topologies[0].Screen);
        Assert.Equal(new DevicePoint(320, 240), sink.Positions[0].Position); // where the server puts the pointer first
    }

    [Fact]
    public void PointerMovedByDevice_PositionTold()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        RecordingSink sink = new();
        using X11DesktopWatcher watcher = Start(display, sink);
        sink.WaitFor(s => s.Positions.Count == 1);

        long beforeNs = TimeProvider.System.GetMonotonicNanoseconds();
        Move(connection, 12, 34);
        sink.WaitFor(s => s.Positions[^1].Position == new DevicePoint(12, 34));

        Assert.InRange(sink.Positions[^1].OriginNs, beforeNs, sink.Positions[^1].ToldNs);
    }

    [Fact]
    public void PointerMovedByProgram_PositionTold()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        RecordingSink sink = new();
        using X11DesktopWatcher watcher = Start(display, sink);
        sink.WaitFor(s => s.Positions.Count == 1);

        _ = LibXcb.xcb_warp_pointer(connection.Handle, 0, connection.Root, 0, 0, 0, 0, 600, 400);
        connection.Flush();

        sink.WaitFor(s => s.Positions[^1].Position == new DevicePoint(600, 400));
    }

    [Fact]
    public void ManyMoves_AtMost250ASecondAndTheLastOneCounts()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        RecordingSink sink = new();
        using X11DesktopWatcher watcher = Start(display, sink);
        sink.WaitFor(s => s.Positions.Count == 1);

        for (int i = 0; i < 3_000; i++)
        {
            Move(connection, (short)(i % 600), (short)(i % 400));
            if (i % 50 == 0)
            {
                Assert.True(connection.Synchronize());
            }
        }

        sink.WaitFor(s => s.Positions[^1].Position == new DevicePoint(2_999 % 600, 2_999 % 400));

        for (int i = 2; i < sink.Positions.Count; i++)
        {
            // Measured where it is told, so a late thread may bring two a little nearer; on the whole the rate holds.
            Assert.True(sink.Positions[i].ToldNs > sink.Positions[i - 1].ToldNs);
        }

        double seconds = (sink.Positions[^1].ToldNs - sink.Positions[0].ToldNs) / 1e9;
        Assert.InRange(sink.Positions.Count, 2, (seconds * 250) + 2);
        Assert.Equal(sink.Positions.Count, watcher.PositionCount);
    }

    [Fact]
    public void Position_AllocatesNothing()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        using CountingSink sink = new();
        using X11DesktopWatcher watcher = X11DesktopWatcher.TryStart(display.DisplayName, sink, TimeProvider.System, out string error)!;
        Assert.True(watcher is not null, error);

        int moved = 0;
        sink.WaitForOne();
        sink.BytesOf(20, MoveOn);
        Assert.Equal(0, Allocation.LeastOf(() => sink.BytesOf(150, MoveOn)));

        void MoveOn() => Move(connection, (short)(++moved % 600), 10);
    }

    [Fact]
    public void CursorChanges_ShapeToldExactly()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        RecordingSink sink = new();
        using X11DesktopWatcher watcher = Start(display, sink);
        sink.WaitFor(s => s.Shapes.Count == 1);

        // The left half shows, in orange; the right half is transparent.
        SetCursor(connection, 16, 8, shownColumns: 8, hotspot: new(3, 5), red: 0xFFFF, green: 0x8080, blue: 0x2020);
        sink.WaitFor(s => s.Shapes[^1].Size == new DeviceSize(16, 8));

        Shape shape = sink.Shapes[^1];
        Assert.Equal(new DevicePoint(3, 5), shape.Hotspot);
        for (int y = 0; y < 8; y++)
        {
            for (int x = 0; x < 16; x++)
            {
                byte[] expected = x < 8 ? [0x20, 0x80, 0xFF, 0xFF] : [0, 0, 0, 0];
                Assert.Equal(expected, shape.Pixels.AsSpan(((y * 16) + x) * 4, 4).ToArray());
            }
        }

        Assert.Equal(0, watcher.CroppedCount);
    }

    [Fact]
    public void CursorLargerThanTheBound_CutAroundTheHotspotAndCounted()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        RecordingSink sink = new();
        using X11DesktopWatcher watcher = Start(display, sink);
        sink.WaitFor(s => s.Shapes.Count == 1);

        SetCursor(connection, 400, 300, shownColumns: 300, hotspot: new(390, 10), red: 0xFFFF, green: 0, blue: 0);
        sink.WaitFor(s => s.Shapes[^1].Size == new DeviceSize(256, 256));

        Shape shape = sink.Shapes[^1];
        Assert.Equal(new DevicePoint(390 - 144, 10), shape.Hotspot);
        Assert.Equal([0, 0, 0xFF, 0xFF], shape.Pixels.AsSpan((300 - 144 - 1) * 4, 4).ToArray());
        Assert.Equal([0, 0, 0, 0], shape.Pixels.AsSpan((300 - 144) * 4, 4).ToArray());
        Assert.Equal(1, watcher.CroppedCount);
    }

    [Fact]
    public void MonitorSet_TopologyToldWithTheNextGeneration()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        RecordingSink sink = new();
        using X11DesktopWatcher watcher = Start(display, sink);
        sink.WaitFor(s => s.Topologies.Count == 1);

        byte[] resources = "Xft.dpi: 192"u8.ToArray();
        _ = LibXcb.xcb_change_property(
            connection.Handle, LibXcb.PropModeReplace, connection.Root, connection.Atom("RESOURCE_MANAGER"), LibXcb.AtomString, 8, (uint)resources.Length, resources);
        connection.Flush();
        sink.WaitFor(s => s.Topologies.Count == 2);

        Assert.Equal((1, 2), (sink.Topologies[0].Generation, sink.Topologies[1].Generation));
        Assert.Equal(2, sink.Topologies[1].Primary.Scale);
    }

    [Fact]
    public void ServerEnds_DisplayGoneToldOnce()
    {
        VirtualDisplay display = Displays.Start(640, 480);
        RecordingSink sink = new();
        using X11DesktopWatcher watcher = Start(display, sink);
        sink.WaitFor(s => s.Positions.Count == 1);

        display.Dispose();

        sink.WaitFor(s => s.GoneCount == 1);
    }

    [Fact]
    public void Disposed_NothingMoreIsTold()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        RecordingSink sink = new();
        X11DesktopWatcher watcher = Start(display, sink);
        sink.WaitFor(s => s.Positions.Count == 1);

        watcher.Dispose();
        Move(connection, 1, 1);

        Assert.True(connection.Synchronize());
        Assert.Single(sink.Positions);
        Assert.Equal(0, sink.GoneCount);
        watcher.Dispose();
    }

    [Fact]
    public void UnknownDisplay_SentenceWithTheMend()
    {
        Assert.Null(X11DesktopWatcher.TryStart(":9999", new RecordingSink(), TimeProvider.System, out string error));
        Assert.Contains("no X server listens", error, StringComparison.Ordinal);
    }

    private static X11DesktopWatcher Start(VirtualDisplay display, IDesktopSink sink)
    {
        X11DesktopWatcher? watcher = X11DesktopWatcher.TryStart(display.DisplayName, sink, TimeProvider.System, out string error);
        Assert.True(watcher is not null, error);
        return watcher;
    }

    private static void Move(X11Connection connection, short x, short y)
    {
        Assert.True(connection.Test.IsPresent, connection.Test.Absence);
        _ = LibXcbXtest.xcb_test_fake_input(connection.Handle, LibXcbXtest.MotionNotify, 0, 0, connection.Root, x, y, 0);
        connection.Flush();
    }

    private static void SetCursor(X11Connection connection, ushort width, ushort height, ushort shownColumns, DevicePoint hotspot, ushort red, ushort green, ushort blue)
    {
        XcbConnection handle = connection.Handle;
        uint pixmap = LibXcb.xcb_generate_id(handle), gc = LibXcb.xcb_generate_id(handle), cursor = LibXcb.xcb_generate_id(handle);
        _ = LibXcb.xcb_create_pixmap(handle, 1, pixmap, connection.Root, width, height);
        _ = LibXcb.xcb_create_gc(handle, gc, pixmap, LibXcb.GcForeground, [0]);
        _ = LibXcb.xcb_poly_fill_rectangle(handle, pixmap, gc, 1, [new XcbRectangle { Width = width, Height = height }]);
        _ = LibXcb.xcb_change_gc(handle, gc, LibXcb.GcForeground, [1]);
        _ = LibXcb.xcb_poly_fill_rectangle(handle, pixmap, gc, 1, [new XcbRectangle { Width = shownColumns, Height = height }]);
        _ = LibXcb.xcb_create_cursor(handle, cursor, pixmap, pixmap, red, green, blue, 0, 0, 0, (ushort)hotspot.X, (ushort)hotspot.Y);
        _ = LibXcb.xcb_change_window_attributes(handle, connection.Root, LibXcb.CwCursor, [cursor]);
        Assert.True(connection.Synchronize());
    }

    private sealed record Shape(DeviceSize Size, DevicePoint Hotspot, byte[] Pixels);

    private sealed class RecordingSink : IDesktopSink
    {
        private readonly object _changed = new();

        public List<DisplayTopology> Topologies { get; } = [];

        public List<Shape> Shapes { get; } = [];

        public List<(DevicePoint Position, long OriginNs, long ToldNs)> Positions { get; } = [];

        public int GoneCount { get; private set; }

        public void OnTopology(DisplayTopology topology) => Record(() => Topologies.Add(topology));

        public void OnCursorShape(DeviceSize size, DevicePoint hotspot, ReadOnlySpan<byte> pixels, long originNs)
        {
            Shape shape = new(size, hotspot, pixels.ToArray());
            Record(() => Shapes.Add(shape));
        }

        public void OnCursorPosition(DevicePoint position, long originNs) =>
            Record(() => Positions.Add((position, originNs, TimeProvider.System.GetMonotonicNanoseconds())));

        public void OnDisplayGone() => Record(() => GoneCount++);

        public void WaitFor(Func<RecordingSink, bool> condition)
        {
            long deadline = Stopwatch.GetTimestamp() + (10 * Stopwatch.Frequency);
            lock (_changed)
            {
                while (!condition(this))
                {
                    TimeSpan left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline);
                    Assert.True(left > TimeSpan.Zero && Monitor.Wait(_changed, left), "What was waited for was not told.");
                }
            }
        }

        private void Record(Action add)
        {
            lock (_changed)
            {
                add();
                Monitor.PulseAll(_changed);
            }
        }
    }

    private sealed class CountingSink : IDesktopSink, IDisposable
    {
        private readonly SemaphoreSlim _told = new(0);
        private long _allocatedBytes;

        public void OnTopology(DisplayTopology topology)
        {
        }

        public void OnCursorShape(DeviceSize size, DevicePoint hotspot, ReadOnlySpan<byte> pixels, long originNs)
        {
        }

        public void OnCursorPosition(DevicePoint position, long originNs)
        {
            _allocatedBytes = GC.GetAllocatedBytesForCurrentThread();
            _told.Release();
        }

        public void OnDisplayGone()
        {
        }

        public void Dispose() => _told.Dispose();

        public void WaitForOne() => Assert.True(_told.Wait(TimeSpan.FromSeconds(10)), "A move was not told.");

        /// <returns>What the watcher's thread took from what was told last until as many moves have been told.</returns>
        public long BytesOf(int moves, Action move)
        {
            long before = _allocatedBytes;
            for (int i = 0; i < moves; i++)
            {
                move();
                WaitForOne();
            }

            return _allocatedBytes - before;
        }
    }
}
