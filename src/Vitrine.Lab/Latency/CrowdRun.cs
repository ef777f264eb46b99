using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Latency;

/// <summary>Fifty viewers; then one of them stops reading for 30 seconds. The others must not notice, the host's memory must not grow
/// by more than a screen, and the stuck one must be exact again within a second.</summary>
internal static class CrowdRun
{
    private const int Viewers = 50;
    private const double TextChangesPerSecond = 5;
    private static readonly TimeSpan s_phase = TimeSpan.FromSeconds(30);
    private static readonly DeviceRectangle s_text = new(1000, 100, 320, 200);

    public static async Task RunAsync(RunBuilder run, PrivateDisplay display, ShareProcess share, LabOptions options, CancellationToken cancellationToken)
    {
        TimeProvider time = options.Time;
        using var square = new FlipSquare(display.Painter, FlipRun.At, time);
        // The stuck viewer must fall behind by more than its kernel's buffers hold: text is written beside the square.
        using Vitrine.Capture.X11.X11Connection textConnection = Vitrine.Capture.X11.X11Connection.TryOpen(display.Name, out string error)
            ?? throw new LaboratoryException(error);
        using var text = new TextWindow(textConnection, s_text, seed: 2);
        var table = new FlipTable();
        List<HeadlessViewer> viewers = [];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task painting = Task.WhenAll(PaintFlipsAsync(square, table, time, stop.Token), text.RunAsync(TextChangesPerSecond, time, stop.Token));
        try
        {
            for (int i = 0; i < Viewers; i++)
            {
                uint last = 0;
                bool counts = i > 0; // the first is the one that will be stuck
                var viewerOptions = new HeadlessViewerOptions
                {
                    Name = "crowd",
                    FrameApplied = (viewer, frame) =>
                    {
                        uint pixel = (uint)viewer.GetPixel(FlipRun.Watched.X, FlipRun.Watched.Y);
                        if (pixel != last && counts)
                        {
                            table.Record(pixel, frame.DecodedLocalNs);
                        }

                        last = pixel;
                    },
                    // As small as the kernel lets it be: a stuck viewer shows sooner.
                    ReceiveBufferBytes = i == 0 ? 64 << 10 : null,
                };
                viewers.Add(await HeadlessViewer.ConnectAsync(share.Url, viewerOptions, time, cancellationToken));
            }

            foreach (HeadlessViewer viewer in viewers)
            {
                await viewer.WaitUntilAsync(seen => seen.FrameCount > 5, TimeSpan.FromSeconds(20));
            }

            await Task.Delay(TimeSpan.FromSeconds(3), time, cancellationToken);
            LatencyHistogram before = await PhaseAsync(table, time, cancellationToken);
            ProcessProbe.TryRead(share.ProcessId, out ProcessSample memoryBefore);
            viewers[0].IsStalled = true;
            LatencyHistogram during = await PhaseAsync(table, time, cancellationToken);
            ProcessProbe.TryRead(share.ProcessId, out ProcessSample memoryDuring);
            await stop.CancelAsync();
            await painting;
            long resumed = time.GetTimestamp();
            viewers[0].IsStalled = false;
            using var truth = new ScreenTruth(display, time);
            bool exact = await Conditions.WaitAsync(() => truth.CountDifferences(viewers[0].CopyPicture()) == 0, TimeSpan.FromSeconds(10), time, cancellationToken);
            double exactMs = exact ? time.GetElapsedTime(resumed).TotalMilliseconds : double.PositiveInfinity;
            long growth = memoryDuring.ResidentBytes - memoryBefore.ResidentBytes;

            string size = $"{Viewers}x64x64";
            run.Add(RoundSeries.ToCase($"crowd-before/{size}", before));
            run.Add(RoundSeries.ToCase($"crowd-stalled/{size}", during, null, null));
            run.Add(new CaseRecord
            {
                Name = $"crowd-host/{Viewers}",
                Metrics = new Dictionary<string, double>
                {
                    ["residentBytes"] = memoryDuring.ResidentBytes,
                    ["growthBytes"] = growth,
                    ["exactAfterMs"] = exactMs,
                    ["threads"] = memoryDuring.Threads,
                },
            });
            run.Add(RatioRecord.Of($"crowd-stalled/{size} vs crowd-before", (double)during.P99Ns / before.P99Ns, 1.2));
            run.AddGoal($"crowd-host/{Viewers} exactAfterMs", exactMs, 1000);
            run.AddGoal($"crowd-host/{Viewers} growthBytes", growth, display.Server.Size.Area * FrameFormat.BytesPerPixel);
        }
        finally
        {
            await stop.CancelAsync();
            await painting;
            await Task.WhenAll(viewers.Select(viewer => viewer.DisposeAsync().AsTask()));
        }
    }

    private static async Task<LatencyHistogram> PhaseAsync(FlipTable table, TimeProvider time, CancellationToken cancellationToken)
    {
        var histogram = new LatencyHistogram();
        table.Histogram = histogram;
        await Task.Delay(s_phase, time, cancellationToken);
        table.Histogram = null;
        return histogram;
    }

    private static Task PaintFlipsAsync(FlipSquare square, FlipTable table, TimeProvider time, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(
            () =>
            {
                var random = new Random(3);
                for (long step = 1; !cancellationToken.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(40 + random.Next(20))); step++)
                {
                    table.BeforeDraw(FlipSquare.PixelOf(step), time.GetMonotonicNanoseconds());
                    if (!square.TryFlip(out _))
                    {
                        return;
                    }
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>When each colour was drawn last. Colours come again after 0.4 s; what is later than that counts as up to date.</summary>
    private sealed class FlipTable
    {
        private readonly long[] _beforeDrawNs = new long[256];
        private volatile LatencyHistogram? _histogram;

        public LatencyHistogram? Histogram
        {
            get => _histogram;
            set => _histogram = value;
        }

        public void BeforeDraw(uint pixel, long nowNs) => Volatile.Write(ref _beforeDrawNs[pixel & 0xFF], nowNs);

        public void Record(uint pixel, long seenNs)
        {
            long before = Volatile.Read(ref _beforeDrawNs[pixel & 0xFF]);
            if (before != 0)
            {
                _histogram?.Record(seenNs - before);
            }
        }
    }
}
