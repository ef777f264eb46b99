using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>What changed in a drawable since it was last asked: a DAMAGE object and the server-side regions to empty it into.</summary>
/// <remarks>It reports once when it becomes non-empty and is silent until it is emptied: one event a frame, however much is drawn.</remarks>
internal sealed unsafe class X11DamageTracker : IDisposable
{
    private readonly X11Connection _connection;
    private readonly uint _damage;
    private readonly uint _changed;
    private readonly uint _toRead;

    public X11DamageTracker(X11Connection connection, uint drawable)
    {
        _connection = connection;
        _damage = LibXcb.xcb_generate_id(connection.Handle);
        _changed = LibXcb.xcb_generate_id(connection.Handle);
        _toRead = LibXcb.xcb_generate_id(connection.Handle);
        LibXcbDamage.xcb_damage_create(connection.Handle, _damage, drawable, LibXcbDamage.ReportLevelNonEmpty);
        LibXcbXfixes.xcb_xfixes_create_region(connection.Handle, _changed, 0, default);
        LibXcbXfixes.xcb_xfixes_create_region(connection.Handle, _toRead, 0, default);
    }

    /// <summary>Where the tracked drawable's corner lies in the one that is read: a window's in its pixmap, which has the border too.</summary>
    public DevicePoint Shift { get; init; }

    /// <summary>Whether the display can do it.</summary>
    public static bool IsSupported(X11Connection connection) => connection.Damage.IsPresent && connection.Xfixes.IsAtLeast(2, 0);

    /// <summary>Forgets what changed up to here: whoever asks is about to read everything.</summary>
    public void Clear() => LibXcbDamage.xcb_damage_subtract(_connection.Handle, _damage, 0, 0);

    /// <summary>Moves what changed into a region on the server, and gives the region of that and <paramref name="stale"/>.
    /// Sends requests only.</summary>
    /// <param name="stale">In the picture's coordinates.</param>
    /// <param name="origin">Where the picture's corner lies in the drawable.</param>
    /// <returns>A region in the coordinates of the drawable that is read; valid until the next call.</returns>
    public uint Take(DamageRegion stale, DevicePoint origin)
    {
        LibXcbDamage.xcb_damage_subtract(_connection.Handle, _damage, 0, _changed);
        if (Shift != default)
        {
            LibXcbXfixes.xcb_xfixes_translate_region(_connection.Handle, _changed, (short)Shift.X, (short)Shift.Y);
        }

        if (stale.IsEmpty)
        {
            return _changed;
        }

        Span<XcbRectangle> rectangles = stackalloc XcbRectangle[DamageRegion.RectanglesMax];
        int count = 0;
        foreach (DeviceRectangle r in stale.Rectangles)
        {
            rectangles[count++] = new()
            {
                X = (short)(r.X + origin.X), Y = (short)(r.Y + origin.Y), Width = (ushort)r.Width, Height = (ushort)r.Height,
            };
        }

        LibXcbXfixes.xcb_xfixes_set_region(_connection.Handle, _toRead, (uint)count, rectangles);
        LibXcbXfixes.xcb_xfixes_union_region(_connection.Handle, _toRead, _changed, _toRead);
        return _toRead;
    }

    /// <summary>Fetches what <see cref="Take"/> moved: a round trip, after which everything requested before is done.</summary>
    /// <param name="origin">Where the picture's corner lies in the drawable.</param>
    /// <param name="picture">The picture's bounds from its own corner; what lies outside is left away.</param>
    /// <param name="damage">Receives it, in the picture's coordinates.</param>
    /// <returns>False when the display is gone.</returns>
    public bool TryFetch(DevicePoint origin, DeviceRectangle picture, DamageRegion damage)
    {
        XcbXfixesFetchRegionReply* reply = LibXcbXfixes.xcb_xfixes_fetch_region_reply(
            _connection.Handle, LibXcbXfixes.xcb_xfixes_fetch_region(_connection.Handle, _changed), null);
        if (reply is null)
        {
            return false;
        }

        // SAFETY: the reply holds as many rectangles as its length says, and is ours until freed.
        XcbRectangle* rectangles = LibXcbXfixes.xcb_xfixes_fetch_region_rectangles(reply);
        int count = LibXcbXfixes.xcb_xfixes_fetch_region_rectangles_length(reply);
        for (int i = 0; i < count; i++)
        {
            damage.Add(new DeviceRectangle(
                rectangles[i].X - origin.X, rectangles[i].Y - origin.Y, rectangles[i].Width, rectangles[i].Height).Intersect(picture));
        }

        LibC.free(reply);
        return true;
    }

    /// <summary>Frees what it holds on the server.</summary>
    public void Dispose()
    {
        LibXcbDamage.xcb_damage_destroy(_connection.Handle, _damage);
        LibXcbXfixes.xcb_xfixes_destroy_region(_connection.Handle, _changed);
        LibXcbXfixes.xcb_xfixes_destroy_region(_connection.Handle, _toRead);
    }
}
