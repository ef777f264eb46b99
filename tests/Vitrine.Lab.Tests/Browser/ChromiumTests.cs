using System.Text.Json;
using Vitrine.Frames;
using Vitrine.Lab.Browser;

namespace Vitrine.Lab.Tests.Browser;

public sealed class ChromiumTests : IAsyncLifetime
{
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90)).Token;
    private Chromium _browser = null!;

    public async Task InitializeAsync() => _browser = await Chromium.StartAsync(new DeviceSize(640, 480), _deadline);

    public async Task DisposeAsync() => await _browser.DisposeAsync();

    [Fact]
    public async Task Page_EvaluatesScriptsAndKeepsItsConsole()
    {
        BrowserPage page = await _browser.OpenAsync("data:text/html,<title>t</title><script>console.log('seen', 7)</script>", _deadline);
        Assert.Equal("t", (await page.EvaluateAsync("document.title", _deadline)).GetString());
        Assert.Equal(3, (await page.EvaluateAsync("Promise.resolve({ a: 3 })", _deadline)).GetProperty("a").GetInt32());
        Assert.Equal(JsonValueKind.Undefined, (await page.EvaluateAsync("undefined", _deadline)).ValueKind);
        Assert.True(await page.WaitUntilAsync("(globalThis.n = (globalThis.n ?? 0) + 1) > 3", TimeSpan.FromSeconds(10), _deadline));
        Assert.False(await page.WaitUntilAsync("nothing.there", TimeSpan.FromMilliseconds(50), _deadline));
        Assert.Contains("log: seen 7", page.Console);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], (await page.TakeScreenshotAsync(_deadline))[..4]);
        await page.CloseAsync(_deadline);
    }

    [Fact]
    public async Task ScriptThatThrows_IsReported()
    {
        BrowserPage page = await _browser.OpenAsync("about:blank", _deadline);
        DevToolsException exception = await Assert.ThrowsAsync<DevToolsException>(() => page.EvaluateAsync("(() => { throw new Error('on purpose') })()", _deadline));
        Assert.Contains("on purpose", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task BrowserGone_WaitingCommandEnds()
    {
        BrowserPage page = await _browser.OpenAsync("about:blank", _deadline);
        Task<JsonElement> never = page.EvaluateAsync("new Promise(() => {})", _deadline);
        await _browser.DisposeAsync();
        await Assert.ThrowsAsync<DevToolsException>(() => never);
    }
}
