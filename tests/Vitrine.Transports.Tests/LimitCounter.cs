using System.Diagnostics.Metrics;

namespace Vitrine.Transports.Tests;

/// <summary>How often limits were reached, by this process, since it was made.</summary>
internal sealed class LimitCounter : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Dictionary<string, long> _counts = [];

    public LimitCounter(string name)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == name)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            lock (_counts)
            {
                string limit = (string)tags[0].Value!;
                _counts[limit] = _counts.GetValueOrDefault(limit) + value;
            }
        });
        _listener.Start();
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

    public void Dispose() => _listener.Dispose();
}
