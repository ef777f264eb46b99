using Vitrine.Codecs.H264;
using Vitrine.Transports;

namespace Vitrine.Viewer;

/// <summary>How a <see cref="HeadlessViewer"/> behaves.</summary>
public sealed record HeadlessViewerOptions
{
    /// <summary>Told to the host.</summary>
    public string Name { get; init; } = "Vitrine headless viewer";

    /// <summary>Whether H.264 is decoded, where a decoder opens (<see cref="HeadlessViewer.WhyNoVideo"/>); without it everything comes as tiles.</summary>
    public bool DecodesVideo { get; init; } = true;

    /// <summary>Opens decoders of H.264: one when the viewer is made, to see whether any opens, and one for each region of video.</summary>
    public H264DecoderOpener OpenDecoder { get; init; } = H264Decoder.TryCreate;

    /// <summary>What carries the stream, when the address does not say it.</summary>
    public PacketTransport Transport { get; init; }

    /// <summary>UDP port for QUIC, when it is another one than the host says; null: what the host says.</summary>
    public int? QuicPort { get; init; }

    /// <summary>SHA-256 of the host's certificate; null: the machine's certificate authorities decide.</summary>
    public string? CertificateFingerprint { get; init; }

    /// <summary>How long one attempt to connect may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether a lost connection is made again, after 0.25 s, then 0.5 s, up to 2 s.</summary>
    public bool Reconnect { get; init; }

    /// <summary>Called on the receiving thread after every frame, before it is acknowledged. Must not block.</summary>
    public Action<HeadlessViewer, FrameReport>? FrameApplied { get; init; }

    /// <summary>Bytes the kernel may hold while the viewer does not read; null leaves it to the kernel.</summary>
    public int? ReceiveBufferBytes { get; init; }

    /// <summary>Value of <see cref="HeadlessViewer.IsAcknowledging"/> from the start.</summary>
    public bool Acknowledge { get; init; } = true;
}

/// <summary>A frame that was applied. Times are nanoseconds of the host's monotonic clock, as far as the viewer can tell
/// (<see cref="HeadlessViewer.Clock"/>), but for the last two.</summary>
/// <param name="Sequence">Its number.</param>
/// <param name="OriginNs">The host first knew of the change; 0 for a picture that shows none.</param>
/// <param name="CapturedNs">The pixels were in the host's memory; 0 with <paramref name="OriginNs"/> 0.</param>
/// <param name="EncodedNs">The frame was coded; 0 with <paramref name="OriginNs"/> 0.</param>
/// <param name="SentNs">Its last packet was handed to the transport.</param>
/// <param name="ReceivedNs">Its last packet arrived.</param>
/// <param name="DecodedNs">It was applied.</param>
/// <param name="Bytes">Of its packets, headers included.</param>
/// <param name="ReceivedLocalNs">As <paramref name="ReceivedNs"/>, by the viewer's own monotonic clock.</param>
/// <param name="DecodedLocalNs">As <paramref name="DecodedNs"/>, by the viewer's own monotonic clock.</param>
public readonly record struct FrameReport(
    uint Sequence,
    long OriginNs,
    long CapturedNs,
    long EncodedNs,
    long SentNs,
    long ReceivedNs,
    long DecodedNs,
    long Bytes,
    long ReceivedLocalNs,
    long DecodedLocalNs);
