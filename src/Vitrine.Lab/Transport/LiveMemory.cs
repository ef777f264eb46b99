using Vitrine.Interop;
using Vitrine.Lab.Soak;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>What this process has in use.</summary>
/// <param name="ManagedBytes">Of the garbage collector's heap.</param>
/// <param name="NativeBytes">Of the C library's heap.</param>
/// <param name="Threads">Now.</param>
/// <param name="Descriptors">Open now, without the program's own files.</param>
internal readonly record struct LiveMemory(long ManagedBytes, long NativeBytes, int Threads, int Descriptors)
{
    /// <summary>Collects the heap and looks. Takes some milliseconds, during which no thread of ours runs.</summary>
    public static LiveMemory Collect()
    {
        // Twice: what finalisers let go of is gone after the second.
        for (int i = 0; i < 2; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        MallocInformation native = LibC.mallinfo2();
        _ = ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample sample); // it exists
        return new(GC.GetTotalMemory(forceFullCollection: false), (long)(native.UsedBytes + native.MappedBytes), sample.Threads, Holdings.CountDescriptors(Environment.ProcessId));
    }
}
