using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vitrine.Interop;

namespace Vitrine.Events.Embedded;

/// <summary>Names in a folder that outlive a power cut.</summary>
internal static class DurableFolder
{
    /// <summary>Ends when the names that files were given are on the disk (fsync(2): that of a file does not do it for its name). Elsewhere
    /// than on Linux nothing is to be done, or nothing can be.</summary>
    /// <exception cref="IOException">It failed.</exception>
    public static void Flush(string folder)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using SafeFileHandle handle = LibC.open(folder, LibC.OpenCloexec);
        if (handle.IsInvalid)
        {
            throw new IOException($"{folder}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastSystemError())}");
        }

        RandomAccess.FlushToDisk(handle);
    }
}
