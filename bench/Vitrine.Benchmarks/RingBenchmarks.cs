using BenchmarkDotNet.Attributes;
using Vitrine.Frames;

namespace Vitrine.Benchmarks;

[MemoryDiagnoser]
public class RingBenchmarks
{
    private readonly SpscRing<object> _ring = new(64);
    private readonly object _item = new();

    [Benchmark]
    public object? EnqueueDequeue()
    {
        _ring.TryEnqueue(_item);
        _ring.TryDequeue(out object? item);
        return item;
    }
}
