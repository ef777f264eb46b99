using System.Text;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Lab.Content;

/// <summary>A window of ours without a window manager's frame, with what is needed to draw into it.</summary>
/// <remarks>One thread. Requests are queued until the connection is flushed or synchronised. The connection outlives it.</remarks>
internal sealed class PaintedWindow : IDisposable
{
    // The core protocol takes requests of 256 KiB; larger ones need an extension.
    private const int ImageBytesMax = 240 * 1024;

    private readonly X11Connection _connection;
    private readonly uint _context;
    private readonly uint _pixmap;
    private (uint Foreground, uint Background) _colours;
    private bool _disposed;

    /// <summary>Makes a window, hidden at first.</summary>
    /// <param name="connection">Borrowed.</param>
    /// <param name="place">On the screen, device pixels.</param>
    /// <param name="background">0xRRGGBB that fills it.</param>
    /// <param name="title">Its name for people and for <c>--window</c>.</param>
    /// <param name="font">A font of <see cref="OpenFont"/>, 0 for none.</param>
    /// <param name="isRetained">Whether what is drawn is kept, so that it comes back when another window uncovers it.</param>
    public PaintedWindow(X11Connection connection, DeviceRectangle place, uint background, string title, uint font = 0, bool isRetained = false)
    {
        _connection = connection;
        Place = place;
        Id = LibXcb.xcb_generate_id(connection.Handle);
        LibXcb.xcb_create_window(
            connection.Handle, connection.RootDepth, Id, connection.Root, (short)place.X, (short)place.Y, (ushort)place.Width, (ushort)place.Height,
            0, LibXcb.WindowClassInputOutput, connection.RootVisual, LibXcb.CwBackPixel | LibXcb.CwBorderPixel | LibXcb.CwOverrideRedirect, [background, 0, 1]);
        byte[] name = Encoding.Latin1.GetBytes(title);
        LibXcb.xcb_change_property(connection.Handle, LibXcb.PropModeReplace, Id, LibXcb.AtomWmName, LibXcb.AtomString, 8, (uint)name.Length, name);
        _context = LibXcb.xcb_generate_id(connection.Handle);
        uint mask = LibXcb.GcForeground | LibXcb.GcBackground | (font != 0 ? LibXcb.GcFont : 0) | LibXcb.GcGraphicsExposures;
        ReadOnlySpan<uint> values = font != 0 ? [background, background, font, 0] : [background, background, 0];
        LibXcb.xcb_create_gc(connection.Handle, _context, Id, mask, values);
        _colours = (background, background);
        if (isRetained)
        {
            // As the window's background the server puts it back by itself. It keeps one and the same pixmap, so that
            // what is drawn into it later counts too (all X.Org servers do, though the protocol leaves it open).
            _pixmap = LibXcb.xcb_generate_id(connection.Handle);
            LibXcb.xcb_create_pixmap(connection.Handle, connection.RootDepth, _pixmap, Id, (ushort)place.Width, (ushort)place.Height);
            Fill(new(0, 0, place.Width, place.Height), background);
            LibXcb.xcb_change_window_attributes(connection.Handle, Id, LibXcb.CwBackPixmap, [_pixmap]);
        }
    }

    public uint Id { get; }

    /// <summary>Where it is on the screen.</summary>
    public DeviceRectangle Place { get; private set; }

    /// <summary>The graphics context that it is drawn with.</summary>
    public uint Context => _context;

    private uint Target => _pixmap != 0 ? _pixmap : Id;

    /// <summary>The first of the fonts that the server has; 0 when it has none.</summary>
    public static uint OpenFont(X11Connection connection, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            uint font = LibXcb.xcb_generate_id(connection.Handle);
            byte[] bytes = Encoding.Latin1.GetBytes(name);
            LibXcb.xcb_open_font(connection.Handle, font, (ushort)bytes.Length, bytes);
            bool isThere = connection.Synchronize();
            while (connection.TryReadEvent(out X11Event answer))
            {
                isThere &= !answer.IsError || answer.As<XcbGenericError>().ResourceId != font;
                answer.Dispose();
            }

            if (isThere)
            {
                return font;
            }
        }

        return 0;
    }

    public void Show() => LibXcb.xcb_map_window(_connection.Handle, Id);

    public void Hide() => LibXcb.xcb_unmap_window(_connection.Handle, Id);

    public void Raise() => LibXcb.xcb_configure_window(_connection.Handle, Id, LibXcb.ConfigWindowStackMode, [0]);

    public void Move(int x, int y)
    {
        Place = Place with { X = x, Y = y };
        LibXcb.xcb_configure_window(_connection.Handle, Id, LibXcb.ConfigWindowX | LibXcb.ConfigWindowY, [unchecked((uint)x), unchecked((uint)y)]);
    }

    public void Resize(int width, int height)
    {
        Place = Place with { Width = width, Height = height };
        LibXcb.xcb_configure_window(_connection.Handle, Id, LibXcb.ConfigWindowWidth | LibXcb.ConfigWindowHeight, [(uint)width, (uint)height]);
    }

    public void Fill(DeviceRectangle area, uint colour)
    {
        UseColours(colour, _colours.Background);
        LibXcb.xcb_poly_fill_rectangle(
            _connection.Handle, Target, _context, 1,
            [new XcbRectangle { X = (short)area.X, Y = (short)area.Y, Width = (ushort)area.Width, Height = (ushort)area.Height }]);
    }

    /// <summary>Text with its background; <paramref name="baseline"/> is where the letters stand. At most 255 characters of Latin-1.</summary>
    public void Text(int x, int baseline, ReadOnlySpan<byte> text, uint colour, uint background)
    {
        UseColours(colour, background);
        LibXcb.xcb_image_text_8(_connection.Handle, (byte)Math.Min(text.Length, 255), Target, _context, (short)x, (short)baseline, text);
    }

    public void Text(int x, int baseline, string text, uint colour, uint background) =>
        Text(x, baseline, Encoding.Latin1.GetBytes(text), colour, background);

    /// <summary>Moves content within the window.</summary>
    public void Copy(DeviceRectangle source, int x, int y) =>
        LibXcb.xcb_copy_area(
            _connection.Handle, Target, Target, _context, (short)source.X, (short)source.Y, (short)x, (short)y, (ushort)source.Width, (ushort)source.Height);

    /// <summary>Puts pixels (B, G, R, X, packed) at a place, in as many requests as it takes.</summary>
    public void Put(ReadOnlySpan<byte> pixels, int width, int height, int x, int y)
    {
        int rowBytes = width * FrameFormat.BytesPerPixel;
        int rowsMax = Math.Max(1, ImageBytesMax / rowBytes);
        for (int row = 0; row < height; row += rowsMax)
        {
            int rows = Math.Min(rowsMax, height - row);
            ReadOnlySpan<byte> band = pixels.Slice(row * rowBytes, rows * rowBytes);
            LibXcb.xcb_put_image(
                _connection.Handle, LibXcb.ImageFormatZPixmap, Target, _context, (ushort)width, (ushort)rows, (short)x, (short)(y + row), 0,
                _connection.RootDepth, (uint)band.Length, band);
        }
    }

    /// <summary>Shows what was drawn into a retained window since.</summary>
    public void Present(DeviceRectangle area)
    {
        if (_pixmap != 0)
        {
            LibXcb.xcb_copy_area(
                _connection.Handle, _pixmap, Id, _context, (short)area.X, (short)area.Y, (short)area.X, (short)area.Y, (ushort)area.Width, (ushort)area.Height);
        }
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            LibXcb.xcb_free_gc(_connection.Handle, _context);
            if (_pixmap != 0)
            {
                LibXcb.xcb_free_pixmap(_connection.Handle, _pixmap);
            }

            LibXcb.xcb_destroy_window(_connection.Handle, Id);
            _connection.Flush();
        }
    }

    private void UseColours(uint foreground, uint background)
    {
        if (_colours != (foreground, background))
        {
            _colours = (foreground, background);
            LibXcb.xcb_change_gc(_connection.Handle, _context, LibXcb.GcForeground | LibXcb.GcBackground, [foreground, background]);
        }
    }
}
