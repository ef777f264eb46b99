using Vitrine.Frames;

namespace Vitrine.Capture.Topology;

/// <summary>One monitor of a display, in device pixels and in logical units.</summary>
/// <remarks>Immutable. Called so because <c>Monitor</c> is a lock in .NET.</remarks>
/// <param name="Name">As the display server calls it, for instance <c>DP-1</c>.</param>
/// <param name="Device">Where it lies on the screen, device pixels; the origin may be negative. Sides at least 1.</param>
/// <param name="Logical">Where it lies in logical units (see <see cref="LogicalLayout"/>).</param>
/// <param name="Scale">Device pixels a logical unit; positive.</param>
/// <param name="RotationDegrees">0, 90, 180 or 270, counter-clockwise. <paramref name="Device"/> is as seen, after rotation.</param>
/// <param name="IsPrimary">Whether it is the main one.</param>
/// <param name="WidthMillimetres">Width as seen; 0 when unknown.</param>
/// <param name="HeightMillimetres">Height as seen; 0 when unknown.</param>
public sealed record DisplayMonitor(
    string Name,
    DeviceRectangle Device,
    LogicalRectangle Logical,
    double Scale,
    int RotationDegrees,
    bool IsPrimary,
    int WidthMillimetres,
    int HeightMillimetres)
{
    // Fractions of a pixel that a conversion there and back may lose: a double holds 15 digits, coordinates have at most 10.
    private const double RoundingPixels = 1e-4;

    /// <summary>The top left corner of a device pixel in logical units.</summary>
    public LogicalPoint ToLogical(DevicePoint point) => new(
        Logical.X + ((point.X - (double)Device.X) * Logical.Width / Device.Width),
        Logical.Y + ((point.Y - (double)Device.Y) * Logical.Height / Device.Height));

    /// <summary>The device pixel that holds a logical point. A point outside gives a pixel outside.</summary>
    public DevicePoint ToDevice(LogicalPoint point) => new(
        Device.X + Floor((point.X - Logical.X) * Device.Width / Logical.Width),
        Device.Y + Floor((point.Y - Logical.Y) * Device.Height / Logical.Height));

    /// <summary>A device rectangle in logical units.</summary>
    public LogicalRectangle ToLogical(DeviceRectangle rectangle)
    {
        LogicalPoint from = ToLogical(new DevicePoint(rectangle.X, rectangle.Y)), to = ToLogical(new DevicePoint(rectangle.Right, rectangle.Bottom));
        return new(from.X, from.Y, to.X - from.X, to.Y - from.Y);
    }

    /// <summary>The smallest device rectangle that covers a logical one.</summary>
    public DeviceRectangle ToDevice(LogicalRectangle rectangle)
    {
        DevicePoint from = ToDevice(new LogicalPoint(rectangle.X, rectangle.Y));
        int right = Device.X - Floor(-((rectangle.X + rectangle.Width - Logical.X) * Device.Width / Logical.Width));
        int bottom = Device.Y - Floor(-((rectangle.Y + rectangle.Height - Logical.Y) * Device.Height / Logical.Height));
        return new(from.X, from.Y, Math.Max(0, right - from.X), Math.Max(0, bottom - from.Y));
    }

    /// <summary>Whether the logical point lies on this monitor; its right and lower border belong to the neighbour.</summary>
    public bool Contains(LogicalPoint point) =>
        point.X >= Logical.X && point.Y >= Logical.Y
        && point.X < Logical.X + Logical.Width && point.Y < Logical.Y + Logical.Height;

    private static int Floor(double pixels) => (int)Math.Floor(pixels + RoundingPixels);
}
