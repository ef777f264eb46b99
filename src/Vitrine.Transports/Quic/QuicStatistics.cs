namespace Vitrine.Transports.Quic;

/// <summary>How a connection does.</summary>
public readonly record struct QuicConnectionStatistics
{
    /// <summary>The newest sample of the round trip.</summary>
    public TimeSpan LatestRtt { get; init; }

    /// <summary>The least seen.</summary>
    public TimeSpan MinRtt { get; init; }

    /// <summary>RFC 9002, section 5.3.</summary>
    public TimeSpan SmoothedRtt { get; init; }

    /// <summary>RFC 9002, section 5.3.</summary>
    public TimeSpan RttVariation { get; init; }

    /// <summary>After so long without an acknowledgement the sender asks (RFC 9002, section 6.2).</summary>
    public TimeSpan ProbeTimeout { get; init; }

    /// <summary>Bytes that may be under way.</summary>
    public long CongestionWindowBytes { get; init; }

    /// <summary>Bytes that are.</summary>
    public long BytesInFlight { get; init; }

    /// <summary>Bytes of a packet on this path.</summary>
    public int PacketBytesMax { get; init; }

    /// <summary>UDP datagrams.</summary>
    public long PacketsSent { get; init; }

    /// <summary>UDP datagrams.</summary>
    public long PacketsReceived { get; init; }

    /// <summary>Of those sent, for the second time (<see cref="QuicTransportOptions.SendsTwiceWhenLossy"/>).</summary>
    public long PacketsRepeated { get; init; }

    /// <summary>Of UDP payload.</summary>
    public long BytesSent { get; init; }

    /// <summary>Of UDP payload.</summary>
    public long BytesReceived { get; init; }

    /// <summary>Times that a stream's data were declared lost and sent again.</summary>
    public long StreamLosses { get; init; }

    /// <summary>DATAGRAM frames declared lost; they are not sent again.</summary>
    public long DatagramsLost { get; init; }

    /// <summary>DATAGRAM frames dropped here, in either direction, because newer ones came and the queue was full.</summary>
    public long DatagramsDropped { get; init; }

    /// <summary>UDP datagrams that the system would not send: no route, or longer than the link takes.</summary>
    public long SendFailures { get; init; }

    /// <summary>Bytes of streams that are kept until they are acknowledged.</summary>
    public long SendBytesHeld { get; init; }

    /// <summary>Paths that were proven since the first.</summary>
    public int PathsValidated { get; init; }

    /// <summary>Paths that could not be proven.</summary>
    public int PathsRefused { get; init; }

    /// <summary>Times that it went on from another address because this machine's had changed (<see cref="QuicClientOptions.FollowsAddress"/>).</summary>
    public int AddressesFollowed { get; init; }
}

/// <summary>What a listener has done, and what it holds.</summary>
public readonly record struct QuicListenerStatistics
{
    /// <summary>Connections that exist, without those being closed.</summary>
    public int Connections { get; init; }

    /// <summary>Connections being closed: their stray packets are still understood.</summary>
    public int ConnectionsClosing { get; init; }

    /// <summary>Of which are not complete.</summary>
    public int HandshakesInProgress { get; init; }

    /// <summary>Connections whose handshake was completed.</summary>
    public long HandshakesCompleted { get; init; }

    /// <summary>Connections that ended before.</summary>
    public long HandshakesFailed { get; init; }

    /// <summary>Refused because of <see cref="QuicListenerOptions.ConnectionsMax"/>, <see cref="QuicListenerOptions.HandshakesMax"/> or
    /// <see cref="QuicListenerOptions.AcceptBacklogMax"/>.</summary>
    public long ConnectionsRefused { get; init; }

    /// <summary>Connections that were forgotten as soon as they were closed because of <see cref="QuicListenerOptions.ClosingsMax"/>.</summary>
    public long ClosingsCut { get; init; }

    /// <summary>Connections closed because the peer broke the protocol: more streams or bytes than it may send, malformed frames, a TLS alert.</summary>
    public long ProtocolErrors { get; init; }

    /// <summary>Clients asked to prove their address.</summary>
    public long RetriesSent { get; init; }

    /// <summary>Tokens that were forged, of another address, or too old.</summary>
    public long TokensRefused { get; init; }

    /// <summary>First flights with early data that were seen before, or could have been.</summary>
    public long ReplaysRefused { get; init; }

    /// <summary>Clients of other versions answered.</summary>
    public long VersionNegotiationsSent { get; init; }

    /// <summary>Packets of unknown connections answered.</summary>
    public long StatelessResetsSent { get; init; }

    /// <summary>Datagrams that belong to nothing and were not answered.</summary>
    public long DatagramsDropped { get; init; }

    /// <summary>First packets that waited for another turn of the event loop, so that those who are connected had theirs.</summary>
    public long FirstPacketsDelayed { get; init; }

    /// <summary>Times that the system was told to drop a peer's first packets for a second, because they were a flood.</summary>
    public long PeersShutOut { get; init; }

    /// <summary>Datagrams handed to another event loop, whose connection they belong to.</summary>
    public long DatagramsForwarded { get; init; }

    /// <summary>Logs that could not be written (<see cref="QuicTransportOptions.QlogDirectory"/>).</summary>
    public long QlogFailures { get; init; }

    /// <summary>Bytes of native memory in use for streams and datagrams.</summary>
    public long BufferBytes { get; init; }
}
