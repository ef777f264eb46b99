using Vitrine.Codecs.H264;
using Vitrine.Codecs.Regions;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Server.Metrics;
using Vitrine.Server.Sharing;
using Vitrine.Transports;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Server;

/// <summary>What could be shared cannot be opened. The message says why.</summary>
public sealed class SourceUnavailableException : Exception
{
    /// <summary>Makes one.</summary>
    public SourceUnavailableException(string message)
        : base(message)
    {
    }
}

/// <summary>How sharing is going.</summary>
/// <param name="State">What became of the source.</param>
/// <param name="IsOpen">Whether the source is open; it is closed while nobody looks.</param>
/// <param name="SourceName">For people.</param>
/// <param name="Size">Of the picture; 0x0 before the first.</param>
/// <param name="Generation">Of the picture.</param>
/// <param name="Viewers">Connected now.</param>
/// <param name="FramesCaptured">Since the start.</param>
/// <param name="IsSharing">Whether it is shared; false between <see cref="ShareSession.StopSharing"/> and <see cref="ShareSession.StartSharing"/>.</param>
/// <param name="VideoFailure">Why what moved last was sent as tiles although it should have been video; empty when video works, or was not tried.</param>
public readonly record struct ShareStatus(
    TopologyState State, bool IsOpen, string SourceName, DeviceSize Size, uint Generation, int Viewers, long FramesCaptured, bool IsSharing, string VideoFailure);

/// <summary>What was sent to all viewers since the start of a session, those that have left included.</summary>
/// <param name="Frames">Handed to their connections.</param>
/// <param name="Bytes">Of the packets.</param>
/// <param name="FramesMerged">That a viewer did not get one by one, because it was late.</param>
public readonly record struct SentTotals(long Frames, long Bytes, long FramesMerged);

/// <summary>Shares one source with any number of viewers. One thread waits for changes, reads them, codes them and publishes
/// them, in that order (<c>docs/design/001-data-path.md</c>).</summary>
/// <remarks>While nobody looks nothing is read, and after <see cref="LingerMs"/> the source is closed; the next viewer opens it
/// again. When the display is gone viewers are told, and it is tried again until it is back. All public members may be called
/// from any thread.</remarks>
public sealed class ShareSession : ISourceObserver, IAsyncDisposable
{
    /// <summary>How long the source stays open after the last viewer left, in milliseconds: a page that is loaded again finds it open.</summary>
    public const int LingerMs = 5_000;

    /// <summary>Reasons that <see cref="ShareOptions.VideoFailed"/> is told at most.</summary>
    public const int VideoFailuresToldMax = 16;

    // Below this the whole size looks worse than half of it at the same rate.
    private const long WholeSizeBitsPerSecondMin = 2_500_000;

    // Who carries less than this part of the first quality's rate gets the second; back when it carried more for a while.
    private const double FirstQualityShare = 0.7, FirstAgainShare = 0.9;
    private const long LinksNs = 100_000_000;

    // A region that comes back within this, after a pause of a film say, goes on with its encoder; after it a desktop at rest has no
    // encoder and none of its threads.
    private static readonly TimeSpan s_encoderIdleMax = TimeSpan.FromSeconds(30);

    private const int RetryMsMin = 250;
    private const int RetryMsMax = 2_000;

    private readonly SourceOpener _opener;
    private readonly TimeProvider _time;
    private readonly ShareOptions _options;
    private readonly H264EncoderSource? _encoders;
    private readonly long _periodNs;
    private readonly Thread _thread;
    private readonly AutoResetEvent _wake = new(false);
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Guards the source against being woken while it is disposed.
    private readonly Lock _sourceLock = new();
    private bool _isDisposed;
    private IFrameSource? _source;

    private readonly Lock _stateLock = new();
    private volatile ShareState? _state;
    private string _sourceName = "";
    private IReadOnlyList<MonitorRecord> _monitors = [];
    private int _version;
    private uint _generation;
    private DeviceSize _size;

    private readonly Lock _viewersLock = new();
    private volatile ViewerSession[] _viewers = [];
    private volatile PictureTaker[] _takers = [];
    private ThumbnailTaker? _thumbnails;
    private long _lastViewerId;
    private int _withoutVideo;
    private SentTotals _sentToGone;
    private ITimer? _ticker;
    private ITimer? _heartbeat;
    private readonly Lock _tellLock = new();
    private (long AtNs, TimeSpan Cpu, long Captured, SentTotals Sent) _told; // in statistics
    private (TopologyState State, string SourceName, DeviceSize Size)? _toldChange;
    private long _tickNs;
    private TimeSpan _tickCpu;

    private volatile bool _isVideoWanted;
    private volatile bool _isStopping;
    private volatile bool _isSharing = true;
    private volatile string _videoFailure = "";
    private long _framesCaptured;

    // A look is one wait for a frame. Who takes a picture waits for the end of one that began after it was asked.
    private long _looksBegun;
    private long _looksEnded;
    private long _lookWanted;
    private long _failedOpenings;

    // The thread's own.
    private TileStore? _store;
    private RegionCoder? _coder;
    private uint _lastSequence;
    private long _nextCaptureNs;
    private long _linksNs;
    private VideoCounts _videoCounts;
    private readonly HashSet<string> _videoFailuresTold = [];

    // What the gauges were told.
    private readonly Lock _encodersLock = new();
    private (int Used, int Idle) _encodersNoted;

    /// <summary>Prepares a session; <see cref="StartAsync"/> starts it.</summary>
    /// <param name="opener">Opens what is shared.</param>
    /// <param name="options">Validated before (<see cref="ShareOptions.Validate"/>).</param>
    /// <param name="time">The clock; null: the system's.</param>
    /// <exception cref="ArgumentException">The options cannot be used.</exception>
    public ShareSession(SourceOpener opener, ShareOptions options, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(opener);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Validate() is [var error, ..])
        {
            throw new ArgumentException(error.ToString(), nameof(options));
        }

        (_opener, _options, _time, Name) = (opener, options, time ?? TimeProvider.System, options.Name);
        Events = new(options.Events);
        SessionId = options.Events is { } events && Guid.TryParseExact(events.Stamp.Source.SessionId, "N", out Guid told) ? told : Guid.NewGuid();
        _encoders = options.Video ? new H264EncoderSource(_time, H264Support.FindEncoder(options.Encoder)) : null;
        _periodNs = 1_000_000_000 / options.FramesPerSecondMax;
        _thread = new(Run) { Name = "vitrine-share", IsBackground = true };
    }

    /// <summary>Random, new with every session: a viewer that sees another one forgets its picture.</summary>
    public Guid SessionId { get; }

    /// <summary>Name of the host.</summary>
    public string Name { get; }

    /// <summary>Ends when sharing has ended by itself: what was shared was closed for good. Fails when the session had a bug.</summary>
    public Task Ended => _ended.Task;

    /// <summary>How it is going.</summary>
    public ShareStatus Status
    {
        get
        {
            ShareState? state = _state;
            lock (_stateLock)
            {
                return new(state?.State ?? TopologyState.Live, state?.Store is not null, _sourceName, _size, _generation, _viewers.Length, Interlocked.Read(ref _framesCaptured), _isSharing, _videoFailure);
            }
        }
    }

    /// <summary>What was sent so far.</summary>
    public SentTotals Sent
    {
        get
        {
            lock (_viewersLock)
            {
                SentTotals all = _sentToGone;
                foreach (ViewerSession viewer in _viewers)
                {
                    all = new(all.Frames + viewer.FramesSent, all.Bytes + viewer.BytesSent, all.FramesMerged + viewer.FramesMerged);
                }

                return all;
            }
        }
    }

    /// <summary>The monitors of the desktop, in the picture's coordinates; empty when a window is shared.</summary>
    public IReadOnlyList<MonitorRecord> Monitors
    {
        get
        {
            lock (_stateLock)
            {
                return _monitors;
            }
        }
    }

    internal IReadOnlyList<ViewerSession> Viewers => _viewers;

    internal bool IsSharing => _isSharing;

    internal ShareState? State => _state;

    internal TimeProvider Time => _time;

    /// <summary>Looks at the source begun so far, and ended.</summary>
    internal (long Begun, long Ended) Looks => (Volatile.Read(ref _looksBegun), Volatile.Read(ref _looksEnded));

    /// <summary>How often the source could not be opened.</summary>
    internal long FailedOpenings => Volatile.Read(ref _failedOpenings);

    /// <summary>Bits a second of video for one viewer.</summary>
    internal (int Floor, int Ceiling) VideoBitsPerSecond => (_options.VideoBitsPerSecondMin, _options.VideoBitsPerSecondMax);

    internal CursorState Cursor { get; } = new();

    internal SessionEvents Events { get; }

    /// <summary>Opens the source and begins.</summary>
    /// <exception cref="SourceUnavailableException">It cannot be opened; the session cannot be used any more.</exception>
    public Task StartAsync()
    {
        if (Events.AreKept)
        {
            _told = (_time.GetMonotonicNanoseconds(), Environment.CpuUsage.TotalTime, 0, default);
            _heartbeat = _time.CreateTimer(
                static session => ((ShareSession)session!).Beat(), this, SessionEvents.HeartbeatInterval, SessionEvents.HeartbeatInterval);
            _thumbnails = _options.ThumbnailInterval is { } interval ? new(this, interval) : null;
        }

        _thread.Start();
        return _opened.Task;
    }

    /// <summary>Serves one viewer over a connection until it leaves or is closed.</summary>
    /// <param name="connection">Borrowed until the task ends; the caller disposes it.</param>
    /// <param name="grants">What the viewer may do.</param>
    public async Task ServeAsync(IPacketConnection connection, ViewerGrants grants)
    {
        ArgumentNullException.ThrowIfNull(connection);
        using ViewerSession viewer = new(this, Interlocked.Increment(ref _lastViewerId), connection, grants, _time);
        Add(viewer);
        try
        {
            await viewer.RunAsync();
        }
        finally
        {
            Remove(viewer);
        }
    }

    /// <summary>Stops sharing, and can start again: viewers are told goodbye, whoever comes is turned away, nothing is read, and the
    /// source is closed.</summary>
    /// <param name="text">Told to the viewers, for people.</param>
    public void StopSharing(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (_isSharing)
        {
            lock (_stateLock)
            {
                _toldChange = null;
                Events.SharingStopped(_sourceName);
            }
        }

        _isSharing = false;
        foreach (ViewerSession viewer in _viewers)
        {
            viewer.Close(GoodbyeReason.Closing, text);
        }

        WakeThread();
        SignalTakers();
    }

    /// <summary>Shares again after <see cref="StopSharing"/>.</summary>
    public void StartSharing()
    {
        _isSharing = true;
        WakeThread();
    }

    /// <summary>Takes the picture as it is now: every pixel exact, also where viewers are sent video.</summary>
    /// <param name="region">The part wanted, in the picture's coordinates; what lies outside is left away. Null: all of it.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    public async Task<TakenPicture> TakePictureAsync(DeviceRectangle? region, CancellationToken cancellationToken)
    {
        using PictureTaker taker = new(this, region);
        lock (_viewersLock)
        {
            _takers = [.. _takers, taker];
        }

        try
        {
            return await taker.TakeAsync(cancellationToken);
        }
        finally
        {
            lock (_viewersLock)
            {
                _takers = [.. _takers.Where(other => other != taker)];
            }

            WakeThread(); // perhaps nobody looks any more
        }
    }

    /// <summary>Says goodbye to all viewers and ends the thread.</summary>
    /// <param name="reason">Told to the viewers.</param>
    /// <param name="text">Told to the viewers, for people.</param>
    /// <param name="timeout">How long viewers may take to leave; they are cut off then.</param>
    public async Task StopAsync(GoodbyeReason reason, string text, TimeSpan timeout)
    {
        _isStopping = true;
        SignalTakers();
        await (Interlocked.Exchange(ref _thumbnails, null)?.DisposeAsync() ?? default);
        using CancellationTokenSource deadline = new(timeout, _time);
        foreach (ViewerSession viewer in _viewers)
        {
            viewer.Close(reason, text); // cuts itself off when the viewer does not take it
        }

        WakeThread();
        TaskCompletionSource left = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using (deadline.Token.Register(() => left.TrySetResult()))
        {
            lock (_viewersLock)
            {
                _allLeft = left;
                if (_viewers.Length == 0)
                {
                    left.TrySetResult();
                }
            }

            await left.Task;
        }

        if (_thread.ThreadState.HasFlag(ThreadState.Unstarted))
        {
            return;
        }

        await Task.Run(_thread.Join);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(GoodbyeReason.Closing, "The host stopped sharing.", TimeSpan.FromSeconds(2));
        await (_heartbeat?.DisposeAsync() ?? default);
        _encoders?.Dispose();
        lock (_sourceLock)
        {
            _isDisposed = true;
            _wake.Dispose();
        }
    }

    /// <inheritdoc/>
    public void OnTopology(string sourceName, IReadOnlyList<MonitorRecord> monitors)
    {
        lock (_stateLock)
        {
            (_sourceName, _monitors) = (sourceName, monitors);
            if (_state is { } state)
            {
                _state = state with { Version = ++_version, SourceName = sourceName, Monitors = monitors };
            }
        }

        SignalViewers();
    }

    /// <inheritdoc/>
    public void OnCursorShape(int width, int height, DevicePoint hotspot, ReadOnlySpan<byte> pixels, long originNs)
    {
        if (Cursor.TrySetShape(width, height, hotspot, pixels, originNs))
        {
            SignalViewers();
        }
        else
        {
            ShareMeter.CursorsIgnored.Add(1);
        }
    }

    /// <inheritdoc/>
    public void OnCursorPosition(DevicePoint position, long originNs)
    {
        if (Cursor.SetPosition(position, originNs))
        {
            SignalViewers();
        }
    }

    private void Run()
    {
        try
        {
            if (!TryOpen(out string error))
            {
                _opened.SetException(new SourceUnavailableException(error));
                return;
            }

            _opened.SetResult();
            int retryMs = RetryMsMin;
            while (!_isStopping)
            {
                if (!_isSharing)
                {
                    LetGo();
                    _wake.WaitOne();
                }
                else if (!IsWatched)
                {
                    Rest();
                }
                else if (_source is null)
                {
                    if (TryOpen(out _))
                    {
                        retryMs = RetryMsMin;
                    }
                    else
                    {
                        Interlocked.Increment(ref _failedOpenings);
                        SignalTakers();
                        _wake.WaitOne(retryMs);
                        retryMs = Math.Min(retryMs * 2, RetryMsMax);
                    }
                }
                else if (!CaptureNext())
                {
                    _ended.TrySetResult();
                    SignalTakers();
                    WaitForStop();
                }
            }

            _ended.TrySetResult();
            SignalTakers();
        }
        catch (Exception exception)
        {
            // A bug: viewers hear of it, and so does whoever waits for the end.
            _opened.TrySetException(exception);
            _ended.TrySetException(exception);
            foreach (ViewerSession viewer in _viewers)
            {
                viewer.Close(GoodbyeReason.InternalError, "The host had an internal error.");
            }

            SignalTakers();
        }
        finally
        {
            CloseSource();
            EndGeneration();
        }
    }

    /// <summary>Nobody looks: nothing is read, and after a while the source is closed.</summary>
    private void Rest()
    {
        if (_source is null)
        {
            _wake.WaitOne();
            return;
        }

        if (!_wake.WaitOne(LingerMs) && !IsWatched)
        {
            LetGo();
        }
    }

    private bool IsWatched => _viewers.Length > 0 || _takers.Length > 0;

    private void LetGo()
    {
        CloseSource();
        EndGeneration();
        lock (_stateLock)
        {
            _state = null; // a new viewer waits for the new picture
        }
    }

    private void WaitForStop()
    {
        while (!_isStopping)
        {
            _wake.WaitOne();
            if (_store is { WantsCoding: true })
            {
                _coder!.CodeWanted(); // the last picture is still there for whoever joins
            }
        }
    }

    private bool TryOpen(out string error)
    {
        IFrameSource? source = _opener(this, out error);
        if (source is null)
        {
            Publish(TopologyState.DisplayGone, null);
            return false;
        }

        lock (_sourceLock)
        {
            _source = source;
        }

        ShareMeter.SourceReopened.Add(1);
        StartGeneration(source.Format.Size);
        return true;
    }

    private void CloseSource()
    {
        _coder?.EndVideo(); // it may hold a frame of the source
        IFrameSource? source;
        lock (_sourceLock)
        {
            (source, _source) = (_source, null);
        }

        source?.Dispose();
        CloseIdleEncoders(TimeSpan.Zero);
    }

    private void StartGeneration(DeviceSize size)
    {
        EndGeneration();
        TileStore store = new(size, ++_generation, _lastSequence);
        store.Changed += SignalViewers;
        store.CodingWanted += WakeThread;
        _store = store;
        _coder = new RegionCoder(store, _time, _options.Encoders ?? _encoders, _options.Trace) { FramesPerSecondMax = _options.FramesPerSecondMax };
        _nextCaptureNs = 0;
        lock (_stateLock)
        {
            _size = size;
        }

        Publish(TopologyState.Live, store);
    }

    private void EndGeneration()
    {
        if (_store is not null)
        {
            // Frames are numbered on across generations, so that a late acknowledgement of an old one cannot be taken for a new one.
            _lastSequence = _store.Sequence;
            _store.Dispose(); // what viewers are being sent stays until they have it
            NoteVideo(_coder!);
            _videoCounts = default;
            _coder!.Dispose();
            (_store, _coder) = (null, null);
        }
    }

    /// <summary><see cref="TryCaptureNext"/>, its memory counted.</summary>
    private bool CaptureNext()
    {
        long begun = FramePathMemory.Begin();
        bool isOpen = TryCaptureNext();
        FramePathMemory.End(begun);
        return isOpen;
    }

    /// <summary>One step: coding that was asked for, the pause that the frame rate asks for, and one frame. False: what was
    /// shared is closed for good.</summary>
    private bool TryCaptureNext()
    {
        RegionCoder coder = _coder!;
        if (_store!.WantsCoding)
        {
            coder.CodeWanted();
        }

        // Waits are whole milliseconds, rounded down: a frame may come up to 1 ms early.
        long nowNs = _time.GetMonotonicNanoseconds();
        int pauseMs = (int)Math.Clamp((_nextCaptureNs - nowNs) / 1_000_000, 0, 1_000);
        if (pauseMs > 0)
        {
            _wake.WaitOne(pauseMs);
            return true; // who woke us is looked at first
        }

        FollowLinks(coder, nowNs);
        coder.Focus = Cursor.Position;
        TimeSpan wait = coder.NextDueNs == long.MaxValue
            ? Timeout.InfiniteTimeSpan
            : TimeSpan.FromMilliseconds(Math.Ceiling(Math.Clamp((coder.NextDueNs - nowNs) / 1e6, 0, 10_000)));
        long look = Interlocked.Increment(ref _looksBegun);
        if (Volatile.Read(ref _lookWanted) > _looksEnded)
        {
            wait = TimeSpan.Zero; // whoever wants a picture does not wait for a change
        }

        CaptureStatus status = _source!.WaitForFrame(wait, out FrameLease? frame);
        bool isOpen = TakeUp(status, frame, coder);
        if (_lookWanted != 0 && status is not (CaptureStatus.Woken or CaptureStatus.FormatChanged or CaptureStatus.PoolExhausted))
        {
            EndLook(look);
        }

        return isOpen;
    }

    /// <summary>What was changed before this look began is published.</summary>
    private void EndLook(long look)
    {
        Volatile.Write(ref _looksEnded, look);
        SignalTakers();
    }

    /// <summary>Asks for a look that begins from now on, and says which one it is.</summary>
    internal long WantLook()
    {
        long wanted = Volatile.Read(ref _looksBegun) + 1, before;
        while ((before = Volatile.Read(ref _lookWanted)) < wanted)
        {
            Interlocked.CompareExchange(ref _lookWanted, wanted, before);
        }

        WakeThread();
        return wanted;
    }

    /// <summary>What the source answered becomes what viewers see.</summary>
    private bool TakeUp(CaptureStatus status, FrameLease? frame, RegionCoder coder)
    {
        switch (status)
        {
            case CaptureStatus.Frame:
                SetDue();
                if (_state!.State != TopologyState.Live)
                {
                    Publish(TopologyState.Live, _state.Store);
                }

                // Counted first: a viewer may have the frame before it is coded to the end.
                Interlocked.Increment(ref _framesCaptured);
                ShareMeter.FramesCaptured.Add(1);
                using (frame)
                {
                    coder.Code(frame!);
                }

                return true;
            case CaptureStatus.FormatChanged:
                ShareMeter.VideoResized.Add(coder.Counts.Regions > 0 ? 1 : 0);
                StartGeneration(_source!.Format.Size);
                return true;
            case CaptureStatus.Hidden:
                Publish(TopologyState.Hidden, _state!.Store);
                return true;
            case CaptureStatus.PoolExhausted:
                ShareMeter.FramesSkipped.Add(1);
                SetDue();
                return true;
            case CaptureStatus.DisplayGone:
                CloseSource();
                EndGeneration();
                Publish(TopologyState.DisplayGone, null);
                return true;
            case CaptureStatus.SourceClosed:
                CloseSource();
                Publish(TopologyState.Closed, _state!.Store);
                return false;
            default: // TimedOut, Woken
                coder.CodeDue();
                return true;
        }
    }

    /// <summary>The first quality follows the fastest link, the second the slowest of those that do not carry the first.</summary>
    private void FollowLinks(RegionCoder coder, long nowNs)
    {
        coder.IsVideoWanted = _isVideoWanted;
        if (!_isVideoWanted || nowNs - _linksNs < LinksNs)
        {
            return;
        }

        _linksNs = nowNs;
        NoteVideo(coder);
        ViewerSession[] viewers = _viewers;
        long first = 0, second = long.MaxValue;
        foreach (ViewerSession viewer in viewers)
        {
            first = viewer.DecodesVideo ? Math.Max(first, viewer.VideoBitsPerSecond) : first;
        }

        bool hasFirst = false;
        foreach (ViewerSession viewer in viewers)
        {
            if (!viewer.DecodesVideo)
            {
                continue;
            }

            long carried = viewer.VideoBitsPerSecond;
            bool isLow = carried < FirstQualityShare * first || carried < WholeSizeBitsPerSecondMin;
            bool isBack = carried >= FirstAgainShare * first && carried >= WholeSizeBitsPerSecondMin;
            if (viewer.DecideQuality(isLow, isBack, nowNs))
            {
                NoteQuality(new(nowNs, viewer.Id, viewer.VideoQuality, carried, first, viewer.QualityPauseNs));
            }

            if (viewer.VideoQuality == 1)
            {
                second = Math.Min(second, carried);
            }
            else
            {
                hasFirst = true;
            }
        }

        coder.Viewers = viewers.Length;
        coder.IsFirstQualityWanted = hasFirst;
        coder.IsSecondQualityWanted = second != long.MaxValue;
        coder.BitsPerSecondMax = ((int)first, (int)Math.Min(second, int.MaxValue));
    }

    private void NoteQuality(in QualityDecision decision)
    {
        (decision.Quality == 0 ? ShareMeter.QualityRaised : ShareMeter.QualityLowered).Add(1);
        _options.TraceQuality?.Invoke(decision);
    }

    private void NoteVideo(RegionCoder coder)
    {
        VideoCounts counts = coder.Counts;
        if (counts.Failures > _videoCounts.Failures)
        {
            TellVideoFailure(coder.FailureReason);
        }
        else if (counts.Units > _videoCounts.Units)
        {
            _videoFailure = "";
        }

        ShareMeter.VideoUnits.Add(counts.Units - _videoCounts.Units);
        ShareMeter.VideoKeyFrames.Add(counts.KeyFrames - _videoCounts.KeyFrames);
        ShareMeter.VideoBytes.Add(counts.Bytes - _videoCounts.Bytes);
        ShareMeter.VideoFailures.Add(counts.Failures - _videoCounts.Failures);
        ShareMeter.VideoSmall.Add(counts.Small - _videoCounts.Small);
        ShareMeter.TilesRefined.Add(counts.RefinedTiles - _videoCounts.RefinedTiles);
        _videoCounts = counts;
    }

    private void TellVideoFailure(string reason)
    {
        _videoFailure = reason;
        if (_videoFailuresTold.Count < VideoFailuresToldMax && _videoFailuresTold.Add(reason))
        {
            Events.Error("video", reason);
            _options.VideoFailed?.Invoke(reason);
        }
    }

    private void CloseIdleEncoders(TimeSpan idleFor)
    {
        if (_encoders is { } encoders)
        {
            encoders.CloseIdle(idleFor);
            lock (_encodersLock)
            {
                (int Used, int Idle) now = (encoders.RentedCount, encoders.IdleCount);
                ShareMeter.EncodersUsed.Add(now.Used - _encodersNoted.Used);
                ShareMeter.EncodersIdle.Add(now.Idle - _encodersNoted.Idle);
                _encodersNoted = now;
            }
        }
    }

    private void SetDue()
    {
        // A period after this one was due, not after it came, so that waking late by less than 1 ms does not lower the rate.
        _nextCaptureNs = Math.Max(_nextCaptureNs + _periodNs, _time.GetMonotonicNanoseconds() + _periodNs - 1_000_000);
    }

    private void Publish(TopologyState state, TileStore? store)
    {
        lock (_stateLock)
        {
            if (_state is { } before && before.State == state && before.Store == store)
            {
                return;
            }

            _state = new(++_version, _generation, state, _size, store, _sourceName, _monitors);

            // Not that it was opened again for the next viewer.
            if (_toldChange != (state, _sourceName, _size))
            {
                _toldChange = (state, _sourceName, _size);
                Events.Changed(state, _sourceName, _size);
            }
        }

        SignalViewers();
    }

    /// <summary>Wakes all viewers. A viewer who is alone is served on this thread: no hand-over lies between the coded picture
    /// and the socket. With more of them the thread goes on with the next frame instead.</summary>
    private void SignalViewers()
    {
        ViewerSession[] viewers = _viewers;
        bool isAlone = viewers.Length == 1;
        foreach (ViewerSession viewer in viewers)
        {
            viewer.Signal(inline: isAlone);
        }

        SignalTakers();
    }

    private void SignalTakers()
    {
        foreach (PictureTaker taker in _takers)
        {
            taker.Signal();
        }
    }

    private void WakeThread()
    {
        lock (_sourceLock)
        {
            if (!_isDisposed) // the last viewers may leave after the session ended
            {
                _wake.Set();
                _source?.Wake();
            }
        }
    }

    /// <summary>A viewer has said who it is.</summary>
    internal void Greet(ViewerSession viewer)
    {
        Events.Joined(viewer);
        CountVideoViewers();
    }

    /// <summary>A viewer has said what it decodes, or has left.</summary>
    internal void CountVideoViewers()
    {
        bool isChanged;
        lock (_viewersLock)
        {
            bool isWanted = _viewers.Any(viewer => viewer.DecodesVideo);
            isChanged = isWanted != _isVideoWanted;
            _isVideoWanted = isWanted;
            int without = _viewers.Count(viewer => viewer.IsGreeted && !viewer.DecodesVideo);
            ShareMeter.ViewersWithoutVideo.Add(without - _withoutVideo);
            _withoutVideo = without;
        }

        if (isChanged)
        {
            WakeThread(); // what is covered may have to be tiles again
        }
    }

    private void Add(ViewerSession viewer)
    {
        lock (_viewersLock)
        {
            if (_viewers.Length == 0)
            {
                (_tickNs, _tickCpu) = (_time.GetMonotonicNanoseconds(), Environment.CpuUsage.TotalTime);
                _ticker = _time.CreateTimer(static session => ((ShareSession)session!).Tick(), this, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
            }

            _viewers = [.. _viewers, viewer];
        }

        ShareMeter.Viewers.Add(1);
        WakeThread();
        if (_isStopping)
        {
            viewer.Close(GoodbyeReason.Closing, "The host stopped sharing.");
        }
        else if (!_isSharing)
        {
            viewer.Close(GoodbyeReason.Closing, "Sharing is stopped.");
        }
        else if (_ended.Task.IsFaulted)
        {
            viewer.Close(GoodbyeReason.InternalError, "The host had an internal error.");
        }
    }

    private void Remove(ViewerSession viewer)
    {
        lock (_viewersLock)
        {
            _viewers = [.. _viewers.Where(other => other != viewer)];
            _sentToGone = new(_sentToGone.Frames + viewer.FramesSent, _sentToGone.Bytes + viewer.BytesSent, _sentToGone.FramesMerged + viewer.FramesMerged);
            if (_viewers.Length == 0)
            {
                _ticker?.Dispose();
                _ticker = null;
                _allLeft?.TrySetResult();
            }
        }

        ShareMeter.Viewers.Add(-1);
        if (viewer.IsGreeted)
        {
            Events.Left(viewer, _time.GetMonotonicNanoseconds());
        }

        CountVideoViewers();
        WakeThread(); // perhaps nobody looks any more
    }

    private TaskCompletionSource? _allLeft;

    private void Tick()
    {
        long nowNs = _time.GetMonotonicNanoseconds();
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        double elapsedSeconds = (nowNs - _tickNs) * 1e-9;
        uint hostCpuMilli = (uint)Math.Clamp((cpu - _tickCpu).TotalMilliseconds / Math.Max(elapsedSeconds, 0.001), 0, uint.MaxValue);
        (_tickNs, _tickCpu) = (nowNs, cpu);
        ViewerSession[] viewers = _viewers;
        foreach (ViewerSession viewer in viewers)
        {
            viewer.Tick(nowNs, elapsedSeconds, viewers.Length, hostCpuMilli);
        }

        CloseIdleEncoders(s_encoderIdleMax);
        TellStatistics(viewers);
    }

    private void Beat()
    {
        if (_viewers.Length == 0)
        {
            TellStatistics([]);
        }
    }

    private void TellStatistics(ViewerSession[] viewers)
    {
        if (!Events.AreKept)
        {
            return;
        }

        lock (_tellLock)
        {
            (long AtNs, TimeSpan Cpu, long Captured, SentTotals Sent) before = _told;
            _told = (_time.GetMonotonicNanoseconds(), Environment.CpuUsage.TotalTime, Interlocked.Read(ref _framesCaptured), Sent);
            SharingStatistics statistics = new()
            {
                Seconds = (_told.AtNs - before.AtNs) * 1e-9,
                ViewerCount = (uint)viewers.Length,
                FramesCaptured = (ulong)(_told.Captured - before.Captured),
                FramesSent = (ulong)(_told.Sent.Frames - before.Sent.Frames),
                BytesSent = (ulong)(_told.Sent.Bytes - before.Sent.Bytes),
                FramesMerged = (ulong)(_told.Sent.FramesMerged - before.Sent.FramesMerged),
                ProcessorSeconds = (_told.Cpu - before.Cpu).TotalSeconds,
            };
            foreach (ViewerSession viewer in viewers)
            {
                if (viewer.IsGreeted)
                {
                    statistics.Viewers.Add(viewer.TakeStatistics());
                }
            }

            Events.Told(statistics);
        }
    }
}
