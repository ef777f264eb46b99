using System.Diagnostics;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>Makes events: what they are called, when they happened, who says them, and what they belong to.</summary>
/// <remarks>Thread-safe.</remarks>
/// <param name="source">Who says them; not to be changed.</param>
/// <param name="time">The clock.</param>
public sealed class EventStamp(EventSource source, TimeProvider time)
{
    private readonly byte[] _key = Encoding.ASCII.GetBytes(source.HostId);

    /// <summary>Who says them.</summary>
    public EventSource Source => source;

    /// <summary>The key of all of them.</summary>
    public ReadOnlySpan<byte> Key => _key;

    /// <summary>An event of this moment; what happened is still to be said.</summary>
    public Event New()
    {
        DateTimeOffset now = time.GetUtcNow();
        return new()
        {
            EventId = ByteString.CopyFrom(Guid.CreateVersion7(now).ToByteArray(bigEndian: true)),
            Time = Timestamp.FromDateTimeOffset(now),
            MonotonicNanoseconds = (ulong)(time.GetTimestamp() * (1e9 / time.TimestampFrequency)),
            Source = source,
            Traceparent = Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } trace } ? trace : "",
        };
    }
}
