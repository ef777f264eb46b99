using System.Buffers;
using System.Threading.Channels;
using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Quic;

/// <summary>A video packet on its way.</summary>
/// <param name="Number">Its place among all of the connection, as they were sent.</param>
/// <param name="After">How many ordered packets were sent before it.</param>
/// <param name="Region">Of it.</param>
/// <param name="Encoder">Of it.</param>
/// <param name="Turn">Its priority among streams.</param>
internal readonly record struct LiveUnitHead(uint Number, ulong After, ushort Region, uint Encoder, int Turn);

/// <summary>Sends video packets as symbols in datagrams, so many of them that the losses of the path rarely matter, and says which packets
/// the peer may not be able to put together all the same.</summary>
/// <remarks>One thread sends, the event loop's tells what became of symbols. Holds a copy of at most <see cref="UnitsMax"/> packets, each until as many
/// symbols of it are acknowledged as restore it. When so many are lost that the rest cannot do, or <see cref="PatienceProbeTimeouts"/> have
/// passed since the last one was sent, the packet is for a stream: that every packet arrives does not depend on being told of losses.</remarks>
internal sealed class LiveSymbolSender : IDatagramWatcher, IDisposable
{
    /// <summary>Packets held at a time; what comes beyond is for streams, which wait for the viewer. Not more than half of what a receiver puts
    /// together at a time, which also has such as were given up here.</summary>
    public const int UnitsMax = LiveSymbolReceiver.UnitsMax / 2;

    // A loss is told an acknowledgement of something later after, or, at the end of what is sent, a probe timeout and its round trip after.
    private const int PatienceProbeTimeouts = 2;

    // A path takes 1,130; with less its peer is none of ours, and a packet would have more parts than bytes in one.
    private const int RoomMin = 1000;

    // A packet, of which a film has 30 a second.
    private const double RoomRise = 1.02;

    private readonly Lock _lock = new();
    private readonly List<Unit> _units = [];
    private readonly Channel<Unit> _short = Channel.CreateUnbounded<Unit>(); // of those that are held, each once
    private readonly QuicConnection _connection;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private bool _isTimed;
    private byte[] _datagram = [];
    private byte[] _repairs = [];
    private double _room = double.PositiveInfinity;

    public LiveSymbolSender(QuicConnection connection, TimeProvider time)
    {
        (_connection, _time) = (connection, time);
        _timer = time.CreateTimer(static sender => ((LiveSymbolSender)sender!).LookForOverdue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        connection.Watcher = this;
    }

    /// <summary>What the path loses.</summary>
    public LossMeter Loss { get; } = new();

    /// <summary>Packets of which not enough symbols are acknowledged yet.</summary>
    public int UnitsHeld
    {
        get
        {
            lock (_lock)
            {
                return _units.Count;
            }
        }
    }

    /// <inheritdoc cref="IPacketConnection.RoomBitsPerSecond"/>
    public long? RoomBitsPerSecond => Volatile.Read(ref _room) is double room && double.IsFinite(room) ? (long)room : null;

    /// <summary>Notes what congestion control lets through: down at once, and up slowly, for BBR opens its window for a moment whenever it looks for
    /// more.</summary>
    /// <param name="windowBytes">0: the path loses nothing.</param>
    /// <param name="rttNs">A round trip.</param>
    /// <param name="symbolsAPart">What protection makes of a byte of video.</param>
    internal void NoteRoom(long windowBytes, long rttNs, double symbolsAPart) => Volatile.Write(
        ref _room, windowBytes == 0 || rttNs == 0 ? double.PositiveInfinity : Math.Min(windowBytes * 8e9 / rttNs / symbolsAPart, RoomRise * _room));

    /// <summary>Packets that went as symbols.</summary>
    public long UnitsProtected { get; private set; }

    /// <summary>Packets of which too much was lost, or nothing was heard.</summary>
    public long UnitsShort { get; private set; }

    /// <summary>Sends a packet when the path loses so much that it is worth it.</summary>
    /// <param name="packet">Borrowed for the call.</param>
    /// <param name="about">It.</param>
    /// <returns>False: it is for a stream.</returns>
    public bool TrySend(ReadOnlySpan<byte> packet, in LiveUnitHead about)
    {
        Loss.Note(_connection.Counts);
        int room = _connection.DatagramBytesMax - LiveSymbol.HeadBytes;
        int sources = (packet.Length + Math.Max(room, 1) - 1) / Math.Max(room, 1);
        if (Loss.Share < LossMeter.ShareMin || room < RoomMin || sources > LiveSymbol.SourcesMax)
        {
            NoteRoom(0, 0, 1);
            return false;
        }

        int repairs, symbolBytes = (packet.Length + sources - 1) / sources;
        double share = Loss.ShareAtMost;
        lock (_lock)
        {
            if (_units.Count >= UnitsMax)
            {
                return false;
            }

            // A symbol that goes twice is lost when both are. More symbols than fit into the window would have all of them wait, which costs
            // more than what they repair; video is told to become smaller then.
            long window = _connection.LossyWindowBytes, each = (_units.Count + 1) * (long)symbolBytes;
            repairs = LossMeter.Repairs(sources, share, window == 0 ? 0 : Loss.Twice);
            NoteRoom(window, _connection.LossyRttNs, (double)(sources + repairs) / sources);
            if (window > 0)
            {
                repairs = (int)Math.Min(repairs, Math.Max((window / each) - sources, LossMeter.Repairs(sources, share, 1)));
            }
            Unit unit = new(about, sources, sources + repairs);
            unit.Packet.Write(packet);
            _units.Add(unit);
            UnitsProtected++;
        }

        LiveSymbol head = new(0, sources, packet.Length, about.Number, about.After);
        if (_datagram.Length < LiveSymbol.HeadBytes + symbolBytes)
        {
            _datagram = new byte[LiveSymbol.HeadBytes + room];
        }

        if (_repairs.Length < repairs * symbolBytes)
        {
            _repairs = new byte[repairs * room];
        }

        Span<byte> datagram = _datagram.AsSpan(0, LiveSymbol.HeadBytes + symbolBytes), all = _repairs.AsSpan(0, repairs * symbolBytes);
        all.Clear();
        for (int source = 0; source < sources; source++)
        {
            ReadOnlySpan<byte> part = packet[(source * symbolBytes)..Math.Min((source + 1) * symbolBytes, packet.Length)];
            for (int repair = 0; repair < repairs; repair++)
            {
                ErasureCode.Add(repair, source, part, all.Slice(repair * symbolBytes, symbolBytes));
            }

            datagram[LiveSymbol.HeadBytes..].Clear();
            part.CopyTo(datagram[LiveSymbol.HeadBytes..]);
            Send(head with { Symbol = source }, datagram, about.Turn);
        }

        for (int repair = 0; repair < repairs; repair++)
        {
            all.Slice(repair * symbolBytes, symbolBytes).CopyTo(datagram[LiveSymbol.HeadBytes..]);
            Send(head with { Symbol = sources + repair }, datagram, about.Turn);
        }

        return true;
    }

    /// <summary>The next packet that the peer may lack symbols of: for a stream. Its memory is the caller's.</summary>
    public async ValueTask<(PooledBuffer Packet, LiveUnitHead About)> WaitForShortAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Unit unit = await _short.Reader.ReadAsync(cancellationToken);
            lock (_lock)
            {
                if (_units.Remove(unit)) // it is not acknowledged or given up by now
                {
                    return (unit.Packet, unit.About);
                }
            }
        }
    }

    /// <summary>Gives up packets that nobody needs any more.</summary>
    /// <param name="isStale">By their region.</param>
    public void GiveUp(Func<ushort, bool> isStale)
    {
        lock (_lock)
        {
            for (int i = _units.Count - 1; i >= 0; i--)
            {
                if (isStale(_units[i].About.Region))
                {
                    Remove(i);
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _connection.Watcher = null;
        _timer.Dispose();
        GiveUp(static _ => true);
    }

    /// <inheritdoc/>
    void IDatagramWatcher.Sent(ulong tag, TimeSpan probeTimeout)
    {
        lock (_lock)
        {
            int at = IndexOf(tag);
            if (at < 0 || --_units[at].Unsent > 0)
            {
                return;
            }

            TimeSpan patience = PatienceProbeTimeouts * probeTimeout;
            _units[at].Due = _time.GetTimestamp() + (long)(patience.TotalSeconds * _time.TimestampFrequency);
            if (!_isTimed)
            {
                _isTimed = _timer.Change(patience, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <inheritdoc/>
    void IDatagramWatcher.Acknowledged(ulong tag)
    {
        lock (_lock)
        {
            int at = IndexOf(tag);
            if (at >= 0 && ++_units[at].Arrived >= _units[at].Sources)
            {
                Remove(at);
            }
        }
    }

    /// <inheritdoc/>
    void IDatagramWatcher.Lost(ulong tag)
    {
        lock (_lock)
        {
            int at = IndexOf(tag);
            if (at >= 0 && --_units[at].Hoped < _units[at].Sources)
            {
                TellShort(_units[at]);
            }
        }
    }

    private void LookForOverdue()
    {
        lock (_lock)
        {
            long now = _time.GetTimestamp(), next = long.MaxValue;
            foreach (Unit unit in _units)
            {
                if (unit.Due <= now)
                {
                    TellShort(unit);
                }
                else
                {
                    next = Math.Min(next, unit.Due);
                }
            }

            _isTimed = next != long.MaxValue
                && _timer.Change(_time.GetElapsedTime(now, next) + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }
    }

    private void Send(in LiveSymbol symbol, Span<byte> datagram, int turn)
    {
        symbol.Write(datagram);
        if (_connection.SendWatched(datagram, symbol.Unit, turn) != QuicDatagramStatus.Queued)
        {
            IDatagramWatcher self = this;
            self.Sent(symbol.Unit, TimeSpan.Zero);
            self.Lost(symbol.Unit);
        }
    }

    // Under the lock, as what follows.
    private int IndexOf(ulong tag)
    {
        int at = _units.Count - 1; // the newest is what is heard of most
        while (at >= 0 && _units[at].About.Number != tag)
        {
            at--;
        }

        return at;
    }

    private void TellShort(Unit unit)
    {
        if (!unit.IsShort)
        {
            unit.IsShort = true;
            UnitsShort++;
            _short.Writer.TryWrite(unit);
        }
    }

    private void Remove(int at)
    {
        _units[at].Packet.Clear();
        _units.RemoveAt(at);
    }

    private sealed class Unit(in LiveUnitHead about, int sources, int symbols)
    {
        public LiveUnitHead About { get; } = about;

        public int Sources { get; } = sources;

        /// <summary>Symbols that wait to be sent.</summary>
        public int Unsent { get; set; } = symbols;

        /// <summary>Symbols that were acknowledged.</summary>
        public int Arrived { get; set; }

        /// <summary>Symbols that were not lost.</summary>
        public int Hoped { get; set; } = symbols;

        /// <summary>When it is for a stream at the latest: a time stamp.</summary>
        public long Due { get; set; } = long.MaxValue;

        /// <summary>Whether it is for a stream.</summary>
        public bool IsShort { get; set; }

        /// <summary>As it was handed over.</summary>
        public PooledBuffer Packet { get; } = new(QuicPacketConnection.UnitBytesMax);
    }
}
