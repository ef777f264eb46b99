using System.Buffers.Binary;
using System.Globalization;

namespace Vitrine.Wire.Tests;

/// <summary>Seeded changes to valid bytes: the same seed gives the same inputs.</summary>
public sealed class Mutator
{
    private static readonly uint[] Interesting = [0, 1, 2, 3, 4, 63, 64, 65, 127, 128, 255, 256, 257, 1023, 1024, 16383, 16384, 16385, 32767, 32768, 65535, 65536, 65537, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF];
    private readonly Random _random;

    public Mutator() => _random = new(Seed);

    /// <summary>VITRINE_FUZZ_SEED, else 1.</summary>
    public static int Seed => int.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SEED"), CultureInfo.InvariantCulture, out int seed) ? seed : 1;

    /// <summary>VITRINE_FUZZ_SECONDS, else 3.</summary>
    public static TimeSpan Duration =>
        TimeSpan.FromSeconds(double.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out double seconds) ? seconds : 3);

    public int Next(int limit) => _random.Next(limit);

    /// <summary>A changed copy; <paramref name="other"/> lends a part now and then.</summary>
    public byte[] Mutate(byte[] input, byte[] other)
    {
        byte[] bytes = [.. input];
        for (int i = _random.Next(1, 6); i > 0; i--)
        {
            int at = bytes.Length == 0 ? 0 : _random.Next(bytes.Length);
            switch (_random.Next(9))
            {
                case 0 when bytes.Length > 0:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1 when bytes.Length > 0:
                    bytes[at] = (byte)_random.Next(256);
                    break;
                case 2 when bytes.Length >= 4:
                    BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(Math.Min(at, bytes.Length - 4)), Interesting[_random.Next(Interesting.Length)]);
                    break;
                case 3 when bytes.Length >= 2:
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(Math.Min(at, bytes.Length - 2)), (ushort)Interesting[_random.Next(Interesting.Length)]);
                    break;
                case 4:
                    bytes = bytes[..at];
                    break;
                case 5:
                    byte[] tail = new byte[_random.Next(1, 40)];
                    _random.NextBytes(tail);
                    bytes = [.. bytes, .. tail];
                    break;
                case 6 when bytes.Length > 0:
                    int end = _random.Next(at, Math.Min(bytes.Length, at + 64));
                    bytes = [.. bytes[..at], .. bytes[end..]];
                    break;
                case 7 when bytes.Length is > 0 and < 100_000:
                    int last = _random.Next(at, Math.Min(bytes.Length, at + 64));
                    bytes = [.. bytes[..last], .. bytes[at..]];
                    break;
                case 8 when other.Length > 0:
                    int from = _random.Next(other.Length), count = _random.Next(Math.Min(other.Length - from, 64) + 1);
                    bytes = [.. bytes[..at], .. other.AsSpan(from, count), .. bytes[at..]];
                    break;
                default:
                    break;
            }
        }

        return bytes;
    }
}
