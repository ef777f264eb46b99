using System.Runtime.CompilerServices;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>A connection id as a key: compared and hashed without an object. Its hash is seeded, since clients choose some of them.</summary>
internal readonly unsafe struct ConnectionId : IEquatable<ConnectionId>
{
    /// <summary>Length of those we give: an event loop's number and 15 random bytes.</summary>
    public const int OwnBytes = 16;

    private readonly ulong _first;
    private readonly ulong _second;
    private readonly uint _third;
    private readonly int _bytes;

    /// <summary>Copies the bytes, at most 20.</summary>
    public ConnectionId(byte* data, nuint bytes)
    {
        // SAFETY: never more than the 20 bytes that a packet's id and these fields have.
        int count = (int)Math.Min(bytes, LibNgtcp2.ConnectionIdBytesMax);
        byte* padded = stackalloc byte[24];
        Unsafe.InitBlockUnaligned(padded, 0, 24);
        Unsafe.CopyBlockUnaligned(padded, data, (uint)count);
        _first = Unsafe.ReadUnaligned<ulong>(padded);
        _second = Unsafe.ReadUnaligned<ulong>(padded + 8);
        _third = Unsafe.ReadUnaligned<uint>(padded + 16);
        _bytes = count;
    }

    /// <inheritdoc/>
    public bool Equals(ConnectionId other) => _first == other._first && _second == other._second && _third == other._third && _bytes == other._bytes;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ConnectionId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_first, _second, _third, _bytes);
}
