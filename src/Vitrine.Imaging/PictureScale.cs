using Vitrine.Frames;

namespace Vitrine.Imaging;

/// <summary>Makes pictures smaller: for previews, not for the frame path.</summary>
public static class PictureScale
{
    /// <summary>Shrinks a picture so that no side is longer than asked for: each pixel is the mean of those that it stands for, as coded (without
    /// undoing their gamma).</summary>
    /// <param name="picture">Packed, as all are.</param>
    /// <param name="sidePixelsMax">At least 1. A picture that is no larger is given back as it is.</param>
    /// <returns>With the same proportions, to a pixel; each side at least 1. The fourth byte is 255.</returns>
    public static Picture Shrink(Picture picture, int sidePixelsMax)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentOutOfRangeException.ThrowIfLessThan(sidePixelsMax, 1);
        (int fromWidth, int fromHeight) = (picture.Format.Size.Width, picture.Format.Size.Height);
        int longest = Math.Max(fromWidth, fromHeight);
        if (longest <= sidePixelsMax)
        {
            return picture;
        }

        int width = Math.Max(1, (int)((long)fromWidth * sidePixelsMax / longest)), height = Math.Max(1, (int)((long)fromHeight * sidePixelsMax / longest));
        FrameFormat format = FrameFormat.Packed(new(width, height));
        byte[] pixels = new byte[format.SizeBytes];
        for (int y = 0; y < height; y++)
        {
            (int top, int bottom) = Span(y, height, fromHeight);
            for (int x = 0; x < width; x++)
            {
                (int left, int right) = Span(x, width, fromWidth);
                long blue = 0, green = 0, red = 0, count = (long)(bottom - top) * (right - left);
                for (int row = top; row < bottom; row++)
                {
                    ReadOnlySpan<byte> from = picture.Pixels.AsSpan((row * picture.Format.StrideBytes) + (left * FrameFormat.BytesPerPixel), (right - left) * FrameFormat.BytesPerPixel);
                    for (int i = 0; i < from.Length; i += FrameFormat.BytesPerPixel)
                    {
                        blue += from[i];
                        green += from[i + 1];
                        red += from[i + 2];
                    }
                }

                Span<byte> into = pixels.AsSpan((y * format.StrideBytes) + (x * FrameFormat.BytesPerPixel), FrameFormat.BytesPerPixel);
                (into[0], into[1], into[2], into[3]) = ((byte)((blue + (count / 2)) / count), (byte)((green + (count / 2)) / count), (byte)((red + (count / 2)) / count), 255);
            }
        }

        return new(format, pixels);
    }

    // Those that one stands for: at least one, none left out.
    private static (int From, int Until) Span(int index, int count, int of) => ((int)((long)index * of / count), (int)((long)(index + 1) * of / count));
}
