namespace Vitrine.Frames;

/// <summary>Decides for each frame over how many threads its work is spread. What a frame takes is learnt for every number of
/// threads as <c>overhead + rate * work</c> from what frames took: waking helpers costs more than it saves where little changed,
/// and sharing is what makes a full screen quick; both depend on the machine, and on what else it does. When the threads' waiting
/// for a processor changes, what was learnt is let go faster.</summary>
/// <remarks>A function of what is reported alone: no clock, no look at the machine. One thread. Allocates nothing after construction.</remarks>
public sealed class ParallelismGovernor
{
    // Weight of what was learnt falls by this with every frame of the same number of threads: it counts 32 frames on average.
    private const double Memory = 1 - (1.0 / 32);

    // Another number than the best is tried once in this many frames, so trying costs 1/64 of what the others cost more; one that
    // took much longer than the best is tried as much more rarely.
    private const int TrialEvery = 64;

    // Each number is tried this often first: enough to have seen more than one amount of work.
    private const int FirstTrials = 8;

    // Fewer threads when more gain less than this: they leave processors to others.
    private const double GainMin = 0.03;

    // Waiting for a processor as a share of the frame's time: a change by this much means another load.
    private const double LoadChange = 0.15;

    private readonly Cost[] _costs;
    private double _waitShare;
    private double _waitShareLearnt;
    private int _untilTrial = TrialEvery;
    private int _trial;
    private int _first;

    /// <summary>Knows nothing: tries each number in turn first.</summary>
    /// <param name="parallelismMax">Most threads that a frame's work is spread over, 1..64.</param>
    public ParallelismGovernor(int parallelismMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parallelismMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parallelismMax, 64);
        _costs = new Cost[parallelismMax];
    }

    /// <summary>Most threads.</summary>
    public int ParallelismMax => _costs.Length;

    /// <summary>Frames that were spread otherwise than what looked best, to learn.</summary>
    public long TrialCount { get; private set; }

    /// <summary>How often another load was noticed.</summary>
    public long LoadChangeCount { get; private set; }

    /// <summary>Over how many threads the next frame is to be spread.</summary>
    /// <param name="work">How much there is to do, in any unit that time grows with: pixels, tiles.</param>
    /// <returns>1..<see cref="ParallelismMax"/>.</returns>
    public int Choose(long work)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(work);
        if (_first < FirstTrials * _costs.Length)
        {
            TrialCount++;
            return (_first++ % _costs.Length) + 1;
        }

        int best = 0;
        double bestNs = _costs[0].Predict(work);
        for (int i = 1; i < _costs.Length; i++)
        {
            double ns = _costs[i].Predict(work);
            if (ns < bestNs * (1 - GainMin))
            {
                (best, bestNs) = (i, ns);
            }
        }

        if (_costs.Length > 1 && --_untilTrial <= 0)
        {
            _trial = (_trial + 1) % _costs.Length;
            _trial = _trial == best ? (_trial + 1) % _costs.Length : _trial;
            _untilTrial = TrialEvery * (int)Math.Clamp(_costs[_trial].Predict(work) / Math.Max(bestNs, 1), 1, 16);
            TrialCount++;
            return _trial + 1;
        }

        return best + 1;
    }

    /// <summary>Says what a frame took.</summary>
    /// <param name="parallelism">Threads that it was spread over.</param>
    /// <param name="work">As given to <see cref="Choose"/>.</param>
    /// <param name="durationNs">From its start to its end.</param>
    /// <param name="waitNs">How long the thread that reports was ready meanwhile and had no processor
    /// (<see cref="RunQueue"/>); 0 when that is not known.</param>
    public void Report(int parallelism, long work, long durationNs, long waitNs)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parallelism, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parallelism, _costs.Length);
        durationNs = Math.Max(durationNs, 1);
        _costs[parallelism - 1].Add(Math.Max(work, 0), durationNs);
        _waitShare += (Math.Clamp((double)waitNs / durationNs, 0, 1) - _waitShare) / 16;
        if (Math.Abs(_waitShare - _waitShareLearnt) > LoadChange)
        {
            LoadChangeCount++;
            _waitShareLearnt = _waitShare;
            _untilTrial = Math.Min(_untilTrial, 4);
            for (int i = 0; i < _costs.Length; i++)
            {
                _costs[i].Fade();
            }
        }
    }

    // Weighted least squares of time over work.
    private struct Cost
    {
        private double _weight;
        private double _x;
        private double _y;
        private double _xx;
        private double _xy;

        public void Add(double work, double ns)
        {
            _weight = (_weight * Memory) + 1;
            _x = (_x * Memory) + work;
            _y = (_y * Memory) + ns;
            _xx = (_xx * Memory) + (work * work);
            _xy = (_xy * Memory) + (work * ns);
        }

        public void Fade()
        {
            const double Rest = 0.1;
            (_weight, _x, _y, _xx, _xy) = (_weight * Rest, _x * Rest, _y * Rest, _xx * Rest, _xy * Rest);
        }

        // Neither waking threads nor working takes negative time. Where all frames were alike, half of the time is taken to be overhead.
        public readonly double Predict(double work)
        {
            if (_weight == 0)
            {
                return 0; // chosen and never reported: to be tried
            }

            double meanX = _x / _weight, meanY = _y / _weight, spread = (_xx / _weight) - (meanX * meanX);
            double rate = spread > meanX * meanX * 1e-3 ? ((_xy / _weight) - (meanX * meanY)) / spread : meanX > 0 ? meanY / meanX / 2 : 0;
            rate = Math.Clamp(rate, 0, meanX > 0 ? meanY / meanX : 0);
            return meanY + (rate * (work - meanX));
        }
    }
}
