using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire.Tests;
using Vitrine.Wire.V1;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>Changed bytes into everything that reads them: a status and nothing else, whatever comes. VITRINE_FUZZ_SECONDS makes it
/// longer, VITRINE_FUZZ_SEED makes it another run.</summary>
[Collection(nameof(AloneCollection))]
public sealed class GrpcFuzzTests(ITestOutputHelper output)
{
    private const int BytesMax = 64 << 10;

    // A message of BytesMax, unpacked into lent memory and parsed: two bytes of it can become an object of 40.
    private const long AllocatedBytesMax = 40L * BytesMax;

    [Fact]
    public void Messages_StatusOnlyAndBoundedMemory()
    {
        byte[][] messages = [Message(0), Message(20), Message(5000), [.. Message(20), .. Message(20)], Zipped(20), Zipped(20_000), Zipped(BytesMax - 100)];
        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0, accepted = 0, allocatedMax = 0;
        EchoRequest into = new();
        Read(messages[5], into, ref accepted); // first calls allocate
        while (watch.Elapsed < Mutator.Duration)
        {
            byte[] input = mutator.Mutate(messages[mutator.Next(messages.Length)], messages[mutator.Next(messages.Length)]);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Read(input, into, ref accepted);
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
            }

            allocatedMax = Math.Max(allocatedMax, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.True(allocatedMax <= AllocatedBytesMax, $"seed {Mutator.Seed}, input {inputs}: {allocatedMax} bytes allocated\n{Convert.ToHexString(input)}");
            inputs++;
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{inputs} inputs, {accepted} messages accepted, at most {allocatedMax} bytes allocated for one"));
        Assert.True(accepted > 0);
    }

    [Fact]
    public void HeaderValues_StatusOnly()
    {
        string details = GrpcStatus.DetailsText(new(CallStatusCode.Internal, "message", [Any.Pack(new EchoReply { Payload = ByteString.CopyFrom(new byte[50]) })]))!;
        string[] values = ["10S", "99999999u", "0", "13", "gzip,identity", "100 %25 %E6%97%A5", "AAEC", "AAE=,AAE", "one two", details, "application/grpc+proto", "Bearer token"];
        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0;
        while (watch.Elapsed < Mutator.Duration)
        {
            byte[] input = mutator.Mutate(System.Text.Encoding.Latin1.GetBytes(values[mutator.Next(values.Length)]), System.Text.Encoding.Latin1.GetBytes(values[mutator.Next(values.Length)]));
            string value = System.Text.Encoding.Latin1.GetString(input);
            try
            {
                if (GrpcTimeout.TryParse(value, out TimeSpan timeout))
                {
                    Assert.True(timeout >= TimeSpan.Zero);
                    Assert.True(GrpcTimeout.TryParse(GrpcTimeout.Format(timeout), out TimeSpan again) && again >= timeout);
                }

                Assert.True(GrpcText.Encode(GrpcText.Decode(value)).Length <= GrpcText.EncodedBytesMax);
                _ = GrpcStatus.Read(value, value, value);
                _ = (GrpcHeaders.IsGrpc(value), GrpcHeaders.IsProtobuf(value), GrpcHeaders.HoldsGzip(value));
                Take("name", value);
                Take("name-bin", value);
                Take(value, value);
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
            }

            inputs++;
        }

        output.WriteLine($"{inputs} inputs");

        static void Take(string name, string value)
        {
            CallMetadata metadata = new();
            try
            {
                GrpcHeaders.Take(name, value, metadata);
            }
            catch (CallException exception) when (exception.Code is CallStatusCode.Internal or CallStatusCode.ResourceExhausted)
            {
            }
        }
    }

    [Fact]
    public async Task ConnectionsOfAClient_ServerServesOthers()
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        await using GrpcChannel channel = host.Connect();
        byte[] headers = RawHttp2.CallHeaders("/vitrine.v1.Echo/Duplex", ("grpc-encoding", "gzip"), ("grpc-timeout", "1S"), ("echo-some-bin", "AAEC"));
        byte[] call = [.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, headers), .. RawHttp2.Frame(RawHttp2.Data, 0, 1, Message(50)), .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, 1, Zipped(2000))];
        byte[] second = [.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 3, headers), .. RawHttp2.ResetOf(3, 8), .. RawHttp2.Extend(1, 100), .. RawHttp2.Frame(RawHttp2.Ping, 0, 0, new byte[8])];
        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0;
        while (watch.Elapsed < Mutator.Duration)
        {
            using (RawHttp2 raw = RawHttp2.Connect(host.EndPoint))
            {
                // Closing at once cuts calls off in every state; now and then the answer is waited for.
                if (raw.TrySend(mutator.Mutate([.. call, .. second], call)) && mutator.Next(4) == 0 && raw.TrySend(RawHttp2.Frame(RawHttp2.GoAway, 0, 0, new byte[8])))
                {
                    raw.ReadFrame();
                }
            }

            if (inputs++ % 50 == 0)
            {
                await AssertServesAsync(inputs);
            }
        }

        await AssertServesAsync(inputs);
        output.WriteLine($"{inputs} connections");

        async Task AssertServesAsync(long input)
        {
            EchoReply reply = new();
            await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFromUtf8($"{input}") }, reply, CallOptions.Default);
            Assert.Equal($"{input}", reply.Payload.ToStringUtf8());
        }
    }

    [Fact]
    public async Task AnswersOfAServer_CallFailsOrSucceeds()
    {
        List<byte> head = [0x88], tail = [];
        RawHttp2.Literal(head, "content-type", "application/grpc");
        RawHttp2.Literal(head, "grpc-encoding", "gzip");
        RawHttp2.Literal(tail, "grpc-status", "0");
        RawHttp2.Literal(tail, "grpc-message", "100 %25");
        RawHttp2.Literal(tail, "name-bin", "AAEC");
        byte[] answer =
        [
            .. RawHttp2.Frame(RawHttp2.Settings, 0, 0, []), .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, [.. head]), .. RawHttp2.Frame(RawHttp2.Data, 0, 1, Zipped(3000)),
            .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders | RawHttp2.EndStream, 1, [.. tail]),
        ];
        using RawHttp2Server server = new();
        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0, succeeded = 0;
        while (watch.Elapsed < Mutator.Duration)
        {
            byte[] input = inputs == 0 ? answer : mutator.Mutate(answer, answer);
            Task serving = server.AnswerAsync(input);
            await using (GrpcChannel channel = new(server.Address, new() { ResponseBytesMax = BytesMax }))
            {
                try
                {
                    await channel.CallAsync(EchoService.Unary, new EchoRequest { Payload = ByteString.CopyFromUtf8("p") }, new EchoReply(),
                        new() { Deadline = CallDeadline.After(TimeSpan.FromSeconds(5)), Compression = CallCompression.Gzip });
                    succeeded++;
                }
                catch (CallException)
                {
                    // a status, as it should be
                }
                catch (Exception exception)
                {
                    Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
                }
            }

            await serving;
            inputs++;
        }

        output.WriteLine($"{inputs} answers, {succeeded} calls succeeded");
        Assert.True(succeeded > 0);
    }

    private static void Read(byte[] input, EchoRequest into, ref long accepted)
    {
        try
        {
            ReadOnlySequence<byte> rest = new(input);
            while (MessageFrame.TryRead(rest, BytesMax, out bool isCompressed, out ReadOnlySequence<byte> payload))
            {
                MessageFrame.Parse(payload, isCompressed, CallCompression.Gzip, BytesMax, into);
                rest = rest.Slice(payload.End);
                accepted++;
            }
        }
        catch (CallException exception) when (exception.Code is CallStatusCode.Internal or CallStatusCode.ResourceExhausted)
        {
            // a status, as it should be
        }
    }

    private static byte[] Message(int payloadBytes) =>
        RawHttp2.Message(new EchoRequest { Payload = ByteString.CopyFrom(new byte[payloadBytes]), ReplyCount = 1, Failure = payloadBytes == 20 ? new() { Code = 3, Message = "größer" } : null }.ToByteArray());

    private static byte[] Zipped(int payloadBytes)
    {
        using MemoryStream zipped = new();
        using (GZipStream gzip = new(zipped, CompressionLevel.Fastest))
        {
            gzip.Write(new EchoRequest { Payload = ByteString.CopyFrom(new byte[payloadBytes]) }.ToByteArray());
        }

        return RawHttp2.Message(zipped.ToArray(), isCompressed: true);
    }
}
