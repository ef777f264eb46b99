using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;

namespace Vitrine.Cli.Sharing;

/// <summary>A display of our own with moving content, for a machine that has none.</summary>
/// <remarks>Thread-safe. When its X server ends, the next <see cref="TryGetDisplay"/> starts another.</remarks>
internal sealed class PrivateDesktop(DeviceSize size, TimeProvider time) : IDisposable
{
    private const int Seed = 1;

    private readonly Lock _lock = new();
    private VirtualDisplay? _display;
    private X11Connection? _connection;
    private DemonstrationDesktop? _content;
    private CancellationTokenSource? _stop;
    private Task _painting = Task.CompletedTask;
    private bool _disposed;

    /// <summary>Name of the display, which is started if it does not run.</summary>
    /// <param name="error">When null is returned: what is wrong and what mends it.</param>
    public string? TryGetDisplay(out string error)
    {
        lock (_lock)
        {
            error = "";
            if (_disposed)
            {
                error = "Sharing ends.";
                return null;
            }

            if (_display is { HasExited: false })
            {
                return _display.DisplayName;
            }

            Stop();
            _display = VirtualDisplay.TryStart(size, out error);
            _connection = _display is null ? null : X11Connection.TryOpen(_display.DisplayName, out error);
            if (_connection is null)
            {
                return null;
            }

            _content = new DemonstrationDesktop(_connection, Seed, time.GetLocalNow().TimeOfDay);
            _stop = new CancellationTokenSource();
            CancellationToken token = _stop.Token;
            _painting = Task.Run(() => _content.RunAsync(time, token), CancellationToken.None);
            return _display!.DisplayName;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            Stop();
        }
    }

    private void Stop()
    {
        _stop?.Cancel();
        _painting.GetAwaiter().GetResult(); // one step, some milliseconds
        _content?.Dispose();
        _connection?.Dispose();
        _display?.Dispose();
        _stop?.Dispose();
        (_content, _connection, _display, _stop, _painting) = (null, null, null, null, Task.CompletedTask);
    }
}
