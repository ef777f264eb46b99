using Vitrine.Frames;
using Vitrine.Interop;
using Vitrine.Measurement;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>One direction of a path: packets in memory taken at construction, ordered by when they are due.</summary>
/// <remarks>Used by the forwarding thread; <see cref="Counters"/> may be read on any. Memory becomes resident as it is used: a slot
/// that was free last is used first.</remarks>
internal sealed class Link : IDisposable
{
    /// <summary>A packet of 1,500 bytes, rounded up to a cache line.</summary>
    public const int SlotBytes = 1536;

    private readonly LinkModel _model;
    private readonly PriorityQueue<Packet, Due> _packets = new(WeakNetwork.PacketsInFlightMax);
    private readonly int[] _free = new int[WeakNetwork.PacketsInFlightMax];
    private readonly MappedMemory _memory = new("weak-network", WeakNetwork.PacketsInFlightMax * SlotBytes);
    private int _freeCount = WeakNetwork.PacketsInFlightMax;
    private long _order;
    private long _highestForwarded = -1;
    private LinkCounters _counters;
    private uint _version; // odd while the counters change

    /// <exception cref="InsufficientMemoryException">No address space.</exception>
    public Link(LinkProfile profile, ulong key)
    {
        _model = new LinkModel(profile, key);
        for (int i = 0; i < _free.Length; i++)
        {
            _free[i] = _free.Length - 1 - i;
        }
    }

    /// <inheritdoc cref="LinkModel.IsSpared"/>
    public bool IsSpared
    {
        get => _model.IsSpared;
        set => _model.IsSpared = value;
    }

    /// <summary>When the next packet is due, or <see cref="long.MaxValue"/>.</summary>
    public long NextDueNs => _packets.TryPeek(out _, out Due due) ? due.Ns : long.MaxValue;

    /// <summary>A consistent picture of all of them.</summary>
    public LinkCounters Counters
    {
        get
        {
            var spin = new SpinWait();
            while (true)
            {
                uint before = Volatile.Read(ref _version);
                LinkCounters counters = _counters;
                Thread.MemoryBarrier();
                if ((before & 1) == 0 && Volatile.Read(ref _version) == before)
                {
                    return counters;
                }

                spin.SpinOnce();
            }
        }
    }

    /// <summary>A packet came.</summary>
    /// <param name="packet">Copied.</param>
    /// <param name="nowNs">When.</param>
    /// <param name="isCut">Whether the path is cut: the packet is counted and gone.</param>
    public void Arrive(ReadOnlySpan<byte> packet, long nowNs, bool isCut)
    {
        LinkCounters counters = _counters;
        counters = counters with { Arrived = counters.Arrived + 1, ArrivedBytes = counters.ArrivedBytes + packet.Length };
        if (isCut)
        {
            Publish(counters with { Cut = counters.Cut + 1 });
            return;
        }

        long number = _model.PacketCount;
        PacketFate fate = _model.Decide(nowNs, packet.Length);
        switch (fate.Outcome)
        {
            case PacketOutcome.Lost:
                counters = counters with { Lost = counters.Lost + 1 };
                break;
            case PacketOutcome.TailDropped:
                counters = counters with { TailDropped = counters.TailDropped + 1 };
                break;
            default:
                int copies = 1;
                if (fate.IsDuplicated)
                {
                    copies = 2;
                    counters = counters with { Duplicated = counters.Duplicated + 1 };
                }

                for (; copies > 0; copies--)
                {
                    if (!TryKeep(packet, number, fate.DueNs))
                    {
                        counters = counters with { Overflowed = counters.Overflowed + 1 };
                    }
                }

                break;
        }

        Publish(counters with { QueuedBytesMax = Math.Max(counters.QueuedBytesMax, _model.QueuedBytes) });
    }

    /// <summary>Hands over what is due.</summary>
    /// <param name="descriptor">Of the receiving side's device.</param>
    /// <param name="time">Clock; looked at for each packet.</param>
    /// <param name="countMax">Most packets, so that what comes is not kept waiting for long.</param>
    /// <param name="isCut">Whether the path is cut: what is due is counted and gone.</param>
    /// <param name="lateness">Where how late each was is recorded.</param>
    public unsafe void Release(int descriptor, TimeProvider time, int countMax, bool isCut, LatencyHistogram lateness)
    {
        long nowNs = time.GetMonotonicNanoseconds();
        if (NextDueNs > nowNs)
        {
            return;
        }

        LinkCounters counters = _counters;
        for (; countMax > 0 && _packets.TryPeek(out Packet packet, out Due due) && due.Ns <= nowNs; countMax--)
        {
            _packets.Dequeue();
            lateness.Record(nowNs - due.Ns);
            // SAFETY: the slot is this packet's until it is put back below, and at least as long as the packet.
            if (isCut)
            {
                counters = counters with { Cut = counters.Cut + 1 };
            }
            else if (LibCNetwork.write(descriptor, (byte*)_memory.Address + ((nint)packet.Slot * SlotBytes), (nuint)packet.Bytes) == packet.Bytes)
            {
                counters = counters with
                {
                    Forwarded = counters.Forwarded + 1,
                    ForwardedBytes = counters.ForwardedBytes + packet.Bytes,
                    Reordered = counters.Reordered + (packet.Number < _highestForwarded ? 1 : 0),
                };
                _highestForwarded = Math.Max(_highestForwarded, packet.Number);
            }
            else
            {
                counters = counters with { Refused = counters.Refused + 1 };
            }

            _free[_freeCount++] = packet.Slot;
            nowNs = time.GetMonotonicNanoseconds();
        }

        _model.Settle(nowNs);
        Publish(counters);
    }

    /// <summary>Gives the memory back. The forwarding thread has ended.</summary>
    public void Dispose() => ((IDisposable)_memory).Dispose();

    private bool TryKeep(ReadOnlySpan<byte> packet, long number, long dueNs)
    {
        if (_freeCount == 0)
        {
            return false;
        }

        int slot = _free[--_freeCount];
        packet.CopyTo(_memory.GetSpan().Slice(slot * SlotBytes, SlotBytes));
        _packets.Enqueue(new Packet(slot, packet.Length, number), new Due(dueNs, _order++));
        return true;
    }

    private void Publish(LinkCounters counters)
    {
        Volatile.Write(ref _version, _version + 1);
        Thread.MemoryBarrier();
        _counters = counters with { QueuedPackets = _model.QueuedPackets, QueuedBytes = _model.QueuedBytes, InFlight = _packets.Count };
        Volatile.Write(ref _version, _version + 1);
    }

    private readonly record struct Packet(int Slot, int Bytes, long Number);

    // The order keeps apart what is due at the same time.
    private readonly record struct Due(long Ns, long Order) : IComparable<Due>
    {
        public int CompareTo(Due other) => Ns != other.Ns ? Ns.CompareTo(other.Ns) : Order.CompareTo(other.Order);
    }
}
