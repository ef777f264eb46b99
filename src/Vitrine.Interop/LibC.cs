using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Interop;

/// <summary>The C library: waiting on descriptors, and freeing what XCB allocates.</summary>
internal static partial class LibC
{
    internal const string Library = "libc";
    internal const short PollIn = 1;
    internal const int SocketLevel = 1;
    internal const int SocketDomain = 39;
    internal const int DomainUnix = 1;
    internal const int SignalTerminate = 15, SignalStop = 19;
    internal const int EventFdCloexec = 0x80000;
    internal const int EventFdNonBlocking = 0x800;

    /// <summary>fcntl: duplicate, the copy closes on exec.</summary>
    internal const int FDupFdCloexec = 1030;

    /// <summary>fcntl: how much a pipe holds, in bytes.</summary>
    internal const int FSetPipeSize = 1031;

    /// <summary>Number of descriptors that are ready, 0 after
    /// <paramref name="timeoutMilliseconds"/> (-1: never), -1 when a signal came.</summary>
    [LibraryImport(Library)]
    internal static partial int poll(Span<PollDescriptor> descriptors, nuint count, int timeoutMilliseconds);

    /// <summary>0 when the bytes of a file, and what is needed to find them, are on the disk; -1 with an error.</summary>
    [LibraryImport(Library)]
    internal static partial int fdatasync(SafeFileHandle file);

    /// <summary>Gives a file another name, in one step: 0, or -1 with an error, such as that the name is taken.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int link(string from, string to);

    [LibraryImport(Library)]
    internal static partial SafeFileHandle eventfd(uint initialValue, int flags);

    /// <summary>8 bytes: the counter, which becomes 0; -1 when it was 0 and the descriptor does not block.</summary>
    [LibraryImport(Library)]
    internal static partial nint read(SafeFileHandle descriptor, out ulong value, nuint count);

    /// <summary>8 bytes: added to the counter.</summary>
    [LibraryImport(Library)]
    internal static partial nint write(SafeFileHandle descriptor, in ulong value, nuint count);

    [LibraryImport(Library)]
    internal static partial int fcntl(SafeFileHandle descriptor, int command, int argument);

    /// <summary>0 when <paramref name="value"/> was set.</summary>
    [LibraryImport(Library)]
    internal static partial int getsockopt(int descriptor, int level, int option, out int value, ref uint length);

    /// <summary>open: closes on exec.</summary>
    internal const int OpenCloexec = 0x80000;

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial SafeFileHandle open(string path, int flags);

    internal const int ProtectionReadWrite = 1 | 2;
    internal const int MapPrivateAnonymous = 0x02 | 0x20;
    internal const int AdviseHugePages = 14;
    internal const int AdviseNoHugePages = 15;

    /// <summary>-1 when there is no memory.</summary>
    [LibraryImport(Library)]
    internal static partial nint mmap(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport(Library)]
    internal static partial int munmap(nint address, nuint length);

    /// <summary>0 when the kernel knows the advice.</summary>
    [LibraryImport(Library)]
    internal static partial int madvise(nint address, nuint length, int advice);

    [LibraryImport(Library)]
    internal static partial uint geteuid();

    [LibraryImport(Library)]
    internal static partial int kill(int processId, int signal);

    [LibraryImport(Library)]
    internal static unsafe partial void free(void* memory);

    /// <summary>What this process holds of the C library's heap, all threads together. glibc 2.33.</summary>
    [LibraryImport(Library)]
    internal static partial MallocInformation mallinfo2();
}

/// <summary><c>struct mallinfo2</c>: ten numbers.</summary>
[StructLayout(LayoutKind.Explicit, Size = 80)]
internal struct MallocInformation
{
    /// <summary>In blocks that were mapped one by one.</summary>
    [FieldOffset(32)]
    public nuint MappedBytes;

    /// <summary>In use of all other memory.</summary>
    [FieldOffset(56)]
    public nuint UsedBytes;
}

[StructLayout(LayoutKind.Sequential)]
internal struct PollDescriptor
{
    public int Descriptor;
    public short Events;
    public short ReturnedEvents;
}
