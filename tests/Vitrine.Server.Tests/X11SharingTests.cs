using System.Diagnostics;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Viewer;
using Vitrine.Wire;

namespace Vitrine.Server.Tests;

/// <summary>A real X server, a real session, real sockets.</summary>
public sealed class X11SharingTests
{
    [Fact]
    public async Task ServerIsKilledWhileSharing_ViewerIsToldAndSharingResumesOnTheNextOne()
    {
        VirtualDisplay? display = Start();
        string name = display.DisplayName;
        SourceOpener open = (ISourceObserver observer, out string error) =>
            X11Sharing.Screen(new() { DisplayName = Volatile.Read(ref name) })(observer, out error);
        ShareSession session = new(open, new() { Name = "test" });
        await session.StartAsync();
        await using VitrineServer server = await VitrineServer.StartAsync(session, new() { Port = 0 });
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(server.Url);
        PaintRoot(name, "#102030");
        await Host.AssertAsync(viewer, v => Shows(v, 0x102030), "The first colour is not shown.");
        await Host.AssertAsync(viewer, v => v.Topology!.Monitors.Count == 1, "The monitor is not told.");
        await Host.AssertAsync(viewer, v => v.CursorPosition is not null, "The cursor is not told.");
        Assert.Equal(new DeviceSize(640, 480), viewer.Topology!.Size);
        uint generation = viewer.Topology!.Generation;

        display.Dispose();
        await Host.AssertAsync(viewer, v => v.Topology!.State == TopologyState.DisplayGone, "The viewer was not told.");

        using VirtualDisplay next = Start();
        Volatile.Write(ref name, next.DisplayName);
        await Host.AssertAsync(viewer, v => v.Topology!.State == TopologyState.Live, "Sharing did not resume.");
        PaintRoot(next.DisplayName, "#405060");
        await Host.AssertAsync(viewer, v => Shows(v, 0x405060), "The picture did not come back.");
        Assert.True(viewer.Topology!.Generation > generation);
        Assert.Equal(1, viewer.ConnectionCount);
    }

    [Fact]
    public async Task RegionIsShared_MonitorsAndCursorAreInItsCoordinates()
    {
        using VirtualDisplay display = Start();
        ShareSession session = new(X11Sharing.Screen(new() { DisplayName = display.DisplayName, Region = new(100, 50, 200, 100) }), new() { Name = "test" });
        await session.StartAsync();
        await using VitrineServer server = await VitrineServer.StartAsync(session, new() { Port = 0 });
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(server.Url);
        await Host.AssertAsync(viewer, v => v.Topology is { Monitors.Count: 1 } && v.CursorPosition is not null, "Monitor and cursor are not told.");
        Assert.Equal(new DeviceSize(200, 100), viewer.Topology!.Size);
        Assert.Equal(new DeviceRectangle(-100, -50, 640, 480), viewer.Topology!.Monitors[0].Bounds);
        Assert.Equal(new DevicePoint(320 - 100, 240 - 50), viewer.CursorPosition); // Xvfb puts the pointer into the middle
    }

    private static VirtualDisplay Start()
    {
        VirtualDisplay? display = VirtualDisplay.TryStart(new(640, 480), out string error);
        Assert.True(display is not null, error);
        return display;
    }

    private static bool Shows(HeadlessViewer viewer, int colour)
    {
        bool all = false;
        viewer.ReadPicture((pixels, size) =>
        {
            all = size.Area > 0;
            for (int i = 0; all && i < pixels.Length; i += 4)
            {
                all = (pixels[i] | (pixels[i + 1] << 8) | (pixels[i + 2] << 16)) == colour;
            }
        });
        return all;
    }

    private static void PaintRoot(string display, string colour)
    {
        try
        {
            using Process process = Process.Start("xsetroot", ["-display", display, "-solid", colour]);
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Fail("The program xsetroot is missing. Install it: apt-get install x11-xserver-utils.");
        }
    }
}
