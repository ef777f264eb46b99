using System.Globalization;

namespace Vitrine.Transports.Grpc;

/// <summary>The value of <c>grpc-timeout</c>: up to eight digits and a unit (<c>doc/PROTOCOL-HTTP2.md</c> of gRPC, «Timeout»).</summary>
internal static class GrpcTimeout
{
    private const long ValueMax = 99_999_999;

    /// <summary>Writes a time: rounded up, so that the server never gives up first, in the finest unit that holds it.</summary>
    /// <param name="timeout">Not negative; more than 99,999,999 hours are that many.</param>
    public static string Format(TimeSpan timeout)
    {
        long ticks = Math.Max(timeout.Ticks, 0);
        (long UnitTicks, char Unit) chosen = (TimeSpan.TicksPerHour, 'H');
        foreach ((long unitTicks, char unit) in (ReadOnlySpan<(long, char)>)[(TimeSpan.TicksPerMicrosecond, 'u'), (TimeSpan.TicksPerMillisecond, 'm'), (TimeSpan.TicksPerSecond, 'S'), (TimeSpan.TicksPerMinute, 'M')])
        {
            if (ticks <= ValueMax * unitTicks)
            {
                chosen = (unitTicks, unit);
                break;
            }
        }

        long value = Math.Min((ticks / chosen.UnitTicks) + (ticks % chosen.UnitTicks == 0 ? 0 : 1), ValueMax);
        return string.Create(CultureInfo.InvariantCulture, $"{value}{chosen.Unit}");
    }

    /// <summary>Reads a time. Nanoseconds are rounded up to the clock's 100.</summary>
    /// <returns>False when it is none.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > 9)
        {
            return false;
        }

        long value = 0;
        foreach (char digit in text[..^1])
        {
            if (!char.IsAsciiDigit(digit))
            {
                return false;
            }

            value = (value * 10) + (digit - '0');
        }

        long ticks = text[^1] switch
        {
            'H' => value * TimeSpan.TicksPerHour, // 99,999,999 hours fit: 3.6e18
            'M' => value * TimeSpan.TicksPerMinute,
            'S' => value * TimeSpan.TicksPerSecond,
            'm' => value * TimeSpan.TicksPerMillisecond,
            'u' => value * TimeSpan.TicksPerMicrosecond,
            'n' => (value + TimeSpan.NanosecondsPerTick - 1) / TimeSpan.NanosecondsPerTick,
            _ => -1,
        };
        timeout = new(ticks);
        return ticks >= 0;
    }
}
