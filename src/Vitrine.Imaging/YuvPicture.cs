using Vitrine.Frames;

namespace Vitrine.Imaging;

/// <summary>Which red, green and blue make luma (ITU-T H.273, table 4).</summary>
public enum ColourMatrix
{
    /// <summary>ITU-R BT.601: matrix coefficients 6.</summary>
    Bt601 = 6,

    /// <summary>ITU-R BT.709: matrix coefficients 1.</summary>
    Bt709 = 1,
}

/// <summary>What values luma and chroma use.</summary>
public enum ColourRange
{
    /// <summary>Luma 16..235, chroma 16..240.</summary>
    Limited = 0,

    /// <summary>0..255.</summary>
    Full = 1,
}

/// <summary>How chroma is stored.</summary>
public enum YuvLayout
{
    /// <summary>4:2:0, three planes. Chroma has half the width and height, rounded up.</summary>
    I420 = 0,

    /// <summary>4:2:0, chroma interleaved U, V in one plane.</summary>
    Nv12 = 1,

    /// <summary>4:4:4, three planes.</summary>
    I444 = 2,
}

/// <summary>Planes of a picture in memory that somebody else owns; borrowed for the call.</summary>
/// <remarks>8 bits a sample. Rows may be padded; strides are in bytes and at least as long as a row.</remarks>
public readonly ref struct YuvPicture
{
    /// <summary>Describes planes.</summary>
    /// <param name="layout">How chroma lies.</param>
    /// <param name="size">Of luma.</param>
    /// <param name="y">Luma.</param>
    /// <param name="yStrideBytes">From row to row.</param>
    /// <param name="u">U, or U and V interleaved.</param>
    /// <param name="v">V; empty for <see cref="YuvLayout.Nv12"/>.</param>
    /// <param name="uvStrideBytes">From row to row, both chroma planes.</param>
    /// <exception cref="ArgumentException">A plane is shorter than size and stride say.</exception>
    public YuvPicture(YuvLayout layout, DeviceSize size, Span<byte> y, int yStrideBytes, Span<byte> u, Span<byte> v, int uvStrideBytes)
    {
        (int chromaWidth, int chromaHeight) = layout == YuvLayout.I444 ? (size.Width, size.Height) : ((size.Width + 1) / 2, (size.Height + 1) / 2);
        int chromaRowBytes = layout == YuvLayout.Nv12 ? chromaWidth * 2 : chromaWidth;
        if (!Holds(y, yStrideBytes, size.Width, size.Height) || !Holds(u, uvStrideBytes, chromaRowBytes, chromaHeight)
            || (layout != YuvLayout.Nv12 && !Holds(v, uvStrideBytes, chromaRowBytes, chromaHeight)))
        {
            throw new ArgumentException($"The planes are too short for {layout} of {size}.");
        }

        (Layout, Size, YStrideBytes, UvStrideBytes) = (layout, size, yStrideBytes, uvStrideBytes);
        Y = y;
        U = u;
        V = v;
    }

    /// <summary>How chroma lies.</summary>
    public YuvLayout Layout { get; }

    /// <summary>Of luma.</summary>
    public DeviceSize Size { get; }

    /// <summary>Luma.</summary>
    public Span<byte> Y { get; }

    /// <summary>U, or U and V interleaved.</summary>
    public Span<byte> U { get; }

    /// <summary>V; empty for <see cref="YuvLayout.Nv12"/>.</summary>
    public Span<byte> V { get; }

    /// <summary>Bytes from luma row to luma row.</summary>
    public int YStrideBytes { get; }

    /// <summary>Bytes from chroma row to chroma row.</summary>
    public int UvStrideBytes { get; }

    /// <summary>A part of the picture, in the same memory.</summary>
    /// <param name="area">Within the picture; even in x and y unless the layout is <see cref="YuvLayout.I444"/>.</param>
    /// <exception cref="ArgumentException">It is not.</exception>
    public YuvPicture Crop(DeviceRectangle area)
    {
        int shift = Layout == YuvLayout.I444 ? 0 : 1;
        if (area.IsEmpty || !DeviceRectangle.Of(Size).Contains(area) || ((area.X | area.Y) & shift) != 0)
        {
            throw new ArgumentException($"{area} is no part of {Layout} of {Size}.", nameof(area));
        }

        int chromaX = Layout == YuvLayout.Nv12 ? area.X : area.X >> shift;
        int chromaOffset = ((area.Y >> shift) * UvStrideBytes) + chromaX;
        return new(
            Layout, area.Size, Y[((area.Y * YStrideBytes) + area.X)..], YStrideBytes,
            U[chromaOffset..], Layout == YuvLayout.Nv12 ? default : V[chromaOffset..], UvStrideBytes);
    }

    private static bool Holds(Span<byte> plane, int strideBytes, int rowBytes, int rows) =>
        strideBytes >= rowBytes && (rows == 0 || plane.Length >= ((long)strideBytes * (rows - 1)) + rowBytes);
}
