using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>The heap of the C library, where codecs have their pictures. Left alone, glibc keeps what a closed encoder frees: with the first
/// large block that is freed it takes even larger ones out of its heaps (<c>M_MMAP_THRESHOLD</c>, mallopt(3)), one of each thread, which
/// other blocks then keep from shrinking.</summary>
/// <remarks>Any thread. On other C libraries nothing happens.</remarks>
internal static unsafe partial class NativeHeap
{
    private const int MapThreshold = -3; // M_MMAP_THRESHOLD of <malloc.h>

    // A coded picture is smaller, and comes and goes with every frame; an encoder's pictures are larger.
    private const int MapThresholdBytes = 512 << 10;

    private static readonly delegate* unmanaged<nuint, int> s_trim = Find();

    /// <summary>From now on large blocks go back to the system when they are freed.</summary>
    /// <returns>Whether the C library can.</returns>
    public static bool GiveLargeBlocksBack() => s_trim is not null;

    /// <summary>Gives back what is free of the small ones. Takes milliseconds when there is much.</summary>
    public static void Trim()
    {
        if (s_trim is not null)
        {
            s_trim(0);
        }
    }

    private static delegate* unmanaged<nuint, int> Find()
    {
        if (!NativeLibrary.TryLoad(LibC.Library, typeof(NativeHeap).Assembly, null, out nint library)
            || !NativeLibrary.TryGetExport(library, "mallopt", out nint option) || !NativeLibrary.TryGetExport(library, "malloc_trim", out nint trim))
        {
            return null;
        }

        // SAFETY: int mallopt(int, int) and int malloc_trim(size_t), malloc.h of glibc.
        ((delegate* unmanaged<int, int, int>)option)(MapThreshold, MapThresholdBytes);
        return (delegate* unmanaged<nuint, int>)trim;
    }
}
