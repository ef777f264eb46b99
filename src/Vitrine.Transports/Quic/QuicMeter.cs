using System.Diagnostics.Metrics;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Quic;

/// <summary>What calls over QUIC count, in the program's meter <c>vitrine</c>; connections: <see cref="QuicCounts"/>.</summary>
internal static class QuicMeter
{
    private static readonly Meter s_meter = new("vitrine", typeof(QuicMeter).Assembly.GetName().Version?.ToString(3));

    /// <summary>Calls that ended, by code.</summary>
    public static readonly Counter<long> Calls = s_meter.CreateCounter<long>("vitrine.quic.calls", "{call}", "QUIC calls served that ended, by status code.");

    /// <summary>Limits that were reached.</summary>
    public static readonly Counter<long> Limits = s_meter.CreateCounter<long>("vitrine.quic.limits", "{refusal}", "QUIC calls and connections ended because of a limit; see the limit.");

    // Tags are made once: counting takes no memory.
    public static readonly KeyValuePair<string, object?> MessageBytes = new("limit", "message-bytes");
    public static readonly KeyValuePair<string, object?> Head = new("limit", "head");
    public static readonly KeyValuePair<string, object?> HeadWait = new("limit", "head-wait");
    public static readonly KeyValuePair<string, object?> StalledReader = new("limit", "stalled-reader");
    public static readonly KeyValuePair<string, object?> Resets = new("limit", "resets");

    private static readonly KeyValuePair<string, object?>[] s_codes = [.. Enum.GetValues<CallStatusCode>().Select(code => new KeyValuePair<string, object?>("code", code.ToString()))];

    public static void Ended(CallStatusCode code) => Calls.Add(1, s_codes[(int)code]);
}
