using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Conversions of libyuv, which the laboratory compares ours with. «ARGB» there is B, G, R, A in memory. All answer 0,
/// or -1 for what they take as an invalid argument.</summary>
internal static unsafe partial class LibYuv
{
    /// <summary>Debian: <c>libyuv0</c>.</summary>
    public const string Library = "libyuv.so.0";

    /// <summary>Package that brings <see cref="Library"/>.</summary>
    public const string Package = "libyuv0";

    /// <summary>BT.601, limited range.</summary>
    [LibraryImport(Library)]
    public static partial int ARGBToI420(
        byte* argb, int argbStride, byte* y, int yStride, byte* u, int uStride, byte* v, int vStride, int width, int height);

    /// <summary>BT.601, full range.</summary>
    [LibraryImport(Library)]
    public static partial int ARGBToJ420(
        byte* argb, int argbStride, byte* y, int yStride, byte* u, int uStride, byte* v, int vStride, int width, int height);

    /// <summary>BT.601, limited range.</summary>
    [LibraryImport(Library)]
    public static partial int ARGBToI444(
        byte* argb, int argbStride, byte* y, int yStride, byte* u, int uStride, byte* v, int vStride, int width, int height);

    /// <summary>BT.601, limited range.</summary>
    [LibraryImport(Library)]
    public static partial int ARGBToNV12(byte* argb, int argbStride, byte* y, int yStride, byte* uv, int uvStride, int width, int height);

    /// <summary>With constants from <see cref="Constants"/>.</summary>
    [LibraryImport(Library)]
    public static partial int I420ToARGBMatrix(
        byte* y, int yStride, byte* u, int uStride, byte* v, int vStride, byte* argb, int argbStride, nint constants, int width, int height);

    /// <summary>With constants from <see cref="Constants"/>.</summary>
    [LibraryImport(Library)]
    public static partial int I444ToARGBMatrix(
        byte* y, int yStride, byte* u, int uStride, byte* v, int vStride, byte* argb, int argbStride, nint constants, int width, int height);

    /// <summary>With constants from <see cref="Constants"/>.</summary>
    [LibraryImport(Library)]
    public static partial int NV12ToARGBMatrix(
        byte* y, int yStride, byte* uv, int uvStride, byte* argb, int argbStride, nint constants, int width, int height);

    /// <summary>Opens the library; it stays loaded.</summary>
    /// <returns>0 when it is missing.</returns>
    public static nint TryLoad() => NativeLibrary.TryLoad(Library, out nint handle) ? handle : 0;

    /// <summary>Coefficients that the library exports: <c>kYuvI601Constants</c> (limited), <c>kYuvJPEGConstants</c> (BT.601 full),
    /// <c>kYuvH709Constants</c> (limited), <c>kYuvF709Constants</c> (full).</summary>
    /// <exception cref="EntryPointNotFoundException">This version has no such constants.</exception>
    public static nint Constants(nint library, string name) => NativeLibrary.GetExport(library, name);
}
