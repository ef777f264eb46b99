using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.Capture;

/// <summary>Paints at a steady rate on a thread of its own, until disposed.</summary>
internal sealed class LoadPainter(X11Connection connection, int changesPerSecond, TimeProvider time, Action paint) : IDisposable
{
    private readonly ManualResetEventSlim _stop = new();
    private Thread? _thread;

    public void Start()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "load painter" };
        _thread.Start();
    }

    public void Dispose()
    {
        _stop.Set();
        _thread?.Join();
        _stop.Dispose();
    }

    private void Run()
    {
        long periodNs = 1_000_000_000 / changesPerSecond, nextNs = time.GetMonotonicNanoseconds();
        do
        {
            paint();
            if (!connection.Synchronize())
            {
                return;
            }

            nextNs = Math.Max(nextNs + periodNs, time.GetMonotonicNanoseconds()); // a late change does not bring two
        }
        while (!_stop.Wait(TimeSpan.FromMilliseconds(Math.Max(0, (nextNs - time.GetMonotonicNanoseconds()) / 1e6))));
    }
}

/// <summary>What a load gave.</summary>
internal sealed record LoadResult(
    LatencyHistogram FrameTimes, double FirstFrameMs, double MeanFps, double CpuCores, double AllocatedBytesPerFrame, double GcPauseP99Ms);

/// <summary>Captures on damage for a while.</summary>
internal static class LoadRunner
{
    public static LoadResult Run(
        IFrameSource source, LoadPainter painter, long openedNs, int serverProcessId, LabOptions options, CancellationToken cancellationToken)
    {
        using LoadPainter owned = painter;
        TimeProvider time = options.Time;
        var times = new LatencyHistogram();
        Take(source, times: null);
        double firstFrameMs = (time.GetMonotonicNanoseconds() - openedNs) / 1e6;
        painter.Start();
        long until = time.GetMonotonicNanoseconds() + 500_000_000;
        while (time.GetMonotonicNanoseconds() < until)
        {
            Take(source, times: null); // warm
        }

        var collections = new GarbageCollectionProbe();
        var cpu = new CpuMeter(time, serverProcessId, Environment.ProcessId);
        long allocated = GC.GetAllocatedBytesForCurrentThread(), begun = time.GetMonotonicNanoseconds(), frames = 0;
        until = begun + (options.Quick ? 2_000_000_000L : 8_000_000_000L);
        while (time.GetMonotonicNanoseconds() < until)
        {
            cancellationToken.ThrowIfCancellationRequested();
            frames += Take(source, times) ? 1 : 0;
            collections.Poll();
        }

        double seconds = (time.GetMonotonicNanoseconds() - begun) / 1e9;
        return new LoadResult(
            times, firstFrameMs, frames / seconds, cpu.Cores,
            (double)(GC.GetAllocatedBytesForCurrentThread() - allocated) / Math.Max(frames, 1), collections.Pauses.P99Ns / 1e6);
    }

    private static bool Take(IFrameSource source, LatencyHistogram? times)
    {
        CaptureStatus status = source.WaitForFrame(TimeSpan.FromMilliseconds(500), out FrameLease? frame);
        if (status is CaptureStatus.DisplayGone or CaptureStatus.SourceClosed)
        {
            throw new LaboratoryException($"The source answers {status}.");
        }

        if (frame is null)
        {
            return false;
        }

        times?.Record(frame.Times.CapturedNs - frame.Times.OriginNs);
        frame.Dispose();
        return true;
    }
}
