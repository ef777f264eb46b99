using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>Events as they stand in a log, the same wherever they are shown: <c>vitrine events tail</c>, the JSON interface, the page.</summary>
public static class KeptEvents
{
    // As the JSON interface writes messages.
    private static readonly JsonFormatter s_json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    private static readonly OneofDescriptor s_what = Event.Descriptor.Oneofs.Single(oneof => oneof.Name == "what");

    /// <summary>Reads one. What cannot be read is told with the reason, and its bytes.</summary>
    /// <param name="format">Reads the event.</param>
    /// <param name="record">As it stands in the log.</param>
    /// <param name="cancellationToken">Ends the wait for the store of schemas.</param>
    /// <exception cref="SchemaStoreException">The store could not be asked: it may be read later.</exception>
    public static async ValueTask<KeptEvent> ReadAsync(EventFormat<Event> format, EventRecord record, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(format);
        KeptEvent kept = new() { Position = record.Position.ToString(), Taken = Timestamp.FromDateTimeOffset(record.Time), Topic = record.Topic };
        try
        {
            Event happened = await format.ReadAsync(record, cancellationToken);
            CheckTimes(happened);
            (kept.Event, kept.Text) = (happened, EventText.Describe(happened));
        }
        catch (EventFormatException unreadable)
        {
            (kept.Fault, kept.Value) = (unreadable.Message, ByteString.CopyFrom(record.Value.Span));
            kept.Text = $"cannot be read: {unreadable.Message}";
        }

        return kept;
    }

    /// <summary>One as JSON, on one line.</summary>
    public static string ToJson(KeptEvent kept) => s_json.Format(kept);

    /// <summary>Which host it is about: minutes and alerts are told by who watches, and say it. Null: that is not known.</summary>
    public static EventSource? HostOf(Event? happened) =>
        happened?.MinuteSummary?.Host ?? happened?.AlertRaised?.Alert?.Host ?? happened?.AlertCleared?.Alert?.Host ?? happened?.Source;

    /// <summary>What it says, as it is called in JSON: <c>viewerJoined</c>; empty when that is not known.</summary>
    public static string KindOf(Event? happened) => happened is null ? "" : s_what.Accessor.GetCaseFieldDescriptor(happened)?.JsonName ?? "";

    // Others may write to a log too. Such a time has no text, neither for people nor as JSON.
    private static void CheckTimes(Event happened)
    {
        foreach (Timestamp? time in (Timestamp?[])[happened.Time, happened.EventsLost?.Since, happened.MinuteSummary?.Minute, happened.DeadLetter?.Taken])
        {
            if (time is not null && (time.Seconds < DateTimeOffset.MinValue.ToUnixTimeSeconds() || time.Seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds() || time.Nanos is < 0 or > 999_999_999))
            {
                throw new EventFormatException(EventFormatFailure.Serialisation, "It names a time that there is not.");
            }
        }
    }
}
