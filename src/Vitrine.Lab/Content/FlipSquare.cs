using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Lab.Content;

/// <summary>One change of a <see cref="FlipSquare"/>.</summary>
/// <param name="Step">Number of the change, from 1.</param>
/// <param name="Pixel">The colour it has now, 0x00RRGGBB: as read from memory as a little-endian B, G, R, X pixel with X = 0.</param>
/// <param name="BeforeDrawNs">Monotonic nanoseconds just before the draw call.</param>
/// <param name="AfterRoundTripNs">Monotonic nanoseconds once the X server has said that it is drawn.</param>
public readonly record struct Flip(long Step, uint Pixel, long BeforeDrawNs, long AfterRoundTripNs);

/// <summary>A square that steps through grey levels, one a call: a change whose moment is known, to find again in what a viewer shows.</summary>
/// <remarks>One thread. The connection is borrowed and outlives it.</remarks>
public sealed class FlipSquare : IDisposable
{
    /// <summary>Grey levels before they repeat: 32 apart, so that they stay apart in a lossy picture too.</summary>
    public const int Levels = 8;

    /// <summary>Side of the usual square, device pixels.</summary>
    public const int DefaultSidePixels = 64;

    private readonly X11Connection _connection;
    private readonly TimeProvider _time;
    private readonly PaintedWindow _window;
    private long _step;

    /// <summary>Shows the square, black, and waits until it is on the screen.</summary>
    public FlipSquare(X11Connection connection, DevicePoint at, TimeProvider time, int sidePixels = DefaultSidePixels)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _connection = connection;
        _time = time;
        Place = new(at.X, at.Y, sidePixels, sidePixels);
        _window = new PaintedWindow(connection, Place, 0, "Vitrine square");
        _window.Show();
        _window.Raise();
        _ = connection.Synchronize(); // a display that is gone shows at the first flip
    }

    /// <summary>Where it is on the screen.</summary>
    public DeviceRectangle Place { get; }

    /// <summary>The colour after the given change: 0x00RRGGBB; never black, never that of the change before.</summary>
    public static uint PixelOf(long step) => (uint)((((step - 1) % Levels) * 32) + 24) * 0x010101u;

    /// <summary>Makes the next change.</summary>
    /// <param name="flip">What was drawn and when.</param>
    /// <returns>False when the display is gone.</returns>
    public bool TryFlip(out Flip flip)
    {
        uint pixel = PixelOf(++_step);
        long before = _time.GetMonotonicNanoseconds();
        _window.Fill(new(0, 0, Place.Width, Place.Height), pixel);
        bool isDrawn = _connection.Synchronize();
        flip = new(_step, pixel, before, _time.GetMonotonicNanoseconds());
        return isDrawn;
    }

    /// <summary>Removes the square.</summary>
    public void Dispose() => _window.Dispose();
}
