using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vitrine.Imaging.Colour;

/// <summary>256 bits at a time: blocks of 32 pixels.</summary>
/// <remarks>Most instructions work in each half (of 16 bytes) on its own. Where packing leaves the pixels in another order, the
/// 32-bit lanes, four pixels each, are said in the comments as numbers from 0, the halves divided by a bar.</remarks>
// SAFETY (whole file): ColourConverter checked the lengths of all rows and pins them during the call; a block is read and
// written only where it lies within the row.
internal sealed unsafe class ColourKernelsAvx2 : ColourKernels
{
    private const int Block = 32;

    public static ColourKernelsAvx2 Instance { get; } = new();

    public override KernelSet Set => KernelSet.Avx2;

    // 0 2 4 6 | 1 3 5 7 becomes 0 1 2 3 | 4 5 6 7.
    private static Vector256<int> InOrder
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7);
    }

    // And back.
    private static Vector256<int> OutOfOrder
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector256.Create(0, 2, 4, 6, 1, 3, 5, 7);
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
    public static void From420(
        byte* top, byte* bottom, byte* yTop, byte* yBottom, byte* u, byte* v, int width, in ColourCoefficients c)
    {
        int even = width & ~1;
        if (even < Block)
        {
            ColourKernelsVector128.From420(top, bottom, yTop, yBottom, u, v, width, c);
            return;
        }

        Vector256<byte> toY = Vector256.Create(c.YBytes).AsByte();
        Vector256<short> yBias = Vector256.Create(c.YBiasSigned);
        Vector256<sbyte> toU = Vector256.Create(c.UBytesNegated).AsSByte(), toV = Vector256.Create(c.VBytesNegated).AsSByte();
        for (int x = 0; x < even; x += Block)
        {
            x = Math.Min(x, even - Block);
            byte* a = top + (x * 4), b = bottom + (x * 4);
            Vector256<byte> a0 = Avx.LoadVector256(a), a1 = Avx.LoadVector256(a + 32), a2 = Avx.LoadVector256(a + 64), a3 = Avx.LoadVector256(a + 96);
            Vector256<byte> b0 = Avx.LoadVector256(b), b1 = Avx.LoadVector256(b + 32), b2 = Avx.LoadVector256(b + 64), b3 = Avx.LoadVector256(b + 96);
            Luma(a0, a1, a2, a3, toY, yBias).Store(yTop + x);
            Luma(b0, b1, b2, b3, toY, yBias).Store(yBottom + x);

            Vector256<byte> quads0 = Quads(a0, b0, a1, b1), quads1 = Quads(a2, b2, a3, b3);
            // 16-bit lanes, in pairs of chroma samples: 0 2 4 6 | 1 3 5 7.
            Vector256<short> us = Chroma(quads0, quads1, toU), vs = Chroma(quads0, quads1, toV);
            if (v == null)
            {
                Vector256<int> both = Avx2.Or(Avx2.ShiftRightLogical(us, 8), Avx2.And(vs, Vector256.Create(unchecked((short)0xFF00)))).AsInt32();
                Avx2.PermuteVar8x32(both, InOrder).AsByte().Store(u + x);
            }
            else
            {
                // Pairs as bytes: U 0 2 4 6, V 0 2 4 6 | U 1 3 5 7, V 1 3 5 7; halves of them exchanged, then put in order.
                Vector256<byte> both = Avx2.PackUnsignedSaturate(Avx2.ShiftRightLogical(us, 8), Avx2.ShiftRightLogical(vs, 8));
                both = Avx2.Shuffle(
                    Avx2.Permute4x64(both.AsInt64(), 0b11_01_10_00).AsByte(),
                    Vector256.Create((byte)0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
                both.GetLower().Store(u + (x / 2));
                both.GetUpper().Store(v + (x / 2));
            }
        }

        if (even != width)
        {
            ColourKernelsScalar.From420(top, bottom, yTop, yBottom, u, v, even, width, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void From444(byte* row, byte* y, byte* u, byte* v, int width, in ColourCoefficients c)
    {
        if (width < Block)
        {
            ColourKernelsVector128.From444(row, y, u, v, width, c);
            return;
        }

        Vector256<byte> toY = Vector256.Create(c.YBytes).AsByte();
        Vector256<short> yBias = Vector256.Create(c.YBiasSigned);
        Vector256<sbyte> toU = Vector256.Create(c.UBytesNegated).AsSByte(), toV = Vector256.Create(c.VBytesNegated).AsSByte();
        for (int x = 0; x < width; x += Block)
        {
            x = Math.Min(x, width - Block);
            byte* a = row + (x * 4);
            Vector256<byte> a0 = Avx.LoadVector256(a), a1 = Avx.LoadVector256(a + 32), a2 = Avx.LoadVector256(a + 64), a3 = Avx.LoadVector256(a + 96);
            Luma(a0, a1, a2, a3, toY, yBias).Store(y + x);
            Chroma4(a0, a1, a2, a3, toU).Store(u + x);
            Chroma4(a0, a1, a2, a3, toV).Store(v + x);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void To420(
        byte* yTop, byte* yBottom, byte* u, byte* v, byte* top, byte* bottom, int width, in ColourCoefficients c)
    {
        int even = width & ~1;
        if (even < Block)
        {
            ColourKernelsVector128.To420(yTop, yBottom, u, v, top, bottom, width, c);
            return;
        }

        Vector256<ushort> yGain = Vector256.Create((ushort)(c.YGain << 7));
        Vector256<byte> toBlue = Vector256.Create(c.BlueBytes).AsByte(), toGreen = Vector256.Create(c.GreenBytes).AsByte(), toRed = Vector256.Create(c.RedBytes).AsByte();
        Vector256<short> bias = Vector256.Create((short)c.ToBias);
        for (int x = 0; x < even; x += Block)
        {
            x = Math.Min(x, even - Block);
            Vector256<int> both;
            if (v == null)
            {
                both = Avx.LoadVector256((int*)(u + x));
            }
            else
            {
                Vector128<byte> us = Sse2.LoadVector128(u + (x / 2)), vs = Sse2.LoadVector128(v + (x / 2));
                both = Vector256.Create(Sse2.UnpackLow(us, vs), Sse2.UnpackHigh(us, vs)).AsInt32();
            }

            // A lane is U, V, U, V for four pixels: the order of the pixels' own lanes.
            Vector256<sbyte> chroma = Avx2.Xor(Avx2.PermuteVar8x32(both, OutOfOrder).AsByte(), Vector256.Create((byte)0x80)).AsSByte();
            Vector256<short> blue = Avx2.Add(Avx2.MultiplyAddAdjacent(toBlue, chroma), bias);
            Vector256<short> green = Avx2.Subtract(bias, Avx2.MultiplyAddAdjacent(toGreen, chroma));
            Vector256<short> red = Avx2.Add(Avx2.MultiplyAddAdjacent(toRed, chroma), bias);
            Vector256<short> blueLow = Avx2.UnpackLow(blue, blue), blueHigh = Avx2.UnpackHigh(blue, blue);
            Vector256<short> greenLow = Avx2.UnpackLow(green, green), greenHigh = Avx2.UnpackHigh(green, green);
            Vector256<short> redLow = Avx2.UnpackLow(red, red), redHigh = Avx2.UnpackHigh(red, red);
            Store(yTop + x, yGain, blueLow, blueHigh, greenLow, greenHigh, redLow, redHigh, top + (x * 4));
            Store(yBottom + x, yGain, blueLow, blueHigh, greenLow, greenHigh, redLow, redHigh, bottom + (x * 4));
        }

        if (even != width)
        {
            ColourKernelsScalar.To420(yTop, yBottom, u, v, top, bottom, even, width, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void To444(byte* y, byte* u, byte* v, byte* row, int width, in ColourCoefficients c)
    {
        if (width < Block)
        {
            ColourKernelsVector128.To444(y, u, v, row, width, c);
            return;
        }

        Vector256<ushort> yGain = Vector256.Create((ushort)(c.YGain << 7));
        Vector256<byte> toBlue = Vector256.Create(c.BlueBytes).AsByte(), toGreen = Vector256.Create(c.GreenBytes).AsByte(), toRed = Vector256.Create(c.RedBytes).AsByte();
        Vector256<short> bias = Vector256.Create((short)c.ToBias);
        for (int x = 0; x < width; x += Block)
        {
            x = Math.Min(x, width - Block);
            Vector256<byte> us = Avx2.Xor(Avx2.PermuteVar8x32(Avx.LoadVector256((int*)(u + x)), OutOfOrder).AsByte(), Vector256.Create((byte)0x80));
            Vector256<byte> vs = Avx2.Xor(Avx2.PermuteVar8x32(Avx.LoadVector256((int*)(v + x)), OutOfOrder).AsByte(), Vector256.Create((byte)0x80));
            Vector256<sbyte> low = Avx2.UnpackLow(us, vs).AsSByte(), high = Avx2.UnpackHigh(us, vs).AsSByte();
            Store(
                y + x,
                yGain,
                Avx2.Add(Avx2.MultiplyAddAdjacent(toBlue, low), bias),
                Avx2.Add(Avx2.MultiplyAddAdjacent(toBlue, high), bias),
                Avx2.Subtract(bias, Avx2.MultiplyAddAdjacent(toGreen, low)),
                Avx2.Subtract(bias, Avx2.MultiplyAddAdjacent(toGreen, high)),
                Avx2.Add(Avx2.MultiplyAddAdjacent(toRed, low), bias),
                Avx2.Add(Avx2.MultiplyAddAdjacent(toRed, high), bias),
                row + (x * 4));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void HalveRow(byte* top, byte* bottom, byte* to, int width)
    {
        const int Pixels = Block / 2;
        int even = width & ~1;
        if (even < Pixels)
        {
            ColourKernelsVector128.HalveRow(top, bottom, to, width);
            return;
        }

        for (int x = 0; x < even; x += Pixels)
        {
            x = Math.Min(x, even - Pixels);
            byte* a = top + (x * 4), b = bottom + (x * 4);
            Vector256<long> quads = Quads(Avx.LoadVector256(a), Avx.LoadVector256(b), Avx.LoadVector256(a + 32), Avx.LoadVector256(b + 32)).AsInt64();
            Avx2.Permute4x64(quads, 0b11_01_10_00).AsByte().Store(to + (x * 2));
        }

        if (even != width)
        {
            ColourKernelsScalar.HalveFrom(top, bottom, to, even, width);
        }
    }

    /// <summary>Luma of 32 pixels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Luma(
        Vector256<byte> p0, Vector256<byte> p1, Vector256<byte> p2, Vector256<byte> p3, Vector256<byte> toY, Vector256<short> bias)
    {
        Vector256<short> low = Avx2.PackSignedSaturate(LumaSums(p0, toY), LumaSums(p1, toY));
        Vector256<short> high = Avx2.PackSignedSaturate(LumaSums(p2, toY), LumaSums(p3, toY));
        low = Avx2.ShiftRightLogical(Avx2.Add(low, bias), 8);
        high = Avx2.ShiftRightLogical(Avx2.Add(high, bias), 8);
        return Avx2.PermuteVar8x32(Avx2.PackUnsignedSaturate(low, high).AsInt32(), InOrder).AsByte();
    }

    // One factor of the multiplication is signed. It is the pixel, less 128, because green weighs more than 127.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> LumaSums(Vector256<byte> pixels, Vector256<byte> toY) => Avx2.MultiplyAddAdjacent(
        Avx2.MultiplyAddAdjacent(toY, Avx2.Xor(pixels, Vector256.Create((byte)0x80)).AsSByte()), Vector256.Create((short)1));

    /// <summary>U or V of 16 pixels, in the upper bytes of 16-bit lanes; the lower are fractions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Chroma(Vector256<byte> p0, Vector256<byte> p1, Vector256<sbyte> negated)
    {
        Vector256<int> sums0 = Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(p0, negated), Vector256.Create((short)1));
        Vector256<int> sums1 = Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(p1, negated), Vector256.Create((short)1));
        return Avx2.Subtract(Vector256.Create(unchecked((short)ColourCoefficients.ChromaBias)), Avx2.PackSignedSaturate(sums0, sums1));
    }

    /// <summary>U or V of 32 pixels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Chroma4(
        Vector256<byte> p0, Vector256<byte> p1, Vector256<byte> p2, Vector256<byte> p3, Vector256<sbyte> negated)
    {
        Vector256<short> low = Avx2.ShiftRightLogical(Chroma(p0, p1, negated), 8), high = Avx2.ShiftRightLogical(Chroma(p2, p3, negated), 8);
        return Avx2.PermuteVar8x32(Avx2.PackUnsignedSaturate(low, high).AsInt32(), InOrder).AsByte();
    }

    /// <summary>Averages of 2x2 pixels. Pairs of pixels: 0 2 | 1 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Quads(Vector256<byte> top0, Vector256<byte> bottom0, Vector256<byte> top1, Vector256<byte> bottom1)
    {
        Vector256<float> rows0 = Avx2.Average(top0, bottom0).AsSingle(), rows1 = Avx2.Average(top1, bottom1).AsSingle();
        return Avx2.Average(Avx.Shuffle(rows0, rows1, 0b10_00_10_00).AsByte(), Avx.Shuffle(rows0, rows1, 0b11_01_11_01).AsByte());
    }

    /// <summary>32 pixels from luma and what chroma adds to it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        byte* y,
        Vector256<ushort> yGain,
        Vector256<short> blueLow,
        Vector256<short> blueHigh,
        Vector256<short> greenLow,
        Vector256<short> greenHigh,
        Vector256<short> redLow,
        Vector256<short> redHigh,
        byte* to)
    {
        Vector256<byte> luma = Avx2.PermuteVar8x32(Avx.LoadVector256((int*)y), OutOfOrder).AsByte();
        Vector256<short> low = Avx2.MultiplyHigh(Avx2.UnpackLow(Vector256<byte>.Zero, luma).AsUInt16(), yGain).AsInt16();
        Vector256<short> high = Avx2.MultiplyHigh(Avx2.UnpackHigh(Vector256<byte>.Zero, luma).AsUInt16(), yGain).AsInt16();
        Vector256<byte> blue = Channel(low, high, blueLow, blueHigh), green = Channel(low, high, greenLow, greenHigh), red = Channel(low, high, redLow, redHigh);
        Vector256<short> blueGreen = Avx2.UnpackLow(blue, green).AsInt16(), redX = Avx2.UnpackLow(red, Vector256<byte>.AllBitsSet).AsInt16();
        Avx2.UnpackLow(blueGreen, redX).AsByte().Store(to);
        Avx2.UnpackHigh(blueGreen, redX).AsByte().Store(to + 32);
        blueGreen = Avx2.UnpackHigh(blue, green).AsInt16();
        redX = Avx2.UnpackHigh(red, Vector256<byte>.AllBitsSet).AsInt16();
        Avx2.UnpackLow(blueGreen, redX).AsByte().Store(to + 64);
        Avx2.UnpackHigh(blueGreen, redX).AsByte().Store(to + 96);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Channel(Vector256<short> low, Vector256<short> high, Vector256<short> chromaLow, Vector256<short> chromaHigh) =>
        Avx2.PackUnsignedSaturate(
            Avx2.ShiftRightArithmetic(Avx2.AddSaturate(low, chromaLow), 6), Avx2.ShiftRightArithmetic(Avx2.AddSaturate(high, chromaHigh), 6));
}
