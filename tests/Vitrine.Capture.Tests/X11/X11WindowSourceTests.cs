using System.Diagnostics;
using System.Runtime.InteropServices;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.Tests.X11;

public sealed class X11WindowSourceTests
{
    private const uint Back = 0x304050;

    [Theory]
    [InlineData(X11Capture.Shm)]
    [InlineData(X11Capture.ShmGetImage)]
    [InlineData(X11Capture.GetImage)]
    public void CoveredAndPartlyOffTheScreen_EveryPixelOfTheWindow(string backEnd)
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint window = CreateWindow(connection, new(-30, 200, 200, 150));
        using X11WindowSource source = Open(display, window, backEnd);
        Assert.Equal(backEnd, source.BackEnd.Name);
        uint[] expected = new uint[200 * 150];
        expected.AsSpan().Fill(Back);
        using (FrameLease first = source.Next())
        {
            Painter.AssertEqual(expected, new(200, 150), first, new(0, 0, 200, 150));
        }

        uint cover = CreateWindow(connection, new(0, 150, 400, 150), 0xFF0000);
        Random random = new(3);
        for (int i = 0; i < 60; i++)
        {
            DeviceRectangle rectangle = new DeviceRectangle(random.Next(200), random.Next(150), random.Next(1, 90), random.Next(1, 90))
                .Intersect(new(0, 0, 200, 150));
            uint colour = (uint)random.Next(0x1000000);
            Fill(connection, window, rectangle, colour);
            for (int y = rectangle.Y; y < rectangle.Bottom; y++)
            {
                expected.AsSpan((y * 200) + rectangle.X, rectangle.Width).Fill(colour);
            }

            using FrameLease frame = source.Next();
            Painter.AssertEqual(expected, new(200, 150), frame, new(0, 0, 200, 150));
            Assert.Equal(FrameTrigger.Damage, frame.Trigger);
            Assert.True(frame.Damage.Bounds.Contains(rectangle));
        }

        Fill(connection, cover, new(0, 0, 400, 150), 0x00FF00);
        Assert.Equal(CaptureStatus.TimedOut, source.WaitForFrame(TimeSpan.Zero, out _));
    }

    [Fact]
    public void BorderAndChildWindow_PictureIsTheInsideWithItsChild()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint window = CreateWindow(connection, new(20, 10, 100, 80), borderWidth: 7);
        uint child = CreateWindow(connection, new(30, 20, 40, 30), 0x00FF00, parent: window);
        using X11WindowSource source = Open(display, window);

        using (FrameLease frame = source.Next())
        {
            Assert.Equal((Back, 0x00FF00u, 0x00FF00u, Back), (Pixel(frame, 0, 0), Pixel(frame, 30, 20), Pixel(frame, 69, 49), Pixel(frame, 70, 50)));
        }

        Fill(connection, child, new(0, 0, 5, 5), 0x0000FF);
        using (FrameLease frame = source.Next())
        {
            Assert.Equal((0x0000FFu, 0x00FF00u), (Pixel(frame, 34, 24), Pixel(frame, 35, 25)));
            Assert.True(frame.Damage.Bounds.Contains(new DeviceRectangle(30, 20, 5, 5)));
        }

        // The server paints the border of a redirected window a little later, and reports that as the box around it: the whole
        // window. From here on the damage is what is drawn.
        Fill(connection, child, new(10, 10, 5, 5), 0xFF00FF);
        using (FrameLease frame = source.Next())
        {
            Assert.Equal(0xFF00FFu, Pixel(frame, 40, 30));
            Assert.Equal(new DeviceRectangle(40, 30, 5, 5), frame.Damage.Bounds);
        }

        Assert.Equal(new DevicePoint(27, 17), source.Origin);
    }

    [Fact]
    public void Moved_OriginFollowsWithoutAFrame()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint frameWindow = CreateWindow(connection, new(10, 10, 120, 120), 0x111111);
        uint window = CreateWindow(connection, new(5, 20, 100, 80), parent: frameWindow);
        using X11WindowSource source = Open(display, window);
        source.Next().Dispose();
        Assert.Equal(new DevicePoint(15, 30), source.Origin);
        List<DevicePoint> moves = [];
        source.Moved = moves.Add;

        // The frame around the window moves: the window itself is told nothing.
        Configure(connection, frameWindow, LibXcb.ConfigWindowX | LibXcb.ConfigWindowY, 100, 60);

        Assert.Equal(CaptureStatus.TimedOut, source.WaitForFrame(TimeSpan.Zero, out _));
        Assert.Equal(new DevicePoint(105, 80), source.Origin);
        Assert.Equal([new DevicePoint(105, 80)], moves);
    }

    [Fact]
    public void Resized_FormatChangedWithinFiveMillisecondsThenTheWholeWindow()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint window = CreateWindow(connection, new(10, 10, 100, 80));
        using X11WindowSource source = Open(display, window);
        source.Next().Dispose();
        List<double> milliseconds = [];
        for (int i = 0; i < 20; i++)
        {
            DeviceSize size = new(50 + (i * 7), 120 - (i * 3));
            Configure(connection, window, LibXcb.ConfigWindowWidth | LibXcb.ConfigWindowHeight, (uint)size.Width, (uint)size.Height);
            long start = Stopwatch.GetTimestamp();

            CaptureStatus status;
            FrameLease? frame;
            while ((status = source.WaitForFrame(Displays.Deadline, out frame)) == CaptureStatus.Frame)
            {
                frame!.Dispose(); // damage of the old size, told before the new size
            }

            milliseconds.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            Assert.Equal(CaptureStatus.FormatChanged, status);
            Assert.Equal(size, source.Format.Size);
            using FrameLease whole = source.Next();
            Assert.Equal(size, whole.Format.Size);
            Assert.Equal(DeviceRectangle.Of(size), whole.Damage.Bounds);
            Assert.Equal((Back, Back), (Pixel(whole, 0, 0), Pixel(whole, size.Width - 1, size.Height - 1)));
        }

        milliseconds.Sort();
        Assert.InRange(milliseconds[10], 0, 5); // the median: one core may be somebody else's for a while
        Assert.Equal(0, source.Pool.OutstandingCount);
    }

    [Fact]
    public void UnmappedAndMapped_HiddenOnceThenTheWholeWindow()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint window = CreateWindow(connection, new(10, 10, 100, 80));
        using X11WindowSource source = Open(display, window);
        source.Next().Dispose();

        _ = LibXcb.xcb_unmap_window(connection.Handle, window);
        Assert.True(connection.Synchronize());
        Assert.Equal(CaptureStatus.Hidden, source.WaitForFrame(Displays.Deadline, out _));
        Assert.Equal(CaptureStatus.TimedOut, source.WaitForFrame(TimeSpan.FromMilliseconds(1), out _));
        Assert.Equal(CaptureStatus.Hidden, source.Capture(out _));

        _ = LibXcb.xcb_map_window(connection.Handle, window);
        Fill(connection, window, new(3, 4, 5, 6), 0xABCDEF);
        using FrameLease shown = source.Next();

        Assert.Equal((0xABCDEFu, Back), (Pixel(shown, 3, 4), Pixel(shown, 99, 79)));
        Assert.Equal(new DeviceRectangle(0, 0, 100, 80), shown.Damage.Bounds);
    }

    [Fact]
    public void NotYetShown_HiddenThenFramesWhenItIs()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint window = CreateWindow(connection, new(10, 10, 100, 80), isShown: false);
        using X11WindowSource source = Open(display, window);
        Assert.Equal(new DeviceSize(100, 80), source.Format.Size);
        Assert.Equal(CaptureStatus.Hidden, source.WaitForFrame(Displays.Deadline, out _));

        _ = LibXcb.xcb_map_window(connection.Handle, window);
        connection.Flush();

        using FrameLease frame = source.Next();
        Assert.Equal(Back, Pixel(frame, 50, 50));
    }

    [Fact]
    public void Destroyed_SourceClosedForGood()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint window = CreateWindow(connection, new(10, 10, 100, 80));
        using X11WindowSource source = Open(display, window);
        source.Next().Dispose();

        _ = LibXcb.xcb_destroy_window(connection.Handle, window);
        connection.Flush();

        CaptureStatus status;
        FrameLease? last;
        while ((status = source.WaitForFrame(Displays.Deadline, out last)) is CaptureStatus.Frame or CaptureStatus.Hidden)
        {
            last?.Dispose();
        }

        Assert.Equal(CaptureStatus.SourceClosed, status);
        Assert.Equal(CaptureStatus.SourceClosed, source.WaitForFrame(TimeSpan.Zero, out _));
        Assert.Equal(CaptureStatus.SourceClosed, source.Capture(out _));
    }

    [Fact]
    public void ActiveWindowSwitches_FormatChangedAndTheOtherWindow()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint a = CreateWindow(connection, new(10, 10, 100, 80), 0x0000AA), b = CreateWindow(connection, new(60, 40, 100, 80), 0x00BB00);
        SetActive(connection, a);
        using X11WindowSource source = Open(display, null);
        using (FrameLease frame = source.Next())
        {
            Assert.Equal((a, 0x0000AAu), (source.Window, Pixel(frame, 99, 79))); // covered by the other
        }

        SetActive(connection, b);
        Assert.Equal(CaptureStatus.FormatChanged, source.WaitForFrame(Displays.Deadline, out _));
        using (FrameLease frame = source.Next())
        {
            Assert.Equal((b, 0x00BB00u), (source.Window, Pixel(frame, 0, 0)));
            Assert.Equal(new DevicePoint(60, 40), source.Origin);
        }

        Fill(connection, a, new(0, 0, 9, 9), 0x123456); // no longer of interest
        Assert.Equal(CaptureStatus.TimedOut, source.WaitForFrame(TimeSpan.Zero, out _));
        _ = LibXcb.xcb_destroy_window(connection.Handle, b);
        SetActive(connection, 0);
        CaptureStatus status;
        FrameLease? last;
        while ((status = source.WaitForFrame(Displays.Deadline, out last)) == CaptureStatus.Frame)
        {
            last!.Dispose();
        }

        Assert.Equal(CaptureStatus.Hidden, status);
        SetActive(connection, a);
        Assert.Equal(CaptureStatus.FormatChanged, source.WaitForFrame(Displays.Deadline, out _));
        using (FrameLease frame = source.Next())
        {
            Assert.Equal((0x123456u, 0x0000AAu), (Pixel(frame, 8, 8), Pixel(frame, 9, 9)));
        }
    }

    [Fact]
    public void NoComposite_ThePlaceOnTheScreenFollowsTheWindow()
    {
        using VirtualDisplay display = Displays.Start(400, 300, "-extension", "Composite");
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint window = CreateWindow(connection, new(10, 10, 100, 80));
        using X11WindowSource source = Open(display, window);
        using (FrameLease frame = source.Next())
        {
            Assert.Equal((new DeviceSize(100, 80), Back), (frame.Format.Size, Pixel(frame, 99, 79)));
        }

        Configure(connection, window, LibXcb.ConfigWindowX | LibXcb.ConfigWindowY, 200, 100);
        using (FrameLease frame = source.Next())
        {
            Assert.Equal((Back, Back), (Pixel(frame, 0, 0), Pixel(frame, 99, 79)));
            Assert.Equal(new DevicePoint(200, 100), source.Origin);
        }

        Configure(connection, window, LibXcb.ConfigWindowX | LibXcb.ConfigWindowY, 350, 100);
        CaptureStatus status;
        FrameLease? old;
        while ((status = source.WaitForFrame(Displays.Deadline, out old)) == CaptureStatus.Frame)
        {
            old!.Dispose();
        }

        Assert.Equal((CaptureStatus.FormatChanged, new DeviceSize(50, 80)), (status, source.Format.Size));
        using FrameLease cut = source.Next();
        Assert.Equal(Back, Pixel(cut, 49, 79));
    }

    [Fact]
    public void ServerEnds_DisplayGone()
    {
        VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        using X11WindowSource source = Open(display, CreateWindow(connection, new(10, 10, 100, 80)));
        source.Next().Dispose();

        display.Dispose();

        Assert.Equal(CaptureStatus.DisplayGone, source.WaitForFrame(Displays.Deadline, out _));
        Assert.Equal(CaptureStatus.DisplayGone, source.Capture(out _));
    }

    [Fact]
    public void NoSuchWindow_SentenceThatSaysSo()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);

        Assert.Null(X11Capture.TryOpenWindow(new() { DisplayName = display.DisplayName }, 0x123456, out string error));
        Assert.Contains("no window 0x123456", error, StringComparison.Ordinal);
        Assert.Null(X11Capture.TryOpenWindow(new() { DisplayName = display.DisplayName }, null, out error));
        Assert.Contains("no active window", error, StringComparison.Ordinal);
        Assert.Null(X11Capture.TryOpenWindow(new() { DisplayName = display.DisplayName, Region = new(0, 0, 1, 1) }, connection.Root, out error));
        Assert.NotEmpty(error);
    }

    [Fact]
    public void ManyResizesAndSwitches_NothingLeftOnTheServer()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint a = CreateWindow(connection, new(10, 10, 100, 80)), b = CreateWindow(connection, new(60, 40, 120, 90));
        SetActive(connection, a);
        using X11WindowSource source = Open(display, null);
        source.Next().Dispose();
        uint before = 0;
        for (int i = 0; i < 60; i++)
        {
            SetActive(connection, i % 2 == 0 ? b : a);
            Configure(connection, i % 2 == 0 ? b : a, LibXcb.ConfigWindowWidth, (uint)(100 + (i % 7)));
            FrameLease? frame;
            while (source.WaitForFrame(Displays.Deadline, out frame) != CaptureStatus.Frame || frame!.Format.Size.Width != 100 + (i % 7))
            {
                frame?.Dispose();
            }

            frame.Dispose();
            if (i == 9)
            {
                before = ResourceCount(connection, source.ResourceIdBase);
            }
        }

        Assert.Equal(before, ResourceCount(connection, source.ResourceIdBase));
        Assert.Equal(0, source.Pool.OutstandingCount);
    }

    [Fact]
    public void WindowsListedAndFound()
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        uint a = CreateWindow(connection, new(10, 20, 100, 80)), b = CreateWindow(connection, new(60, 40, 50, 60), isShown: false);
        SetText(connection, a, LibXcb.AtomWmName, "Terminal one");
        SetText(connection, a, LibXcb.AtomWmClass, "xterm\0XTerm\0");
        SetText(connection, b, connection.Atom("_NET_WM_NAME"), "Terminal zwö");

        Assert.Equal([a, b], X11Windows.List(connection).Select(window => window.Id));
        Assert.Equal(new X11WindowEntry(a, "Terminal one", "XTerm", new(10, 20, 100, 80), true), X11Windows.Find(connection, $"0x{a:x}", out _));
        Assert.Equal(new X11WindowEntry(b, "Terminal zwö", "", new(60, 40, 50, 60), false), X11Windows.Find(connection, "ZWÖ", out _));
        Assert.Null(X11Windows.Find(connection, "terminal", out string error));
        Assert.Contains("2 windows", error, StringComparison.Ordinal);
        Assert.Null(X11Windows.Find(connection, "editor", out error));
        Assert.Contains($"0x{a:x} «Terminal one»", error, StringComparison.Ordinal);

        SetWindows(connection, "_NET_CLIENT_LIST", b);
        Assert.Equal([b], X11Windows.List(connection).Select(window => window.Id));
    }

    private static X11WindowSource Open(VirtualDisplay display, uint? window, string? backEnd = null)
    {
        X11WindowSource? source = X11Capture.TryOpenWindow(new() { DisplayName = display.DisplayName, BackEnd = backEnd }, window, out string error);
        Assert.True(source is not null, error);
        return source;
    }

    private static uint CreateWindow(
        X11Connection connection, DeviceRectangle place, uint colour = Back, uint? parent = null, ushort borderWidth = 0, bool isShown = true)
    {
        uint window = LibXcb.xcb_generate_id(connection.Handle);
        _ = LibXcb.xcb_create_window(
            connection.Handle, connection.RootDepth, window, parent ?? connection.Root, (short)place.X, (short)place.Y, (ushort)place.Width, (ushort)place.Height,
            borderWidth, LibXcb.WindowClassInputOutput, connection.RootVisual, LibXcb.CwBackPixel | LibXcb.CwBorderPixel, [colour, 0xFFFFFF]);
        if (isShown)
        {
            _ = LibXcb.xcb_map_window(connection.Handle, window);
        }

        Assert.True(connection.Synchronize());
        return window;
    }

    private static void Fill(X11Connection connection, uint window, DeviceRectangle rectangle, uint colour)
    {
        uint context = LibXcb.xcb_generate_id(connection.Handle);
        _ = LibXcb.xcb_create_gc(connection.Handle, context, window, LibXcb.GcForeground, [colour]);
        _ = LibXcb.xcb_poly_fill_rectangle(connection.Handle, window, context, 1,
        [
            new XcbRectangle { X = (short)rectangle.X, Y = (short)rectangle.Y, Width = (ushort)rectangle.Width, Height = (ushort)rectangle.Height },
        ]);
        _ = LibXcb.xcb_free_gc(connection.Handle, context);
        Assert.True(connection.Synchronize());
    }

    private static void Configure(X11Connection connection, uint window, int mask, params uint[] values)
    {
        _ = LibXcb.xcb_configure_window(connection.Handle, window, (ushort)mask, values);
        Assert.True(connection.Synchronize());
    }

    private static void SetActive(X11Connection connection, uint window) => SetWindows(connection, "_NET_ACTIVE_WINDOW", window);

    private static void SetWindows(X11Connection connection, string property, uint window)
    {
        _ = LibXcb.xcb_change_property(
            connection.Handle, LibXcb.PropModeReplace, connection.Root, connection.Atom(property), LibXcb.AtomWindow, 32, 1,
            MemoryMarshal.AsBytes<uint>(new uint[] { window }));
        Assert.True(connection.Synchronize());
    }

    private static void SetText(X11Connection connection, uint window, uint property, string text)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(text);
        _ = LibXcb.xcb_change_property(
            connection.Handle, LibXcb.PropModeReplace, window, property, LibXcb.AtomString, 8, (uint)bytes.Length, bytes);
        Assert.True(connection.Synchronize());
    }

    private static uint Pixel(FrameLease frame, int x, int y) =>
        MemoryMarshal.Cast<byte, uint>(frame.Pixels[((y * frame.Format.StrideBytes) + (x * 4))..])[0] & 0xFFFFFF;

    private static unsafe uint ResourceCount(X11Connection connection, uint client)
    {
        XcbResQueryClientResourcesReply* reply = LibXcbRes.xcb_res_query_client_resources_reply(
            connection.Handle, LibXcbRes.xcb_res_query_client_resources(connection.Handle, client), null);
        Assert.True(reply is not null);
        uint count = 0;
        for (int i = 0; i < LibXcbRes.xcb_res_query_client_resources_types_length(reply); i++)
        {
            count += LibXcbRes.xcb_res_query_client_resources_types(reply)[i].Count;
        }

        LibC.free(reply);
        return count;
    }
}
