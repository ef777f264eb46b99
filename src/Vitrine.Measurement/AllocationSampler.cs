using System.Diagnostics.Tracing;
using System.Globalization;

namespace Vitrine.Measurement;

/// <summary>How many objects this process allocates, and of which types, by the runtime's own random sampling: an object of n bytes is seen with the
/// chance 1 - e^(-n / 102,400), and counts as that many times as much. While it lives, an event comes for every 100 KB allocated.</summary>
/// <remarks>Any thread. Events arrive some tenths of a second late.</remarks>
public sealed class AllocationSampler : EventListener
{
    private const long AllocationSamplingKeyword = 0x80000000000;
    private const double MeanBytes = 102_400;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (double Count, double Bytes)> _types = new(StringComparer.Ordinal);
    private DateTime _first;
    private DateTime _last;

    /// <summary>Objects that were seen.</summary>
    public int Events { get; private set; }

    /// <summary>Estimate of all objects, of which <see cref="Events"/> were seen.</summary>
    public double Count
    {
        get
        {
            lock (_lock)
            {
                return _types.Values.Sum(type => type.Count);
            }
        }
    }

    /// <summary>The same by the second, between the first and the last that was seen; 0 when there are fewer than two.</summary>
    public double CountPerSecond
    {
        get
        {
            lock (_lock)
            {
                return _last > _first ? _types.Values.Sum(type => type.Count) / (_last - _first).TotalSeconds : 0;
            }
        }
    }

    /// <summary>The twenty types of most objects: estimate of their number, and mean size in bytes.</summary>
    public IReadOnlyList<(string Type, double Count, double Size)> ByType
    {
        get
        {
            lock (_lock)
            {
                return [.. _types.Select(type => (type.Key, type.Value.Count, type.Value.Bytes / type.Value.Count)).OrderByDescending(type => type.Count).Take(20)];
            }
        }
    }

    /// <summary>Counts from now.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _types.Clear();
            Events = 0;
        }
    }

    /// <inheritdoc/>
    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        ArgumentNullException.ThrowIfNull(eventSource);
        if (eventSource.Name == "Microsoft-Windows-DotNETRuntime")
        {
            EnableEvents(eventSource, EventLevel.Informational, (EventKeywords)AllocationSamplingKeyword);
        }
    }

    /// <inheritdoc/>
    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        ArgumentNullException.ThrowIfNull(eventData);
        if (eventData.EventName?.StartsWith("AllocationSampled", StringComparison.Ordinal) != true)
        {
            return;
        }

        int typeAt = eventData.PayloadNames!.IndexOf("TypeName"), sizeAt = eventData.PayloadNames.IndexOf("ObjectSize");
        double size = Convert.ToDouble(eventData.Payload![sizeAt], CultureInfo.InvariantCulture);
        double count = 1 / (1 - Math.Exp(-size / MeanBytes));
        lock (_lock)
        {
            _first = Events == 0 ? eventData.TimeStamp : _first;
            _last = eventData.TimeStamp;
            Events++;
            string type = (string)eventData.Payload[typeAt]!;
            (double Count, double Bytes) sum = _types.GetValueOrDefault(type);
            _types[type] = (sum.Count + count, sum.Bytes + (count * size));
        }
    }
}
