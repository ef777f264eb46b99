using System.Text.Json.Serialization;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>How echoes are carried.</summary>
public enum EchoProtocol
{
    /// <summary>A stream of QUIC for each request: its bytes to the end, and back.</summary>
    Quic,

    /// <summary><c>vitrine.v1.Echo/Unary</c> over gRPC with TLS.</summary>
    Grpc,

    /// <summary>The same as JSON over HTTP/2 with TLS.</summary>
    Http2,

    /// <summary>The same as a call over QUIC, in frames of our own: as hosts that share answer.</summary>
    Calls,
}

/// <summary>What an echo server says when it listens, one line of JSON.</summary>
/// <param name="ProcessId">Of the server.</param>
/// <param name="Https">gRPC and JSON over TLS.</param>
/// <param name="Quic">Raw echoes over QUIC, sent with cubic; null where its libraries are missing.</param>
/// <param name="Calls">Calls over QUIC, answered with cubic; likewise.</param>
/// <param name="CallsBbr">Calls over QUIC, answered with bbr; likewise.</param>
/// <param name="QuicBbr">Raw echoes over QUIC, sent with bbr; likewise.</param>
/// <param name="QuicBbrOnce">The same, where nothing is sent twice (<see cref="Vitrine.Transports.Quic.QuicTransportOptions.SendsTwiceWhenLossy"/>); likewise.</param>
internal sealed record EchoReady(int ProcessId, string Https, string? Quic, string? Calls, string? CallsBbr, string? QuicBbr, string? QuicBbrOnce);

/// <summary>What a server that runs on .NET has used up to now.</summary>
/// <param name="AllocatedBytes">Managed memory taken.</param>
/// <param name="Collections">Since the figures were asked for last.</param>
/// <param name="PauseNsP99">Of these, nanoseconds.</param>
/// <param name="PauseNsMax">Likewise.</param>
internal sealed record EchoServerFigures(long AllocatedBytes, long Collections, long PauseNsP99, long PauseNsMax);

/// <summary>What a load agent is to do next.</summary>
/// <remarks>Properties that can be set: what a line of JSON leaves out keeps its default then.</remarks>
internal sealed record EchoLoad
{
    /// <summary>Over what.</summary>
    public required EchoProtocol Protocol { get; set; }

    /// <summary>The server: address and port, with TLS; or scheme, host and port.</summary>
    public required string Address { get; set; }

    /// <summary>SHA-256 of its certificate; null: the machine's certificate authorities decide.</summary>
    public required string? Fingerprint { get; set; }

    /// <summary>What is sent with each call, for servers that want it; null: nothing.</summary>
    public string? Token { get; set; }

    /// <summary>Connections.</summary>
    public int Connections { get; set; } = 100;

    /// <summary>Requests at a time on each connection.</summary>
    public int Streams { get; set; } = 1;

    /// <summary>Bytes of a request's payload, which comes back.</summary>
    public int PayloadBytes { get; set; } = 1024;

    /// <summary>Bytes of an answer, of zeros, when it is not to be the payload; 0: it is. Not over <see cref="EchoProtocol.Quic"/>.</summary>
    public int ReplyBytes { get; set; }

    /// <summary>A closed loop ends early after so many counted requests; 0: it does not.</summary>
    public long RequestsMax { get; set; }

    /// <summary>Not counted, at the beginning.</summary>
    public double WarmSeconds { get; set; } = 0.5;

    /// <summary>Counted.</summary>
    public double Seconds { get; set; } = 5;

    /// <summary>Requests a second of all connections together, each due at its own time whatever became of those before (an open loop);
    /// 0: each follows the answer to the one before (a closed loop).</summary>
    public double RequestsPerSecond { get; set; }

    /// <summary>Whether connections continue earlier sessions, and send the first request in the first flight (QUIC): one after the other,
    /// without a load.</summary>
    public bool Resumes { get; set; }

    /// <summary>Whether connections are made at a time, not one after the other.</summary>
    public bool ConnectsTogether { get; set; }

    /// <summary>For QUIC: «cubic», «bbr» or «reno».</summary>
    public string Congestion { get; set; } = "cubic";

    /// <summary>For QUIC: nothing is sent twice before it is known to be lost.</summary>
    public bool SendsOnce { get; set; }

    /// <summary>The server's process, when it runs on this machine: what it uses is looked at with the load; 0: it does not.</summary>
    public int ServerProcessId { get; set; }

    /// <summary>Whether every latency is told, not only their distribution. For loads of few requests.</summary>
    public bool KeepsValues { get; set; }

    /// <summary>Whether this side's address changes meanwhile: QUIC migrates by itself, and who uses TCP connects anew as soon as the system
    /// sends from another address. When each request was due and answered is told. In an open loop.</summary>
    public bool HandsOver { get; set; }

    /// <summary>How long a request may take before it counts as failed.</summary>
    public double TimeoutSeconds { get; set; } = 20;
}

/// <summary>What became of a load, one line of JSON.</summary>
internal sealed record EchoLoadResult
{
    /// <summary>Why there is none; null when there is.</summary>
    public string? Failure { get; init; }

    /// <summary>Answered within the counted time.</summary>
    public long Requests { get; init; }

    /// <summary>Answers that came within the counted time, whenever they were asked for: what was carried. Of a closed loop.</summary>
    public long Arrived { get; init; }

    /// <summary>Not answered in time, or broken.</summary>
    public long Failed { get; init; }

    /// <summary>The counted time as it was.</summary>
    public double Seconds { get; init; }

    /// <summary>Processor time of the agent within it, nanoseconds.</summary>
    public long ClientCpuNs { get; init; }

    /// <summary>Processor time of the server within it, nanoseconds.</summary>
    public long ServerCpuNs { get; init; }

    /// <summary>Memory of the server before the connections.</summary>
    public long ServerResidentBytesBefore { get; init; }

    /// <summary>Memory of the server at the end of the counted time, all connections open.</summary>
    public long ServerResidentBytes { get; init; }

    /// <summary>Of requests: HdrHistogram V2, compressed, base64; nanoseconds. In an open loop from when a request was due.</summary>
    public string Latency { get; init; } = "";

    /// <summary>Latencies in the order of their answers, microseconds, when they were asked for.</summary>
    public IReadOnlyList<double> ValuesUs { get; init; } = [];

    /// <summary>When each request of a load that hands over was due, nanoseconds of the monotonic clock, which processes share.</summary>
    public IReadOnlyList<long> DueNs { get; init; } = [];

    /// <summary>When each of these was answered; 0: never.</summary>
    public IReadOnlyList<long> AnsweredNs { get; init; } = [];

    /// <summary>Connections that were made anew because this side's address had changed.</summary>
    public int Reconnects { get; init; }

    /// <summary>Of connections, until the first request could be sent; likewise.</summary>
    public string Setup { get; init; } = "";

    /// <summary>Of connections, from the first packet to the first answer; likewise.</summary>
    public string FirstAnswer { get; init; } = "";

    /// <summary>Connections whose early data the server took.</summary>
    public int EarlyAccepted { get; init; }

    internal static string Encode(LatencyHistogram histogram) => Convert.ToBase64String(HdrHistogramEncoding.Encode(histogram));

    internal static LatencyHistogram Decode(string text) =>
        HdrHistogramEncoding.TryDecode(Convert.FromBase64String(text), out LatencyHistogram? histogram)
            ? histogram
            : throw new LaboratoryException("The load agent sent a histogram that cannot be read.");
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(EchoReady))]
[JsonSerializable(typeof(EchoServerFigures))]
[JsonSerializable(typeof(EchoLoad))]
[JsonSerializable(typeof(EchoLoadResult))]
internal sealed partial class EchoJson : JsonSerializerContext;
