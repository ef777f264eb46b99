using System.Runtime.InteropServices;
using Vitrine.Frames;

namespace Vitrine.Lab.Peers;

/// <summary>A plain copy of as many bytes as a frame has: the floor under every capture. <see cref="NativeMemory.Copy"/> is the
/// C library's <c>memmove</c>.</summary>
internal sealed unsafe class MemoryCopyPeer : IDisposable
{
    private readonly nuint _sizeBytes;
    private void* _source;
    private void* _destination;

    public MemoryCopyPeer(long sizeBytes)
    {
        _sizeBytes = (nuint)sizeBytes;
        _source = NativeMemory.AlignedAlloc(_sizeBytes, 4096);
        _destination = NativeMemory.AlignedAlloc(_sizeBytes, 4096);
        NativeMemory.Fill(_source, _sizeBytes, 1); // touched pages only: page faults are not copying
        NativeMemory.Fill(_destination, _sizeBytes, 2);
    }

    public void RunRound(RoundSeries series, int count, TimeProvider time)
    {
        for (int i = 0; i < count; i++)
        {
            long start = time.GetMonotonicNanoseconds();
            NativeMemory.Copy(_source, _destination, _sizeBytes); // SAFETY: both blocks have this size and live until Dispose.
            series.Record(time.GetMonotonicNanoseconds() - start);
        }

        series.EndRound();
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_source);
        NativeMemory.AlignedFree(_destination);
        _source = _destination = null;
    }
}
