using System.Diagnostics.Metrics;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>What gRPC counts, in the program's meter <c>vitrine</c>.</summary>
internal static class GrpcMeter
{
    private static readonly Meter s_meter = new("vitrine", typeof(GrpcMeter).Assembly.GetName().Version?.ToString(3));

    /// <summary>Calls that ended, by code.</summary>
    public static readonly Counter<long> Calls = s_meter.CreateCounter<long>("vitrine.grpc.calls", "{call}", "gRPC calls served that ended, by status code.");

    /// <summary>Limits that were reached.</summary>
    public static readonly Counter<long> Limits = s_meter.CreateCounter<long>("vitrine.grpc.limits", "{refusal}", "gRPC calls and connections ended because of a limit; see the limit.");

    // Tags are made once: counting takes no memory.
    public static readonly KeyValuePair<string, object?> MessageBytes = new("limit", "message-bytes");
    public static readonly KeyValuePair<string, object?> InflatedBytes = new("limit", "inflated-bytes");
    public static readonly KeyValuePair<string, object?> StalledReader = new("limit", "stalled-reader");

    private static readonly KeyValuePair<string, object?>[] s_codes = [.. Enum.GetValues<CallStatusCode>().Select(code => new KeyValuePair<string, object?>("code", code.ToString()))];

    public static void Ended(CallStatusCode code) => Calls.Add(1, s_codes[(int)code]);
}
