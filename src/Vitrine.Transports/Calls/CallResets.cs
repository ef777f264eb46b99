using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Vitrine.Transports.Calls;

/// <summary>Counts the calls that one connection broke off lately (rapid reset, CVE-2023-44487), or sent malformed or too large.</summary>
/// <remarks>Thread-safe.</remarks>
/// <param name="max">Most of them within the window.</param>
/// <param name="window">The window.</param>
/// <param name="time">The clock.</param>
internal sealed class CallResets(int max, TimeSpan window, TimeProvider time)
{
    private static readonly KeyValuePair<string, object?> s_resets = new("limit", "resets");

    private readonly Lock _lock = new();
    private long _windowStart;
    private int _count;

    /// <summary>Notes one more on the connection of a request. When those are too many, it is closed, and its peer's credit is gone.</summary>
    /// <param name="context">The request's.</param>
    /// <param name="max">For the first of a connection: as of the constructor.</param>
    /// <param name="window">Likewise.</param>
    /// <param name="time">Likewise.</param>
    /// <param name="limits">Counts a connection that is closed.</param>
    /// <param name="times">As many it counts for.</param>
    public static void Note(HttpContext context, int max, TimeSpan window, TimeProvider time, Counter<long> limits, int times = 1)
    {
        if (context.Features.Get<IConnectionItemsFeature>()?.Items is not { } items)
        {
            return;
        }

        CallResets resets;
        lock (items)
        {
            resets = items.TryGetValue(typeof(CallResets), out object? known) ? (CallResets)known! : new(max, window, time);
            items[typeof(CallResets)] = resets;
        }

        if (resets.Add(times))
        {
            limits.Add(1, s_resets);
            PeerLimits.Of(context)?.NoteAbuse();
            context.Features.Get<IConnectionLifetimeFeature>()?.Abort();
        }
    }

    /// <summary>Notes one more.</summary>
    /// <param name="times">As many it counts for.</param>
    /// <returns>True once a window: the limit is exceeded.</returns>
    public bool Add(int times = 1)
    {
        long now = time.GetTimestamp();
        lock (_lock)
        {
            if (_count == 0 || time.GetElapsedTime(_windowStart, now) > window)
            {
                (_windowStart, _count) = (now, 0);
            }

            bool isWithin = _count <= max;
            _count = (int)Math.Min((long)_count + times, int.MaxValue);
            return isWithin && _count > max;
        }
    }
}
