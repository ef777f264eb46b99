using System.Text.Json;
using System.Text.RegularExpressions;
using Vitrine.Frames;
using Vitrine.Interop;
using Vitrine.Lab;
using Vitrine.Lab.Browser;
using Vitrine.Lab.Content;
using Vitrine.Viewer;

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
        using var film = new FilmWindow(display);
        using var painter = new RandomPainter(display.Painter, seed: 13);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        for (int burst = 1; burst <= 3; burst++)
        {
            await PlayUntilVideoAsync(page, film);
            painter.Step();
            Assert.True(painter.TrySynchronize());
            await AssertExactAsync(page, truth);
        }
    }

    [Fact]
    public async Task ScreenChangesItsSizeWhileAFilmPlays_PageShowsVideoAgainAndIsExactWhenItRests()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await ShareProcess.StartAsync(s_options, display.Name, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await OpenLiveAsync(browser, share.Url);
        using var film = new FilmWindow(display);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        foreach (DeviceSize size in (DeviceSize[])[new(800, 600), s_size])
        {
            await PlayUntilVideoAsync(page, film);
            display.Resize(size);
            await PlayUntilVideoAsync(page, film);
            await AssertExactAsync(page, truth);
            Assert.Equal(size, truth.Size);
        }
    }

    [Fact]
    public async Task ViewerWithoutVideoBesideOneWithIt_BothAreExactWhenTheFilmRests()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await ShareProcess.StartAsync(s_options, display.Name, _deadline);
        await using Chromium browser = await Chromium.StartAsync(s_size, _deadline);
        BrowserPage page = await OpenLiveAsync(browser, share.Url);
        await using HeadlessViewer without = await HeadlessViewer.ConnectAsync(
            share.Url, new HeadlessViewerOptions { DecodesVideo = false }, cancellationToken: _deadline);
        using var film = new FilmWindow(display);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        long before = without.FrameCount;
        await PlayUntilVideoAsync(page, film);
        Assert.True(without.FrameCount - before > 3, "The viewer without video stands still.");
        Assert.Equal(default, without.VideoCounts);
        await AssertExactAsync(page, truth);
        await AssertExactAsync(without, truth);
    }

    [Fact]
    public async Task NoLibavcodec_FilmIsVideoFromOpenH264AndTheTraceSaysWhy()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("vitrine-openh264-");
        try
        {
            string trace = Path.Combine(folder.FullName, "trace.jsonl");
            Dictionary<string, string?> variables = new() { [AvLibraries.FileVariable] = "/nowhere" };
            await using ShareProcess share = await ShareProcess.StartAsync(s_options, ["share", "--display", display.Name, "--trace", trace], variables, _deadline);
            await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, cancellationToken: _deadline);
            using var film = new FilmWindow(display);
            using var truth = new ScreenTruth(display, TimeProvider.System);
            await PlayUntilAsync(film, () => viewer.VideoCounts.Decoded > 15, "No video came.");
            Assert.Equal(0, viewer.VideoCounts.Resets);
            await AssertExactAsync(viewer, truth);

            string[] lines = await File.ReadAllLinesAsync(trace, _deadline);
            string begins = lines.First(line => line.Contains("\"step\":\"begins\"", StringComparison.Ordinal));
            using JsonDocument decision = JsonDocument.Parse(begins);
            Assert.StartsWith("libopenh264: OpenH264 2.", decision.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
            Assert.True(decision.RootElement.GetProperty("tilesMbits").GetDouble() > 2 * decision.RootElement.GetProperty("videoMbits").GetDouble(), begins);
            Assert.True(decision.RootElement.GetProperty("tilesCores").GetDouble() > decision.RootElement.GetProperty("videoCores").GetDouble(), begins);
            Assert.Contains(lines, line => line.Contains("\"step\":\"refines\"", StringComparison.Ordinal));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task NoEncoder_FilmIsExactTilesAndTraceAndMetricsSayWhy()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("vitrine-no-encoder-");
        try
        {
            foreach (OpenH264Version version in LibOpenH264.Known)
            {
                await File.WriteAllTextAsync(Path.Combine(folder.FullName, version.File), "no library", _deadline);
            }

            string trace = Path.Combine(folder.FullName, "trace.jsonl");
            Dictionary<string, string?> variables = new() { [AvLibraries.FileVariable] = "/nowhere", ["LD_LIBRARY_PATH"] = folder.FullName };
            await using ShareProcess share = await ShareProcess.StartAsync(s_options, ["share", "--display", display.Name, "--trace", trace], variables, _deadline);
            await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, cancellationToken: _deadline);
            using var film = new FilmWindow(display);
            using var truth = new ScreenTruth(display, TimeProvider.System);
            await PlayUntilAsync(film, () => File.ReadAllText(trace).Contains("endsByFailure", StringComparison.Ordinal), "No encoder was asked for.");
            long seen = viewer.FrameCount;
            await PlayUntilAsync(film, () => viewer.FrameCount > seen + 15, "The film does not go on.");
            await AssertExactAsync(viewer, truth);
            Assert.Equal(default, viewer.VideoCounts);

            using JsonDocument decision = JsonDocument.Parse((await File.ReadAllLinesAsync(trace, _deadline)).First(line => line.Contains("endsByFailure", StringComparison.Ordinal)));
            string why = decision.RootElement.GetProperty("detail").GetString()!;
            Assert.Contains("/nowhere", why, StringComparison.Ordinal);
            Assert.Contains("libopenh264: ", why, StringComparison.Ordinal);
            using HttpClient http = new();
            string metrics = await http.GetStringAsync(new Uri(share.Url, "/metrics"), _deadline);
            Assert.Matches(new Regex("^vitrine_video_failures_total [1-9]", RegexOptions.Multiline), metrics);
            Assert.Matches(new Regex("^vitrine_video_units_total 0$", RegexOptions.Multiline), metrics);
        }
        finally
        {
            folder.Delete(recursive: true);
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

    /// <summary>Plays until the page has drawn some pictures of video.</summary>
    private async Task PlayUntilVideoAsync(BrowserPage page, FilmWindow film)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(33));
        int drawn = (await page.EvaluateAsync("vitrineStatistics().video.framesDrawn", _deadline)).GetInt32();
        Task<bool> shows = page.WaitUntilAsync($"vitrineStatistics().video.framesDrawn > {drawn + 15}", s_patience, _deadline);
        while (!shows.IsCompleted)
        {
            film.Next();
            await pace.WaitForNextTickAsync(_deadline);
        }

        Assert.True(await shows, $"No video: {(await page.EvaluateAsync("vitrineStatistics().video", _deadline)).GetRawText()}");
    }

    /// <summary>Plays until a condition holds, and then it rests.</summary>
    private async Task PlayUntilAsync(FilmWindow film, Func<bool> condition, string what)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(33));
        using var patience = new CancellationTokenSource(s_patience);
        while (!condition())
        {
            Assert.False(patience.IsCancellationRequested, what);
            film.Next();
            await pace.WaitForNextTickAsync(_deadline);
        }
    }

    private static async Task AssertExactAsync(HeadlessViewer viewer, ScreenTruth truth)
    {
        byte[] expected = truth.Hash();
        Assert.True(await viewer.WaitUntilAsync(IsExact, s_patience), "The viewer is not exact.");

        bool IsExact(HeadlessViewer shown)
        {
            bool isExact = false;
            shown.ReadPicture((pixels, size) => isExact = CanvasProbe.Hash(pixels, FrameFormat.Packed(size)).AsSpan().SequenceEqual(expected));
            return isExact;
        }
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

    /// <summary>A film of 400x300 in a window that lies on no border of tiles.</summary>
    private sealed class FilmWindow : IDisposable
    {
        private readonly PrivateDisplay _display;
        private readonly VideoLoop _film = new(new DeviceSize(400, 300), 30);
        private readonly SharedImage _image;
        private readonly PaintedWindow _window;
        private long _frame;

        public FilmWindow(PrivateDisplay display)
        {
            _display = display;
            _image = new(display.Painter, _film);
            _window = new(display.Painter, new DeviceRectangle(151, 83, 400, 300), 0, "film");
            _window.Show();
        }

        public void Next()
        {
            _window.Raise();
            _image.Put(_window, _frame++, DeviceRectangle.Of(_film.Size), 0, 0);
            Assert.True(_display.Painter.Synchronize());
        }

        public void Dispose()
        {
            _window.Dispose();
            _image.Dispose();
            _film.Dispose();
        }
    }
}
