using Vitrine.Imaging;

namespace Vitrine.Codecs.H264;

/// <summary>The colours of our H.264 streams: what they are converted with, and what the streams say (ITU-T H.273).</summary>
/// <remarks>BT.601's matrix, because browsers convert it rightly everywhere; why is in docs/design/005-colour.md. The viewer's page says
/// the same to its decoder (<c>videoColours</c>).</remarks>
internal static class VideoColours
{
    /// <summary>Between pixels and planes; the value is the stream's matrix coefficients.</summary>
    public const ColourMatrix Matrix = ColourMatrix.Bt601;

    /// <summary>Full range is ignored by some hardware decoders.</summary>
    public const ColourRange Range = ColourRange.Limited;

    /// <summary>BT.709, those of sRGB: pixels are a screen's, whatever the matrix, and no decoder is to convert them to another gamut.</summary>
    public const int Primaries = 1;

    /// <summary>BT.709, which browsers take for sRGB's.</summary>
    public const int Transfer = 1;

    /// <summary>In the middle of its four pixels, as conversion has it: <c>chroma_sample_loc_type</c> of ITU-T H.264, E.2.1. libavutil counts from 1.</summary>
    public const int ChromaLocation = 1;
}
