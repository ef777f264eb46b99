using System.Diagnostics.Metrics;

namespace Vitrine.Server.Metrics;

/// <summary>What the server counts. One meter, <c>vitrine</c>; durations are seconds, as OpenTelemetry wants them.</summary>
internal static class ShareMeter
{
    public const string Name = "vitrine";

    private static readonly Meter s_meter = new(Name, typeof(ShareMeter).Assembly.GetName().Version?.ToString(3));

    public static readonly Tally FramesCaptured = new(s_meter, "vitrine.frames.captured", "{frame}", "Frames read from the source.");
    public static readonly Tally FramesSkipped = new(s_meter, "vitrine.frames.skipped", "{frame}", "Frames not read because every picture of the pool was held.");
    public static readonly Tally FramesSent = new(s_meter, "vitrine.frames.sent", "{frame}", "Frames handed to viewers' connections.");
    public static readonly Tally FramesMerged = new(s_meter, "vitrine.frames.merged", "{frame}", "Frames a viewer did not get one by one, because it was late.");
    public static readonly Tally BytesSent = new(s_meter, "vitrine.sent", "By", "Bytes of packets handed to viewers' connections.");
    public static readonly Tally FramePathAllocated = new(s_meter, "vitrine.frame.path.allocated", "By", "Managed memory allocated by the steps of the frame path, the web server's apart.");
    public static readonly Tally SourceReopened = new(s_meter, "vitrine.source.opened", "{open}", "How often the source was opened.");
    public static readonly Counter<long> ViewersRefused = s_meter.CreateCounter<long>("vitrine.viewers.refused", "{viewer}", "Viewers turned away; see the reason.");
    public static readonly Counter<long> ViewersClosed = s_meter.CreateCounter<long>("vitrine.viewers.closed", "{viewer}", "Viewers that left or were closed; see the reason.");
    public static readonly Counter<long> WebConnectionsClosed = s_meter.CreateCounter<long>("vitrine.web.closed", "{connection}", "Connections that the web server turned away, or closed before their time; see the reason.");
    public static readonly Tally CursorsIgnored = new(s_meter, "vitrine.cursors.ignored", "{shape}", "Cursor shapes too large to send.");
    public static readonly Tally ClockRequestsDropped = new(s_meter, "vitrine.clock.dropped", "{request}", "Clock requests not answered because too many waited.");
    public static readonly Tally VideoUnits = new(s_meter, "vitrine.video.units", "{unit}", "Access units of video encoded.");
    public static readonly Tally VideoKeyFrames = new(s_meter, "vitrine.video.keyframes", "{frame}", "Key frames among them.");
    public static readonly Tally VideoBytes = new(s_meter, "vitrine.video.bytes", "By", "Bytes of video encoded.");
    public static readonly Tally VideoFailures = new(s_meter, "vitrine.video.failures", "{failure}", "Encoders that failed or could not be had.");
    public static readonly Tally VideoSmall = new(s_meter, "vitrine.video.small", "{rectangle}", "Times that something was worth video, and smaller than video is made of.");
    public static readonly Tally VideoResized = new(s_meter, "vitrine.video.resized", "{change}", "Changes of the picture's size while video was encoded.");
    public static readonly Tally QualityLowered = new(s_meter, "vitrine.video.quality.lowered", "{viewer}", "Viewers moved to the second quality of video, because their links did not carry the first.");
    public static readonly Tally QualityRaised = new(s_meter, "vitrine.video.quality.raised", "{viewer}", "Viewers moved back to the first quality of video.");
    public static readonly Tally EncodersUsed = new(s_meter, "vitrine.encoders.used", "{encoder}", "Video encoders that regions have, as of the last second.", isLevel: true);
    public static readonly Tally EncodersIdle = new(s_meter, "vitrine.encoders.idle", "{encoder}", "Video encoders kept open for the next region, as of the last second.", isLevel: true);
    public static readonly Tally TilesRefined = new(s_meter, "vitrine.tiles.refined", "{tile}", "Tiles made exact after they were video.");
    public static readonly Tally KeyFramesAsked = new(s_meter, "vitrine.video.keyframes.asked", "{frame}", "Key frames that viewers asked for.");
    public static readonly Tally Viewers = new(s_meter, "vitrine.viewers", "{viewer}", "Viewers connected now.", isLevel: true);
    public static readonly Tally ViewersWithoutVideo = new(s_meter, "vitrine.viewers.without.video", "{viewer}", "Viewers connected now that do not decode video: all that moves is sent to them as tiles.", isLevel: true);

    /// <summary>From the change to the viewer's screen, stage by stage (tag <c>stage</c>), as viewers report it.</summary>
    public static readonly Histogram<double> Latency = s_meter.CreateHistogram(
        "vitrine.latency", "s", "From the change on the host to the viewer's screen, by stage.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [.. LatencyBoundariesSeconds] });

    /// <summary>Upper bounds of the buckets, in seconds: 0.1 ms to 5 s in steps of about two.</summary>
    public static ReadOnlySpan<double> LatencyBoundariesSeconds =>
        [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.033, 0.066, 0.125, 0.25, 0.5, 1, 2, 5];

    // Tags are made once: recording a frame allocates nothing.
    public static readonly KeyValuePair<string, object?> StageCapture = new("stage", "capture");
    public static readonly KeyValuePair<string, object?> StageEncode = new("stage", "encode");
    public static readonly KeyValuePair<string, object?> StageSend = new("stage", "send");
    public static readonly KeyValuePair<string, object?> StageNetwork = new("stage", "network");
    public static readonly KeyValuePair<string, object?> StageDecode = new("stage", "decode");
    public static readonly KeyValuePair<string, object?> StagePresent = new("stage", "present");
    public static readonly KeyValuePair<string, object?> StageTotal = new("stage", "total");

    /// <summary>A counter that is asked when somebody collects, instead of telling at every count: what the frame path counts
    /// costs one addition and allocates nothing.</summary>
    public sealed class Tally
    {
        private long _value;

        /// <param name="meter">Where it belongs.</param>
        /// <param name="name">Its name.</param>
        /// <param name="unit">Its unit.</param>
        /// <param name="description">For people.</param>
        /// <param name="isLevel">It falls as well: who begins to listen late must not see only that.</param>
        public Tally(Meter meter, string name, string unit, string description, bool isLevel = false)
        {
            _ = isLevel
                ? (Instrument)meter.CreateObservableUpDownCounter(name, () => Interlocked.Read(ref _value), unit, description)
                : meter.CreateObservableCounter(name, () => Interlocked.Read(ref _value), unit, description);
        }

        public long Value => Interlocked.Read(ref _value);

        public void Add(long count) => Interlocked.Add(ref _value, count);
    }

    public static KeyValuePair<string, object?> Reason(string reason) => new("reason", reason);
}
