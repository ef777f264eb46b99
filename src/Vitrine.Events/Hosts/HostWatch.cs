using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Events.Processing;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>Makes minutes of statistics, and alerts of what is not as it should be.</summary>
/// <param name="stamp">Makes the events.</param>
/// <param name="limits">What should be.</param>
public sealed class HostWatch(EventStamp stamp, HostWatchLimits limits) : EventWorker<Event, Event>
{
    // A minute is over some time after its end: statistics may be under way.
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1), s_late = TimeSpan.FromSeconds(15);

    private readonly Dictionary<string, WatchedHost> _hosts = [];

    /// <inheritdoc/>
    public override void Restore(ReadOnlySpan<byte> state)
    {
        foreach (WatchedHost host in WatchState.Parser.ParseFrom(state).Hosts)
        {
            _hosts[host.Source.HostId] = host;
        }
    }

    /// <inheritdoc/>
    public override byte[] Save() => new WatchState { Hosts = { _hosts.Values } }.ToByteArray();

    /// <inheritdoc/>
    public override void Work(Event input, in EventRecord record, IEventOutputs<Event> outputs)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(outputs);
        if (input.Source is not { HostId.Length: > 0 and <= 64 } source || input.Time is null)
        {
            throw new EventProcessingException("It does not say which host it is of, or when it happened.");
        }

        if (!_hosts.TryGetValue(source.HostId, out WatchedHost? host))
        {
            _hosts[source.HostId] = host = new();
        }

        if (host.Source?.SessionId != source.SessionId)
        {
            EndSession(host, outputs);
            host.Source = source.Clone();
        }

        host.Heard = Timestamp.FromDateTimeOffset(record.Time);
        Clear(host, Alert.Types.Kind.HostLost, 0, record.Time, outputs);
        switch (input.WhatCase)
        {
            case Event.WhatOneofCase.HostStopped:
                EndSession(host, outputs);
                _hosts.Remove(source.HostId); // nothing is left to say of it
                break;
            case Event.WhatOneofCase.ViewerLeft:
                ForgetViewer(host, input.ViewerLeft.ViewerId, record.Time, outputs);
                break;
            case Event.WhatOneofCase.EventsLost:
                Raise(
                    host, Alert.Types.Kind.EventsLost, 0, record.Time, input.EventsLost.Count, 0,
                    $"{input.EventsLost.Count.ToString(CultureInfo.InvariantCulture)} events could not be kept: {input.EventsLost.Reason}", outputs);
                break;
            case Event.WhatOneofCase.SharingStatistics:
                AddStatistics(host, input, record.Time, outputs);
                break;
        }
    }

    /// <inheritdoc/>
    public override void PassTime(DateTimeOffset now, IEventOutputs<Event> outputs)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        List<string> forgotten = [];
        foreach (WatchedHost host in _hosts.Values)
        {
            TimeSpan silent = now - host.Heard.ToDateTimeOffset();
            if (host.Summary is { Minute: { } minute } && silent > s_late && now - minute.ToDateTimeOffset() > s_minute + s_late)
            {
                EndMinute(host, outputs);
            }

            if (silent > limits.LostMax)
            {
                EndSession(host, outputs);
                forgotten.Add(host.Source.HostId);
            }
            else if (silent > limits.SilenceMax)
            {
                Raise(
                    host, Alert.Types.Kind.HostLost, 0, now, silent.TotalSeconds, limits.SilenceMax.TotalSeconds,
                    string.Create(CultureInfo.InvariantCulture, $"Nothing was heard of {host.Source.HostName} for {silent.TotalSeconds:0} s, and it has not said that it stops."), outputs);
            }
        }

        forgotten.ForEach(host => _hosts.Remove(host));
    }

    private void AddStatistics(WatchedHost host, Event input, DateTimeOffset taken, IEventOutputs<Event> outputs)
    {
        SharingStatistics statistics = input.SharingStatistics;
        long seconds = input.Time.Seconds - (input.Time.Seconds % 60);
        if (host.Summary is { } open && open.Minute.Seconds < seconds)
        {
            EndMinute(host, outputs);
        }

        // A clock that was set back goes on in the minute that there is.
        MinuteSummary summary = host.Summary ??= new() { Host = host.Source, Minute = new() { Seconds = seconds }, Latency = new() };
        summary.Samples++;
        summary.Seconds += statistics.Seconds;
        summary.ViewersMax = Math.Max(summary.ViewersMax, statistics.ViewerCount);
        summary.FramesCaptured += statistics.FramesCaptured;
        summary.FramesSent += statistics.FramesSent;
        summary.BytesSent += statistics.BytesSent;
        summary.FramesMerged += statistics.FramesMerged;
        summary.ProcessorSeconds += statistics.ProcessorSeconds;
        foreach (ViewerStatistics viewer in statistics.Viewers)
        {
            LatencyCounts.Add(summary.Latency, viewer.Latency);
            Look(host, viewer, taken, outputs);
        }
    }

    private void Look(WatchedHost host, ViewerStatistics viewer, DateTimeOffset taken, IEventOutputs<Event> outputs)
    {
        if (host.Viewers.FirstOrDefault(each => each.ViewerId == viewer.ViewerId) is not { } watched)
        {
            if (host.Viewers.Count >= limits.ViewersMax)
            {
                return; // more than any host takes
            }

            host.Viewers.Add(watched = new() { ViewerId = viewer.ViewerId, Latency = new(), Frames = new() });
        }

        if (viewer.Latency is { Counts.Count: > 0 })
        {
            double latencyMs = LatencyCounts.PercentileMs(viewer.Latency, 0.95);
            Judge(
                host, watched, watched.Latency, Alert.Types.Kind.Latency, latencyMs > limits.LatencyP95MsMax, latencyMs, limits.LatencyP95MsMax,
                FormattableString.Invariant($"sees changes {latencyMs:0} ms late (95 of 100 frames are faster)."), taken, outputs);
        }

        if (viewer.FramesSent + viewer.FramesMerged is > 0 and var frames)
        {
            double share = (double)viewer.FramesSent / frames;
            Judge(
                host, watched, watched.Frames, Alert.Types.Kind.Starved, share < limits.FramesShareMin, share, limits.FramesShareMin,
                FormattableString.Invariant($"gets {share:P0} of the frames one by one: it, or its link, is too slow."), taken, outputs);
        }
    }

    private void Judge(
        WatchedHost host, WatchedViewer viewer, Streak streak, Alert.Types.Kind kind, bool isBad, double value, double limit, string what, DateTimeOffset taken,
        IEventOutputs<Event> outputs)
    {
        (streak.Bad, streak.Good) = isBad ? (streak.Bad + 1, 0u) : (0u, streak.Good + 1);
        if (streak.Bad >= limits.SamplesBad)
        {
            Raise(host, kind, viewer.ViewerId, taken, value, limit, FormattableString.Invariant($"Viewer {viewer.ViewerId} of {host.Source.HostName} {what}"), outputs);
        }
        else if (streak.Good >= limits.SamplesGood)
        {
            Clear(host, kind, viewer.ViewerId, taken, outputs);
        }
    }

    private void EndMinute(WatchedHost host, IEventOutputs<Event> outputs)
    {
        MinuteSummary summary = host.Summary;
        host.Summary = null;
        summary.LatencyP50Milliseconds = LatencyCounts.PercentileMs(summary.Latency, 0.5);
        summary.LatencyP99Milliseconds = LatencyCounts.PercentileMs(summary.Latency, 0.99);
        Event made = stamp.New();
        made.MinuteSummary = summary;
        Add(outputs, EventTopics.Minutes, host, made);
        if (host.Alerts.FirstOrDefault(alert => alert.Kind == Alert.Types.Kind.EventsLost) is { } lost && lost.Since < summary.Minute)
        {
            Clear(host, Alert.Types.Kind.EventsLost, 0, summary.Minute.ToDateTimeOffset() + s_minute, outputs); // a whole minute was kept
        }
    }

    private void EndSession(WatchedHost host, IEventOutputs<Event> outputs)
    {
        if (host.Summary is not null)
        {
            EndMinute(host, outputs);
        }

        DateTimeOffset at = host.Heard?.ToDateTimeOffset() ?? default;
        foreach (RaisedAlert alert in host.Alerts.ToArray())
        {
            Clear(host, alert.Kind, alert.ViewerId, at, outputs);
        }

        host.Viewers.Clear();
    }

    private void ForgetViewer(WatchedHost host, ulong viewerId, DateTimeOffset at, IEventOutputs<Event> outputs)
    {
        Clear(host, Alert.Types.Kind.Latency, viewerId, at, outputs);
        Clear(host, Alert.Types.Kind.Starved, viewerId, at, outputs);
        if (host.Viewers.FirstOrDefault(each => each.ViewerId == viewerId) is { } gone)
        {
            host.Viewers.Remove(gone);
        }
    }

    private void Raise(
        WatchedHost host, Alert.Types.Kind kind, ulong viewerId, DateTimeOffset at, double value, double limit, string message, IEventOutputs<Event> outputs)
    {
        if (host.Alerts.Any(alert => alert.Kind == kind && alert.ViewerId == viewerId))
        {
            return;
        }

        host.Alerts.Add(new RaisedAlert { Kind = kind, ViewerId = viewerId, Since = Timestamp.FromDateTimeOffset(at) });
        Event made = stamp.New();
        made.AlertRaised = new() { Alert = new() { Kind = kind, Host = host.Source, ViewerId = viewerId }, Message = message, Value = value, Limit = limit };
        Add(outputs, EventTopics.Alerts, host, made);
    }

    private void Clear(WatchedHost host, Alert.Types.Kind kind, ulong viewerId, DateTimeOffset at, IEventOutputs<Event> outputs)
    {
        if (host.Alerts.FirstOrDefault(alert => alert.Kind == kind && alert.ViewerId == viewerId) is not { } raised)
        {
            return;
        }

        host.Alerts.Remove(raised);
        Event made = stamp.New();
        made.AlertCleared = new()
        {
            Alert = new() { Kind = kind, Host = host.Source, ViewerId = viewerId },
            RaisedSeconds = Math.Max(0, (at - raised.Since.ToDateTimeOffset()).TotalSeconds),
        };
        Add(outputs, EventTopics.Alerts, host, made);
    }

    // Of one key, so that whoever reads them has them in their order.
    private static void Add(IEventOutputs<Event> outputs, string topic, WatchedHost host, Event made) =>
        outputs.Add(topic, System.Text.Encoding.UTF8.GetBytes(host.Source.HostId), made);
}

/// <summary>What should be.</summary>
public sealed record HostWatchLimits
{
    /// <summary>A viewer sees 95 of 100 frames before this, milliseconds.</summary>
    public double LatencyP95MsMax { get; init; } = 250;

    /// <summary>A viewer gets as large a share of the frames one by one.</summary>
    public double FramesShareMin { get; init; } = 0.5;

    /// <summary>Statistics one after the other that are bad before an alert is raised.</summary>
    public int SamplesBad { get; init; } = 5;

    /// <summary>Statistics one after the other that are good before it is cleared.</summary>
    public int SamplesGood { get; init; } = 10;

    /// <summary>Something is heard of a host that runs before this.</summary>
    public TimeSpan SilenceMax { get; init; } = TimeSpan.FromSeconds(35);

    /// <summary>A host of which nothing was heard for longer is forgotten.</summary>
    public TimeSpan LostMax { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Viewers of a host that are watched.</summary>
    public int ViewersMax { get; init; } = 1000;
}
