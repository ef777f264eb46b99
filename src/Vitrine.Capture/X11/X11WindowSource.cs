using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>One window of an X display, or always the one that is active (<c>_NET_ACTIVE_WINDOW</c>), without what covers it.</summary>
/// <remarks>
/// The window is redirected (Composite), so that its picture is whole also where it is covered or off the screen; where the display
/// cannot do that, the window's place on the screen is captured with whatever is seen there. Moves, new sizes, hiding, closing
/// and another active window arrive as events of the window and of the windows it lies in; nothing is polled.
/// <para>A new size or another window: <see cref="CaptureStatus.FormatChanged"/>. Not shown: <see cref="CaptureStatus.Hidden"/>
/// once, then frames again when it is shown. Closed: <see cref="CaptureStatus.SourceClosed"/>; the active window is hidden
/// instead until another one is active. A move changes <see cref="Origin"/> and makes no frame.</para>
/// </remarks>
public sealed unsafe class X11WindowSource : X11Source
{
    // Windows within windows: a client in its frame in the root is three; more are cut off.
    private const int ChainWindowsMax = 16;

    private readonly bool _followsActive;
    private readonly bool _composes;
    private readonly uint[] _chain = new uint[ChainWindowsMax]; // the window, its parent, ... , the root
    private int _chainLength;
    private uint _window;
    private uint _redirected;
    private uint _tracked;
    private uint _pixmap;
    private Geometry _shown; // what was aimed at; default when nothing is
    private long _origin;
    private bool _isActiveStale;
    private bool _isChainStale;
    private bool _isPixmapStale = true;
    private bool _isOtherWindow;
    private bool _isClosed;

    internal X11WindowSource(X11Connection connection, X11CaptureOptions options, uint window, bool followsActive)
        : base(connection, options)
    {
        _window = window;
        _followsActive = followsActive;
        _composes = connection.Composite.IsAtLeast(0, 2);
    }

    /// <summary>The window captured now; 0 when there is none. Read it on the source's thread.</summary>
    public uint Window => _window;

    /// <summary>Where the picture's upper left pixel lies on the screen, device pixels. Any thread.</summary>
    public DevicePoint Origin
    {
        get
        {
            long origin = Interlocked.Read(ref _origin);
            return new((int)(origin >> 32), (int)origin);
        }
    }

    /// <summary>Called on the source's thread, within a call of it, after <see cref="Origin"/> changed.</summary>
    public Action<DevicePoint>? Moved { get; set; }

    private protected override string PoolName => "vitrine-window";

    // A window's own picture stays as it was until it is aimed at anew; its place on the screen does not.
    private protected override bool ReadSurvivesChange => _pixmap != 0;

    /// <summary>Subscribes to what is needed, and aims at the window if it is shown.</summary>
    internal bool TryStart(out string error)
    {
        if (!TrySelectInput(out error))
        {
            return false;
        }

        if (_followsActive)
        {
            _ = Connection.Atom("_NET_ACTIVE_WINDOW"); // known from here on: an event must not wait for a reply
            SelectRoot();
            _window = X11Windows.ReadActive(Connection);
            if (_window == 0)
            {
                error = $"There is no active window on {Connection.DisplayName}: the window manager names none. Click into one.";
                return false;
            }
        }

        Follow();
        if (!TryReadGeometry(out Geometry geometry))
        {
            error = $"There is no window 0x{_window:x} on the display {Connection.DisplayName}.";
            return false;
        }

        if (!geometry.HasPixels)
        {
            error = $"The window 0x{_window:x} has no pixels that can be read (depth {geometry.Depth}).";
            return false;
        }

        if (!FrameFormat.IsSupported(geometry.Size))
        {
            error = TooLarge(geometry.Size);
            return false;
        }

        Area = DeviceRectangle.Of(geometry.Size); // the format until there is a picture
        if (geometry.IsViewable)
        {
            return Aim(geometry, out error) is not null;
        }

        IsChanged = true; // that it is hidden is the first thing told
        return true;
    }

    private protected override void OnEvent(in X11Event next)
    {
        switch (next.Type)
        {
            case LibXcb.ConfigureNotify:
                IsChanged |= IsInChain(next.As<XcbConfigureNotifyEvent>().Window);
                break;
            case LibXcb.MapNotify when IsInChain(next.As<XcbMapNotifyEvent>().Window):
            case LibXcb.UnmapNotify when IsInChain(next.As<XcbUnmapNotifyEvent>().Window):
                IsChanged = _isPixmapStale = true;
                break;
            case LibXcb.ReparentNotify when IsInChain(next.As<XcbReparentNotifyEvent>().Window):
                IsChanged = _isPixmapStale = _isChainStale = true;
                break;
            case LibXcb.DestroyNotify when IsInChain(next.As<XcbDestroyNotifyEvent>().Window):
                IsChanged = true;
                break;
            case LibXcb.PropertyNotify when _followsActive && next.As<XcbPropertyNotifyEvent>().Window == Connection.Root
                && next.As<XcbPropertyNotifyEvent>().Atom == Connection.Atom("_NET_ACTIVE_WINDOW"):
                IsChanged = _isActiveStale = true;
                break;
            default:
                break;
        }
    }

    private protected override bool HasChangedUnseen() =>
        _window != 0 && (!TryReadGeometry(out Geometry geometry) || geometry != _shown);

    private protected override CaptureStatus Change()
    {
        if (_isClosed)
        {
            return CaptureStatus.SourceClosed;
        }

        IsChanged = false;
        if (_isActiveStale)
        {
            _isActiveStale = false;
            uint active = X11Windows.ReadActive(Connection);
            if (active != _window)
            {
                Release();
                _window = active;
                _isChainStale = _isOtherWindow = true;
            }
        }

        if (_isChainStale)
        {
            _isChainStale = false;
            Follow();
        }

        if (_window == 0)
        {
            return Hide();
        }

        if (!TryReadGeometry(out Geometry geometry) || !geometry.HasPixels)
        {
            if (Connection.IsBroken)
            {
                return CaptureStatus.DisplayGone;
            }

            if (_followsActive)
            {
                Release();
                _window = 0;
                return Hide();
            }

            return Close();
        }

        if (!geometry.IsViewable)
        {
            SetOrigin(geometry.Origin);
            return Hide();
        }

        CaptureStatus? status = Aim(geometry, out _);
        return status ?? (Connection.IsBroken ? CaptureStatus.DisplayGone : Close());
    }

    // Null: it cannot be read. TimedOut: nothing to tell.
    private CaptureStatus? Aim(Geometry geometry, out string error)
    {
        error = "";
        bool isSame = !IsHidden && !_isPixmapStale && geometry with { Origin = default } == _shown with { Origin = default };
        if (isSame && (_pixmap != 0 || geometry.Origin == _shown.Origin))
        {
            _shown = geometry;
            SetOrigin(geometry.Origin);
            return CaptureStatus.TimedOut;
        }

        DevicePoint origin = geometry.Origin;
        DeviceRectangle area = new(geometry.Border, geometry.Border, geometry.Size.Width, geometry.Size.Height);
        DevicePoint shift = new(geometry.Border, geometry.Border);
        (uint tracked, byte depth) = (_window, geometry.Depth);
        if (!TryRedirect())
        {
            if (!Connection.TryGetRootSize(out DeviceSize screen))
            {
                return null;
            }

            area = new DeviceRectangle(origin.X, origin.Y, geometry.Size.Width, geometry.Size.Height).Intersect(DeviceRectangle.Of(screen));
            (tracked, depth, shift, origin) = (Connection.Root, Connection.RootDepth, default, new(area.X, area.Y));
            if (area.IsEmpty)
            {
                _shown = geometry;
                return Hide(); // off the screen
            }
        }
        else if (!TryNamePixmap())
        {
            return Hide(); // it was hidden a moment ago, as the next event will tell; what lies there now is not the window
        }

        if (!FrameFormat.IsSupported(area.Size))
        {
            error = TooLarge(area.Size);
            return null;
        }

        bool isOtherFormat = _isOtherWindow || Format.Size != area.Size;
        if (_tracked != tracked || geometry.Border != _shown.Border)
        {
            Track(tracked, shift);
            _tracked = tracked;
        }

        if (!TryAim(area, _pixmap != 0 ? _pixmap : Connection.Root, depth, out error))
        {
            return null;
        }

        _shown = geometry;
        IsHidden = _isPixmapStale = _isOtherWindow = false;
        SetOrigin(origin);
        return isOtherFormat ? CaptureStatus.FormatChanged : CaptureStatus.TimedOut;
    }

    private CaptureStatus Hide()
    {
        bool wasHidden = IsHidden;
        IsHidden = _isPixmapStale = true;
        return wasHidden ? CaptureStatus.TimedOut : CaptureStatus.Hidden;
    }

    private CaptureStatus Close()
    {
        _isClosed = true;
        IsChanged = true; // final: every further call gives the same answer
        Release();
        return CaptureStatus.SourceClosed;
    }

    // Automatic: the server goes on to show the window. Two clients may ask for that, and a compositing manager does not mind.
    private bool TryRedirect()
    {
        if (_composes && _redirected != _window
            && Connection.Check(LibXcbComposite.xcb_composite_redirect_window_checked(Connection.Handle, _window, LibXcbComposite.RedirectAutomatic)) == 0)
        {
            _redirected = _window;
        }

        return _redirected == _window;
    }

    // The picture has another identity after every new size and every time the window is shown.
    private bool TryNamePixmap()
    {
        FreePixmap();
        uint pixmap = LibXcb.xcb_generate_id(Connection.Handle);
        if (Connection.Check(LibXcbComposite.xcb_composite_name_window_pixmap_checked(Connection.Handle, _window, pixmap)) != 0)
        {
            return false;
        }

        _pixmap = pixmap;
        return true;
    }

    private void FreePixmap()
    {
        if (_pixmap != 0)
        {
            _ = LibXcb.xcb_free_pixmap(Connection.Handle, _pixmap);
            _pixmap = 0;
        }
    }

    private void Release()
    {
        FreePixmap();
        if (_redirected != 0)
        {
            _ = LibXcbComposite.xcb_composite_unredirect_window(Connection.Handle, _redirected, LibXcbComposite.RedirectAutomatic);
            _redirected = 0;
        }

        _shown = default;
        _isPixmapStale = true;
    }

    // Asks for the events of the window and of those it lies in: a frame that moves moves its client without a word to it.
    private void Follow()
    {
        for (int i = 0; i < _chainLength; i++)
        {
            _ = LibXcb.xcb_change_window_attributes(Connection.Handle, _chain[i], LibXcb.CwEventMask, [0]);
        }

        _chainLength = 0;
        SelectRoot();
        for (uint window = _window; window != 0 && window != Connection.Root && _chainLength < ChainWindowsMax;)
        {
            // First the events, then the question: a change in between is known twice, not missed.
            _ = LibXcb.xcb_change_window_attributes(Connection.Handle, window, LibXcb.CwEventMask, [LibXcb.EventMaskStructureNotify]);
            _chain[_chainLength++] = window;
            XcbQueryTreeReply* reply = LibXcb.xcb_query_tree_reply(Connection.Handle, LibXcb.xcb_query_tree(Connection.Handle, window), null);

            // SAFETY: a reply that is not null is a whole reply of its type; ours until freed. The same holds below.
            window = reply is null ? 0 : reply->Parent;
            LibC.free(reply);
        }
    }

    private void SelectRoot() => LibXcb.xcb_change_window_attributes(
        Connection.Handle, Connection.Root, LibXcb.CwEventMask,
        [(_followsActive ? LibXcb.EventMaskPropertyChange : 0) | LibXcb.EventMaskStructureNotify]);

    private bool IsInChain(uint window) => window == Connection.Root || _chain.AsSpan(0, _chainLength).Contains(window);

    private bool TryReadGeometry(out Geometry geometry)
    {
        XcbConnection c = Connection.Handle;
        XcbCookie geometryCookie = LibXcb.xcb_get_geometry(c, _window);
        XcbCookie attributesCookie = LibXcb.xcb_get_window_attributes(c, _window);
        XcbCookie placeCookie = LibXcb.xcb_translate_coordinates(c, _window, Connection.Root, 0, 0);
        XcbGetGeometryReply* size = LibXcb.xcb_get_geometry_reply(c, geometryCookie, null);
        XcbGetWindowAttributesReply* attributes = LibXcb.xcb_get_window_attributes_reply(c, attributesCookie, null);
        XcbTranslateCoordinatesReply* place = LibXcb.xcb_translate_coordinates_reply(c, placeCookie, null);
        bool isThere = size is not null && attributes is not null && place is not null;
        geometry = !isThere ? default : new(
            new(size->Width, size->Height),
            size->BorderWidth,
            size->Depth,
            new(place->DstX, place->DstY),
            attributes->MapState == LibXcb.MapStateViewable,
            attributes->Class == LibXcb.WindowClassInputOutput && size->Depth is 24 or 32);
        LibC.free(size);
        LibC.free(attributes);
        LibC.free(place);
        return isThere;
    }

    private void SetOrigin(DevicePoint origin)
    {
        if (origin != Origin)
        {
            Interlocked.Exchange(ref _origin, ((long)origin.X << 32) | (uint)origin.Y);
            Moved?.Invoke(origin);
        }
    }

    private string TooLarge(DeviceSize size) => $"The window 0x{_window:x} is {size}: {FrameFormat.AreaPixelsMax} pixels are the most.";

    private readonly record struct Geometry(DeviceSize Size, int Border, byte Depth, DevicePoint Origin, bool IsViewable, bool HasPixels);
}
