using System.Diagnostics.Metrics;

namespace Vitrine.Server.Metrics;

/// <summary>Counts the connections that the web server itself turned away or closed before their time, for the reasons its own meter gives: too many
/// connections, heads too large or too late, too many resets, broken HTTP/2, TLS that failed.</summary>
/// <remarks>Any thread.</remarks>
internal sealed class WebServerCounts : IDisposable
{
    private const string Rejected = "kestrel.rejected_connections", Ended = "kestrel.connection.duration", ReasonTag = "error.type";

    private static readonly KeyValuePair<string, object?> s_tooMany = ShareMeter.Reason("too_many_connections");

    private readonly MeterListener _listener = new();

    /// <param name="meters">The web server's: others in this process have their own.</param>
    public WebServerCounts(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter.Scope, meters) && instrument.Name is Rejected or Ended)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>(static (_, value, _, _) => ShareMeter.WebConnectionsClosed.Add(value, s_tooMany));
        _listener.SetMeasurementEventCallback<double>(static (_, _, tags, _) =>
        {
            foreach (KeyValuePair<string, object?> tag in tags)
            {
                if (tag is { Key: ReasonTag, Value: string reason })
                {
                    ShareMeter.WebConnectionsClosed.Add(1, ShareMeter.Reason(reason));
                }
            }
        });
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();
}
