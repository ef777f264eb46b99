using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>Ends of calls: as trailers, and as what HTTP says instead.</summary>
internal static class GrpcStatus
{
    /// <summary>Most bytes of encoded details that are sent; more are left out, because stock clients refuse trailers of more than
    /// 8 KiB and would lose the status with them.</summary>
    public const int DetailsBytesMax = 4096;

    private static readonly string[] s_codes = [.. Enumerable.Range(0, 17).Select(code => code.ToString(CultureInfo.InvariantCulture))];

    /// <summary>A code as its header value; no memory is taken.</summary>
    public static string Text(CallStatusCode code) => s_codes[(int)code];

    /// <summary>The details of a failure as the value of <c>grpc-status-details-bin</c>.</summary>
    /// <returns>Null when there are none, or too many.</returns>
    public static string? DetailsText(CallException failure)
    {
        if (failure.Details.Count == 0)
        {
            return null;
        }

        Wire.Rpc.Status status = new() { Code = (int)failure.Code, Message = failure.Message };
        status.Details.AddRange(failure.Details);
        return status.CalculateSize() <= DetailsBytesMax ? GrpcHeaders.ToText(status.ToByteArray()) : null;
    }

    /// <summary>Reads the end of a call.</summary>
    /// <param name="code">Value of <c>grpc-status</c>.</param>
    /// <param name="message">Value of <c>grpc-message</c>, or null.</param>
    /// <param name="details">Value of <c>grpc-status-details-bin</c>, or null. What cannot be read is left out: the status itself holds.</param>
    /// <returns>Null when the call succeeded.</returns>
    public static CallException? Read(string code, string? message, string? details)
    {
        // A code that this side does not know is Unknown (statuscodes.md).
        CallStatusCode known = int.TryParse(code, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value <= (int)CallStatusCode.Unauthenticated
            ? (CallStatusCode)value
            : CallStatusCode.Unknown;
        return known == CallStatusCode.Ok ? null : new(known, message is null ? "" : GrpcText.Decode(message), ReadDetails(details));
    }

    /// <summary>The status of an HTTP answer that is not gRPC's (<c>doc/http-grpc-status-mapping.md</c> of gRPC).</summary>
    public static CallStatusCode OfHttpStatus(int status) => status switch
    {
        400 => CallStatusCode.Internal,
        401 => CallStatusCode.Unauthenticated,
        403 => CallStatusCode.PermissionDenied,
        404 => CallStatusCode.Unimplemented,
        429 or 502 or 503 or 504 => CallStatusCode.Unavailable,
        _ => CallStatusCode.Unknown,
    };

    /// <summary>The status of a stream that was reset (<c>doc/PROTOCOL-HTTP2.md</c> of gRPC, «Errors»; codes of RFC 9113 section 7).</summary>
    public static CallStatusCode OfResetCode(long code) => code switch
    {
        0x7 => CallStatusCode.Unavailable, // REFUSED_STREAM: the server has done nothing of it
        0x8 => CallStatusCode.Cancelled, // CANCEL
        0xb => CallStatusCode.ResourceExhausted, // ENHANCE_YOUR_CALM
        0xc => CallStatusCode.PermissionDenied, // INADEQUATE_SECURITY
        0x5 => CallStatusCode.Unknown, // STREAM_CLOSED has no mapping
        _ => CallStatusCode.Internal,
    };

    private static RepeatedField<Any> ReadDetails(string? details) =>
        details is not null && GrpcHeaders.TryReadBytes(details, out byte[] bytes) ? CallMessages.ReadDetails(bytes) : [];
}
