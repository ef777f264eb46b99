using System.Net;
using System.Net.Sockets;

namespace Vitrine.Server.Access;

/// <summary>Counts failed attempts an address. Beyond <see cref="FailuresMax"/> within <see cref="WindowSeconds"/> the address
/// is told to wait. A right token always passes: 256 bits cannot be guessed, and nobody shall be able to lock another out.</summary>
/// <remarks>Thread-safe. Holds at most <see cref="AddressesMax"/> addresses; when full, the one that failed longest ago is
/// forgotten. An IPv6 /64 counts as one address: that is what one customer gets.</remarks>
internal sealed class FailureLimiter(TimeProvider time)
{
    public const int FailuresMax = 10;
    public const int WindowSeconds = 60;
    public const int AddressesMax = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<UInt128, Entry> _entries = [];

    /// <summary>Notes a failure. Returns how long the address shall wait; zero while it is below the limit.</summary>
    public TimeSpan Fail(IPAddress? address)
    {
        UInt128 key = KeyOf(address);
        long now = time.GetTimestamp();
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out Entry entry) || time.GetElapsedTime(entry.WindowStart, now).TotalSeconds >= WindowSeconds)
            {
                if (_entries.Count >= AddressesMax && !_entries.ContainsKey(key))
                {
                    _entries.Remove(_entries.MinBy(pair => pair.Value.LastFailure).Key);
                }

                entry = new(now, now, 0);
            }

            entry = entry with { LastFailure = now, Failures = entry.Failures + 1 };
            _entries[key] = entry;
            return entry.Failures <= FailuresMax
                ? TimeSpan.Zero
                : TimeSpan.FromSeconds(Math.Max(1, WindowSeconds - time.GetElapsedTime(entry.WindowStart, now).TotalSeconds));
        }
    }

    /// <summary>Addresses held now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    private static UInt128 KeyOf(IPAddress? address)
    {
        if (address is null)
        {
            return UInt128.MaxValue;
        }

        if (address.AddressFamily == AddressFamily.InterNetwork || address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv6();
            Span<byte> mapped = stackalloc byte[16];
            _ = address.TryWriteBytes(mapped, out _);
            return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(mapped);
        }

        Span<byte> bytes = stackalloc byte[16];
        _ = address.TryWriteBytes(bytes, out _);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes) >> 64;
    }

    private readonly record struct Entry(long WindowStart, long LastFailure, int Failures);
}
