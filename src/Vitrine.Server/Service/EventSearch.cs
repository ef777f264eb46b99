using Vitrine.Events;
using Vitrine.Events.Hosts;
using Vitrine.Transports.Calls;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Service;

/// <summary>Which events somebody asks for.</summary>
internal sealed class EventSearch
{
    /// <summary>Most events of those that are there.</summary>
    public const int LimitMax = 100_000;

    /// <summary>Of the last ones, which are held until the end of the log was seen.</summary>
    public const int LastLimitMax = 10_000;

    private const int LimitDefault = 1000, TextMax = 256, PositionsMax = 1024;

    private readonly DateTimeOffset _since = DateTimeOffset.MinValue, _until = DateTimeOffset.MaxValue;
    private readonly string _host;
    private readonly string[] _words;

    /// <param name="query">As it came.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="CallException"><see cref="CallStatusCode.InvalidArgument"/>: it asks for what there is not.</exception>
    public EventSearch(EventQuery query, TimeProvider time)
    {
        foreach (string topic in query.Topics)
        {
            Require(EventTopics.All.Contains(topic), $"There is no topic «{topic}». There are: {string.Join(", ", EventTopics.All)}.");
        }

        bool isLast = query.Last || query.Follow;
        int most = isLast ? LastLimitMax : LimitMax;
        Require(query.Limit <= most, $"limit is at most {most}{(isLast ? " of the last ones" : "")}.");
        Require(query.Text.Length <= TextMax, $"text has at most {TextMax} characters.");
        Require(query.From.Count <= PositionsMax, $"There are at most {PositionsMax} positions.");
        (Topics, Limit, IsLast) = ([.. query.Topics.Distinct()], query.Limit == 0 ? LimitDefault : (int)query.Limit, isLast);
        (_host, _words) = (query.Host, query.Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        if (query.Since.Length > 0)
        {
            _since = ParseTime(query.Since, time);
        }

        if (query.Until.Length > 0)
        {
            _until = ParseTime(query.Until, time);
        }

        Start = query.From.Count > 0 ? EventStart.At([.. query.From.Select(ParsePosition)])
            : query.Since.Length > 0 ? EventStart.Since(_since)
            : EventStart.Oldest;
    }

    public EventStart Start { get; }

    /// <summary>None: all.</summary>
    public IReadOnlyList<string> Topics { get; }

    public int Limit { get; }

    /// <summary>The last ones that are there, and not the first.</summary>
    public bool IsLast { get; }

    /// <summary>Whether an event has to be read to know whether it is one.</summary>
    public bool LooksInside => _host.Length > 0 || _words.Length > 0;

    /// <summary>Whether there are none after one.</summary>
    public bool IsBeyond(in EventRecord record) => record.Time > _until && record.Position.Stream.Length == 0; // one order of events, and so one of times

    /// <summary>Whether it is of the time.</summary>
    public bool Holds(in EventRecord record) => record.Time >= _since && record.Time <= _until;

    /// <summary>Whether it is of the host and has the words.</summary>
    public bool Holds(KeptEvent kept)
    {
        EventSource? host = KeptEvents.HostOf(kept.Event);
        if (_host.Length > 0 && host?.HostId != _host && host?.HostName != _host)
        {
            return false;
        }

        foreach (string word in _words)
        {
            if (!kept.Text.Contains(word, StringComparison.OrdinalIgnoreCase)
                && !kept.Topic.Contains(word, StringComparison.OrdinalIgnoreCase)
                && host?.HostName.Contains(word, StringComparison.OrdinalIgnoreCase) != true
                && !KeptEvents.KindOf(kept.Event).Contains(word, StringComparison.OrdinalIgnoreCase))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A time that somebody asks for.</summary>
    /// <exception cref="CallException">It is none.</exception>
    public static DateTimeOffset ParseTime(string text, TimeProvider time)
    {
        Require(EventTime.TryParse(text, time, out DateTimeOffset parsed), $"«{Shown(text)}» is no time: 2026-01-31T12:00:00Z, or 90s, 15m, 2h, 7d for so long ago.");
        return parsed;
    }

    private static EventPosition ParsePosition(string text)
    {
        Require(EventPosition.TryParse(text, null, out EventPosition position), $"«{Shown(text)}» is no position: an event's has it.");
        return position;
    }

    private static string Shown(string text) => text.Length <= 64 ? text : text[..64] + "...";

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new CallException(CallStatusCode.InvalidArgument, otherwise);
        }
    }
}
