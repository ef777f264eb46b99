using System.Globalization;

namespace Vitrine.Events.Hosts;

/// <summary>Times as people ask for events of them.</summary>
public static class EventTime
{
    private static readonly TimeSpan s_agoMax = TimeSpan.FromDays(36_500);

    /// <summary>A time of the clock (<c>2026-01-31T12:00</c>), or so long ago (<c>90s</c>, <c>15m</c>, <c>2h</c>, <c>7d</c>).</summary>
    public static bool TryParse(string text, TimeProvider clock, out DateTimeOffset time)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(clock);
        time = default;
        double unit = text.Length < 2 ? 0 : text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => 0 };
        if (unit > 0 && double.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double count))
        {
            if (count * unit > s_agoMax.TotalSeconds)
            {
                return false;
            }

            time = clock.GetUtcNow() - TimeSpan.FromSeconds(count * unit);
            return true;
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out time);
    }
}
