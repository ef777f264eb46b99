using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>A thread that owns sockets and all connections on them: ngtcp2 is not thread-safe, and needs no locks this way.</summary>
/// <remarks>Each turn: what arrived is read, what other threads changed is taken over, whoever waits is told, timers run, and every
/// connection that was touched writes once. Other threads talk to it through <see cref="Enqueue"/> and <see cref="Post"/>, and wake it
/// with an eventfd when it sleeps. Allocates nothing once its lists have found their size.</remarks>
internal sealed unsafe class QuicEventLoop : IDisposable
{
    /// <summary>As much as one send with segmentation offload carries, and one packet more.</summary>
    public const int SendBufferBytes = 64 << 10;

    private const int EventsMax = 64;
    private const int DatagramsMax = 64;

    // Batches taken from one socket before the others have their turn.
    private const int BatchesMax = 4;

    private const ulong WakeData = ulong.MaxValue;
    private const ulong WatchData = ulong.MaxValue - 1;

    private readonly SafeFileHandle _epoll;
    private readonly SafeFileHandle _wake;
    private readonly Thread _thread;
    private readonly Lock _lock = new();
    private readonly List<QuicPort?> _ports = [];
    private readonly HashSet<QuicConnection> _connections = [];
    private readonly UdpDatagram[] _datagrams = new UdpDatagram[DatagramsMax];
    private readonly TimerHeap<QuicConnection> _timers = new();
    private readonly byte[] _events = new byte[EventsMax * LibCEpoll.EventBytes];
    private List<QuicConnection> _touched = [];
    private List<QuicConnection> _touchedSpare = [];
    private List<QuicConnection> _changed = [];
    private List<QuicConnection> _changedSpare = [];
    private List<Action> _posted = [];
    private List<Action> _postedSpare = [];
    private List<QuicStream> _completions = [];
    private List<QuicStream> _completionsSpare = [];
    private List<QuicConnection> _connectionCompletions = [];
    private List<QuicConnection> _connectionCompletionsSpare = [];
    private int _isSleeping;
    private int _isStopping;
    private bool _isEnded;
    private bool _hasPwait2 = true;
    private bool _isWatching;
    private AddressWatch? _watch;

    public QuicEventLoop(string name)
    {
        QuicLibraries.Require();
        if (Stopwatch.Frequency != 1_000_000_000)
        {
            throw new PlatformNotSupportedException("The clock does not count nanoseconds.");
        }

        _epoll = LibCEpoll.epoll_create1(LibCEpoll.CreateCloseOnExec);
        _wake = LibC.eventfd(0, LibC.EventFdCloexec | LibC.EventFdNonBlocking);
        if (_epoll.IsInvalid || _wake.IsInvalid)
        {
            throw new IOException("The system gives no descriptors for an event loop.");
        }

        Control(LibCEpoll.Add, (int)_wake.DangerousGetHandle(), LibCEpoll.In, WakeData);
        SendBuffer = (byte*)NativeMemory.Alloc(SendBufferBytes);
        Path = (Ngtcp2Path*)NativeMemory.AllocZeroed((nuint)(sizeof(Ngtcp2Path) + (2 * sizeof(SocketAddressBytes))));
        PathLocal = (SocketAddressBytes*)(Path + 1);
        PathRemote = PathLocal + 1;
        Path->Local.Address = (byte*)PathLocal;
        Path->Remote.Address = (byte*)PathRemote;
        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Nanoseconds of the monotonic clock.</summary>
    public static ulong Now => (ulong)Stopwatch.GetTimestamp();

    /// <summary>Called on its thread when it ends by a bug of ours.</summary>
    public Action<Exception>? Faulted { get; set; }

    /// <summary>Its share of a listener; null: a client's loop.</summary>
    public QuicServer? Server { get; set; }

    /// <summary>Memory of its connections' streams.</summary>
    public NativeBlockPool Blocks { get; } = new();

    /// <summary>Whether the caller is its thread.</summary>
    public bool IsCurrent => Thread.CurrentThread == _thread;

    // What connections borrow while they write: one at a time.
    public byte* SendBuffer { get; }

    public Ngtcp2Path* Path { get; }

    public SocketAddressBytes* PathLocal { get; }

    public SocketAddressBytes* PathRemote { get; }

    /// <summary>Connections, those being closed included.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>Bytes that its thread allocated on the managed heap, as of its last turn.</summary>
    public long AllocatedBytes { get; private set; }

    /// <summary>For tests: the peers are not told when it ends, as when a process is killed.</summary>
    public bool EndsSilently { get; set; }

    /// <summary>Turns so far.</summary>
    public long Turns { get; private set; }

    /// <summary>A connection has changes by other threads. Any thread.</summary>
    public void Enqueue(QuicConnection connection)
    {
        lock (_lock)
        {
            _changed.Add(connection);
        }

        Wake();
    }

    /// <summary>Runs something on the thread, in its next turn. Any thread. False when the loop has ended: it will not run.</summary>
    public bool Post(Action action)
    {
        lock (_lock)
        {
            if (_isEnded)
            {
                return false;
            }

            _posted.Add(action);
        }

        Wake();
        return true;
    }

    // --- Its thread only. ---

    public void AddPort(QuicPort port)
    {
        int index = _ports.IndexOf(null);
        if (index < 0)
        {
            index = _ports.Count;
            _ports.Add(null);
        }

        _ports[index] = port;
        port.Index = index;
        Control(LibCEpoll.Add, port.Socket.Descriptor, LibCEpoll.In, (ulong)index);
    }

    public void RemovePort(QuicPort port)
    {
        Control(LibCEpoll.Delete, port.Socket.Descriptor, 0, 0);
        _ports[port.Index] = null;
        port.Dispose();
    }

    /// <summary>From now on its connections are told when this machine's addresses change.</summary>
    public void WatchAddresses()
    {
        if (!_isWatching)
        {
            _isWatching = true;
            _watch = AddressWatch.TryOpen();
            if (_watch is not null)
            {
                Control(LibCEpoll.Add, _watch.Descriptor, LibCEpoll.In, WatchData);
            }
        }
    }

    public void AddConnection(QuicConnection connection) => _connections.Add(connection);

    public void RemoveConnection(QuicConnection connection)
    {
        _timers.Remove(connection);
        _connections.Remove(connection);
    }

    /// <summary>A connection shall write at the end of this turn.</summary>
    public void Touch(QuicConnection connection)
    {
        if (!connection.IsTouched)
        {
            connection.IsTouched = true;
            _touched.Add(connection);
        }
    }

    /// <summary>A port's buffer is full: tell when it is not.</summary>
    public void WaitWritable(QuicPort port, QuicConnection connection)
    {
        if (port.Waiting.Count == 0)
        {
            Control(LibCEpoll.Modify, port.Socket.Descriptor, LibCEpoll.In | LibCEpoll.Out, (ulong)port.Index);
        }

        port.Waiting.Add(connection);
    }

    public void SetTimer(QuicConnection connection, ulong due) => _timers.Set(connection, due);

    public void QueueCompletion(QuicStream stream) => _completions.Add(stream);

    public void QueueCompletion(QuicConnection connection) => _connectionCompletions.Add(connection);

    /// <summary>Ends the thread: every connection is closed, every socket too. Not from its own thread.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isStopping, 1) == 0)
        {
            Wake();
            _thread.Join();
            _epoll.Dispose();
            _wake.Dispose();
            NativeMemory.Free(SendBuffer);
            NativeMemory.Free(Path);
            Blocks.Dispose();
        }
    }

    private void Wake()
    {
        if (Volatile.Read(ref _isSleeping) != 0 && Interlocked.Exchange(ref _isSleeping, 0) != 0)
        {
            _ = LibC.write(_wake, 1UL, sizeof(ulong));
        }
    }

    private void Control(int operation, int descriptor, uint events, ulong data)
    {
        byte* change = stackalloc byte[16];
        *(uint*)change = events;
        *(ulong*)(change + LibCEpoll.EventData) = data;
        if (LibCEpoll.epoll_ctl(_epoll, operation, descriptor, change) != 0 && operation == LibCEpoll.Add)
        {
            throw new IOException($"The system does not watch another descriptor: error {Marshal.GetLastSystemError()}.");
        }
    }

    private void Run()
    {
        Exception? fault = null;
        try
        {
            while (Volatile.Read(ref _isStopping) == 0)
            {
                Turn();
            }
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            fault = exception; // a bug of ours: said to everyone who waits, see below
        }

        End(fault);
    }

    private void End(Exception? fault)
    {
        List<Action> posted;
        lock (_lock)
        {
            _isEnded = true;
            posted = _posted;
            _posted = [];
        }

        if (fault is not null)
        {
            Faulted?.Invoke(fault);
        }

        QuicCloseReason reason = fault is null ? new QuicEndpointDisposed() : new QuicLocalFailure(fault.ToString());
        foreach (Action action in posted)
        {
            action();
        }

        foreach (QuicConnection connection in _connections.ToArray())
        {
            connection.End(reason, tellsPeer: !EndsSilently);
        }

        Complete();
        foreach (QuicConnection connection in _connections.ToArray())
        {
            connection.Free();
        }

        foreach (QuicPort? port in _ports)
        {
            port?.Dispose();
        }

        Server?.End();
        _watch?.Dispose();
    }

    private void Turn()
    {
        int count = Wait();
        Server?.BeginTurn();
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> ready = _events.AsSpan(i * LibCEpoll.EventBytes, LibCEpoll.EventBytes);
            uint events = MemoryMarshal.Read<uint>(ready);
            ulong data = MemoryMarshal.Read<ulong>(ready[LibCEpoll.EventData..]);
            if (data == WakeData)
            {
                _ = LibC.read(_wake, out _, sizeof(ulong));
                continue;
            }

            if (data == WatchData)
            {
                _watch!.Take();
                foreach (QuicConnection connection in _connections)
                {
                    connection.AddressesChanged();
                }

                continue;
            }

            if (_ports[(int)data] is not { } port)
            {
                continue; // removed in this turn
            }

            if ((events & LibCEpoll.Out) != 0)
            {
                Unblock(port);
            }

            Receive(port);
        }

        TakeOver();

        // Whoever goes on inside this loop writes, opens and reads again: those changes are taken over in the same turn.
        while (Complete())
        {
            TakeOver();
        }

        ulong now = Now;
        while (_timers.NextDue <= now)
        {
            QuicConnection connection = _timers.Next!;
            _timers.Remove(connection);
            connection.HandleExpiry(now);
        }

        (_touched, _touchedSpare) = (_touchedSpare, _touched);
        foreach (QuicConnection connection in _touchedSpare)
        {
            connection.IsTouched = false;
            connection.Write(Now);
        }

        _touchedSpare.Clear();
        Server?.ServeStrangers();
        while (Complete())
        {
            TakeOver();
        }

        AllocatedBytes = GC.GetAllocatedBytesForCurrentThread();
        Turns++;
    }

    private int Wait()
    {
        ulong due = _timers.NextDue;
        bool isBusy;
        Volatile.Write(ref _isSleeping, 1);
        Interlocked.MemoryBarrier();
        lock (_lock)
        {
            isBusy = _changed.Count > 0 || _posted.Count > 0;
        }

        isBusy |= _touched.Count > 0 || Server is { HasStrangers: true } || _completions.Count > 0 || Volatile.Read(ref _isStopping) != 0;
        long nanoseconds = -1;
        if (isBusy)
        {
            nanoseconds = 0;
        }
        else if (due != ulong.MaxValue)
        {
            ulong now = Now;
            nanoseconds = due <= now ? 0 : (long)Math.Min(due - now, 3_600_000_000_000);
        }

        int count;
        fixed (byte* events = _events)
        {
            count = Wait(events, nanoseconds);
        }

        Volatile.Write(ref _isSleeping, 0);
        return Math.Max(count, 0); // interrupted: the next turn waits again
    }

    private int Wait(byte* events, long nanoseconds)
    {
        if (_hasPwait2)
        {
            Timespec timeout = new() { Seconds = nanoseconds / 1_000_000_000, Nanoseconds = nanoseconds % 1_000_000_000 };
            int count = LibCEpoll.epoll_pwait2(_epoll, events, EventsMax, nanoseconds < 0 ? null : &timeout, null);
            if (count >= 0 || Marshal.GetLastSystemError() != LibCEpoll.ErrorNoCall)
            {
                return count;
            }

            _hasPwait2 = false;
        }

        int milliseconds = nanoseconds < 0 ? -1 : (int)((nanoseconds + 999_999) / 1_000_000);
        return LibCEpoll.epoll_wait(_epoll, events, EventsMax, milliseconds);
    }

    private void Receive(QuicPort port)
    {
        for (int batch = 0; batch < BatchesMax; batch++)
        {
            int count = port.Socket.Receive(_datagrams);
            ulong now = Now;
            for (int i = 0; i < count; i++)
            {
                ref readonly UdpDatagram datagram = ref _datagrams[i];
                ReadOnlySpan<byte> payload = datagram.Payload;

                // SAFETY: the bytes are pinned until the next Receive of this socket.
                fixed (byte* packet = payload)
                {
                    if (port.Owner is { } owner)
                    {
                        owner.Read(port.Local, datagram.Remote, packet, payload.Length, datagram.Ecn, now);
                    }
                    else
                    {
                        port.Server!.Read(port, datagram.Local, datagram.Remote, packet, payload.Length, datagram.Ecn, now);
                    }
                }

                if (_ports[port.Index] != port)
                {
                    return; // its connection ended
                }
            }

            if (count < port.BatchMessages)
            {
                return;
            }
        }
    }

    private void Unblock(QuicPort port)
    {
        port.SendPending();
        if (!port.IsBlocked)
        {
            Control(LibCEpoll.Modify, port.Socket.Descriptor, LibCEpoll.In, (ulong)port.Index);
            foreach (QuicConnection connection in port.Waiting)
            {
                Touch(connection);
            }

            port.Waiting.Clear();
        }
    }

    private void TakeOver()
    {
        lock (_lock)
        {
            (_changed, _changedSpare) = (_changedSpare, _changed);
            (_posted, _postedSpare) = (_postedSpare, _posted);
        }

        foreach (Action action in _postedSpare)
        {
            action();
        }

        _postedSpare.Clear();
        foreach (QuicConnection connection in _changedSpare)
        {
            connection.TakeOver();
        }

        _changedSpare.Clear();
    }

    // Tells whoever waits. False when there was nobody.
    private bool Complete()
    {
        if (_completions.Count == 0 && _connectionCompletions.Count == 0)
        {
            return false;
        }

        (_completions, _completionsSpare) = (_completionsSpare, _completions);
        (_connectionCompletions, _connectionCompletionsSpare) = (_connectionCompletionsSpare, _connectionCompletions);
        foreach (QuicConnection connection in _connectionCompletionsSpare)
        {
            connection.Complete();
        }

        _connectionCompletionsSpare.Clear();
        foreach (QuicStream stream in _completionsSpare)
        {
            stream.IsCompletionQueued = false;
            stream.Complete();
        }

        _completionsSpare.Clear();
        return true;
    }
}
