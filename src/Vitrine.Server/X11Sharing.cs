using Vitrine.Capture;
using Vitrine.Capture.Topology;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Server;

/// <summary>Opens frames of an X display; see <see cref="X11Capture"/>.</summary>
/// <param name="error">Why not, for people; empty otherwise.</param>
/// <returns>The source, owned by the caller, or null.</returns>
public delegate IFrameSource? FrameSourceOpener(out string error);

/// <summary>Shares X displays: frames together with the display's cursor and monitors.</summary>
public static class X11Sharing
{
    /// <summary>Shares a screen or a part of it.</summary>
    public static SourceOpener Screen(X11CaptureOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        string name = options.DisplayName ?? Environment.GetEnvironmentVariable("DISPLAY") ?? "";
        return Create((out string error) => X11Capture.TryOpenScreen(options, out error), options.DisplayName, name, options.Time);
    }

    /// <summary>Shares frames of any kind that come from an X display.</summary>
    /// <param name="open">Opens the frames.</param>
    /// <param name="displayName">The display whose cursor and monitors are told; null takes the environment's.</param>
    /// <param name="sourceName">What is shared, for people.</param>
    /// <param name="time">The clock; null: the system's.</param>
    /// <param name="origin">Where the picture's upper left pixel lies on the screen; asked after every change of format. Null: the
    /// region of a screen, the place of a window, else the screen's own corner.</param>
    public static SourceOpener Create(
        FrameSourceOpener open, string? displayName, string sourceName, TimeProvider? time = null, Func<IFrameSource, DevicePoint>? origin = null)
    {
        ArgumentNullException.ThrowIfNull(open);
        ArgumentNullException.ThrowIfNull(sourceName);
        origin ??= static source => source switch
        {
            X11ScreenSource screen => new(screen.Region.X, screen.Region.Y),
            X11WindowSource window => window.Origin,
            _ => default,
        };
        return (ISourceObserver observer, out string error) =>
        {
            IFrameSource? frames = open(out error);
            if (frames is null)
            {
                return null;
            }

            Desktop desktop = new(frames, observer, sourceName, origin);
            if (desktop.TryWatch(displayName, time ?? TimeProvider.System, out error))
            {
                return desktop;
            }

            desktop.Dispose();
            return null;
        };
    }

    /// <summary>Frames, cursor and monitors under one roof: they are opened and disposed together.</summary>
    private sealed class Desktop : IFrameSource, IDesktopSink
    {
        private readonly IFrameSource _frames;
        private readonly ISourceObserver _observer;
        private readonly string _sourceName;
        private readonly Func<IFrameSource, DevicePoint> _getOrigin;
        private readonly Lock _lock = new();
        private DevicePoint _origin;
        private DevicePoint? _position;
        private DisplayTopology? _topology;
        private X11DesktopWatcher? _watcher;

        public Desktop(IFrameSource frames, ISourceObserver observer, string sourceName, Func<IFrameSource, DevicePoint> getOrigin)
        {
            (_frames, _observer, _sourceName, _getOrigin) = (frames, observer, sourceName, getOrigin);
            _origin = getOrigin(frames);
            observer.OnTopology(sourceName, []); // the name is known at once, the monitors follow
            if (frames is X11WindowSource window)
            {
                window.Moved = _ => FollowOrigin();
            }
        }

        public FrameFormat Format => _frames.Format;

        public bool TryWatch(string? displayName, TimeProvider time, out string error)
        {
            _watcher = X11DesktopWatcher.TryStart(displayName, this, time, out error);
            return _watcher is not null;
        }

        public CaptureStatus Capture(out FrameLease? frame) => Note(_frames.Capture(out frame));

        public CaptureStatus WaitForFrame(TimeSpan timeout, out FrameLease? frame) => Note(_frames.WaitForFrame(timeout, out frame));

        public void Wake() => _frames.Wake();

        public void Dispose()
        {
            _watcher?.Dispose();
            _frames.Dispose();
        }

        public void OnTopology(DisplayTopology topology)
        {
            lock (_lock)
            {
                _topology = topology;
                TellTopology();
            }
        }

        public void OnCursorShape(DeviceSize size, DevicePoint hotspot, ReadOnlySpan<byte> pixels, long originNs) =>
            _observer.OnCursorShape(size.Width, size.Height, hotspot, pixels, originNs);

        public void OnCursorPosition(DevicePoint position, long originNs)
        {
            lock (_lock)
            {
                _position = position;
                _observer.OnCursorPosition(new(position.X - _origin.X, position.Y - _origin.Y), originNs);
            }
        }

        public void OnDisplayGone()
        {
            // The frames' own connection tells it too.
        }

        private CaptureStatus Note(CaptureStatus status)
        {
            if (status == CaptureStatus.FormatChanged)
            {
                FollowOrigin();
            }

            return status;
        }

        private void FollowOrigin()
        {
            lock (_lock)
            {
                DevicePoint origin = _getOrigin(_frames);
                if (origin != _origin)
                {
                    _origin = origin;
                    TellTopology();
                    if (_position is { } position)
                    {
                        _observer.OnCursorPosition(new(position.X - origin.X, position.Y - origin.Y), 0);
                    }
                }
            }
        }

        private void TellTopology()
        {
            // There is no monitor to choose in a picture of a window.
            if (_topology is not null && _frames is not X11WindowSource)
            {
                _observer.OnTopology(_sourceName, [.. _topology.Monitors.Select(monitor => new MonitorRecord(
                    monitor.Device.Offset(-_origin.X, -_origin.Y),
                    (uint)Math.Round(monitor.Scale * 1000),
                    monitor.RotationDegrees,
                    monitor.IsPrimary,
                    monitor.Name))]);
            }
        }
    }
}
