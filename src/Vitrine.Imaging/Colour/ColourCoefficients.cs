namespace Vitrine.Imaging.Colour;

/// <summary>Fixed-point coefficients, the same for all kernels.</summary>
/// <remarks>To YUV: 8 bits of fraction. Rounded so that luma adds up to white and chroma to 0 for every grey, which is where an
/// error would be seen. To BGRA: 6 bits of fraction, because 1.1644 * 255 + 2.1124 * 127 with more would not fit into 16 bits;
/// luma has a seventh, which is shifted out.</remarks>
internal readonly struct ColourCoefficients
{
    // Y = (yB B + yG G + yR R + YBias) >> 8, and so on.
    private ColourCoefficients(
        ColourRange range, (int B, int G, int R) y, (int B, int G, int R) u, (int B, int G, int R) v, int blueU, int greenU, int greenV, int redV)
    {
        bool limited = range == ColourRange.Limited;
        (YBlue, YGreen, YRed) = y;
        (UBlue, UGreen, URed) = u;
        (VBlue, VGreen, VRed) = v;
        YBias = (limited ? 16 << 8 : 0) + 128;
        YGain = limited ? 149 : 128;
        ToBias = 32 - (limited ? 16 * 149 / 2 : 0);
        (BlueU, GreenU, GreenV, RedV) = (blueU, greenU, greenV, redV);

        YBytes = YBlue | (YGreen << 8) | (YRed << 16);
        UBytesNegated = Signed(-UBlue, -UGreen, -URed);
        VBytesNegated = Signed(-VBlue, -VGreen, -VRed);
        YBiasSigned = unchecked((short)(YBias + (128 * (YBlue + YGreen + YRed))));
        ChromaBiasSigned = unchecked((short)ChromaBias);
        (BlueBytes, GreenBytes, RedBytes) = ((short)BlueU, (short)(GreenU | (GreenV << 8)), (short)(RedV << 8));
    }

    public int YBlue { get; }

    public int YGreen { get; }

    public int YRed { get; }

    public int YBias { get; }

    public int UBlue { get; }

    public int UGreen { get; }

    public int URed { get; }

    public int VBlue { get; }

    public int VGreen { get; }

    public int VRed { get; }

    /// <summary>One less than half: full-range chroma of pure blue and red is 255.5, which must not become 256.</summary>
    public const int ChromaBias = (128 << 8) + 127;

    public int YGain { get; }

    public int ToBias { get; }

    public int BlueU { get; }

    public int GreenU { get; }

    public int GreenV { get; }

    public int RedV { get; }

    private static readonly ColourCoefficients Bt601Limited =
        new(ColourRange.Limited, (25, 129, 66), (112, -74, -38), (-18, -94, 112), 129, 25, 52, 102);

    private static readonly ColourCoefficients Bt601Full =
        new(ColourRange.Full, (29, 150, 77), (128, -85, -43), (-21, -107, 128), 113, 22, 46, 90);

    private static readonly ColourCoefficients Bt709Limited =
        new(ColourRange.Limited, (16, 157, 47), (112, -86, -26), (-10, -102, 112), 135, 14, 34, 115);

    private static readonly ColourCoefficients Bt709Full =
        new(ColourRange.Full, (19, 183, 54), (128, -99, -29), (-12, -116, 128), 119, 12, 30, 101);

    /// <summary>The coefficients; <see cref="ArgumentOutOfRangeException"/> for other values than the named ones.</summary>
    public static ref readonly ColourCoefficients Of(ColourMatrix matrix, ColourRange range)
    {
        switch (matrix, range)
        {
            case (ColourMatrix.Bt601, ColourRange.Limited):
                return ref Bt601Limited;
            case (ColourMatrix.Bt601, ColourRange.Full):
                return ref Bt601Full;
            case (ColourMatrix.Bt709, ColourRange.Limited):
                return ref Bt709Limited;
            case (ColourMatrix.Bt709, ColourRange.Full):
                return ref Bt709Full;
            default:
                throw new ArgumentOutOfRangeException(nameof(matrix), $"There is no {matrix} in {range}.");
        }
    }

    // What the vectors are made of, computed once: the loops' constants.

    /// <summary>What multiplies the four bytes of a pixel, unsigned: B, G, R, and 0 for X, which may have any value.</summary>
    public int YBytes { get; }

    /// <summary>The same for U, signed and negated, because -128 fits into a byte where 128 does not.</summary>
    public int UBytesNegated { get; }

    /// <summary>As <see cref="UBytesNegated"/>.</summary>
    public int VBytesNegated { get; }

    /// <summary><see cref="YBias"/> for luma made of bytes from which 128 was taken; as 16 bits.</summary>
    public short YBiasSigned { get; }

    /// <summary><see cref="ChromaBias"/> as 16 bits. A field, because the compiler turns «constant - x» into two instructions.</summary>
    public short ChromaBiasSigned { get; }

    /// <summary>What multiplies U and V for blue.</summary>
    public short BlueBytes { get; }

    /// <summary>What multiplies U and V for green, to be subtracted.</summary>
    public short GreenBytes { get; }

    /// <summary>What multiplies U and V for red.</summary>
    public short RedBytes { get; }

    private static int Signed(int b, int g, int r) => (b & 0xFF) | ((g & 0xFF) << 8) | ((r & 0xFF) << 16);
}
