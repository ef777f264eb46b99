using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>Pixels in rows.</summary>
internal readonly ref struct PictureView(Span<uint> pixels, int stridePixels)
{
    private readonly Span<uint> _pixels = pixels;

    /// <summary>Part of a row.</summary>
    public Span<uint> Row(int x, int y, int count) => _pixels.Slice((y * stridePixels) + x, count);

    /// <summary>Moves a rectangle as if it were read whole before it is written.</summary>
    public void Move(in CopyRecord copy)
    {
        (DeviceRectangle source, DevicePoint destination) = copy;
        // Rows are taken from the side that the move goes to, so that none is overwritten before it was read; within a row
        // CopyTo takes care of that.
        bool isDown = destination.Y > source.Y;
        for (int i = 0; i < source.Height; i++)
        {
            int row = isDown ? source.Height - 1 - i : i;
            Row(source.X, source.Y + row, source.Width).CopyTo(Row(destination.X, destination.Y + row, source.Width));
        }
    }

    /// <summary>Whether a rectangle holds the same in both pictures, X aside.</summary>
    public bool EqualsWithin(PictureView other, DeviceRectangle rectangle)
    {
        for (int y = rectangle.Y; y < rectangle.Bottom; y++)
        {
            if (PixelKernels.EqualFromLeft(Row(rectangle.X, y, rectangle.Width), other.Row(rectangle.X, y, rectangle.Width)) != rectangle.Width)
            {
                return false;
            }
        }

        return true;
    }
}
