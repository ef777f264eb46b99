using System.Net;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>What becomes of the path that was in use, when another one comes up.</summary>
internal enum OldPath
{
    /// <summary>It carries nothing more, its address is gone and its device down: the operating system has noticed. Sockets that are
    /// bound to the address cannot send; unbound ones use the new path.</summary>
    Removed = 0,

    /// <summary>It carries nothing more, and nobody says so: the signal is lost.</summary>
    Silent = 1,

    /// <summary>It goes on carrying what is sent from its address. New sockets use the new path.</summary>
    Kept = 2,
}

/// <summary>A path of a running network. Thread-safe to read.</summary>
internal sealed class NetworkPath
{
    private volatile bool _isUp;

    internal NetworkPath(PathProfile profile, IPAddress address, SafeFileHandle device, Link up, Link down) =>
        (Profile, Address, AddressBits, Device, Up, Down) = (profile, address, BitConverter.ToUInt32(address.GetAddressBytes()), device, up, down);

    /// <summary>Its figures.</summary>
    public PathProfile Profile { get; }

    /// <summary>Of the near side, on this path.</summary>
    public IPAddress Address { get; }

    /// <summary>Whether it carries packets.</summary>
    public bool IsUp
    {
        get => _isUp;
        internal set => _isUp = value;
    }

    /// <summary>From near to far.</summary>
    public LinkCounters UpCounters => Up.Counters;

    /// <summary>From far to near.</summary>
    public LinkCounters DownCounters => Down.Counters;

    // As it stands in packets.
    internal uint AddressBits { get; }

    internal SafeFileHandle Device { get; }

    internal Link Up { get; }

    internal Link Down { get; }
}
