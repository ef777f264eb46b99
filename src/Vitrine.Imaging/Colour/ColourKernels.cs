namespace Vitrine.Imaging.Colour;

/// <summary>Loops over rows of pixels, one implementation for each <see cref="KernelSet"/>; <see cref="ColourKernelsScalar"/>
/// defines the results.</summary>
/// <remarks>Nothing is checked here. Rows are <c>width</c> (at least 1) pixels long and nothing beyond them is read or written.
/// Two rows of a pair may be the same memory: that is the odd last row. A null <c>v</c> means that <c>u</c> has U and V in turn.
/// Where a row is not a whole number of blocks the last block is moved left and overlaps the one before; rows shorter than a
/// block go to the next narrower kernels, an odd last pixel to the scalar ones. All loops are compiled optimised at once: the
/// quick first version of vector code is a hundred times slower, and a first picture has thousands of rows.</remarks>
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

    /// <summary>Two rows to luma and their common chroma.</summary>
    public abstract void FromBgra420(
        byte* top, byte* bottom, byte* yTop, byte* yBottom, byte* u, byte* v, int width, in ColourCoefficients c);

    /// <summary>A row to luma and chroma of every pixel.</summary>
    public abstract void FromBgra444(byte* row, byte* y, byte* u, byte* v, int width, in ColourCoefficients c);

    /// <summary>Two rows from luma and their common chroma.</summary>
    public abstract void ToBgra420(
        byte* yTop, byte* yBottom, byte* u, byte* v, byte* top, byte* bottom, int width, in ColourCoefficients c);

    /// <summary>A row from luma and chroma of every pixel.</summary>
    public abstract void ToBgra444(byte* y, byte* u, byte* v, byte* row, int width, in ColourCoefficients c);

    /// <summary>Two rows to one of half the width, rounded up.</summary>
    public abstract void Halve(byte* top, byte* bottom, byte* to, int width);
}
