using Vitrine.Frames;

namespace Vitrine.Lab.Content;

/// <summary>A frame's number as a row of black and white blocks within its picture: to know, from pixels alone, which frame a viewer
/// shows. Blocks as large as what video codecs work on, so that a lossy picture keeps them; read at one pixel in the middle of each.</summary>
internal static class NumberStrip
{
    /// <summary>Side of a block, device pixels.</summary>
    public const int BlockPixels = 16;

    /// <summary>Blocks: sixteen for the number, highest bit first, and four to tell a strip from anything else.</summary>
    public const int Blocks = NumberBits + CheckBits;

    /// <summary>Width of a strip, device pixels.</summary>
    public const int Width = Blocks * BlockPixels;

    /// <summary>Numbers go round: this one is 0 again.</summary>
    public const int Numbers = 1 << NumberBits;

    private const int NumberBits = 16;
    private const int CheckBits = 4;

    /// <summary>Where to look for a block, relative to the strip.</summary>
    public static DevicePoint Middle(int block) => new((block * BlockPixels) + (BlockPixels / 2), BlockPixels / 2);

    /// <summary>Whether a block of the strip for this number is white.</summary>
    public static bool IsWhite(long number, int block) => (Code(number) >> (Blocks - 1 - block) & 1) != 0;

    /// <summary>Draws the strip into the upper left corner of a picture.</summary>
    /// <param name="picture">B, G, R, X; rows from the top.</param>
    /// <param name="strideBytes">From row to row.</param>
    /// <param name="number">Taken modulo <see cref="Numbers"/>.</param>
    public static void Write(Span<byte> picture, int strideBytes, long number)
    {
        for (int y = 0; y < BlockPixels; y++)
        {
            Span<byte> row = picture.Slice(y * strideBytes, Width * FrameFormat.BytesPerPixel);
            for (int block = 0; block < Blocks; block++)
            {
                const int BlockBytes = BlockPixels * FrameFormat.BytesPerPixel;
                row.Slice(block * BlockBytes, BlockBytes).Fill(IsWhite(number, block) ? byte.MaxValue : byte.MinValue);
            }
        }
    }

    /// <summary>Reads the strip at a place of a picture.</summary>
    /// <param name="picture">B, G, R, X; rows from the top.</param>
    /// <param name="strideBytes">From row to row.</param>
    /// <param name="at">Upper left corner of the strip; the strip lies within the picture.</param>
    /// <param name="number">0 to <see cref="Numbers"/> - 1.</param>
    /// <returns>False when there is no strip, or one of two frames.</returns>
    public static bool TryRead(ReadOnlySpan<byte> picture, int strideBytes, DevicePoint at, out int number)
    {
        uint code = 0;
        for (int block = 0; block < Blocks; block++)
        {
            DevicePoint middle = Middle(block);
            byte green = picture[((at.Y + middle.Y) * strideBytes) + ((at.X + middle.X) * FrameFormat.BytesPerPixel) + 1];
            code = (code << 1) | (green >= 128 ? 1u : 0u);
        }

        return TryDecode(code, out number);
    }

    /// <summary>The number of a strip whose blocks, first one highest, are these bits.</summary>
    /// <returns>False when the check bits do not fit.</returns>
    public static bool TryDecode(uint code, out int number)
    {
        number = (int)(code >> CheckBits) & (Numbers - 1);
        return Code(number) == code;
    }

    /// <summary>The frame that a number stands for: the nearest one to a frame that is known.</summary>
    public static long Unwrap(int number, long near) => near + (short)(number - near);

    // The sum of the four digits and ten: neither all black nor all white is a strip.
    private static uint Code(long number)
    {
        uint value = (uint)number & (Numbers - 1);
        uint check = ((value >> 12) + (value >> 8) + (value >> 4) + value + 10) & 15;
        return (value << CheckBits) | check;
    }
}
