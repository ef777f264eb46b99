namespace Vitrine.Frames;

/// <summary>A set of changed rectangles, bounded in number: when it is full, two neighbours are merged, so that it may
/// cover more than what changed but never less.</summary>
/// <remarks>Allocates once. Not thread-safe.</remarks>
public sealed class DamageRegion
{
    /// <summary>Most rectangles held. 64: a 1080p screen has 510 tiles of 64 px, and beyond an eighth of them single
    /// rectangles save less than walking them costs.</summary>
    public const int RectanglesMax = 64;

    private readonly DeviceRectangle[] _rectangles = new DeviceRectangle[RectanglesMax];
    private int _count;

    /// <summary>The rectangles; they may overlap. Valid until the next change.</summary>
    public ReadOnlySpan<DeviceRectangle> Rectangles => _rectangles.AsSpan(0, _count);

    /// <summary>Whether nothing changed.</summary>
    public bool IsEmpty => _count == 0;

    /// <summary>The smallest rectangle around everything.</summary>
    public DeviceRectangle Bounds
    {
        get
        {
            DeviceRectangle bounds = default;
            foreach (DeviceRectangle rectangle in Rectangles)
            {
                bounds = bounds.Union(rectangle);
            }

            return bounds;
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear() => _count = 0;

    /// <summary>Adds a rectangle; an empty one is ignored.</summary>
    public void Add(DeviceRectangle rectangle)
    {
        if (rectangle.IsEmpty)
        {
            return;
        }

        // One pass: what is already covered is not added; what the new one covers is dropped.
        for (int i = _count - 1; i >= 0; i--)
        {
            if (_rectangles[i].Contains(rectangle))
            {
                return;
            }

            if (rectangle.Contains(_rectangles[i]))
            {
                _rectangles[i] = _rectangles[--_count];
            }
        }

        if (_count < RectanglesMax)
        {
            _rectangles[_count++] = rectangle;
            return;
        }

        // Full: the neighbour that grows least takes it in.
        int best = 0;
        long bestGrowth = long.MaxValue;
        for (int i = 0; i < _count; i++)
        {
            long growth = _rectangles[i].Union(rectangle).Area - _rectangles[i].Area;
            if (growth < bestGrowth)
            {
                (best, bestGrowth) = (i, growth);
            }
        }

        _rectangles[best] = _rectangles[best].Union(rectangle);
    }

    /// <summary>Adds all rectangles of another region.</summary>
    public void Add(DamageRegion other)
    {
        ArgumentNullException.ThrowIfNull(other);
        foreach (DeviceRectangle rectangle in other.Rectangles)
        {
            Add(rectangle);
        }
    }

    /// <summary>Cuts every rectangle to <paramref name="bounds"/>.</summary>
    public void Clip(DeviceRectangle bounds)
    {
        int kept = 0;
        for (int i = 0; i < _count; i++)
        {
            DeviceRectangle clipped = _rectangles[i].Intersect(bounds);
            if (!clipped.IsEmpty)
            {
                _rectangles[kept++] = clipped;
            }
        }

        _count = kept;
    }
}
