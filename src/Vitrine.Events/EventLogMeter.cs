using System.Diagnostics.Metrics;

namespace Vitrine.Events;

/// <summary>What logs of this process did.</summary>
internal static class EventLogMeter
{
    private static readonly Meter s_meter = new("vitrine", typeof(EventLogMeter).Assembly.GetName().Version?.ToString(3));
    private static readonly Counter<long> s_appended = s_meter.CreateCounter<long>("vitrine.events.appended", "{batch}", "Batches that are durable.");
    private static readonly Counter<long> s_bytes = s_meter.CreateCounter<long>("vitrine.events.appended_bytes", "By", "Bytes of batches that are durable.");
    private static readonly Counter<long> s_refused = s_meter.CreateCounter<long>("vitrine.events.refused", "{batch}", "Batches that are not kept; see the failure.");

    /// <summary>Times that files which are too old could not be removed.</summary>
    public static Counter<long> NotRemoved { get; } = s_meter.CreateCounter<long>("vitrine.events.not_removed", "{attempt}", "Attempts to remove old files that failed.");

    /// <summary>Commits on time that failed.</summary>
    public static Counter<long> NotCommitted { get; } = s_meter.CreateCounter<long>("vitrine.events.not_committed", "{commit}", "Times that a group's progress was due to be committed, and was not.");

    /// <summary>Batches were written together, or not.</summary>
    public static void Ended(int batches, int bytes, EventLogException? failure)
    {
        if (failure is null)
        {
            s_appended.Add(batches);
            s_bytes.Add(bytes);
        }
        else
        {
            s_refused.Add(batches, new KeyValuePair<string, object?>("failure", NameOf(failure.Failure)));
        }
    }

    /// <summary>A class of failures, as metrics name it.</summary>
    public static string NameOf(EventLogFailure failure) => failure switch
    {
        EventLogFailure.DiskFull => "disk-full",
        EventLogFailure.InUse => "in-use",
        EventLogFailure.NotALog => "not-a-log",
        EventLogFailure.BadEvent => "bad-event",
        _ => failure.ToString().ToLowerInvariant(),
    };
}
