using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Interop;

/// <summary>The C library's <c>epoll</c>: waiting on many descriptors, with timeouts in nanoseconds. Errors are in <c>errno</c>.</summary>
internal static unsafe partial class LibCEpoll
{
    internal const int CreateCloseOnExec = 0x80000; // EPOLL_CLOEXEC
    internal const int Add = 1; // EPOLL_CTL_ADD
    internal const int Delete = 2; // EPOLL_CTL_DEL
    internal const int Modify = 3; // EPOLL_CTL_MOD
    internal const uint In = 1; // EPOLLIN
    internal const uint Out = 4; // EPOLLOUT
    internal const int ErrorNoCall = 38; // ENOSYS: epoll_pwait2 is of Linux 5.11

    /// <summary><c>struct epoll_event</c> is packed on x86-64 only.</summary>
    internal static readonly int EventBytes = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    /// <summary>Where its data begin.</summary>
    internal static readonly int EventData = EventBytes - 8;

    [LibraryImport(LibC.Library)]
    internal static partial SafeFileHandle epoll_create1(int flags);

    /// <summary>0, or -1.</summary>
    [LibraryImport(LibC.Library)]
    internal static partial int epoll_ctl(SafeFileHandle epoll, int operation, int descriptor, byte* change);

    /// <summary>Events, 0 after the timeout, -1 with an error. No <paramref name="timeout"/>: for ever.</summary>
    [LibraryImport(LibC.Library)]
    internal static partial int epoll_pwait2(SafeFileHandle epoll, byte* events, int eventsMax, Timespec* timeout, void* signals);

    /// <summary>The same with milliseconds, -1 for ever.</summary>
    [LibraryImport(LibC.Library)]
    internal static partial int epoll_wait(SafeFileHandle epoll, byte* events, int eventsMax, int timeoutMilliseconds);
}

/// <summary><c>struct timespec</c> of 64-bit systems.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Timespec
{
    public long Seconds;
    public long Nanoseconds;
}
