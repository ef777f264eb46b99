using System.Runtime.InteropServices;
using Vitrine.Frames;

namespace Vitrine.Lab.Content;

/// <summary>A small picture drawn by this process, with smooth edges.</summary>
internal sealed class Drawing
{
    private readonly uint[] _pixels;
    private byte[] _part = [];

    public Drawing(int width, int height, uint colour)
    {
        (Width, Height) = (width, height);
        _pixels = new uint[width * height];
        Array.Fill(_pixels, colour);
    }

    public int Width { get; }

    public int Height { get; }

    public void CopyFrom(Drawing other, DeviceRectangle area)
    {
        DeviceRectangle inside = area.Intersect(new(0, 0, Width, Height));
        for (int y = inside.Y; y < inside.Bottom; y++)
        {
            other._pixels.AsSpan((y * Width) + inside.X, inside.Width).CopyTo(_pixels.AsSpan((y * Width) + inside.X));
        }
    }

    public void Disc(double x, double y, double radius, uint colour) => Line(x, y, x, y, radius * 2, colour);

    /// <summary>A line with round ends; what of it lies outside is cut off.</summary>
    /// <returns>The pixels it may have touched.</returns>
    public DeviceRectangle Line(double fromX, double fromY, double toX, double toY, double thickness, uint colour)
    {
        double reach = (thickness / 2) + 1;
        int left = (int)Math.Floor(Math.Min(fromX, toX) - reach), right = (int)Math.Ceiling(Math.Max(fromX, toX) + reach);
        int top = (int)Math.Floor(Math.Min(fromY, toY) - reach), bottom = (int)Math.Ceiling(Math.Max(fromY, toY) + reach);
        DeviceRectangle area = new DeviceRectangle(left, top, right - left, bottom - top).Intersect(new(0, 0, Width, Height));
        double dx = toX - fromX, dy = toY - fromY, lengthSquared = Math.Max((dx * dx) + (dy * dy), 1e-9);
        for (int y = area.Y; y < area.Bottom; y++)
        {
            for (int x = area.X; x < area.Right; x++)
            {
                // Distance from the pixel's centre to the line; the edge is one pixel of transition.
                double px = x + 0.5 - fromX, py = y + 0.5 - fromY;
                double along = Math.Clamp(((px * dx) + (py * dy)) / lengthSquared, 0, 1);
                double distance = double.Hypot(px - (along * dx), py - (along * dy));
                double cover = Math.Clamp((thickness / 2) + 0.5 - distance, 0, 1);
                if (cover > 0)
                {
                    ref uint pixel = ref _pixels[(y * Width) + x];
                    pixel = Mix(pixel, colour, cover);
                }
            }
        }

        return area;
    }

    /// <summary>Puts a part to the same place of the window, moved by an offset.</summary>
    public void PutTo(PaintedWindow window, DeviceRectangle area, int offsetX, int offsetY)
    {
        DeviceRectangle inside = area.Intersect(new(0, 0, Width, Height));
        if (inside.IsEmpty)
        {
            return;
        }

        int sizeBytes = (int)inside.Area * sizeof(uint);
        if (_part.Length < sizeBytes)
        {
            _part = new byte[sizeBytes];
        }

        Span<uint> rows = MemoryMarshal.Cast<byte, uint>(_part.AsSpan(0, sizeBytes));
        for (int y = 0; y < inside.Height; y++)
        {
            _pixels.AsSpan(((inside.Y + y) * Width) + inside.X, inside.Width).CopyTo(rows[(y * inside.Width)..]);
        }

        window.Put(_part.AsSpan(0, sizeBytes), inside.Width, inside.Height, inside.X + offsetX, inside.Y + offsetY);
    }

    public static uint Mix(uint under, uint over, double cover)
    {
        uint mixed = 0;
        for (int shift = 0; shift < 24; shift += 8)
        {
            double a = (under >> shift) & 0xFF, b = (over >> shift) & 0xFF;
            mixed |= (uint)Math.Round(a + ((b - a) * cover)) << shift;
        }

        return mixed;
    }
}
