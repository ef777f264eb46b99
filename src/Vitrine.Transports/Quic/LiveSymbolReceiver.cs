using System.Buffers;
using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Quic;

/// <summary>Puts video packets together from symbols, whichever of them arrive.</summary>
/// <remarks>Thread-safe. Bounded: <see cref="UnitsMax"/> packets at a time, and of each as many bytes as its head tells, a quarter of a megabyte at
/// most, and as many again for repair symbols; the oldest is given up for a newer one.</remarks>
internal sealed class LiveSymbolReceiver : IDisposable
{
    /// <summary>Packets of which parts are missing, at a time.</summary>
    public const int UnitsMax = 64;

    // Of packets that are there or given up, so that what comes late begins nothing anew.
    private const int DoneMax = 4 * UnitsMax;

    private readonly Lock _lock = new();
    private readonly List<Unit> _units = [];
    private readonly uint[] _done = new uint[DoneMax];
    private int _doneCount;
    private int _doneAt;
    private bool _isDisposed;

    /// <summary>Packets put together with repair symbols.</summary>
    public long Repaired { get; private set; }

    /// <summary>Packets given up.</summary>
    public long GivenUp { get; private set; }

    /// <summary>Takes a datagram.</summary>
    /// <param name="datagram">Borrowed.</param>
    /// <param name="number">The packet's place among all, when it is complete.</param>
    /// <param name="packet">The packet as a stream would bring it after its number, when this completes it: owned by the caller.</param>
    /// <returns>False: it is no symbol.</returns>
    public bool TryAdd(ReadOnlySpan<byte> datagram, out uint number, out PooledBuffer? packet)
    {
        packet = null;
        bool isSymbol = LiveSymbol.TryRead(datagram, out LiveSymbol head);
        number = head.Unit;
        if (!isSymbol)
        {
            return false;
        }

        lock (_lock)
        {
            if (_isDisposed || IsDone(number))
            {
                return true;
            }

            int at = IndexOf(number);
            if (at < 0)
            {
                if (_units.Count == UnitsMax)
                {
                    GivenUp++;
                    Finish(0);
                }

                at = _units.Count;
                _units.Add(new(head));
            }

            Unit unit = _units[at];
            if (unit.Head with { Symbol = 0 } != head with { Symbol = 0 } || !unit.TryAdd(head.Symbol, datagram[LiveSymbol.HeadBytes..]) || !unit.IsComplete)
            {
                return true; // not what the others said, or there already, or not enough
            }

            Repaired += unit.HasRepairs ? 1 : 0;
            packet = unit.TakePacket();
            Finish(at);
            return true;
        }
    }

    /// <summary>The packet has come another way.</summary>
    public void Forget(uint number)
    {
        lock (_lock)
        {
            int at = IndexOf(number);
            if (at >= 0)
            {
                Finish(at);
            }
            else if (!IsDone(number))
            {
                NoteDone(number);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _units.ForEach(static unit => unit.Clear());
            _units.Clear();
        }
    }

    // Under the lock, as what follows.
    private int IndexOf(uint number)
    {
        int at = _units.Count - 1;
        while (at >= 0 && _units[at].Head.Unit != number)
        {
            at--;
        }

        return at;
    }

    private bool IsDone(uint number) => _done.AsSpan(0, _doneCount).Contains(number);

    private void NoteDone(uint number)
    {
        _done[_doneAt] = number;
        _doneAt = (_doneAt + 1) % DoneMax;
        _doneCount = Math.Min(_doneCount + 1, DoneMax);
    }

    private void Finish(int at)
    {
        NoteDone(_units[at].Head.Unit);
        _units[at].Clear();
        _units.RemoveAt(at);
    }

    private sealed class Unit
    {
        private readonly bool[] _has = new bool[ErasureCode.SymbolsMax];
        private readonly List<int> _repairs = [];
        private readonly PooledBuffer _packet;
        private byte[] _repairSymbols = [];
        private int _count;

        public Unit(in LiveSymbol head)
        {
            Head = head;
            _packet = new(VariableInteger.BytesMax + (head.SymbolBytes * head.Sources));
            _packet.Advance(VariableInteger.Write(_packet.GetSpan(VariableInteger.BytesMax + (head.SymbolBytes * head.Sources)), head.After));
        }

        public LiveSymbol Head { get; }

        public bool IsComplete => _count == Head.Sources;

        public bool HasRepairs => _repairs.Count > 0;

        // Behind what is written: the last part may have more bytes than are the packet's.
        private Span<byte> Sources => _packet.GetSpan(Head.SymbolBytes * Head.Sources)[..(Head.SymbolBytes * Head.Sources)];

        public bool TryAdd(int symbol, ReadOnlySpan<byte> bytes)
        {
            if (_has[symbol])
            {
                return false;
            }

            _has[symbol] = true;
            _count++;
            if (symbol < Head.Sources)
            {
                bytes.CopyTo(Sources[(symbol * Head.SymbolBytes)..]);
                return true;
            }

            if (_repairSymbols.Length == 0)
            {
                _repairSymbols = ArrayPool<byte>.Shared.Rent(Head.SymbolBytes * Math.Min(Head.Sources, ErasureCode.SymbolsMax - Head.Sources));
            }

            bytes.CopyTo(_repairSymbols.AsSpan(Head.SymbolBytes * _repairs.Count));
            _repairs.Add(symbol - Head.Sources);
            return true;
        }

        /// <summary>Once, when it is complete.</summary>
        public PooledBuffer TakePacket()
        {
            if (_repairs.Count > 0)
            {
                int[] missing = [.. Enumerable.Range(0, Head.Sources).Where(source => !_has[source])];
                ErasureCode.Restore(Sources, Head.SymbolBytes, missing, [.. _repairs], _repairSymbols);
            }

            _packet.Advance(Head.PacketBytes);
            return _packet;
        }

        /// <summary>Gives its memory back; that of the packet only if nobody took it.</summary>
        public void Clear()
        {
            if (!IsComplete)
            {
                _packet.Clear();
            }

            if (_repairSymbols.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_repairSymbols);
                _repairSymbols = [];
            }
        }
    }
}
