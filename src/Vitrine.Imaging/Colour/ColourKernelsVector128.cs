using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vitrine.Imaging.Colour;

/// <summary>128 bits at a time, with operations that x86 and Arm both have. Blocks of 8 pixels (4 where halved).</summary>
/// <remarks>Lanes: four pixels are four 32-bit lanes. Taken apart as 16-bit lanes they are [B, R] pairs (low bytes) and [G, X]
/// pairs (high bytes); each is multiplied by its coefficients, the two are added, and the odd lane is added to the even one.
/// All sums fit into 16 bits modulo 65536, so lanes may wrap on the way.</remarks>
// SAFETY (whole file): ColourConverter checked the lengths of all rows and pins them during the call; a block is read and
// written only where it lies within the row.
internal sealed unsafe class ColourKernelsVector128 : ColourKernels
{
    private const int Block = 8;

    public static ColourKernelsVector128 Instance { get; } = new();

    public override KernelSet Set => KernelSet.Vector128;

    public override void Halve(byte* top, byte* bottom, byte* to, int width) => HalveRow(top, bottom, to, width);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void FromBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        int even = rows.Width & ~1;
        if (even < Block)
        {
            ColourKernelsScalar.Instance.FromBgra420(rows, c);
            return;
        }

        Weights y = new(c.YBlue, c.YGreen, c.YRed, c.YBias);
        Weights toU = new(c.UBlue, c.UGreen, c.URed, ColourCoefficients.ChromaBias);
        Weights toV = new(c.VBlue, c.VGreen, c.VRed, ColourCoefficients.ChromaBias);
        for (int row = 0; row < rows.Height; row += 2)
        {
            byte* top = rows.Pixels(row), bottom = rows.Pixels(rows.Below(row)), yTop = rows.Y(row), yBottom = rows.Y(rows.Below(row));
            byte* u = rows.U(row / 2), v = rows.V(row / 2);
            for (int x = 0; x < even; x += Block)
            {
                x = Math.Min(x, even - Block);
                Vector128<uint> top0 = Vector128.Load((uint*)top + x), top1 = Vector128.Load((uint*)top + x + 4);
                Vector128<uint> bottom0 = Vector128.Load((uint*)bottom + x), bottom1 = Vector128.Load((uint*)bottom + x + 4);
                StoreBytes(Vector128.Narrow(y.Apply(top0), y.Apply(top1)), yTop + x);
                StoreBytes(Vector128.Narrow(y.Apply(bottom0), y.Apply(bottom1)), yBottom + x);

                Vector128<uint> quads = Quads(top0, bottom0, top1, bottom1);
                Vector128<uint> us = toU.Apply(quads), vs = toV.Apply(quads);
                if (v == null)
                {
                    Vector128<uint> both = us | Vector128.ShiftLeft(vs, 8);
                    *(ulong*)(u + x) = Vector128.Narrow(both, both).AsUInt64().ToScalar();
                }
                else
                {
                    *(uint*)(u + (x / 2)) = Vector128.Narrow(Vector128.Narrow(us, us), default).AsUInt32().ToScalar();
                    *(uint*)(v + (x / 2)) = Vector128.Narrow(Vector128.Narrow(vs, vs), default).AsUInt32().ToScalar();
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
            ColourKernelsScalar.Instance.FromBgra444(rows, c);
            return;
        }

        Weights toY = new(c.YBlue, c.YGreen, c.YRed, c.YBias);
        Weights toU = new(c.UBlue, c.UGreen, c.URed, ColourCoefficients.ChromaBias);
        Weights toV = new(c.VBlue, c.VGreen, c.VRed, ColourCoefficients.ChromaBias);
        for (int row = 0; row < rows.Height; row++)
        {
            byte* pixels = rows.Pixels(row), y = rows.Y(row), u = rows.U(row), v = rows.V(row);
            for (int x = 0; x < rows.Width; x += Block)
            {
                x = Math.Min(x, rows.Width - Block);
                Vector128<uint> first = Vector128.Load((uint*)pixels + x), second = Vector128.Load((uint*)pixels + x + 4);
                StoreBytes(Vector128.Narrow(toY.Apply(first), toY.Apply(second)), y + x);
                StoreBytes(Vector128.Narrow(toU.Apply(first), toU.Apply(second)), u + x);
                StoreBytes(Vector128.Narrow(toV.Apply(first), toV.Apply(second)), v + x);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ToBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        int even = rows.Width & ~1;
        if (even < Block)
        {
            ColourKernelsScalar.Instance.ToBgra420(rows, c);
            return;
        }

        Gains gains = new(c);
        for (int row = 0; row < rows.Height; row += 2)
        {
            byte* top = rows.Pixels(row), bottom = rows.Pixels(rows.Below(row)), yTop = rows.Y(row), yBottom = rows.Y(rows.Below(row));
            byte* u = rows.U(row / 2), v = rows.V(row / 2);
            for (int x = 0; x < even; x += Block)
            {
                x = Math.Min(x, even - Block);
                Vector128<ushort> us, vs;
                if (v == null)
                {
                    Vector128<ushort> both = Vector128.CreateScalar(*(ulong*)(u + x)).AsUInt16();
                    us = both & Vector128.Create((ushort)0xFF);
                    vs = Vector128.ShiftRightLogical(both, 8);
                }
                else
                {
                    us = Vector128.WidenLower(Vector128.CreateScalar(*(uint*)(u + (x / 2))).AsByte());
                    vs = Vector128.WidenLower(Vector128.CreateScalar(*(uint*)(v + (x / 2))).AsByte());
                }

                Vector128<short> twice = Vector128.Create(0, 0, 1, 1, 2, 2, 3, 3);
                us = Vector128.Shuffle(us.AsInt16(), twice).AsUInt16();
                vs = Vector128.Shuffle(vs.AsInt16(), twice).AsUInt16();
                gains.Chroma(us.AsInt16(), vs.AsInt16(), out Vector128<short> blue, out Vector128<short> green, out Vector128<short> red);
                gains.Store(yTop + x, blue, green, red, (uint*)top + x);
                gains.Store(yBottom + x, blue, green, red, (uint*)bottom + x);
            }
        }

        if (even != rows.Width)
        {
            ColourKernelsScalar.LastColumnToBgra420(rows, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ToBgra444(in PictureRows rows, in ColourCoefficients c)
    {
        if (rows.Width < Block)
        {
            ColourKernelsScalar.Instance.ToBgra444(rows, c);
            return;
        }

        Gains gains = new(c);
        for (int row = 0; row < rows.Height; row++)
        {
            byte* pixels = rows.Pixels(row), y = rows.Y(row), u = rows.U(row), v = rows.V(row);
            for (int x = 0; x < rows.Width; x += Block)
            {
                x = Math.Min(x, rows.Width - Block);
                gains.Chroma(Widened(u + x).AsInt16(), Widened(v + x).AsInt16(), out Vector128<short> blue, out Vector128<short> green, out Vector128<short> red);
                gains.Store(y + x, blue, green, red, (uint*)pixels + x);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void HalveRow(byte* top, byte* bottom, byte* to, int width)
    {
        int even = width & ~1;
        if (even >= Block)
        {
            for (int x = 0; x < even; x += Block)
            {
                x = Math.Min(x, even - Block);
                Quads(
                    Vector128.Load((uint*)top + x),
                    Vector128.Load((uint*)bottom + x),
                    Vector128.Load((uint*)top + x + 4),
                    Vector128.Load((uint*)bottom + x + 4)).Store((uint*)to + (x / 2));
            }

            if (even == width)
            {
                return;
            }
        }

        ColourKernelsScalar.HalveFrom(top, bottom, to, even >= Block ? even : 0, width);
    }

    /// <summary>Averages of 2x2 pixels: four of eight and the eight below.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Quads(Vector128<uint> top0, Vector128<uint> bottom0, Vector128<uint> top1, Vector128<uint> bottom1)
    {
        Vector128<ulong> rows0 = Average(top0.AsByte(), bottom0.AsByte()).AsUInt64(), rows1 = Average(top1.AsByte(), bottom1.AsByte()).AsUInt64();
        Vector128<uint> left = Vector128.Narrow(rows0, rows1);
        Vector128<uint> right = Vector128.Narrow(Vector128.ShiftRightLogical(rows0, 32), Vector128.ShiftRightLogical(rows1, 32));
        return Average(left.AsByte(), right.AsByte()).AsUInt32();
    }

    // (a + b + 1) / 2 without a ninth bit.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Average(Vector128<byte> a, Vector128<byte> b) =>
        (a | b) - (Vector128.ShiftRightLogical((a ^ b).AsUInt16(), 1).AsByte() & Vector128.Create((byte)0x7F));

    // Every lane is at most 255.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreBytes(Vector128<ushort> values, byte* to) =>
        *(ulong*)to = Vector128.Narrow(values, values).AsUInt64().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Widened(byte* from) => Vector128.WidenLower(Vector128.CreateScalar(*(ulong*)from).AsByte());

    private readonly struct Weights
    {
        private readonly Vector128<ushort> blueRed, green;
        private readonly Vector128<uint> bias;

        // Two 16-bit lanes in one of 32, negative coefficients modulo 65536; the upper one of green multiplies X.
        public Weights(int blue, int green, int red, int bias)
        {
            blueRed = Vector128.Create((blue & 0xFFFF) | (red << 16)).AsUInt16();
            this.green = Vector128.Create(green & 0xFFFF).AsUInt16();
            this.bias = Vector128.Create((uint)bias << 16);
        }

        /// <summary>Y, U or V of four pixels, one in each lane.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector128<uint> Apply(Vector128<uint> pixels)
        {
            Vector128<ushort> sums = ((pixels & Vector128.Create(0x00FF_00FFu)).AsUInt16() * blueRed)
                + (Vector128.ShiftRightLogical(pixels.AsUInt16(), 8) * green);
            return Vector128.ShiftRightLogical((sums.AsUInt16() + Vector128.ShiftLeft(sums.AsUInt32(), 16).AsUInt16() + bias.AsUInt16()).AsUInt32(), 24);
        }
    }

    private readonly struct Gains
    {
        private readonly Vector128<ushort> yGain;
        private readonly Vector128<short> bias, blueU, greenU, greenV, redV;

        public Gains(in ColourCoefficients c)
        {
            yGain = Vector128.Create((ushort)c.YGain);
            bias = Vector128.Create((short)c.ToBias);
            blueU = Vector128.Create((short)c.BlueU);
            greenU = Vector128.Create((short)c.GreenU);
            greenV = Vector128.Create((short)c.GreenV);
            redV = Vector128.Create((short)c.RedV);
        }

        /// <summary>What is added to luma of eight pixels.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Chroma(Vector128<short> u, Vector128<short> v, out Vector128<short> blue, out Vector128<short> green, out Vector128<short> red)
        {
            u -= Vector128.Create((short)128);
            v -= Vector128.Create((short)128);
            blue = (u * blueU) + bias;
            green = bias - ((u * greenU) + (v * greenV));
            red = (v * redV) + bias;
        }

        /// <summary>Eight pixels.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Store(byte* y, Vector128<short> blue, Vector128<short> green, Vector128<short> red, uint* to)
        {
            Vector128<short> luma = Vector128.ShiftRightLogical(Widened(y) * yGain, 1).AsInt16();
            Vector128<ushort> blueGreen = Channel(luma, blue) | Vector128.ShiftLeft(Channel(luma, green), 8);
            Vector128<ushort> redX = Channel(luma, red) | Vector128.Create((ushort)0xFF00);
            (Vector128.WidenLower(blueGreen) | Vector128.ShiftLeft(Vector128.WidenLower(redX), 16)).Store(to);
            (Vector128.WidenUpper(blueGreen) | Vector128.ShiftLeft(Vector128.WidenUpper(redX), 16)).Store(to + 4);
        }

        // The sum may pass 32767, and is 255 then as it is at 16320.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<ushort> Channel(Vector128<short> luma, Vector128<short> chroma) => Vector128.Min(
            Vector128.Max(Vector128.ShiftRightArithmetic(Vector128.AddSaturate(luma, chroma), 6), Vector128<short>.Zero),
            Vector128.Create((short)255)).AsUInt16();
    }
}
