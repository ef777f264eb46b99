using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vitrine.Imaging.Colour;

/// <summary>512 bits at a time: blocks of 64 pixels.</summary>
/// <remarks>As <see cref="ColourKernelsAvx2"/>, with four quarters instead of two halves. Packing leaves the 32-bit lanes as
/// 0 4 8 12 | 1 5 9 13 | 2 6 10 14 | 3 7 11 15; exchanging rows and columns of that is its own inverse. Processors with VBMI
/// take the upper bytes of 16-bit lanes from two registers in any order, which replaces shifting, packing and permuting.</remarks>
// SAFETY (whole file): ColourConverter checked the lengths of all rows and pins them during the call; a block is read and
// written only where it lies within the row.
internal sealed unsafe class ColourKernelsAvx512 : ColourKernels
{
    private const int Block = 64;
    private const int ReadAheadBytes = 2048;

    public static ColourKernelsAvx512 Instance { get; } = new();

    public override KernelSet Set => KernelSet.Avx512;

    // Where the upper byte of luma of each pixel lies after packing twice two registers of 16 pixels.
    private static readonly Vector512<byte> s_luma = Vector512.Create(
        [.. Enumerable.Range(0, 64).Select(pixel => UpperByte(pixel / 32, (pixel % 16 / 4 * 8) + (pixel / 16 % 2 * 4) + (pixel % 4)))]);

    // Where U and V of each sample lie: all U, then all V; or in turn.
    private static readonly Vector512<byte> s_apart = Vector512.Create(
        [.. Enumerable.Range(0, 64).Select(i => UpperByte(i / 32, ChromaLane(i % 32)))]);

    private static readonly Vector512<byte> s_inTurn = Vector512.Create(
        [.. Enumerable.Range(0, 64).Select(i => UpperByte(i % 2, ChromaLane(i / 2)))]);

    private static Vector512<int> Transposed
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    }

    public override void Halve(byte* top, byte* bottom, byte* to, int width) => HalveRow(top, bottom, to, width);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void FromBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        int even = rows.Width & ~1;
        if (even < Block)
        {
            ColourKernelsAvx2.Instance.FromBgra420(rows, c);
            return;
        }

        Vector512<byte> toY = Vector512.Create(c.YBytes).AsByte();
        Vector512<short> yBias = Vector512.Create(c.YBiasSigned), chromaBias = Vector512.Create(c.ChromaBiasSigned);
        Vector512<sbyte> toU = Vector512.Create(c.UBytesNegated).AsSByte(), toV = Vector512.Create(c.VBytesNegated).AsSByte();
        Vector512<byte> order = rows.IsInterleaved ? s_inTurn : s_apart, lumaOrder = s_luma;
        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint width = (nuint)even;
        bool readsAhead = rows.AreBeyondCaches;
        for (int row = 0; row < rows.Height; row += 2)
        {
            byte* top = rows.Pixels(row), bottom = rows.Pixels(rows.Below(row)), yTop = rows.Y(row), yBottom = rows.Y(rows.Below(row));
            byte* u = rows.U(row / 2), v = rows.V(row / 2);
            for (nuint x = 0; x < width; x += Block)
            {
                x = Math.Min(x, width - Block);
                byte* a = top + (x * 4), b = bottom + (x * 4);
                if (readsAhead)
                {
                    ReadAhead(a);
                    ReadAhead(b);
                }

                Vector512<byte> a0 = Avx512F.LoadVector512(a), a1 = Avx512F.LoadVector512(a + 64), a2 = Avx512F.LoadVector512(a + 128), a3 = Avx512F.LoadVector512(a + 192);
                Vector512<byte> b0 = Avx512F.LoadVector512(b), b1 = Avx512F.LoadVector512(b + 64), b2 = Avx512F.LoadVector512(b + 128), b3 = Avx512F.LoadVector512(b + 192);
                Avx512F.Store(yTop + x, Luma(a0, a1, a2, a3, toY, yBias, lumaOrder));
                Avx512F.Store(yBottom + x, Luma(b0, b1, b2, b3, toY, yBias, lumaOrder));

                Vector512<byte> quads0 = Quads(a0, b0, a1, b1), quads1 = Quads(a2, b2, a3, b3);
                // 16-bit lanes, in pairs of chroma samples as the lanes of the remarks.
                Vector512<short> us = Chroma(quads0, quads1, toU, chromaBias), vs = Chroma(quads0, quads1, toV, chromaBias);
                if (Avx512Vbmi.IsSupported)
                {
                    Vector512<byte> both = Avx512Vbmi.PermuteVar64x8x2(us.AsByte(), order, vs.AsByte());
                    if (v == null)
                    {
                        Avx512F.Store(u + x, both);
                    }
                    else
                    {
                        Avx.Store(u + (x >> 1), both.GetLower());
                        Avx.Store(v + (x >> 1), both.GetUpper());
                    }
                }
                else if (v == null)
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
                    Avx.Store((short*)(u + (x >> 1)), both.GetLower());
                    Avx.Store((short*)(v + (x >> 1)), both.GetUpper());
                }
            }
        }

        if (even != rows.Width)
        {
            ColourKernelsScalar.LastColumnFromBgra420(rows, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void FromBgra444(in PictureRows rows, in ColourCoefficients c)
    {
        if (rows.Width < Block)
        {
            ColourKernelsAvx2.Instance.FromBgra444(rows, c);
            return;
        }

        Vector512<byte> toY = Vector512.Create(c.YBytes).AsByte();
        Vector512<short> yBias = Vector512.Create(c.YBiasSigned), chromaBias = Vector512.Create(c.ChromaBiasSigned);
        Vector512<sbyte> toU = Vector512.Create(c.UBytesNegated).AsSByte(), toV = Vector512.Create(c.VBytesNegated).AsSByte();
        Vector512<byte> lumaOrder = s_luma;
        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint width = (nuint)rows.Width;
        for (int row = 0; row < rows.Height; row++)
        {
            byte* pixels = rows.Pixels(row), y = rows.Y(row), u = rows.U(row), v = rows.V(row);
            for (nuint x = 0; x < width; x += Block)
            {
                x = Math.Min(x, width - Block);
                byte* a = pixels + (x * 4);
                Vector512<byte> a0 = Avx512F.LoadVector512(a), a1 = Avx512F.LoadVector512(a + 64), a2 = Avx512F.LoadVector512(a + 128), a3 = Avx512F.LoadVector512(a + 192);
                Avx512F.Store(y + x, Luma(a0, a1, a2, a3, toY, yBias, lumaOrder));
                Avx512F.Store(u + x, Chroma4(a0, a1, a2, a3, toU, chromaBias, lumaOrder));
                Avx512F.Store(v + x, Chroma4(a0, a1, a2, a3, toV, chromaBias, lumaOrder));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ToBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        int even = rows.Width & ~1;
        if (even < Block)
        {
            ColourKernelsAvx2.Instance.ToBgra420(rows, c);
            return;
        }

        Vector512<ushort> yGain = Vector512.Create((ushort)(c.YGain << 7));
        Vector512<byte> toBlue = Vector512.Create(c.BlueBytes).AsByte(), toGreen = Vector512.Create(c.GreenBytes).AsByte(), toRed = Vector512.Create(c.RedBytes).AsByte();
        Vector512<short> bias = Vector512.Create((short)c.ToBias);
        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint width = (nuint)even;
        bool streams = rows.StreamsPixels(64);
        for (int row = 0; row < rows.Height; row += 2)
        {
            byte* top = rows.Pixels(row), bottom = rows.Pixels(rows.Below(row)), yTop = rows.Y(row), yBottom = rows.Y(rows.Below(row));
            byte* u = rows.U(row / 2), v = rows.V(row / 2);
            for (nuint x = 0; x < width; x += Block)
            {
                x = Math.Min(x, width - Block);
                // The last block may have been moved to where it is not aligned.
                bool streamsBlock = streams && x % Block == 0;
                Vector512<byte> both;
                if (v == null)
                {
                    both = Avx512F.PermuteVar16x32(Avx512F.LoadVector512((int*)(u + x)), Transposed).AsByte();
                }
                else
                {
                    // U to the lower, V to the upper bytes of 16-bit lanes that are in the pixels' order already.
                    Vector256<short> order = Vector256.Create((short)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
                    Vector512<short> us = Avx512BW.ConvertToVector512Int16(Avx512BW.VL.PermuteVar16x16(Avx.LoadVector256((short*)(u + (x >> 1))), order).AsByte());
                    Vector512<short> vs = Avx512BW.ConvertToVector512Int16(Avx512BW.VL.PermuteVar16x16(Avx.LoadVector256((short*)(v + (x >> 1))), order).AsByte());
                    both = Avx512F.Or(us, Avx512BW.ShiftLeftLogical(vs, 8)).AsByte();
                }

                Vector512<sbyte> chroma = Avx512F.Xor(both, Vector512.Create((byte)0x80)).AsSByte();
                Vector512<short> blue = Avx512BW.Add(Avx512BW.MultiplyAddAdjacent(toBlue, chroma), bias);
                Vector512<short> green = Avx512BW.Subtract(Avx512BW.MultiplyAddAdjacent(toGreen, chroma), bias);
                Vector512<short> red = Avx512BW.Add(Avx512BW.MultiplyAddAdjacent(toRed, chroma), bias);
                Vector512<short> blueLow = Avx512BW.UnpackLow(blue, blue), blueHigh = Avx512BW.UnpackHigh(blue, blue);
                Vector512<short> greenLow = Avx512BW.UnpackLow(green, green), greenHigh = Avx512BW.UnpackHigh(green, green);
                Vector512<short> redLow = Avx512BW.UnpackLow(red, red), redHigh = Avx512BW.UnpackHigh(red, red);
                Multiply(yTop + x, yGain, out Vector512<short> low, out Vector512<short> high);
                Store(low, high, blueLow, blueHigh, greenLow, greenHigh, redLow, redHigh, top + (x * 4), streamsBlock);
                Multiply(yBottom + x, yGain, out low, out high);
                Store(low, high, blueLow, blueHigh, greenLow, greenHigh, redLow, redHigh, bottom + (x * 4), streamsBlock);
            }
        }

        if (even != rows.Width)
        {
            ColourKernelsScalar.LastColumnToBgra420(rows, c);
        }

        if (streams)
        {
            // Such writes may become visible later than ordinary ones: not to whoever is told after this that the picture is there.
            Sse.StoreFence();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ToBgra444(in PictureRows rows, in ColourCoefficients c)
    {
        if (rows.Width < Block)
        {
            ColourKernelsAvx2.Instance.ToBgra444(rows, c);
            return;
        }

        Vector512<ushort> yGain = Vector512.Create((ushort)(c.YGain << 7));
        Vector512<byte> toBlue = Vector512.Create(c.BlueBytes).AsByte(), toGreen = Vector512.Create(c.GreenBytes).AsByte(), toRed = Vector512.Create(c.RedBytes).AsByte();
        Vector512<short> bias = Vector512.Create((short)c.ToBias);
        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint width = (nuint)rows.Width;
        bool streams = rows.StreamsPixels(64);
        for (int row = 0; row < rows.Height; row++)
        {
            byte* pixels = rows.Pixels(row), y = rows.Y(row), u = rows.U(row), v = rows.V(row);
            for (nuint x = 0; x < width; x += Block)
            {
                x = Math.Min(x, width - Block);
                // The last block may have been moved to where it is not aligned.
                bool streamsBlock = streams && x % Block == 0;
                Vector512<byte> us = Avx512F.Xor(Avx512F.PermuteVar16x32(Avx512F.LoadVector512((int*)(u + x)), Transposed).AsByte(), Vector512.Create((byte)0x80));
                Vector512<byte> vs = Avx512F.Xor(Avx512F.PermuteVar16x32(Avx512F.LoadVector512((int*)(v + x)), Transposed).AsByte(), Vector512.Create((byte)0x80));
                Vector512<sbyte> chromaLow = Avx512BW.UnpackLow(us, vs).AsSByte(), chromaHigh = Avx512BW.UnpackHigh(us, vs).AsSByte();
                Multiply(y + x, yGain, out Vector512<short> low, out Vector512<short> high);
                Store(
                    Avx512BW.Add(low, bias),
                    Avx512BW.Add(high, bias),
                    Avx512BW.MultiplyAddAdjacent(toBlue, chromaLow),
                    Avx512BW.MultiplyAddAdjacent(toBlue, chromaHigh),
                    Avx512BW.MultiplyAddAdjacent(toGreen, chromaLow),
                    Avx512BW.MultiplyAddAdjacent(toGreen, chromaHigh),
                    Avx512BW.MultiplyAddAdjacent(toRed, chromaLow),
                    Avx512BW.MultiplyAddAdjacent(toRed, chromaHigh),
                    pixels + (x * 4),
                    streamsBlock);
            }
        }

        if (streams)
        {
            // Such writes may become visible later than ordinary ones: not to whoever is told after this that the picture is there.
            Sse.StoreFence();
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

        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint pixels = (nuint)even;
        for (nuint x = 0; x < pixels; x += Pixels)
        {
            x = Math.Min(x, pixels - Pixels);
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

    private static byte UpperByte(int register, int lane) => (byte)((register * 64) + (lane * 2) + 1);

    // 16-bit lane of a sample after averaging and packing: pairs of samples are 0 4 8 12 | 1 5 9 13 | ...
    private static int ChromaLane(int sample) => (sample % 8 / 2 * 8) + (sample / 8 * 2) + (sample % 2);

    // a | (b & c), as the truth table that TernaryLogic takes.
    private const byte OrAnd = 0xF8;

    /// <summary>Luma of 64 pixels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Luma(
        Vector512<byte> p0, Vector512<byte> p1, Vector512<byte> p2, Vector512<byte> p3, Vector512<byte> toY, Vector512<short> bias, Vector512<byte> order)
    {
        Vector512<short> low = Avx512BW.PackSignedSaturate(LumaSums(p0, toY), LumaSums(p1, toY));
        Vector512<short> high = Avx512BW.PackSignedSaturate(LumaSums(p2, toY), LumaSums(p3, toY));
        return UpperBytes(Avx512BW.Add(low, bias), Avx512BW.Add(high, bias), order);
    }

    // One factor of the multiplication is signed. It is the pixel, less 128, because green weighs more than 127.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> LumaSums(Vector512<byte> pixels, Vector512<byte> toY) => Avx512BW.MultiplyAddAdjacent(
        Avx512BW.MultiplyAddAdjacent(toY, Avx512F.Xor(pixels, Vector512.Create((byte)0x80)).AsSByte()), Vector512.Create((short)1));

    /// <summary>U or V of 32 pixels, in the upper bytes of 16-bit lanes; the lower are fractions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Chroma(Vector512<byte> p0, Vector512<byte> p1, Vector512<sbyte> negated, Vector512<short> bias)
    {
        Vector512<int> sums0 = Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(p0, negated), Vector512.Create((short)1));
        Vector512<int> sums1 = Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(p1, negated), Vector512.Create((short)1));
        return Avx512BW.Subtract(bias, Avx512BW.PackSignedSaturate(sums0, sums1));
    }

    /// <summary>U or V of 64 pixels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Chroma4(
        Vector512<byte> p0, Vector512<byte> p1, Vector512<byte> p2, Vector512<byte> p3, Vector512<sbyte> negated, Vector512<short> bias, Vector512<byte> order)
    {
        return UpperBytes(Chroma(p0, p1, negated, bias), Chroma(p2, p3, negated, bias), order);
    }

    /// <summary>The upper bytes of the 16-bit lanes of 64 pixels, in the pixels' order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> UpperBytes(Vector512<short> low, Vector512<short> high, Vector512<byte> order) => Avx512Vbmi.IsSupported
        ? Avx512Vbmi.PermuteVar64x8x2(low.AsByte(), order, high.AsByte())
        : Avx512F.PermuteVar16x32(
            Avx512BW.PackUnsignedSaturate(Avx512BW.ShiftRightLogical(low, 8), Avx512BW.ShiftRightLogical(high, 8)).AsInt32(), Transposed).AsByte();

    // A block's lines, half a page ahead of it. Beyond the last row that is no one's memory at worst, which does no harm.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ReadAhead(byte* from)
    {
        Sse.Prefetch1(from + ReadAheadBytes);
        Sse.Prefetch1(from + ReadAheadBytes + 64);
        Sse.Prefetch1(from + ReadAheadBytes + 128);
        Sse.Prefetch1(from + ReadAheadBytes + 192);
    }

    /// <summary>Averages of 2x2 pixels. Pairs of pixels: 0 4 | 1 5 | 2 6 | 3 7.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Quads(Vector512<byte> top0, Vector512<byte> bottom0, Vector512<byte> top1, Vector512<byte> bottom1)
    {
        Vector512<float> rows0 = Avx512BW.Average(top0, bottom0).AsSingle(), rows1 = Avx512BW.Average(top1, bottom1).AsSingle();
        return Avx512BW.Average(Avx512F.Shuffle(rows0, rows1, 0b10_00_10_00).AsByte(), Avx512F.Shuffle(rows0, rows1, 0b11_01_11_01).AsByte());
    }

    /// <summary>Luma of 64 pixels with its gain, in the order of 16-bit lanes that <see cref="Store"/> takes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(byte* y, Vector512<ushort> yGain, out Vector512<short> low, out Vector512<short> high)
    {
        Vector512<byte> luma = Avx512F.PermuteVar16x32(Avx512F.LoadVector512((int*)y), Transposed).AsByte();
        low = Avx512BW.MultiplyHigh(Avx512BW.UnpackLow(Vector512<byte>.Zero, luma).AsUInt16(), yGain).AsInt16();
        high = Avx512BW.MultiplyHigh(Avx512BW.UnpackHigh(Vector512<byte>.Zero, luma).AsUInt16(), yGain).AsInt16();
    }

    /// <summary>64 pixels from luma and what chroma adds to it; to green, what it takes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        Vector512<short> low,
        Vector512<short> high,
        Vector512<short> blueLow,
        Vector512<short> blueHigh,
        Vector512<short> greenLow,
        Vector512<short> greenHigh,
        Vector512<short> redLow,
        Vector512<short> redHigh,
        byte* to,
        bool streams)
    {
        Vector512<byte> blue = Channel(Avx512BW.AddSaturate(low, blueLow), Avx512BW.AddSaturate(high, blueHigh));
        Vector512<byte> green = Channel(Avx512BW.SubtractSaturate(low, greenLow), Avx512BW.SubtractSaturate(high, greenHigh));
        Vector512<byte> red = Channel(Avx512BW.AddSaturate(low, redLow), Avx512BW.AddSaturate(high, redHigh));
        Vector512<short> blueGreen0 = Avx512BW.UnpackLow(blue, green).AsInt16(), blueGreen1 = Avx512BW.UnpackHigh(blue, green).AsInt16();
        Vector512<short> redX0 = Avx512BW.UnpackLow(red, Vector512<byte>.AllBitsSet).AsInt16(), redX1 = Avx512BW.UnpackHigh(red, Vector512<byte>.AllBitsSet).AsInt16();
        Vector512<byte> pixels0 = Avx512BW.UnpackLow(blueGreen0, redX0).AsByte(), pixels1 = Avx512BW.UnpackHigh(blueGreen0, redX0).AsByte();
        Vector512<byte> pixels2 = Avx512BW.UnpackLow(blueGreen1, redX1).AsByte(), pixels3 = Avx512BW.UnpackHigh(blueGreen1, redX1).AsByte();
        if (streams)
        {
            Avx512F.StoreAlignedNonTemporal(to, pixels0);
            Avx512F.StoreAlignedNonTemporal(to + 64, pixels1);
            Avx512F.StoreAlignedNonTemporal(to + 128, pixels2);
            Avx512F.StoreAlignedNonTemporal(to + 192, pixels3);
        }
        else
        {
            Avx512F.Store(to, pixels0);
            Avx512F.Store(to + 64, pixels1);
            Avx512F.Store(to + 128, pixels2);
            Avx512F.Store(to + 192, pixels3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Channel(Vector512<short> low, Vector512<short> high) =>
        Avx512BW.PackUnsignedSaturate(Avx512BW.ShiftRightArithmetic(low, 6), Avx512BW.ShiftRightArithmetic(high, 6));
}
