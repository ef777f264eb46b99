using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Vitrine.Lab.Transport;

/// <summary>How often this process's servers refused or gave something up because of a limit: ours (<c>vitrine.*.limits</c>) and the web
/// server's (connections refused, and closed for a reason).</summary>
/// <remarks>Any thread. Costs nothing while no limit is reached.</remarks>
internal sealed class LimitCounts : IDisposable
{
    private const string Prefix = "vitrine.", Suffix = ".limits";

    private readonly ConcurrentDictionary<string, long> _counts = new();
    private readonly MeterListener _listener = new();

    public LimitCounts()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            bool isOurs = instrument.Name.StartsWith(Prefix, StringComparison.Ordinal) && instrument.Name.EndsWith(Suffix, StringComparison.Ordinal);
            if (isOurs || instrument.Name is "kestrel.rejected_connections" or "kestrel.connection.duration")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(
            instrument.Name.StartsWith(Prefix, StringComparison.Ordinal) ? instrument.Name[Prefix.Length..^Suffix.Length] : instrument.Name, "limit", value, tags));
        _listener.SetMeasurementEventCallback<double>((_, _, tags, _) => Note("kestrel.closed", "error.type", 1, tags));
        _listener.Start();
    }

    /// <summary>A copy.</summary>
    public Dictionary<string, long> Read() => new(_counts);

    public void Dispose() => _listener.Dispose();

    private void Note(string what, string tag, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string? why = null;
        foreach (KeyValuePair<string, object?> each in tags)
        {
            why = each.Key == tag ? each.Value?.ToString() : why;
        }

        if (why is not null || tag != "error.type")
        {
            _counts.AddOrUpdate(why is null ? what : $"{what}.{why}", value, (_, sum) => sum + value);
        }
    }
}
