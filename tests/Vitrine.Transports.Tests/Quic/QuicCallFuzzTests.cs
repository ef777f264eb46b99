using System.Buffers;
using System.Diagnostics;
using System.Net;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Calls;
using Vitrine.Wire;
using Vitrine.Wire.Tests;
using Vitrine.Wire.V1;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Changed frames of calls and of the live stream, over connections that are in order: whoever gets them has a status, and nobody
/// else notices. VITRINE_FUZZ_SECONDS makes it longer, VITRINE_FUZZ_SEED makes it another run.</summary>
[Collection(nameof(QuicFuzzTests))]
public sealed class QuicCallFuzzTests(ITestOutputHelper output)
{
    private const int BytesMax = 64 << 10;

    // After so many the same is done unchanged, and must work.
    private const int HonestEvery = 50;

    [QuicFact]
    public async Task AnswersOfAServer_CallFailsOrSucceeds()
    {
        byte[] answer = Frames(
            into => CallFrame.WriteResponse(into, Metadata()),
            into => CallFrame.WriteMessage(into, Reply(300), BytesMax),
            into => CallFrame.WriteEnd(into, null, Metadata()));
        byte[] many = Frames(
            into => CallFrame.WriteMessage(into, Reply(1), BytesMax),
            into => CallFrame.WriteMessage(into, Reply(3000), BytesMax),
            into => CallFrame.WriteEnd(into, new(CallStatusCode.Internal, "größer", [Any.Pack(Reply(7))]), Metadata()));
        Mutator mutator = new();
        byte[] next = answer;
        ulong? resetCode = null;
        await using QuicListener listener = Listen();
        Task serve = ServeAsync(listener, async (_, stream) =>
        {
            (byte[] bytes, ulong? code) = (next, resetCode);
            await ReadSomeAsync(stream); // the client has begun
            await stream.WriteAsync(bytes, isFinal: code is null);
            if (code is { } given)
            {
                stream.Reset(given);
            }
        });
        long inputs = 0, succeeded = 0;
        await using (QuicCallChannel channel = new(AddressOf(listener), new() { CertificateFingerprint = Fingerprint, ResponseBytesMax = BytesMax }))
        {
            for (Stopwatch watch = Stopwatch.StartNew(); watch.Elapsed < Mutator.Duration; inputs++)
            {
                bool isHonest = inputs % HonestEvery == 0;
                next = isHonest ? answer : mutator.Mutate(mutator.Next(2) == 0 ? answer : many, many);
                resetCode = !isHonest && mutator.Next(8) == 0 ? (ulong)mutator.Next(100) : null;
                try
                {
                    Task calling = isHonest || mutator.Next(2) == 0 ? channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default).AsTask() : WholeCall.ReadAsync(channel, EchoService.ServerStream);
                    await calling.WaitAsync(QuicCallHost.Patience);

                    succeeded++;
                }
                catch (CallException) when (!isHonest)
                {
                    // a status, as it should be
                }
                catch (Exception exception)
                {
                    Assert.Fail($"seed {Mutator.Seed}, input {inputs}, reset {resetCode}: {exception}\n{Convert.ToHexString(next)}");
                }
            }
        }

        await AssertNothingStaysAsync(listener);
        await listener.DisposeAsync();
        await serve;
        output.WriteLine($"{inputs} answers, {succeeded} calls succeeded");
        Assert.True(succeeded > inputs / HonestEvery);
    }

    [QuicFact]
    public async Task StreamsOfAClient_ServerServesOthers()
    {
        byte[] unary = Frames(
            into => CallFrame.WriteRequest(into, EchoService.Unary.Path, 5_000_000, 3, "token", Metadata()),
            into => CallFrame.WriteMessage(into, new EchoRequest { Payload = ByteString.CopyFrom(new byte[300]) }, BytesMax));
        byte[] duplex = Frames(
            into => CallFrame.WriteRequest(into, EchoService.Duplex.Path, 0, 0, "", null),
            into => CallFrame.WriteMessage(into, new EchoRequest { ReplyCount = 3, ReplyBytes = 100 }, BytesMax),
            into => CallFrame.WriteMessage(into, new EchoRequest { Failure = new() { Code = 3, Message = "text" } }, BytesMax));
        byte[] live = Frames(into => CallFrame.WriteRequest(into, QuicPacketConnection.Path, 0, 3, "token", null), into => CallFrame.WriteMessage(into, LivePackets.ViewerHello()));
        byte[][] corpus = [unary, duplex, live];
        Mutator mutator = new();
        long inputs = 0, connections = 0;
        await using QuicCallHost host = QuicCallHost.Start(new() { RequestBytesMax = BytesMax, HeadTimeout = TimeSpan.FromSeconds(1) });
        await using (QuicCallChannel channel = host.Connect())
        await using (QuicClient client = new(new() { Protocols = [QuicCallServer.Protocol] }))
        {
            QuicConnection? connection = null;
            for (Stopwatch watch = Stopwatch.StartNew(); watch.Elapsed < Mutator.Duration; inputs++)
            {
                byte[] input = mutator.Mutate(corpus[mutator.Next(corpus.Length)], corpus[mutator.Next(corpus.Length)]);
                try
                {
                    if (connection is null)
                    {
                        connection = await client.ConnectAsync(new() { EndPoint = host.Server.Listener.LocalEndPoint, Host = "localhost", CertificateFingerprint = Fingerprint });
                        connections++;
                    }

                    await SendAsync(connection, input, mutator);
                }
                catch (QuicClosedException closed)
                {
                    // Who breaks off too much is shown the door, and comes again.
                    Assert.True(closed.Reason is QuicApplicationClose { ByPeer: true }, $"seed {Mutator.Seed}, input {inputs}: {closed}\n{Convert.ToHexString(input)}");
                    await connection!.DisposeAsync();
                    connection = null;
                }

                if (inputs % HonestEvery == 0)
                {
                    EchoReply reply = new();
                    await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFromUtf8($"{inputs}") }, reply, new() { Deadline = CallDeadline.After(QuicCallHost.Patience) });
                    Assert.Equal($"{inputs}", reply.Payload.ToStringUtf8());
                }
            }

            await (connection?.DisposeAsync() ?? default);
        }

        await AssertNothingStaysAsync(host.Server.Listener);
        output.WriteLine($"{inputs} streams on {connections} connections");
    }

    [QuicFact]
    public async Task LiveStreamOfAHost_ViewerGetsPacketsOrIsTold()
    {
        byte[] greeting = Frames(into => CallFrame.WriteMessage(into, LivePackets.Hello()));
        byte[] ordered = Frames(
            into => CallFrame.WriteMessage(into, LivePackets.Regions(1, true, 1, 2)),
            into => CallFrame.WriteMessage(into, LivePackets.Tiles(1, true)),
            into => CallFrame.WriteMessage(into, LivePackets.Tiles(2, false, 3000)),
            into => CallFrame.WriteMessage(into, LivePackets.Position(3, 3)),
            into => CallFrame.WriteEnd(into, null, null));
        byte[][] units = [[1, .. LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true)], [2, .. LivePackets.Video(2, true, 1, 1, 2)], [2, .. LivePackets.Video(2, false, 2, 1, 1, bytes: 4000)]];
        Mutator mutator = new();
        LiveAnswer next = new(greeting, [], ordered);
        await using QuicListener listener = Listen();
        Task serve = ServeAsync(listener, async (connection, stream) =>
        {
            LiveAnswer answer = next;
            await ReadSomeAsync(stream); // the viewer has begun
            await stream.WriteAsync(answer.Greeting);
            List<QuicStream> opened = [];
            foreach ((byte[] unit, bool isFinal, byte[] datagram) in answer.Units)
            {
                opened.Add(await connection.OpenStreamAsync(isBidirectional: false));
                await opened[^1].WriteAsync(unit, isFinal);
                connection.SendDatagram(datagram);
            }

            await stream.WriteAsync(answer.Ordered, isFinal: true);
            foreach (QuicStream unit in opened)
            {
                await unit.DisposeAsync(); // resets those that have not ended
            }
        });
        byte[] buffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];
        long inputs = 0, connected = 0, packets = 0;
        for (Stopwatch watch = Stopwatch.StartNew(); watch.Elapsed < Mutator.Duration; inputs++)
        {
            bool isHonest = inputs % HonestEvery == 0;
            next = isHonest
                ? new(greeting, [(units[0], true, LivePackets.Position(1, 1))], ordered)
                : new(
                    mutator.Next(4) > 0 ? greeting : mutator.Mutate(greeting, ordered),
                    [.. Enumerable.Range(0, mutator.Next(5)).Select(i => (mutator.Mutate(units[mutator.Next(units.Length)], ordered), mutator.Next(4) > 0, mutator.Mutate(LivePackets.Position(i, i), ordered)))],
                    mutator.Mutate(ordered, greeting));
            try
            {
                ConnectResult result = await QuicConnector.ConnectAsync(
                    new($"quic://127.0.0.1:{listener.LocalEndPoint.Port}/stream?t=token"), new() { CertificateFingerprint = Fingerprint, Timeout = QuicCallHost.Patience }, CancellationToken.None);
                Assert.True(!isHonest || result.Status == ConnectStatus.Connected, result.Detail);
                if (result.Connection is { } viewer)
                {
                    connected++;
                    await using (viewer)
                    {
                        packets += await ReceiveAllAsync(viewer, buffer);
                    }
                }
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{next}");
            }
        }

        await AssertNothingStaysAsync(listener);
        await listener.DisposeAsync();
        await serve;
        output.WriteLine($"{inputs} hosts, {connected} greeted, {packets} packets");
        Assert.True(packets > 0);
    }

    private static string Fingerprint => QuicPair.Fingerprint(QuicPair.Certificate);

    private static Uri AddressOf(QuicListener listener) => new($"quic://127.0.0.1:{listener.LocalEndPoint.Port}");

    private static QuicListener Listen() =>
        QuicListener.Listen(new() { EndPoint = new IPEndPoint(IPAddress.Loopback, 0), Certificate = QuicPair.Certificate, Protocols = [QuicCallServer.Protocol] });

    // Until the listener is disposed. A client that leaves ends the streams it left.
    private static async Task ServeAsync(QuicListener listener, Func<QuicConnection, QuicStream, Task> answer)
    {
        List<Task> connections = [];
        try
        {
            while (true)
            {
                connections.RemoveAll(connection => connection.IsCompletedSuccessfully);
                connections.Add(ServeConnectionAsync(await listener.AcceptConnectionAsync()));
            }
        }
        catch (ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }

        async Task ServeConnectionAsync(QuicConnection connection)
        {
            await using QuicConnection owned = connection;
            try
            {
                while (true)
                {
                    QuicStream stream = await connection.AcceptStreamAsync();
                    try
                    {
                        await answer(connection, stream);
                    }
                    catch (QuicStreamException)
                    {
                        // given up by the client
                    }

                    await stream.DisposeAsync();
                }
            }
            catch (QuicClosedException)
            {
                // It has left.
            }
        }
    }

    private static async Task ReadSomeAsync(QuicStream stream)
    {
        byte[] buffer = new byte[4096];
        _ = await stream.ReadAsync(buffer);
    }

    private static async Task SendAsync(QuicConnection connection, byte[] input, Mutator mutator)
    {
        await using QuicStream stream = await connection.OpenStreamAsync();
        try
        {
            bool isFinal = mutator.Next(8) > 0;
            await stream.WriteAsync(input, isFinal);
            if (isFinal && mutator.Next(2) == 0)
            {
                await ReadSomeAsync(stream);
            }
            else if (mutator.Next(4) == 0)
            {
                stream.Reset((ulong)mutator.Next(100));
            }
        }
        catch (QuicStreamException)
        {
            // given up by the server, as it should be
        }
    }

    // To the end, which must come.
    private static async Task<long> ReceiveAllAsync(IPacketConnection viewer, byte[] buffer)
    {
        for (long packets = 0; ; packets++)
        {
            PacketReceived received = await viewer.ReceiveAsync(buffer).AsTask().WaitAsync(QuicCallHost.Patience);
            if (received.Status != PacketReceiveStatus.Packet)
            {
                return packets;
            }

            Assert.InRange(received.Bytes, 0, buffer.Length);
        }
    }

    private static Task AssertNothingStaysAsync(QuicListener listener) =>
        QuicPair.UntilAsync(() => listener.GetStatistics() is { Connections: 0, HandshakesInProgress: 0, BufferBytes: 0 });

    private static EchoReply Reply(int payloadBytes) => new() { Payload = ByteString.CopyFrom(new byte[payloadBytes]), Sequence = 7 };

    private static CallMetadata Metadata()
    {
        CallMetadata metadata = new();
        metadata.Add("name", "some value");
        metadata.Add("name-bin", new byte[20]);
        return metadata;
    }

    private static byte[] Frames(params ReadOnlySpan<Action<IBufferWriter<byte>>> writes)
    {
        ArrayBufferWriter<byte> into = new();
        foreach (Action<IBufferWriter<byte>> write in writes)
        {
            write(into);
        }

        return into.WrittenSpan.ToArray();
    }

    /// <summary>What a host does: in order, on streams of their own and as datagrams, in order again.</summary>
    private sealed record LiveAnswer(byte[] Greeting, (byte[] Unit, bool IsFinal, byte[] Datagram)[] Units, byte[] Ordered)
    {
        public override string ToString() => string.Join(
            '\n', [Convert.ToHexString(Greeting), .. Units.Select(each => $"{Convert.ToHexString(each.Unit)} {each.IsFinal} {Convert.ToHexString(each.Datagram)}"), Convert.ToHexString(Ordered)]);
    }
}
