using Vitrine.Frames;

namespace Vitrine.Server.Tests;

/// <summary>A display that is only memory: tests paint on it, resize it, kill it and bring it back.</summary>
internal sealed class SyntheticDisplay(int width, int height)
{
    private readonly Lock _lock = new();
    private readonly List<SyntheticSource> _sources = [];
    private byte[] _pixels = new byte[width * height * 4];

    public DeviceSize Size { get; private set; } = new(width, height);

    public bool IsDead { get; private set; }

    public bool IsClosed { get; private set; }

    public int OpenCount { get; private set; }

    public int FrameCount { get; private set; }

    /// <summary>Bytes that the reading thread had allocated when it asked for each frame; recorded when set.</summary>
    public List<long>? AllocatedBytes { get; set; }

    /// <summary>Times at which frames were read; recorded when set.</summary>
    public List<long>? ReadTimes { get; set; }

    public ISourceObserver? Observer { get; private set; }

    public IFrameSource? TryOpen(ISourceObserver observer, out string error)
    {
        lock (_lock)
        {
            error = IsDead ? "The synthetic display is dead." : "";
            if (IsDead)
            {
                return null;
            }

            OpenCount++;
            Observer = observer;
            SyntheticSource source = new(this);
            _sources.Add(source);
            observer.OnTopology("synthetic", []);
            return source;
        }
    }

    public void Paint(DeviceRectangle where, uint colour)
    {
        lock (_lock)
        {
            for (int y = where.Y; y < where.Bottom; y++)
            {
                for (int x = where.X; x < where.Right; x++)
                {
                    BitConverter.TryWriteBytes(_pixels.AsSpan(((y * Size.Width) + x) * 4), colour);
                }
            }

            Change(source => source.Damage.Add(where));
        }
    }

    /// <summary>Random pixels: nothing compresses them.</summary>
    public void PaintNoise(DeviceRectangle where, int seed)
    {
        Random random = new(seed);
        lock (_lock)
        {
            for (int y = where.Y; y < where.Bottom; y++)
            {
                random.NextBytes(_pixels.AsSpan(((y * Size.Width) + where.X) * 4, where.Width * 4));
            }

            Change(source => source.Damage.Add(where));
        }
    }

    /// <summary>A camera's picture: smooth, and a little noise. Tiles of it take long to code, longer than those of <see cref="PaintNoise"/>,
    /// of which a coder soon gives up.</summary>
    public void PaintFilm(DeviceRectangle where, int seed)
    {
        Random random = new(seed);
        lock (_lock)
        {
            Span<byte> noise = stackalloc byte[4 * where.Width];
            for (int y = where.Y; y < where.Bottom; y++)
            {
                random.NextBytes(noise);
                Span<byte> row = _pixels.AsSpan(((y * Size.Width) + where.X) * 4, noise.Length);
                for (int i = 0; i < row.Length; i++)
                {
                    row[i] = (byte)(((y + (i / 4) + (7 * seed)) >> 1) + (noise[i] & 3));
                }
            }

            Change(source => source.Damage.Add(where));
        }
    }

    public void Resize(int newWidth, int newHeight)
    {
        lock (_lock)
        {
            (Size, _pixels) = (new(newWidth, newHeight), new byte[newWidth * newHeight * 4]);
            Change(source => source.Pending = CaptureStatus.FormatChanged);
        }
    }

    public void Hide()
    {
        lock (_lock)
        {
            Change(source => source.Pending = CaptureStatus.Hidden);
        }
    }

    public void Close()
    {
        lock (_lock)
        {
            IsClosed = true;
            Change(source => source.Pending = CaptureStatus.SourceClosed);
        }
    }

    public void Kill()
    {
        lock (_lock)
        {
            IsDead = true;
            Change(source => source.Pending = CaptureStatus.DisplayGone);
        }
    }

    /// <summary>Has what reads it throw, as only a bug would.</summary>
    public void Break()
    {
        lock (_lock)
        {
            Change(source => source.IsBroken = true);
        }
    }

    public void Revive()
    {
        lock (_lock)
        {
            IsDead = false;
        }
    }

    /// <summary>Whether a viewer's picture is the display's; the fourth byte has no meaning.</summary>
    public bool IsShownBy(ReadOnlySpan<byte> picture, DeviceSize size)
    {
        lock (_lock)
        {
            if (size != Size || picture.Length != _pixels.Length)
            {
                return false;
            }

            for (int i = 0; i < picture.Length; i += 4)
            {
                if (picture[i] != _pixels[i] || picture[i + 1] != _pixels[i + 1] || picture[i + 2] != _pixels[i + 2])
                {
                    return false;
                }
            }

            return true;
        }
    }

    private void Change(Action<SyntheticSource> change)
    {
        foreach (SyntheticSource source in _sources)
        {
            change(source);
            source.Signal();
        }
    }

    internal sealed class SyntheticSource : IFrameSource
    {
        private readonly SyntheticDisplay _display;
        private readonly AutoResetEvent _event = new(false);
        private FramePool _pool;
        private bool _isWoken;
        private long _sequence;

        public SyntheticSource(SyntheticDisplay display)
        {
            _display = display;
            _pool = new(FrameFormat.Packed(display.Size));
            Damage.Add(DeviceRectangle.Of(display.Size));
        }

        public DamageRegion Damage { get; } = new();

        public CaptureStatus? Pending { get; set; }

        public bool IsBroken { get; set; }

        public FrameFormat Format => _pool.Format;

        public void Signal() => _event.Set();

        public CaptureStatus Capture(out FrameLease? frame) => throw new NotSupportedException();

        public CaptureStatus WaitForFrame(TimeSpan timeout, out FrameLease? frame)
        {
            frame = null;
            while (true)
            {
                lock (_display._lock)
                {
                    if (_isWoken)
                    {
                        _isWoken = false;
                        return CaptureStatus.Woken;
                    }

                    if (IsBroken)
                    {
                        throw new InvalidOperationException("The synthetic display is broken.");
                    }

                    if (Pending is { } pending)
                    {
                        Pending = null;
                        if (pending == CaptureStatus.FormatChanged)
                        {
                            _pool.Dispose();
                            _pool = new(FrameFormat.Packed(_display.Size));
                            Damage.Clear();
                            Damage.Add(DeviceRectangle.Of(_display.Size));
                        }

                        return pending;
                    }

                    if (!Damage.IsEmpty)
                    {
                        return Read(out frame);
                    }
                }

                if (!_event.WaitOne(timeout))
                {
                    return CaptureStatus.TimedOut;
                }
            }
        }

        public void Wake()
        {
            lock (_display._lock)
            {
                _isWoken = true;
            }

            _event.Set();
        }

        public void Dispose()
        {
            lock (_display._lock)
            {
                _display._sources.Remove(this);
                Assert.Empty(_pool.DescribeLeaks());
                _pool.Dispose();
                _event.Dispose();
            }
        }

        private CaptureStatus Read(out FrameLease? frame)
        {
            if (!_pool.TryRent("synthetic", out frame))
            {
                return CaptureStatus.PoolExhausted;
            }

            long nowNs = TimeProvider.System.GetMonotonicNanoseconds();
            _display._pixels.CopyTo(frame!.Pixels);
            frame.Damage.Add(Damage);
            Damage.Clear();
            _pool.MarkWritten(frame, frame.Damage);
            frame.Sequence = ++_sequence;
            frame.Times = new(nowNs, TimeProvider.System.GetMonotonicNanoseconds());
            frame.Trigger = FrameTrigger.Damage;
            _display.AllocatedBytes?.Add(GC.GetAllocatedBytesForCurrentThread());
            _display.ReadTimes?.Add(nowNs);
            _display.FrameCount++;
            return CaptureStatus.Frame;
        }
    }
}
