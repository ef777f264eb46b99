using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>The screen of an X display, or a part of it. While nothing changes it waits in the kernel; when something does,
/// it reads that and no more, in one round trip.</summary>
/// <remarks>Threads: as <see cref="IFrameSource"/> says. Frames lie in a pool of the source's own; a lease outlives the source.</remarks>
public sealed class X11ScreenSource : IFrameSource
{
    // How long WaitForFrame holds still before it tries again what just failed: the pool had no free picture, or the
    // server refused to be read. Without it the caller's loop would spin.
    private const double RetryMilliseconds = 5;

    private readonly X11Connection _connection;
    private readonly X11CaptureOptions _options;
    private readonly TimeProvider _time;
    private X11DamageTracker? _tracker;
    private X11PixelReader? _reader;
    private FramePool? _pool;
    private DeviceRectangle _region;
    private long _sequence;
    private long _pollDueNs;
    private long _changedNs; // when the change that waits to be read was first known; 0: none waits
    private long _inputNs; // likewise for the input that waits to be answered
    private bool _needsWhole = true;
    private bool _sizeChanged;
    private bool _hidden;
    private bool _retry;

    internal X11ScreenSource(X11Connection connection, X11CaptureOptions options)
    {
        _connection = connection;
        _options = options;
        _time = options.Time;
    }

    /// <inheritdoc/>
    public FrameFormat Format => _pool!.Format;

    /// <summary>The part of the screen that is captured, in device pixels of the screen.</summary>
    public DeviceRectangle Region => _region;

    /// <summary>Which back end reads, and why.</summary>
    public BackEndChoice BackEnd { get; private set; } = new("", "");

    /// <summary>Frames skipped because all pictures were held.</summary>
    public long SkippedCount { get; private set; }

    /// <summary>Frames read.</summary>
    public long CapturedCount => _sequence;

    /// <summary>The pool of the frames to come; another one after <see cref="CaptureStatus.FormatChanged"/>.</summary>
    internal FramePool Pool => _pool!;

    /// <summary>First resource id of the source's connection, which names it in X-Resource requests.</summary>
    internal uint ResourceIdBase => _connection.ResourceIdBase;

    /// <inheritdoc/>
    public CaptureStatus Capture(out FrameLease? frame)
    {
        frame = null;
        DrainEvents(queuedOnly: false);
        if (_connection.IsBroken)
        {
            return CaptureStatus.DisplayGone;
        }

        if (_sizeChanged)
        {
            return ChangeFormat();
        }

        _needsWhole = true;
        return _hidden ? CaptureStatus.Hidden : Read(FrameTrigger.Request, _time.GetMonotonicNanoseconds(), out frame);
    }

    /// <inheritdoc/>
    public CaptureStatus WaitForFrame(TimeSpan timeout, out FrameLease? frame)
    {
        frame = null;
        long startNs = _time.GetMonotonicNanoseconds();
        long deadlineNs = timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : startNs + (long)(timeout.TotalMilliseconds * 1e6);
        if (_connection.TryTakeWake())
        {
            return CaptureStatus.Woken; // also when frames come so fast that nothing is ever waited for
        }

        if (_retry)
        {
            _retry = false;
            if (_connection.Wait(TimeSpan.FromMilliseconds(Math.Min(RetryMilliseconds, (deadlineNs - startNs) / 1e6))) == X11WaitResult.Woken)
            {
                return CaptureStatus.Woken;
            }
        }

        while (true)
        {
            DrainEvents(queuedOnly: false);
            if (_connection.IsBroken)
            {
                return CaptureStatus.DisplayGone;
            }

            if (_sizeChanged)
            {
                return ChangeFormat();
            }

            long nowNs = _time.GetMonotonicNanoseconds();
            if (!_hidden && TryFindTrigger(nowNs, out FrameTrigger trigger, out long originNs))
            {
                CaptureStatus status = Read(trigger, originNs, out frame);
                if (status != CaptureStatus.TimedOut)
                {
                    return status;
                }

                continue; // what changed lies outside the region
            }

            long untilNs = _tracker is null && !_hidden ? Math.Min(_pollDueNs, deadlineNs) : deadlineNs;
            if (nowNs >= deadlineNs)
            {
                return CaptureStatus.TimedOut;
            }

            X11WaitResult result = _connection.Wait(
                untilNs == long.MaxValue ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds((untilNs - nowNs) / 1e6));
            if (result == X11WaitResult.Woken)
            {
                return CaptureStatus.Woken;
            }
        }
    }

    /// <inheritdoc/>
    public void Wake() => _connection.Wake();

    /// <summary>Closes the connection, with which the server frees everything. Leases still held stay readable.</summary>
    public void Dispose()
    {
        _reader?.Dispose();
        _tracker?.Dispose();
        _connection.Dispose();
        _pool?.Dispose();
    }

    /// <summary>Subscribes to what is needed, and finds a back end that works.</summary>
    internal bool TryStart(out string error)
    {
        // First the events, then the size: a change in between is known twice, not missed.
        LibXcb.xcb_change_window_attributes(
            _connection.Handle, _connection.Root, LibXcb.CwEventMask, [LibXcb.EventMaskStructureNotify]);
        if (_options.CaptureOnInput)
        {
            if (!_connection.XInput.IsAtLeast(2, 1))
            {
                error = $"Frames on input need XInput 2.1, and {_connection.XInput}.";
                return false;
            }

            const uint Keys = (1u << LibXcbXinput.RawKeyPress) | (1u << LibXcbXinput.RawKeyRelease);
            const uint Buttons = (1u << LibXcbXinput.RawButtonPress) | (1u << LibXcbXinput.RawButtonRelease);
            const uint MaskWords = 1;
            _ = _connection.Check(LibXcbXinput.xcb_input_xi_select_events_checked(
                _connection.Handle, _connection.Root, 1, [LibXcbXinput.DeviceAllMaster | (MaskWords << 16), Keys | Buttons]));
        }

        if (X11DamageTracker.IsSupported(_connection))
        {
            _tracker = new X11DamageTracker(_connection, _connection.Root);
        }

        if (!_connection.TryGetRootSize(out DeviceSize size))
        {
            error = $"The X display {_connection.DisplayName} closed the connection.";
            return false;
        }

        _region = RegionWithin(size);
        return TryAllocate(out error) && TryChooseReader(out error);
    }

    /// <summary>Replaces the reason of the choice by one that its maker could not know.</summary>
    internal void ExplainChoice(string reason) => BackEnd = BackEnd with { Reason = $"{reason}; {Changes()}" };

    private bool TryFindTrigger(long nowNs, out FrameTrigger trigger, out long originNs)
    {
        if (_needsWhole)
        {
            (trigger, originNs) = (FrameTrigger.Request, nowNs);
            return true;
        }

        if (_inputNs != 0)
        {
            (trigger, originNs) = (FrameTrigger.Input, _inputNs);
            return true;
        }

        (trigger, originNs) = (FrameTrigger.Damage, _changedNs);
        if (_tracker is null && nowNs >= _pollDueNs)
        {
            originNs = nowNs;
            return true;
        }

        return _changedNs != 0;
    }

    // TimedOut: nothing in the region changed, and nobody asked for a frame.
    private CaptureStatus Read(FrameTrigger trigger, long originNs, out FrameLease? frame)
    {
        frame = null;
        if (!_pool!.TryRent(nameof(X11ScreenSource), out FrameLease? lease))
        {
            SkippedCount++;
            _retry = true;
            return CaptureStatus.PoolExhausted;
        }

        (_changedNs, _inputNs) = (0, 0);
        _pollDueNs = _time.GetMonotonicNanoseconds() + (1_000_000_000 / _options.PollingRate);
        DevicePoint origin = new(_region.X, _region.Y);
        DeviceRectangle picture = DeviceRectangle.Of(lease!.Format.Size);
        bool read;
        if (_needsWhole || _tracker is null)
        {
            _tracker?.Clear(); // sent before the picture is read: what changes from here on is reported again
            lease.Damage.Add(picture);
            read = _reader!.ReadWhole(origin, lease);
        }
        else
        {
            read = _reader!.ReadDamage(origin, _tracker, lease);
        }

        lease.Times = new FrameTimes(originNs, _time.GetMonotonicNanoseconds());

        // A change of size during the read lies in the queue: the reply came behind it.
        DrainEvents(queuedOnly: true);
        if (!read || _sizeChanged)
        {
            lease.Stale.Add(picture);
            lease.Dispose();
            _needsWhole = true;
            return _connection.IsBroken ? CaptureStatus.DisplayGone : _sizeChanged || HasOtherSize() ? ChangeFormat() : ReplaceReader();
        }

        _needsWhole = false;
        _pool.MarkWritten(lease, lease.Damage);
        if (lease.Damage.IsEmpty && trigger == FrameTrigger.Damage)
        {
            lease.Dispose();
            return CaptureStatus.TimedOut;
        }

        lease.Trigger = trigger;
        lease.Sequence = ++_sequence;
        frame = lease;
        return CaptureStatus.Frame;
    }

    private void DrainEvents(bool queuedOnly)
    {
        while (queuedOnly ? _connection.TryReadQueuedEvent(out X11Event next) : _connection.TryReadEvent(out next))
        {
            using (next)
            {
                if (next.Is(_connection.Damage, LibXcbDamage.Notify))
                {
                    _changedNs = _changedNs == 0 ? _time.GetMonotonicNanoseconds() : _changedNs;
                }
                else if (next.Type == LibXcb.ConfigureNotify && !next.IsError)
                {
                    ref readonly XcbConfigureNotifyEvent configured = ref next.As<XcbConfigureNotifyEvent>();
                    DeviceRectangle region = RegionWithin(new DeviceSize(configured.Width, configured.Height));
                    _sizeChanged = configured.Window == _connection.Root ? region != _region : _sizeChanged;
                }
                else if (next.Type == LibXcb.GenericEvent)
                {
                    _inputNs = _inputNs == 0 ? _time.GetMonotonicNanoseconds() : _inputNs; // no other generic event was asked for
                }
            }
        }
    }

    private bool HasOtherSize() => _connection.TryGetRootSize(out DeviceSize size) && RegionWithin(size) != _region;

    private DeviceRectangle RegionWithin(DeviceSize size) =>
        _options.Region?.Intersect(DeviceRectangle.Of(size)) ?? DeviceRectangle.Of(size);

    private CaptureStatus ChangeFormat()
    {
        _needsWhole = true;
        if (!_connection.TryGetRootSize(out DeviceSize size))
        {
            return CaptureStatus.DisplayGone;
        }

        _sizeChanged = false;
        DeviceRectangle region = RegionWithin(size);
        if (region == _region)
        {
            return CaptureStatus.FormatChanged; // there and back again: the pool still fits
        }

        _region = region;
        _hidden = region.IsEmpty;
        if (_hidden)
        {
            return CaptureStatus.Hidden;
        }

        FramePool old = _pool!;
        if (!TryAllocate(out _))
        {
            return CaptureStatus.SourceClosed;
        }

        old.Dispose();
        return TryBind(_reader!, out string refusal) || TryFallBack(refusal)
            ? CaptureStatus.FormatChanged
            : _connection.IsBroken ? CaptureStatus.DisplayGone : CaptureStatus.SourceClosed;
    }

    // The server refused to be read although nothing changed. GetImage may do; where that is refused too (a server that has
    // switched to another terminal), it is tried again later.
    private CaptureStatus ReplaceReader()
    {
        _retry = true;
        if (_reader is ShmReader && _options.BackEnd is null && !TryFallBack("the X server failed to read into shared memory"))
        {
            return CaptureStatus.SourceClosed;
        }

        return CaptureStatus.Hidden;
    }

    private bool TryAllocate(out string error)
    {
        if (!FrameFormat.IsSupported(_region.Size))
        {
            error = $"A picture of {_region.Size} is too large: {FrameFormat.AreaPixelsMax} pixels are the most. Capture a region.";
            return false;
        }

        try
        {
            _pool = new FramePool(FrameFormat.Packed(_region.Size), _options.PoolCapacity, "vitrine-screen");
        }
        catch (InsufficientMemoryException e)
        {
            error = $"{e.Message} Free memory, raise the limit of open files (ulimit -n), or capture a region.";
            return false;
        }

        error = "";
        return true;
    }

    private bool TryChooseReader(out string error)
    {
        string refusal = RefusalOfShm();
        foreach (string name in X11Capture.BackEndNames)
        {
            if (_options.BackEnd is not null && _options.BackEnd != name)
            {
                continue;
            }

            if (name == X11Capture.GetImage)
            {
                _reader = new GetImageReader(_connection, _connection.Root);
                string why = _options.BackEnd is null ? refusal : "asked for by name";
                BackEnd = new BackEndChoice(name, $"GetImage: {why}; {Changes()}");
                error = "";
                return _reader.TryBind(_pool!, out _);
            }

            bool pixmaps = name == X11Capture.Shm;
            string cannot = RefusalOfShm();
            if (cannot.Length == 0 && pixmaps && !_connection.SharedPixmaps)
            {
                cannot = "the X server has no shared pixmaps";
            }

            if (cannot.Length == 0)
            {
                ShmReader reader = new(_connection, _connection.Root, _connection.RootDepth, pixmaps);
                if (TryBind(reader, out cannot))
                {
                    _reader = reader;
                    BackEnd = new BackEndChoice(
                        name, $"MIT-SHM {_connection.Shm.Version} {(pixmaps ? "with" : "without")} shared pixmaps; {Changes()}");
                    error = "";
                    return true;
                }

                reader.Dispose();
            }

            refusal = cannot;
            if (_connection.IsBroken)
            {
                break;
            }
        }

        error = $"The back end {_options.BackEnd ?? X11Capture.Shm} does not work: {refusal}. Leave the choice open, or take {X11Capture.GetImage}.";
        return false;
    }

    private string RefusalOfShm() =>
        !_connection.Shm.IsPresent ? _connection.Shm.Absence
        : !_connection.Shm.IsAtLeast(1, 2) ? $"the X server has MIT-SHM {_connection.Shm.Version}, which passes no descriptors"
        : !_connection.IsLocal ? "the display is remote"
        : "";

    private bool TryBind(X11PixelReader reader, out string refusal)
    {
        try
        {
            return reader.TryBind(_pool!, out refusal);
        }
        catch (InsufficientMemoryException e)
        {
            refusal = e.Message;
            return false;
        }
    }

    private bool TryFallBack(string reason)
    {
        if (_options.BackEnd is not null || _connection.IsBroken)
        {
            return false;
        }

        _reader!.Dispose();
        _reader = new GetImageReader(_connection, _connection.Root);
        BackEnd = new BackEndChoice(X11Capture.GetImage, $"GetImage: {reason}; {Changes()}");
        return _reader.TryBind(_pool!, out _);
    }

    private string Changes() => _tracker is not null
        ? $"changes by XDamage {_connection.Damage.Version}"
        : $"whole frames {_options.PollingRate} times a second, because {(_connection.Damage.IsPresent ? _connection.Xfixes : _connection.Damage).Absence}";
}
