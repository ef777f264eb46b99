using System.Globalization;
using Vitrine.Wire.V1;
using static System.FormattableString;

namespace Vitrine.Events.Hosts;

/// <summary>Events as sentences, for people.</summary>
public static class EventText
{
    /// <summary>What happened.</summary>
    public static string Describe(Event happened)
    {
        ArgumentNullException.ThrowIfNull(happened);
        return happened.WhatCase switch
        {
            Event.WhatOneofCase.HostStarted => $"shares at {happened.HostStarted.Address}",
            Event.WhatOneofCase.HostStopped => $"stopped: {happened.HostStopped.Reason}",
            Event.WhatOneofCase.SharingChanged => Describe(happened.SharingChanged),
            Event.WhatOneofCase.ViewerJoined => Describe(happened.ViewerJoined),
            Event.WhatOneofCase.ViewerLeft => Describe(happened.ViewerLeft),
            Event.WhatOneofCase.SharingStatistics => Describe(happened.SharingStatistics),
            Event.WhatOneofCase.ErrorOccurred => $"{happened.ErrorOccurred.Part} does not work: {happened.ErrorOccurred.Message}",
            Event.WhatOneofCase.EventsLost => Invariant($"{happened.EventsLost.Count} events since {happened.EventsLost.Since?.ToDateTimeOffset():HH:mm:ss} UTC were not kept: {happened.EventsLost.Reason}"),
            Event.WhatOneofCase.AlertRaised => $"ALERT {Name(happened.AlertRaised.Alert)}: {happened.AlertRaised.Message}",
            Event.WhatOneofCase.AlertCleared => Invariant($"alert {Name(happened.AlertCleared.Alert)} is over, after {happened.AlertCleared.RaisedSeconds:0} s"),
            Event.WhatOneofCase.MinuteSummary => Describe(happened.MinuteSummary),
            Event.WhatOneofCase.DeadLetter => $"could not be worked on by {happened.DeadLetter.Group}: {happened.DeadLetter.Topic} {happened.DeadLetter.Position}, {(happened.DeadLetter.Causes is [Cause first, ..] ? first.Message : "no reason")}",
            Event.WhatOneofCase.LogHealthChanged => Describe(happened.LogHealthChanged),
            Event.WhatOneofCase.Thumbnail => Invariant($"a picture of {happened.Thumbnail.WidthPixels}x{happened.Thumbnail.HeightPixels}, {happened.Thumbnail.Png.Length / 1e3:0} KB"),
            _ => "something that this version does not know",
        };
    }

    /// <summary>Of an alert, for people: «latency of viewer 3 of HOST».</summary>
    public static string Name(Alert? alert)
    {
        string kind = alert?.Kind switch
        {
            Alert.Types.Kind.Latency => "latency",
            Alert.Types.Kind.Starved => "starved viewer",
            Alert.Types.Kind.HostLost => "host lost",
            Alert.Types.Kind.EventsLost => "events lost",
            _ => "unknown",
        };
        string viewer = alert is null or { ViewerId: 0 } ? "" : alert.ViewerId.ToString("' (viewer '0')'", CultureInfo.InvariantCulture);
        return kind + viewer;
    }

    private static string Describe(SharingChanged changed) => changed.State switch
    {
        SharingChanged.Types.State.Live => Invariant($"shows {changed.SourceName}, {changed.WidthPixels}x{changed.HeightPixels}"),
        SharingChanged.Types.State.DisplayGone => $"the display {changed.SourceName} is gone; it is tried again",
        SharingChanged.Types.State.Hidden => $"{changed.SourceName} is hidden",
        SharingChanged.Types.State.Closed => $"{changed.SourceName} was closed",
        SharingChanged.Types.State.Stopped => "sharing is stopped",
        _ => "sharing has changed",
    };

    private static string Describe(LogHealthChanged changed) => changed.State switch
    {
        LogHealthChanged.Types.State.Healthy => Invariant($"Kafka is healthy: {changed.BrokersAnswering} brokers answer"),
        LogHealthChanged.Types.State.Degraded => $"Kafka is degraded: {changed.Reason}",
        LogHealthChanged.Types.State.Unreachable => $"Kafka is unreachable: {changed.Reason}",
        _ => "Kafka has changed",
    };

    private static string Describe(ViewerJoined joined) =>
        Invariant($"viewer {joined.ViewerId} came: {(joined.Name.Length > 0 ? joined.Name : "without a name")}, from {joined.Peer} over {joined.Transport}, may {string.Join(", ", joined.Grants)}");

    private static string Describe(ViewerLeft left) =>
        Invariant($"viewer {left.ViewerId} went ({left.Reason}) after {Describe(TimeSpan.FromSeconds(left.ConnectedSeconds is > 0 and < 1e9 ? left.ConnectedSeconds : 0))}, {left.FramesSent} frames, {left.BytesSent / 1e6:0.0} MB");

    private static string Describe(TimeSpan duration) => duration switch
    {
        { TotalDays: >= 1 } => Invariant($"{duration.Days} d {duration.Hours} h"),
        { TotalHours: >= 1 } => Invariant($"{duration.Hours} h {duration.Minutes} min"),
        { TotalMinutes: >= 1 } => Invariant($"{duration.Minutes} min {duration.Seconds} s"),
        _ => Invariant($"{duration.TotalSeconds:0.0} s"),
    };

    private static string Describe(SharingStatistics statistics)
    {
        double seconds = Math.Max(statistics.Seconds, 0.001);
        string latency = string.Join(", ", statistics.Viewers.Where(viewer => viewer.Latency is { Counts.Count: > 0 })
            .Select(viewer => Invariant($"viewer {viewer.ViewerId} {LatencyCounts.PercentileMs(viewer.Latency, 0.5):0.#} ms")));
        return Invariant($"{statistics.ViewerCount} viewers, {statistics.FramesSent / seconds:0} frames/s, {statistics.BytesSent * 8 / seconds / 1e6:0.00} Mbit/s, {statistics.ProcessorSeconds / seconds:0.00} processors{(latency.Length > 0 ? $"; {latency}" : "")}");
    }

    private static string Describe(MinuteSummary minute)
    {
        double seconds = Math.Max(minute.Seconds, 0.001);
        string latency = minute.Latency is { Counts.Count: > 0 }
            ? Invariant($", latency p50 {minute.LatencyP50Milliseconds:0.#} ms, p99 {minute.LatencyP99Milliseconds:0.#} ms")
            : "";
        return Invariant($"minute {minute.Minute?.ToDateTimeOffset():HH:mm} UTC: {minute.ViewersMax} viewers at most, {minute.FramesSent} frames, {minute.BytesSent / 1e6:0.0} MB, {minute.ProcessorSeconds / seconds:0.00} processors{latency}");
    }
}
