using System.Diagnostics.Metrics;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Http2;

/// <summary>What the JSON interface counts, in the program's meter <c>vitrine</c>.</summary>
internal static class JsonMeter
{
    private static readonly Meter s_meter = new("vitrine", typeof(JsonMeter).Assembly.GetName().Version?.ToString(3));

    private static readonly Counter<long> s_calls = s_meter.CreateCounter<long>("vitrine.json.calls", "{call}", "JSON calls served that ended, by status code.");

    /// <summary>Limits that were reached.</summary>
    public static readonly Counter<long> Limits = s_meter.CreateCounter<long>("vitrine.json.limits", "{refusal}", "JSON calls and connections ended because of a limit; see the limit.");

    // Tags are made once: counting takes no memory.
    public static readonly KeyValuePair<string, object?> MessageBytes = new("limit", "message-bytes");
    public static readonly KeyValuePair<string, object?> StalledReader = new("limit", "stalled-reader");

    private static readonly KeyValuePair<string, object?>[] s_codes = [.. Enum.GetValues<CallStatusCode>().Select(code => new KeyValuePair<string, object?>("code", code.ToString()))];

    public static void Ended(CallStatusCode code) => s_calls.Add(1, s_codes[(int)code]);
}
