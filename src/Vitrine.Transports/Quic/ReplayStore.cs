using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>Which first flights with early data were seen, so that none is taken twice (RFC 8446, section 8).</summary>
/// <remarks>Bounded: when it is full, every further flight counts as seen, and its handshake goes on without early data. Thread-safe: the
/// loops of a server share it.</remarks>
internal sealed unsafe class ReplayStore : IDisposable
{
    private readonly Lock _lock = new();
    private readonly HashSet<UInt128> _seen = [];
    private readonly Queue<(UInt128 Key, long Expires)> _order = new();
    private readonly int _entriesMax;
    private readonly long _windowMs;
    private GCHandle _self;
    private long _refused;

    public ReplayStore(int entriesMax, TimeSpan window)
    {
        _entriesMax = entriesMax;

        // GnuTLS takes a ticket's age within the window on either side of what it expects.
        _windowMs = (long)(2 * window.TotalMilliseconds) + 1000;
        _self = GCHandle.Alloc(this);
    }

    /// <summary>For <see cref="LibGnuTls.gnutls_anti_replay_set_add_function"/>.</summary>
    public static delegate* unmanaged[Cdecl]<nint, long, GnuTlsDatum*, GnuTlsDatum*, int> Add => &OnAdd;

    /// <summary>For <see cref="LibGnuTls.gnutls_anti_replay_set_ptr"/>; valid until disposal.</summary>
    public nint Pointer => GCHandle.ToIntPtr(_self);

    /// <summary>How many were refused.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Keeps a key. False when it was there, or there is no room.</summary>
    public bool TryAdd(ReadOnlySpan<byte> key, long nowMs)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(key, hash);
        UInt128 shortened = Unsafe.ReadUnaligned<UInt128>(ref hash[0]);
        lock (_lock)
        {
            while (_order.TryPeek(out (UInt128 Key, long Expires) oldest) && oldest.Expires <= nowMs)
            {
                _seen.Remove(oldest.Key);
                _order.Dequeue();
            }

            if (_seen.Count < _entriesMax && _seen.Add(shortened))
            {
                _order.Enqueue((shortened, nowMs + _windowMs));
                return true;
            }
        }

        Interlocked.Increment(ref _refused);
        QuicCounts.AddToProcess(QuicCount.ReplaysRefused);
        return false;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_self.IsAllocated)
        {
            _self.Free();
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnAdd(nint pointer, long expires, GnuTlsDatum* key, GnuTlsDatum* data)
    {
        try
        {
            // SAFETY: the pointer is the handle of a store that outlives its sessions; the key has its length beside it.
            ReplayStore store = Unsafe.As<ReplayStore>(GCHandle.FromIntPtr(pointer).Target!);
            return store.TryAdd(new ReadOnlySpan<byte>(key->Data, (int)key->Bytes), Environment.TickCount64) ? 0 : LibGnuTls.ErrorDatabaseEntryExists;
        }
        catch (Exception)
        {
            return LibGnuTls.ErrorDatabaseEntryExists; // in doubt it was seen; an exception must not leave
        }
    }
}
