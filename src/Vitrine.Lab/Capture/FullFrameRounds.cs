using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Peers;
using Vitrine.Measurement;

namespace Vitrine.Lab.Capture;

/// <summary>Whole frames, one contestant after the other, round after round; who begins changes with the round.</summary>
internal static class FullFrameRounds
{
    public static void Run(RunBuilder run, PrivateDisplay display, LabOptions options, CancellationToken cancellationToken)
    {
        DeviceSize size = display.Server.Size;
        bool large = size.Area > 4_000_000;
        // Odd numbers of rounds: the median is a round that took place.
        int rounds = options.Quick ? (large ? 5 : 9) : (large ? 15 : 31), frames = large ? 6 : 30;
        using var painter = new RandomPainter(display.Painter, seed: 1);
        for (int i = 0; i < 300; i++)
        {
            painter.Step();
        }

        painter.TrySynchronize();
        using var ours = new SourceContestant(display, X11Capture.Shm, options.Time);
        using var shmGetImage = new SourceContestant(display, X11Capture.ShmGetImage, options.Time);
        using var getImage = new SourceContestant(display, X11Capture.GetImage, options.Time);
        using var copy = new MemoryCopyPeer(FrameFormat.Packed(size).SizeBytes);
        RoundSeries copySeries = new(), loopSeries = new(), grabSeries = new();
        (CLoopPeer? loop, string loopReason) = CLoopPeer.TryStartAsync(display.Name, cancellationToken).GetAwaiter().GetResult();
        FfmpegGrabPeer? grab = FfmpegGrabPeer.TryCreate(display.Name, size);
        try
        {
            List<Action<bool>> contestants =
            [
                warm => copy.RunRound(warm ? new() : copySeries, frames, options.Time),
                warm => ours.RunRound(frames, warm),
                warm => shmGetImage.RunRound(frames, warm),
                warm => getImage.RunRound(Math.Max(2, frames / 6), warm),
            ];
            if (loop is not null)
            {
                contestants.Insert(1, warm => loop.RunRoundAsync(warm ? new() : loopSeries, frames, cancellationToken).GetAwaiter().GetResult());
            }

            if (grab is not null)
            {
                contestants.Add(warm => grab.RunRoundAsync(warm ? new() : grabSeries, frames, cancellationToken).GetAwaiter().GetResult());
            }

            for (int round = -1; round < rounds; round++)
            {
                for (int i = 0; i < contestants.Count; i++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    contestants[(i + Math.Max(round, 0)) % contestants.Count](round < 0);
                }

                contestants.Reverse(); // what a contestant leaves in the shared cache helps or harms its two neighbours alike
            }
        }
        finally
        {
            loop?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        string name = $"{X11Capture.Shm}/{size}";
        run.Add(ours.ToCase());
        run.Add(shmGetImage.ToCase());
        run.Add(getImage.ToCase());
        run.Add(copySeries.ToCase($"memcpy/{size}"));
        run.AddRatio($"{name} vs memcpy", ours.Series.MediansMs, copySeries.MediansMs, large ? 1.3 : null);
        run.AddRatio($"{name} vs x11-getimage", ours.Series.MediansMs, getImage.Series.MediansMs, null);
        run.AddGoal($"{name} allocatedBytesPerFrame", ours.AllocatedBytesPerFrame, 0);
        if (loop is not null)
        {
            run.Add(loopSeries.ToCase($"c-loop/{size}"));
            run.AddRatio($"{name} vs c-loop", ours.Series.MediansMs, loopSeries.MediansMs, 1.1);
        }
        else
        {
            run.NotMeasured($"{name} vs c-loop: {loopReason}.");
        }

        if (grab is not null)
        {
            run.Add(grabSeries.ToCase($"ffmpeg-x11grab/{size}"));
            run.AddRatio($"{name} vs ffmpeg-x11grab", ours.Series.MediansMs, grabSeries.MediansMs, large ? 0.4 : null);
        }
        else
        {
            run.NotMeasured($"{name} vs ffmpeg-x11grab: ffprobe is missing; install {FfmpegGrabPeer.Package}.");
        }
    }

    /// <summary>One of our back ends.</summary>
    private sealed class SourceContestant(PrivateDisplay display, string backEnd, TimeProvider time) : IDisposable
    {
        private readonly X11ScreenSource _source = display.Open(backEnd, time);
        private readonly CpuMeter _cpu = new(time, display.Server.ProcessId, Environment.ProcessId);
        private readonly GarbageCollectionProbe _collections = new();
        private long _allocatedBytes;
        private long _frames;
        private long _cpuNs;
        private long _wallNs;

        public RoundSeries Series { get; } = new();

        public double AllocatedBytesPerFrame => (double)_allocatedBytes / _frames;

        public void RunRound(int count, bool warm)
        {
            _cpu.Restart();
            long allocated = GC.GetAllocatedBytesForCurrentThread(), begun = time.GetMonotonicNanoseconds();
            for (int i = 0; i < count; i++)
            {
                long start = time.GetMonotonicNanoseconds();
                CaptureStatus status = _source.Capture(out FrameLease? frame);
                long end = time.GetMonotonicNanoseconds();
                if (status != CaptureStatus.Frame)
                {
                    throw new LaboratoryException($"{backEnd} answers {status}.");
                }

                frame!.Dispose();
                _collections.Poll();
                if (!warm)
                {
                    Series.Record(end - start);
                }
            }

            if (warm)
            {
                return;
            }

            _allocatedBytes += GC.GetAllocatedBytesForCurrentThread() - allocated;
            _wallNs += time.GetMonotonicNanoseconds() - begun;
            _cpuNs += _cpu.ElapsedCpuNs;
            _frames += count;
            Series.EndRound();
        }

        public CaseRecord ToCase()
        {
            ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample sample);
            return Series.ToCase(
                $"{backEnd}/{display.Server.Size}",
                new Dictionary<string, string> { ["choice"] = _source.BackEnd.Reason },
                new Dictionary<string, double>
                {
                    ["meanFps"] = _frames / (_wallNs / 1e9),
                    ["cpuMsPerFrame"] = _cpuNs / 1e6 / _frames,
                    ["cpuCores"] = (double)_cpuNs / _wallNs,
                    ["peakRssBytes"] = sample.PeakResidentBytes,
                    ["gcPauseMsP99"] = _collections.Pauses.P99Ns / 1e6,
                    ["allocatedBytesPerFrame"] = AllocatedBytesPerFrame,
                    ["dropped"] = _source.SkippedCount,
                });
        }

        public void Dispose() => _source.Dispose();
    }
}
