using System.Buffers;
using System.Text;
using System.Text.Unicode;
using Google.Protobuf;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Quic;

/// <summary>What a frame of a call's stream holds.</summary>
internal enum CallFrameType
{
    /// <summary>A message in binary Protobuf; on a live stream a packet.</summary>
    Message = 0,

    /// <summary>What is called, and how: the client's first.</summary>
    Request = 1,

    /// <summary>Metadata before the first answer; left out when there are none.</summary>
    Response = 2,

    /// <summary>Status and trailers: the server's last.</summary>
    End = 3,
}

/// <summary>What came of looking for a frame.</summary>
internal enum CallFrameStatus
{
    /// <summary>One is there.</summary>
    Ok = 0,

    /// <summary>Its end has not come.</summary>
    Incomplete,

    /// <summary>A message longer than the limit.</summary>
    TooLong,

    /// <summary>No frame of this protocol.</summary>
    Malformed,
}

/// <summary>The head of a call, as it came. Borrows what it was read from.</summary>
internal readonly ref struct CallRequestHead
{
    /// <summary><c>/service/method</c>; ASCII, 1 to 255 bytes.</summary>
    public required ReadOnlySpan<byte> Path { get; init; }

    /// <summary>Microseconds that were left when it was sent; 0: no deadline.</summary>
    public required ulong DeadlineMicros { get; init; }

    /// <summary>0 (first) to 7 (last).</summary>
    public required byte Priority { get; init; }

    /// <summary>What the caller shows; empty when it shows none.</summary>
    public required ReadOnlySpan<byte> Token { get; init; }

    /// <summary>For <see cref="CallFrame.TryReadMetadata"/>.</summary>
    public required ReadOnlySpan<byte> Metadata { get; init; }
}

/// <summary>Frames of calls over QUIC, as <c>docs/PROTOCOL.md</c> gives them («Calls over QUIC»): type and length as integers of RFC 9000,
/// then so many bytes.</summary>
/// <remarks>No sockets, no clock. What is read takes memory for metadata and texts only, after their bounds were checked.</remarks>
internal static class CallFrame
{
    /// <summary>Most bytes of type and length.</summary>
    public const int HeadBytesMax = 2 * VariableInteger.BytesMax;

    /// <summary>Most bytes of any frame but a message.</summary>
    public const int BlockBytesMax = 32 * 1024;

    /// <summary>Most bytes of a path.</summary>
    public const int PathBytesMax = 255;

    /// <summary>Most bytes of a token.</summary>
    public const int TokenBytesMax = 512;

    /// <summary>Most bytes of a status's text; more are cut off.</summary>
    public const int TextBytesMax = 4096;

    /// <summary>Most bytes of a status's details; more are left out.</summary>
    public const int DetailsBytesMax = 8192;

    /// <summary>The least urgent.</summary>
    public const byte PriorityMax = 7;

    private const int MetadataOverheadBytes = 32; // as CallMetadata counts

    /// <summary>Looks for a whole frame at the start of what has come. Unknown types are no error here: the caller skips them.</summary>
    /// <param name="bytes">What has come.</param>
    /// <param name="messageBytesMax">Most bytes of a message.</param>
    /// <param name="type">May be any number.</param>
    /// <param name="payloadAt">Where its bytes begin.</param>
    /// <param name="payloadBytes">How many there are. Known for <see cref="CallFrameStatus.Incomplete"/> as well, when the head has come; else 0.</param>
    public static CallFrameStatus TryRead(ReadOnlySpan<byte> bytes, int messageBytesMax, out CallFrameType type, out int payloadAt, out int payloadBytes)
    {
        (type, payloadAt, payloadBytes) = (default, 0, 0);
        if (!VariableInteger.TryRead(bytes, out ulong number, out int typeBytes) || !VariableInteger.TryRead(bytes[typeBytes..], out ulong length, out int lengthBytes))
        {
            return CallFrameStatus.Incomplete;
        }

        if (number == (ulong)CallFrameType.Message ? length > (ulong)messageBytesMax : length > BlockBytesMax)
        {
            return number == (ulong)CallFrameType.Message ? CallFrameStatus.TooLong : CallFrameStatus.Malformed;
        }

        type = number > int.MaxValue ? (CallFrameType)int.MaxValue : (CallFrameType)number;
        (payloadAt, payloadBytes) = (typeBytes + lengthBytes, (int)length);
        return bytes.Length - payloadAt >= payloadBytes ? CallFrameStatus.Ok : CallFrameStatus.Incomplete;
    }

    /// <summary>Reads the payload of a <see cref="CallFrameType.Request"/>.</summary>
    public static bool TryReadRequest(ReadOnlySpan<byte> payload, out CallRequestHead head)
    {
        head = default;
        if (!TryTake(ref payload, PathBytesMax, out ReadOnlySpan<byte> path) || path.IsEmpty || !Ascii.IsValid(path)
            || !TryTake(ref payload, out ulong deadlineMicros) || payload.IsEmpty || payload[0] > PriorityMax)
        {
            return false;
        }

        byte priority = payload[0];
        payload = payload[1..];
        if (!TryTake(ref payload, TokenBytesMax, out ReadOnlySpan<byte> token) || !Ascii.IsValid(token))
        {
            return false;
        }

        head = new() { Path = path, DeadlineMicros = deadlineMicros, Priority = priority, Token = token, Metadata = payload };
        return true;
    }

    /// <summary>Reads metadata, which fill the rest of their frame.</summary>
    /// <param name="bytes">All of the rest; none: no metadata.</param>
    /// <param name="into">Is added to.</param>
    public static bool TryReadMetadata(ReadOnlySpan<byte> bytes, CallMetadata into)
    {
        int count = 0, total = 0;
        while (!bytes.IsEmpty)
        {
            if (!TryTake(ref bytes, 128, out ReadOnlySpan<byte> name) || !TryTake(ref bytes, CallMetadata.BytesMax, out ReadOnlySpan<byte> value))
            {
                return false;
            }

            total += name.Length + value.Length + MetadataOverheadBytes;
            if (++count > CallMetadata.EntriesMax || total > CallMetadata.BytesMax)
            {
                return false;
            }

            string key = Encoding.Latin1.GetString(name); // what is not ASCII is no name
            if (!CallMetadata.IsName(key))
            {
                return false;
            }

            if (CallMetadata.IsBinaryName(key))
            {
                into.Add(key, value.ToArray());
                continue;
            }

            string text = Encoding.Latin1.GetString(value);
            if (!CallMetadata.IsText(text))
            {
                return false;
            }

            into.Add(key, text);
        }

        return true;
    }

    /// <summary>Reads the payload of a <see cref="CallFrameType.End"/>.</summary>
    /// <param name="payload">Its bytes; none: <see cref="CallStatusCode.Ok"/> and nothing else.</param>
    /// <param name="trailers">Is added to.</param>
    /// <param name="failure">Null: the call succeeded.</param>
    public static bool TryReadEnd(ReadOnlySpan<byte> payload, CallMetadata trailers, out CallException? failure)
    {
        failure = null;
        if (payload.IsEmpty)
        {
            return true;
        }

        // A code that this side does not know is Unknown (statuscodes.md of gRPC).
        CallStatusCode code = payload[0] <= (byte)CallStatusCode.Unauthenticated ? (CallStatusCode)payload[0] : CallStatusCode.Unknown;
        payload = payload[1..];
        if (!TryTake(ref payload, TextBytesMax, out ReadOnlySpan<byte> text) || !Utf8.IsValid(text)
            || !TryTake(ref payload, DetailsBytesMax, out ReadOnlySpan<byte> details) || !TryReadMetadata(payload, trailers))
        {
            return false;
        }

        failure = code == CallStatusCode.Ok ? null : new(code, Encoding.UTF8.GetString(text), CallMessages.ReadDetails(details));
        return true;
    }

    /// <summary>Writes the head of a call.</summary>
    public static void WriteRequest(IBufferWriter<byte> into, ReadOnlySpan<char> path, ulong deadlineMicros, byte priority, ReadOnlySpan<char> token, CallMetadata? metadata)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(token.Length, TokenBytesMax);
        int bytes = VariableInteger.Bytes((ulong)path.Length) + path.Length + VariableInteger.Bytes(deadlineMicros) + 1
            + VariableInteger.Bytes((ulong)token.Length) + token.Length + MetadataBytes(metadata);
        WriteHead(into, CallFrameType.Request, bytes);
        WriteText(into, path);
        WriteInteger(into, deadlineMicros);
        into.GetSpan(1)[0] = priority;
        into.Advance(1);
        WriteText(into, token);
        WriteMetadata(into, metadata);
    }

    /// <summary>Writes metadata before the first answer.</summary>
    public static void WriteResponse(IBufferWriter<byte> into, CallMetadata metadata)
    {
        WriteHead(into, CallFrameType.Response, MetadataBytes(metadata));
        WriteMetadata(into, metadata);
    }

    /// <summary>Writes a message.</summary>
    /// <exception cref="CallException">It is longer than the limit.</exception>
    public static void WriteMessage(IBufferWriter<byte> into, IMessage message, int bytesMax)
    {
        int bytes = message.CalculateSize();
        if (bytes > bytesMax)
        {
            throw new CallException(CallStatusCode.ResourceExhausted, $"A message of {bytes} bytes is more than the limit of {bytesMax}.");
        }

        WriteHead(into, CallFrameType.Message, bytes);
        message.WriteTo(into.GetSpan(bytes)[..bytes]);
        into.Advance(bytes);
    }

    /// <summary>Writes bytes that are a message.</summary>
    public static void WriteMessage(IBufferWriter<byte> into, ReadOnlySpan<byte> message)
    {
        WriteHead(into, CallFrameType.Message, message.Length);
        into.Write(message);
    }

    /// <summary>Writes how the call ended.</summary>
    /// <param name="into">Where to.</param>
    /// <param name="failure">Null: it succeeded.</param>
    /// <param name="trailers">Metadata.</param>
    public static void WriteEnd(IBufferWriter<byte> into, CallException? failure, CallMetadata? trailers)
    {
        int metadataBytes = MetadataBytes(trailers);
        if (failure is null && metadataBytes == 0)
        {
            WriteHead(into, CallFrameType.End, 0);
            return;
        }

        byte[] text = failure is null ? [] : Cut(failure.Message);
        byte[] details = failure is null ? [] : WriteDetails(failure);
        WriteHead(into, CallFrameType.End,
            1 + VariableInteger.Bytes((ulong)text.Length) + text.Length + VariableInteger.Bytes((ulong)details.Length) + details.Length + metadataBytes);
        into.GetSpan(1)[0] = (byte)(failure?.Code ?? CallStatusCode.Ok);
        into.Advance(1);
        WriteInteger(into, (ulong)text.Length);
        into.Write(text);
        WriteInteger(into, (ulong)details.Length);
        into.Write(details);
        WriteMetadata(into, trailers);
    }

    private static bool TryTake(scoped ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        if (!VariableInteger.TryRead(bytes, out value, out int taken))
        {
            return false;
        }

        bytes = bytes[taken..];
        return true;
    }

    private static bool TryTake(scoped ref ReadOnlySpan<byte> bytes, int max, out ReadOnlySpan<byte> part)
    {
        part = default;
        if (!TryTake(ref bytes, out ulong length) || length > (ulong)max || length > (ulong)bytes.Length)
        {
            return false;
        }

        part = bytes[..(int)length];
        bytes = bytes[(int)length..];
        return true;
    }

    private static void WriteHead(IBufferWriter<byte> into, CallFrameType type, int bytes)
    {
        Span<byte> head = into.GetSpan(HeadBytesMax);
        int count = VariableInteger.Write(head, (ulong)type);
        into.Advance(count + VariableInteger.Write(head[count..], (ulong)bytes));
    }

    private static void WriteInteger(IBufferWriter<byte> into, ulong value) => into.Advance(VariableInteger.Write(into.GetSpan(VariableInteger.BytesMax), value));

    // ASCII by the rules of what is written: a byte a character.
    private static void WriteText(IBufferWriter<byte> into, ReadOnlySpan<char> text)
    {
        WriteInteger(into, (ulong)text.Length);
        Encoding.ASCII.GetBytes(text, into.GetSpan(text.Length + 1));
        into.Advance(text.Length);
    }

    private static int MetadataBytes(CallMetadata? metadata)
    {
        int bytes = 0;
        for (int i = 0; i < (metadata?.Count ?? 0); i++)
        {
            CallMetadataEntry entry = metadata![i];
            int valueBytes = entry.IsBinary ? entry.Bytes.Length : entry.Text.Length;
            bytes += VariableInteger.Bytes((ulong)entry.Name.Length) + entry.Name.Length + VariableInteger.Bytes((ulong)valueBytes) + valueBytes;
        }

        return bytes;
    }

    private static void WriteMetadata(IBufferWriter<byte> into, CallMetadata? metadata)
    {
        for (int i = 0; i < (metadata?.Count ?? 0); i++)
        {
            CallMetadataEntry entry = metadata![i];
            WriteText(into, entry.Name);
            if (entry.IsBinary)
            {
                WriteInteger(into, (ulong)entry.Bytes.Length);
                into.Write(entry.Bytes.Span);
            }
            else
            {
                WriteText(into, entry.Text);
            }
        }
    }

    private static byte[] Cut(string text)
    {
        // What is no character (half a surrogate pair) becomes U+FFFD; the cut is between characters.
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int length = Math.Min(bytes.Length, TextBytesMax);
        while (length < bytes.Length && length > 0 && (bytes[length] & 0xc0) == 0x80)
        {
            length--;
        }

        return length == bytes.Length ? bytes : bytes[..length];
    }

    private static byte[] WriteDetails(CallException failure)
    {
        if (failure.Details.Count == 0)
        {
            return [];
        }

        Wire.Rpc.Status status = new();
        status.Details.AddRange(failure.Details);
        return status.CalculateSize() <= DetailsBytesMax ? status.ToByteArray() : [];
    }
}
