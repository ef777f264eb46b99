using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
using Vitrine.Wire.V1;

namespace Vitrine.Lab.Transport;

/// <summary>A malicious client of calls over QUIC: our transport, with frames by hand (<c>docs/PROTOCOL.md</c>, «Calls over QUIC»).</summary>
internal sealed class QuicAttacker(AttackOrder order, AttackKind kind, IPAddress local) : Attacker(order, kind, local)
{
    /// <summary>First flights that are recorded, and sent again and again: when they come again, the server has given the first ones up.</summary>
    private const int FlightsCount = 200;

    /// <summary>Streams of one connection at a time.</summary>
    private const int StreamsMax = 100;

    private const int AnnouncedBytes = 1 << 30;

    private readonly List<byte[]> _flights = [];
    private byte[][] _calls = [];

    protected override async Task PrepareAsync(CancellationToken over)
    {
        EchoRequest largest = new() { ReplyCount = EchoService.RepliesMax, ReplyBytes = EchoService.ReplyBytesMax };
        byte[] metadata = [.. Enumerable.Range(0, 60).SelectMany(i => (byte[])[2, (byte)('a' + (i % 26)), (byte)('a' + (i / 26)), .. Integer(400), .. Enumerable.Repeat((byte)'v', 400)])];
        _calls = Kind switch
        {
            AttackKind.Resets => [Request(EchoService.Duplex, [])],
            AttackKind.Readers => [[.. Request(EchoService.ServerStream, []), .. Frame(0, largest.ToByteArray())]],
            AttackKind.Bombs => [[.. Request(EchoService.Unary, []), 0, .. Integer(AnnouncedBytes), .. new byte[1024]], [.. Request(EchoService.Unary, []), .. Frame(0, new byte[(4 << 20) - 1])]],
            AttackKind.Headers => [Request(EchoService.Unary, metadata), [1, .. Integer(AnnouncedBytes), .. new byte[1024]], [.. Enumerable.Repeat((byte)0x21, 20_000).SelectMany(type => (byte[])[type, 0])]],
            _ => [],
        };
        if (Kind == AttackKind.Handshakes)
        {
            await RecordFlightsAsync(over);
        }
    }

    protected override async Task AttackAsync(int lane, CancellationToken over)
    {
        if (Kind == AttackKind.Handshakes)
        {
            SendFlights(lane, over);
            return;
        }

        await using QuicClient client = new(new() { Protocols = [QuicCallServer.Protocol] });
        await using QuicConnection connection = await client.ConnectAsync(
            new() { EndPoint = Server, Host = "localhost", CertificateFingerprint = Order.Fingerprint, LocalEndPoint = new(Local, 0) }, over);
        Connected();
        // Ends with the connection: the first stream that fails.
        await await Task.WhenAny(Enumerable.Range(0, StreamsMax).Select(stream => Task.Run(() => CallAsync(connection, stream, over), over)));
    }

    private static byte[] Integer(ulong value)
    {
        byte[] bytes = new byte[4]; // RFC 9000, section 16
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)value | 0x8000_0000);
        return bytes;
    }

    private static byte[] Frame(byte type, ReadOnlySpan<byte> payload) => [type, .. Integer((ulong)payload.Length), .. payload];

    private static byte[] Request(CallMethod method, ReadOnlySpan<byte> metadata)
    {
        byte[] path = System.Text.Encoding.ASCII.GetBytes(method.Path);
        return Frame(1, [.. Integer((ulong)path.Length), .. path, 0, 3, 0, .. metadata]);
    }

    private async Task CallAsync(QuicConnection connection, int number, CancellationToken over)
    {
        for (int turn = number; ; turn++)
        {
            await using QuicStream stream = await connection.OpenStreamAsync(cancellationToken: over);
            try
            {
                await stream.WriteAsync(_calls[turn % _calls.Length], isFinal: Kind is not (AttackKind.Resets or AttackKind.Bombs), over);
                Struck();
                if (Kind == AttackKind.Resets)
                {
                    stream.Reset(1);
                    stream.StopSending(1);
                }
                else if (Kind == AttackKind.Readers)
                {
                    await connection.Closed.WaitAsync(over); // never read
                }
                else
                {
                    await stream.ReadAsync(new byte[1024], over); // until the server has something to say
                }
            }
            catch (QuicStreamException)
            {
                // It was given up; the next one.
            }
        }
    }

    private async Task RecordFlightsAsync(CancellationToken over)
    {
        await using QuicClient client = new(new() { Protocols = [QuicCallServer.Protocol] });
        byte[] datagram = new byte[2048];
        for (int i = 0; i < FlightsCount; i++)
        {
            using Socket sink = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            sink.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            using CancellationTokenSource recorded = CancellationTokenSource.CreateLinkedTokenSource(over);
            Task connecting = client.ConnectAsync(
                new() { EndPoint = (IPEndPoint)sink.LocalEndPoint!, Host = "localhost", CertificateFingerprint = Order.Fingerprint }, recorded.Token);
            int bytes = await sink.ReceiveAsync(datagram, over);
            _flights.Add(datagram[..bytes]);
            await recorded.CancelAsync();
            await connecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void SendFlights(int lane, CancellationToken over)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(Local, 0));
        for (int i = lane; !over.IsCancellationRequested; i++)
        {
            socket.SendTo(_flights[i % _flights.Count], Server);
            Struck();
        }
    }
}
