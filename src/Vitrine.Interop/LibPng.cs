using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>The simplified API of libpng 1.6 (<c>png.h</c>, section 5): it keeps libpng's <c>longjmp</c> inside the
/// library, so that no managed frame is ever jumped over. Functions return 0 on error and leave the text in the image.</summary>
internal static unsafe partial class LibPng
{
    /// <summary>Debian: <c>libpng16-16</c> or <c>libpng16-16t64</c>.</summary>
    public const string Library = "libpng16.so.16";

    /// <summary>Package that brings <see cref="Library"/>.</summary>
    public const string Package = "libpng16-16";

    /// <summary>Compared by the library: another layout of <see cref="png_image"/> is refused by an error, not misread.</summary>
    public const uint PNG_IMAGE_VERSION = 1;

    /// <summary>Three bytes B, G, R: PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_BGR.</summary>
    public const uint PNG_FORMAT_BGR = 0x12;

    /// <summary>Four bytes B, G, R, A, not premultiplied.</summary>
    public const uint PNG_FORMAT_BGRA = 0x13;

    /// <summary>Level 3 and no row filters.</summary>
    public const uint PNG_IMAGE_FLAG_FAST = 0x02;

    /// <summary>Compresses into <paramref name="memory"/>; <paramref name="memoryBytes"/> is its size before and the file's after.</summary>
    [LibraryImport(Library)]
    public static partial int png_image_write_to_memory(
        png_image* image, void* memory, nuint* memoryBytes, int convertTo8Bit, void* buffer, int rowStride, void* colormap);

    /// <summary>Reads the header; <paramref name="memory"/> must live until finish_read or free.</summary>
    [LibraryImport(Library)]
    public static partial int png_image_begin_read_from_memory(png_image* image, void* memory, nuint size);

    /// <summary>Decodes into <paramref name="buffer"/> and frees the opaque part, whatever the result.</summary>
    [LibraryImport(Library)]
    public static partial int png_image_finish_read(png_image* image, void* background, void* buffer, int rowStride, void* colormap);

    /// <summary>Frees the opaque part; harmless when there is none.</summary>
    [LibraryImport(Library)]
    public static partial void png_image_free(png_image* image);

    /// <summary>104 bytes on 64-bit machines. Owned by the caller, usually on the stack; only <see cref="opaque"/> needs freeing.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct png_image
    {
        public nint opaque; // 0
        public uint version; // 8
        public uint width; // 12
        public uint height; // 16
        public uint format; // 20
        public uint flags; // 24
        public uint colormap_entries; // 28
        public uint warning_or_error; // 32
        public fixed byte message[64]; // 36
    }
}
