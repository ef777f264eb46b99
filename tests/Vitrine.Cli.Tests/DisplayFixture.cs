using Vitrine.Capture.X11;

namespace Vitrine.Cli.Tests;

/// <summary>One private display for the tests of a class.</summary>
public sealed class DisplayFixture : IDisposable
{
    private readonly VirtualDisplay _display;

    public DisplayFixture()
    {
        _display = VirtualDisplay.TryStart(new(640, 480), out string error) ?? throw new InvalidOperationException(error);
    }

    public string Name => _display.DisplayName;

    public void Dispose() => _display.Dispose();
}
