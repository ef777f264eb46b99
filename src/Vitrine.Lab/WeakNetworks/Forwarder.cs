using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vitrine.Frames;
using Vitrine.Interop;
using Vitrine.Measurement;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>The thread between the devices: takes packets out of each, lets their link decide, and hands them over when they are due.
/// 1. what is due goes; 2. wait for a packet or for when the next is due (<c>ppoll</c>, nanoseconds); 3. take what has come.</summary>
/// <remarks>Real-time priority where it is granted, so that a busy machine does not become delay. Allocates nothing while it runs.</remarks>
internal sealed unsafe class Forwarder : IDisposable
{
    /// <summary>As the kernel shows it.</summary>
    public const string ThreadName = "weak-network";

    // Packets taken in one go: at some 3 us each there and back, what is due elsewhere waits 0.2 ms, and twice that with copies.
    private const int BatchPackets = 64;
    private const int ReleasedPacketsMax = 2 * BatchPackets; // all may come twice

    private const int HeaderBytesMin = 20; // RFC 791, section 3.1
    private readonly NetworkPath[] _paths;
    private readonly SafeFileHandle _farDevice;
    private readonly uint _farAddressBits;
    private readonly TimeProvider _time;
    private readonly SafeFileHandle _wake = LibC.eventfd(0, LibC.EventFdCloexec | LibC.EventFdNonBlocking);
    private readonly Thread _thread;
    private volatile bool _isStopped;
    private long _strayPackets;
    private int _grant;

    /// <param name="paths">Borrowed, with their devices.</param>
    /// <param name="farDevice">Borrowed.</param>
    /// <param name="farAddressBits">As it stands in packets.</param>
    /// <param name="time">Clock: monotonic.</param>
    public Forwarder(NetworkPath[] paths, SafeFileHandle farDevice, uint farAddressBits, TimeProvider time)
    {
        (_paths, _farDevice, _farAddressBits, _time) = (paths, farDevice, farAddressBits, time);
        _thread = new Thread(Run) { IsBackground = true, Name = ThreadName };
        _thread.Start();
    }

    /// <summary>How much later than due packets were handed over. While it is small against the delays measured, so is the emulator's part.</summary>
    public LatencyHistogram Lateness { get; } = new();

    /// <summary>Packets between no two of the network's addresses, such as the kernels' own IPv6: dropped, and no link saw them.</summary>
    public long StrayPackets => Interlocked.Read(ref _strayPackets);

    /// <summary>Whether the thread got real-time priority.</summary>
    public KernelGrant RealTime => (KernelGrant)Volatile.Read(ref _grant);

    /// <summary>Ends the thread; what is on the way is dropped.</summary>
    public void Dispose()
    {
        _isStopped = true;
        _ = LibC.write(_wake, 1, sizeof(ulong)); // fails only when 2^64-2 wakes are pending
        _thread.Join();
        _wake.Dispose();
    }

    private void Run()
    {
        ThreadScheduling.MinimizeTimerSlack();
        Volatile.Write(ref _grant, (int)ThreadScheduling.TryMakeRealTime());
        int count = _paths.Length + 2, farIndex = _paths.Length, far = (int)_farDevice.DangerousGetHandle();
        // SAFETY: the devices outlive this thread: who owns them ends it first. Buffers are on this stack.
        PollDescriptor* descriptors = stackalloc PollDescriptor[count];
        byte* buffer = stackalloc byte[Link.SlotBytes];
        for (int i = 0; i < _paths.Length; i++)
        {
            descriptors[i] = new() { Descriptor = (int)_paths[i].Device.DangerousGetHandle(), Events = LibC.PollIn };
        }

        descriptors[farIndex] = new() { Descriptor = far, Events = LibC.PollIn };
        descriptors[farIndex + 1] = new() { Descriptor = (int)_wake.DangerousGetHandle(), Events = LibC.PollIn };
        while (!_isStopped)
        {
            long nextNs = ReleaseDue(far);
            Timespec timeout = default;
            bool isEndless = nextNs == long.MaxValue;
            if (!isEndless)
            {
                long waitNs = Math.Max(0, nextNs - _time.GetMonotonicNanoseconds());
                timeout = new() { Seconds = waitNs / 1_000_000_000, Nanoseconds = waitNs % 1_000_000_000 };
            }

            if (LibCNetwork.ppoll(descriptors, (nuint)count, isEndless ? null : &timeout, null) <= 0)
            {
                continue; // something is due, or a signal came
            }

            for (int i = 0; i <= farIndex; i++)
            {
                if ((descriptors[i].ReturnedEvents & LibC.PollIn) != 0)
                {
                    Take(descriptors[i].Descriptor, isFromFar: i == farIndex, buffer);
                }
                else if (descriptors[i].ReturnedEvents != 0)
                {
                    descriptors[i].Descriptor = -1; // the device is gone, removed from outside: nothing comes any more
                }
            }
        }
    }

    private long ReleaseDue(int far)
    {
        long nextNs = long.MaxValue;
        foreach (NetworkPath path in _paths)
        {
            bool isCut = !path.IsUp;
            path.Up.Release(far, _time, ReleasedPacketsMax, isCut, Lateness);
            path.Down.Release((int)path.Device.DangerousGetHandle(), _time, ReleasedPacketsMax, isCut, Lateness);
            nextNs = Math.Min(nextNs, Math.Min(path.Up.NextDueNs, path.Down.NextDueNs));
        }

        return nextNs;
    }

    private void Take(int descriptor, bool isFromFar, byte* buffer)
    {
        for (int i = 0; i < BatchPackets; i++)
        {
            nint bytes = LibCNetwork.read(descriptor, buffer, Link.SlotBytes);
            if (bytes <= 0)
            {
                return; // no more at present
            }

            ReadOnlySpan<byte> packet = new(buffer, (int)bytes);
            if (FindPath(packet, isFromFar) is not { } path)
            {
                Interlocked.Increment(ref _strayPackets);
                continue;
            }

            (isFromFar ? path.Down : path.Up).Arrive(packet, _time.GetMonotonicNanoseconds(), isCut: !path.IsUp);
        }
    }

    // Which path a packet takes: the one whose address it carries, whichever device it came by.
    private NetworkPath? FindPath(ReadOnlySpan<byte> packet, bool isFromFar)
    {
        if (packet.Length < HeaderBytesMin || packet[0] >> 4 != 4)
        {
            return null;
        }

        uint source = MemoryMarshal.Read<uint>(packet[12..]), destination = MemoryMarshal.Read<uint>(packet[16..]);
        (uint near, uint far) = isFromFar ? (destination, source) : (source, destination);
        if (far != _farAddressBits)
        {
            return null;
        }

        foreach (NetworkPath path in _paths)
        {
            if (path.AddressBits == near)
            {
                return path;
            }
        }

        return null;
    }
}
