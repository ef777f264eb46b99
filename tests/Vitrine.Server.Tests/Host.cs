using Vitrine.Frames;
using Vitrine.Viewer;
using Vitrine.Wire;

namespace Vitrine.Server.Tests;

/// <summary>A session and a server over a synthetic display, on a free port.</summary>
internal sealed class Host : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private Host(SyntheticDisplay display, ShareSession session, VitrineServer server) =>
        (Display, Session, Server) = (display, session, server);

    public SyntheticDisplay Display { get; }

    public ShareSession Session { get; }

    public VitrineServer Server { get; }

    public static async Task<Host> StartAsync(
        SyntheticDisplay? display = null, ShareOptions? share = null, ServerOptions? options = null)
    {
        display ??= new(320, 200);
        ShareSession session = new(display.TryOpen, share ?? new() { Name = "test", FramesPerSecondMax = 240 });
        await session.StartAsync();
        Host host = new(display, session, await VitrineServer.StartAsync(session, (options ?? new()) with { Port = 0 }));
        host.Server.OpenQuic();
        return host;
    }

    public Task<HeadlessViewer> ConnectAsync(HeadlessViewerOptions? options = null) => HeadlessViewer.ConnectAsync(Server.Url, options);

    /// <summary>Whether the viewer shows exactly the display.</summary>
    public bool IsShownBy(HeadlessViewer viewer)
    {
        bool same = false;
        viewer.ReadPicture((pixels, size) => same = Display.IsShownBy(pixels, size));
        return same;
    }

    public async Task AssertShownByAsync(HeadlessViewer viewer, string when = "") =>
        Assert.True(await viewer.WaitUntilAsync(IsShownBy, Patience), $"The viewer does not show the display {when}.");

    public static async Task AssertAsync(HeadlessViewer viewer, Func<HeadlessViewer, bool> condition, string what) =>
        Assert.True(await viewer.WaitUntilAsync(condition, Patience), what);

    /// <summary>Waits for something that no viewer sees.</summary>
    public static Task AssertSoonAsync(Func<bool> condition, string what) => AssertSoonAsync(() => Task.FromResult(condition()), what);

    public static async Task AssertSoonAsync(Func<Task<bool>> condition, string what)
    {
        using CancellationTokenSource deadline = new(Patience);
        using PeriodicTimer look = new(TimeSpan.FromMilliseconds(5));
        while (!await condition())
        {
            try
            {
                await look.WaitForNextTickAsync(deadline.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail(what);
            }
        }
    }

    /// <summary>Plays a film, each frame when the viewer has the one before, until a condition holds.</summary>
    public async Task PlayUntilAsync(HeadlessViewer viewer, DeviceRectangle where, Func<bool> condition, string what)
    {
        using CancellationTokenSource deadline = new(Patience);
        for (int i = 0; !condition(); i++)
        {
            Assert.False(deadline.IsCancellationRequested, what);
            long seen = viewer.FrameCount;
            Display.PaintFilm(where, i);
            await AssertAsync(viewer, v => v.FrameCount > seen, $"No frame {i} came.");
        }
    }

    public static MonitorRecord Monitor(int x, int y, int width, int height, string name) =>
        new(new DeviceRectangle(x, y, width, height), 1000, 0, false, name);

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
