using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Runtime.InteropServices;

namespace Vitrine.Transports.Quic;

/// <summary>An IPv4 or IPv6 socket address as the kernel writes it (<c>sockaddr_in</c>, <c>sockaddr_in6</c>): passed to native code
/// as it is, compared and hashed without an object.</summary>
/// <remarks>A value. <c>default</c> is no address: <see cref="Length"/> is 0. Two spellings of one IPv4 address (<c>sockaddr_in</c>,
/// and mapped into IPv6) are two values; one socket only ever uses one of them. Linux.</remarks>
[StructLayout(LayoutKind.Explicit, Size = BytesMax)]
internal struct SocketAddressBytes : IEquatable<SocketAddressBytes>
{
    /// <summary>Size of <c>sockaddr_in6</c>.</summary>
    public const int BytesMax = 28;

    private const ushort FamilyIPv4 = 2; // AF_INET
    private const ushort FamilyIPv6 = 10; // AF_INET6
    private const int BytesIPv4 = 16;

    [FieldOffset(0)]
    private ushort _family;

    /// <summary>In network order.</summary>
    [FieldOffset(2)]
    private ushort _port;

    // IPv4: the address, in network order. IPv6: flow information, always 0 here.
    [FieldOffset(4)]
    private uint _ipv4;

    [FieldOffset(8)]
    private ulong _ipv6High;

    [FieldOffset(16)]
    private ulong _ipv6Low;

    [FieldOffset(24)]
    private uint _scope;

    /// <summary>Bytes of it that are used: 16, 28, or 0 for none.</summary>
    public readonly int Length => _family switch { FamilyIPv4 => BytesIPv4, FamilyIPv6 => BytesMax, _ => 0 };

    /// <summary>Port, host order.</summary>
    public int Port
    {
        readonly get => BinaryPrimitives.ReverseEndianness(_port);
        set => _port = BinaryPrimitives.ReverseEndianness(checked((ushort)value));
    }

    /// <summary>Whether packets to it are IPv4 ones: <c>sockaddr_in</c>, or an IPv4 address mapped into IPv6 (RFC 4291 2.5.5.2).</summary>
    public readonly bool IsIPv4 => _family == FamilyIPv4 || (_family == FamilyIPv6 && _ipv6High == 0 && (uint)_ipv6Low == 0xFFFF_0000);

    /// <summary>An end point.</summary>
    /// <exception cref="ArgumentException">Neither IPv4 nor IPv6.</exception>
    public static SocketAddressBytes From(IPEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        var address = new SocketAddressBytes { Port = endPoint.Port };
        Span<byte> bytes = stackalloc byte[16];
        if (!endPoint.Address.TryWriteBytes(bytes, out int length))
        {
            throw new ArgumentException("Not an internet address.", nameof(endPoint));
        }

        if (length == 4)
        {
            address._family = FamilyIPv4;
            address._ipv4 = MemoryMarshal.Read<uint>(bytes);
        }
        else
        {
            address.SetIPv6(bytes, (uint)endPoint.Address.ScopeId);
        }

        return address;
    }

    /// <summary>The end point as an object: for logs and options, not for each datagram.</summary>
    /// <exception cref="InvalidOperationException">There is no address.</exception>
    public readonly IPEndPoint ToEndPoint()
    {
        SocketAddressBytes copy = this;
        return _family switch
        {
            FamilyIPv4 => new IPEndPoint(new IPAddress(copy.AddressIPv4), Port),
            FamilyIPv6 => new IPEndPoint(new IPAddress(copy.AddressIPv6, _scope), Port),
            _ => throw new InvalidOperationException("There is no address."),
        };
    }

    /// <summary>The bytes that the kernel reads, <see cref="Length"/> of them.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> AsBytes() => MemoryMarshal.AsBytes(new ReadOnlySpan<SocketAddressBytes>(in this))[..Length];

    /// <summary>What tells one network from another: the address of IPv4, the first half of that of IPv6. Valid as long as this is.</summary>
    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    public readonly ReadOnlySpan<byte> NetworkBytes() => IsIPv4 && Length == BytesMax ? AsBytes()[20..24] : Length == BytesMax ? AsBytes()[8..16] : AsBytes()[4..8];

    /// <inheritdoc/>
    public readonly bool Equals(SocketAddressBytes other) =>
        _family == other._family && _port == other._port && _ipv4 == other._ipv4 && _ipv6High == other._ipv6High && _ipv6Low == other._ipv6Low
        && _scope == other._scope;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is SocketAddressBytes other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => HashCode.Combine(_family, _port, _ipv4, _ipv6High, _ipv6Low, _scope);

    /// <inheritdoc/>
    public override readonly string ToString() => Length == 0 ? "none" : ToEndPoint().ToString();

    /// <summary>The IPv4 address, 4 bytes in network order.</summary>
    [UnscopedRef]
    internal readonly ReadOnlySpan<byte> AddressIPv4 => MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in _ipv4));

    /// <summary>The IPv6 address, 16 bytes.</summary>
    [UnscopedRef]
    internal readonly ReadOnlySpan<byte> AddressIPv6 => MemoryMarshal.AsBytes(new ReadOnlySpan<SocketAddressBytes>(in this)).Slice(8, 16);

    /// <summary>The interface, for link-local IPv6 addresses; else 0.</summary>
    internal readonly uint Scope => _scope;

    /// <summary>Whether the address is the same, whatever the ports.</summary>
    internal readonly bool HasAddressOf(in SocketAddressBytes other) =>
        _family == other._family && _ipv4 == other._ipv4 && _ipv6High == other._ipv6High && _ipv6Low == other._ipv6Low && _scope == other._scope;

    /// <summary>The same port at the address in an <c>in_pktinfo</c>'s <c>ipi_spec_dst</c> (4 bytes) or an <c>in6_pktinfo</c>
    /// (16 bytes), which came in by an interface.</summary>
    internal readonly SocketAddressBytes WithAddress(ReadOnlySpan<byte> address, uint interfaceIndex)
    {
        var changed = new SocketAddressBytes { _family = _family, _port = _port };
        if (address.Length == 4)
        {
            changed._ipv4 = MemoryMarshal.Read<uint>(address);
        }
        else
        {
            bool isLinkLocal = address[0] == 0xFE && (address[1] & 0xC0) == 0x80; // RFC 4291 2.5.6: means nothing without its link
            changed.SetIPv6(address, isLinkLocal ? interfaceIndex : 0);
        }

        return changed;
    }

    private void SetIPv6(ReadOnlySpan<byte> address, uint scope)
    {
        _family = FamilyIPv6;
        _ipv6High = MemoryMarshal.Read<ulong>(address);
        _ipv6Low = MemoryMarshal.Read<ulong>(address[8..]);
        _scope = scope;
    }
}
