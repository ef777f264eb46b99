using Vitrine.Frames;
using Vitrine.Lab.Browser;
using Vitrine.Lab.Latency;

namespace Vitrine.Lab.Tests.Browser;

public sealed class CanvasProbeTests
{
    // A worker draws another colour every 20 ms and remembers when, as a viewer's worker does.
    private const string Page = """
        data:text/html,<canvas width=1920 height=1080></canvas><script>
        globalThis.drawn = [];
        const body = `onmessage = e => { const c = e.data.getContext('2d', {alpha:false}); let n = 0;
          setInterval(() => { n++; postMessage([n, performance.timeOrigin + performance.now()]); c.fillStyle = 'rgb(' + (n & 255) + ',' + (n >> 8) + ',7)'; c.fillRect(0,0,64,64); }, 20); }`;
        const worker = new Worker(URL.createObjectURL(new Blob([body])));
        worker.onmessage = e => drawn.push([e.data[0], e.data[1] - performance.timeOrigin]);
        const off = document.querySelector('canvas').transferControlToOffscreen();
        worker.postMessage(off, [off]);
        </script>
        """;

    [Fact]
    public async Task ColoursOfAWorkersCanvas_ALookSeesNothingDrawnAfterItBegan()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        await using Chromium browser = await Chromium.StartAsync(new DeviceSize(640, 480), deadline.Token);
        BrowserPage page = await browser.OpenAsync(Page.ReplaceLineEndings(" "), deadline.Token);
        CanvasProbe probe = await CanvasProbe.CreateAsync(page, TimeProvider.System, deadline.Token);
        Assert.InRange(probe.ClockUncertaintyNs, 0, 2e6);
        await probe.WatchAsync(new DevicePoint(10, 10), deadline.Token);
        Assert.True(await page.WaitUntilAsync("globalThis.vitrineLabProbe.looks.length > 40", TimeSpan.FromSeconds(30), deadline.Token));
        long afterNs = TimeProvider.System.GetMonotonicNanoseconds();
        IReadOnlyList<Look> looks = await probe.StopAsync(deadline.Token);
        var drawnMs = (await page.EvaluateAsync("drawn", deadline.Token)).EnumerateArray().ToDictionary(item => item[0].GetUInt32(), item => item[1].GetDouble());
        Look[] seen = [.. looks.Where(look => (look.Pixel & 0xFF) == 7)];
        Assert.True(seen.Select(look => look.Pixel).Distinct().Count() > 20);
        Assert.All(seen, look => Assert.True(
            probe.ToNs(drawnMs[(look.Pixel >> 16) | (look.Pixel & 0xFF00)]) <= look.AtNs + 200_000, "a look saw what was drawn after it began"));
        Assert.InRange(afterNs - looks[^1].AtNs, -3_000_000, 2_000_000_000);
    }

    [Fact]
    public async Task HashOfTheCanvas_EqualsTheHashOfTheSamePixels()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        await using Chromium browser = await Chromium.StartAsync(new DeviceSize(640, 480), deadline.Token);
        // Hashing needs a secure context: a file's page is one, a data page is not.
        string directory = Directory.CreateTempSubdirectory("vitrine-page-").FullName;
        string file = Path.Combine(directory, "page.html");
        await File.WriteAllTextAsync(file, "<canvas width=3 height=2></canvas><script>const c = document.querySelector('canvas').getContext('2d'); c.fillStyle = 'rgb(1,2,3)'; c.fillRect(0,0,3,2); c.fillStyle = 'rgb(200,100,50)'; c.fillRect(1,0,1,1);</script>", deadline.Token);
        try
        {
            BrowserPage page = await browser.OpenAsync(new Uri(file).AbsoluteUri, deadline.Token);
            (byte[] hash, DeviceSize size) = await CanvasProbe.HashAsync(page, deadline.Token);
            byte[] pixels = [3, 2, 1, 0, 50, 100, 200, 0, 3, 2, 1, 0, 9, 9, 9, 9, 3, 2, 1, 255, 3, 2, 1, 0, 3, 2, 1, 0, 9, 9, 9, 9];
            Assert.Equal(new DeviceSize(3, 2), size);
            Assert.Equal(hash, CanvasProbe.Hash(pixels, new FrameFormat(size, 16, PixelFormat.Bgrx32)));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
