using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Frames;

/// <summary>Zeroed native memory behind a file descriptor (<c>memfd_create(2)</c> + <c>mmap(2)</c>): an X server or another
/// process can map the same pages, and the kernel frees them when the last holder dies, kill -9 included.</summary>
/// <remarks>Owned by one holder; thread-safe to read its properties. Linux only.</remarks>
public sealed partial class MappedMemory : MemoryManager<byte>
{
    private const int ProtReadWrite = 1 | 2;
    private const int MapShared = 1;
    private const uint MfdCloexec = 1;
    private nint _address;

    /// <summary>Maps <paramref name="sizeBytes"/> zeroed bytes.</summary>
    /// <param name="name">Shown in <c>/proc/PID/maps</c> as <c>/memfd:NAME</c>.</param>
    /// <param name="sizeBytes">1 to 2^31-1.</param>
    /// <exception cref="InsufficientMemoryException">The kernel refused, or the process may open no more files.</exception>
    public MappedMemory(string name, int sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sizeBytes, 1);
        int descriptor = memfd_create(name, MfdCloexec);
        if (descriptor < 0)
        {
            throw new InsufficientMemoryException($"memfd_create failed for {name}: the limit of open files or of memory is reached.");
        }

        Handle = new SafeFileHandle(descriptor, ownsHandle: true);
        nint address = ftruncate(descriptor, sizeBytes) == 0 ? mmap(0, (nuint)sizeBytes, ProtReadWrite, MapShared, descriptor, 0) : -1;
        if (address == -1)
        {
            Handle.Dispose();
            throw new InsufficientMemoryException($"No memory for {name}: {sizeBytes} bytes could not be mapped.");
        }

        _address = address;
        SizeBytes = sizeBytes;
    }

    /// <summary>The descriptor. Borrowed: whoever passes it on duplicates it.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Bytes mapped.</summary>
    public int SizeBytes { get; }

    /// <summary>Start of the mapping; 0 after disposal.</summary>
    public nint Address => _address;

    /// <inheritdoc/>
    public override unsafe Span<byte> GetSpan()
    {
        // SAFETY: the mapping is SizeBytes long and lives until Dispose; the owner disposes it after the last lease is back.
        ObjectDisposedException.ThrowIf(_address == 0, this);
        return new Span<byte>((void*)_address, SizeBytes);
    }

    /// <inheritdoc/>
    public override unsafe MemoryHandle Pin(int elementIndex = 0)
    {
        ObjectDisposedException.ThrowIf(_address == 0, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)SizeBytes, nameof(elementIndex));
        return new MemoryHandle((byte*)_address + elementIndex); // SAFETY: mapped memory never moves.
    }

    /// <inheritdoc/>
    public override void Unpin()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        nint address = Interlocked.Exchange(ref _address, 0);
        if (address != 0)
        {
            _ = munmap(address, (nuint)SizeBytes); // fails only for arguments that mmap did not return
        }

        if (disposing)
        {
            Handle.Dispose();
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc")]
    private static partial int ftruncate(int descriptor, long length);

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nuint length);
}
