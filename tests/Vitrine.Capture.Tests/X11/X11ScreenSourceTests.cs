using System.Diagnostics;
using System.Globalization;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.Tests.X11;

public sealed class X11ScreenSourceTests
{
    private static readonly DeviceRectangle s_part = new(101, 53, 333, 207);

    public static TheoryData<string, bool> BackEndsAndParts()
    {
        TheoryData<string, bool> data = [];
        foreach (string name in X11Capture.BackEndNames)
        {
            data.Add(name, false);
            data.Add(name, true);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(BackEndsAndParts))]
    public void RandomPainting_EveryPixelInEveryFrame(string backEnd, bool part)
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using Painter painter = new(display.DisplayName);
        DeviceRectangle region = part ? s_part : DeviceRectangle.Of(painter.Size);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, BackEnd = backEnd, Region = part ? s_part : null });
        Assert.Equal(backEnd, source.BackEnd.Name);
        Assert.Equal(region.Size, source.Format.Size);

        using (FrameLease first = source.Next())
        {
            painter.AssertShown(first, region);
            Assert.Equal(DeviceRectangle.Of(region.Size), first.Damage.Bounds);
        }

        Random random = new(1);
        int frames = 0;
        for (int i = 0; i < 150; i++)
        {
            painter.FillRandom(random);
            while (source.WaitForFrame(TimeSpan.Zero, out FrameLease? frame) == CaptureStatus.Frame)
            {
                using (frame)
                {
                    frames++;
                    painter.AssertShown(frame!, region); // painting rests meanwhile: every frame is the screen
                    Assert.Equal(FrameTrigger.Damage, frame!.Trigger);
                    Assert.InRange(frame.Times.CapturedNs - frame.Times.OriginNs, 0, 10_000_000_000);
                    Assert.True(DeviceRectangle.Of(region.Size).Contains(frame.Damage.Bounds));
                }
            }
        }

        Assert.InRange(frames, 30, 151);
        using FrameLease whole = Assert.IsType<FrameLease>(Pull(source));
        painter.AssertShown(whole, region);
        Assert.Equal(FrameTrigger.Request, whole.Trigger);
        Assert.Equal(frames + 2, whole.Sequence);
    }

    [Theory]
    [InlineData(X11Capture.Shm)]
    [InlineData(X11Capture.ShmGetImage)]
    [InlineData(X11Capture.GetImage)]
    public void FramesHeld_NewOnesExactAndOldOnesUntouched(string backEnd)
    {
        using VirtualDisplay display = Displays.Start(400, 300);
        using Painter painter = new(display.DisplayName);
        DeviceRectangle region = DeviceRectangle.Of(painter.Size);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, BackEnd = backEnd, PoolCapacity = 4 });
        List<(FrameLease Frame, uint[] Content)> held = [];
        Random random = new(2);
        for (int i = 0; i < 300; i++)
        {
            using (FrameLease frame = source.Next())
            {
                painter.AssertShown(frame, region);
                if (held.Count < 3 && random.Next(3) == 0)
                {
                    held.Add((frame.AddReference("test"), (uint[])painter.Expected.Clone()));
                }
            }

            foreach ((FrameLease frame, uint[] content) in held)
            {
                Painter.AssertEqual(content, painter.Size, frame, region);
            }

            if (held.Count > 0 && random.Next(3) == 0)
            {
                int which = random.Next(held.Count);
                held[which].Frame.Dispose();
                held.RemoveAt(which);
            }

            painter.FillRandom(random);
            painter.Fill(new(random.Next(380), random.Next(280), 7, 5), (uint)random.Next(0x1000000)); // some fills lie outside: this never
        }

        held.ForEach(h => h.Frame.Dispose());
        Assert.Equal(0, source.SkippedCount);
        Assert.Empty(source.Pool.DescribeLeaks());
    }

    [Fact]
    public void StillScreen_NoFrameAndNoWork()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName });
        source.Next().Dispose();
        Drain(source);
        long frames = source.CapturedCount;
        TimeSpan before = ProcessorTimeOf(display.ProcessId);
        Assert.Equal(CaptureStatus.TimedOut, source.WaitForFrame(TimeSpan.FromSeconds(1), out FrameLease? frame));
        Assert.Null(frame);
        Assert.Equal(frames, source.CapturedCount);
        Assert.InRange((ProcessorTimeOf(display.ProcessId) - before).TotalMilliseconds, 0, 20); // two ticks of the kernel's clock
    }

    [Fact]
    public void AllPicturesHeld_SkippedThenNothingLost()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, PoolCapacity = 1 });
        FrameLease held = source.Next();
        painter.Fill(new(10, 10, 20, 20), 0xFF0000);
        Assert.Equal(CaptureStatus.PoolExhausted, source.WaitForFrame(Displays.Deadline, out _));
        painter.Fill(new(100, 100, 20, 20), 0x00FF00);
        Assert.Equal(CaptureStatus.PoolExhausted, source.WaitForFrame(Displays.Deadline, out _));
        Assert.Equal(2, source.SkippedCount);
        held.Dispose();
        using FrameLease frame = source.Next();
        painter.AssertShown(frame, DeviceRectangle.Of(painter.Size));
        Assert.True(frame.Damage.Bounds.Contains(new DeviceRectangle(10, 10, 110, 110)));
    }

    [Fact]
    public void PaintingOutsideTheRegion_NoFrame()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, Region = s_part });
        source.Next().Dispose();
        Drain(source);
        painter.Fill(new(0, 0, 50, 50), 0xFF00FF);
        Assert.Equal(CaptureStatus.TimedOut, source.WaitForFrame(TimeSpan.Zero, out _));
        painter.Fill(new(90, 50, 20, 10), 0xFF00FF);
        using FrameLease frame = source.Next();
        Assert.Equal(new DeviceRectangle(0, 0, 9, 7), frame.Damage.Bounds);
        painter.AssertShown(frame, s_part);
    }

    [Theory]
    [MemberData(nameof(BackEndsAndParts))]
    public void Resolution_ChangesFormatAndNextFrameIsWhole(string backEnd, bool part)
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, BackEnd = backEnd, Region = part ? s_part : null });
        source.Next().Dispose();
        foreach ((int width, int height) in ((int, int)[])[(400, 300), (640, 480), (321, 111), (640, 480)])
        {
            painter.Resize(width, height);
            DeviceRectangle region = part ? s_part.Intersect(new(0, 0, width, height)) : new(0, 0, width, height);
            Assert.Equal(CaptureStatus.FormatChanged, NextChange(source));
            Assert.Equal(region.Size, source.Format.Size);
            using FrameLease frame = source.Next();
            painter.AssertShown(frame, region);
            Assert.Equal(DeviceRectangle.Of(region.Size), frame.Damage.Bounds);
        }
    }

    [Fact]
    public void ScreenShrinksPastTheRegion_HiddenUntilItGrows()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using Painter painter = new(display.DisplayName);
        DeviceRectangle region = new(500, 400, 100, 50);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, Region = region });
        source.Next().Dispose();
        painter.Resize(320, 240);
        Assert.Equal(CaptureStatus.Hidden, NextChange(source));
        Assert.Equal(CaptureStatus.Hidden, source.Capture(out _));
        Assert.Equal(CaptureStatus.TimedOut, source.WaitForFrame(TimeSpan.Zero, out _));
        painter.Resize(640, 480);
        Assert.Equal(CaptureStatus.FormatChanged, NextChange(source));
        using FrameLease frame = source.Next();
        painter.AssertShown(frame, region);
    }

    [Theory]
    [InlineData(X11Capture.Shm)]
    [InlineData(X11Capture.ShmGetImage)]
    [InlineData(X11Capture.GetImage)]
    public async Task ResolutionChangesWhileReading_ResultsOnlyAndExactAfterwards(string backEnd)
    {
        using VirtualDisplay display = Displays.Start(800, 600);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, BackEnd = backEnd });
        using CancellationTokenSource done = new();
        Task resizing = Task.Run(() =>
        {
            Random random = new(3);
            for (int i = 0; i < 100; i++)
            {
                painter.Resize(random.Next(200, 801), random.Next(200, 601));
            }

            done.Cancel();
            source.Wake();
        });
        int changes = 0;
        while (!done.IsCancellationRequested)
        {
            CaptureStatus status = changes % 2 == 0 ? source.Capture(out FrameLease? frame) : source.WaitForFrame(Displays.Deadline, out frame);
            Assert.Contains(status, (CaptureStatus[])[CaptureStatus.Frame, CaptureStatus.FormatChanged, CaptureStatus.Woken, CaptureStatus.Hidden]);
            changes += status == CaptureStatus.FormatChanged ? 1 : 0;
            frame?.Dispose();
        }

        await resizing;
        Assert.InRange(changes, 5, 110);
        FrameLease? last = null;
        while (last is null)
        {
            source.Capture(out last);
        }

        painter.AssertShown(last, DeviceRectangle.Of(painter.Size));
        last.Dispose();
        Assert.Equal(backEnd, source.BackEnd.Name);
    }

    [Fact]
    public void ServerGoesWhileWaiting_DisplayGone()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName });
        FrameLease held = source.Next();
        Drain(source);
        using Process server = Process.GetProcessById(display.ProcessId);
        server.Kill();
        Assert.Equal(CaptureStatus.DisplayGone, source.WaitForFrame(Displays.Deadline, out _));
        Assert.Equal(CaptureStatus.DisplayGone, source.WaitForFrame(TimeSpan.Zero, out _));
        Assert.Equal(CaptureStatus.DisplayGone, source.Capture(out _));
        Assert.Equal(320 * 240 * 4, held.Pixels.Length); // what was captured stays
        held.Dispose();
    }

    [Fact]
    public async Task Wake_EndsWaiting()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName });
        source.Next().Dispose();
        Drain(source);
        Task<CaptureStatus> waiting = Task.Factory.StartNew(
            () => source.WaitForFrame(Timeout.InfiniteTimeSpan, out _), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        source.Wake();
        Assert.Equal(CaptureStatus.Woken, await waiting.WaitAsync(Displays.Deadline));
    }

    [Fact]
    public void KeyPressed_FrameAtOnce()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, CaptureOnInput = true });
        source.Next().Dispose();
        Drain(source);
        double[] milliseconds = new double[100];
        for (int i = 0; i < milliseconds.Length; i++)
        {
            byte type = i % 2 == 0 ? LibXcbXtest.KeyPress : LibXcbXtest.KeyRelease;
            LibXcbXtest.xcb_test_fake_input(painter.Connection.Handle, type, 38, 0, painter.Connection.Root, 0, 0, 0);
            long start = Stopwatch.GetTimestamp();
            painter.Connection.Flush();
            using FrameLease frame = source.Next();
            milliseconds[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            Assert.Equal(FrameTrigger.Input, frame.Trigger);
            Assert.True(frame.Damage.IsEmpty);
            painter.AssertShown(frame, DeviceRectangle.Of(painter.Size));
        }

        Array.Sort(milliseconds);
        Assert.InRange(milliseconds[50], 0, 2);
    }

    [Theory]
    [InlineData(X11Capture.Shm)]
    [InlineData(X11Capture.ShmGetImage)]
    [InlineData(X11Capture.GetImage)]
    public void SoftwareCursor_NotInThePicture(string backEnd)
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using Painter painter = new(display.DisplayName);
        XcbConnection c = painter.Connection.Handle;
        uint source1 = LibXcb.xcb_generate_id(c), context = LibXcb.xcb_generate_id(c), cursor = LibXcb.xcb_generate_id(c);
        LibXcb.xcb_create_pixmap(c, 1, source1, painter.Connection.Root, 16, 16);
        LibXcb.xcb_create_gc(c, context, source1, LibXcb.GcForeground, [1]);
        LibXcb.xcb_poly_fill_rectangle(c, source1, context, 1, [new XcbRectangle { Width = 16, Height = 16 }]);
        LibXcb.xcb_create_cursor(c, cursor, source1, source1, 0xFFFF, 0, 0, 0, 0, 0xFFFF, 8, 8);
        LibXcb.xcb_change_window_attributes(c, painter.Connection.Root, LibXcb.CwCursor, [cursor]);
        LibXcb.xcb_warp_pointer(c, 0, painter.Connection.Root, 0, 0, 0, 0, 100, 100);
        Assert.True(painter.Connection.Synchronize());

        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, BackEnd = backEnd });
        DeviceRectangle region = DeviceRectangle.Of(painter.Size);
        using (FrameLease first = source.Next())
        {
            painter.AssertShown(first, region);
        }

        Random random = new(4);
        for (int i = 0; i < 50; i++)
        {
            LibXcb.xcb_warp_pointer(c, 0, painter.Connection.Root, 0, 0, 0, 0, (short)random.Next(80, 120), (short)random.Next(80, 120));
            painter.Fill(new(random.Next(70, 110), random.Next(70, 110), 25, 25), (uint)random.Next(0x1000000));
            using FrameLease frame = source.Next();
            painter.AssertShown(frame, region);
        }

        LibXcb.xcb_warp_pointer(c, 0, painter.Connection.Root, 0, 0, 0, 0, 10, 10);
        Assert.True(painter.Connection.Synchronize());
        Assert.Equal(CaptureStatus.TimedOut, source.WaitForFrame(TimeSpan.Zero, out _)); // a moving cursor changes no picture
    }

    [Fact]
    public void NoSharedMemory_GetImageAndWhy()
    {
        using VirtualDisplay display = Displays.Start(320, 240, "-extension", "MIT-SHM");
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName });
        Assert.Equal(X11Capture.GetImage, source.BackEnd.Name);
        Assert.Contains("the X server lacks MIT-SHM", source.BackEnd.Reason, StringComparison.Ordinal);
        using FrameLease frame = source.Next();
        painter.AssertShown(frame, DeviceRectangle.Of(painter.Size));
        Assert.Null(X11Capture.TryOpenScreen(new() { DisplayName = display.DisplayName, BackEnd = X11Capture.Shm }, out string error));
        Assert.Contains("lacks MIT-SHM", error, StringComparison.Ordinal);
    }

    [Fact]
    public void RemoteDisplay_GetImageAndWhy()
    {
        using VirtualDisplay display = Displays.Start(320, 240, "-listen", "tcp", "-ac");
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = "127.0.0.1" + display.DisplayName });
        Assert.Equal(X11Capture.GetImage, source.BackEnd.Name);
        Assert.Contains("the display is remote", source.BackEnd.Reason, StringComparison.Ordinal);
        using (FrameLease first = source.Next())
        {
            painter.AssertShown(first, DeviceRectangle.Of(painter.Size));
        }

        painter.Fill(new(30, 40, 50, 60), 0xABCDEF);
        using FrameLease frame = source.Next();
        painter.AssertShown(frame, DeviceRectangle.Of(painter.Size));
        Assert.Equal(new DeviceRectangle(30, 40, 50, 60), frame.Damage.Bounds);
    }

    [Fact]
    public void SegmentDenied_Refusal()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        using FileStream nothing = File.OpenRead("/dev/null");
        Assert.False(ShmReader.TryAttach(connection, nothing.SafeFileHandle, out _, out string refusal));
        Assert.Contains("refused the shared memory", refusal, StringComparison.Ordinal);
        Assert.False(connection.IsBroken);
    }

    // A server that may open no more files gets no descriptor with the request: as good as no shared memory left.
    [Fact]
    public void ServerTakesNoMemory_GetImageAndWhy()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using Painter painter = new(display.DisplayName);
        int free = Enumerable.Range(0, 1000).Except(DescriptorsOf(display.ProcessId)).First();
        int limit = free + 1; // the lowest free number is for the connection
        using (Process prlimit = Process.Start("prlimit", ["--pid", $"{display.ProcessId}", $"--nofile={limit}:{limit}"]))
        {
            prlimit.WaitForExit();
            Assert.Equal(0, prlimit.ExitCode);
        }

        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName });
        Assert.Equal(X11Capture.GetImage, source.BackEnd.Name);
        Assert.Contains("refused the shared memory", source.BackEnd.Reason, StringComparison.Ordinal);
        using FrameLease frame = source.Next();
        painter.AssertShown(frame, DeviceRectangle.Of(painter.Size));
    }

    [Fact]
    public void ConnectionKilledByAnotherClient_DisplayGone()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName });
        source.Next().Dispose();
        LibXcb.xcb_kill_client(painter.Connection.Handle, source.ResourceIdBase + 1);
        Assert.True(painter.Connection.Synchronize());
        Assert.Equal(CaptureStatus.DisplayGone, source.WaitForFrame(Displays.Deadline, out _));
    }

    [Fact]
    public void NoDamageExtension_WholeFramesAtTheGivenRate()
    {
        using VirtualDisplay display = Displays.Start(320, 240, "-extension", "DAMAGE");
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, PollingRate = 50 });
        Assert.Contains("whole frames 50 times a second, because the X server lacks DAMAGE", source.BackEnd.Reason, StringComparison.Ordinal);
        source.Next().Dispose();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 10; i++)
        {
            painter.Fill(new(i, i, 30, 30), (uint)i * 0x10101);
            using FrameLease frame = source.Next();
            painter.AssertShown(frame, DeviceRectangle.Of(painter.Size));
        }

        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 150, 20_000);
    }

    [Fact]
    public void RegionOutside_SentenceWithTheSize()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        Assert.Null(X11Capture.TryOpenScreen(new() { DisplayName = display.DisplayName, Region = new(400, 0, 10, 10) }, out string error));
        Assert.Contains("320x240", error, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownBackEnd_SentenceWithTheChoice()
    {
        Assert.Null(X11Capture.TryOpenScreen(new() { BackEnd = "magic" }, out string error));
        Assert.Contains("x11-shm, x11-shm-getimage, x11-getimage", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(X11Capture.Shm)]
    [InlineData(X11Capture.ShmGetImage)]
    [InlineData(X11Capture.GetImage)]
    public void ThousandFrames_NothingAllocated(string backEnd)
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, BackEnd = backEnd });
        int taken = 0;
        Take(100);
        Assert.Equal(0, Allocation.LeastOf(() => Take(1_000)));

        long Take(int frames)
        {
            long allocated = 0;
            for (int end = taken + frames; taken < end; taken++)
            {
                painter.Fill(new(taken % 300, taken % 200, 20, 20), (uint)taken);
                long before = GC.GetAllocatedBytesForCurrentThread();
                if (taken % 4 == 0)
                {
                    Pull(source)!.Dispose();
                }
                else if (source.WaitForFrame(Displays.Deadline, out FrameLease? frame) == CaptureStatus.Frame)
                {
                    frame!.Dispose();
                }

                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            }

            return allocated;
        }
    }

    [Theory]
    [InlineData(X11Capture.Shm)]
    [InlineData(X11Capture.ShmGetImage)]
    [InlineData(X11Capture.GetImage)]
    public void TenThousandFramesAndResizes_NothingLeaks(string backEnd)
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using Painter painter = new(display.DisplayName);
        using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName, BackEnd = backEnd });
        int descriptors = 0, resources = 0;
        for (int i = 0; i < 10_000; i++)
        {
            if (i % 500 == 0)
            {
                painter.Resize(i % 1000 == 0 ? 320 : 200, i % 1000 == 0 ? 240 : 150);
            }
            else
            {
                painter.Fill(new(i % 150, i % 100, 20, 20), (uint)i);
            }

            CaptureStatus status = i % 16 == 0 ? source.Capture(out FrameLease? frame) : source.WaitForFrame(Displays.Deadline, out frame);
            Assert.Contains(status, (CaptureStatus[])[CaptureStatus.Frame, CaptureStatus.FormatChanged]);
            frame?.Dispose();
            if (i == 1100)
            {
                (descriptors, resources) = (CountDescriptors(display.ProcessId), CountResources(painter.Connection, source.ResourceIdBase));
            }
        }

        Assert.InRange(CountDescriptors(display.ProcessId), 1, descriptors);
        Assert.Equal(resources, CountResources(painter.Connection, source.ResourceIdBase));
        Assert.Empty(source.Pool.DescribeLeaks());
    }

    [Fact]
    public void OpenedAndClosed_NothingStays()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        int before = 0;
        for (int i = 0; i < 50; i++)
        {
            using X11ScreenSource source = Displays.Open(new() { DisplayName = display.DisplayName });
            source.Next().Dispose();
            if (i == 5)
            {
                before = CountOwnMemoryFiles();
            }
        }

        Assert.InRange(CountOwnMemoryFiles(), 0, before);
    }

    private static FrameLease? Pull(X11ScreenSource source) =>
        source.Capture(out FrameLease? frame) == CaptureStatus.Frame ? frame : null;

    private static void Drain(X11ScreenSource source)
    {
        while (source.WaitForFrame(TimeSpan.Zero, out FrameLease? frame) == CaptureStatus.Frame)
        {
            frame!.Dispose();
        }
    }

    // Frames of what was painted before may come first.
    private static CaptureStatus NextChange(X11ScreenSource source)
    {
        while (true)
        {
            CaptureStatus status = source.WaitForFrame(Displays.Deadline, out FrameLease? frame);
            frame?.Dispose();
            if (status != CaptureStatus.Frame)
            {
                return status;
            }
        }
    }

    private static TimeSpan ProcessorTimeOf(int processId)
    {
        using Process process = Process.GetProcessById(processId);
        return process.TotalProcessorTime;
    }

    // Of the X server: it holds a descriptor for each mapping of ours, and other tests do not touch it.
    private static int CountDescriptors(int processId) => DescriptorsOf(processId).Count();

    private static IEnumerable<int> DescriptorsOf(int processId) =>
        Directory.GetFileSystemEntries($"/proc/{processId}/fd").Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture));

    private static int CountOwnMemoryFiles() => File.ReadLines("/proc/self/maps").Count(line => line.Contains("memfd:vitrine-screen", StringComparison.Ordinal));

    private static unsafe int CountResources(X11Connection connection, uint client)
    {
        XcbResQueryClientResourcesReply* reply = LibXcbRes.xcb_res_query_client_resources_reply(
            connection.Handle, LibXcbRes.xcb_res_query_client_resources(connection.Handle, client), null);
        XcbResType* types = LibXcbRes.xcb_res_query_client_resources_types(reply);
        uint count = 0;
        for (int i = 0; i < LibXcbRes.xcb_res_query_client_resources_types_length(reply); i++)
        {
            count += types[i].Count;
        }

        LibC.free(reply);
        return (int)count;
    }
}
