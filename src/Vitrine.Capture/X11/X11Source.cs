using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>Pictures of one rectangle of a drawable of an X display. While nothing changes it waits in the kernel; when something
/// does, it reads that and no more, in one round trip. What the rectangle is, and follows, is the matter of the derived class.</summary>
/// <remarks>Threads: as <see cref="IFrameSource"/> says. Frames lie in a pool of the source's own; a lease outlives the source.</remarks>
public abstract class X11Source : IFrameSource
{
    // How long WaitForFrame holds still before it tries again what just failed: the pool had no free picture, or the
    // server refused to be read. Without it the caller's loop would spin.
    private const double RetryMilliseconds = 5;

    // Reads that fail in a row before the back end is given up: one can fail because the size changed and changed back.
    private const int FailuresMax = 5;

    private readonly X11Connection _connection;
    private readonly X11CaptureOptions _options;
    private readonly TimeProvider _time;
    private X11DamageTracker? _tracker;
    private X11PixelReader? _reader;
    private byte _readerDepth;
    private FramePool? _pool;
    private long _sequence;
    private long _pollDueNs;
    private long _changedNs; // when the change that waits to be read was first known; 0: none waits
    private long _inputNs; // likewise for the input that waits to be answered
    private int _failures;
    private bool _needsWhole = true;
    private bool _retry;
    private bool _disposed;

    private protected X11Source(X11Connection connection, X11CaptureOptions options)
    {
        _connection = connection;
        _options = options;
        _time = options.Time;
    }

    /// <inheritdoc/>
    public FrameFormat Format => _pool?.Format ?? FrameFormat.Packed(Area.Size); // a window that is not shown has no pool yet

    /// <summary>Which back end reads, and why.</summary>
    public BackEndChoice BackEnd { get; private set; } = new("", "");

    /// <summary>Name of the pools.</summary>
    private protected abstract string PoolName { get; }

    /// <summary>Frames skipped because all pictures were held.</summary>
    public long SkippedCount { get; private set; }

    /// <summary>Frames read.</summary>
    public long CapturedCount => _sequence;

    /// <summary>The pool of the frames to come; another one after <see cref="CaptureStatus.FormatChanged"/>.</summary>
    internal FramePool Pool => _pool!;

    /// <summary>First resource id of the source's connection, which names it in X-Resource requests.</summary>
    internal uint ResourceIdBase => _connection.ResourceIdBase;

    private protected X11Connection Connection => _connection;

    private protected X11CaptureOptions Options => _options;

    /// <summary>What is read: a rectangle of the drawable, in its coordinates. As large as the pool's pictures.</summary>
    private protected DeviceRectangle Area { get; set; }

    /// <summary>Whether <see cref="Change"/> is due.</summary>
    private protected bool IsChanged { get; set; }

    /// <summary>Whether there is nothing to read now.</summary>
    private protected bool IsHidden { get; set; }

    /// <summary>Whether a picture that was being read when something changed is whole all the same.</summary>
    private protected abstract bool ReadSurvivesChange { get; }

    /// <inheritdoc/>
    public CaptureStatus Capture(out FrameLease? frame)
    {
        while (true)
        {
            frame = null;
            DrainEvents(queuedOnly: false);
            if (_connection.IsBroken)
            {
                return CaptureStatus.DisplayGone;
            }

            CaptureStatus status = IsChanged ? Change() : CaptureStatus.TimedOut;
            if (status != CaptureStatus.TimedOut)
            {
                return status;
            }

            _needsWhole = true;
            status = IsHidden ? CaptureStatus.Hidden : Read(FrameTrigger.Request, _time.GetMonotonicNanoseconds(), out frame);
            if (status != CaptureStatus.TimedOut)
            {
                return status;
            }
        }
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

            if (IsChanged)
            {
                CaptureStatus status = Change();
                if (status != CaptureStatus.TimedOut)
                {
                    return status;
                }

                continue; // events may have come with the replies
            }

            long nowNs = _time.GetMonotonicNanoseconds();
            if (!IsHidden && TryFindTrigger(nowNs, out FrameTrigger trigger, out long originNs))
            {
                CaptureStatus status = Read(trigger, originNs, out frame);
                if (status != CaptureStatus.TimedOut)
                {
                    return status;
                }

                continue; // what changed lies outside the region
            }

            long untilNs = _tracker is null && !IsHidden ? Math.Min(_pollDueNs, deadlineNs) : deadlineNs;
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
        GC.SuppressFinalize(this);
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _reader?.Dispose();
        _tracker?.Dispose();
        _connection.Dispose();
        _pool?.Dispose();
    }

    /// <summary>Looks at an event that is neither damage nor input. Sets <see cref="IsChanged"/> if it matters; waits for nothing.</summary>
    private protected abstract void OnEvent(in X11Event next);

    /// <summary>Answers to what changed, and clears <see cref="IsChanged"/> unless the answer is final.</summary>
    /// <returns>What to tell, or <see cref="CaptureStatus.TimedOut"/>: nothing, go on.</returns>
    private protected abstract CaptureStatus Change();

    /// <summary>Asks the server whether something changed that no event has told of yet: reading just failed.</summary>
    private protected abstract bool HasChangedUnseen();

    /// <summary>Asks for frames on input, if they are wanted.</summary>
    private protected bool TrySelectInput(out string error)
    {
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

        error = "";
        return true;
    }

    /// <summary>Lets the changes of a drawable drive the frames, instead of those of the one before.</summary>
    /// <param name="drawable">A window.</param>
    /// <param name="shift">Where its corner lies in the drawable that is read.</param>
    private protected void Track(uint drawable, DevicePoint shift)
    {
        _tracker?.Dispose();
        _tracker = X11DamageTracker.IsSupported(_connection) ? new X11DamageTracker(_connection, drawable) { Shift = shift } : null;
        _changedNs = 0;
        _needsWhole = true;
    }

    /// <summary>The next frame is whole.</summary>
    private protected void NeedWhole() => _needsWhole = true;

    /// <summary>Makes <see cref="Area"/> of a drawable what is read: allocates when the size is new, and binds a back end.</summary>
    /// <param name="area">Not empty.</param>
    /// <param name="drawable">Readable now.</param>
    /// <param name="depth">Its depth, 24 or 32.</param>
    /// <param name="error">A sentence when false is returned; nothing can be read then.</param>
    private protected bool TryAim(DeviceRectangle area, uint drawable, byte depth, out string error)
    {
        _needsWhole = true;
        FramePool? old = _pool;
        bool isNewSize = old is null || old.Format.Size != area.Size;
        Area = area;
        if (isNewSize && !TryAllocate(out error))
        {
            return false;
        }

        if (_reader is not null && _readerDepth != depth)
        {
            _reader.Dispose();
            _reader = null;
        }

        bool bound;
        error = "";
        if (_reader is null)
        {
            bound = TryChooseReader(drawable, depth, out error);
            _readerDepth = depth;
        }
        else
        {
            _reader.Drawable = drawable;
            bound = !isNewSize || TryBind(_reader, out error) || TryFallBack(error);
        }

        if (isNewSize)
        {
            old?.Dispose();
        }

        return bound;
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
        if (!_pool!.TryRent(nameof(X11Source), out FrameLease? lease))
        {
            SkippedCount++;
            _retry = true;
            return CaptureStatus.PoolExhausted;
        }

        (_changedNs, _inputNs) = (0, 0);
        _pollDueNs = _time.GetMonotonicNanoseconds() + (1_000_000_000 / _options.PollingRate);
        DevicePoint origin = new(Area.X, Area.Y);
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
        if (!read || (IsChanged && !ReadSurvivesChange))
        {
            lease.Stale.Add(picture);
            lease.Dispose();
            _needsWhole = true;
            return _connection.IsBroken ? CaptureStatus.DisplayGone : IsChanged || HasChangedUnseen() ? Change() : ReplaceReader();
        }

        (_needsWhole, _failures) = (false, 0);
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
                else if (next.Type == LibXcb.GenericEvent)
                {
                    _inputNs = _inputNs == 0 ? _time.GetMonotonicNanoseconds() : _inputNs; // no other generic event was asked for
                }
                else if (!next.IsError)
                {
                    OnEvent(next);
                }
            }
        }
    }

    // The server refused to be read although nothing changed. GetImage may do; where that is refused too (a server that has
    // switched to another terminal), it is tried again later.
    private CaptureStatus ReplaceReader()
    {
        _retry = true;
        if (++_failures >= FailuresMax && _reader is ShmReader && _options.BackEnd is null && !TryFallBack("the X server failed to read into shared memory"))
        {
            return CaptureStatus.SourceClosed;
        }

        return CaptureStatus.Hidden;
    }

    private bool TryAllocate(out string error)
    {
        if (!FrameFormat.IsSupported(Area.Size))
        {
            error = $"A picture of {Area.Size} is too large: {FrameFormat.AreaPixelsMax} pixels are the most. Capture a region.";
            return false;
        }

        try
        {
            _pool = new FramePool(FrameFormat.Packed(Area.Size), _options.PoolCapacity, PoolName);
        }
        catch (InsufficientMemoryException e)
        {
            error = $"{e.Message} Free memory, raise the limit of open files (ulimit -n), or capture a region.";
            return false;
        }

        error = "";
        return true;
    }

    private bool TryChooseReader(uint drawable, byte depth, out string error)
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
                _reader = new GetImageReader(_connection, drawable);
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
                ShmReader reader = new(_connection, drawable, depth, pixmaps);
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

        uint drawable = _reader!.Drawable;
        _reader.Dispose();
        _reader = new GetImageReader(_connection, drawable);
        BackEnd = new BackEndChoice(X11Capture.GetImage, $"GetImage: {reason}; {Changes()}");
        return _reader.TryBind(_pool!, out _);
    }

    private string Changes() => _tracker is not null
        ? $"changes by XDamage {_connection.Damage.Version}"
        : $"whole frames {_options.PollingRate} times a second, because {(_connection.Damage.IsPresent ? _connection.Xfixes : _connection.Damage).Absence}";
}
