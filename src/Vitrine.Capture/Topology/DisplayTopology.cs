using Vitrine.Frames;

namespace Vitrine.Capture.Topology;

/// <summary>What a monitor is known by before it is placed in logical units.</summary>
/// <param name="Name">See <see cref="DisplayMonitor.Name"/>.</param>
/// <param name="Device">See <see cref="DisplayMonitor.Device"/>.</param>
/// <param name="Scale">See <see cref="DisplayMonitor.Scale"/>.</param>
/// <param name="RotationDegrees">See <see cref="DisplayMonitor.RotationDegrees"/>.</param>
/// <param name="IsPrimary">See <see cref="DisplayMonitor.IsPrimary"/>.</param>
/// <param name="WidthMillimetres">See <see cref="DisplayMonitor.WidthMillimetres"/>.</param>
/// <param name="HeightMillimetres">See <see cref="DisplayMonitor.HeightMillimetres"/>.</param>
public readonly record struct MonitorDescription(
    string Name, DeviceRectangle Device, double Scale, int RotationDegrees = 0, bool IsPrimary = false, int WidthMillimetres = 0, int HeightMillimetres = 0);

/// <summary>The monitors of a display at one time, and the way between device pixels and logical units.</summary>
/// <remarks>Immutable, hence thread-safe. At least one monitor; exactly one is primary.</remarks>
public sealed class DisplayTopology
{
    /// <summary>Most monitors told of: what the protocol carries. Further ones are left out.</summary>
    public const int MonitorsMax = 64;

    /// <summary>Smallest scale.</summary>
    public const double ScaleMin = 0.1;

    /// <summary>Largest scale.</summary>
    public const double ScaleMax = 20;

    /// <summary>Places the monitors in logical units.</summary>
    /// <param name="generation">Counts up with every change.</param>
    /// <param name="screen">The whole screen in device pixels.</param>
    /// <param name="monitors">Monitors; empty ones are left out; with none left, the screen counts as the only one. If none is
    /// primary, the first is; of several, the first.</param>
    /// <exception cref="ArgumentOutOfRangeException">A scale is not in <see cref="ScaleMin"/>..<see cref="ScaleMax"/>.</exception>
    public DisplayTopology(int generation, DeviceRectangle screen, IEnumerable<MonitorDescription> monitors)
    {
        ArgumentNullException.ThrowIfNull(monitors);
        MonitorDescription[] known = [.. monitors.Where(monitor => !monitor.Device.IsEmpty).Take(MonitorsMax)];
        if (known.Length == 0)
        {
            known = [new("screen", screen, 1, IsPrimary: true)];
        }

        foreach (MonitorDescription monitor in known)
        {
            if (monitor.Scale is not (>= ScaleMin and <= ScaleMax))
            {
                throw new ArgumentOutOfRangeException(nameof(monitors), monitor.Scale, $"The scale of {monitor.Name} is not between {ScaleMin} and {ScaleMax}.");
            }
        }

        int primary = Math.Max(0, Array.FindIndex(known, monitor => monitor.IsPrimary));
        LogicalRectangle[] logical = LogicalLayout.Arrange(
            Array.ConvertAll(known, monitor => monitor.Device), Array.ConvertAll(known, monitor => monitor.Scale), primary);
        Generation = generation;
        Screen = screen;
        Monitors = [.. known.Select((m, i) => new DisplayMonitor(
            m.Name, m.Device, logical[i], m.Scale, m.RotationDegrees, i == primary, m.WidthMillimetres, m.HeightMillimetres))];
        Primary = Monitors[primary];
    }

    /// <summary>Counts up with every change.</summary>
    public int Generation { get; }

    /// <summary>The whole screen in device pixels.</summary>
    public DeviceRectangle Screen { get; }

    /// <summary>The monitors in the display server's order.</summary>
    public IReadOnlyList<DisplayMonitor> Monitors { get; }

    /// <summary>The main monitor.</summary>
    public DisplayMonitor Primary { get; }

    /// <summary>The monitor with this name (letter case matters, as for the display server), or null.</summary>
    public DisplayMonitor? Find(string name) => Monitors.FirstOrDefault(monitor => monitor.Name == name);

    /// <summary>The monitor that shows the pixel, or the nearest one.</summary>
    public DisplayMonitor Nearest(DevicePoint point)
    {
        DisplayMonitor nearest = Primary;
        long nearestSquare = long.MaxValue;
        foreach (DisplayMonitor monitor in Monitors)
        {
            long dx = Outside(point.X, monitor.Device.X, monitor.Device.Right - 1), dy = Outside(point.Y, monitor.Device.Y, monitor.Device.Bottom - 1);
            long square = (dx * dx) + (dy * dy);
            if (square < nearestSquare)
            {
                (nearest, nearestSquare) = (monitor, square);
            }
        }

        return nearest;
    }

    /// <summary>The monitor that the logical point lies on, or the nearest one.</summary>
    public DisplayMonitor Nearest(LogicalPoint point)
    {
        DisplayMonitor nearest = Primary;
        double nearestSquare = double.PositiveInfinity;
        foreach (DisplayMonitor monitor in Monitors)
        {
            if (monitor.Contains(point))
            {
                return monitor;
            }

            LogicalRectangle logical = monitor.Logical;
            double dx = Math.Max(0, Math.Max(logical.X - point.X, point.X - (logical.X + logical.Width)));
            double dy = Math.Max(0, Math.Max(logical.Y - point.Y, point.Y - (logical.Y + logical.Height)));
            double square = (dx * dx) + (dy * dy);
            if (square < nearestSquare)
            {
                (nearest, nearestSquare) = (monitor, square);
            }
        }

        return nearest;
    }

    /// <summary>A device pixel in logical units, by the monitor that shows it.</summary>
    public LogicalPoint ToLogical(DevicePoint point) => Nearest(point).ToLogical(point);

    /// <summary>The device pixel at a logical point. A point on no monitor gives the nearest pixel of the nearest one.</summary>
    public DevicePoint ToDevice(LogicalPoint point)
    {
        DisplayMonitor monitor = Nearest(point);
        DevicePoint pixel = monitor.ToDevice(point);
        return new(
            Math.Clamp(pixel.X, monitor.Device.X, monitor.Device.Right - 1),
            Math.Clamp(pixel.Y, monitor.Device.Y, monitor.Device.Bottom - 1));
    }

    /// <summary>Whether everything but the generation is the same.</summary>
    public bool IsSameLayout(DisplayTopology? other) =>
        other is not null && Screen == other.Screen && Monitors.SequenceEqual(other.Monitors);

    private static long Outside(long value, long low, long high) => value < low ? low - value : value > high ? value - high : 0;
}
