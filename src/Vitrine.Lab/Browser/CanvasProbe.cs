using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Vitrine.Frames;
using Vitrine.Lab.Latency;

namespace Vitrine.Lab.Browser;

/// <summary>Looks at the canvas of a viewer's page from the page's own main thread, without asking the viewer anything: what it
/// reads is what a screenshot of the canvas would hold at that moment.</summary>
internal sealed class CanvasProbe
{
    /// <summary>A script that is true once the viewer's canvas has the size of a picture: it begins with a single pixel.</summary>
    public const string ShowsAPicture = "document.querySelector('canvas')?.width > 1";

    private const int ClockExchanges = 200;
    private const int PauseMsMin = 15, PauseMsMax = 45;
    private const int BlocksPauseMsMin = 120, BlocksPauseMsMax = 240;
    private readonly BrowserPage _page;
    private readonly TimeProvider _time;
    private double _offsetNs;

    private CanvasProbe(BrowserPage page, TimeProvider time) => (_page, _time) = (page, time);

    /// <summary>Half the width of the interval in which the offset of the two clocks lies, in nanoseconds.</summary>
    public double ClockUncertaintyNs { get; private set; }

    /// <summary>A time of the page's <c>performance.now()</c>, by our clock.</summary>
    public long ToNs(double pageMs) => (long)((pageMs * 1e6) + _offsetNs);

    /// <summary>Measures the page's clock against ours.</summary>
    public static async Task<CanvasProbe> CreateAsync(BrowserPage page, TimeProvider time, CancellationToken cancellationToken)
    {
        var probe = new CanvasProbe(page, time);
        await probe.MapClockAsync(cancellationToken);
        return probe;
    }

    /// <summary>Starts to look at one pixel of the picture, now and then. See <see cref="LookEstimate"/> for why not all the time.</summary>
    public Task WatchAsync(DevicePoint pixel, CancellationToken cancellationToken)
    {
        // The canvas is drawn by a worker; its element shows what was last committed, and that cannot change during a look: the look's
        // beginning is a moment at which the canvas held what is seen.
        string script = string.Create(CultureInfo.InvariantCulture, $$"""
            (() => {
              const source = document.querySelector('canvas');
              const surface = document.createElement('canvas');
              surface.width = surface.height = 1;
              const context = surface.getContext('2d', { willReadFrequently: true });
              const state = globalThis.vitrineLabProbe = { looks: [], stopped: false };
              const look = () => {
                if (state.stopped) return;
                const now = performance.now();
                context.drawImage(source, {{pixel.X}}, {{pixel.Y}}, 1, 1, 0, 0, 1, 1);
                const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
                state.looks.push([red << 16 | green << 8 | blue, now]);
                setTimeout(look, {{PauseMsMin}} + Math.random() * {{PauseMsMax - PauseMsMin}});
              };
              look();
            })()
            """);
        return _page.EvaluateAsync(script, cancellationToken);
    }

    /// <summary>Starts to look at a strip of blocks in the picture, now and then: <see cref="Look.Pixel"/> is a bit for each, the first
    /// one highest, 1 for white.</summary>
    /// <param name="row">From the first block to the last, one pixel high, through their middles.</param>
    /// <param name="blocks">At most 32.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task WatchBlocksAsync(DeviceRectangle row, int blocks, CancellationToken cancellationToken)
    {
        // Rarer than changes of a single pixel are looked at: a picture that moves all the time must recover from each look.
        string script = string.Create(CultureInfo.InvariantCulture, $$"""
            (() => {
              const source = document.querySelector('canvas');
              const surface = document.createElement('canvas');
              surface.width = {{row.Width}}; surface.height = 1;
              const context = surface.getContext('2d', { willReadFrequently: true });
              const state = globalThis.vitrineLabProbe = { looks: [], stopped: false };
              const look = () => {
                if (state.stopped) return;
                const now = performance.now();
                context.drawImage(source, {{row.X}}, {{row.Y}}, {{row.Width}}, 1, 0, 0, {{row.Width}}, 1);
                const data = context.getImageData(0, 0, {{row.Width}}, 1).data;
                let code = 0;
                for (let i = 0; i < {{blocks}}; i++) code = code * 2 + (data[Math.floor((i + 0.5) * {{row.Width}} / {{blocks}}) * 4 + 1] >= 128 ? 1 : 0);
                state.looks.push([code, now]);
                setTimeout(look, {{BlocksPauseMsMin}} + Math.random() * {{BlocksPauseMsMax - BlocksPauseMsMin}});
              };
              look();
            })()
            """);
        return _page.EvaluateAsync(script, cancellationToken);
    }

    /// <summary>Ends looking.</summary>
    /// <returns>Every look.</returns>
    public async Task<IReadOnlyList<Look>> StopAsync(CancellationToken cancellationToken)
    {
        JsonElement state = await _page.EvaluateAsync("(globalThis.vitrineLabProbe.stopped = true, globalThis.vitrineLabProbe)", cancellationToken);
        return [.. state.GetProperty("looks").EnumerateArray().Select(item => new Look(item[0].GetUInt32(), ToNs(item[1].GetDouble())))];
    }

    /// <summary>SHA-256 of the canvas's pixels as packed B, G, R triples from the top, and its size.</summary>
    public static async Task<(byte[] Hash, DeviceSize Size)> HashAsync(BrowserPage page, CancellationToken cancellationToken)
    {
        JsonElement answer = await page.EvaluateAsync(
            """
            (async () => {
              const source = document.querySelector('canvas');
              const surface = globalThis.vitrineLabSurface ??= document.createElement('canvas');
              surface.width = source.width; surface.height = source.height;
              const context = surface.getContext('2d', { willReadFrequently: true });
              context.drawImage(source, 0, 0);
              const rgba = context.getImageData(0, 0, surface.width, surface.height).data;
              const packed = new Uint8Array(rgba.length / 4 * 3);
              for (let from = 0, to = 0; from < rgba.length; from += 4) {
                packed[to++] = rgba[from + 2]; packed[to++] = rgba[from + 1]; packed[to++] = rgba[from];
              }
              const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', packed));
              return { hash: Array.from(hash, item => item.toString(16).padStart(2, '0')).join(''), width: surface.width, height: surface.height };
            })()
            """,
            cancellationToken);
        return (Convert.FromHexString(answer.GetProperty("hash").GetString()!), new(answer.GetProperty("width").GetInt32(), answer.GetProperty("height").GetInt32()));
    }

    /// <summary>The same hash of a picture in memory.</summary>
    public static byte[] Hash(ReadOnlySpan<byte> pixels, FrameFormat format)
    {
        byte[] packed = new byte[format.Size.Area * 3];
        int to = 0;
        for (int y = 0; y < format.Size.Height; y++)
        {
            ReadOnlySpan<byte> row = pixels.Slice(y * format.StrideBytes, format.Size.Width * 4);
            for (int from = 0; from < row.Length; from += 4)
            {
                row.Slice(from, 3).CopyTo(packed.AsSpan(to));
                to += 3;
            }
        }

        return SHA256.HashData(packed);
    }

    // Chromium's clock is CLOCK_MONOTONIC on Linux, so that the offset is constant: every exchange bounds it from both sides, and
    // the bounds of all exchanges together are much tighter than the best single one.
    private async Task MapClockAsync(CancellationToken cancellationToken)
    {
        double low = double.NegativeInfinity, high = double.PositiveInfinity;
        for (int i = 0; i < ClockExchanges; i++)
        {
            long before = _time.GetMonotonicNanoseconds();
            double page = (await _page.EvaluateAsync("performance.now()", cancellationToken)).GetDouble() * 1e6;
            long after = _time.GetMonotonicNanoseconds();
            // The page rounds its clock to 0.1 ms.
            low = Math.Max(low, before - page - 100_000);
            high = Math.Min(high, after - page + 100_000);
        }

        _offsetNs = (low + high) / 2;
        ClockUncertaintyNs = (high - low) / 2;
    }
}
