using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Wire;

namespace Vitrine.Transports.Http2;

/// <summary>The JSON interface as an OpenAPI 3.1 document, made from the descriptors of its methods.</summary>
internal static class OpenApiDescription
{
    /// <summary>Where it is served, to everybody: it says nothing about what is shared.</summary>
    public const string Path = "/api/openapi.json";

    private const string ProblemSchema = "Problem";

    public static byte[] Write(IReadOnlyList<JsonRoute> routes, JsonServerOptions options)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("openapi", "3.1.1");
            json.WriteStartObject("info");
            json.WriteString("title", options.About.Title);
            json.WriteString("version", options.About.Version);
            json.WriteString("description",
                "Messages are in Protobuf's JSON mapping: 64-bit integers are strings, bytes are base64. Unknown fields are refused. A stream is "
                + "newline-delimited JSON, a message a line; one that fails ends with the line {\"problem\": {...}}.");
            json.WriteEndObject();
            json.WriteStartArray("tags");
            foreach (ServiceDescriptor service in routes.Select(route => route.Method.Descriptor.Service).Distinct())
            {
                json.WriteStartObject();
                json.WriteString("name", service.Name);
                WriteDescription(json, service);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartObject("paths");
            foreach (JsonRoute route in routes)
            {
                json.WriteStartObject(route.Path);
                if (route.TakesGet)
                {
                    WriteOperation(json, route, isGet: true);
                }

                WriteOperation(json, route, isGet: false);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            WriteComponents(json, routes);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteOperation(Utf8JsonWriter json, JsonRoute route, bool isGet)
    {
        CallMethod method = route.Method;
        json.WriteStartObject(isGet ? "get" : "post");
        json.WriteString("operationId", $"{method.Descriptor.Service.Name}.{method.Name}{(route.TakesGet && !isGet ? ".post" : "")}");
        json.WriteStartArray("tags");
        json.WriteStringValue(method.Descriptor.Service.Name);
        json.WriteEndArray();
        WriteDescription(json, method.Descriptor);
        if (method.Grants != ViewerGrants.None)
        {
            json.WriteStartArray("security");
            json.WriteStartObject();
            json.WriteStartArray("token");
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
        }

        json.WriteStartArray("parameters");
        json.WriteStartObject();
        json.WriteString("$ref", "#/components/parameters/timeout");
        json.WriteEndObject();
        if (isGet)
        {
            foreach ((string name, FieldDescriptor field) in JsonMessages.QueryFields(method.Descriptor.InputType))
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WriteString("in", "query");
                WriteDescription(json, field);
                json.WriteStartObject("schema");
                WriteType(json, field);
                json.WriteEndObject();
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
        if (!isGet)
        {
            json.WriteStartObject("requestBody");
            json.WriteBoolean("required", !method.TakesOneRequest);
            WriteContent(json, method.TakesOneRequest, method.Descriptor.InputType);
            json.WriteEndObject();
        }

        json.WriteStartObject("responses");
        json.WriteStartObject("200");
        json.WriteString("description", method.GivesOneResponse ? "The answer." : "The answers, one a line.");
        WriteContent(json, method.GivesOneResponse, method.Descriptor.OutputType, route.HasPlainForm);
        json.WriteEndObject();
        json.WriteStartObject("default");
        json.WriteString("description", "It failed.");
        json.WriteStartObject("content");
        json.WriteStartObject(Problem.ContentType);
        WriteReference(json, "schema", ProblemSchema);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteContent(Utf8JsonWriter json, bool isOne, MessageDescriptor type, bool hasPlainForm = false)
    {
        json.WriteStartObject("content");
        json.WriteStartObject(isOne ? JsonServer.JsonType : JsonServer.LinesType);
        WriteReference(json, "schema", type.FullName);
        json.WriteEndObject();
        if (hasPlainForm)
        {
            json.WriteStartObject("*/*"); // the answer's data alone, for who asks for its media type
            json.WriteStartObject("schema");
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteComponents(Utf8JsonWriter json, IReadOnlyList<JsonRoute> routes)
    {
        json.WriteStartObject("components");
        json.WriteStartObject("securitySchemes");
        json.WriteStartObject("token");
        json.WriteString("type", "http");
        json.WriteString("scheme", "bearer");
        json.WriteString("description", "The token that the host printed when it started.");
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartObject("parameters");
        json.WriteStartObject("timeout");
        json.WriteString("name", "grpc-timeout");
        json.WriteString("in", "header");
        json.WriteString("description", "How long the call may take: up to eight digits and a unit, H M S m(illi) u n. Then it fails with DEADLINE_EXCEEDED.");
        json.WriteStartObject("schema");
        json.WriteString("type", "string");
        json.WriteString("pattern", "^[0-9]{1,8}[HMSmun]$");
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartObject("schemas");
        WriteProblemSchema(json);
        SortedDictionary<string, MessageDescriptor> types = new(StringComparer.Ordinal);
        foreach (JsonRoute route in routes)
        {
            Collect(route.Method.Descriptor.InputType, types);
            Collect(route.Method.Descriptor.OutputType, types);
        }

        foreach ((string name, MessageDescriptor type) in types)
        {
            json.WriteStartObject(name);
            json.WriteString("type", "object");
            WriteDescription(json, type);
            json.WriteBoolean("additionalProperties", false);
            json.WriteStartObject("properties");
            foreach (FieldDescriptor field in type.Fields.InDeclarationOrder())
            {
                json.WriteStartObject(field.JsonName);
                WriteDescription(json, field);
                WriteType(json, field);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteProblemSchema(Utf8JsonWriter json)
    {
        json.WriteStartObject(ProblemSchema);
        json.WriteString("type", "object");
        json.WriteString("description", "Problem details (RFC 9457).");
        json.WriteStartObject("properties");
        foreach ((string name, string type, string description) in ((string, string, string)[])
            [
                ("type", "string", "about:blank: the code says it."),
                ("title", "string", "What the HTTP status is called."),
                ("status", "integer", "The HTTP status."),
                ("detail", "string", "What went wrong, for people."),
                ("code", "string", "Status of the call: a code of gRPC, such as INVALID_ARGUMENT."),
                ("help", "string", "What to do."),
                ("details", "array", "Messages with more about it, if there are any; @type says which."),
            ])
        {
            json.WriteStartObject(name);
            json.WriteString("type", type);
            json.WriteString("description", description);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Collect(MessageDescriptor type, SortedDictionary<string, MessageDescriptor> into)
    {
        if (into.TryAdd(type.FullName, type))
        {
            foreach (FieldDescriptor field in type.Fields.InDeclarationOrder().Select(field => field.IsMap ? field.MessageType.FindFieldByNumber(2) : field))
            {
                if (field.FieldType == FieldType.Message && !IsTime(field))
                {
                    Collect(field.MessageType, into);
                }
            }
        }
    }

    private static void WriteType(Utf8JsonWriter json, FieldDescriptor field)
    {
        if (field.IsMap)
        {
            json.WriteString("type", "object");
            json.WriteStartObject("additionalProperties");
            WriteSingleType(json, field.MessageType.FindFieldByNumber(2));
            json.WriteEndObject();
        }
        else if (field.IsRepeated)
        {
            json.WriteString("type", "array");
            json.WriteStartObject("items");
            WriteSingleType(json, field);
            json.WriteEndObject();
        }
        else
        {
            WriteSingleType(json, field);
        }
    }

    private static void WriteSingleType(Utf8JsonWriter json, FieldDescriptor field)
    {
        switch (field.FieldType)
        {
            case FieldType.Bool:
                json.WriteString("type", "boolean");
                break;
            case FieldType.Double or FieldType.Float:
                json.WriteString("type", "number");
                json.WriteString("format", field.FieldType == FieldType.Double ? "double" : "float");
                break;
            case FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32:
                json.WriteString("type", "integer");
                json.WriteString("format", "int32");
                break;
            case FieldType.UInt32 or FieldType.Fixed32:
                json.WriteString("type", "integer");
                json.WriteNumber("minimum", uint.MinValue);
                json.WriteNumber("maximum", uint.MaxValue);
                break;
            case FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64:
                json.WriteString("type", "string");
                json.WriteString("pattern", "^-?[0-9]+$");
                break;
            case FieldType.UInt64 or FieldType.Fixed64:
                json.WriteString("type", "string");
                json.WriteString("pattern", "^[0-9]+$");
                break;
            case FieldType.Bytes:
                json.WriteString("type", "string");
                json.WriteString("contentEncoding", "base64");
                break;
            case FieldType.Enum:
                json.WriteString("type", "string");
                json.WriteStartArray("enum");
                foreach (EnumValueDescriptor value in field.EnumType.Values)
                {
                    json.WriteStringValue(value.Name);
                }

                json.WriteEndArray();
                break;
            case FieldType.Message when IsTime(field):
                json.WriteString("type", "string");
                json.WriteString("format", "date-time");
                break;
            case FieldType.Message or FieldType.Group:
                json.WriteString("$ref", "#/components/schemas/" + field.MessageType.FullName);
                break;
            default:
                json.WriteString("type", "string");
                break;
        }
    }

    // The mapping has a text for it.
    private static bool IsTime(FieldDescriptor field) => field.MessageType == Timestamp.Descriptor;

    private static void WriteReference(Utf8JsonWriter json, string member, string schema)
    {
        json.WriteStartObject(member);
        json.WriteString("$ref", "#/components/schemas/" + schema);
        json.WriteEndObject();
    }

    private static void WriteDescription(Utf8JsonWriter json, IDescriptor declared)
    {
        if (ProtoComments.Find(declared) is { } text)
        {
            json.WriteString("description", text);
        }
    }
}
