using System.Runtime.CompilerServices;

namespace Vitrine.Imaging.Colour;

/// <summary>The definition of every conversion.</summary>
// SAFETY (whole file): ColourConverter checked the lengths of all rows and pins them during the call.
internal sealed unsafe class ColourKernelsScalar : ColourKernels
{
    public static ColourKernelsScalar Instance { get; } = new();

    public override KernelSet Set => KernelSet.Scalar;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void FromBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        for (int row = 0; row < rows.Height; row += 2)
        {
            From420(rows, row, 0, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void FromBgra444(in PictureRows rows, in ColourCoefficients c)
    {
        for (int row = 0; row < rows.Height; row++)
        {
            byte* pixels = rows.Pixels(row), y = rows.Y(row), u = rows.U(row), v = rows.V(row);
            for (int x = 0; x < rows.Width; x++)
            {
                y[x] = Luma(pixels + (x * 4), c);
                (u[x], v[x]) = Chroma(pixels + (x * 4), c);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ToBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        for (int row = 0; row < rows.Height; row += 2)
        {
            To420(rows, row, 0, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ToBgra444(in PictureRows rows, in ColourCoefficients c)
    {
        for (int row = 0; row < rows.Height; row++)
        {
            byte* y = rows.Y(row), u = rows.U(row), v = rows.V(row);
            uint* pixels = (uint*)rows.Pixels(row);
            for (int x = 0; x < rows.Width; x++)
            {
                pixels[x] = Pixel(y[x], u[x], v[x], c);
            }
        }
    }

    /// <summary>What is left of an odd width. After all rows: a call in the loop would cost the vectors' constants their registers.</summary>
    public static void LastColumnFromBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        for (int row = 0; row < rows.Height; row += 2)
        {
            From420(rows, row, rows.Width - 1, c);
        }
    }

    /// <summary>As <see cref="LastColumnFromBgra420"/>.</summary>
    public static void LastColumnToBgra420(in PictureRows rows, in ColourCoefficients c)
    {
        for (int row = 0; row < rows.Height; row += 2)
        {
            To420(rows, row, rows.Width - 1, c);
        }
    }

    public override void Halve(byte* top, byte* bottom, byte* to, int width) => HalveFrom(top, bottom, to, 0, width);

    /// <summary>A row and the one below, from an even pixel on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void From420(in PictureRows rows, int row, int start, in ColourCoefficients c)
    {
        byte* top = rows.Pixels(row), bottom = rows.Pixels(rows.Below(row)), yTop = rows.Y(row), yBottom = rows.Y(rows.Below(row));
        byte* u = rows.U(row / 2), v = rows.V(row / 2);
        for (int x = start; x < rows.Width; x += 2)
        {
            int right = Math.Min(x + 1, rows.Width - 1);
            yTop[x] = Luma(top + (x * 4), c);
            yBottom[x] = Luma(bottom + (x * 4), c);
            yTop[right] = Luma(top + (right * 4), c);
            yBottom[right] = Luma(bottom + (right * 4), c);

            uint average = Average4(top, bottom, x, right);
            (byte chromaU, byte chromaV) = Chroma((byte*)&average, c);
            if (v == null)
            {
                (u[x], u[x + 1]) = (chromaU, chromaV);
            }
            else
            {
                (u[x / 2], v[x / 2]) = (chromaU, chromaV);
            }
        }
    }

    /// <summary>A row and the one below, from an even pixel on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void To420(in PictureRows rows, int row, int start, in ColourCoefficients c)
    {
        byte* u = rows.U(row / 2), v = rows.V(row / 2), yTop = rows.Y(row), yBottom = rows.Y(rows.Below(row));
        uint* top = (uint*)rows.Pixels(row), bottom = (uint*)rows.Pixels(rows.Below(row));
        for (int x = start; x < rows.Width; x++)
        {
            int chromaU = v == null ? u[x & ~1] : u[x / 2], chromaV = v == null ? u[x | 1] : v[x / 2];
            top[x] = Pixel(yTop[x], chromaU, chromaV, c);
            bottom[x] = Pixel(yBottom[x], chromaU, chromaV, c);
        }
    }

    /// <summary>From an even pixel on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void HalveFrom(byte* top, byte* bottom, byte* to, int start, int width)
    {
        for (int x = start; x < width; x += 2)
        {
            ((uint*)to)[x / 2] = Average4(top, bottom, x, Math.Min(x + 1, width - 1));
        }
    }

    private static byte Luma(byte* pixel, in ColourCoefficients c) =>
        (byte)(((c.YBlue * pixel[0]) + (c.YGreen * pixel[1]) + (c.YRed * pixel[2]) + c.YBias) >> 8);

    private static (byte U, byte V) Chroma(byte* pixel, in ColourCoefficients c) => (
        (byte)(((c.UBlue * pixel[0]) + (c.UGreen * pixel[1]) + (c.URed * pixel[2]) + ColourCoefficients.ChromaBias) >> 8),
        (byte)(((c.VBlue * pixel[0]) + (c.VGreen * pixel[1]) + (c.VRed * pixel[2]) + ColourCoefficients.ChromaBias) >> 8));

    private static uint Pixel(int y, int u, int v, in ColourCoefficients c)
    {
        int luma = ((y * c.YGain) >> 1) + c.ToBias;
        (u, v) = (u - 128, v - 128);
        return Clamp(luma + (c.BlueU * u))
            | (Clamp(luma - ((c.GreenU * u) + (c.GreenV * v))) << 8)
            | (Clamp(luma + (c.RedV * v)) << 16)
            | 0xFF00_0000;
    }

    private static uint Clamp(int value) => (uint)Math.Clamp(value >> 6, 0, 255);

    // Rows first, then columns, half rounded up each time: what one instruction does on x86 and on Arm. Blue, green and red
    // gain the same by it, which chroma does not see.
    private static uint Average4(byte* top, byte* bottom, int left, int right)
    {
        uint result = 0;
        for (int channel = 0; channel < 4; channel++)
        {
            ((byte*)&result)[channel] = Average(
                Average(top[(left * 4) + channel], bottom[(left * 4) + channel]),
                Average(top[(right * 4) + channel], bottom[(right * 4) + channel]));
        }

        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte Average(byte a, byte b) => (byte)((a + b + 1) >> 1);
}
