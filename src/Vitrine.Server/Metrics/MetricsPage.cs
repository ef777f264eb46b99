using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Vitrine.Server.Metrics;

/// <summary>The meter's instruments as a page in Prometheus' text format, version 0.0.4.</summary>
/// <remarks>Thread-safe. Recording takes no lock and allocates nothing once a tag's value has been seen. At most
/// <see cref="SeriesMax"/> values of a tag are kept apart; further ones count into the first series.</remarks>
internal sealed class MetricsPage : IDisposable
{
    private const int SeriesMax = 32;

    private readonly MeterListener _listener = new();
    private readonly Lock _lock = new();
    private readonly List<Family> _families = [];

    public MetricsPage()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == ShareMeter.Name)
            {
                Family family = new(instrument);
                lock (_lock)
                {
                    _families.Add(family);
                }

                listener.EnableMeasurementEvents(instrument, family);
            }
        };
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((Family)state!).Note(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((Family)state!).Find(tags).Record(value));
        _listener.Start();
    }

    /// <summary>Media type of <see cref="Write"/>'s text.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public string Write()
    {
        _listener.RecordObservableInstruments();
        StringBuilder page = new(8192);
        lock (_lock)
        {
            foreach (Family family in _families)
            {
                family.Write(page);
            }
        }

        WriteProcess(page, "process_cpu_seconds_total", "counter", "Processor time of the host process.", Environment.CpuUsage.TotalTime.TotalSeconds);
        WriteProcess(page, "process_resident_memory_bytes", "gauge", "Resident memory of the host process.", Environment.WorkingSet);
        WriteProcess(page, "dotnet_gc_collections_total", "counter", "Garbage collections of all generations.", GC.CollectionCount(0));
        WriteProcess(page, "dotnet_gc_pause_seconds_total", "counter", "Time the program stood still for garbage collection.", GC.GetTotalPauseDuration().TotalSeconds);
        WriteProcess(page, "dotnet_allocated_bytes_total", "counter", "Managed memory allocated.", GC.GetTotalAllocatedBytes());
        return page.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private static void WriteProcess(StringBuilder page, string name, string type, string help, double value) =>
        page.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n{name} {value}\n");

    private sealed class Family
    {
        private readonly string _name;
        private readonly string _type;
        private readonly string _help;
        private readonly bool _isHistogram;
        private readonly bool _isObservable;
        private readonly Lock _lock = new();
        private volatile Series[] _series = [];

        public Family(Instrument instrument)
        {
            _isHistogram = instrument is Histogram<double>;
            _isObservable = instrument is ObservableCounter<long> or ObservableUpDownCounter<long>;
            bool isCounter = instrument is Counter<long> or ObservableCounter<long>;
            string unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
            _name = instrument.Name.Replace('.', '_') + unit + (isCounter ? "_total" : "");
            _type = _isHistogram ? "histogram" : isCounter ? "counter" : "gauge";
            _help = instrument.Description ?? "";
        }

        public void Note(long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            Series series = Find(tags);
            if (_isObservable)
            {
                series.Set(value);
            }
            else
            {
                series.Add(value);
            }
        }

        public Series Find(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string value = tags.Length == 0 ? "" : tags[0].Value as string ?? "";
            foreach (Series series in _series)
            {
                if (series.TagValue == value)
                {
                    return series;
                }
            }

            return FindOrAdd(tags.Length == 0 ? "" : tags[0].Key, value);
        }

        // Apart: a closure is made where its method begins, for every figure that is recorded.
        private Series FindOrAdd(string key, string value)
        {
            lock (_lock)
            {
                if (_series.FirstOrDefault(series => series.TagValue == value) is { } found)
                {
                    return found;
                }

                if (_series.Length == SeriesMax)
                {
                    return _series[0];
                }

                Series added = new(key, value);
                _series = [.. _series, added];
                return added;
            }
        }

        public void Write(StringBuilder page)
        {
            page.Append(CultureInfo.InvariantCulture, $"# HELP {_name} {_help}\n# TYPE {_name} {_type}\n");
            if (_series.Length == 0 && !_isHistogram)
            {
                page.Append(CultureInfo.InvariantCulture, $"{_name} 0\n"); // so that a rate has a beginning
            }

            foreach (Series series in _series)
            {
                if (_isHistogram)
                {
                    series.WriteHistogram(page, _name);
                }
                else
                {
                    series.WriteValue(page, _name);
                }
            }
        }
    }

    private sealed class Series(string tagKey, string tagValue)
    {
        private readonly long[] _buckets = new long[ShareMeter.LatencyBoundariesSeconds.Length + 1];
        private long _value;
        private long _sumNs;

        public string TagValue => tagValue;

        public void Add(long value) => Interlocked.Add(ref _value, value);

        public void Set(long value) => Interlocked.Exchange(ref _value, value);

        public void Record(double seconds)
        {
            ReadOnlySpan<double> boundaries = ShareMeter.LatencyBoundariesSeconds;
            int bucket = 0;
            while (bucket < boundaries.Length && seconds > boundaries[bucket])
            {
                bucket++;
            }

            Interlocked.Increment(ref _buckets[bucket]);
            Interlocked.Add(ref _sumNs, (long)(seconds * 1e9));
        }

        public void WriteValue(StringBuilder page, string name)
        {
            page.Append(name);
            if (tagKey.Length > 0)
            {
                page.Append(CultureInfo.InvariantCulture, $"{{{tagKey}=\"{Escape(tagValue)}\"}}");
            }

            page.Append(CultureInfo.InvariantCulture, $" {Interlocked.Read(ref _value)}\n");
        }

        public void WriteHistogram(StringBuilder page, string name)
        {
            string tag = tagKey.Length > 0 ? $"{tagKey}=\"{Escape(tagValue)}\"" : "";
            string before = tag.Length > 0 ? tag + "," : "", only = tag.Length > 0 ? $"{{{tag}}}" : "";
            ReadOnlySpan<double> boundaries = ShareMeter.LatencyBoundariesSeconds;
            long count = 0;
            for (int i = 0; i < _buckets.Length; i++)
            {
                count += Interlocked.Read(ref _buckets[i]);
                string bound = i < boundaries.Length ? boundaries[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
                page.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{before}le=\"{bound}\"}} {count}\n");
            }

            page.Append(CultureInfo.InvariantCulture, $"{name}_sum{only} {Interlocked.Read(ref _sumNs) * 1e-9}\n{name}_count{only} {count}\n");
        }

        private static string Escape(string value) =>
            value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
    }
}
