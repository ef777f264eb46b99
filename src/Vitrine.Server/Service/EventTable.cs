using System.Buffers;
using System.Globalization;
using System.Text;
using Google.Protobuf;
using Vitrine.Events.Hosts;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Service;

/// <summary>Events as the lines of a table: CSV as RFC 4180 has it.</summary>
internal sealed class EventTable
{
    public const string MediaType = "text/csv";

    /// <summary>When a part goes out.</summary>
    private const int PartCharacters = 32 << 10;

    private static readonly string[] s_columns =
    [
        "time", "topic", "kind", "host", "viewer", "position", "text", "viewers", "frames_sent", "bytes_sent", "latency_p50_ms", "latency_p99_ms", "taken", "host_id", "session_id",
    ];

    private static readonly SearchValues<char> s_quoted = SearchValues.Create("\",\r\n");

    private readonly StringBuilder _lines = new();
    private bool _isInLine;

    public EventTable()
    {
        foreach (string column in s_columns)
        {
            Cell(column);
        }

        EndLine();
    }

    /// <summary>Whether there is enough for a part.</summary>
    public bool IsFull => _lines.Length >= PartCharacters;

    public void Add(KeptEvent kept)
    {
        Event? happened = kept.Event;
        SharingStatistics? statistics = happened?.SharingStatistics;
        MinuteSummary? minute = happened?.MinuteSummary;
        EventSource? host = KeptEvents.HostOf(happened);
        LatencyBuckets? latency = minute?.Latency;
        if (statistics is not null)
        {
            latency = new();
            foreach (ViewerStatistics viewer in statistics.Viewers)
            {
                LatencyCounts.Add(latency, viewer.Latency);
            }
        }

        bool isTimed = latency is { Counts.Count: > 0 };
        Cell(Time(happened?.Time ?? kept.Taken));
        Cell(kept.Topic);
        Cell(KeptEvents.KindOf(happened));
        Cell(host?.HostName);
        Cell(Number(ViewerOf(happened)));
        Cell(kept.Position);
        Cell(kept.Text);
        Cell(Number(statistics?.ViewerCount ?? minute?.ViewersMax));
        Cell(Number(statistics?.FramesSent ?? minute?.FramesSent ?? happened?.ViewerLeft?.FramesSent));
        Cell(Number(statistics?.BytesSent ?? minute?.BytesSent ?? happened?.ViewerLeft?.BytesSent));
        Cell(isTimed ? Number(LatencyCounts.PercentileMs(latency, 0.5)) : null);
        Cell(isTimed ? Number(LatencyCounts.PercentileMs(latency, 0.99)) : null);
        Cell(Time(kept.Taken));
        Cell(host?.HostId);
        Cell(host?.SessionId);
        EndLine();
    }

    /// <summary>What was added since the part before.</summary>
    public TablePart TakePart()
    {
        TablePart part = new() { MediaType = MediaType, Data = ByteString.CopyFromUtf8(_lines.ToString()) };
        _lines.Clear();
        return part;
    }

    private static ulong? ViewerOf(Event? happened) => happened?.WhatCase switch
    {
        Event.WhatOneofCase.ViewerJoined => happened.ViewerJoined.ViewerId,
        Event.WhatOneofCase.ViewerLeft => happened.ViewerLeft.ViewerId,
        Event.WhatOneofCase.AlertRaised when happened.AlertRaised.Alert is { ViewerId: > 0 } alert => alert.ViewerId,
        Event.WhatOneofCase.AlertCleared when happened.AlertCleared.Alert is { ViewerId: > 0 } alert => alert.ViewerId,
        _ => null,
    };

    private static string Time(Google.Protobuf.WellKnownTypes.Timestamp time) =>
        time.ToDateTime().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);

    private static string? Number(ulong? number) => number?.ToString(CultureInfo.InvariantCulture);

    private static string Number(double number) => number.ToString("0.###", CultureInfo.InvariantCulture);

    private void Cell(string? text)
    {
        if (_isInLine)
        {
            _lines.Append(',');
        }

        _isInLine = true;
        if (string.IsNullOrEmpty(text))
        {
            return;
        }

        // Spreadsheets work out what begins so, and names of viewers are anybody's: https://owasp.org/www-community/attacks/CSV_Injection.
        string safe = text[0] is '=' or '+' or '-' or '@' or '\t' or '\r' ? "'" + text : text;
        if (safe.AsSpan().ContainsAny(s_quoted))
        {
            _lines.Append('"').Append(safe.Replace("\"", "\"\"", StringComparison.Ordinal)).Append('"');
        }
        else
        {
            _lines.Append(safe);
        }
    }

    private void EndLine()
    {
        _lines.Append("\r\n");
        _isInLine = false;
    }
}
