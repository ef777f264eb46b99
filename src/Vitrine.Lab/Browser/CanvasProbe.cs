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
    private readonly BrowserPage _page;
    private readonly TimeProvider _time;
    private double _offsetNs;

    private CanvasProbe(BrowserPage page, TimeProvider time) => (_page, _time) = (page, time);

    /// <summary>Half the width of the interval in which the offset of the two clocks lies, in nanoseconds.</summary>
    public double ClockUncertaintyNs { get; private set; }

    /// <summary>Measures the page's clock against ours.</summary>
    public static async Task<CanvasProbe> CreateAsync(BrowserPage page, TimeProvider time, CancellationToken cancellationToken)
    {
        var probe = new CanvasProbe(page, time);
        await probe.MapClockAsync(cancellationToken);
        return probe;
    }

    /// <summary>Starts to watch one pixel of the picture.</summary>
    public Task WatchAsync(DevicePoint pixel, CancellationToken cancellationToken)
    {
        // About once a millisecond: a timer started from a message handler is not stretched to 4 ms as nested timers are. The canvas
        // is drawn by a worker; its element shows what was last committed, and that cannot change during a look, so that the look's
        // beginning is a moment at which the canvas held what is seen. A look copies the whole canvas, 4 ms at 1080p, and the page
        // learns of no new frame meanwhile. So the beginning of the look before is kept too: the frame came between the two.
        // After a change the probe rests for as long as no other can come, and leaves the processor to the viewer.
        string script = string.Create(CultureInfo.InvariantCulture, $$"""
            (() => {
              const source = document.querySelector('canvas');
              const surface = document.createElement('canvas');
              surface.width = surface.height = 1;
              const context = surface.getContext('2d', { willReadFrequently: true });
              const channel = new MessageChannel();
              const state = globalThis.vitrineLabProbe = { seen: [], looks: 0, costMs: 0, stopped: false };
              let last = -1, before = 0;
              channel.port1.onmessage = () => {
                if (state.stopped) return;
                const now = performance.now();
                context.drawImage(source, {{pixel.X}}, {{pixel.Y}}, 1, 1, 0, 0, 1, 1);
                const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
                const value = red << 16 | green << 8 | blue;
                state.looks++;
                state.costMs += performance.now() - now;
                const isNew = value !== last;
                if (isNew) { last = value; state.seen.push([value, now, before]); }
                before = now;
                setTimeout(() => channel.port2.postMessage(0), isNew ? 15 : 1);
              };
              channel.port2.postMessage(0);
            })()
            """);
        return _page.EvaluateAsync(script, cancellationToken);
    }

    /// <summary>Ends watching.</summary>
    /// <returns>Every change of the pixel, and what one look cost on average in milliseconds: so late may a change be seen.</returns>
    public async Task<(IReadOnlyList<Sight> Sights, double LookMs)> StopAsync(CancellationToken cancellationToken)
    {
        JsonElement state = await _page.EvaluateAsync("(globalThis.vitrineLabProbe.stopped = true, globalThis.vitrineLabProbe)", cancellationToken);
        Sight[] sights = [.. state.GetProperty("seen").EnumerateArray()
            .Select(item => new Sight(item[0].GetUInt32(), ToNs(item[1]), ToNs(item[2])))];
        return (sights, state.GetProperty("costMs").GetDouble() / Math.Max(1, state.GetProperty("looks").GetInt64()));
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

    private long ToNs(JsonElement pageMs) => (long)((pageMs.GetDouble() * 1e6) + _offsetNs);

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
