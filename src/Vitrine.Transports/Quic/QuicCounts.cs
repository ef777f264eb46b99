using System.Diagnostics.Metrics;

namespace Vitrine.Transports.Quic;

/// <summary>What a listener counts.</summary>
internal enum QuicCount
{
    HandshakesCompleted,
    HandshakesFailed,

    // Connections refused: too many of them, too many in handshake, too many that nobody accepted yet.
    ConnectionsMax,
    HandshakesMax,
    AcceptBacklogMax,
    ClosingsCut,

    // Connections closed because the peer opened more streams or sent more bytes than it may, or broke the protocol otherwise.
    StreamsMax,
    WindowExceeded,
    ProtocolErrors,
    TokensRefused,
    ReplaysRefused,
    FirstPacketsDelayed,
    PeersShutOut,
    DatagramsDropped,
    RetriesSent,
    VersionNegotiationsSent,
    StatelessResetsSent,
    DatagramsForwarded,
}

/// <summary>Counters of one listener. They also count into those of all listeners that this process had, which the program's meter
/// <c>vitrine</c> is asked for: counting takes no memory and tells nobody, as floods are counted too.</summary>
/// <remarks>Any thread.</remarks>
internal sealed class QuicCounts
{
    // Error codes of RFC 9000, section 20.1.
    private const ulong FlowControlError = 3, StreamLimitError = 4;

    private static readonly long[] s_all = new long[Enum.GetValues<QuicCount>().Length];
    private static readonly Meter s_meter = new("vitrine", typeof(QuicCounts).Assembly.GetName().Version?.ToString(3));

    private readonly long[] _own = new long[s_all.Length];

    // With the first listener, so that who looks finds all of them at 0.
    static QuicCounts()
    {
        Register("vitrine.quic.handshakes", "{handshake}", "QUIC handshakes that ended, by result.", "result",
            (QuicCount.HandshakesCompleted, "completed"), (QuicCount.HandshakesFailed, "failed"));
        Register("vitrine.quic.refusals", "{refusal}", "What QUIC did not take, or closed, because of a limit or a broken rule; see the limit.", "limit",
            (QuicCount.ConnectionsMax, "connections"), (QuicCount.HandshakesMax, "handshakes"), (QuicCount.AcceptBacklogMax, "accept-backlog"),
            (QuicCount.ClosingsCut, "closings"), (QuicCount.StreamsMax, "streams"), (QuicCount.WindowExceeded, "window"), (QuicCount.ProtocolErrors, "protocol"),
            (QuicCount.TokensRefused, "address-token"), (QuicCount.ReplaysRefused, "replay"), (QuicCount.FirstPacketsDelayed, "first-packet-wait"),
            (QuicCount.PeersShutOut, "flood"), (QuicCount.DatagramsDropped, "stray-datagrams"));
        Register("vitrine.quic.answers", "{packet}", "QUIC packets sent to who has no connection, by kind.", "kind",
            (QuicCount.RetriesSent, "retry"), (QuicCount.VersionNegotiationsSent, "version-negotiation"), (QuicCount.StatelessResetsSent, "stateless-reset"));
    }

    /// <summary>How often since this was made.</summary>
    public long this[QuicCount what] => Interlocked.Read(ref _own[(int)what]);

    /// <summary>One more.</summary>
    public void Add(QuicCount what)
    {
        Interlocked.Increment(ref _own[(int)what]);
        AddToProcess(what);
    }

    /// <summary>A connection was closed because its peer broke a rule.</summary>
    /// <param name="error">RFC 9000, section 20.1.</param>
    public void AddProtocolError(ulong error) => Add(error switch
    {
        StreamLimitError => QuicCount.StreamsMax,
        FlowControlError => QuicCount.WindowExceeded,
        _ => QuicCount.ProtocolErrors,
    });

    /// <summary>One more, which its listener counts elsewhere.</summary>
    public static void AddToProcess(QuicCount what) => Interlocked.Increment(ref s_all[(int)what]);

    private static void Register(string name, string unit, string description, string tag, params (QuicCount What, string Value)[] counts)
    {
        (QuicCount What, KeyValuePair<string, object?> Tag)[] tagged = [.. counts.Select(count => (count.What, new KeyValuePair<string, object?>(tag, count.Value)))];
        s_meter.CreateObservableCounter(
            name, () => tagged.Select(count => new Measurement<long>(Interlocked.Read(ref s_all[(int)count.What]), count.Tag)), unit, description);
    }
}
