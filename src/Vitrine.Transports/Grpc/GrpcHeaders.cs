using System.Buffers.Text;
using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>Names that gRPC adds to HTTP/2, and metadata as header fields (<c>doc/PROTOCOL-HTTP2.md</c> of gRPC).</summary>
internal static class GrpcHeaders
{
    public const string ContentType = "application/grpc";
    public const string Timeout = "grpc-timeout";
    public const string Encoding = "grpc-encoding";
    public const string AcceptEncoding = "grpc-accept-encoding";
    public const string Status = "grpc-status";
    public const string Message = "grpc-message";
    public const string StatusDetails = "grpc-status-details-bin";
    public const string Identity = "identity";
    public const string Gzip = "gzip";
    public const string Accepted = "identity,gzip";

    private static readonly KeyValuePair<string, object?> s_metadata = new("limit", "metadata");

    // Names that arrive in another spelling with every call, and what they are in metadata; empty: not in it.
    private static readonly FrozenDictionary<string, string> s_known = new Dictionary<string, string>
    {
        [":method"] = "", [":scheme"] = "", [":path"] = "", [":authority"] = "", ["Host"] = "", ["TE"] = "", ["Date"] = "", ["Server"] = "", ["Alt-Svc"] = "",
        ["Content-Type"] = "", ["Content-Length"] = "", ["Authorization"] = "", [Timeout] = "", [Encoding] = "", [AcceptEncoding] = "", [Status] = "",
        [Message] = "", [StatusDetails] = "", ["User-Agent"] = "user-agent",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether a content type is gRPC's with Protobuf messages.</summary>
    public static bool IsProtobuf(ReadOnlySpan<char> contentType)
    {
        int end = contentType.IndexOf(';');
        ReadOnlySpan<char> type = (end < 0 ? contentType : contentType[..end]).Trim();
        return type.Equals(ContentType, StringComparison.OrdinalIgnoreCase) || type.Equals("application/grpc+proto", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Whether a content type is gRPC's at all, whatever the messages.</summary>
    public static bool IsGrpc(ReadOnlySpan<char> contentType) =>
        contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == ContentType.Length || contentType[ContentType.Length] is '+' or ';' or ' ');

    /// <summary>Whether a comma-separated list of encodings holds gzip.</summary>
    public static bool HoldsGzip(ReadOnlySpan<char> encodings)
    {
        foreach (Range part in encodings.Split(','))
        {
            if (encodings[part].Trim().Equals(Gzip, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Text of a value of bytes: base64 without padding.</summary>
    public static string ToText(ReadOnlySpan<byte> bytes) => Convert.ToBase64String(bytes).TrimEnd('=');

    /// <summary>Bytes of a value: base64 with or without padding.</summary>
    public static bool TryReadBytes(ReadOnlySpan<char> text, out byte[] bytes)
    {
        text = text.Trim().TrimEnd('=');
        bytes = [];
        int remainder = text.Length % 4;
        if (remainder == 1)
        {
            return false;
        }

        Span<char> padded = text.Length <= 1024 ? stackalloc char[1028] : new char[text.Length + 3];
        text.CopyTo(padded);
        int length = text.Length;
        while (length % 4 != 0)
        {
            padded[length++] = '=';
        }

        byte[] decoded = new byte[Base64.GetMaxDecodedFromUtf8Length(length)];
        if (!Convert.TryFromBase64Chars(padded[..length], decoded, out int written))
        {
            return false;
        }

        bytes = decoded.AsSpan(0, written).ToArray();
        return true;
    }

    /// <summary>Takes a header field into metadata. What belongs to HTTP or to gRPC, and what is no metadata, is left out.</summary>
    /// <param name="name">Of the field.</param>
    /// <param name="value">Of the field.</param>
    /// <param name="into">Where to.</param>
    /// <param name="limits">A server's: counts what is too much.</param>
    /// <exception cref="CallException">Too much of it, or bytes that are no base64.</exception>
    public static void Take(string name, string value, CallMetadata into, Counter<long>? limits = null)
    {
        // The web server spells the names it knows in its own way; others come in lower case, as HTTP/2 has them.
        string lower = s_known.TryGetValue(name, out string? known) ? known : name;
        if (!CallMetadata.IsName(lower))
        {
            return;
        }

        try
        {
            if (!CallMetadata.IsBinaryName(lower))
            {
                if (CallMetadata.IsText(value))
                {
                    into.Add(lower, value);
                }

                return;
            }

            foreach (Range part in value.AsSpan().Split(',')) // several fields of one name may have been joined
            {
                into.Add(lower, TryReadBytes(value.AsSpan(part), out byte[] bytes)
                    ? bytes
                    : throw new CallException(CallStatusCode.Internal, $"The value of {lower} is no base64."));
            }
        }
        catch (ArgumentException exception)
        {
            limits?.Add(1, s_metadata);
            throw new CallException(CallStatusCode.ResourceExhausted, $"More metadata than {CallMetadata.EntriesMax} entries or {CallMetadata.BytesMax} bytes.", innerException: exception);
        }
    }
}
