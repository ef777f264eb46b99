using BenchmarkDotNet.Attributes;
using Vitrine.Measurement;

namespace Vitrine.Benchmarks;

/// <summary>The percentile recorder beside the same buckets under a lock. Times are those of one record, as each thread sees them;
/// all threads record into one histogram at once.</summary>
[MemoryDiagnoser]
public class HistogramBenchmarks
{
    private const int Records = 1_000_000;
    private const int Values = 4096; // another bucket nearly each time, and yet the values stay in the nearest cache

    private readonly LatencyHistogram _recorder = new();
    private readonly LockedHistogram _locked = new();
    private readonly long[] _values = new long[Values];
    private Barrier _barrier = null!;
    private Thread[] _others = [];
    private Action _work = static () => { };
    private volatile bool _isOver;

    [Params(1, 2)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Start()
    {
        // Log-normal around 1 ms, as latencies are.
        var random = new Random(1);
        for (int i = 0; i < Values; i++)
        {
            _values[i] = (long)(1e6 * Math.Exp(0.5 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())));
        }

        _barrier = new Barrier(Threads);
        _others = [.. Enumerable.Range(1, Threads - 1).Select(_ => new Thread(WorkWithTheFirst) { IsBackground = true })];
        Array.ForEach(_others, thread => thread.Start());
    }

    [GlobalCleanup]
    public void Stop()
    {
        _isOver = true;
        _barrier.SignalAndWait();
        Array.ForEach(_others, thread => thread.Join());
        _barrier.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Records)]
    public void Recorder() => OnAllThreads(RecordLockFree);

    [Benchmark(OperationsPerInvoke = Records, Baseline = true)]
    public void Locked() => OnAllThreads(RecordLocked);

    private void OnAllThreads(Action work)
    {
        _work = work;
        _barrier.SignalAndWait();
        work();
        _barrier.SignalAndWait();
    }

    private void WorkWithTheFirst()
    {
        while (true)
        {
            _barrier.SignalAndWait();
            if (_isOver)
            {
                return;
            }

            _work();
            _barrier.SignalAndWait();
        }
    }

    private void RecordLockFree()
    {
        LatencyHistogram histogram = _recorder;
        long[] values = _values;
        for (int i = 0; i < Records; i++)
        {
            histogram.Record(values[i & (Values - 1)]);
        }
    }

    private void RecordLocked()
    {
        LockedHistogram histogram = _locked;
        long[] values = _values;
        for (int i = 0; i < Records; i++)
        {
            histogram.Record(values[i & (Values - 1)]);
        }
    }

    /// <summary>The same buckets and the same exact sum and extremes, in the way that is simplest to write.</summary>
    private sealed class LockedHistogram
    {
        private readonly Lock _lock = new();
        private readonly long[] _counts = new long[LatencyHistogram.BucketCount];
        private long _sumNs, _maxNs, _minNs = long.MaxValue;

        public void Record(long valueNs)
        {
            valueNs = Math.Clamp(valueNs, 0, LatencyHistogram.ValueNsMax);
            int index = LatencyHistogram.IndexOf(valueNs);
            lock (_lock)
            {
                _counts[index]++;
                _sumNs += valueNs;
                _maxNs = Math.Max(_maxNs, valueNs);
                _minNs = Math.Min(_minNs, valueNs);
            }
        }
    }
}

/// <summary>What reading the recorder costs.</summary>
[MemoryDiagnoser]
public class HistogramReadBenchmarks
{
    private readonly LatencyHistogram _histogram = new();

    [GlobalSetup]
    public void Fill()
    {
        for (int i = 0; i < 10_000; i++)
        {
            _histogram.Record(i * 1_237L);
        }
    }

    [Benchmark]
    public long P99() => _histogram.P99Ns;

    [Benchmark]
    public byte[] Encode() => HdrHistogramEncoding.Encode(_histogram);
}
