using Vitrine.Capture.Topology;
using Vitrine.Capture.X11;
using Vitrine.Cli.Settings;
using Vitrine.Frames;

namespace Vitrine.Cli.Sharing;

/// <summary>Opens what the settings name: the screen, a monitor, a region.</summary>
internal static class ScreenSources
{
    /// <summary>Opens the source.</summary>
    /// <param name="settings">Checked.</param>
    /// <param name="display">The display; null takes the environment's.</param>
    /// <param name="error">When null is returned: a sentence that says what is wrong and what mends it.</param>
    /// <returns>The source, owned by the caller, or null.</returns>
    public static X11ScreenSource? TryOpen(ShareSettings settings, string? display, out string error)
    {
        DeviceRectangle? region = null;
        if (settings.Window is not null)
        {
            error = "Windows cannot be captured yet. Take the region that the window covers.";
            return null;
        }

        if (settings.Region is { } text && Setting.TryParseRegion(text, out DeviceRectangle parsed))
        {
            region = parsed;
        }
        else if (settings.Monitor is { } name)
        {
            region = FindMonitor(display, name, out error);
            if (region is null)
            {
                return null;
            }
        }

        return X11Capture.TryOpenScreen(
            new()
            {
                DisplayName = display,
                Region = region,
                BackEnd = settings.Backend == "auto" ? null : settings.Backend,
                PollingRate = settings.Fps,
            },
            out error);
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
