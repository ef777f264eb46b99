namespace Vitrine.Transports.Grpc;

/// <summary>When a server that could not be reached is tried again: gRPC's <c>doc/connection-backoff.md</c>. The wait grows by 1.6 from
/// failure to failure, between a second and two minutes, and differs by up to a fifth, so that many clients of a server that came
/// back do not come all at once.</summary>
/// <remarks>Thread-safe.</remarks>
public sealed class ConnectionBackoff
{
    /// <summary>How much longer each wait is than the one before.</summary>
    public const double Multiplier = 1.6;

    /// <summary>By how much of itself a wait may be shorter or longer.</summary>
    public const double Jitter = 0.2;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly Random _random;
    private TimeSpan _wait; // before jitter; zero after a success
    private TimeSpan _until; // since the clock's origin

    /// <summary>Makes one without failures.</summary>
    /// <param name="initial">The first wait; null: 1 s.</param>
    /// <param name="longest">The longest wait before jitter; null: 120 s.</param>
    /// <param name="time">The clock; null: the system's.</param>
    /// <param name="random">For the jitter; null: the shared one.</param>
    public ConnectionBackoff(TimeSpan? initial = null, TimeSpan? longest = null, TimeProvider? time = null, Random? random = null)
    {
        (Initial, Longest) = (initial ?? TimeSpan.FromSeconds(1), longest ?? TimeSpan.FromSeconds(120));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Initial, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(Longest, Initial);
        (_time, _random) = (time ?? TimeProvider.System, random ?? Random.Shared);
    }

    /// <summary>The first wait.</summary>
    public TimeSpan Initial { get; }

    /// <summary>The longest wait before jitter.</summary>
    public TimeSpan Longest { get; }

    /// <summary>How long not to try; zero when it may be tried.</summary>
    public TimeSpan Remaining
    {
        get
        {
            lock (_lock)
            {
                TimeSpan left = _until - _time.GetElapsedTime(0);
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    /// <summary>The server was reached.</summary>
    public void Succeeded()
    {
        lock (_lock)
        {
            (_wait, _until) = (TimeSpan.Zero, TimeSpan.Zero);
        }
    }

    /// <summary>It was not. Failures of attempts that ran at the same time count once.</summary>
    public void Failed()
    {
        lock (_lock)
        {
            TimeSpan now = _time.GetElapsedTime(0);
            if (now < _until)
            {
                return;
            }

            _wait = _wait == TimeSpan.Zero ? Initial : _wait * Multiplier < Longest ? _wait * Multiplier : Longest;
            _until = now + (_wait * (1 + (Jitter * ((2 * _random.NextDouble()) - 1))));
        }
    }
}
