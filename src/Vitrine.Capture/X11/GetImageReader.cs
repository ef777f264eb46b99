using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary><c>GetImage</c>: pixels through the socket. For displays that share no memory with this process.</summary>
internal sealed unsafe class GetImageReader(X11Connection connection, uint drawable) : X11PixelReader(connection, drawable)
{
    /// <summary>Bytes asked for at once. Two requests are under way, so XCB holds at most two of them.</summary>
    private const int BandBytesMax = 1 << 20;

    private readonly DamageRegion _toRead = new();

    public override bool TryBind(FramePool pool, out string refusal)
    {
        refusal = "";
        return true;
    }

    public override bool ReadWhole(DevicePoint origin, FrameLease lease) => Read(origin, DeviceRectangle.Of(lease.Format.Size), lease);

    public override bool ReadDamage(DevicePoint origin, X11DamageTracker tracker, FrameLease lease)
    {
        tracker.Take(lease.Stale, origin);
        if (!tracker.TryFetch(origin, DeviceRectangle.Of(lease.Format.Size), lease.Damage))
        {
            return false;
        }

        _toRead.Clear();
        _toRead.Add(lease.Stale);
        _toRead.Add(lease.Damage);
        foreach (DeviceRectangle rectangle in _toRead.Rectangles)
        {
            if (!Read(origin, rectangle, lease))
            {
                return false;
            }
        }

        return true;
    }

    public override void Dispose()
    {
    }

    // Bands of rows; the next one is on its way while one is copied.
    private bool Read(DevicePoint origin, DeviceRectangle rectangle, FrameLease lease)
    {
        int rows = Math.Max(1, BandBytesMax / (rectangle.Width * FrameFormat.BytesPerPixel));
        DeviceRectangle band = rectangle with { Height = Math.Min(rows, rectangle.Height) };
        XcbCookie pending = Request(origin, band);
        bool read = true;
        while (!band.IsEmpty)
        {
            DeviceRectangle next = band with { Y = band.Bottom, Height = Math.Min(rows, rectangle.Bottom - band.Bottom) };
            XcbCookie pendingNext = next.IsEmpty ? default : Request(origin, next);
            read &= Receive(pending, band, lease);
            (band, pending) = (next, pendingNext);
        }

        return read;
    }

    private XcbCookie Request(DevicePoint origin, DeviceRectangle band) => LibXcb.xcb_get_image(
        Connection.Handle, LibXcb.ImageFormatZPixmap, Drawable,
        (short)(origin.X + band.X), (short)(origin.Y + band.Y), (ushort)band.Width, (ushort)band.Height, LibXcb.AllPlanes);

    private bool Receive(XcbCookie cookie, DeviceRectangle band, FrameLease lease)
    {
        XcbGenericError* error = null;
        XcbGetImageReply* reply = LibXcb.xcb_get_image_reply(Connection.Handle, cookie, &error);
        LibC.free(error);
        if (reply is null)
        {
            return false;
        }

        // SAFETY: the reply holds as many bytes as its length says, and is ours until freed.
        int rowBytes = band.Width * FrameFormat.BytesPerPixel;
        ReadOnlySpan<byte> source = new(LibXcb.xcb_get_image_data(reply), LibXcb.xcb_get_image_data_length(reply));
        bool whole = source.Length >= rowBytes * band.Height;
        if (whole)
        {
            int stride = lease.Format.StrideBytes;
            Span<byte> pixels = lease.Pixels[((band.Y * stride) + (band.X * FrameFormat.BytesPerPixel))..];
            for (int row = 0; row < band.Height; row++)
            {
                source.Slice(row * rowBytes, rowBytes).CopyTo(pixels[(row * stride)..]);
            }
        }

        LibC.free(reply);
        return whole;
    }
}
