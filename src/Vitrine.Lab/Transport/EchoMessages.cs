using System.Globalization;
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
/// <param name="HostCalls">Calls over QUIC, with a host's limits; likewise.</param>
internal sealed record EchoReady(int ProcessId, string Https, string? Quic, string? Calls, string? CallsBbr, string? QuicBbr, string? QuicBbrOnce,
    string? HostCalls);

/// <summary>What a server that runs on .NET has used up to now.</summary>
/// <param name="AllocatedBytes">Managed memory taken.</param>
/// <param name="Collections">Since the figures were asked for last.</param>
/// <param name="PauseNsP99">Of these, nanoseconds.</param>
/// <param name="PauseNsMax">Likewise.</param>
internal sealed record EchoServerFigures(long AllocatedBytes, long Collections, long PauseNsP99, long PauseNsMax);

/// <summary>Objects that a server of ours allocated between two questions, by samples (<see cref="AllocationSampler"/>).</summary>
/// <param name="PerSecond">Estimate.</param>
/// <param name="Samples">That it stands on.</param>
internal sealed record EchoServerObjects(double PerSecond, int Samples);

/// <summary>What a server of ours holds when its heap has been collected: what is still in use.</summary>
/// <param name="ManagedBytes">Of the garbage collector's heap.</param>
/// <param name="NativeBytes">Of the C library's heap, the libraries' memory included.</param>
/// <param name="QuicBytes">Of QUIC's own blocks, which the C library's heap does not have.</param>
/// <param name="Threads">Of the process.</param>
/// <param name="Descriptors">Open files and sockets.</param>
/// <param name="QuicConnections">Of calls, those being closed included.</param>
/// <param name="Refusals">What was refused and given up up to now, by limit.</param>
internal sealed record EchoServerHoldings(
    long ManagedBytes, long NativeBytes, long QuicBytes, int Threads, int Descriptors, int QuicConnections, IReadOnlyDictionary<string, long> Refusals)
{
    /// <summary>Memory in use.</summary>
    [JsonIgnore]
    public long LiveBytes => ManagedBytes + NativeBytes + QuicBytes;
}

/// <summary>Streams that answers flow on at a steady rate, all on one connection.</summary>
/// <remarks>As <see cref="EchoLoad"/>.</remarks>
internal sealed record StreamLoad
{
    /// <summary>Over what: calls of <c>vitrine.v1.Echo/Duplex</c>.</summary>
    public required EchoProtocol Protocol { get; set; }

    /// <summary>The server: address and port.</summary>
    public required string Address { get; set; }

    /// <summary>SHA-256 of its certificate.</summary>
    public required string Fingerprint { get; set; }

    /// <summary>Streams. The first is the one that may stop reading.</summary>
    public int Streams { get; set; } = 50;

    /// <summary>Answers a second of all streams together, each due at its own time (an open loop).</summary>
    public double AnswersPerSecond { get; set; } = 1000;

    /// <summary>Bytes of an answer. 20 of 16 KiB a second fill within 5 s whatever a transport holds for a stream that is not read.</summary>
    public int AnswerBytes { get; set; } = 16 << 10;

    /// <summary>How long opening them may take.</summary>
    public double TimeoutSeconds { get; set; } = 20;

    /// <summary>What a case tells of it, and <paramref name="more"/>.</summary>
    public Dictionary<string, string> ToParameters(params ReadOnlySpan<(string Name, string Value)> more)
    {
        Dictionary<string, string> parameters = new()
        {
            ["streams"] = Streams.ToString(CultureInfo.InvariantCulture),
            ["answersPerSecond"] = AnswersPerSecond.ToString(CultureInfo.InvariantCulture),
            ["answerBytes"] = AnswerBytes.ToString(CultureInfo.InvariantCulture),
        };
        foreach ((string name, string value) in more)
        {
            parameters.Add(name, value);
        }

        return parameters;
    }
}

/// <summary>What a stream agent is to do next: open streams, measure those that are open, or close them.</summary>
/// <remarks>As <see cref="EchoLoad"/>.</remarks>
internal sealed record StreamOrder
{
    /// <summary>Opens these; null: goes on with those that are open.</summary>
    public StreamLoad? Open { get; set; }

    /// <summary>Time in which answers are due that are counted; 0: none.</summary>
    public double Seconds { get; set; }

    /// <summary>Whether the first stream is not read, from now until another order.</summary>
    public bool Stalls { get; set; }

    /// <summary>Whether all are closed now.</summary>
    public bool Closes { get; set; }
}

/// <summary>What became of a stream order, one line of JSON.</summary>
internal sealed record StreamResult
{
    /// <summary>Why it went wrong; null when it did not.</summary>
    public string? Failure { get; init; }

    /// <summary>Answers that were due in this time on the streams that were read throughout.</summary>
    public long Answers { get; init; }

    /// <summary>Of these, those that had not come two seconds after its end.</summary>
    public long Missing { get; init; }

    /// <summary>Of these, from when they were due; as in <see cref="EchoLoadResult.Latency"/>.</summary>
    public string Latency { get; init; } = "";

    /// <summary>Answers that the first stream has had up to now.</summary>
    public long StalledAnswers { get; init; }

    /// <summary>Why the first stream is over; null while it is not.</summary>
    public string? StalledEnd { get; init; }

    /// <summary>Processor time of the agent, nanoseconds.</summary>
    public long ClientCpuNs { get; init; }
}

/// <summary>How a handshake ends.</summary>
internal enum HandshakeKind
{
    /// <summary>As it should.</summary>
    Whole,

    /// <summary>The client is never heard of after its first flight.</summary>
    Vanished,

    /// <summary>The client's first flight has other bits, or a part of them.</summary>
    Garbled,

    /// <summary>The client speaks a protocol that the server does not.</summary>
    OtherProtocol,

    /// <summary>The client does not take the server's certificate.</summary>
    Distrusted,
}

/// <summary>What a handshake agent is to do next.</summary>
/// <remarks>As <see cref="EchoLoad"/>.</remarks>
internal sealed record HandshakeOrder
{
    /// <summary>Over what: QUIC, or TLS on TCP for the others.</summary>
    public required EchoProtocol Protocol { get; set; }

    /// <summary>The server: address and port, on loopback.</summary>
    public required string Address { get; set; }

    /// <summary>SHA-256 of its certificate.</summary>
    public required string Fingerprint { get; set; }

    /// <summary>How many, every second one broken.</summary>
    public int Count { get; set; } = 1000;

    /// <summary>How many at a time.</summary>
    public int AtATime { get; set; } = 16;

    /// <summary>Of what is garbled.</summary>
    public int Seed { get; set; } = 20;
}

/// <summary>What became of handshakes, one line of JSON.</summary>
internal sealed record HandshakeResult
{
    /// <summary>Why there were none; null when there were.</summary>
    public string? Failure { get; init; }

    /// <summary>Those that ended as they were meant to, by kind.</summary>
    public IReadOnlyDictionary<HandshakeKind, long> Ended { get; init; } = new Dictionary<HandshakeKind, long>();

    /// <summary>Those that did not.</summary>
    public long Unexpected { get; init; }

    /// <summary>Of these, what the first one said.</summary>
    public string? FirstUnexpected { get; init; }

    /// <summary>What the agent itself holds of the garbage collector's heap afterwards, collected.</summary>
    public long ManagedBytes { get; init; }

    /// <summary>What it holds of the C library's.</summary>
    public long NativeBytes { get; init; }

    /// <summary>Both.</summary>
    [JsonIgnore]
    public long LiveBytes => ManagedBytes + NativeBytes;

    /// <summary>Likewise.</summary>
    public int Threads { get; init; }

    /// <summary>Likewise.</summary>
    public int Descriptors { get; init; }
}

/// <summary>What a malicious client does, as fast as it can.</summary>
internal enum AttackKind
{
    /// <summary>Begins calls and resets them at once (CVE-2023-44487).</summary>
    Resets,

    /// <summary>Begins handshakes and leaves.</summary>
    Handshakes,

    /// <summary>Asks for the largest answers on all the streams it may have, and does not read.</summary>
    Readers,

    /// <summary>Sends requests that are small packed and huge unpacked, nested deeply, or announced larger than anything.</summary>
    Bombs,

    /// <summary>Sends heads without end, and small ones that become large (CVE-2024-27316).</summary>
    Headers,

    /// <summary>Uses as much processor time as it gets and leaves the server alone: what malicious clients on the same machine cost by being
    /// there.</summary>
    Spinning,
}

/// <summary>What an attack agent is to do next.</summary>
/// <remarks>As <see cref="EchoLoad"/>.</remarks>
internal sealed record AttackOrder
{
    /// <summary>Over what.</summary>
    public required EchoProtocol Protocol { get; set; }

    /// <summary>The server: address and port, on loopback.</summary>
    public required string Address { get; set; }

    /// <summary>SHA-256 of its certificate.</summary>
    public required string Fingerprint { get; set; }

    /// <summary>Clients, each at an address of its own (127.0.0.2 and on).</summary>
    public int Clients { get; set; } = 5;

    /// <summary>What they do, by turns.</summary>
    public IReadOnlyList<AttackKind> Kinds { get; set; } = [];

    /// <summary>For how long.</summary>
    public double Seconds { get; set; } = 5;

    /// <summary>Whether it is over as soon as every client has struck.</summary>
    public bool EndsWhenStruck { get; set; }
}

/// <summary>What became of an attack, one line of JSON.</summary>
internal sealed record AttackResult
{
    /// <summary>Why there was none; null when there was.</summary>
    public string? Failure { get; init; }

    /// <summary>Connections that were made, by kind.</summary>
    public IReadOnlyDictionary<AttackKind, long> Connections { get; init; } = new Dictionary<AttackKind, long>();

    /// <summary>Calls, handshakes or heads, by kind.</summary>
    public IReadOnlyDictionary<AttackKind, long> Blows { get; init; } = new Dictionary<AttackKind, long>();

    /// <summary>Connections that the server refused or closed, by kind.</summary>
    public IReadOnlyDictionary<AttackKind, long> Refused { get; init; } = new Dictionary<AttackKind, long>();

    /// <summary>Processor time of the clients, nanoseconds.</summary>
    public long ClientCpuNs { get; init; }
}

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

    /// <summary>How late the slowest tenth of the requests of an open loop were sent, mean, microseconds: for so long this machine had no processor for them.</summary>
    public double SentLateUs { get; init; }

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
[JsonSerializable(typeof(EchoServerObjects))]
[JsonSerializable(typeof(EchoServerHoldings))]
[JsonSerializable(typeof(StreamOrder))]
[JsonSerializable(typeof(StreamResult))]
[JsonSerializable(typeof(AttackOrder))]
[JsonSerializable(typeof(AttackResult))]
[JsonSerializable(typeof(HandshakeOrder))]
[JsonSerializable(typeof(HandshakeResult))]
[JsonSerializable(typeof(EchoLoad))]
[JsonSerializable(typeof(EchoLoadResult))]
internal sealed partial class EchoJson : JsonSerializerContext;
