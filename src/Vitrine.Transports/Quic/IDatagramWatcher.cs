namespace Vitrine.Transports.Quic;

/// <summary>Hears what becomes of datagrams. Called on the event loop's thread, inside ngtcp2: it must neither block nor call the connection.</summary>
/// <remarks>Of each datagram it hears <see cref="Sent"/>, and then at most, but not always, <see cref="Acknowledged"/>, <see cref="Lost"/> or both:
/// ngtcp2 1.11 does not tell the loss of a datagram whose packet holds something else that a probe timeout had it send again
/// (<c>rtb_on_pkt_lost</c> of a packet that was reclaimed). Whoever needs to know counts the time as well.</remarks>
internal interface IDatagramWatcher
{
    /// <summary>It is in a packet, or <see cref="Lost"/> follows at once.</summary>
    /// <param name="tag">As it was handed over.</param>
    /// <param name="probeTimeout">The connection's (RFC 9002, section 6.2.1), without what it was doubled by.</param>
    void Sent(ulong tag, TimeSpan probeTimeout);

    /// <summary>The peer has it.</summary>
    void Acknowledged(ulong tag);

    /// <summary>It was declared lost (RFC 9002, section 6.1), or could not be sent. It may have arrived all the same.</summary>
    void Lost(ulong tag);
}
