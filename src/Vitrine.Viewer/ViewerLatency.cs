using Vitrine.Measurement;

namespace Vitrine.Viewer;

/// <summary>Latency of the frames a viewer applied, stage by stage. Frames without an origin do not count.</summary>
public sealed class ViewerLatency
{
    /// <summary>From the change until its pixels were in the host's memory.</summary>
    public LatencyHistogram Capture { get; } = new();

    /// <summary>From there until it was coded.</summary>
    public LatencyHistogram Encode { get; } = new();

    /// <summary>From there until its last packet was handed to the transport.</summary>
    public LatencyHistogram Send { get; } = new();

    /// <summary>From there until that packet arrived; depends on the estimate of the host's clock.</summary>
    public LatencyHistogram Network { get; } = new();

    /// <summary>From there until it was applied.</summary>
    public LatencyHistogram Decode { get; } = new();

    /// <summary>From the change until it was applied.</summary>
    public LatencyHistogram Total { get; } = new();

    internal void Record(in FrameReport frame)
    {
        if (frame.OriginNs == 0)
        {
            return;
        }

        Capture.Record(frame.CapturedNs - frame.OriginNs);
        Encode.Record(frame.EncodedNs - frame.CapturedNs);
        Send.Record(frame.SentNs - frame.EncodedNs);
        Network.Record(frame.ReceivedNs - frame.SentNs);
        Decode.Record(frame.DecodedNs - frame.ReceivedNs);
        Total.Record(frame.DecodedNs - frame.OriginNs);
    }
}
