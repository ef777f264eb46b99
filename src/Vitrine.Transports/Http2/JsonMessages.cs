using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Http2;

/// <summary>Messages in Protobuf's JSON mapping (<c>protobuf.dev/programming-guides/json</c>), and as the query of an address.</summary>
/// <remarks>Fields that have their default value are written too: who reads JSON by eye should see them.</remarks>
internal static class JsonMessages
{
    /// <summary>How deep objects may lie in each other. Our messages have three levels.</summary>
    public const int DepthMax = 16;

    // Longer texts are decoded while they are parsed.
    private const int WholeTextBytesMax = 16 << 10;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly JsonParser s_strict = new(new JsonParser.Settings(DepthMax));
    private static readonly JsonParser s_tolerant = new(new JsonParser.Settings(DepthMax).WithIgnoreUnknownFields(true));
    private static readonly JsonFormatter s_formatter = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    /// <summary>Reads a request whose length was checked by the caller. Fields that are not known are refused: they are misspelt, or for
    /// a newer host.</summary>
    /// <exception cref="CallException"><see cref="CallStatusCode.InvalidArgument"/>: it is no such message; the text says where.</exception>
    public static void ReadRequest(in ReadOnlySequence<byte> utf8, IMessage into) => Read(utf8, into, s_strict, CallStatusCode.InvalidArgument);

    /// <summary>Reads an answer whose length was checked by the caller. Fields that are not known are skipped: a newer host has more.</summary>
    /// <exception cref="CallException"><see cref="CallStatusCode.Internal"/>: it is no such message.</exception>
    public static void ReadAnswer(in ReadOnlySequence<byte> utf8, IMessage into) => Read(utf8, into, s_tolerant, CallStatusCode.Internal);

    /// <summary>Reads a message out of a query: <c>rectangle.width=100&amp;format=PNG</c>. A field of a list may come several times.</summary>
    /// <exception cref="CallException"><see cref="CallStatusCode.InvalidArgument"/>: there is no such field, or the value is not of its type.</exception>
    public static void ReadQuery(IQueryCollection query, IMessage into)
    {
        JsonObject root = [];
        foreach ((string key, StringValues values) in query)
        {
            JsonObject parent = root;
            MessageDescriptor type = into.Descriptor;
            FieldDescriptor? field = null;
            foreach (string part in key.Split('.', DepthMax))
            {
                if (field is not null)
                {
                    if (field.FieldType != FieldType.Message || field.IsRepeated)
                    {
                        throw NoField(into.Descriptor, key);
                    }

                    JsonObject child = parent[field.JsonName] as JsonObject ?? [];
                    parent[field.JsonName] = child;
                    (parent, type) = (child, field.MessageType);
                }

                field = type.Fields.InDeclarationOrder().FirstOrDefault(f => f.JsonName == part || f.Name == part) ?? throw NoField(into.Descriptor, key);
            }

            if (field!.FieldType is FieldType.Message or FieldType.Group || parent.ContainsKey(field.JsonName) || (values.Count != 1 && !field.IsRepeated))
            {
                throw NoField(into.Descriptor, key);
            }

            parent[field.JsonName] = field.IsRepeated ? new JsonArray([.. values.Select(value => ToJson(field, key, value ?? ""))]) : ToJson(field, key, values[0] ?? "");
        }

        Parse(root.ToJsonString(), into, s_strict, CallStatusCode.InvalidArgument);
    }

    /// <summary>Writes a message, on one line.</summary>
    public static void Write(IMessage message, IBufferWriter<byte> into)
    {
        using Utf8Writer writer = new(into);
        s_formatter.Format(message, writer);
        writer.Flush();
    }

    /// <summary>Names of the fields that a query may have, nested ones with dots.</summary>
    public static IEnumerable<(string Name, FieldDescriptor Field)> QueryFields(MessageDescriptor type, int depth = 0)
    {
        foreach (FieldDescriptor field in type.Fields.InDeclarationOrder())
        {
            if (field.FieldType != FieldType.Message)
            {
                yield return (field.JsonName, field);
            }
            else if (!field.IsRepeated && depth < DepthMax)
            {
                foreach ((string name, FieldDescriptor nested) in QueryFields(field.MessageType, depth + 1))
                {
                    yield return ($"{field.JsonName}.{name}", nested);
                }
            }
        }
    }

    private static void Read(in ReadOnlySequence<byte> utf8, IMessage into, JsonParser parser, CallStatusCode failure)
    {
        try
        {
            if (utf8.Length <= WholeTextBytesMax)
            {
                Parse(s_utf8.GetString(utf8), into, parser, failure);
                return;
            }

            using StreamReader text = new(new SequenceStream(utf8), s_utf8, detectEncodingFromByteOrderMarks: false);
            Parse(text, into, parser, failure);
        }
        catch (DecoderFallbackException exception)
        {
            throw Invalid(failure, into.Descriptor, "The bytes are no UTF-8.", exception);
        }
    }

    private static void Parse(string text, IMessage into, JsonParser parser, CallStatusCode failure)
    {
        using StringReader reader = new(text);
        Parse(reader, into, parser, failure);
    }

    private static void Parse(TextReader text, IMessage into, JsonParser parser, CallStatusCode failure)
    {
        (into as IReusableMessage)?.Clear();
        try
        {
            // The parser makes a message of its own; the handler's gets what is in it.
            Move(parser.Parse(text, into.Descriptor), into);
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or InvalidJsonException)
        {
            throw Invalid(failure, into.Descriptor, exception.Message, exception);
        }
    }

    private static void Move(IMessage from, IMessage into)
    {
        foreach (FieldDescriptor field in from.Descriptor.Fields.InFieldNumberOrder())
        {
            if (field.IsRepeated)
            {
                IList all = (IList)field.Accessor.GetValue(into); // of maps there are none: the mapping's list would be a dictionary
                foreach (object? each in (IList)field.Accessor.GetValue(from))
                {
                    all.Add(each);
                }
            }
            else if (!field.HasPresence || field.Accessor.HasValue(from))
            {
                field.Accessor.SetValue(into, field.Accessor.GetValue(from));
            }
        }
    }

    private static JsonValue ToJson(FieldDescriptor field, string key, string value) => field.FieldType switch
    {
        FieldType.Bool => value switch
        {
            "true" or "" => JsonValue.Create(true),
            "false" => JsonValue.Create(false),
            _ => throw new CallException(CallStatusCode.InvalidArgument, $"{key} is true or false."),
        },
        FieldType.Enum when int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) => JsonValue.Create(number),
        _ => JsonValue.Create(value), // the mapping takes numbers as texts too
    };

    private static CallException NoField(MessageDescriptor type, string key)
    {
        string shown = key.Length <= 64 ? key : key[..64] + "...";
        string all = string.Join(", ", QueryFields(type).Select(field => field.Name));
        return new(CallStatusCode.InvalidArgument, $"The query field «{shown}» is not known, or comes twice. There are: {(all.Length > 0 ? all : "none")}.");
    }

    private static CallException Invalid(CallStatusCode code, MessageDescriptor type, string why, Exception cause) =>
        new(code, $"That is no {type.FullName}: {(why.Length <= 512 ? why : why[..512] + "...")}", innerException: cause);
}
