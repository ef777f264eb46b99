namespace Vitrine.Frames;

/// <summary>A point in device pixels: what the display scans out and what capture reads.</summary>
public readonly record struct DevicePoint(int X, int Y);

/// <summary>A point in logical units: what desktops and people speak of. One logical unit is <c>scale</c> device pixels.</summary>
/// <remarks>Never convertible to <see cref="DevicePoint"/> without a monitor: the factor differs from monitor to monitor.</remarks>
public readonly record struct LogicalPoint(double X, double Y);

/// <summary>A rectangle in logical units.</summary>
public readonly record struct LogicalRectangle(double X, double Y, double Width, double Height);

/// <summary>A size in device pixels.</summary>
public readonly record struct DeviceSize(int Width, int Height)
{
    /// <summary>Number of pixels.</summary>
    public long Area => (long)Width * Height;

    /// <inheritdoc/>
    public override string ToString() => $"{Width}x{Height}";
}

/// <summary>A rectangle in device pixels. <see cref="Right"/> and <see cref="Bottom"/> are exclusive. Empty when a side is not positive.</summary>
public readonly record struct DeviceRectangle(int X, int Y, int Width, int Height)
{
    /// <summary>First column right of the rectangle.</summary>
    public int Right => X + Width;

    /// <summary>First row below the rectangle.</summary>
    public int Bottom => Y + Height;

    /// <summary>Whether no pixel lies within.</summary>
    public bool IsEmpty => Width <= 0 || Height <= 0;

    /// <summary>Number of pixels; 0 when empty.</summary>
    public long Area => IsEmpty ? 0 : (long)Width * Height;

    /// <summary>The size.</summary>
    public DeviceSize Size => new(Width, Height);

    /// <summary>The rectangle from the origin with the given size.</summary>
    public static DeviceRectangle Of(DeviceSize size) => new(0, 0, size.Width, size.Height);

    /// <summary>What both rectangles cover; empty (0,0,0,0) when they do not touch.</summary>
    public DeviceRectangle Intersect(DeviceRectangle other)
    {
        int left = Math.Max(X, other.X), top = Math.Max(Y, other.Y);
        int right = Math.Min(Right, other.Right), bottom = Math.Min(Bottom, other.Bottom);
        return right > left && bottom > top ? new(left, top, right - left, bottom - top) : default;
    }

    /// <summary>The smallest rectangle that holds both; an empty one adds nothing.</summary>
    public DeviceRectangle Union(DeviceRectangle other)
    {
        if (IsEmpty)
        {
            return other;
        }

        if (other.IsEmpty)
        {
            return this;
        }

        int left = Math.Min(X, other.X), top = Math.Min(Y, other.Y);
        return new(left, top, Math.Max(Right, other.Right) - left, Math.Max(Bottom, other.Bottom) - top);
    }

    /// <summary>Whether the two share a pixel.</summary>
    public bool Intersects(DeviceRectangle other) => !Intersect(other).IsEmpty;

    /// <summary>Whether every pixel of <paramref name="other"/> lies within this one. An empty rectangle lies within any.</summary>
    public bool Contains(DeviceRectangle other) =>
        other.IsEmpty || (other.X >= X && other.Y >= Y && other.Right <= Right && other.Bottom <= Bottom);

    /// <summary>Whether the pixel lies within.</summary>
    public bool Contains(DevicePoint point) => point.X >= X && point.X < Right && point.Y >= Y && point.Y < Bottom;

    /// <summary>The same rectangle moved.</summary>
    public DeviceRectangle Offset(int dx, int dy) => this with { X = X + dx, Y = Y + dy };

    /// <inheritdoc/>
    public override string ToString() => $"{Width}x{Height}{X:+0;-0;+0}{Y:+0;-0;+0}";
}
