using System.Diagnostics;
using Vitrine.Capture.Topology;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.Tests.X11;

public sealed class X11TopologyTests
{
    [Fact]
    public void NoMonitorsSet_TheScreenWithScaleOne()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);

        DisplayTopology topology = Read(connection, 7);

        Assert.Equal(7, topology.Generation);
        Assert.Equal(new DeviceRectangle(0, 0, 640, 480), topology.Screen);
        DisplayMonitor monitor = Assert.Single(topology.Monitors);
        Assert.Equal(new DeviceRectangle(0, 0, 640, 480), monitor.Device);
        Assert.Equal(1, monitor.Scale);
        Assert.Equal(0, monitor.RotationDegrees);
        Assert.NotEmpty(monitor.Name);
    }

    [Fact]
    public void TwoMonitorsAt7680x2160_AreSideBySideInDeviceAndLogicalUnits()
    {
        using VirtualDisplay display = Displays.Start(7680, 2160);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        SetTwoMonitors(display);
        SetResources(connection, "Xcursor.size:\t48\nXft.dpi:\t192\n");

        DisplayTopology topology = Read(connection);

        Assert.Equal(["L", "R"], topology.Monitors.Select(monitor => monitor.Name).Order());
        Assert.Equal(new DeviceRectangle(0, 0, 3840, 2160), topology.Find("L")!.Device);
        Assert.Equal(new DeviceRectangle(3840, 0, 3840, 2160), topology.Find("R")!.Device);
        Assert.Equal((500, 280), (topology.Find("R")!.WidthMillimetres, topology.Find("R")!.HeightMillimetres));
        Assert.Equal(new LogicalRectangle(1920, 0, 1920, 1080), topology.Find("R")!.Logical);
        Assert.Equal(2, topology.Primary.Scale);
    }

    [Fact]
    public void ScaleGivenForAMonitor_CountsInsteadOfTheDisplays()
    {
        using VirtualDisplay display = Displays.Start(7680, 2160);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        SetTwoMonitors(display);

        Assert.True(X11Topology.TryRead(connection, 1, out DisplayTopology? topology, new Dictionary<string, double> { ["L"] = 2 }));

        Assert.Equal((2, 1), (topology!.Find("L")!.Scale, topology.Find("R")!.Scale));
        Assert.Equal(new DevicePoint(3840, 100), topology.ToDevice(topology.ToLogical(new DevicePoint(3840, 100))));
    }

    [Fact]
    public void MonitorAddedMovedAndRemoved_EachToldOfByAnEvent()
    {
        using VirtualDisplay display = Displays.Start(1000, 400);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        X11Topology.SelectChanges(connection);

        Run(display, "--setmonitor", "L", "500/100x400/80+0+0", "screen");
        Run(display, "--setmonitor", "R", "500/100x400/80+500+0", "none");
        DisplayTopology two = ReadAfterChange(connection, topology => topology.Monitors.Count == 2 && topology.Find("R") is not null);
        Run(display, "--delmonitor", "R");
        Run(display, "--setmonitor", "R", "250/100x400/80+750+0", "none");
        DisplayTopology moved = ReadAfterChange(connection, topology => topology.Find("R")?.Device.X == 750);
        Run(display, "--delmonitor", "R");
        DisplayTopology one = ReadAfterChange(connection, topology => topology.Find("R") is null);

        Assert.False(two.IsSameLayout(moved));
        Assert.Single(one.Monitors);
    }

    [Fact]
    public void ResolutionAndScaleChange_ToldOfByAnEvent()
    {
        using VirtualDisplay display = Displays.Start(1280, 1024);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        X11Topology.SelectChanges(connection);

        Run(display, "--newmode", "small", "10", "800", "810", "820", "830", "600", "610", "620", "630");
        Run(display, "--addmode", "screen", "small");
        Run(display, "--output", "screen", "--mode", "small");
        DisplayTopology smaller = ReadAfterChange(connection, topology => topology.Screen.Width == 800);
        SetResources(connection, "Xft.dpi: 144");
        DisplayTopology scaled = ReadAfterChange(connection, topology => topology.Primary.Scale == 1.5);

        Assert.Equal(new DeviceRectangle(0, 0, 800, 600), smaller.Primary.Device);
        Assert.Equal(800 / 1.5, scaled.Primary.Logical.Width, 1e-5);
    }

    [Fact]
    public void NoRandr_TheScreenIsTheOnlyMonitor()
    {
        using VirtualDisplay display = Displays.Start(320, 240, "-extension", "RANDR");
        using X11Connection connection = Displays.Connect(display.DisplayName);

        DisplayTopology topology = Read(connection);

        Assert.Equal("screen", Assert.Single(topology.Monitors).Name);
        Assert.Equal(new DeviceRectangle(0, 0, 320, 240), topology.Primary.Device);
    }

    [Fact]
    public void ServerEnds_FalseAndNoTopology()
    {
        VirtualDisplay display = Displays.Start(320, 240);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        display.Dispose();

        Assert.False(X11Topology.TryRead(connection, 1, out DisplayTopology? topology));
        Assert.Null(topology);
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("Xft.dpi:\t96\n", 1)]
    [InlineData("*Xft.dpi: 192\nXft.dpi : 120\r\n", 1.25)]
    [InlineData("Xft.dpi: 96\nXft.dpi: 192", 2)]
    [InlineData("Xft.dpi: many", 1)]
    [InlineData("Xft.dpi: -96", 1)]
    [InlineData("Xft.dpi: 1e300", 1)]
    [InlineData("Xft.dpi: NaN", 1)]
    [InlineData("Xft.dpi", 1)]
    public void Resources_ScaleParsed(string resources, double scale) =>
        Assert.Equal(scale, X11Topology.ParseScale(System.Text.Encoding.Latin1.GetBytes(resources)));

    private static DisplayTopology Read(X11Connection connection, int generation = 1)
    {
        Assert.True(X11Topology.TryRead(connection, generation, out DisplayTopology? topology));
        return topology!;
    }

    private static DisplayTopology ReadAfterChange(X11Connection connection, Func<DisplayTopology, bool> condition)
    {
        long deadline = Stopwatch.GetTimestamp() + (10 * Stopwatch.Frequency);
        while (Stopwatch.GetTimestamp() < deadline)
        {
            bool changed = false;
            while (connection.TryReadEvent(out X11Event next))
            {
                using (next)
                {
                    changed |= X11Topology.IsChange(connection, next);
                }
            }

            if (changed)
            {
                DisplayTopology topology = Read(connection);
                if (condition(topology))
                {
                    return topology;
                }
            }
            else
            {
                connection.Wait(TimeSpan.FromSeconds(1));
            }
        }

        Assert.Fail("No event led to the topology waited for: " + string.Join("; ", Read(connection).Monitors));
        return null!;
    }

    private static void SetTwoMonitors(VirtualDisplay display)
    {
        Run(display, "--setmonitor", "L", "3840/500x2160/280+0+0", "screen");
        Run(display, "--setmonitor", "R", "3840/500x2160/280+3840+0", "none");
    }

    private static void SetResources(X11Connection connection, string resources)
    {
        byte[] bytes = System.Text.Encoding.Latin1.GetBytes(resources);
        _ = LibXcb.xcb_change_property(
            connection.Handle, LibXcb.PropModeReplace, connection.Root, connection.Atom("RESOURCE_MANAGER"), LibXcb.AtomString, 8, (uint)bytes.Length, bytes);
        Assert.True(connection.Synchronize());
    }

    private static void Run(VirtualDisplay display, params ReadOnlySpan<string> arguments)
    {
        ProcessStartInfo start = new("xrandr") { RedirectStandardError = true };
        start.ArgumentList.Add("--display");
        start.ArgumentList.Add(display.DisplayName);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using Process process = Process.Start(start)!;
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, error);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Fail("The program xrandr is missing. Install it: apt-get install x11-xserver-utils.");
        }
    }
}
