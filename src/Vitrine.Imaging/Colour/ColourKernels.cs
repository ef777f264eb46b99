namespace Vitrine.Imaging.Colour;

/// <summary>Loops over pixels, one implementation for each <see cref="KernelSet"/>; <see cref="ColourKernelsScalar"/> defines the
/// results.</summary>
/// <remarks>Nothing is checked here, and nothing outside the rows is read or written. Where a row is not a whole number of
/// blocks the last block is moved left and overlaps the one before; rows shorter than a block go to the next narrower kernels,
/// an odd last pixel to the scalar ones. All loops are compiled optimised at once: the quick first version of vector code is a
/// hundred times slower, and a first picture has thousands of rows.</remarks>
internal abstract unsafe class ColourKernels
{
    public static ColourKernels Of(KernelSet set) => set switch
    {
        KernelSet.Avx512 => ColourKernelsAvx512.Instance,
        KernelSet.Avx2 => ColourKernelsAvx2.Instance,
        KernelSet.Vector128 => ColourKernelsVector128.Instance,
        _ => ColourKernelsScalar.Instance,
    };

    public abstract KernelSet Set { get; }

    /// <summary>Pixels to luma, and to chroma that two by two share.</summary>
    public abstract void FromBgra420(in PictureRows rows, in ColourCoefficients c);

    /// <summary>Pixels to luma and chroma of every one.</summary>
    public abstract void FromBgra444(in PictureRows rows, in ColourCoefficients c);

    /// <summary>Pixels from luma, and from chroma that two by two share.</summary>
    public abstract void ToBgra420(in PictureRows rows, in ColourCoefficients c);

    /// <summary>Pixels from luma and chroma of every one.</summary>
    public abstract void ToBgra444(in PictureRows rows, in ColourCoefficients c);

    /// <summary>Two rows of <paramref name="width"/> pixels to one of half the width, rounded up. The two may be the same.</summary>
    public abstract void Halve(byte* top, byte* bottom, byte* to, int width);
}
