using System.Text.Json.Serialization;
using Vitrine.Transports;

namespace Vitrine.Lab.Transport;

/// <summary>What a <see cref="LiveAgent"/> is to watch next, one line of JSON.</summary>
internal sealed record LiveWatch
{
    /// <summary>The address that the host printed, token included.</summary>
    public required string Url { get; set; }

    /// <summary>Over what; <see cref="PacketTransport.Best"/> is QUIC where it passes.</summary>
    public required PacketTransport Transport { get; set; }

    /// <summary>SHA-256 of the host's certificate.</summary>
    public required string Fingerprint { get; set; }
}

/// <summary>The first picture is there, or why there is none.</summary>
/// <param name="Failure">Null when there is.</param>
/// <param name="Transport">What carries it.</param>
/// <param name="ConnectMs">From the first packet to the first picture.</param>
/// <param name="WhyNoVideo">Why everything comes as tiles; null when H.264 is decoded.</param>
/// <param name="Note">What is to be known of how it is connected, for people: why not over QUIC. Empty: nothing.</param>
internal sealed record LiveReady(string? Failure, string Transport, double ConnectMs, string? WhyNoVideo = null, string Note = "");

/// <summary>A painted frame that was seen for the first time. Times are monotonic nanoseconds of this machine, host and viewer alike.</summary>
/// <param name="Number">As its strip says.</param>
/// <param name="OriginNs">The host first knew of the change.</param>
/// <param name="CapturedNs">The pixels were in the host's memory.</param>
/// <param name="EncodedNs">It was coded.</param>
/// <param name="SentNs">Its last packet was handed to the transport.</param>
/// <param name="ReceivedNs">Its last packet arrived.</param>
/// <param name="DecodedNs">It was decoded and in the picture.</param>
/// <param name="Bytes">Of its packets.</param>
internal readonly record struct LiveSight(
    int Number, long OriginNs, long CapturedNs, long EncodedNs, long SentNs, long ReceivedNs, long DecodedNs, long Bytes);

/// <summary>How far it is.</summary>
/// <param name="Number">Of the newest frame seen, as its strip says; -1 before the first.</param>
internal sealed record LiveGlance(int Number);

/// <summary>What an agent saw until it was told to end, one line of JSON.</summary>
internal sealed record LiveResult
{
    /// <summary>What went wrong; null when nothing did.</summary>
    public string? Failure { get; init; }

    /// <summary>In the order in which they were seen.</summary>
    public IReadOnlyList<LiveSight> Sights { get; init; } = [];

    /// <summary>Pictures without a readable number, after the first that had one.</summary>
    public long Unreadable { get; init; }

    /// <summary>What carried it at the end; empty when nothing did.</summary>
    public string Transport { get; init; } = "";

    /// <summary>As of <see cref="LiveReady"/>, of the newest connection.</summary>
    public string Note { get; init; } = "";

    /// <summary>Connections made: more than one when the first did not outlive a change of the network.</summary>
    public int Connections { get; init; }

    /// <summary>Access units that were not decoded because the one before was missing.</summary>
    public long VideoSkipped { get; init; }

    /// <summary>Video packets that did not come, or too late to be of use; of QUIC.</summary>
    public long UnitsDropped { get; init; }

    /// <summary>Why H.264 was not decoded to the end, when the agent did not say so at the beginning; else null.</summary>
    public string? WhyNoVideo { get; init; }

    /// <summary>Video packets that came whole by their repair symbols; of QUIC.</summary>
    public long UnitsRepaired { get; init; }

    /// <summary>Processor time of the agent, nanoseconds.</summary>
    public long CpuNs { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LiveWatch))]
[JsonSerializable(typeof(LiveReady))]
[JsonSerializable(typeof(LiveGlance))]
[JsonSerializable(typeof(LiveResult))]
internal sealed partial class LiveJson : JsonSerializerContext;
