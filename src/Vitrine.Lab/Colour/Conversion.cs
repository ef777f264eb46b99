using Vitrine.Imaging;
using Vitrine.Imaging.Colour;
using Vitrine.Interop;

namespace Vitrine.Lab.Colour;

/// <summary>A conversion that both sides have.</summary>
/// <param name="Layout">Of the planes.</param>
/// <param name="ToPixels">From planes to pixels, or the other way.</param>
/// <param name="Matrix">Which.</param>
/// <param name="Range">Which.</param>
/// <param name="PeerFunction">libyuv's name for it.</param>
internal sealed record Conversion(YuvLayout Layout, bool ToPixels, ColourMatrix Matrix, ColourRange Range, string PeerFunction)
{
    /// <summary>libyuv makes YUV of pixels for BT.601 only; the other way it takes any coefficients.</summary>
    public static IReadOnlyList<Conversion> All { get; } =
    [
        new(YuvLayout.I420, false, ColourMatrix.Bt601, ColourRange.Limited, nameof(LibYuv.ARGBToI420)),
        new(YuvLayout.I420, false, ColourMatrix.Bt601, ColourRange.Full, nameof(LibYuv.ARGBToJ420)),
        new(YuvLayout.Nv12, false, ColourMatrix.Bt601, ColourRange.Limited, nameof(LibYuv.ARGBToNV12)),
        new(YuvLayout.I444, false, ColourMatrix.Bt601, ColourRange.Limited, nameof(LibYuv.ARGBToI444)),
        .. from layout in Enum.GetValues<YuvLayout>()
           from matrix in Enum.GetValues<ColourMatrix>()
           from range in Enum.GetValues<ColourRange>()
           select new Conversion(layout, true, matrix, range, $"{layout.ToString().ToUpperInvariant()}ToARGBMatrix"),
    ];

    /// <summary><c>bgra-i420.bt601.limited</c>.</summary>
    public string Name
    {
        get
        {
            string planes = NameOf(Layout), ends = ToPixels ? $"{planes}-bgra" : $"bgra-{planes}";
            return $"{ends}.{(Matrix == ColourMatrix.Bt601 ? "bt601" : "bt709")}.{(Range == ColourRange.Full ? "full" : "limited")}";
        }
    }

    /// <summary>One pass of ours.</summary>
    public void Run(ColourKernels kernels, PictureMemory memory)
    {
        if (ToPixels)
        {
            ColourConverter.ToBgra(kernels, memory.Picture(Layout), memory.Pixels, memory.PixelStrideBytes, Matrix, Range);
        }
        else
        {
            ColourConverter.FromBgra(kernels, memory.Pixels, memory.PixelStrideBytes, memory.Picture(Layout), Matrix, Range);
        }
    }

    /// <summary>What libyuv needs to know of the coefficients; 0 where its function has its own.</summary>
    /// <exception cref="EntryPointNotFoundException">This libyuv lacks them.</exception>
    public nint PeerConstants(nint library) => !ToPixels ? 0 : LibYuv.Constants(library, (Matrix, Range) switch
    {
        (ColourMatrix.Bt601, ColourRange.Limited) => "kYuvI601Constants",
        (ColourMatrix.Bt601, _) => "kYuvJPEGConstants",
        (_, ColourRange.Limited) => "kYuvH709Constants",
        _ => "kYuvF709Constants",
    });

    /// <summary>One pass of libyuv.</summary>
    public unsafe void RunPeer(nint constants, PictureMemory memory)
    {
        (int width, int height) = memory.Size;
        int pixelStride = memory.PixelStrideBytes, chromaStride = memory.ChromaStrideBytes(Layout);
        // SAFETY: strides and planes are those of the memory, which outlives the call.
        int answer = (Layout, ToPixels) switch
        {
            (YuvLayout.I420, false) when Range == ColourRange.Full => LibYuv.ARGBToJ420(
                memory.PixelMemory, pixelStride, memory.Y, width, memory.U, chromaStride, memory.V, chromaStride, width, height),
            (YuvLayout.I420, false) => LibYuv.ARGBToI420(
                memory.PixelMemory, pixelStride, memory.Y, width, memory.U, chromaStride, memory.V, chromaStride, width, height),
            (YuvLayout.Nv12, false) => LibYuv.ARGBToNV12(
                memory.PixelMemory, pixelStride, memory.Y, width, memory.U, chromaStride, width, height),
            (_, false) => LibYuv.ARGBToI444(
                memory.PixelMemory, pixelStride, memory.Y, width, memory.U, chromaStride, memory.V, chromaStride, width, height),
            (YuvLayout.I420, true) => LibYuv.I420ToARGBMatrix(
                memory.Y, width, memory.U, chromaStride, memory.V, chromaStride, memory.PixelMemory, pixelStride, constants, width, height),
            (YuvLayout.Nv12, true) => LibYuv.NV12ToARGBMatrix(
                memory.Y, width, memory.U, chromaStride, memory.PixelMemory, pixelStride, constants, width, height),
            (_, true) => LibYuv.I444ToARGBMatrix(
                memory.Y, width, memory.U, chromaStride, memory.V, chromaStride, memory.PixelMemory, pixelStride, constants, width, height),
        };
        if (answer != 0)
        {
            throw new LaboratoryException($"libyuv's {PeerFunction} answers {answer}.");
        }
    }

    private static string NameOf(YuvLayout layout) => layout switch { YuvLayout.I420 => "i420", YuvLayout.Nv12 => "nv12", _ => "i444" };
}
