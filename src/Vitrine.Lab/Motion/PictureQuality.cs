using Vitrine.Frames;

namespace Vitrine.Lab.Motion;

/// <summary>How far pictures are from those that were painted. Adds up over pictures; one thread.</summary>
/// <remarks>PSNR is that of the mean squared error over all pictures: of luma (BT.709), which is what is usually called PSNR of a
/// film, and of red, green and blue together, in which the halved resolution of colour counts too.</remarks>
internal sealed class PictureQuality
{
    private double _lumaError;
    private double _colourError;
    private double _worstLumaError;
    private long _pixels;

    /// <summary>Pictures compared.</summary>
    public int Pictures { get; private set; }

    /// <summary>Peak signal to noise of luma in decibels; infinity when all were equal, NaN when there were none.</summary>
    public double LumaDecibels => Decibels(_lumaError / _pixels);

    /// <summary>The same of red, green and blue together.</summary>
    public double ColourDecibels => Decibels(_colourError / _pixels / 3);

    /// <summary>That of luma in the worst picture.</summary>
    public double WorstLumaDecibels => Pictures == 0 ? double.NaN : Decibels(_worstLumaError);

    /// <summary>Compares a picture with the one that was painted.</summary>
    /// <param name="shown">B, G, R, X.</param>
    /// <param name="shownStrideBytes">From row to row.</param>
    /// <param name="painted">B, G, R, X.</param>
    /// <param name="paintedStrideBytes">From row to row.</param>
    /// <param name="area">Which part of both.</param>
    public void Add(ReadOnlySpan<byte> shown, int shownStrideBytes, ReadOnlySpan<byte> painted, int paintedStrideBytes, DeviceRectangle area)
    {
        double luma = 0, colour = 0;
        for (int y = area.Y; y < area.Bottom; y++)
        {
            ReadOnlySpan<byte> a = shown.Slice((y * shownStrideBytes) + (area.X * 4), area.Width * 4), b = painted.Slice((y * paintedStrideBytes) + (area.X * 4), area.Width * 4);
            long rowColour = 0, rowLuma = 0;
            for (int x = 0; x < a.Length; x += 4)
            {
                int blue = a[x] - b[x], green = a[x + 1] - b[x + 1], red = a[x + 2] - b[x + 2];
                rowColour += (blue * blue) + (green * green) + (red * red);
                // Of 1024: 0.2126, 0.7152 and 0.0722.
                int difference = (218 * red) + (732 * green) + (74 * blue);
                rowLuma += (long)difference * difference;
            }

            colour += rowColour;
            luma += rowLuma / (1024.0 * 1024.0);
        }

        Pictures++;
        _pixels += area.Area;
        (_lumaError, _colourError) = (_lumaError + luma, _colourError + colour);
        _worstLumaError = Math.Max(_worstLumaError, luma / area.Area);
    }

    private static double Decibels(double meanSquaredError) => 10 * Math.Log10(255 * 255 / meanSquaredError);
}
