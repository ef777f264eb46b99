using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
using Vitrine.Wire.V1;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Quic;

public sealed class CallFrameTests(ITestOutputHelper output)
{
    private const int MessageBytesMax = 1000;

    [Theory]
    [InlineData(0ul, "00")] // RFC 9000, appendix A.1
    [InlineData(37ul, "25")]
    [InlineData(15_293ul, "7bbd")]
    [InlineData(494_878_333ul, "9d7f3e7d")]
    [InlineData(151_288_809_941_952_652ul, "c2197c5eff14e88c")]
    public void VariableInteger_ExamplesOfTheRfc(ulong value, string hex)
    {
        byte[] bytes = new byte[8];
        Assert.Equal(hex, Convert.ToHexStringLower(bytes.AsSpan(0, VariableInteger.Write(bytes, value))));
        Assert.True(VariableInteger.TryRead(Convert.FromHexString(hex), out ulong read, out int count));
        Assert.Equal((value, hex.Length / 2), (read, count));
        Assert.False(VariableInteger.TryRead(Convert.FromHexString(hex).AsSpan(0, (hex.Length / 2) - 1), out _, out _));
    }

    [Fact]
    public void Request_BytesOfTheDocument()
    {
        CallMetadata metadata = new();
        metadata.Add("a", "b c");
        metadata.Add("x-bin", new byte[] { 0, 255 });
        ArrayBufferWriter<byte> written = new();
        CallFrame.WriteRequest(written, "/a.B/C", 1_000_000, 3, "secret", metadata);
        Assert.Equal("0122" + "06" + "2f612e422f43" + "800f4240" + "03" + "06" + "736563726574" + "0161" + "03622063" + "05782d62696e" + "0200ff", Convert.ToHexStringLower(written.WrittenSpan));
        Assert.Equal(CallFrameStatus.Ok, CallFrame.TryRead(written.WrittenSpan, MessageBytesMax, out CallFrameType type, out int at, out int bytes));
        Assert.Equal((CallFrameType.Request, 2, 0x22), (type, at, bytes));
        Assert.True(CallFrame.TryReadRequest(written.WrittenSpan.Slice(at, bytes), out CallRequestHead head));
        Assert.Equal("/a.B/C"u8, head.Path);
        Assert.Equal((1_000_000ul, (byte)3), (head.DeadlineMicros, head.Priority));
        Assert.Equal("secret"u8, head.Token);
        CallMetadata read = [];
        Assert.True(CallFrame.TryReadMetadata(head.Metadata, read));
        Assert.Equal("b c", read.Text("a"));
        Assert.Equal([0, 255], read.Bytes("x-bin")!.Value.ToArray());
    }

    [Fact]
    public void End_BytesOfTheDocument()
    {
        ArrayBufferWriter<byte> written = new();
        CallFrame.WriteEnd(written, null, null);
        Assert.Equal("0300", Convert.ToHexStringLower(written.WrittenSpan));
        written.Clear();
        CallMetadata trailers = new();
        trailers.Add("t", "v");
        CallFrame.WriteEnd(written, new(CallStatusCode.NotFound, "né"), trailers);
        Assert.Equal("030a" + "05" + "036ec3a9" + "00" + "0174" + "0176", Convert.ToHexStringLower(written.WrittenSpan));
    }

    [Fact]
    public void LongText_CutBetweenCharacters()
    {
        ArrayBufferWriter<byte> written = new();
        CallFrame.WriteEnd(written, new(CallStatusCode.Aborted, "a" + new string('é', CallFrame.TextBytesMax)), null);
        Assert.Equal(CallFrameStatus.Ok, CallFrame.TryRead(written.WrittenSpan, MessageBytesMax, out _, out int at, out int bytes));
        Assert.True(CallFrame.TryReadEnd(written.WrittenSpan.Slice(at, bytes), [], out CallException? failure));
        Assert.Equal("a" + new string('é', (CallFrame.TextBytesMax - 1) / 2), failure!.Message);
    }

    [Theory]
    [InlineData("00", CallFrameStatus.Incomplete)]
    [InlineData("000201", CallFrameStatus.Incomplete)]
    [InlineData("0043e8", CallFrameStatus.Incomplete)]
    [InlineData("0043e9", CallFrameStatus.TooLong)]
    [InlineData("00ffffffffffffffff", CallFrameStatus.TooLong)]
    [InlineData("0180008000", CallFrameStatus.Incomplete)]
    [InlineData("0180008001", CallFrameStatus.Malformed)]
    [InlineData("ffffffffffffffff00", CallFrameStatus.Ok)]
    public void Frame_BoundedBeforeMemory(string hex, object status) =>
        Assert.Equal(status, CallFrame.TryRead(Convert.FromHexString(hex), MessageBytesMax, out _, out _, out _));

    /// <summary>Both directions, whatever comes. VITRINE_FUZZ_SECONDS makes it longer (3 otherwise), VITRINE_FUZZ_SEED makes it another run.</summary>
    [Fact]
    public void ChangedBytes_StatusOnlyAndBoundedMemory()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SEED"), CultureInfo.InvariantCulture, out int given) ? given : 1;
        double seconds = double.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out double wanted) ? wanted : 3;
        Random random = new(seed);
        byte[][] corpus = Corpus();
        long inputs = 0, accepted = 0, allocatedMax = 0;
        Parse(corpus[0], ref accepted); // first calls allocate
        for (Stopwatch watch = Stopwatch.StartNew(); watch.Elapsed.TotalSeconds < seconds; inputs++)
        {
            byte[] input = Change(corpus, random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Parse(input, ref accepted);
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
            }

            allocatedMax = Math.Max(allocatedMax, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.True(allocatedMax < 512 << 10, $"seed {seed}, input {inputs}: {allocatedMax} bytes allocated");
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{inputs} inputs, {accepted} frames accepted, at most {allocatedMax} bytes allocated for one"));
        Assert.True(accepted > 0);
    }

    /// <summary>As a server and as a client take it: every parser sees every payload.</summary>
    private static void Parse(ReadOnlySpan<byte> bytes, ref long accepted)
    {
        while (CallFrame.TryRead(bytes, MessageBytesMax, out CallFrameType type, out int at, out int count) == CallFrameStatus.Ok)
        {
            Assert.True(at + count > 0);
            ReadOnlySpan<byte> payload = bytes.Slice(at, count);
            if (CallFrame.TryReadRequest(payload, out CallRequestHead head) & CallFrame.TryReadMetadata(head.Metadata, []))
            {
                accepted++;
                Assert.InRange(head.Path.Length, 0, CallFrame.PathBytesMax);
            }

            accepted += CallFrame.TryReadMetadata(payload, []) ? 1 : 0;
            accepted += CallFrame.TryReadEnd(payload, [], out CallException? failure) ? 1 : 0;
            try
            {
                CallMessages.Read(new ReadOnlySequence<byte>(payload.ToArray()), new EchoRequest());
            }
            catch (CallException exception)
            {
                Assert.Equal(CallStatusCode.Internal, exception.Code);
            }

            bytes = bytes[(at + count)..];
        }
    }

    private static byte[][] Corpus()
    {
        CallMetadata metadata = new();
        for (int i = 0; i < 20; i++)
        {
            metadata.Add($"name-{i}", "some value");
            metadata.Add($"name-{i}-bin", new byte[i]);
        }

        List<byte[]> corpus = [];
        Add(into => CallFrame.WriteRequest(into, EchoService.Unary.Path, 12_345_678, 7, "token", metadata));
        Add(into => CallFrame.WriteRequest(into, EchoService.Duplex.Path, 0, 0, "", null));
        Add(into => CallFrame.WriteResponse(into, metadata));
        Add(into => CallFrame.WriteMessage(into, new EchoRequest { Payload = ByteString.CopyFrom(new byte[300]), Failure = new() { Code = 3, Message = "text" } }, MessageBytesMax));
        Add(into => CallFrame.WriteEnd(into, null, metadata));
        Add(into => CallFrame.WriteEnd(into, new(CallStatusCode.Internal, "größer", [Any.Pack(new EchoReply { Sequence = 7 })]), metadata));
        return [.. corpus];

        void Add(Action<IBufferWriter<byte>> write)
        {
            ArrayBufferWriter<byte> into = new();
            write(into);
            corpus.Add(into.WrittenSpan.ToArray());
        }
    }

    private static byte[] Change(byte[][] corpus, Random random)
    {
        List<byte> bytes = [.. corpus[random.Next(corpus.Length)], .. corpus[random.Next(corpus.Length)]];
        for (int i = random.Next(1, 6); i > 0; i--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(40), bytes.Count - at));
                    break;
                case 3:
                    bytes.InsertRange(at, corpus[random.Next(corpus.Length)].Take(random.Next(60)));
                    break;
                default:
                    bytes.InsertRange(at, [(byte)random.Next(256), (byte)random.Next(256)]);
                    break;
            }

            if (bytes.Count == 0)
            {
                bytes.Add(0);
            }
        }

        return [.. bytes];
    }
}
