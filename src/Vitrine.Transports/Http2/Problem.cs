using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.WebUtilities;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Http2;

/// <summary>Failed calls as problem details (RFC 9457): <c>type</c>, <c>title</c>, <c>status</c> and <c>detail</c> of the standard;
/// <c>code</c>, the name of the call's status; <c>help</c>, what to do; <c>details</c>, the details of the status, if there are any.</summary>
internal static class Problem
{
    public const string ContentType = "application/problem+json";

    /// <summary>Member of the last line of a stream that failed after it had begun.</summary>
    public const string LineMember = "problem";

    // The mapping to HTTP is google.rpc.Code's, which gateways use too.
    private static readonly (string Name, int Status, string Help)[] s_codes =
    [
        ("OK", 200, ""),
        ("CANCELLED", 499, "Call again, if the answer is still wanted."),
        ("UNKNOWN", 500, "Please report it, with what the host printed."),
        ("INVALID_ARGUMENT", 400, "Correct the request: /api/openapi.json says what it may hold."),
        ("DEADLINE_EXCEEDED", 504, "Allow more time with the header grpc-timeout, or leave it away."),
        ("NOT_FOUND", 404, "Look at what there is first."),
        ("ALREADY_EXISTS", 409, "Use what is there, or another name."),
        ("PERMISSION_DENIED", 403, "Use a token that grants it: the host prints one for every grant that it was started with."),
        ("RESOURCE_EXHAUSTED", 429, "Ask for less, or wait and call again."),
        ("FAILED_PRECONDITION", 400, "Change what the detail names, then call again."),
        ("ABORTED", 409, "Start over."),
        ("OUT_OF_RANGE", 400, "Stay in the range that the detail names."),
        ("UNIMPLEMENTED", 501, "See /api/openapi.json for what there is."),
        ("INTERNAL", 500, "Please report it, with what the host printed."),
        ("UNAVAILABLE", 503, "Call again after a moment."),
        ("DATA_LOSS", 500, "Please report it, with what the host printed."),
        ("UNAUTHENTICATED", 401, "Send «authorization: Bearer TOKEN», with the token that the host printed when it started."),
    ];

    /// <summary>For the writers of problems: texts stay readable. Nobody takes this media type for HTML.</summary>
    public static JsonWriterOptions WriterOptions { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>HTTP status of a call's status.</summary>
    public static int HttpStatus(CallStatusCode code) => s_codes[(int)code].Status;

    /// <summary>Writes one.</summary>
    /// <param name="failure">What failed.</param>
    /// <param name="status">HTTP status; null: the one that belongs to the code.</param>
    /// <param name="types">File whose messages are written readably when they are details; others are written as bytes.</param>
    /// <param name="into">Where to.</param>
    public static void Write(CallException failure, int? status, FileDescriptor? types, Utf8JsonWriter into)
    {
        (string name, int ofCode, string help) = s_codes[(int)failure.Code];
        into.WriteStartObject();
        into.WriteString("type", "about:blank");
        into.WriteString("title", ReasonPhrases.GetReasonPhrase(status ?? ofCode) is { Length: > 0 } phrase ? phrase : name);
        into.WriteNumber("status", status ?? ofCode);
        into.WriteString("detail", failure.Message);
        into.WriteString("code", name);
        into.WriteString("help", help);
        if (failure.Details.Count > 0)
        {
            JsonFormatter formatter = new(JsonFormatter.Settings.Default.WithTypeRegistry(Registry(types)));
            into.WriteStartArray("details");
            foreach (Any detail in failure.Details)
            {
                WriteDetail(detail, formatter, into);
            }

            into.WriteEndArray();
        }

        into.WriteEndObject();
    }

    /// <summary>Reads one.</summary>
    /// <param name="problem">The object.</param>
    /// <param name="status">HTTP status that came with it.</param>
    /// <param name="types">As in <see cref="Write"/>.</param>
    public static CallException Read(JsonElement problem, int status, FileDescriptor types)
    {
        string? name = Text(problem, "code");
        int code = Array.FindIndex(s_codes, entry => entry.Name == name);
        return new(code > 0 ? (CallStatusCode)code : OfHttpStatus(status), Text(problem, "detail") ?? Text(problem, "title") ?? $"HTTP {status}", ReadDetails(problem, types));
    }

    /// <summary>Status of a call that was answered by something other than this interface.</summary>
    public static CallStatusCode OfHttpStatus(int status) => status switch
    {
        400 or 406 or 415 => CallStatusCode.InvalidArgument,
        401 => CallStatusCode.Unauthenticated,
        403 => CallStatusCode.PermissionDenied,
        404 or 405 => CallStatusCode.Unimplemented,
        413 or 431 => CallStatusCode.ResourceExhausted,
        429 or 502 or 503 or 504 => CallStatusCode.Unavailable,
        _ => CallStatusCode.Unknown,
    };

    private static void WriteDetail(Any detail, JsonFormatter formatter, Utf8JsonWriter into)
    {
        try
        {
            into.WriteRawValue(formatter.Format(detail));
        }
        catch (Exception exception) when (exception is InvalidOperationException or InvalidProtocolBufferException)
        {
            into.WriteStartObject(); // a type that is not known here, or bytes that are none of it
            into.WriteString("@type", detail.TypeUrl);
            into.WriteBase64String("value", detail.Value.Span);
            into.WriteEndObject();
        }
    }

    private static List<Any> ReadDetails(JsonElement problem, FileDescriptor types)
    {
        List<Any> details = [];
        if (problem.ValueKind != JsonValueKind.Object || !problem.TryGetProperty("details", out JsonElement list) || list.ValueKind != JsonValueKind.Array)
        {
            return details;
        }

        JsonParser parser = new(new JsonParser.Settings(JsonMessages.DepthMax, Registry(types)));
        foreach (JsonElement entry in list.EnumerateArray())
        {
            try
            {
                details.Add(parser.Parse<Any>(entry.GetRawText()));
            }
            catch (Exception exception) when (exception is InvalidProtocolBufferException or InvalidJsonException or InvalidOperationException)
            {
                // A bad detail must not hide the status; one of an unknown type comes as bytes.
                if (Text(entry, "@type") is { } type
                    && entry.TryGetProperty("value", out JsonElement value) && value.ValueKind == JsonValueKind.String && value.TryGetBytesFromBase64(out byte[]? bytes))
                {
                    details.Add(new Any { TypeUrl = type, Value = ByteString.CopyFrom(bytes) });
                }
            }
        }

        return details;
    }

    /// <summary>A text of an object; null when there is none, or one that is no UTF-8 (which the parser looks at only now).</summary>
    private static string? Text(JsonElement parent, string member)
    {
        try
        {
            return parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(member, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static TypeRegistry Registry(FileDescriptor? types) => types is null ? TypeRegistry.Empty : TypeRegistry.FromFiles(types);
}
