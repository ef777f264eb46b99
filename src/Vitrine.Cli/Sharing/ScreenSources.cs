using Vitrine.Capture.Topology;
using Vitrine.Capture.X11;
using Vitrine.Cli.Settings;
using Vitrine.Frames;

namespace Vitrine.Cli.Sharing;

/// <summary>Opens what the settings name: the screen, a monitor, a region, a window.</summary>
/// <remarks>One thread at a time. A window that was found by its title stays the one, whatever its title becomes.</remarks>
internal sealed class ScreenSources(ShareSettings settings)
{
    private const string ActiveWindow = "active";

    private (string? Display, uint Id) _window;

    /// <summary>What is shared, for people; known after the first opening.</summary>
    public string Name { get; private set; } = "";

    /// <summary>Opens the source.</summary>
    /// <param name="display">The display; null takes the environment's.</param>
    /// <param name="error">When null is returned: a sentence that says what is wrong and what mends it.</param>
    /// <returns>The source, owned by the caller, or null.</returns>
    public X11Source? TryOpen(string? display, out string error)
    {
        X11CaptureOptions options = new()
        {
            DisplayName = display,
            BackEnd = settings.Backend == "auto" ? null : settings.Backend,
            PollingRate = settings.Fps,
        };
        if (settings.Window == ActiveWindow)
        {
            Name = "the active window";
            return X11Capture.TryOpenWindow(options, null, out error);
        }

        if (settings.Window is { } text)
        {
            uint? window = FindWindow(display, text, out error);
            return window is null ? null : X11Capture.TryOpenWindow(options, window, out error);
        }

        if (settings.Monitor is { } name)
        {
            Name = name;
            DeviceRectangle? place = FindMonitor(display, name, out error);
            return place is null ? null : X11Capture.TryOpenScreen(options with { Region = place }, out error);
        }

        Name = display ?? Environment.GetEnvironmentVariable("DISPLAY") ?? "";
        DeviceRectangle? region = settings.Region is { } form && Setting.TryParseRegion(form, out DeviceRectangle parsed) ? parsed : null;
        return X11Capture.TryOpenScreen(options with { Region = region }, out error);
    }

    private uint? FindWindow(string? display, string text, out string error)
    {
        using X11Connection? connection = X11Connection.TryOpen(display, out error);
        if (connection is null)
        {
            return null;
        }

        X11WindowEntry? window = _window.Id != 0 && _window.Display == display ? X11Windows.TryRead(connection, _window.Id) : null;
        window ??= X11Windows.Find(connection, text, out error);
        if (window is null)
        {
            return null;
        }

        _window = (display, window.Id);
        Name = window.Title.Length > 0 ? window.Title : $"window 0x{window.Id:x}";
        return window.Id;
    }

    private static DeviceRectangle? FindMonitor(string? display, string name, out string error)
    {
        using X11Connection? connection = X11Connection.TryOpen(display, out error);
        if (connection is null)
        {
            return null;
        }

        if (!X11Topology.TryRead(connection, 1, out DisplayTopology? topology))
        {
            error = $"The display {connection.DisplayName} is gone.";
            return null;
        }

        DisplayMonitor? monitor = topology!.Find(name);
        error = monitor is null ? $"There is no monitor «{name}». There are: {string.Join(", ", topology.Monitors.Select(one => one.Name))}." : "";
        return monitor?.Device;
    }
}
