using System.Runtime.CompilerServices;
using Vitrine.Frames;

namespace Vitrine.Imaging.Colour;

/// <summary>Converts between B, G, R, X pixels and YUV, both in memory that is borrowed for the call. Any thread; nothing is
/// allocated; nothing outside the picture is read or written, padding included.</summary>
/// <remarks>
/// <para><b>Siting.</b> In <see cref="YuvLayout.I420"/> and <see cref="YuvLayout.Nv12"/> a chroma sample lies in the middle of
/// its 2x2 pixels (H.264: chroma_sample_loc_type 1), in both directions: it is made from the average of the four and serves
/// all four unchanged. Where the size is odd, the last column or row stands for the missing one.</para>
/// <para><b>Rounding.</b> The four are averaged as rows first, then columns, a half rounded up each time. Luma and chroma are
/// rounded to the nearest (a half of luma up, of chroma down); pixels to the nearest, then limited to 0..255. All of it is
/// integer arithmetic with the same coefficients everywhere, so the result never depends on the processor.</para>
/// <para>X is not read, and written as 255. The kernels are chosen once: the fastest that the machine has, or what
/// <see cref="KernelSets.EnvironmentVariable"/> says.</para>
/// </remarks>
public static unsafe class ColourConverter
{
    // Columns that are halved at once, so that what lies between the two steps stays in the first-level cache and on the stack.
    private const int HalfColumns = 512;

    private static ColourKernels? chosen;

    /// <summary>What is used.</summary>
    /// <exception cref="PlatformNotSupportedException"><see cref="KernelSets.EnvironmentVariable"/> asks for what is not there.
    /// Every other member throws the same.</exception>
    public static KernelSet Kernels => Chosen.Set;

    private static ColourKernels Chosen => chosen ?? Choose();

    /// <summary>Converts to YUV.</summary>
    /// <param name="bgra">The pixels, first of the first row to last of the last row at least.</param>
    /// <param name="strideBytes">From row to row.</param>
    /// <param name="to">Where to; its size is the picture's.</param>
    /// <param name="matrix">Which.</param>
    /// <param name="range">Which.</param>
    /// <exception cref="ArgumentException">The pixels are fewer than size and stride say.</exception>
    public static void FromBgra(ReadOnlySpan<byte> bgra, int strideBytes, YuvPicture to, ColourMatrix matrix, ColourRange range) =>
        FromBgra(Chosen, bgra, strideBytes, to, matrix, range);

    /// <summary>Converts to pixels.</summary>
    /// <param name="from">The picture.</param>
    /// <param name="bgra">Where to, first pixel of the first row to last of the last row at least.</param>
    /// <param name="strideBytes">From row to row.</param>
    /// <param name="matrix">Which.</param>
    /// <param name="range">Which.</param>
    /// <exception cref="ArgumentException">There is room for fewer pixels than size and stride say.</exception>
    public static void ToBgra(YuvPicture from, Span<byte> bgra, int strideBytes, ColourMatrix matrix, ColourRange range) =>
        ToBgra(Chosen, from, bgra, strideBytes, matrix, range);

    /// <summary>Converts to YUV of half the width and height, rounded up. Pixels are averaged 2x2 as chroma is.</summary>
    /// <param name="bgra">As for <see cref="FromBgra(ReadOnlySpan{byte}, int, YuvPicture, ColourMatrix, ColourRange)"/>.</param>
    /// <param name="strideBytes">From row to row.</param>
    /// <param name="size">Of the pixels.</param>
    /// <param name="to">Where to: <see cref="YuvLayout.I420"/> or <see cref="YuvLayout.Nv12"/> of half the size.</param>
    /// <param name="matrix">Which.</param>
    /// <param name="range">Which.</param>
    /// <exception cref="ArgumentException">The pixels are fewer than size and stride say, or the target is not of half the size.</exception>
    public static void FromBgraHalf(
        ReadOnlySpan<byte> bgra, int strideBytes, DeviceSize size, YuvPicture to, ColourMatrix matrix, ColourRange range) =>
        FromBgraHalf(Chosen, bgra, strideBytes, size, to, matrix, range);

    internal static void FromBgra(
        ColourKernels kernels, ReadOnlySpan<byte> bgra, int strideBytes, YuvPicture to, ColourMatrix matrix, ColourRange range)
    {
        (int width, int height) = to.Size;
        if (!Check(bgra, strideBytes, to.Size))
        {
            return;
        }

        ref readonly ColourCoefficients c = ref ColourCoefficients.Of(matrix, range);
        // SAFETY: pinned during the loop; Check and YuvPicture ensure the lengths.
        fixed (byte* pixels = bgra, y = to.Y, u = to.U, v = to.V)
        {
            PictureRows rows = new(pixels, strideBytes, y, to.YStrideBytes, u, to.Layout == YuvLayout.Nv12 ? null : v, to.UvStrideBytes, width, height);
            if (to.Layout == YuvLayout.I444)
            {
                kernels.FromBgra444(rows, c);
            }
            else
            {
                kernels.FromBgra420(rows, c);
            }
        }
    }

    internal static void ToBgra(
        ColourKernels kernels, YuvPicture from, Span<byte> bgra, int strideBytes, ColourMatrix matrix, ColourRange range)
    {
        (int width, int height) = from.Size;
        if (!Check(bgra, strideBytes, from.Size))
        {
            return;
        }

        ref readonly ColourCoefficients c = ref ColourCoefficients.Of(matrix, range);
        // SAFETY: pinned during the loop; Check and YuvPicture ensure the lengths.
        fixed (byte* pixels = bgra, y = from.Y, u = from.U, v = from.V)
        {
            PictureRows rows = new(pixels, strideBytes, y, from.YStrideBytes, u, from.Layout == YuvLayout.Nv12 ? null : v, from.UvStrideBytes, width, height);
            if (from.Layout == YuvLayout.I444)
            {
                kernels.ToBgra444(rows, c);
            }
            else
            {
                kernels.ToBgra420(rows, c);
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void FromBgraHalf(
        ColourKernels kernels, ReadOnlySpan<byte> bgra, int strideBytes, DeviceSize size, YuvPicture to, ColourMatrix matrix, ColourRange range)
    {
        if (to.Layout == YuvLayout.I444 || to.Size != new DeviceSize((size.Width + 1) / 2, (size.Height + 1) / 2))
        {
            throw new ArgumentException($"Half of {size} does not go into {to.Layout} of {to.Size}.", nameof(to));
        }

        if (!Check(bgra, strideBytes, size))
        {
            return;
        }

        ref readonly ColourCoefficients c = ref ColourCoefficients.Of(matrix, range);
        byte* halves = stackalloc byte[2 * HalfColumns * 4];
        // SAFETY: pinned during the loop; Check and YuvPicture ensure the lengths. A piece has at most HalfColumns columns.
        fixed (byte* pixels = bgra, y = to.Y, u = to.U, v = to.V)
        {
            for (int row = 0; row < to.Size.Height; row += 2)
            {
                int count = Math.Min(2, to.Size.Height - row);
                for (int column = 0; column < to.Size.Width; column += HalfColumns)
                {
                    for (int i = 0; i < count; i++)
                    {
                        Halve(kernels, pixels, strideBytes, size, row + i, column, halves + (i * HalfColumns * 4));
                    }

                    nint chroma = ((nint)(row / 2) * to.UvStrideBytes) + (to.Layout == YuvLayout.Nv12 ? column : column / 2);
                    PictureRows rows = new(
                        halves,
                        HalfColumns * 4,
                        y + ((nint)row * to.YStrideBytes) + column,
                        to.YStrideBytes,
                        u + chroma,
                        to.Layout == YuvLayout.Nv12 ? null : v + chroma,
                        to.UvStrideBytes,
                        Math.Min(HalfColumns, to.Size.Width - column),
                        count);
                    kernels.FromBgra420(rows, c);
                }
            }
        }
    }

    // A piece of a row of half the size, from two of the picture.
    private static void Halve(ColourKernels kernels, byte* pixels, int strideBytes, DeviceSize size, int row, int column, byte* half) =>
        kernels.Halve(
            pixels + ((nint)row * 2 * strideBytes) + ((nint)column * 8),
            pixels + ((nint)Math.Min((row * 2) + 1, size.Height - 1) * strideBytes) + ((nint)column * 8),
            half,
            Math.Min(HalfColumns * 2, size.Width - (column * 2)));

    // False when there is nothing to do.
    private static bool Check(ReadOnlySpan<byte> bgra, int strideBytes, DeviceSize size)
    {
        if (size.Width <= 0 || size.Height <= 0)
        {
            return false;
        }

        long rowBytes = (long)size.Width * 4;
        if (strideBytes < rowBytes || bgra.Length < ((long)strideBytes * (size.Height - 1)) + rowBytes)
        {
            throw new ArgumentException($"{bgra.Length} bytes with rows {strideBytes} bytes apart are no picture of {size}.", nameof(bgra));
        }

        return true;
    }

    // Two threads may both come here at the start and choose the same.
    private static ColourKernels Choose()
    {
        if (!KernelSets.TryChoose(Environment.GetEnvironmentVariable(KernelSets.EnvironmentVariable), out KernelSet set, out string error))
        {
            throw new PlatformNotSupportedException(error);
        }

        return chosen = ColourKernels.Of(set);
    }
}
