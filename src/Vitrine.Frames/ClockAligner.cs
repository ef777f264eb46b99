namespace Vitrine.Frames;

/// <summary>Bounds of a <see cref="ClockAligner"/>.</summary>
public sealed record ClockAlignerOptions
{
    /// <summary>How far back observations count. Longer fits the drift better and follows its changes later.</summary>
    public long WindowNs { get; init; } = 16_000_000_000;

    /// <summary>Largest difference of the two clocks' speeds, parts in a million. Crystals stay below 100.</summary>
    public double DriftPpmMax { get; init; } = 200;

    /// <summary>Most that a correction speeds the result up or slows it down, parts in a million: 500 moves it by half a
    /// millisecond a second, which no eye sees.</summary>
    public double SlewPpmMax { get; init; } = 500;

    /// <summary>An observation that is off by more than this does not fit; when more follow, a clock has jumped.</summary>
    public long DiscontinuityNs { get; init; } = 100_000_000;
}

/// <summary>Maps the times of a remote clock to the local one from what arrives: each observation says that something stamped
/// <c>remote</c> was here at <c>local</c>. Delays are never negative, so the observations lie above a line (offset, drift, smallest
/// delay), and the aligner keeps to the line from below that touches them: jitter above it has no weight.</summary>
/// <remarks>The result is a function of the observations alone: it has no clock. The smallest delay itself cannot be told from the
/// clocks' offset and stays in the result: it is when something that was not held up would be here. Not thread-safe; allocates
/// nothing after construction.</remarks>
public sealed class ClockAligner
{
    // Minima of this many parts of the window are kept: a line through minima is as good as one through everything.
    private const int BucketsMax = 64;

    // Until this much was seen the result may run at half or at one and a half of its speed; corrections are large then.
    private const double AcquisitionNs = 2e9;
    private const int AcquisitionSamples = 32;
    private const double AcquisitionSlew = 0.5;

    // Corrections are spread over this time.
    private const double DampingNs = 1e9;

    // A jump is believed after this many observations in a row that agree; one that only looks like late packets, after this time.
    private const int SuspectsMin = 3;
    private const long LatenessNs = 500_000_000;
    private const double CertainNs = 2e9;

    private readonly ClockAlignerOptions _options;
    private readonly double _bucketNs;
    private readonly double[] _x = new double[BucketsMax];
    private readonly double[] _y = new double[BucketsMax];
    private readonly int[] _hull = new int[BucketsMax];
    private int _first;
    private int _count;
    private double _lastBucket;

    // Origin of x (remote) and y (local minus remote).
    private bool _isAnchored;
    private long _originRemoteNs;
    private long _originLocalNs;
    private long _samples;

    // The line from below: y = _lineY + slope * (x - _lineX).
    private double _lineX;
    private double _lineY;
    private double _slope;

    // What is answered: continuous, through (_baseX, _baseY), at the line's slope, and towards the line by _errorNs.
    private double _baseX;
    private double _baseY;
    private double _errorNs;
    private long _newestNs = long.MinValue;

    private int _suspects;
    private long _suspectSinceNs;
    private double _suspectY;

    /// <summary>Knows nothing yet.</summary>
    public ClockAligner(ClockAlignerOptions? options = null)
    {
        _options = options ?? new();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.WindowNs, 1_000_000_000, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.DriftPpmMax + _options.SlewPpmMax, 400_000, nameof(options)); // or time could stand still
        _bucketNs = _options.WindowNs / (double)BucketsMax;
    }

    /// <summary>How much faster the local clock runs than the remote one, parts in a million.</summary>
    public double DriftPpm => _slope * 1e6;

    /// <summary>Mean delay above the smallest, nanoseconds, over about the last 64 observations.</summary>
    public double JitterNs { get; private set; }

    /// <summary>Whether enough was seen for corrections to be small from now on.</summary>
    public bool IsAcquired { get; private set; }

    /// <summary>How often everything known was given up because a clock had jumped.</summary>
    public long DiscontinuityCount { get; private set; }

    /// <summary>Observations that did not fit and were left out.</summary>
    public long IgnoredCount { get; private set; }

    /// <summary>Adds an observation.</summary>
    /// <param name="remoteNs">The stamp, on the remote clock; any number, below 2^61 to be of use.</param>
    /// <param name="localNs">When it was here, on the local clock; the same.</param>
    /// <returns><paramref name="remoteNs"/> on the local clock, at most <see cref="ClockAlignerOptions.DiscontinuityNs"/> after
    /// <paramref name="localNs"/>. As long as stamps and local times do not fall, results do not fall either.</returns>
    public long Align(long remoteNs, long localNs)
    {
        if (!_isAnchored)
        {
            Anchor(remoteNs, localNs);
            return Answer(remoteNs, localNs);
        }

        double x = remoteNs - _originRemoteNs, y = localNs - _originLocalNs - x;
        double excess = y - LineAt(x);
        if (Math.Abs(excess) > _options.DiscontinuityNs)
        {
            return Suspect(remoteNs, localNs, y, excess);
        }

        _suspects = 0;
        _samples++;
        JitterNs += (Math.Max(excess, 0) - JitterNs) / Math.Min(_samples, 64);
        double answer = AnswerAt(x);
        if (Keep(x, y))
        {
            Fit();
        }

        if (x >= _baseX)
        {
            (_baseX, _baseY) = (x, answer);
            _errorNs = LineAt(x) - answer;
        }

        IsAcquired |= _samples >= AcquisitionSamples && x >= AcquisitionNs;
        return Answer(remoteNs, localNs);
    }

    /// <summary>A remote time on the local clock by what is known now. Times after the newest observation are a forecast, which
    /// the next one may correct.</summary>
    /// <returns>0 before the first observation.</returns>
    public long ToLocal(long remoteNs)
    {
        double x = remoteNs - _originRemoteNs;
        return _isAnchored ? remoteNs - _originRemoteNs + _originLocalNs + (long)Math.Round(AnswerAt(x)) : 0;
    }

    /// <summary>Forgets everything, the counters excepted.</summary>
    public void Reset()
    {
        _isAnchored = false;
        _newestNs = long.MinValue;
        _suspects = 0;
        (_slope, JitterNs, IsAcquired) = (0, 0, false);
    }

    private void Anchor(long remoteNs, long localNs)
    {
        (_isAnchored, _originRemoteNs, _originLocalNs, _samples) = (true, remoteNs, localNs, 1);
        (_first, _count, _lastBucket, _suspects) = (0, 1, 0, 0);
        (_x[0], _y[0]) = (0, 0);
        (_lineX, _lineY, _slope, _baseX, _baseY, _errorNs) = (0, 0, 0, 0, 0, 0);
        (JitterNs, IsAcquired) = (0, false);
    }

    // The result in order never falls. What does not fit is answered within reach of now: nobody waits an hour for a frame
    // because a clock was set.
    private long Answer(long remoteNs, long localNs)
    {
        long answer = Math.Min(ToLocal(remoteNs), localNs + _options.DiscontinuityNs);
        if (remoteNs - _originRemoteNs < _baseX)
        {
            return answer; // out of order
        }

        // An answer lies at most that far ahead: if the newest does, the local clock itself has fallen.
        _newestNs = _newestNs > localNs + _options.DiscontinuityNs ? answer : Math.Max(answer, _newestNs);
        return _newestNs;
    }

    private long Suspect(long remoteNs, long localNs, double y, double excess)
    {
        bool agrees = _suspects > 0 && Math.Abs(y - _suspectY) <= _options.DiscontinuityNs;
        (_suspects, _suspectSinceNs) = agrees ? (_suspects + 1, _suspectSinceNs) : (1, localNs);
        _suspectY = y;
        bool isLate = excess > 0 && excess < CertainNs;
        if (_suspects < SuspectsMin || (isLate && localNs - _suspectSinceNs < LatenessNs))
        {
            IgnoredCount++;
            return Answer(remoteNs, localNs);
        }

        DiscontinuityCount++;
        Anchor(remoteNs, localNs);
        return Answer(remoteNs, localNs);
    }

    // Keeps the smallest y of each part of the window; true when that changed something.
    private bool Keep(double x, double y)
    {
        double bucket = Math.Floor(x / _bucketNs);
        int last = (_first + _count - 1) % BucketsMax;
        if (bucket < _lastBucket || (bucket == _lastBucket && y >= _y[last]))
        {
            return false;
        }

        if (bucket > _lastBucket)
        {
            if (_count == BucketsMax)
            {
                _first = (_first + 1) % BucketsMax;
                _count--;
            }

            last = (_first + _count++) % BucketsMax;
            _lastBucket = bucket;
        }

        (_x[last], _y[last]) = (x, y);
        while (_x[_first] < x - _options.WindowNs)
        {
            _first = (_first + 1) % BucketsMax;
            _count--;
        }

        return true;
    }

    // Of all lines with no point below them, the one that comes closest to the points: the edge of the lower convex hull over
    // the middle of the window (Moon, Skelly, Towsley: Estimation and removal of clock skew, 1999).
    private void Fit()
    {
        int size = 0;
        for (int i = 0; i < _count; i++)
        {
            int point = (_first + i) % BucketsMax;
            while (size > 1 && Cross(_hull[size - 2], _hull[size - 1], point) <= 0)
            {
                size--;
            }

            _hull[size++] = point;
        }

        double from = _x[_hull[0]], to = _x[_hull[size - 1]];
        int edge = 0;
        while (edge < size - 2 && _x[_hull[edge + 1]] < (from + to) / 2)
        {
            edge++;
        }

        // Short spans say little about the drift: it is let in as the window fills.
        double limit = _options.DriftPpmMax * 1e-6 * Math.Min(1, (to - from) / (_options.WindowNs / 4.0));
        double slope = size < 2 ? 0 : (_y[_hull[edge + 1]] - _y[_hull[edge]]) / (_x[_hull[edge + 1]] - _x[_hull[edge]]);
        _slope = Math.Clamp(slope, -limit, limit);
        _lineX = to;
        _lineY = double.MaxValue;
        for (int i = 0; i < size; i++)
        {
            _lineY = Math.Min(_lineY, _y[_hull[i]] + (_slope * (to - _x[_hull[i]])));
        }
    }

    private double Cross(int a, int b, int c) =>
        ((_x[b] - _x[a]) * (_y[c] - _y[a])) - ((_y[b] - _y[a]) * (_x[c] - _x[a]));

    private double LineAt(double x) => _lineY + (_slope * (x - _lineX));

    private double AnswerAt(double x)
    {
        double since = x - _baseX, steady = _baseY + (_slope * since);
        if (since <= 0)
        {
            return steady;
        }

        double share = IsAcquired ? Math.Min(1, since / DampingNs) : 1;
        double slew = IsAcquired ? _options.SlewPpmMax * 1e-6 : AcquisitionSlew;
        return steady + Math.Clamp(_errorNs * share, -slew * since, slew * since);
    }
}
