namespace Vitrine.Transports.Quic;

/// <summary>What a connection has sent since its start.</summary>
/// <param name="Packets">Those that went twice counted once.</param>
/// <param name="Twice">Packets that went twice.</param>
/// <param name="Losses">Losses noticed: of streams that have ended, and of datagrams.</param>
internal readonly record struct QuicPacketCounts(long Packets, long Twice, long Losses);
