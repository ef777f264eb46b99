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
    private const int ReadAheadBytes = 2048;

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

    public override void Halve(byte* top, byte* bottom, byte* to, int width) => HalveRow(top, bottom, to, width);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void FromBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        int even = rows.Width & ~1;
        if (even < Block)
        {
            ColourKernelsVector128.Instance.FromBgra420(rows, c);
            return;
        }

        Vector256<byte> toY = Vector256.Create(c.YBytes).AsByte();
        Vector256<int> yBias = LumaBias(c);
        Vector256<short> chromaBias = Vector256.Create(c.ChromaBiasSigned);
        Vector256<sbyte> toU = Vector256.Create(c.UBytesNegated).AsSByte(), toV = Vector256.Create(c.VBytesNegated).AsSByte();
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

                Vector256<byte> a0 = Avx.LoadVector256(a), a1 = Avx.LoadVector256(a + 32), a2 = Avx.LoadVector256(a + 64), a3 = Avx.LoadVector256(a + 96);
                Vector256<byte> b0 = Avx.LoadVector256(b), b1 = Avx.LoadVector256(b + 32), b2 = Avx.LoadVector256(b + 64), b3 = Avx.LoadVector256(b + 96);
                Luma(a0, a1, a2, a3, toY, yBias).Store(yTop + x);
                Luma(b0, b1, b2, b3, toY, yBias).Store(yBottom + x);

                Vector256<byte> quads0 = Quads(a0, b0, a1, b1), quads1 = Quads(a2, b2, a3, b3);
                // 16-bit lanes, in pairs of chroma samples: 0 2 4 6 | 1 3 5 7.
                Vector256<short> us = Chroma(quads0, quads1, toU, chromaBias), vs = Chroma(quads0, quads1, toV, chromaBias);
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
                    both.GetLower().Store(u + (x >> 1));
                    both.GetUpper().Store(v + (x >> 1));
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
            ColourKernelsVector128.Instance.FromBgra444(rows, c);
            return;
        }

        Vector256<byte> toY = Vector256.Create(c.YBytes).AsByte();
        Vector256<int> yBias = LumaBias(c);
        Vector256<short> chromaBias = Vector256.Create(c.ChromaBiasSigned);
        Vector256<sbyte> toU = Vector256.Create(c.UBytesNegated).AsSByte(), toV = Vector256.Create(c.VBytesNegated).AsSByte();
        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint width = (nuint)rows.Width;
        for (int row = 0; row < rows.Height; row++)
        {
            byte* pixels = rows.Pixels(row), y = rows.Y(row), u = rows.U(row), v = rows.V(row);
            for (nuint x = 0; x < width; x += Block)
            {
                x = Math.Min(x, width - Block);
                byte* a = pixels + (x * 4);
                Vector256<byte> a0 = Avx.LoadVector256(a), a1 = Avx.LoadVector256(a + 32), a2 = Avx.LoadVector256(a + 64), a3 = Avx.LoadVector256(a + 96);
                Luma(a0, a1, a2, a3, toY, yBias).Store(y + x);
                Chroma4(a0, a1, a2, a3, toU, chromaBias).Store(u + x);
                Chroma4(a0, a1, a2, a3, toV, chromaBias).Store(v + x);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ToBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        int even = rows.Width & ~1;
        if (even < Block)
        {
            ColourKernelsVector128.Instance.ToBgra420(rows, c);
            return;
        }

        Vector256<ushort> yGain = Vector256.Create((ushort)(c.YGain << 7));
        Vector256<byte> toBlue = Vector256.Create(c.BlueBytes).AsByte(), toGreen = Vector256.Create(c.GreenBytes).AsByte(), toRed = Vector256.Create(c.RedBytes).AsByte();
        Vector256<short> bias = Vector256.Create((short)c.ToBias);
        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint width = (nuint)even;
        bool streams = rows.StreamsPixels(32);
        for (int row = 0; row < rows.Height; row += 2)
        {
            byte* top = rows.Pixels(row), bottom = rows.Pixels(rows.Below(row)), yTop = rows.Y(row), yBottom = rows.Y(rows.Below(row));
            byte* u = rows.U(row / 2), v = rows.V(row / 2);
            for (nuint x = 0; x < width; x += Block)
            {
                x = Math.Min(x, width - Block);
                // The last block may have been moved to where it is not aligned.
                bool streamsBlock = streams && x % Block == 0;
                Vector256<int> both;
                if (v == null)
                {
                    both = Avx.LoadVector256((int*)(u + x));
                }
                else
                {
                    Vector128<byte> us = Sse2.LoadVector128(u + (x >> 1)), vs = Sse2.LoadVector128(v + (x >> 1));
                    both = Vector256.Create(Sse2.UnpackLow(us, vs), Sse2.UnpackHigh(us, vs)).AsInt32();
                }

                // A lane is U, V, U, V for four pixels: the order of the pixels' own lanes.
                Vector256<sbyte> chroma = Avx2.Xor(Avx2.PermuteVar8x32(both, OutOfOrder).AsByte(), Vector256.Create((byte)0x80)).AsSByte();
                Vector256<short> blue = Avx2.Add(Avx2.MultiplyAddAdjacent(toBlue, chroma), bias);
                Vector256<short> green = Avx2.Subtract(Avx2.MultiplyAddAdjacent(toGreen, chroma), bias);
                Vector256<short> red = Avx2.Add(Avx2.MultiplyAddAdjacent(toRed, chroma), bias);
                Vector256<short> blueLow = Avx2.UnpackLow(blue, blue), blueHigh = Avx2.UnpackHigh(blue, blue);
                Vector256<short> greenLow = Avx2.UnpackLow(green, green), greenHigh = Avx2.UnpackHigh(green, green);
                Vector256<short> redLow = Avx2.UnpackLow(red, red), redHigh = Avx2.UnpackHigh(red, red);
                Multiply(yTop + x, yGain, out Vector256<short> low, out Vector256<short> high);
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
            ColourKernelsVector128.Instance.ToBgra444(rows, c);
            return;
        }

        Vector256<ushort> yGain = Vector256.Create((ushort)(c.YGain << 7));
        Vector256<byte> toBlue = Vector256.Create(c.BlueBytes).AsByte(), toGreen = Vector256.Create(c.GreenBytes).AsByte(), toRed = Vector256.Create(c.RedBytes).AsByte();
        Vector256<short> bias = Vector256.Create((short)c.ToBias);
        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint width = (nuint)rows.Width;
        bool streams = rows.StreamsPixels(32);
        for (int row = 0; row < rows.Height; row++)
        {
            byte* pixels = rows.Pixels(row), y = rows.Y(row), u = rows.U(row), v = rows.V(row);
            for (nuint x = 0; x < width; x += Block)
            {
                x = Math.Min(x, width - Block);
                // The last block may have been moved to where it is not aligned.
                bool streamsBlock = streams && x % Block == 0;
                Vector256<byte> us = Avx2.Xor(Avx2.PermuteVar8x32(Avx.LoadVector256((int*)(u + x)), OutOfOrder).AsByte(), Vector256.Create((byte)0x80));
                Vector256<byte> vs = Avx2.Xor(Avx2.PermuteVar8x32(Avx.LoadVector256((int*)(v + x)), OutOfOrder).AsByte(), Vector256.Create((byte)0x80));
                Vector256<sbyte> chromaLow = Avx2.UnpackLow(us, vs).AsSByte(), chromaHigh = Avx2.UnpackHigh(us, vs).AsSByte();
                Multiply(y + x, yGain, out Vector256<short> low, out Vector256<short> high);
                Store(
                    Avx2.Add(low, bias),
                    Avx2.Add(high, bias),
                    Avx2.MultiplyAddAdjacent(toBlue, chromaLow),
                    Avx2.MultiplyAddAdjacent(toBlue, chromaHigh),
                    Avx2.MultiplyAddAdjacent(toGreen, chromaLow),
                    Avx2.MultiplyAddAdjacent(toGreen, chromaHigh),
                    Avx2.MultiplyAddAdjacent(toRed, chromaLow),
                    Avx2.MultiplyAddAdjacent(toRed, chromaHigh),
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
    public static void HalveRow(byte* top, byte* bottom, byte* to, int width)
    {
        const int Pixels = Block / 2;
        int even = width & ~1;
        if (even < Pixels)
        {
            ColourKernelsVector128.HalveRow(top, bottom, to, width);
            return;
        }

        // Unsigned and as wide as an address: the compiler then adds it to pointers without extending it first.
        nuint pixels = (nuint)even;
        for (nuint x = 0; x < pixels; x += Pixels)
        {
            x = Math.Min(x, pixels - Pixels);
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
        Vector256<byte> p0, Vector256<byte> p1, Vector256<byte> p2, Vector256<byte> p3, Vector256<byte> toY, Vector256<int> bias)
    {
        Vector256<short> low, high;
        if (AvxVnni.IsSupported)
        {
            // With the bias, which then costs nothing, the sums are 0 to 65535.
            low = Avx2.PackUnsignedSaturate(LumaSums(p0, toY, bias), LumaSums(p1, toY, bias)).AsInt16();
            high = Avx2.PackUnsignedSaturate(LumaSums(p2, toY, bias), LumaSums(p3, toY, bias)).AsInt16();
        }
        else
        {
            Vector256<int> none = Vector256<int>.Zero;
            low = Avx2.Add(Avx2.PackSignedSaturate(LumaSums(p0, toY, none), LumaSums(p1, toY, none)), bias.AsInt16());
            high = Avx2.Add(Avx2.PackSignedSaturate(LumaSums(p2, toY, none), LumaSums(p3, toY, none)), bias.AsInt16());
        }

        low = Avx2.ShiftRightLogical(low, 8);
        high = Avx2.ShiftRightLogical(high, 8);
        return Avx2.PermuteVar8x32(Avx2.PackUnsignedSaturate(low, high).AsInt32(), InOrder).AsByte();
    }

    // One factor of the multiplication is signed. It is the pixel, less 128, because green weighs more than 127.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> LumaSums(Vector256<byte> pixels, Vector256<byte> toY, Vector256<int> start) =>
        Sums(toY, Avx2.Xor(pixels, Vector256.Create((byte)0x80)).AsSByte(), start);

    // 32 bits to start sums with, or 16 to be added to packed ones.
    private static Vector256<int> LumaBias(in ColourCoefficients c) =>
        AvxVnni.IsSupported ? Vector256.Create((int)(ushort)c.YBiasSigned) : Vector256.Create(c.YBiasSigned).AsInt32();

    // Four products in each lane, added to the start. Newer processors have one instruction for it; without, the start is 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Sums(Vector256<byte> left, Vector256<sbyte> right, Vector256<int> start) => AvxVnni.IsSupported
        ? AvxVnni.MultiplyWideningAndAdd(start, left, right)
        : Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(left, right), Vector256.Create((short)1));

    /// <summary>U or V of 16 pixels, in the upper bytes of 16-bit lanes; the lower are fractions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Chroma(Vector256<byte> p0, Vector256<byte> p1, Vector256<sbyte> negated, Vector256<short> bias)
    {
        return Avx2.Subtract(bias, Avx2.PackSignedSaturate(Sums(p0, negated, Vector256<int>.Zero), Sums(p1, negated, Vector256<int>.Zero)));
    }

    /// <summary>U or V of 32 pixels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Chroma4(
        Vector256<byte> p0, Vector256<byte> p1, Vector256<byte> p2, Vector256<byte> p3, Vector256<sbyte> negated, Vector256<short> bias)
    {
        Vector256<short> low = Avx2.ShiftRightLogical(Chroma(p0, p1, negated, bias), 8), high = Avx2.ShiftRightLogical(Chroma(p2, p3, negated, bias), 8);
        return Avx2.PermuteVar8x32(Avx2.PackUnsignedSaturate(low, high).AsInt32(), InOrder).AsByte();
    }

    // A block's lines, half a page ahead of it. Beyond the last row that is no one's memory at worst, which does no harm.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ReadAhead(byte* from)
    {
        Sse.Prefetch1(from + ReadAheadBytes);
        Sse.Prefetch1(from + ReadAheadBytes + 64);
    }

    /// <summary>Averages of 2x2 pixels. Pairs of pixels: 0 2 | 1 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Quads(Vector256<byte> top0, Vector256<byte> bottom0, Vector256<byte> top1, Vector256<byte> bottom1)
    {
        Vector256<float> rows0 = Avx2.Average(top0, bottom0).AsSingle(), rows1 = Avx2.Average(top1, bottom1).AsSingle();
        return Avx2.Average(Avx.Shuffle(rows0, rows1, 0b10_00_10_00).AsByte(), Avx.Shuffle(rows0, rows1, 0b11_01_11_01).AsByte());
    }

    /// <summary>Luma of 32 pixels with its gain, in the order of 16-bit lanes that <see cref="Store"/> takes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(byte* y, Vector256<ushort> yGain, out Vector256<short> low, out Vector256<short> high)
    {
        Vector256<byte> luma = Avx2.PermuteVar8x32(Avx.LoadVector256((int*)y), OutOfOrder).AsByte();
        low = Avx2.MultiplyHigh(Avx2.UnpackLow(Vector256<byte>.Zero, luma).AsUInt16(), yGain).AsInt16();
        high = Avx2.MultiplyHigh(Avx2.UnpackHigh(Vector256<byte>.Zero, luma).AsUInt16(), yGain).AsInt16();
    }

    /// <summary>32 pixels from luma and what chroma adds to it; to green, what it takes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        Vector256<short> low,
        Vector256<short> high,
        Vector256<short> blueLow,
        Vector256<short> blueHigh,
        Vector256<short> greenLow,
        Vector256<short> greenHigh,
        Vector256<short> redLow,
        Vector256<short> redHigh,
        byte* to,
        bool streams)
    {
        Vector256<byte> blue = Channel(Avx2.AddSaturate(low, blueLow), Avx2.AddSaturate(high, blueHigh));
        Vector256<byte> green = Channel(Avx2.SubtractSaturate(low, greenLow), Avx2.SubtractSaturate(high, greenHigh));
        Vector256<byte> red = Channel(Avx2.AddSaturate(low, redLow), Avx2.AddSaturate(high, redHigh));
        Vector256<short> blueGreen0 = Avx2.UnpackLow(blue, green).AsInt16(), blueGreen1 = Avx2.UnpackHigh(blue, green).AsInt16();
        Vector256<short> redX0 = Avx2.UnpackLow(red, Vector256<byte>.AllBitsSet).AsInt16(), redX1 = Avx2.UnpackHigh(red, Vector256<byte>.AllBitsSet).AsInt16();
        Vector256<byte> pixels0 = Avx2.UnpackLow(blueGreen0, redX0).AsByte(), pixels1 = Avx2.UnpackHigh(blueGreen0, redX0).AsByte();
        Vector256<byte> pixels2 = Avx2.UnpackLow(blueGreen1, redX1).AsByte(), pixels3 = Avx2.UnpackHigh(blueGreen1, redX1).AsByte();
        if (streams)
        {
            Avx.StoreAlignedNonTemporal(to, pixels0);
            Avx.StoreAlignedNonTemporal(to + 32, pixels1);
            Avx.StoreAlignedNonTemporal(to + 64, pixels2);
            Avx.StoreAlignedNonTemporal(to + 96, pixels3);
        }
        else
        {
            pixels0.Store(to);
            pixels1.Store(to + 32);
            pixels2.Store(to + 64);
            pixels3.Store(to + 96);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Channel(Vector256<short> low, Vector256<short> high) =>
        Avx2.PackUnsignedSaturate(Avx2.ShiftRightArithmetic(low, 6), Avx2.ShiftRightArithmetic(high, 6));
}
