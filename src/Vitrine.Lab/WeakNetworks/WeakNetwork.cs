using System.Net;
using Microsoft.Win32.SafeHandles;
using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>Two sides that reach each other only through a network as bad as its profile says: two network namespaces, a TUN device in
/// each (one for each path on the near side), and a thread of ours between them. Kernels, sockets and programs on both sides are the
/// real ones; every IP packet has the same chances, whatever it carries.</summary>
/// <remarks>
/// <para>What is decided about the n-th packet of a direction is the same for the same profile and seed: lost or not, its jitter,
/// copies, order. When it was sent matters where rate and queue do.</para>
/// <para>Bounded: <see cref="PacketsInFlightMax"/> packets a direction, in memory taken at the start. Everything is gone when this is
/// disposed, or the process ends in whatever way; only sockets and programs that others still have keep their namespace.</para>
/// <para>The emulator shares a process with its caller: a garbage collection stops it too. What is measured belongs into programs of its
/// own (<see cref="NetworkSide.Start"/>), and <see cref="Lateness"/> says how late packets were handed over.</para>
/// </remarks>
internal sealed class WeakNetwork : IDisposable
{
    /// <summary>Packets that wait or are on the way, each direction of a path: 16,384 full ones a quarter of a second on their way are
    /// 786 Mbit/s. More are dropped and counted (<see cref="LinkCounters.Overflowed"/>).</summary>
    public const int PacketsInFlightMax = 16_384;

    /// <summary>Largest IP packet.</summary>
    public const int MtuBytes = 1500;

    /// <summary>Of the far side, in every network. 198.18.0.0/15 is for tests of networks (RFC 2544, section C.2.2): nobody has it at home.</summary>
    public static readonly IPAddress FarAddress = new([198, 18, 0, 1]);

    private const string FarDeviceName = "far";


    private readonly Lock _lock = new();
    private readonly NetworkPath[] _paths;
    private readonly SafeFileHandle _farDevice;
    private readonly Forwarder _forwarder;
    private volatile int _current;
    private short _metric = 20_000; // of the next path's route: each goes before the one before
    private bool _isDisposed;

    private WeakNetwork(NetworkProfile profile, ulong seed, TimeProvider time)
    {
        (Profile, Seed) = (profile, seed);
        var made = new Stack<IDisposable>();
        try
        {
            Near = Made(new NetworkSide("near", () => _paths![_current].Address));
            Far = Made(new NetworkSide("far", () => FarAddress));
            if (profile.Paths.Count > 1)
            {
                Near.SwitchOffPathFilter();
            }

            _farDevice = Made(Far.OpenDevice(FarDeviceName));
            _paths = [.. profile.Paths.Select((path, index) => new NetworkPath(
                path, new IPAddress([198, 18, (byte)(index + 1), 1]), Made(Near.OpenDevice(path.Name)),
                Made(new Link(path.Up, LinkModel.Mix(seed + (2 * (ulong)index)))), Made(new Link(path.Down, LinkModel.Mix(seed + (2 * (ulong)index) + 1)))))];
            Far.BringUp(FarDeviceName, FarAddress, _metric);
            BringUp(_paths[0]);
            _forwarder = new Forwarder(_paths, _farDevice, BitConverter.ToUInt32(FarAddress.GetAddressBytes()), time);
        }
        catch
        {
            while (made.TryPop(out IDisposable? one))
            {
                one.Dispose();
            }

            throw;
        }

        T Made<T>(T one)
            where T : IDisposable
        {
            made.Push(one);
            return one;
        }
    }

    /// <summary>What it is like.</summary>
    public NetworkProfile Profile { get; }

    /// <summary>What chance starts from.</summary>
    public ulong Seed { get; }

    /// <summary>The side whose address changes with the path: a viewer's.</summary>
    public NetworkSide Near { get; }

    /// <summary>The side that stays where it is: a server's.</summary>
    public NetworkSide Far { get; }

    /// <summary>In the order of the profile.</summary>
    public IReadOnlyList<NetworkPath> Paths => _paths;

    /// <summary>The path that came up last.</summary>
    public NetworkPath CurrentPath => _paths[_current];

    /// <summary>How much later than due packets were handed over, all directions together.</summary>
    public LatencyHistogram Lateness => _forwarder.Lateness;

    /// <summary>Whether the emulator's thread goes before ordinary ones.</summary>
    public KernelGrant RealTime => _forwarder.RealTime;

    /// <summary>Packets between other addresses than the network's own, such as the kernels' IPv6 solicitations: dropped.</summary>
    public long StrayPackets => _forwarder.StrayPackets;

    /// <summary>Whether nothing is lost and rates do not count: delays alone. For what has to be ready before a measurement begins.</summary>
    public bool IsSpared
    {
        get => _paths[0].Up.IsSpared;
        set => Array.ForEach(_paths, path => path.Up.IsSpared = path.Down.IsSpared = value);
    }

    /// <summary>Makes a network and brings its first path up.</summary>
    /// <param name="profile">What it is like.</param>
    /// <param name="seed">What chance starts from.</param>
    /// <param name="time">Clock; the system's unless given.</param>
    /// <exception cref="ArgumentException">The profile is none.</exception>
    /// <exception cref="MissingRequirementException">No right to make namespaces or TUN devices; the message has the command.</exception>
    /// <exception cref="LaboratoryException">The kernel refuses something else.</exception>
    public static WeakNetwork Create(NetworkProfile profile, ulong seed, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(profile);
        profile.Check();
        try
        {
            return new WeakNetwork(profile, seed, time ?? TimeProvider.System);
        }
        catch (Exception failure) when (failure is LaboratoryException or DeviceException)
        {
            NetworkRight right = NetworkRight.Examine();
            throw right.State == NetworkRightState.Granted
                ? new LaboratoryException($"The network {profile.Name} does not come up: {failure.Message}")
                : MissingRequirementException.WithCommand($"Emulating a network takes network namespaces and TUN devices: {right.Detail}", right.Mend);
        }
    }

    /// <summary>Brings the next path of the profile up, after the last one the first again. The near side gets its address, device and
    /// route; what is on the way on a path that is cut is lost.</summary>
    /// <param name="old">What becomes of the path in use.</param>
    /// <exception cref="InvalidOperationException">The profile has one path.</exception>
    public void ChangePath(OldPath old = OldPath.Removed)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_paths.Length == 1)
            {
                throw new InvalidOperationException($"{Profile.Name} has one path.");
            }

            NetworkPath before = _paths[_current];
            before.IsUp = old == OldPath.Kept;
            int next = (_current + 1) % _paths.Length;
            _metric--;
            BringUp(_paths[next]);
            _current = next;
            if (old == OldPath.Removed)
            {
                Near.TakeDown(before.Profile.Name);
            }
        }
    }

    /// <summary>Packets that the kernels dropped because the emulator did not take them in time. Other than 0: the machine was too slow
    /// for what was measured.</summary>
    public long CountKernelDrops() => Near.CountDrops() + Far.CountDrops();

    /// <summary>Removes devices and namespaces. What is on the way is lost.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            _forwarder.Dispose();
            foreach (NetworkPath path in _paths)
            {
                path.Device.Dispose();
                path.Up.Dispose();
                path.Down.Dispose();
            }

            _farDevice.Dispose();
            Near.Dispose();
            Far.Dispose();
        }
    }

    private void BringUp(NetworkPath path)
    {
        path.IsUp = true;
        Near.BringUp(path.Profile.Name, path.Address, _metric);
    }
}
