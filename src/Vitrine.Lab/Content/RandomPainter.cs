using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Lab.Content;

/// <summary>Paints at random whatever desktops paint: rectangles, pictures, text, scrolling, windows that move, change size,
/// come and go. For showing that a picture stays exact.</summary>
/// <remarks>One thread. The connection is borrowed and outlives it. The same seed and the same size paint the same.</remarks>
public sealed class RandomPainter : IDisposable
{
    private const int Windows = 6;

    private readonly X11Connection _connection;
    private readonly Random _random;
    private readonly PaintedWindow[] _windows;
    private readonly byte[] _pixels = new byte[400 * 300 * FrameFormat.BytesPerPixel];
    private readonly byte[] _text = new byte[80];
    private readonly uint _font;
    private DeviceSize _screen;

    /// <summary>Covers the screen with windows of its own.</summary>
    public RandomPainter(X11Connection connection, int seed)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _connection = connection;
        _random = new Random(seed);
        _screen = connection.TryGetRootSize(out DeviceSize size) ? size : connection.InitialRootSize;
        _font = PaintedWindow.OpenFont(connection, "fixed"); // without a font it paints no text
        _windows = new PaintedWindow[Windows];
        for (int i = 0; i < Windows; i++)
        {
            // The first is the desktop: as large as the screen, below the others, and it stays.
            DeviceRectangle place = i == 0 ? DeviceRectangle.Of(_screen) : Place();
            _windows[i] = new PaintedWindow(connection, place, Colour(), $"Vitrine random {i}", _font);
            _windows[i].Show();
        }
    }

    /// <summary>Operations painted.</summary>
    public long Steps { get; private set; }

    /// <summary>Tells that the screen has another size: the desktop window follows.</summary>
    public void ChangeScreen(DeviceSize size)
    {
        _screen = size;
        _windows[0].Resize(size.Width, size.Height);
    }

    /// <summary>Paints one thing. It is queued: <see cref="TrySynchronize"/> says when it is drawn.</summary>
    public void Step()
    {
        Steps++;
        PaintedWindow window = _windows[_random.Next(Windows)];
        PaintedWindow movable = _windows[_random.Next(1, Windows)];
        DeviceRectangle area = AreaWithin(window.Place.Size);
        switch (_random.Next(20))
        {
            case < 6:
                window.Fill(area, Colour());
                break;
            case < 9:
                PutPicture(window, area);
                break;
            case < 13:
                Scroll(window, area);
                break;
            case < 15 when _font != 0:
                byte[] text = _text;
                for (int i = 0; i < text.Length; i++)
                {
                    text[i] = (byte)_random.Next(' ', '~');
                }

                window.Text(area.X, area.Y + 10, text, Colour(), Colour());
                break;
            case < 18:
                // Partly off the screen too, as people push windows about.
                movable.Move(_random.Next(-100, Math.Max(1, _screen.Width)), _random.Next(-100, Math.Max(1, _screen.Height)));
                break;
            case 18:
                movable.Resize(_random.Next(1, 800), _random.Next(1, 600));
                movable.Raise();
                break;
            default:
                if (_random.Next(2) == 0)
                {
                    movable.Hide();
                }
                else
                {
                    movable.Show();
                }

                break;
        }
    }

    /// <summary>Waits until all of it is drawn.</summary>
    /// <returns>False when the display is gone.</returns>
    public bool TrySynchronize()
    {
        bool isThere = _connection.Synchronize();
        while (_connection.TryReadEvent(out X11Event unread))
        {
            unread.Dispose(); // none was asked for
        }

        return isThere;
    }

    /// <summary>Removes the windows.</summary>
    public void Dispose()
    {
        foreach (PaintedWindow window in _windows)
        {
            window.Dispose();
        }
    }

    private void Scroll(PaintedWindow window, DeviceRectangle area)
    {
        int distance = _random.Next(1, 60) * (_random.Next(2) == 0 ? 1 : -1);
        bool isVertical = _random.Next(3) != 0; // most scrolling is
        window.Copy(area, area.X + (isVertical ? 0 : distance), area.Y + (isVertical ? distance : 0));
        DeviceRectangle uncovered = isVertical
            ? area with { Y = distance > 0 ? area.Y : area.Bottom + distance, Height = Math.Min(Math.Abs(distance), area.Height) }
            : area with { X = distance > 0 ? area.X : area.Right + distance, Width = Math.Min(Math.Abs(distance), area.Width) };
        window.Fill(uncovered, Colour());
    }

    private void PutPicture(PaintedWindow window, DeviceRectangle area)
    {
        int width = Math.Min(area.Width, 400), height = Math.Min(area.Height, 300);
        Span<byte> pixels = _pixels.AsSpan(0, width * height * FrameFormat.BytesPerPixel);
        if (_random.Next(2) == 0)
        {
            _random.NextBytes(pixels); // nothing compresses it
        }
        else
        {
            int slope = _random.Next(1, 8);
            for (int i = 0; i < pixels.Length; i++)
            {
                pixels[i] = (byte)((i >> slope) + (i & 3)); // a gradient, as in photographs
            }
        }

        window.Put(pixels, width, height, area.X, area.Y);
    }

    private DeviceRectangle AreaWithin(DeviceSize size)
    {
        int width = _random.Next(1, Math.Max(2, size.Width / 2)), height = _random.Next(1, Math.Max(2, size.Height / 2));
        return new(_random.Next(0, Math.Max(1, size.Width - width)), _random.Next(0, Math.Max(1, size.Height - height)), width, height);
    }

    private DeviceRectangle Place() =>
        new(_random.Next(0, Math.Max(1, _screen.Width - 100)), _random.Next(0, Math.Max(1, _screen.Height - 100)), _random.Next(50, 700), _random.Next(50, 500));

    private uint Colour() => (uint)_random.Next(0x1000000);
}
