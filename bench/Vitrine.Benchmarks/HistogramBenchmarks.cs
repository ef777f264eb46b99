using BenchmarkDotNet.Attributes;
using Vitrine.Measurement;

namespace Vitrine.Benchmarks;

[MemoryDiagnoser]
public class HistogramBenchmarks
{
    private readonly LatencyHistogram _histogram = new();
    private long _value = 1;

    [GlobalSetup]
    public void Fill()
    {
        for (int i = 0; i < 10_000; i++)
        {
            _histogram.Record(i * 1_237L);
        }
    }

    [Benchmark]
    public void Record()
    {
        _value = (_value * 6_364_136_223_846_793_005L) + 1; // another bucket each time
        _histogram.Record((long)((ulong)_value >> 36));
    }

    [Benchmark]
    public long P99() => _histogram.P99Ns;
}
