using Vitrine.Frames;
using Vitrine.Imaging.Colour;

namespace Vitrine.Lab.Motion;

/// <summary>How far pictures are from those that were painted. Adds up over pictures of one size; one thread.</summary>
/// <remarks>PSNR is that of the mean squared error over all pictures: of luma (BT.709), which is what is usually called PSNR of a
/// film, and of red, green and blue together, in which the halved resolution of colour counts too.</remarks>
internal sealed class PictureQuality
{
    private double _lumaError;
    private double _colourError;
    private double _difference;

    /// <summary>Pictures compared.</summary>
    public int Pictures { get; private set; }

    /// <summary>Peak signal to noise of luma in decibels; infinity when all were equal.</summary>
    public double LumaDecibels => ColourDifference.Psnr(_lumaError / Pictures);

    /// <summary>The same of red, green and blue together.</summary>
    public double ColourDecibels => ColourDifference.Psnr(_colourError / Pictures);

    /// <summary>That of luma in the worst picture.</summary>
    public double WorstLumaDecibels { get; private set; } = double.PositiveInfinity;

    /// <summary>CIEDE2000 over all pixels; about 1 is just noticeable.</summary>
    public double MeanCiede2000 => _difference / Pictures;

    /// <summary>Compares a picture with the one that was painted.</summary>
    /// <param name="shown">B, G, R, X.</param>
    /// <param name="shownStrideBytes">From row to row.</param>
    /// <param name="painted">B, G, R, X.</param>
    /// <param name="paintedStrideBytes">From row to row.</param>
    /// <param name="area">Which part of both.</param>
    public void Add(ReadOnlySpan<byte> shown, int shownStrideBytes, ReadOnlySpan<byte> painted, int paintedStrideBytes, DeviceRectangle area)
    {
        PictureDifference difference = ColourDifference.Compare(
            shown[((area.Y * shownStrideBytes) + (area.X * FrameFormat.BytesPerPixel))..], shownStrideBytes,
            painted[((area.Y * paintedStrideBytes) + (area.X * FrameFormat.BytesPerPixel))..], paintedStrideBytes, area.Size);
        Pictures++;
        _lumaError += MeanSquaredError(difference.PsnrLumaDb);
        _colourError += MeanSquaredError(difference.PsnrRgbDb);
        _difference += difference.MeanCiede2000;
        WorstLumaDecibels = Math.Min(WorstLumaDecibels, difference.PsnrLumaDb);
    }

    private static double MeanSquaredError(double decibels) => 255.0 * 255.0 / Math.Pow(10, decibels / 10);
}
