using Vitrine.Frames;

namespace Vitrine.Capture.Topology;

/// <summary>Places monitors in logical units, where each is <c>1 / scale</c> as large as in device pixels.</summary>
/// <remarks>
/// With one scale for all, the logical desktop is the device desktop divided by it, and nothing else. With mixed scales no
/// division keeps neighbours together, so the monitors are laid edge to edge instead: the main one at its own place, then
/// each at the edge it shares with one placed before, the shared edge beginning at the same point. Where that would make
/// two overlap (a grid of mixed scales has no other solution), it moves away along the shared edge's normal: a logical point is never
/// on two monitors, unless the monitors show the same pixels.
/// </remarks>
public static class LogicalLayout
{
    // A millionth of a unit, and a power of two: sums and differences of such numbers are exact, so that edges that meet
    // are equal and not nearly equal.
    private const double Grid = 1 << 20;

    /// <summary>The logical rectangle of each monitor.</summary>
    /// <param name="devices">Device rectangles, not empty; device pixels.</param>
    /// <param name="scales">As many scales, positive.</param>
    /// <param name="first">Index of the one that keeps its place (device origin / scale): the main one.</param>
    public static LogicalRectangle[] Arrange(ReadOnlySpan<DeviceRectangle> devices, ReadOnlySpan<double> scales, int first = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(scales.Length, devices.Length, nameof(scales));
        LogicalRectangle[] placed = new LogicalRectangle[devices.Length];
        if (devices.Length == 0)
        {
            return placed;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)first, (uint)devices.Length, nameof(first));
        if (scales.IndexOfAnyExcept(scales[0]) < 0)
        {
            for (int i = 0; i < devices.Length; i++)
            {
                // Edges are rounded, not sizes: equal device edges give equal logical edges.
                double left = Round(devices[i].X / scales[i]), top = Round(devices[i].Y / scales[i]);
                placed[i] = new(left, top, Round(devices[i].Right / scales[i]) - left, Round(devices[i].Bottom / scales[i]) - top);
            }

            return placed;
        }

        List<int> order = [first];
        placed[first] = Size(devices[first], scales[first]) with { X = Round(devices[first].X / scales[first]), Y = Round(devices[first].Y / scales[first]) };
        for (int next = 0; order.Count < devices.Length; next++)
        {
            if (next == order.Count)
            {
                // Touches none of the placed: as far from the first as in device pixels, in the first one's units.
                int island = 0;
                while (order.Contains(island))
                {
                    island++;
                }

                LogicalRectangle size = Size(devices[island], scales[island]);
                placed[island] = Separate(
                    size with
                    {
                        X = placed[first].X + Round((devices[island].X - (double)devices[first].X) / scales[first]),
                        Y = placed[first].Y + Round((devices[island].Y - (double)devices[first].Y) / scales[first]),
                    },
                    devices[first], devices[island], placed, order);
                order.Add(island);
            }

            int from = order[next];
            for (int i = 0; i < devices.Length; i++)
            {
                if (!order.Contains(i) && PlaceBeside(devices[from], placed[from], scales[from], devices[i], Size(devices[i], scales[i])) is { } beside)
                {
                    placed[i] = Separate(beside, devices[from], devices[i], placed, order);
                    order.Add(i);
                }
            }
        }

        return placed;
    }

    private static LogicalRectangle? PlaceBeside(DeviceRectangle a, LogicalRectangle placedA, double scaleA, DeviceRectangle b, LogicalRectangle sizeB)
    {
        int top = Math.Max(a.Y, b.Y), left = Math.Max(a.X, b.X);
        if (!a.Intersect(b).IsEmpty)
        {
            // The same pixels are seen on both.
            return sizeB with { X = placedA.X + Round((b.X - (double)a.X) / scaleA), Y = placedA.Y + Round((b.Y - (double)a.Y) / scaleA) };
        }

        double scaleB = b.Width / sizeB.Width;
        if (Math.Min(a.Bottom, b.Bottom) > top && (a.Right == b.X || b.Right == a.X))
        {
            double y = placedA.Y + Round((top - a.Y) / scaleA) - Round((top - b.Y) / scaleB);
            return sizeB with { X = a.Right == b.X ? placedA.X + placedA.Width : placedA.X - sizeB.Width, Y = y };
        }

        if (Math.Min(a.Right, b.Right) > left && (a.Bottom == b.Y || b.Bottom == a.Y))
        {
            double x = placedA.X + Round((left - a.X) / scaleA) - Round((left - b.X) / scaleB);
            return sizeB with { X = x, Y = a.Bottom == b.Y ? placedA.Y + placedA.Height : placedA.Y - sizeB.Height };
        }

        return null;
    }

    // Moves a rectangle in the one direction that its monitor lies in, until it overlaps none: each round passes one
    // placed rectangle for good, so it ends.
    private static LogicalRectangle Separate(LogicalRectangle rectangle, DeviceRectangle from, DeviceRectangle device, LogicalRectangle[] placed, List<int> order)
    {
        if (!from.Intersect(device).IsEmpty)
        {
            return rectangle;
        }

        bool right = device.X >= from.Right, left = device.Right <= from.X, down = device.Y >= from.Bottom;
        for (int round = 0; round < order.Count; round++)
        {
            foreach (int index in order)
            {
                LogicalRectangle other = placed[index];
                if (Overlap(rectangle, other))
                {
                    rectangle = right ? rectangle with { X = other.X + other.Width }
                        : left ? rectangle with { X = other.X - rectangle.Width }
                        : down ? rectangle with { Y = other.Y + other.Height }
                        : rectangle with { Y = other.Y - rectangle.Height };
                }
            }
        }

        return rectangle;
    }

    private static bool Overlap(LogicalRectangle a, LogicalRectangle b) =>
        a.X < b.X + b.Width && b.X < a.X + a.Width && a.Y < b.Y + b.Height && b.Y < a.Y + a.Height;

    private static LogicalRectangle Size(DeviceRectangle device, double scale) => new(0, 0, Round(device.Width / scale), Round(device.Height / scale));

    private static double Round(double units) => Math.Round(units * Grid) / Grid;
}
