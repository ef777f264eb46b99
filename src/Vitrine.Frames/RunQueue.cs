using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Frames;

/// <summary>How long a thread was ready to run and had no processor: what other programs take from it, without hardware counters
/// (<c>schedstat</c> of Linux).</summary>
/// <remarks>Made on the thread that it looks at; read on any. Allocates nothing after construction.</remarks>
public sealed class RunQueue : IDisposable
{
    private readonly SafeFileHandle _file;

    private RunQueue(SafeFileHandle file) => _file = file;

    /// <summary>Looks at the calling thread.</summary>
    /// <returns>Null where the kernel does not count it.</returns>
    public static RunQueue? TryOpenForThisThread()
    {
        try
        {
            return new(File.OpenHandle("/proc/thread-self/schedstat"));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Waited for a processor since the thread began, nanoseconds; 0 once it has ended.</summary>
    public long ReadWaitNs()
    {
        // «time on a processor, time waiting for one, turns»: three numbers of at most 20 digits.
        Span<byte> text = stackalloc byte[64];
        int length;
        try
        {
            length = RandomAccess.Read(_file, text, 0);
        }
        catch (IOException)
        {
            return 0; // ESRCH: the thread has ended
        }

        text = text[..length];
        int space = text.IndexOf((byte)' ');
        return space >= 0 && Utf8Parser.TryParse(text[(space + 1)..], out long waitNs, out _) ? waitNs : 0;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
