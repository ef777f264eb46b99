using System.Diagnostics.Metrics;

namespace Vitrine.Transports.Tests;

/// <summary>How often limits were reached, by this process, since it was made.</summary>
internal sealed class LimitCounter : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Dictionary<string, long> _counts = [];

    /// <param name="name">Of the instrument.</param>
    /// <param name="tag">That tells the limit; null: the first one.</param>
    public LimitCounter(string name, string? tag = null)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == name)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, _) => Count(tags, value));
        _listener.SetMeasurementEventCallback<double>((_, _, tags, _) => Count(tags, 1)); // a histogram
        _listener.Start();

        void Count(ReadOnlySpan<KeyValuePair<string, object?>> tags, long value)
        {
            foreach ((string key, object? limit) in tags)
            {
                if (key == (tag ?? key))
                {
                    lock (_counts)
                    {
                        _counts[$"{limit}"] = _counts.GetValueOrDefault($"{limit}") + value;
                    }

                    return;
                }
            }
        }
    }

    public long this[string limit]
    {
        get
        {
            lock (_counts)
            {
                return _counts.GetValueOrDefault(limit);
            }
        }
    }

    public long Total
    {
        get
        {
            lock (_counts)
            {
                return _counts.Values.Sum();
            }
        }
    }

    public override string ToString()
    {
        lock (_counts)
        {
            return string.Join(", ", _counts);
        }
    }

    public void Dispose() => _listener.Dispose();
}
