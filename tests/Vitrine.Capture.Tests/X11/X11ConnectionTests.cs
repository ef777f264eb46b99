using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Capture.Tests.X11;

public sealed class X11ConnectionTests
{
    [Theory]
    [InlineData(":9999", "no X server listens")]
    [InlineData("nonsense", "not the name of a display")]
    public void UnknownDisplay_SentenceWithTheMend(string name, string part)
    {
        Assert.Null(X11Connection.TryOpen(name, out string error));
        Assert.Contains(part, error, StringComparison.Ordinal);
    }

    [Fact]
    public void VirtualDisplay_ConnectsWithEveryExtension()
    {
        using VirtualDisplay display = Displays.Start(640, 480);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        Assert.Equal(new DeviceSize(640, 480), connection.InitialRootSize);
        Assert.Equal(24, connection.RootDepth);
        Assert.True(connection.SharedPixmaps);
        foreach (X11Extension extension in (X11Extension[])[connection.Shm, connection.Damage, connection.Xfixes, connection.Randr,
            connection.XInput, connection.Composite, connection.Res, connection.Test])
        {
            Assert.True(extension.IsPresent, extension.Absence);
            Assert.True(extension.IsAtLeast(0, 1), extension.ToString());
        }

        Assert.NotEqual(0u, connection.Atom("_NET_ACTIVE_WINDOW"));
        Assert.Equal(connection.Atom("_NET_ACTIVE_WINDOW"), connection.Atom("_NET_ACTIVE_WINDOW"));
        Assert.False(connection.IsBroken);
    }

    [Fact]
    public void Depth16_RefusedWithTheMend()
    {
        using VirtualDisplay? display = VirtualDisplay.TryStart(new DeviceSize(320, 240), out string error, depth: 16);
        Assert.True(display is not null, error);
        Assert.Null(X11Connection.TryOpen(display.DisplayName, out error));
        Assert.Contains("depth 16", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Wake_EndsTheNextWait()
    {
        using VirtualDisplay display = Displays.Start(320, 240);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        connection.Wake();
        Assert.Equal(X11WaitResult.Woken, connection.Wait(TimeSpan.FromSeconds(10)));
        Assert.Equal(X11WaitResult.TimedOut, connection.Wait(TimeSpan.Zero));
    }

    [Fact]
    public void ServerEnds_ConnectionIsBroken()
    {
        VirtualDisplay display = Displays.Start(320, 240);
        using X11Connection connection = Displays.Connect(display.DisplayName);
        display.Dispose();
        Assert.True(display.HasExited);
        Assert.False(connection.Synchronize());
        Assert.True(connection.IsBroken);
        Assert.Equal(X11WaitResult.Broken, connection.Wait(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void BadXvfbArgument_SaysWhatTheServerSaid()
    {
        using VirtualDisplay? display = VirtualDisplay.TryStart(new DeviceSize(320, 240), out string error, 24, "-nonsense");
        Assert.Null(display);
        Assert.Contains("nonsense", error, StringComparison.Ordinal);
    }

    // Linux ends a child that asked for it when the thread that started it ends, not the process.
    [Fact]
    public void StartingThreadEnds_ServerStays()
    {
        VirtualDisplay? display = null;
        Thread starter = new(() => display = Displays.Start(320, 240));
        starter.Start();
        starter.Join();
        using (display)
        {
            using X11Connection connection = Displays.Connect(display!.DisplayName);
            Assert.True(connection.Synchronize());
            Assert.False(display.HasExited);
        }
    }

    [Fact]
    public void Disposed_ProcessIsGone()
    {
        VirtualDisplay display = Displays.Start(320, 240);
        int process = display.ProcessId;
        display.Dispose();
        display.Dispose();
        Assert.False(Directory.Exists($"/proc/{process}"));
    }
}
