using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Lab.Motion;

/// <summary>Plays a load at its rate on a thread of its own, by turns: each begins at the load's next <see cref="MotionLoad.TurnFrames"/>.</summary>
/// <remarks>Not thread-safe to start and stop. Load and connection are borrowed; nobody else uses them while it plays.</remarks>
internal sealed class MotionPainter(X11Connection connection, MotionLoad load, TimeProvider time) : IDisposable
{
    private readonly ManualResetEventSlim _stop = new();
    private Thread? _thread;
    private long _frame;
    private long _repainted;
    private long _lastDrawNs;
    private volatile bool _isGone;

    /// <summary>When each frame was drawn.</summary>
    public FrameTimes Times { get; } = new();

    /// <summary>Begins a turn.</summary>
    public void Start()
    {
        if (load.ChangesPerSecond > 0)
        {
            _frame += (load.TurnFrames - (_frame % load.TurnFrames)) % load.TurnFrames;
            _repainted = 0;
            load.Begin();
            _stop.Reset();
            _thread = new Thread(Run) { IsBackground = true, Name = "motion painter", Priority = ThreadPriority.AboveNormal };
            _thread.Start();
        }
    }

    /// <summary>Ends when the frame under way is drawn.</summary>
    /// <returns>Monotonic nanoseconds just before the last draw call; 0 when there was none.</returns>
    /// <exception cref="LaboratoryException">The display is gone.</exception>
    public long Stop()
    {
        _stop.Set();
        _thread?.Join();
        _thread = null;
        return _isGone ? throw new LaboratoryException("The display is gone.") : _lastDrawNs;
    }

    /// <summary>Paints a frame once more, as it was painted: over the frames of its turn before it. Only while nothing is played.</summary>
    /// <param name="frame">From 1. In rising order each costs the frames since the last one.</param>
    /// <exception cref="LaboratoryException">The display is gone.</exception>
    public void Repaint(long frame)
    {
        long before = (frame - 1) / load.TurnFrames * load.TurnFrames;
        if (_repainted <= before || _repainted > frame)
        {
            load.Begin();
            _repainted = before;
        }

        while (_repainted < frame)
        {
            if (!TryPaint(++_repainted))
            {
                throw new LaboratoryException("The display is gone.");
            }
        }
    }

    public void Dispose()
    {
        _stop.Set();
        _thread?.Join();
        _stop.Dispose();
    }

    private bool TryPaint(long frame)
    {
        load.Paint(frame);
        bool isThere = connection.Synchronize();
        while (isThere && connection.TryReadEvent(out X11Event unread))
        {
            unread.Dispose(); // none was asked for
        }

        return isThere;
    }

    private void Run()
    {
        double periodNs = 1e9 / load.ChangesPerSecond;
        long begunNs = time.GetMonotonicNanoseconds();
        for (long step = 1; ; step++)
        {
            _lastDrawNs = time.GetMonotonicNanoseconds();
            Times.BeforeDraw(++_frame, _lastDrawNs);
            if (!TryPaint(_frame))
            {
                _isGone = true;
                return;
            }

            // Each frame is due at its own time from the start; one that is late by more than a period moves all that follow, so that
            // a machine that stood still for a while does not see the frames of that while at once.
            long nowNs = time.GetMonotonicNanoseconds(), dueNs = begunNs + (long)(step * periodNs);
            if (nowNs > dueNs + periodNs)
            {
                begunNs += nowNs - dueNs;
                dueNs = nowNs;
            }

            if (_stop.Wait(TimeSpan.FromMilliseconds(Math.Max(0, Math.Round((dueNs - nowNs) / 1e6)))))
            {
                return;
            }
        }
    }
}
