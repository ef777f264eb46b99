using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Codecs.H264;

/// <summary>Keeps encoders that nobody uses now: opening one costs milliseconds, and a region that moves, grows a little or comes back can
/// go on with the one it had. At most <see cref="IdleMax"/> are kept; beyond that the one that has been idle longest is closed. An
/// encoder has threads: who rents calls <see cref="CloseIdle"/> now and then, so that a desktop at rest has none.</summary>
/// <remarks>Thread-safe. What is rented is bounded by who rents: a stream has one.</remarks>
public sealed class H264EncoderPool : IDisposable
{
    /// <summary>Idle encoders that are kept unless told otherwise: two regions in two qualities. One of 1920x1088 holds some 20 MB and takes
    /// 2 to 4 ms to open (x264, two slices).</summary>
    public const int IdleMaxDefault = 4;

    private const int StepPixels = 64;
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly List<(H264Encoder Encoder, long SinceNs)> _idle = []; // the one that came last, last
    private int _rentedCount;
    private bool _isDisposed;

    /// <summary>An empty one.</summary>
    /// <param name="idleMax">Idle encoders that are kept; 0 and more.</param>
    /// <param name="time">Tells how long they have been idle; null: the system's.</param>
    public H264EncoderPool(int idleMax = IdleMaxDefault, TimeProvider? time = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(idleMax);
        NativeHeap.GiveLargeBlocksBack();
        (IdleMax, _time) = (idleMax, time ?? TimeProvider.System);
    }

    /// <summary>Most idle encoders.</summary>
    public int IdleMax { get; }

    /// <summary>Idle now.</summary>
    public int IdleCount
    {
        get
        {
            lock (_lock)
            {
                return _idle.Count;
            }
        }
    }

    /// <summary>Rented now.</summary>
    public int RentedCount
    {
        get
        {
            lock (_lock)
            {
                return _rentedCount;
            }
        }
    }

    /// <summary>Opened so far.</summary>
    public long OpenedCount { get; private set; }

    /// <summary>Rents that needed no opening.</summary>
    public long ReusedCount { get; private set; }

    /// <summary>The size that a picture of this size is coded at: multiples of 64 in each direction.</summary>
    public static DeviceSize CodedSizeOf(DeviceSize shown) => new(
        (shown.Width + StepPixels - 1) / StepPixels * StepPixels, (shown.Height + StepPixels - 1) / StepPixels * StepPixels);

    /// <summary>An encoder whose first picture will be a key frame, and whose <see cref="H264Encoder.Input"/> is black.</summary>
    /// <param name="options">Its size may be any; the encoder's is <see cref="CodedSizeOf"/> it.</param>
    /// <param name="reason">Which encoder it is; or why there is none.</param>
    /// <returns>Owned until <see cref="Return"/>; null when none can be opened.</returns>
    public H264Encoder? TryRent(H264EncoderOptions options, out string reason)
    {
        ArgumentNullException.ThrowIfNull(options);
        H264EncoderOptions rounded = options with { Size = CodedSizeOf(options.Size) };
        H264Encoder? encoder = Take(rounded);
        if (encoder is not null)
        {
            reason = $"{encoder.Name}, used before";
            encoder.Restart();
        }
        else
        {
            encoder = H264Encoder.TryCreate(rounded, out reason);
        }

        if (encoder is not null)
        {
            lock (_lock)
            {
                _rentedCount++;
            }
        }

        return encoder;
    }

    /// <summary>Gives back what <see cref="TryRent"/> gave; one that failed is closed.</summary>
    public void Return(H264Encoder encoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        H264Encoder? closed = encoder;
        lock (_lock)
        {
            _rentedCount--;
            if (!_isDisposed && encoder.FailureReason.Length == 0 && IdleMax > 0)
            {
                closed = null;
                if (_idle.Count == IdleMax)
                {
                    closed = _idle[0].Encoder;
                    _idle.RemoveAt(0);
                }

                _idle.Add((encoder, _time.GetMonotonicNanoseconds()));
            }
        }

        closed?.Dispose();
    }

    /// <summary>Closes those that nobody has used for a while. Takes some milliseconds each, none when there is none.</summary>
    /// <param name="idleFor">How long at least; zero: all that are idle.</param>
    public void CloseIdle(TimeSpan idleFor)
    {
        bool isAnyClosed = false;
        while (TakeLongestIdle(idleFor) is { } longest)
        {
            longest.Dispose(); // outside the lock: it waits for the encoder's threads
            isAnyClosed = true;
        }

        if (isAnyClosed)
        {
            NativeHeap.Trim();
        }
    }

    /// <summary>Closes the idle ones; rented ones are closed when they come back.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            foreach ((H264Encoder encoder, _) in _idle)
            {
                encoder.Dispose();
            }

            _idle.Clear();
        }
    }

    private H264Encoder? TakeLongestIdle(TimeSpan idleFor)
    {
        lock (_lock)
        {
            if (_idle.Count == 0 || _time.GetMonotonicNanoseconds() - _idle[0].SinceNs < idleFor.TotalNanoseconds)
            {
                return null;
            }

            H264Encoder longest = _idle[0].Encoder;
            _idle.RemoveAt(0);
            return longest;
        }
    }

    private H264Encoder? Take(H264EncoderOptions options)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            for (int i = _idle.Count - 1; i >= 0; i--)
            {
                H264Encoder encoder = _idle[i].Encoder;
                if (encoder.Options with { BitsPerSecondMax = options.BitsPerSecondMax } == options && encoder.TrySetBitsPerSecondMax(options.BitsPerSecondMax))
                {
                    _idle.RemoveAt(i);
                    ReusedCount++;
                    return encoder;
                }
            }

            OpenedCount++;
            return null;
        }
    }
}
