using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Vitrine.Transports.Calls;

/// <summary>What each peer, told by its address, may still do: begin connections, leave answers unread, and send requests. Who wastes connections, or
/// breaks limits on them, has to wait before it may begin more; connections that it has go on, and so do other peers.</summary>
/// <remarks>Thread-safe. Connections are paid for with credit that comes back with time. Of IPv6 the network part (64 bits) is the
/// peer. Peers of whom nothing is to be remembered are forgotten; when there are more than <see cref="PeersMax"/>, those that come on
/// top share an account.</remarks>
/// <param name="time">The clock; null: the system's.</param>
/// <param name="requestPatience">How long a request waits for room before it is refused; null: 10 s.</param>
public sealed class PeerLedger(TimeProvider? time = null, TimeSpan? requestPatience = null)
{
    /// <summary>Credit of a peer that has done nothing lately: a page is loaded over six connections, and many may live at one address.</summary>
    public const double CreditMax = 512;

    /// <summary>Credit that comes back in a second.</summary>
    public const double CreditPerSecond = 64;

    /// <summary>The least: after 10 s a peer may begin a connection again, whatever it did.</summary>
    public const double CreditMin = -10 * CreditPerSecond;

    /// <summary>What a connection costs.</summary>
    internal const double ConnectionCost = 1;

    /// <summary>What one costs further on which nothing was served: a handshake that was broken off, heads without a request, calls that were
    /// all broken off.</summary>
    internal const double WasteCost = 8;

    /// <summary>What a request costs that breaks a limit of size: an honest client does not find it by trying.</summary>
    internal const double OversizeCost = 4;

    /// <summary>What a call costs that its caller breaks off.</summary>
    internal const double BrokenOffCost = 0.25;

    /// <summary>What a connection costs that had to be closed for what was done on it.</summary>
    internal const double AbuseCost = CreditMax;

    /// <summary>Bytes of answers that a peer may leave unread, on all its connections.</summary>
    internal const long UnreadBytesMax = 16 << 20;

    /// <summary>The same for one connection.</summary>
    internal const long ConnectionUnreadBytesMax = 4 << 20;

    /// <summary>Bytes of requests that a peer may have read at a time, on all its connections: those that are coming, and those that are being
    /// served.</summary>
    internal const long RequestBytesMax = 8 << 20;

    /// <summary>The same for one connection.</summary>
    internal const long ConnectionRequestBytesMax = 4 << 20;

    /// <summary>Peers with an account of their own.</summary>
    internal const int PeersMax = 16_384;

    private static readonly TimeSpan s_requestPatience = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<(ulong High, ulong Low), PeerAccount> _accounts = new();
    private readonly PeerAccount _others = new(time ?? TimeProvider.System, requestPatience ?? s_requestPatience);
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly TimeSpan _requestPatience = requestPatience ?? s_requestPatience;
    private long _sweptAt = (time ?? TimeProvider.System).GetTimestamp();

    /// <summary>Peers that something is remembered of.</summary>
    internal int Count => _accounts.Count;

    /// <summary>Bytes of answers that a peer leaves unread now.</summary>
    internal long UnreadBytes(IPAddress address) => _accounts.TryGetValue(KeyOf(address), out PeerAccount? account) ? account.Answers.Bytes : 0;

    /// <summary>Bytes of requests that are read for a peer now.</summary>
    internal long RequestBytes(IPAddress address) => _accounts.TryGetValue(KeyOf(address), out PeerAccount? account) ? account.Requests.Bytes : 0;

    /// <summary>A connection begins.</summary>
    /// <returns>Null: it may not. Else <see cref="PeerConnection.Dispose"/> ends it.</returns>
    internal PeerConnection? TryEnter(IPAddress address)
    {
        while (true)
        {
            PeerAccount account = Account(address);
            switch (account.TryEnter())
            {
                case true:
                    return new(account);
                case false:
                    return null;
                default:
                    break; // it was forgotten a moment ago
            }
        }
    }

    /// <summary>Whether a connection could begin.</summary>
    internal bool MayEnter(IPAddress address) => !_accounts.TryGetValue(KeyOf(address), out PeerAccount? account) || account.MayEnter;

    private static (ulong High, ulong Low) KeyOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (address.AddressFamily == AddressFamily.InterNetworkV6 && !address.IsIPv4MappedToIPv6)
        {
            address.TryWriteBytes(bytes, out _);
            return (BitConverter.ToUInt64(bytes), 1);
        }

        bytes.Clear();
        (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).TryWriteBytes(bytes, out _);
        return (BitConverter.ToUInt64(bytes), 0);
    }

    private PeerAccount Account(IPAddress address)
    {
        (ulong, ulong) key = KeyOf(address);
        if (_accounts.TryGetValue(key, out PeerAccount? known))
        {
            return known;
        }

        Sweep();
        return _accounts.Count < PeersMax ? _accounts.GetOrAdd(key, static (_, ledger) => new(ledger._time, ledger._requestPatience), this) : _others;
    }

    // At most once a second, when somebody new comes.
    private void Sweep()
    {
        long now = _time.GetTimestamp(), before = Interlocked.Read(ref _sweptAt);
        if (_time.GetElapsedTime(before, now) < TimeSpan.FromSeconds(1) || Interlocked.CompareExchange(ref _sweptAt, now, before) != before)
        {
            return;
        }

        foreach (KeyValuePair<(ulong, ulong), PeerAccount> each in _accounts)
        {
            if (each.Value.TryForget())
            {
                _accounts.TryRemove(each);
            }
        }
    }
}

/// <summary>What one peer may still do.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class PeerAccount(TimeProvider time, TimeSpan requestPatience)
{
    private readonly Lock _lock = new();
    private double _credit = PeerLedger.CreditMax;
    private long _creditAt = time.GetTimestamp();
    private int _connections;
    private bool _isForgotten;

    /// <summary>How long a request waits for room.</summary>
    public TimeSpan RequestPatience => requestPatience;

    /// <summary>Of all its connections.</summary>
    public MessageRoom Answers { get; } = new(PeerLedger.UnreadBytesMax, null);

    /// <summary>Of all its connections.</summary>
    public MessageRoom Requests { get; } = new(PeerLedger.RequestBytesMax, null);

    public bool MayEnter
    {
        get
        {
            lock (_lock)
            {
                Refill();
                return _credit >= PeerLedger.ConnectionCost;
            }
        }
    }

    /// <summary>Pays for a connection.</summary>
    /// <returns>False: it cannot. Null: this account is of the past.</returns>
    public bool? TryEnter()
    {
        lock (_lock)
        {
            if (_isForgotten)
            {
                return null;
            }

            Refill();
            if (_credit < PeerLedger.ConnectionCost)
            {
                return false;
            }

            _credit -= PeerLedger.ConnectionCost;
            _connections++;
            return true;
        }
    }

    /// <summary>Takes credit.</summary>
    public void Charge(double cost)
    {
        lock (_lock)
        {
            Refill();
            _credit = Math.Max(_credit - cost, PeerLedger.CreditMin);
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            _connections--;
        }
    }

    /// <summary>Whether nothing is to be remembered; then it is of the past.</summary>
    public bool TryForget()
    {
        lock (_lock)
        {
            Refill();
            return _isForgotten = _connections == 0 && _credit >= PeerLedger.CreditMax;
        }
    }

    private void Refill()
    {
        long now = time.GetTimestamp();
        _credit = Math.Min(PeerLedger.CreditMax, _credit + (PeerLedger.CreditPerSecond * time.GetElapsedTime(_creditAt, now).TotalSeconds));
        _creditAt = now;
    }
}

/// <summary>One connection of a peer.</summary>
/// <remarks>Thread-safe; disposed of once, when it has ended.</remarks>
internal sealed class PeerConnection(PeerAccount account) : IDisposable
{
    private volatile bool _isUseful;

    /// <summary>Of the answers that wait on it.</summary>
    public MessageRoom Answers { get; } = new(PeerLedger.ConnectionUnreadBytesMax, account.Answers);

    /// <summary>Of the requests that are read from it; see <see cref="RequestHold"/>.</summary>
    public MessageRoom Requests { get; } = new(PeerLedger.ConnectionRequestBytesMax, account.Requests);

    /// <summary>Takes room for a request, or waits for it.</summary>
    /// <param name="bytes">As much is given back to <see cref="Requests"/>.</param>
    /// <param name="over">Ends the wait.</param>
    /// <exception cref="CallException"><see cref="CallStatusCode.ResourceExhausted"/>: there was none for too long.</exception>
    public async ValueTask TakeRequestAsync(int bytes, CancellationToken over)
    {
        if (Requests.TryTake(bytes))
        {
            return;
        }

        using CancellationTokenSource late = new(account.RequestPatience);
        PeerLimits.RequestWaits();
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(over, late.Token);
        try
        {
            await Requests.TakeAsync(bytes, patience.Token);
        }
        catch (OperationCanceledException exception) when (late.IsCancellationRequested && !over.IsCancellationRequested)
        {
            PeerLimits.RequestRefused();
            throw new CallException(
                CallStatusCode.ResourceExhausted, "This address sends more requests at a time than it may: others of its requests are still being read or served.",
                innerException: exception);
        }
    }

    /// <summary>A request was served: it was not for nothing.</summary>
    public void Served() => _isUseful = true;

    /// <summary>A call was broken off by its caller.</summary>
    public void NoteBrokenOff() => account.Charge(PeerLedger.BrokenOffCost);

    /// <summary>A request broke a limit of size.</summary>
    public void NoteOversize() => account.Charge(PeerLedger.OversizeCost);

    /// <summary>It is closed for what was done on it.</summary>
    public void NoteAbuse() => account.Charge(PeerLedger.AbuseCost);

    public void Dispose()
    {
        if (!_isUseful)
        {
            account.Charge(PeerLedger.WasteCost);
        }

        account.Leave();
    }
}
