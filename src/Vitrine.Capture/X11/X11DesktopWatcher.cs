using Vitrine.Capture.Topology;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>Tells an <see cref="IDesktopSink"/> of the cursor's shape and position and of the monitors, as they change.</summary>
/// <remarks>
/// One thread on a connection of its own, so that the cursor is never behind a frame. It waits for events and never polls:
/// shapes by XFixes, motion by raw events of XInput 2 (a program that moves the pointer without a device gives none, so motion
/// that reaches the root window counts too), monitors by RandR.
/// <para>At most one position and one shape every <see cref="IntervalNs"/>; what moved in between is skipped, the newest counts.
/// A position allocates nothing.</para>
/// </remarks>
public sealed unsafe class X11DesktopWatcher : IDisposable
{
    /// <summary>Least time between two positions, and between two shapes: 250 a second is more than any monitor shows.</summary>
    public const long IntervalNs = 4_000_000;

    /// <summary>Largest side of a shape; what is further from the hot spot is cut off and <see cref="CroppedCount"/> counts it.</summary>
    public const int ShapeSidePixelsMax = 256;

    private const int MasksPerDevice = 1;
    private const uint InputEvents = (1u << LibXcbXinput.Motion) | (1u << LibXcbXinput.RawMotion);

    private readonly X11Connection _connection;
    private readonly IDesktopSink _sink;
    private readonly TimeProvider _time;
    private readonly IReadOnlyDictionary<string, double>? _scales;
    private readonly Thread _thread;
    private readonly byte[] _pixels = new byte[ShapeSidePixelsMax * ShapeSidePixelsMax * 4];
    private volatile bool _isStopping;
    private bool _disposed;
    private long _croppedCount;
    private long _positionCount;
    private DisplayTopology? _topology;
    private uint? _shapeSerial;
    private DevicePoint? _position;

    private X11DesktopWatcher(X11Connection connection, IDesktopSink sink, TimeProvider time, IReadOnlyDictionary<string, double>? scales)
    {
        (_connection, _sink, _time, _scales) = (connection, sink, time, scales);
        _thread = new Thread(Run, 256 * 1024) { IsBackground = true, Name = "x11 desktop" };
    }

    /// <summary>Shapes that were larger than told.</summary>
    public long CroppedCount => Interlocked.Read(ref _croppedCount);

    /// <summary>Positions told.</summary>
    public long PositionCount => Interlocked.Read(ref _positionCount);

    /// <summary>Opens a connection and starts to watch.</summary>
    /// <param name="displayName">As for <see cref="X11Connection.TryOpen(string?, out string)"/>.</param>
    /// <param name="sink">Called by the watcher's thread until <see cref="Dispose"/> returns.</param>
    /// <param name="time">Stamps what is told.</param>
    /// <param name="error">When null is returned: a sentence that says what is wrong and what mends it.</param>
    /// <param name="scales">See <see cref="X11Topology.TryRead"/>.</param>
    /// <returns>The watcher, owned by the caller, or null.</returns>
    public static X11DesktopWatcher? TryStart(
        string? displayName, IDesktopSink sink, TimeProvider time, out string error, IReadOnlyDictionary<string, double>? scales = null)
    {
        ArgumentNullException.ThrowIfNull(sink);
        ArgumentNullException.ThrowIfNull(time);
        X11Connection? connection = X11Connection.TryOpen(displayName, out error);
        if (connection is null)
        {
            return null;
        }

        X11DesktopWatcher watcher = new(connection, sink, time, scales);
        watcher._thread.Start();
        return watcher;
    }

    /// <summary>Ends the thread, waits for it, and closes the connection. Not to be called by the sink.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _isStopping = true;
            _connection.Wake();
            _thread.Join();
            _connection.Dispose();
        }
    }

    private void Run()
    {
        Select();

        // The start counts as a change of everything.
        bool topologyPending = true, shapePending = true, positionPending = true;
        long shapeOriginNs = _time.GetMonotonicNanoseconds(), positionOriginNs = shapeOriginNs, nextNs = shapeOriginNs;
        while (!_isStopping)
        {
            while (_connection.TryReadEvent(out X11Event next))
            {
                using (next)
                {
                    if (next.IsError)
                    {
                        continue;
                    }

                    if (IsMotion(next))
                    {
                        (positionPending, positionOriginNs) = (true, _time.GetMonotonicNanoseconds());
                    }
                    else if (next.Is(_connection.Xfixes, LibXcbXfixes.CursorNotify))
                    {
                        (shapePending, shapeOriginNs) = (true, _time.GetMonotonicNanoseconds());
                    }
                    else if (X11Topology.IsChange(_connection, next))
                    {
                        // A screen that shrinks moves the pointer without an event of motion.
                        (topologyPending, positionPending, positionOriginNs) = (true, true, _time.GetMonotonicNanoseconds());
                    }
                }
            }

            if (topologyPending)
            {
                topologyPending = false;
                TellTopology();
            }

            long nowNs = _time.GetMonotonicNanoseconds();
            bool pending = shapePending || positionPending;
            if (pending && nowNs >= nextNs)
            {
                // The shape first: a position with the shape of before is a cursor that jumps by the difference of hot spots.
                if (shapePending)
                {
                    TellShape(shapeOriginNs);
                }

                if (positionPending)
                {
                    TellPosition(positionOriginNs);
                }

                (shapePending, positionPending, nextNs) = (false, false, nowNs + IntervalNs);
                continue; // events may have come with the replies, and waiting would not see them
            }

            TimeSpan timeout = pending ? TimeSpan.FromTicks((nextNs - nowNs + 99) / 100) : Timeout.InfiniteTimeSpan;
            if (_connection.Wait(timeout) == X11WaitResult.Broken || _connection.IsBroken)
            {
                if (!_isStopping)
                {
                    _sink.OnDisplayGone();
                }

                return;
            }
        }
    }

    private void Select()
    {
        X11Topology.SelectChanges(_connection);
        if (_connection.Xfixes.IsPresent)
        {
            _ = LibXcbXfixes.xcb_xfixes_select_cursor_input(_connection.Handle, _connection.Root, LibXcbXfixes.CursorNotifyMaskDisplayCursor);
        }

        // 2.1: raw events come also while another client holds a grab.
        bool hasRawEvents = _connection.XInput.IsAtLeast(2, 1) && _connection.Check(LibXcbXinput.xcb_input_xi_select_events_checked(
            _connection.Handle, _connection.Root, 1, [LibXcbXinput.DeviceAllMaster | (MasksPerDevice << 16), InputEvents])) == 0;
        if (!hasRawEvents)
        {
            X11Topology.AddRootEvents(_connection, LibXcb.EventMaskPointerMotion);
        }

        _connection.Flush();
    }

    private bool IsMotion(in X11Event next) =>
        next.IsGeneric(_connection.XInput, LibXcbXinput.RawMotion)
        || next.IsGeneric(_connection.XInput, LibXcbXinput.Motion)
        || next.Type == LibXcb.MotionNotify;

    private void TellTopology()
    {
        if (X11Topology.TryRead(_connection, (_topology?.Generation ?? 0) + 1, out DisplayTopology? topology, _scales) && !topology!.IsSameLayout(_topology))
        {
            _topology = topology;
            _sink.OnTopology(topology);
        }
    }

    private void TellPosition(long originNs)
    {
        XcbQueryPointerReply* reply = LibXcb.xcb_query_pointer_reply(
            _connection.Handle, LibXcb.xcb_query_pointer(_connection.Handle, _connection.Root), null);
        if (reply is null)
        {
            return; // the display is gone, as the next wait tells
        }

        // SAFETY: a reply that is not null is a whole xcb_query_pointer_reply_t; ours until freed.
        DevicePoint position = new(reply->RootX, reply->RootY);
        LibC.free(reply);
        if (position != _position)
        {
            _position = position;
            Interlocked.Increment(ref _positionCount);
            _sink.OnCursorPosition(position, originNs);
        }
    }

    private void TellShape(long originNs)
    {
        if (!_connection.Xfixes.IsPresent)
        {
            return;
        }

        XcbXfixesGetCursorImageReply* reply = LibXcbXfixes.xcb_xfixes_get_cursor_image_reply(
            _connection.Handle, LibXcbXfixes.xcb_xfixes_get_cursor_image(_connection.Handle), null);
        if (reply is null)
        {
            return;
        }

        if (reply->CursorSerial != _shapeSerial)
        {
            _shapeSerial = reply->CursorSerial;
            DeviceSize size = new(reply->Width, reply->Height);
            DevicePoint hotspot = new(reply->Xhot, reply->Yhot);

            // SAFETY: the reply holds as many pixels as its length says, and is ours until freed.
            ReadOnlySpan<uint> image = new(
                LibXcbXfixes.xcb_xfixes_get_cursor_image_cursor_image(reply), LibXcbXfixes.xcb_xfixes_get_cursor_image_cursor_image_length(reply));
            if (image.Length >= size.Area)
            {
                if (Crop(image, ref size, ref hotspot, _pixels))
                {
                    Interlocked.Increment(ref _croppedCount);
                }

                _sink.OnCursorShape(size, hotspot, _pixels.AsSpan(0, (int)size.Area * 4), originNs);
            }
        }

        LibC.free(reply);
    }

    /// <summary>Copies a shape, cut to <see cref="ShapeSidePixelsMax"/> around the hot spot.</summary>
    /// <param name="image">ARGB words in this machine's order, premultiplied: as bytes B, G, R, A.</param>
    /// <param name="size">Before and after.</param>
    /// <param name="hotspot">Before and after.</param>
    /// <param name="pixels">Receives the bytes.</param>
    /// <returns>Whether something was cut off.</returns>
    internal static bool Crop(ReadOnlySpan<uint> image, ref DeviceSize size, ref DevicePoint hotspot, Span<byte> pixels)
    {
        DeviceSize cut = new(Math.Min(size.Width, ShapeSidePixelsMax), Math.Min(size.Height, ShapeSidePixelsMax));
        int left = Math.Clamp(hotspot.X - (cut.Width / 2), 0, size.Width - cut.Width);
        int top = Math.Clamp(hotspot.Y - (cut.Height / 2), 0, size.Height - cut.Height);
        for (int y = 0; y < cut.Height; y++)
        {
            ReadOnlySpan<uint> row = image.Slice(((top + y) * size.Width) + left, cut.Width);
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(row).CopyTo(pixels[(y * cut.Width * 4)..]);
        }

        bool isCropped = cut != size;
        hotspot = new(Math.Clamp(hotspot.X - left, 0, Math.Max(0, cut.Width - 1)), Math.Clamp(hotspot.Y - top, 0, Math.Max(0, cut.Height - 1)));
        size = cut;
        return isCropped;
    }
}
