using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>HTTP/2 by hand (RFC 9113), to send what no client would, and to measure servers without a client's garbage.</summary>
/// <remarks>Blocking; one thread. Sending prepared bytes and reading frames takes no memory.</remarks>
internal sealed class RawHttp2 : IDisposable
{
    public const byte Data = 0, Headers = 1, Reset = 3, Settings = 4, Ping = 6, GoAway = 7, WindowUpdate = 8;
    public const byte EndStream = 1, Ack = 1, EndHeaders = 4;
    public const int FrameHeadBytes = 9;

    private readonly Socket _socket;
    private readonly byte[] _received = new byte[256 * 1024];
    private int _start;
    private int _end;

    private RawHttp2(Socket socket) => _socket = socket;

    /// <summary>Type, flags, stream and payload of the last frame read; the payload is valid until the next one.</summary>
    public byte Type { get; private set; }

    public byte Flags { get; private set; }

    public int Stream { get; private set; }

    public ReadOnlyMemory<byte> Payload { get; private set; }

    /// <summary>Whether the server hears that this side lives.</summary>
    public bool AnswersPings { get; init; } = true;

    /// <summary>Connects and sends the preface and settings.</summary>
    /// <param name="server">Where.</param>
    /// <param name="streamWindowBytes">How much may come on each stream before it is extended.</param>
    /// <param name="answersPings">See <see cref="AnswersPings"/>.</param>
    public static RawHttp2 Connect(IPEndPoint server, int streamWindowBytes = 1 << 30, bool answersPings = true)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = (int)GrpcHost.Patience.TotalMilliseconds };
        socket.Connect(server);
        RawHttp2 raw = new(socket) { AnswersPings = answersPings };
        byte[] settings = new byte[6];
        BinaryPrimitives.WriteUInt16BigEndian(settings, 4); // SETTINGS_INITIAL_WINDOW_SIZE
        BinaryPrimitives.WriteInt32BigEndian(settings.AsSpan(2), streamWindowBytes);
        raw.Send([.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(Settings, 0, 0, settings), .. Extend(0, int.MaxValue - 65_535)]);
        return raw;
    }

    /// <summary>The headers of a call, without HPACK's table: a block can be sent again and again.</summary>
    public static byte[] CallHeaders(string path, params ReadOnlySpan<(string Name, string Value)> more) => CallHeaders(path, "application/grpc", more);

    /// <summary>The headers of a request with another content type.</summary>
    public static byte[] CallHeaders(string path, string contentType, params ReadOnlySpan<(string Name, string Value)> more)
    {
        List<byte> block = [];
        foreach ((string name, string value) in (ReadOnlySpan<(string, string)>)[(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("te", "trailers"), ("content-type", contentType), .. more])
        {
            Literal(block, name, value);
        }

        return [.. block];
    }

    /// <summary>Appends a header field as a literal without indexing (RFC 7541 section 6.2.2).</summary>
    public static void Literal(List<byte> block, string name, string value)
    {
        block.Add(0);
        foreach (string text in (ReadOnlySpan<string>)[name, value])
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            if (bytes.Length < 127)
            {
                block.Add((byte)bytes.Length);
            }
            else
            {
                block.Add(127);
                int rest = bytes.Length - 127;
                for (; rest >= 128; rest >>= 7)
                {
                    block.Add((byte)(rest | 128));
                }

                block.Add((byte)rest);
            }

            block.AddRange(bytes);
        }
    }

    public static byte[] Frame(byte type, byte flags, int stream, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[FrameHeadBytes + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
        frame[3] = type;
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(FrameHeadBytes));
        return frame;
    }

    public static byte[] Extend(int stream, int bytes)
    {
        byte[] payload = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(payload, bytes);
        return Frame(WindowUpdate, 0, stream, payload);
    }

    public static byte[] ResetOf(int stream, int code)
    {
        byte[] payload = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(payload, code);
        return Frame(Reset, 0, stream, payload);
    }

    /// <summary>A message with gRPC's five bytes in front.</summary>
    public static byte[] Message(ReadOnlySpan<byte> message, bool isCompressed = false)
    {
        byte[] framed = new byte[5 + message.Length];
        framed[0] = (byte)(isCompressed ? 1 : 0);
        BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Length);
        message.CopyTo(framed.AsSpan(5));
        return framed;
    }

    public void Send(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[_socket.Send(bytes)..];
        }
    }

    /// <summary>Sends as long as the server takes it.</summary>
    /// <returns>False: the connection is closed.</returns>
    public bool TrySend(ReadOnlySpan<byte> bytes)
    {
        try
        {
            Send(bytes);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Reads a frame; answers settings and pings.</summary>
    /// <returns>False: the connection is closed.</returns>
    public bool ReadFrame()
    {
        while (true)
        {
            if (!Fill(FrameHeadBytes))
            {
                return false;
            }

            int length = BinaryPrimitives.ReadInt32BigEndian(_received.AsSpan(_start)) >>> 8;
            if (!Fill(FrameHeadBytes + length))
            {
                return false;
            }

            (Type, Flags) = (_received[_start + 3], _received[_start + 4]);
            Stream = BinaryPrimitives.ReadInt32BigEndian(_received.AsSpan(_start + 5));
            Payload = _received.AsMemory(_start + FrameHeadBytes, length);
            _start += FrameHeadBytes + length;
            if (Type == Settings && (Flags & Ack) == 0)
            {
                TrySend(Frame(Settings, Ack, 0, []));
            }
            else if (Type == Ping && (Flags & Ack) == 0 && AnswersPings)
            {
                TrySend(Frame(Ping, Ack, 0, Payload.Span));
            }

            return true;
        }
    }

    /// <summary>Reads up to the end of a stream: trailers, headers only, or a reset.</summary>
    /// <returns>False: the connection is closed.</returns>
    public bool ReadToEnd(int stream, List<byte>? body = null)
    {
        while (ReadFrame())
        {
            if (Stream != stream)
            {
                continue;
            }

            if (Type == Data)
            {
                body?.AddRange(Payload.Span);
            }

            if (Type == Reset || (Type is Data or Headers && (Flags & EndStream) != 0))
            {
                return true;
            }
        }

        return false;
    }

    public void Dispose() => _socket.Dispose();

    private bool Fill(int count)
    {
        if (_received.Length - _start < count)
        {
            _received.AsSpan(_start, _end - _start).CopyTo(_received);
            (_start, _end) = (0, _end - _start);
        }

        while (_end - _start < count)
        {
            int came;
            try
            {
                came = _socket.Receive(_received.AsSpan(_end));
            }
            catch (SocketException exception) when (exception.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown)
            {
                return false;
            }

            if (came == 0)
            {
                return false;
            }

            _end += came;
        }

        return true;
    }
}
