using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vitrine.Imaging.Colour;

/// <summary>512 bits at a time: blocks of 64 pixels.</summary>
/// <remarks>As <see cref="ColourKernelsAvx2"/>, with four quarters instead of two halves. Packing leaves the 32-bit lanes as
/// 0 4 8 12 | 1 5 9 13 | 2 6 10 14 | 3 7 11 15; exchanging rows and columns of that is its own inverse.</remarks>
// SAFETY (whole file): ColourConverter checked the lengths of all rows and pins them during the call; a block is read and
// written only where it lies within the row.
internal sealed unsafe class ColourKernelsAvx512 : ColourKernels
{
    private const int Block = 64;

    public static ColourKernelsAvx512 Instance { get; } = new();

    public override KernelSet Set => KernelSet.Avx512;

    private static Vector512<int> Transposed
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    }

    public override void FromBgra420(
        byte* top, byte* bottom, byte* yTop, byte* yBottom, byte* u, byte* v, int width, in ColourCoefficients c) =>
        From420(top, bottom, yTop, yBottom, u, v, width, c);

    public override void FromBgra444(byte* row, byte* y, byte* u, byte* v, int width, in ColourCoefficients c) =>
        From444(row, y, u, v, width, c);

    public override void ToBgra420(
        byte* yTop, byte* yBottom, byte* u, byte* v, byte* top, byte* bottom, int width, in ColourCoefficients c) =>
        To420(yTop, yBottom, u, v, top, bottom, width, c);

    public override void ToBgra444(byte* y, byte* u, byte* v, byte* row, int width, in ColourCoefficients c) =>
        To444(y, u, v, row, width, c);

    public override void Halve(byte* top, byte* bottom, byte* to, int width) => HalveRow(top, bottom, to, width);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void From420(
        byte* top, byte* bottom, byte* yTop, byte* yBottom, byte* u, byte* v, int width, in ColourCoefficients c)
    {
        int even = width & ~1;
        if (even < Block)
        {
            ColourKernelsAvx2.From420(top, bottom, yTop, yBottom, u, v, width, c);
            return;
        }

        Vector512<byte> toY = Vector512.Create(c.YBytes).AsByte();
        Vector512<short> yBias = Vector512.Create(c.YBiasSigned);
        Vector512<sbyte> toU = Vector512.Create(c.UBytesNegated).AsSByte(), toV = Vector512.Create(c.VBytesNegated).AsSByte();
        for (int x = 0; x < even; x += Block)
        {
            x = Math.Min(x, even - Block);
            byte* a = top + (x * 4), b = bottom + (x * 4);
            Vector512<byte> a0 = Avx512F.LoadVector512(a), a1 = Avx512F.LoadVector512(a + 64), a2 = Avx512F.LoadVector512(a + 128), a3 = Avx512F.LoadVector512(a + 192);
            Vector512<byte> b0 = Avx512F.LoadVector512(b), b1 = Avx512F.LoadVector512(b + 64), b2 = Avx512F.LoadVector512(b + 128), b3 = Avx512F.LoadVector512(b + 192);
            Avx512F.Store(yTop + x, Luma(a0, a1, a2, a3, toY, yBias));
            Avx512F.Store(yBottom + x, Luma(b0, b1, b2, b3, toY, yBias));

            Vector512<byte> quads0 = Quads(a0, b0, a1, b1), quads1 = Quads(a2, b2, a3, b3);
            // 16-bit lanes, in pairs of chroma samples as the lanes of the remarks.
            Vector512<short> us = Chroma(quads0, quads1, toU), vs = Chroma(quads0, quads1, toV);
            if (v == null)
            {
                // The upper bytes: of V where they are, of U shifted.
                Vector512<int> both = Avx512F.TernaryLogic(
                    Avx512BW.ShiftRightLogical(us, 8), vs, Vector512.Create(unchecked((short)0xFF00)), OrAnd).AsInt32();
                Avx512F.Store(u + x, Avx512F.PermuteVar16x32(both, Transposed).AsByte());
            }
            else
            {
                // Pairs as bytes, 16-bit lanes: U 0 4 8 12, V 0 4 8 12 | U 1 5 9 13, V 1 5 9 13 | ...
                Vector512<short> both = Avx512BW.PackUnsignedSaturate(Avx512BW.ShiftRightLogical(us, 8), Avx512BW.ShiftRightLogical(vs, 8)).AsInt16();
                both = Avx512BW.PermuteVar32x16(
                    both,
                    Vector512.Create((short)0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27, 4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31));
                Avx.Store((short*)(u + (x / 2)), both.GetLower());
                Avx.Store((short*)(v + (x / 2)), both.GetUpper());
            }
        }

        if (even != width)
        {
            ColourKernelsScalar.From420(top, bottom, yTop, yBottom, u, v, even, width, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void From444(byte* row, byte* y, byte* u, byte* v, int width, in ColourCoefficients c)
    {
        if (width < Block)
        {
            ColourKernelsAvx2.From444(row, y, u, v, width, c);
            return;
        }

        Vector512<byte> toY = Vector512.Create(c.YBytes).AsByte();
        Vector512<short> yBias = Vector512.Create(c.YBiasSigned);
        Vector512<sbyte> toU = Vector512.Create(c.UBytesNegated).AsSByte(), toV = Vector512.Create(c.VBytesNegated).AsSByte();
        for (int x = 0; x < width; x += Block)
        {
            x = Math.Min(x, width - Block);
            byte* a = row + (x * 4);
            Vector512<byte> a0 = Avx512F.LoadVector512(a), a1 = Avx512F.LoadVector512(a + 64), a2 = Avx512F.LoadVector512(a + 128), a3 = Avx512F.LoadVector512(a + 192);
            Avx512F.Store(y + x, Luma(a0, a1, a2, a3, toY, yBias));
            Avx512F.Store(u + x, Chroma4(a0, a1, a2, a3, toU));
            Avx512F.Store(v + x, Chroma4(a0, a1, a2, a3, toV));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void To420(
        byte* yTop, byte* yBottom, byte* u, byte* v, byte* top, byte* bottom, int width, in ColourCoefficients c)
    {
        int even = width & ~1;
        if (even < Block)
        {
            ColourKernelsAvx2.To420(yTop, yBottom, u, v, top, bottom, width, c);
            return;
        }

        Vector512<ushort> yGain = Vector512.Create((ushort)(c.YGain << 7));
        Vector512<byte> toBlue = Vector512.Create(c.BlueBytes).AsByte(), toGreen = Vector512.Create(c.GreenBytes).AsByte(), toRed = Vector512.Create(c.RedBytes).AsByte();
        Vector512<short> bias = Vector512.Create((short)c.ToBias);
        for (int x = 0; x < even; x += Block)
        {
            x = Math.Min(x, even - Block);
            Vector512<byte> both;
            if (v == null)
            {
                both = Avx512F.PermuteVar16x32(Avx512F.LoadVector512((int*)(u + x)), Transposed).AsByte();
            }
            else
            {
                // U to the lower, V to the upper bytes of 16-bit lanes that are in the pixels' order already.
                Vector256<short> order = Vector256.Create((short)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
                Vector512<short> us = Avx512BW.ConvertToVector512Int16(Avx512BW.VL.PermuteVar16x16(Avx.LoadVector256((short*)(u + (x / 2))), order).AsByte());
                Vector512<short> vs = Avx512BW.ConvertToVector512Int16(Avx512BW.VL.PermuteVar16x16(Avx.LoadVector256((short*)(v + (x / 2))), order).AsByte());
                both = Avx512F.Or(us, Avx512BW.ShiftLeftLogical(vs, 8)).AsByte();
            }

            Vector512<sbyte> chroma = Avx512F.Xor(both, Vector512.Create((byte)0x80)).AsSByte();
            Vector512<short> blue = Avx512BW.Add(Avx512BW.MultiplyAddAdjacent(toBlue, chroma), bias);
            Vector512<short> green = Avx512BW.Subtract(bias, Avx512BW.MultiplyAddAdjacent(toGreen, chroma));
            Vector512<short> red = Avx512BW.Add(Avx512BW.MultiplyAddAdjacent(toRed, chroma), bias);
            Vector512<short> blueLow = Avx512BW.UnpackLow(blue, blue), blueHigh = Avx512BW.UnpackHigh(blue, blue);
            Vector512<short> greenLow = Avx512BW.UnpackLow(green, green), greenHigh = Avx512BW.UnpackHigh(green, green);
            Vector512<short> redLow = Avx512BW.UnpackLow(red, red), redHigh = Avx512BW.UnpackHigh(red, red);
            Store(yTop + x, yGain, blueLow, blueHigh, greenLow, greenHigh, redLow, redHigh, top + (x * 4));
            Store(yBottom + x, yGain, blueLow, blueHigh, greenLow, greenHigh, redLow, redHigh, bottom + (x * 4));
        }

        if (even != width)
        {
            ColourKernelsScalar.To420(yTop, yBottom, u, v, top, bottom, even, width, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void To444(byte* y, byte* u, byte* v, byte* row, int width, in ColourCoefficients c)
    {
        if (width < Block)
        {
            ColourKernelsAvx2.To444(y, u, v, row, width, c);
            return;
        }

        Vector512<ushort> yGain = Vector512.Create((ushort)(c.YGain << 7));
        Vector512<byte> toBlue = Vector512.Create(c.BlueBytes).AsByte(), toGreen = Vector512.Create(c.GreenBytes).AsByte(), toRed = Vector512.Create(c.RedBytes).AsByte();
        Vector512<short> bias = Vector512.Create((short)c.ToBias);
        for (int x = 0; x < width; x += Block)
        {
            x = Math.Min(x, width - Block);
            Vector512<byte> us = Avx512F.Xor(Avx512F.PermuteVar16x32(Avx512F.LoadVector512((int*)(u + x)), Transposed).AsByte(), Vector512.Create((byte)0x80));
            Vector512<byte> vs = Avx512F.Xor(Avx512F.PermuteVar16x32(Avx512F.LoadVector512((int*)(v + x)), Transposed).AsByte(), Vector512.Create((byte)0x80));
            Vector512<sbyte> low = Avx512BW.UnpackLow(us, vs).AsSByte(), high = Avx512BW.UnpackHigh(us, vs).AsSByte();
            Store(
                y + x,
                yGain,
                Avx512BW.Add(Avx512BW.MultiplyAddAdjacent(toBlue, low), bias),
                Avx512BW.Add(Avx512BW.MultiplyAddAdjacent(toBlue, high), bias),
                Avx512BW.Subtract(bias, Avx512BW.MultiplyAddAdjacent(toGreen, low)),
                Avx512BW.Subtract(bias, Avx512BW.MultiplyAddAdjacent(toGreen, high)),
                Avx512BW.Add(Avx512BW.MultiplyAddAdjacent(toRed, low), bias),
                Avx512BW.Add(Avx512BW.MultiplyAddAdjacent(toRed, high), bias),
                row + (x * 4));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HalveRow(byte* top, byte* bottom, byte* to, int width)
    {
        const int Pixels = Block / 2;
        int even = width & ~1;
        if (even < Pixels)
        {
            ColourKernelsAvx2.HalveRow(top, bottom, to, width);
            return;
        }

        for (int x = 0; x < even; x += Pixels)
        {
            x = Math.Min(x, even - Pixels);
            byte* a = top + (x * 4), b = bottom + (x * 4);
            Vector512<byte> quads = Quads(Avx512F.LoadVector512(a), Avx512F.LoadVector512(b), Avx512F.LoadVector512(a + 64), Avx512F.LoadVector512(b + 64));
            // Pairs of pixels: 0 4 | 1 5 | 2 6 | 3 7.
            Avx512F.Store((long*)(to + (x * 2)), Avx512F.PermuteVar8x64(quads.AsInt64(), Vector512.Create(0L, 2, 4, 6, 1, 3, 5, 7)));
        }

        if (even != width)
        {
            ColourKernelsScalar.HalveFrom(top, bottom, to, even, width);
        }
    }

    // a | (b & c), as the truth table that TernaryLogic takes.
    private const byte OrAnd = 0xF8;

    /// <summary>Luma of 64 pixels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Luma(
        Vector512<byte> p0, Vector512<byte> p1, Vector512<byte> p2, Vector512<byte> p3, Vector512<byte> toY, Vector512<short> bias)
    {
        Vector512<short> low = Avx512BW.PackSignedSaturate(LumaSums(p0, toY), LumaSums(p1, toY));
        Vector512<short> high = Avx512BW.PackSignedSaturate(LumaSums(p2, toY), LumaSums(p3, toY));
        low = Avx512BW.ShiftRightLogical(Avx512BW.Add(low, bias), 8);
        high = Avx512BW.ShiftRightLogical(Avx512BW.Add(high, bias), 8);
        return Avx512F.PermuteVar16x32(Avx512BW.PackUnsignedSaturate(low, high).AsInt32(), Transposed).AsByte();
    }

    // One factor of the multiplication is signed. It is the pixel, less 128, because green weighs more than 127.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> LumaSums(Vector512<byte> pixels, Vector512<byte> toY) => Avx512BW.MultiplyAddAdjacent(
        Avx512BW.MultiplyAddAdjacent(toY, Avx512F.Xor(pixels, Vector512.Create((byte)0x80)).AsSByte()), Vector512.Create((short)1));

    /// <summary>U or V of 32 pixels, in the upper bytes of 16-bit lanes; the lower are fractions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Chroma(Vector512<byte> p0, Vector512<byte> p1, Vector512<sbyte> negated)
    {
        Vector512<int> sums0 = Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(p0, negated), Vector512.Create((short)1));
        Vector512<int> sums1 = Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(p1, negated), Vector512.Create((short)1));
        return Avx512BW.Subtract(Vector512.Create(unchecked((short)ColourCoefficients.ChromaBias)), Avx512BW.PackSignedSaturate(sums0, sums1));
    }

    /// <summary>U or V of 64 pixels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Chroma4(
        Vector512<byte> p0, Vector512<byte> p1, Vector512<byte> p2, Vector512<byte> p3, Vector512<sbyte> negated)
    {
        Vector512<short> low = Avx512BW.ShiftRightLogical(Chroma(p0, p1, negated), 8), high = Avx512BW.ShiftRightLogical(Chroma(p2, p3, negated), 8);
        return Avx512F.PermuteVar16x32(Avx512BW.PackUnsignedSaturate(low, high).AsInt32(), Transposed).AsByte();
    }

    /// <summary>Averages of 2x2 pixels. Pairs of pixels: 0 4 | 1 5 | 2 6 | 3 7.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Quads(Vector512<byte> top0, Vector512<byte> bottom0, Vector512<byte> top1, Vector512<byte> bottom1)
    {
        Vector512<float> rows0 = Avx512BW.Average(top0, bottom0).AsSingle(), rows1 = Avx512BW.Average(top1, bottom1).AsSingle();
        return Avx512BW.Average(Avx512F.Shuffle(rows0, rows1, 0b10_00_10_00).AsByte(), Avx512F.Shuffle(rows0, rows1, 0b11_01_11_01).AsByte());
    }

    /// <summary>64 pixels from luma and what chroma adds to it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        byte* y,
        Vector512<ushort> yGain,
        Vector512<short> blueLow,
        Vector512<short> blueHigh,
        Vector512<short> greenLow,
        Vector512<short> greenHigh,
        Vector512<short> redLow,
        Vector512<short> redHigh,
        byte* to)
    {
        Vector512<byte> luma = Avx512F.PermuteVar16x32(Avx512F.LoadVector512((int*)y), Transposed).AsByte();
        Vector512<short> low = Avx512BW.MultiplyHigh(Avx512BW.UnpackLow(Vector512<byte>.Zero, luma).AsUInt16(), yGain).AsInt16();
        Vector512<short> high = Avx512BW.MultiplyHigh(Avx512BW.UnpackHigh(Vector512<byte>.Zero, luma).AsUInt16(), yGain).AsInt16();
        Vector512<byte> blue = Channel(low, high, blueLow, blueHigh), green = Channel(low, high, greenLow, greenHigh), red = Channel(low, high, redLow, redHigh);
        Vector512<short> blueGreen = Avx512BW.UnpackLow(blue, green).AsInt16(), redX = Avx512BW.UnpackLow(red, Vector512<byte>.AllBitsSet).AsInt16();
        Avx512F.Store(to, Avx512BW.UnpackLow(blueGreen, redX).AsByte());
        Avx512F.Store(to + 64, Avx512BW.UnpackHigh(blueGreen, redX).AsByte());
        blueGreen = Avx512BW.UnpackHigh(blue, green).AsInt16();
        redX = Avx512BW.UnpackHigh(red, Vector512<byte>.AllBitsSet).AsInt16();
        Avx512F.Store(to + 128, Avx512BW.UnpackLow(blueGreen, redX).AsByte());
        Avx512F.Store(to + 192, Avx512BW.UnpackHigh(blueGreen, redX).AsByte());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Channel(Vector512<short> low, Vector512<short> high, Vector512<short> chromaLow, Vector512<short> chromaHigh) =>
        Avx512BW.PackUnsignedSaturate(
            Avx512BW.ShiftRightArithmetic(Avx512BW.AddSaturate(low, chromaLow), 6),
            Avx512BW.ShiftRightArithmetic(Avx512BW.AddSaturate(high, chromaHigh), 6));
}
