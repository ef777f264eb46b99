using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Lab.Content;

/// <summary>A window full of text, all of it new with every change: dark letters on white, the load of an editor that scrolls by pages.</summary>
/// <remarks>One thread. The connection is borrowed and outlives it. The same seed paints the same text.</remarks>
public sealed class TextWindow : IDisposable
{
    private const int LineHeightPixels = 14;
    private const int CharactersMax = 250;

    private readonly X11Connection _connection;
    private readonly PaintedWindow _window;
    private readonly Random _random;
    private readonly byte[] _line = new byte[CharactersMax];

    /// <summary>Shows the window, white, and waits until it is on the screen.</summary>
    /// <exception cref="MissingRequirementException">The X server has no font of that name.</exception>
    public TextWindow(X11Connection connection, DeviceRectangle place, int seed)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _connection = connection;
        _random = new Random(seed);
        uint font = PaintedWindow.OpenFont(connection, "fixed");
        if (font == 0)
        {
            throw new MissingRequirementException("The X server's font «fixed»", "xfonts-base");
        }

        _window = new PaintedWindow(connection, place, 0xFFFFFF, "Vitrine text", font);
        _window.Show();
        _window.Raise();
        _ = connection.Synchronize(); // a display that is gone shows at the first change
    }

    /// <summary>Paints other text and waits until it is drawn.</summary>
    /// <returns>False when the display is gone.</returns>
    public bool TryChange()
    {
        DeviceRectangle place = _window.Place;
        _window.Fill(new(0, 0, place.Width, place.Height), 0xFFFFFF);
        Span<byte> line = _line.AsSpan(0, Math.Clamp(place.Width / 6, 1, CharactersMax)); // «fixed» is 6 pixels wide
        for (int baseline = 12; baseline < place.Height; baseline += LineHeightPixels)
        {
            for (int i = 0; i < line.Length; i++)
            {
                line[i] = (byte)_random.Next('!', '{');
            }

            _window.Text(4, baseline, line, 0x101010, 0xFFFFFF);
        }

        return _connection.Synchronize();
    }

    /// <summary>Paints at a steady rate until cancelled or until the display is gone.</summary>
    /// <returns>Changes painted.</returns>
    public async Task<long> RunAsync(double changesPerSecond, TimeProvider time, CancellationToken cancellationToken)
    {
        long changes = 0;
        using PeriodicTimer timer = new(TimeSpan.FromSeconds(1 / changesPerSecond), time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false) && TryChange())
            {
                changes++;
            }
        }
        catch (OperationCanceledException)
        {
            // The way this ends.
        }

        return changes;
    }

    /// <summary>Removes the window.</summary>
    public void Dispose() => _window.Dispose();
}
