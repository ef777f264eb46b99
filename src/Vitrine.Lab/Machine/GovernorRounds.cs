using System.Globalization;
using Vitrine.Frames;
using Vitrine.Lab.Playback;
using Vitrine.Measurement;

namespace Vitrine.Lab.Machine;

/// <summary>Work on changes of mixed sizes, from a blinking cursor to a full screen, spread over bands: always one, always as many
/// as there are processors (four at most), and as the governor says. Each frame is done by all, in turn, so that each meets the
/// same sizes and the same rest of the machine; once quiet, once with busy threads on half of the processors.</summary>
internal static class GovernorRounds
{
    private const int FramesOfRound = 40;
    private static readonly DeviceSize[] s_sizes = [new(64, 64), new(200, 100), new(640, 360), new(1920, 1080)];

    public static void Run(RunBuilder run, LabOptions options, CancellationToken cancellationToken)
    {
        int most = Math.Min(4, Environment.ProcessorCount);
        if (most < 2)
        {
            run.NotMeasured("bands: the machine has one processor.");
            return;
        }

        using var workers = new BandWorkers(most);
        foreach (string load in (ReadOnlySpan<string>)["mixed", "mixed-busy"])
        {
            using BusyThreads? busy = load == "mixed" ? null : new(Math.Max(1, Environment.ProcessorCount / 2));
            Contestant governed = new("bands-governed", new ParallelismGovernor(most), 0);
            Contestant[] contestants = [new("bands-1", null, 1), new(string.Create(CultureInfo.InvariantCulture, $"bands-{most}"), null, most), governed];
            Measure(workers, contestants, options, cancellationToken);
            foreach (Contestant contestant in contestants)
            {
                run.Add(contestant.Series.ToCase($"{contestant.Name}/{load}", null, new Dictionary<string, double>
                {
                    ["bandsMean"] = contestant.BandsMean,
                    ["trials"] = contestant.Governor?.TrialCount ?? 0,
                    ["loadChanges"] = contestant.Governor?.LoadChangeCount ?? 0,
                    ["littleP50Ms"] = contestant.Little.P50Ns / 1e6,
                    ["muchP50Ms"] = contestant.Much.P50Ns / 1e6,
                }));
            }

            foreach (Contestant peer in contestants[..2])
            {
                // The median of the rounds: a frame during which another program took the processor for 50 ms weighs as much as 50 others.
                double[] ratios = [.. governed.RoundsNs.Zip(peer.RoundsNs, (ours, theirs) => (double)ours / theirs)];
                run.Add(RatioRecord.Of($"bands-governed/{load} mean vs {peer.Name}", RoundSeries.Median(ratios), goal: null) with { Rounds = ratios });
            }
        }
    }

    private static void Measure(BandWorkers workers, Contestant[] contestants, LabOptions options, CancellationToken cancellationToken)
    {
        var random = new Random(6);
        var pause = new DeadlineTimer(spinNsMax: 0);
        using RunQueue? queue = RunQueue.TryOpenForThisThread();
        int frames = options.Quick ? 200 : 4000;
        for (int frame = -50; frame < frames; frame++)
        {
            if (frame >= 0 && frame % FramesOfRound == 0)
            {
                Array.ForEach(contestants, contestant => contestant.BeginRound());
            }

            cancellationToken.ThrowIfCancellationRequested();
            DeviceSize size = s_sizes[random.Next(s_sizes.Length)];
            for (int i = 0; i < contestants.Length; i++)
            {
                // Frames do not come back to back: helpers have gone to sleep when the next one comes.
                pause.WaitUntil(pause.NowNs + 1_000_000);
                contestants[(frame + 50 + i) % contestants.Length].Do(workers, size, queue, options.Time, isCounted: frame >= 0);
            }
        }

        Array.ForEach(contestants, contestant => contestant.Series.EndRound());
    }

    private sealed class Contestant(string name, ParallelismGovernor? governor, int bands)
    {
        private long _frames;
        private long _bands;

        public string Name => name;

        public ParallelismGovernor? Governor => governor;

        public RoundSeries Series { get; } = new();

        /// <summary>Frames of the smallest size.</summary>
        public LatencyHistogram Little { get; } = new();

        /// <summary>Frames of the largest size.</summary>
        public LatencyHistogram Much { get; } = new();

        /// <summary>Time of all frames of each round.</summary>
        public List<long> RoundsNs { get; } = [];

        public double BandsMean => (double)_bands / Math.Max(1, _frames);

        public void BeginRound()
        {
            Series.EndRound();
            RoundsNs.Add(0);
        }

        public void Do(BandWorkers workers, DeviceSize size, RunQueue? queue, TimeProvider time, bool isCounted)
        {
            long work = (long)size.Width * size.Height;
            int into = governor?.Choose(work) ?? bands;
            long waitedNs = queue?.ReadWaitNs() ?? 0, from = time.GetMonotonicNanoseconds();
            workers.Work(size, into);
            long tookNs = time.GetMonotonicNanoseconds() - from;
            governor?.Report(into, work, tookNs, (queue?.ReadWaitNs() ?? 0) - waitedNs);
            if (isCounted)
            {
                Series.Record(tookNs);
                RoundsNs[^1] += tookNs;
                (size == s_sizes[0] ? Little : size == s_sizes[^1] ? Much : null)?.Record(tookNs);
                _frames++;
                _bands += into;
            }
        }
    }

    /// <summary>Threads that turn rows of pixels into luma. The calling thread does the first band.</summary>
    private sealed class BandWorkers : IDisposable
    {
        private readonly byte[] _pixels = new byte[1920 * 1080 * 4];
        private readonly byte[] _luma = new byte[1920 * 1080];
        private readonly Thread[] _threads;
        private readonly SemaphoreSlim[] _starts;
        private readonly CountdownEvent _left = new(1);
        private DeviceSize _size;
        private int _bands;
        private volatile bool _isStopped;

        public BandWorkers(int threads)
        {
            new Random(1).NextBytes(_pixels);
            _starts = [.. Enumerable.Range(1, threads - 1).Select(_ => new SemaphoreSlim(0))];
            _threads = [.. Enumerable.Range(1, threads - 1).Select(band => new Thread(() => Help(band)) { IsBackground = true, Name = "band" })];
            foreach (Thread thread in _threads)
            {
                thread.Start();
            }
        }

        public void Work(DeviceSize size, int bands)
        {
            (_size, _bands) = (size, bands);
            _left.Reset(bands);
            for (int band = 1; band < bands; band++)
            {
                _starts[band - 1].Release();
            }

            Convert(0);
            _left.Signal();
            _left.Wait();
        }

        public void Dispose()
        {
            _isStopped = true;
            foreach (SemaphoreSlim start in _starts)
            {
                start.Release();
            }

            foreach (Thread thread in _threads)
            {
                thread.Join();
            }

            foreach (SemaphoreSlim start in _starts)
            {
                start.Dispose();
            }

            _left.Dispose();
        }

        private void Help(int band)
        {
            while (true)
            {
                _starts[band - 1].Wait();
                if (_isStopped)
                {
                    return;
                }

                Convert(band);
                _left.Signal();
            }
        }

        private void Convert(int band)
        {
            int from = _size.Height * band / _bands * _size.Width, to = _size.Height * (band + 1) / _bands * _size.Width;
            ReadOnlySpan<byte> pixels = _pixels.AsSpan(from * 4, (to - from) * 4);
            Span<byte> luma = _luma.AsSpan(from, to - from);
            for (int i = 0; i < luma.Length; i++)
            {
                ReadOnlySpan<byte> pixel = pixels.Slice(i * 4, 4);
                luma[i] = (byte)(((pixel[2] * 77) + (pixel[1] * 150) + (pixel[0] * 29)) >> 8);
            }
        }
    }
}
