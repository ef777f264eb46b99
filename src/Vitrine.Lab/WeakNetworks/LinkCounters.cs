namespace Vitrine.Lab.WeakNetworks;

/// <summary>What became of the packets of one direction of a path. Once nothing is in flight,
/// <c>Arrived + Duplicated = Forwarded + Lost + TailDropped + Cut + Overflowed + Refused</c>.</summary>
/// <param name="Arrived">Packets that came out of the sending side's device.</param>
/// <param name="ArrivedBytes">Their bytes.</param>
/// <param name="Forwarded">Packets handed to the receiving side, copies too.</param>
/// <param name="ForwardedBytes">Their bytes.</param>
/// <param name="Lost">By the profile's loss.</param>
/// <param name="TailDropped">Because the queue was full.</param>
/// <param name="Reordered">Forwarded after one that was sent later (RFC 4737, section 3.3).</param>
/// <param name="Duplicated">Copies made.</param>
/// <param name="Cut">Lost because their path was cut, on the way too.</param>
/// <param name="Overflowed">Dropped by the emulator's own bound, <see cref="WeakNetwork.PacketsInFlightMax"/>. Other than 0: it carries
/// less than its profile says.</param>
/// <param name="Refused">Not taken by the receiving side's kernel. Other than 0: as above.</param>
/// <param name="QueuedPackets">Waiting for the rate or the trace when the last packet came or left.</param>
/// <param name="QueuedBytes">Their bytes.</param>
/// <param name="QueuedBytesMax">Most that waited at once.</param>
/// <param name="InFlight">Held by the emulator: waiting or on the way.</param>
internal readonly record struct LinkCounters(
    long Arrived, long ArrivedBytes, long Forwarded, long ForwardedBytes, long Lost, long TailDropped, long Reordered, long Duplicated,
    long Cut, long Overflowed, long Refused, long QueuedPackets, long QueuedBytes, long QueuedBytesMax, long InFlight);
