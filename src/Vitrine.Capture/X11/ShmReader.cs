using Microsoft.Win32.SafeHandles;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>MIT-SHM 1.2: the server writes straight into the pool's memory.</summary>
/// <remarks>Whole pictures come by <c>ShmGetImage</c>. What changed comes by <c>CopyArea</c> into a pixmap that is the picture,
/// clipped to the changed region on the server; or, where the server has no shared pixmaps, by <c>ShmGetImage</c> of each rectangle
/// into a picture-sized scratch and from there by row to its place.</remarks>
internal sealed unsafe class ShmReader : X11PixelReader
{
    private readonly byte _depth;
    private readonly bool _usePixmaps;
    private readonly uint _context;
    private readonly DamageRegion _toRead = new();
    private readonly XcbCookie[] _cookies = new XcbCookie[DamageRegion.RectanglesMax];
    private readonly int[] _offsets = new int[DamageRegion.RectanglesMax];
    private uint[] _segments = [];
    private uint[] _pixmaps = [];
    private MappedMemory? _scratch;
    private uint _scratchSegment;

    /// <param name="connection">A local one with MIT-SHM 1.2.</param>
    /// <param name="drawable">What to read.</param>
    /// <param name="depth">Its depth, 24 or 32.</param>
    /// <param name="usePixmaps">Whether to use shared pixmaps.</param>
    public ShmReader(X11Connection connection, uint drawable, byte depth, bool usePixmaps)
        : base(connection, drawable)
    {
        _depth = depth;
        _usePixmaps = usePixmaps;
        if (usePixmaps)
        {
            _context = LibXcb.xcb_generate_id(connection.Handle);
            LibXcb.xcb_create_gc(
                connection.Handle, _context, drawable, LibXcb.GcSubwindowMode | LibXcb.GcGraphicsExposures,
                [LibXcb.SubwindowModeIncludeInferiors, 0]);
        }
    }

    public override bool TryBind(FramePool pool, out string refusal)
    {
        Release();
        _segments = new uint[pool.Capacity];
        _pixmaps = _usePixmaps ? new uint[pool.Capacity] : [];
        FrameFormat format = pool.Format;
        int slot = 0;
        foreach (MappedMemory memory in pool.Slots)
        {
            if (!TryAttach(Connection, memory.Handle, out _segments[slot], out refusal))
            {
                return false;
            }

            if (_usePixmaps)
            {
                uint pixmap = LibXcb.xcb_generate_id(Connection.Handle);
                byte error = Connection.Check(LibXcbShm.xcb_shm_create_pixmap_checked(
                    Connection.Handle, pixmap, Drawable, (ushort)format.Size.Width, (ushort)format.Size.Height, _depth, _segments[slot], 0));
                if (error != 0)
                {
                    refusal = $"the X server refused a shared pixmap (error {error})";
                    return false;
                }

                _pixmaps[slot] = pixmap;
            }

            slot++;
        }

        if (!_usePixmaps)
        {
            _scratch = new MappedMemory(pool.Name + "-scratch", (int)format.SizeBytes);
            if (!TryAttach(Connection, _scratch.Handle, out _scratchSegment, out refusal))
            {
                return false;
            }
        }

        return IsShared(pool, out refusal);
    }

    public override bool ReadWhole(DevicePoint origin, FrameLease lease) =>
        Finish(Request(origin, DeviceRectangle.Of(lease.Format.Size), _segments[lease.Slot], 0));

    public override bool ReadDamage(DevicePoint origin, X11DamageTracker tracker, FrameLease lease)
    {
        DeviceRectangle picture = DeviceRectangle.Of(lease.Format.Size);
        uint toRead = tracker.Take(lease.Stale, origin);
        if (!_usePixmaps)
        {
            return tracker.TryFetch(origin, picture, lease.Damage) && ReadRectangles(origin, lease);
        }

        LibXcbXfixes.xcb_xfixes_set_gc_clip_region(Connection.Handle, _context, toRead, (short)-origin.X, (short)-origin.Y);
        XcbCookie copy = LibXcb.xcb_copy_area_checked(
            Connection.Handle, Drawable, _pixmaps[lease.Slot], _context,
            (short)origin.X, (short)origin.Y, 0, 0, (ushort)picture.Width, (ushort)picture.Height);

        // The reply comes after the copy and after its error, if there is one: the check costs no round trip of its own.
        return tracker.TryFetch(origin, picture, lease.Damage) && Connection.Check(copy) == 0;
    }

    public override void Dispose()
    {
        Release();
        if (_usePixmaps)
        {
            LibXcb.xcb_free_gc(Connection.Handle, _context);
        }
    }

    /// <summary>Maps a file into the server too.</summary>
    internal static bool TryAttach(X11Connection connection, SafeFileHandle file, out uint segment, out string refusal)
    {
        segment = 0;
        int copy = LibC.fcntl(file, LibC.FDupFdCloexec, 0); // XCB closes what it sends
        if (copy < 0)
        {
            refusal = "the limit of open files is reached (ulimit -n)";
            return false;
        }

        uint id = LibXcb.xcb_generate_id(connection.Handle);
        byte error = connection.Check(LibXcbShm.xcb_shm_attach_fd_checked(connection.Handle, id, copy, 0));
        if (error != 0)
        {
            refusal = connection.IsBroken
                ? "the X server closed the connection when it was handed shared memory"
                : $"the X server refused the shared memory (error {error})";
            return false;
        }

        segment = id;
        refusal = "";
        return true;
    }

    // Rectangles narrower than half the picture go through the scratch; wider ones are read as whole rows, which lie in
    // the picture as ShmGetImage writes them.
    private bool ReadRectangles(DevicePoint origin, FrameLease lease)
    {
        int width = lease.Format.Size.Width, stride = lease.Format.StrideBytes;
        _toRead.Clear();
        _toRead.Add(lease.Stale);
        _toRead.Add(lease.Damage);
        ReadOnlySpan<DeviceRectangle> rectangles = _toRead.Rectangles;
        bool read = true;
        for (int first = 0; first < rectangles.Length;)
        {
            int used = 0, end = first;
            for (; end < rectangles.Length; end++)
            {
                DeviceRectangle r = rectangles[end];
                if (r.Width > width / 2)
                {
                    _offsets[end] = -1;
                    _cookies[end] = Request(origin, r with { X = 0, Width = width }, _segments[lease.Slot], r.Y * stride);
                    continue;
                }

                int bytes = r.Width * r.Height * FrameFormat.BytesPerPixel;
                if (used + bytes > _scratch!.SizeBytes)
                {
                    break; // full: at least one lies in it, as any fits
                }

                _offsets[end] = used;
                _cookies[end] = Request(origin, r, _scratchSegment, used);
                used += bytes;
            }

            for (; first < end; first++)
            {
                read &= Finish(_cookies[first]);
                if (read && _offsets[first] >= 0)
                {
                    CopyRows(_scratch!.GetSpan()[_offsets[first]..], rectangles[first], lease);
                }
            }
        }

        return read;
    }

    private static void CopyRows(ReadOnlySpan<byte> source, DeviceRectangle r, FrameLease lease)
    {
        int rowBytes = r.Width * FrameFormat.BytesPerPixel, stride = lease.Format.StrideBytes;
        Span<byte> pixels = lease.Pixels[((r.Y * stride) + (r.X * FrameFormat.BytesPerPixel))..];
        for (int row = 0; row < r.Height; row++)
        {
            source.Slice(row * rowBytes, rowBytes).CopyTo(pixels[(row * stride)..]);
        }
    }

    private XcbCookie Request(DevicePoint origin, DeviceRectangle r, uint segment, int offset) => LibXcbShm.xcb_shm_get_image(
        Connection.Handle, Drawable, (short)(origin.X + r.X), (short)(origin.Y + r.Y), (ushort)r.Width, (ushort)r.Height,
        LibXcb.AllPlanes, LibXcb.ImageFormatZPixmap, segment, (uint)offset);

    private bool Finish(XcbCookie cookie)
    {
        XcbGenericError* error = null;
        XcbShmGetImageReply* reply = LibXcbShm.xcb_shm_get_image_reply(Connection.Handle, cookie, &error);
        LibC.free(error);
        LibC.free(reply);
        return reply is not null;
    }

    // A server behind a forwarding process may attach memory that is not ours. A pixel tells: of two different
    // values it can equal only one.
    private bool IsShared(FramePool pool, out string refusal)
    {
        refusal = "";
        Span<byte> pixel = pool.Slots.First().GetSpan()[..FrameFormat.BytesPerPixel];
        foreach (byte mark in (ReadOnlySpan<byte>)[0x00, 0xFF])
        {
            pixel.Fill(mark);
            if (!Finish(Request(default, new DeviceRectangle(0, 0, 1, 1), _segments[0], 0)))
            {
                return true; // not readable now (a window that is not shown): says nothing about the memory
            }

            if (pixel.ContainsAnyExcept(mark))
            {
                return true;
            }
        }

        refusal = "the X server writes to other memory than ours";
        return false;
    }

    private void Release()
    {
        foreach (uint pixmap in _pixmaps)
        {
            if (pixmap != 0)
            {
                LibXcb.xcb_free_pixmap(Connection.Handle, pixmap);
            }
        }

        foreach (uint segment in _segments)
        {
            if (segment != 0)
            {
                LibXcbShm.xcb_shm_detach(Connection.Handle, segment);
            }
        }

        if (_scratchSegment != 0)
        {
            LibXcbShm.xcb_shm_detach(Connection.Handle, _scratchSegment);
        }

        (_segments, _pixmaps, _scratchSegment) = ([], [], 0);
        ((IDisposable?)_scratch)?.Dispose();
        _scratch = null;
    }
}
