using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Block functions of liblz4 1.x (<c>lz4.h</c>). They keep no state, call nothing back and never write beyond the
/// capacity they are told.</summary>
internal static unsafe partial class LibLz4
{
    /// <summary>Debian: <c>liblz4-1</c>.</summary>
    public const string Library = "liblz4.so.1";

    /// <summary>Package that brings <see cref="Library"/>.</summary>
    public const string Package = "liblz4-1";

    /// <summary>Major * 10000 + minor * 100 + release.</summary>
    [LibraryImport(Library)]
    public static partial int LZ4_versionNumber();

    /// <summary>Compresses one block.</summary>
    /// <returns>Bytes written; 0 when the result does not fit into <paramref name="destinationCapacity"/>.</returns>
    [LibraryImport(Library)]
    public static partial int LZ4_compress_fast(byte* source, byte* destination, int sourceBytes, int destinationCapacity, int acceleration);

    /// <summary>Decompresses one block; safe for hostile input.</summary>
    /// <returns>Bytes written; negative when the block is malformed or does not fit.</returns>
    [LibraryImport(Library)]
    public static partial int LZ4_decompress_safe(byte* source, byte* destination, int sourceBytes, int destinationCapacity);
}
