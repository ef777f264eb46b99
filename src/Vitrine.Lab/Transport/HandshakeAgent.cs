using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text.Json;
using Vitrine.Transports.Quic;

namespace Vitrine.Lab.Transport;

/// <summary>Connects to an echo server and leaves, every second time in a way that breaks the handshake, in a process of its own. Reads one
/// <see cref="HandshakeOrder"/> a line, and writes one <see cref="HandshakeResult"/>.</summary>
public static class HandshakeAgent
{
    /// <summary>Works until the input ends.</summary>
    public static async Task RunAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            HandshakeResult result;
            try
            {
                HandshakeOrder order = JsonSerializer.Deserialize(line, EchoJson.Default.HandshakeOrder) ?? throw new JsonException("null");
                Tally tally = await PlayAsync(order, cancellationToken);
                LiveMemory memory = LiveMemory.Collect();
                result = new()
                {
                    Ended = tally.Ended,
                    Unexpected = tally.Unexpected,
                    FirstUnexpected = tally.FirstUnexpected,
                    ManagedBytes = memory.ManagedBytes,
                    NativeBytes = memory.NativeBytes,
                    Threads = memory.Threads,
                    Descriptors = memory.Descriptors,
                };
            }
            catch (Exception exception) when (exception is JsonException or ArgumentException or FormatException or PlatformNotSupportedException)
            {
                result = new() { Failure = exception.Message };
            }

            await output.WriteLineAsync(JsonSerializer.Serialize(result, EchoJson.Default.HandshakeResult));
            await output.FlushAsync(cancellationToken);
        }
    }

    /// <summary>Of number <paramref name="number"/>: every second one is whole, the others are broken in one way after the other.</summary>
    internal static HandshakeKind KindOf(int number) => number % 2 == 0 ? HandshakeKind.Whole : (HandshakeKind)(1 + (number / 2 % 4));

    // Each from an address of its own, as so many clients would be: one alone is not let in so often.
    private static IPAddress LocalOf(int number) => new([127, (byte)(1 + (number >> 16 & 63)), (byte)(number >> 8), (byte)number]);

    private static async Task<Tally> PlayAsync(HandshakeOrder order, CancellationToken cancellationToken)
    {
        Tally tally = new();
        await using Handshakes handshakes = order.Protocol == EchoProtocol.Calls ? new QuicHandshakes(order) : new TlsHandshakes(order);
        await Parallel.ForEachAsync(
            Enumerable.Range(0, order.Count), new ParallelOptions { MaxDegreeOfParallelism = order.AtATime, CancellationToken = cancellationToken },
            async (number, over) =>
            {
                HandshakeKind kind = KindOf(number);
                try
                {
                    await handshakes.PlayAsync(kind, LocalOf(number), new Random(order.Seed + number), over);
                    tally.Note(kind);
                }
                catch (Exception exception) when (exception is IOException or SocketException or AuthenticationException or QuicException or TimeoutException)
                {
                    tally.NoteUnexpected($"{kind}: {exception.Message}");
                }
            });
        return tally;
    }

    /// <summary>Other bits, or fewer of them.</summary>
    private static byte[] Garble(byte[] flight, Random random)
    {
        byte[] garbled = random.Next(4) == 0 ? flight[..random.Next(1, flight.Length)] : [.. flight];
        for (int changes = random.Next(1, 8); changes > 0; changes--)
        {
            garbled[random.Next(garbled.Length)] ^= (byte)(1 << random.Next(8));
        }

        return garbled;
    }

    private sealed class Tally
    {
        private readonly long[] _ended = new long[Enum.GetValues<HandshakeKind>().Length];
        private long _unexpected;
        private string? _first;

        public Dictionary<HandshakeKind, long> Ended => Enum.GetValues<HandshakeKind>().ToDictionary(kind => kind, kind => Interlocked.Read(ref _ended[(int)kind]));

        public long Unexpected => Interlocked.Read(ref _unexpected);

        public string? FirstUnexpected => _first;

        public void Note(HandshakeKind kind) => Interlocked.Increment(ref _ended[(int)kind]);

        public void NoteUnexpected(string what)
        {
            Interlocked.CompareExchange(ref _first, what, null);
            Interlocked.Increment(ref _unexpected);
        }
    }

    private abstract class Handshakes(HandshakeOrder order) : IAsyncDisposable
    {
        protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

        protected HandshakeOrder Order => order;

        protected IPEndPoint Server { get; } = IPEndPoint.Parse(order.Address);

        /// <summary>One from its beginning to its end.</summary>
        /// <exception cref="IOException">It ended otherwise than it was meant to; likewise the transports' own.</exception>
        public abstract Task PlayAsync(HandshakeKind kind, IPAddress local, Random random, CancellationToken over);

        public abstract ValueTask DisposeAsync();
    }

    private sealed class QuicHandshakes(HandshakeOrder order) : Handshakes(order)
    {
        private readonly QuicClient _client = new(new() { Protocols = [QuicCallServer.Protocol], HandshakeTimeout = Patience });
        private readonly QuicClient _other = new(new() { Protocols = ["vitrine-other"], HandshakeTimeout = Patience });

        public override async Task PlayAsync(HandshakeKind kind, IPAddress local, Random random, CancellationToken over)
        {
            switch (kind)
            {
                case HandshakeKind.Whole:
                    await using (await _client.ConnectAsync(To(Server, local), over))
                    {
                        return;
                    }

                case HandshakeKind.Vanished or HandshakeKind.Garbled:
                    byte[] flight = await RecordAsync(over);
                    using (Socket sender = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp))
                    {
                        sender.Bind(new IPEndPoint(local, 0));
                        await sender.SendToAsync(kind == HandshakeKind.Garbled ? Garble(flight, random) : flight, Server, over);
                    }

                    return;
                default:
                    QuicConnectOptions to = To(Server, local);
                    bool isDistrusted = kind == HandshakeKind.Distrusted;
                    try
                    {
                        await using QuicConnection connection = isDistrusted
                            ? await _client.ConnectAsync(to with { CertificateFingerprint = string.Concat(Enumerable.Repeat("AB", SHA256.HashSizeInBytes)) }, over)
                            : await _other.ConnectAsync(to, over);
                    }
                    catch (QuicClosedException)
                    {
                        return;
                    }

                    throw new IOException("It was taken.");
            }
        }

        public override async ValueTask DisposeAsync()
        {
            await _client.DisposeAsync();
            await _other.DisposeAsync();
        }

        private QuicConnectOptions To(IPEndPoint endPoint, IPAddress? local = null) => new()
        {
            EndPoint = endPoint,
            Host = "localhost",
            CertificateFingerprint = Order.Fingerprint,
            LocalEndPoint = local is null ? null : new(local, 0),
        };

        // A first flight that nobody answers, and whose end nobody but us hears of.
        private async Task<byte[]> RecordAsync(CancellationToken over)
        {
            using Socket sink = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            sink.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            using CancellationTokenSource recorded = CancellationTokenSource.CreateLinkedTokenSource(over);
            Task connecting = _client.ConnectAsync(To((IPEndPoint)sink.LocalEndPoint!), recorded.Token);
            byte[] datagram = new byte[2048];
            int bytes = await sink.ReceiveAsync(datagram, over);
            await recorded.CancelAsync();
            await connecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return datagram[..bytes];
        }
    }

    private sealed class TlsHandshakes(HandshakeOrder order) : Handshakes(order)
    {
        private const int HelloBytesMax = 16 << 10, RecordHeadBytes = 5;

        public override async Task PlayAsync(HandshakeKind kind, IPAddress local, Random random, CancellationToken over)
        {
            using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, LingerState = new(true, 0) };
            socket.Bind(new IPEndPoint(local, 0));
            await socket.ConnectAsync(Server, over);
            await using NetworkStream network = new(socket);
            if (kind is HandshakeKind.Vanished or HandshakeKind.Garbled)
            {
                byte[] hello = await RecordAsync(over);
                byte[] sent = kind == HandshakeKind.Garbled ? Garble(hello, random) : hello;
                await network.WriteAsync(sent, over);
                // A server that has all of a record answers it, with its own flight or with an alert; one that waits for more is left waiting.
                if (sent.Length >= RecordHeadBytes && sent.Length - RecordHeadBytes >= BinaryPrimitives.ReadUInt16BigEndian(sent.AsSpan(3)))
                {
                    _ = await network.ReadAsync(new byte[HelloBytesMax], over).AsTask().WaitAsync(Patience, over);
                }

                return;
            }

            await using SslStream tls = new(network);
            SslClientAuthenticationOptions options = Options(kind == HandshakeKind.OtherProtocol ? new("vitrine-other") : SslApplicationProtocol.Http2, kind != HandshakeKind.Distrusted);
            try
            {
                await tls.AuthenticateAsClientAsync(options, over).WaitAsync(Patience, over);
                if (kind == HandshakeKind.Whole)
                {
                    await tls.ShutdownAsync();
                    return;
                }

                // TLS 1.3: a client may be through before the server has seen that it will not do.
                if (kind == HandshakeKind.OtherProtocol && await tls.ReadAsync(new byte[1], over).AsTask().WaitAsync(Patience, over) == 0)
                {
                    return;
                }
            }
            catch (Exception exception) when (kind != HandshakeKind.Whole && exception is IOException or AuthenticationException)
            {
                return;
            }

            throw new IOException("It was taken.");
        }

        public override ValueTask DisposeAsync() => default;

        private static SslClientAuthenticationOptions Options(SslApplicationProtocol protocol, bool isTrusting) => new()
        {
            TargetHost = "localhost",
            ApplicationProtocols = [protocol],
            AllowTlsResume = false, // each one whole
            RemoteCertificateValidationCallback = (_, _, _, _) => isTrusting, // nothing is told to the server
        };

        private static async Task<byte[]> RecordAsync(CancellationToken over)
        {
            await using FirstFlight flight = new();
            await using SslStream tls = new(flight);
            await tls.AuthenticateAsClientAsync(Options(SslApplicationProtocol.Http2, true), over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return flight.Bytes;
        }
    }
}
