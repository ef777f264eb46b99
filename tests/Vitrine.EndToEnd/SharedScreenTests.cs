using Vitrine.Frames;
using Vitrine.Lab;
using Vitrine.Lab.Browser;
using Vitrine.Lab.Content;

namespace Vitrine.EndToEnd;

/// <summary>The whole way: a real X server, the program in a process of its own, a real browser.</summary>
public sealed class SharedScreenTests
{
    private static readonly DeviceSize s_size = new(1024, 700); // no whole number of tiles
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly LabOptions s_options = new();
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3)).Token;

    [Fact]
    public async Task RandomPainting_PageEqualsTheScreenAtEveryPixel()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await ShareProcess.StartAsync(s_options, display.Name, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await OpenLiveAsync(browser, share.Url);
        using var painter = new RandomPainter(display.Painter, seed: 11);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        for (int burst = 0; burst < 8; burst++)
        {
            for (int i = 0; i < 60; i++)
            {
                painter.Step();
                Assert.True(i % 4 != 0 || painter.TrySynchronize());
            }

            Assert.True(painter.TrySynchronize());
            await AssertExactAsync(page, truth);
        }
    }

    [Fact]
    public async Task FilmInAWindow_PageShowsVideoAndIsExactWhenItRests()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await ShareProcess.StartAsync(s_options, display.Name, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await OpenLiveAsync(browser, share.Url);
        using var film = new VideoLoop(new DeviceSize(400, 300), 30);
        using var image = new SharedImage(display.Painter, film);
        using var window = new PaintedWindow(display.Painter, new DeviceRectangle(151, 83, 400, 300), 0, "film");
        using var painter = new RandomPainter(display.Painter, seed: 13);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(33));
        window.Show();
        long frame = 0;
        for (int burst = 1; burst <= 3; burst++)
        {
            window.Raise();
            int drawn = (await page.EvaluateAsync("vitrineStatistics().video.framesDrawn", _deadline)).GetInt32();
            Task<bool> shows = page.WaitUntilAsync($"vitrineStatistics().video.framesDrawn > {drawn + 15}", s_patience, _deadline);
            while (!shows.IsCompleted)
            {
                image.Put(window, frame++, DeviceRectangle.Of(film.Size), 0, 0);
                Assert.True(painter.TrySynchronize());
                await pace.WaitForNextTickAsync(_deadline);
            }

            Assert.True(await shows, $"No video: {(await page.EvaluateAsync("vitrineStatistics().video", _deadline)).GetRawText()}");
            painter.Step();
            Assert.True(painter.TrySynchronize());
            await AssertExactAsync(page, truth);
        }
    }

    [Fact]
    public async Task ScreenChangesItsSize_PageFollowsAndIsExact()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await ShareProcess.StartAsync(s_options, display.Name, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await OpenLiveAsync(browser, share.Url);
        using var painter = new RandomPainter(display.Painter, seed: 12);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        foreach (DeviceSize size in (DeviceSize[])[new(640, 480), s_size])
        {
            display.Resize(size);
            painter.ChangeScreen(size);
            painter.Step();
            Assert.True(painter.TrySynchronize());
            await AssertExactAsync(page, truth);
            Assert.Equal(size, truth.Size);
        }
    }

    [Fact]
    public async Task WrongToken_PageSaysNoAccess()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await ShareProcess.StartAsync(s_options, display.Name, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await browser.OpenAsync(new Uri(share.Url, "/?t=wrong").AbsoluteUri, _deadline);
        await AssertStateAsync(page, "noAccess");
    }

    [Fact]
    public async Task XServerEnds_PageSaysDisplayGone()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await ShareProcess.StartAsync(s_options, display.Name, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await OpenLiveAsync(browser, share.Url);
        display.Server.Dispose();
        await AssertStateAsync(page, "displayGone");
    }

    [Fact]
    public async Task HostDies_PageSaysHostGone()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await ShareProcess.StartAsync(s_options, display.Name, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await OpenLiveAsync(browser, share.Url);
        share.Kill();
        await AssertStateAsync(page, "hostGone");
    }

    [Fact]
    public async Task UpWithoutADisplay_PageShowsMovingContent()
    {
        await using ShareProcess up = await ShareProcess.StartAsync(
            s_options, ["up", "--size", "800x600"], new Dictionary<string, string?> { ["DISPLAY"] = null, ["WAYLAND_DISPLAY"] = null }, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await OpenLiveAsync(browser, up.Url);
        (byte[] first, DeviceSize size) = await CanvasProbe.HashAsync(page, _deadline);
        Assert.Equal(new DeviceSize(800, 600), size);
        bool moved = await EventuallyAsync(async () => !(await CanvasProbe.HashAsync(page, _deadline)).Hash.AsSpan().SequenceEqual(first));
        Assert.True(moved, "The picture of the private display stands still.");
    }

    private async Task<BrowserPage> OpenLiveAsync(Chromium browser, Uri url)
    {
        BrowserPage page = await browser.OpenAsync(url.AbsoluteUri, _deadline);
        bool shown = await page.WaitUntilAsync($"{CanvasProbe.ShowsAPicture} && vitrineStatistics().state === 'live'", s_patience, _deadline);
        Assert.True(shown, $"The page shows no picture. Its console: {string.Join("; ", page.Console)}");
        return page;
    }

    private async Task AssertExactAsync(BrowserPage page, ScreenTruth truth)
    {
        byte[] expected = truth.Hash();
        bool exact = await EventuallyAsync(async () => (await CanvasProbe.HashAsync(page, _deadline)).Hash.AsSpan().SequenceEqual(expected));
        Assert.True(exact, $"The canvas is not what the screen shows. The page's console: {string.Join("; ", page.Console)}");
    }

    private async Task AssertStateAsync(BrowserPage page, string state)
    {
        bool told = await page.WaitUntilAsync($"vitrineStatistics().state === '{state}'", s_patience, _deadline);
        string now = told ? state : (await page.EvaluateAsync("vitrineStatistics().state", _deadline)).ToString();
        Assert.True(told, $"The page says «{now}» instead of «{state}». Its console: {string.Join("; ", page.Console)}");
    }

    private static async Task<bool> EventuallyAsync(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(s_patience);
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            if (deadline.IsCancellationRequested)
            {
                return false;
            }

            await poll.WaitForNextTickAsync();
        }

        return true;
    }
}
