using Vitrine.Interop;

namespace Vitrine.Codecs.Tiles;

/// <summary>LZ4 blocks (format: lz4_Block_format.md of the LZ4 project) by liblz4.</summary>
internal static unsafe class Lz4Block
{
    /// <summary>Compresses.</summary>
    /// <returns>Bytes written; 0 when they do not fit into <paramref name="destination"/>.</returns>
    public static int Compress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        fixed (byte* from = source, to = destination)
        {
            // SAFETY: both spans are pinned for the call; the library reads and writes no further than the lengths given.
            return LibLz4.LZ4_compress_fast(from, to, source.Length, destination.Length, acceleration: 1);
        }
    }

    /// <summary>Decompresses a block that may be hostile.</summary>
    /// <returns>Whether it filled <paramref name="destination"/> exactly.</returns>
    public static bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        fixed (byte* from = source, to = destination)
        {
            // SAFETY: both spans are pinned for the call; LZ4_decompress_safe stays within the lengths given, whatever the block says.
            return LibLz4.LZ4_decompress_safe(from, to, source.Length, destination.Length) == destination.Length;
        }
    }

    /// <summary>Loads the library.</summary>
    /// <exception cref="DllNotFoundException">It is missing; the message names the package.</exception>
    public static void EnsureAvailable()
    {
        try
        {
            _ = LibLz4.LZ4_versionNumber();
        }
        catch (DllNotFoundException exception)
        {
            throw new DllNotFoundException($"{LibLz4.Library} is missing: install the package {LibLz4.Package}.", exception);
        }
    }
}
