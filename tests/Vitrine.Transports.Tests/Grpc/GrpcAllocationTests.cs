using System.Buffers.Binary;
using System.Globalization;
using Google.Protobuf;
using Vitrine.Measurement;
using Vitrine.Wire.V1;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>What a call costs the server in memory: bytes exactly, objects by the runtime's own sampling.</summary>
[Collection(nameof(AloneCollection))]
public sealed class GrpcAllocationTests(ITestOutputHelper output)
{
    private const int CallsAtOnce = 50;
    private const int Calls = 100_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Unary1Kilobyte_FewerThan10ObjectsACall(bool hasDeadline)
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        using RawHttp2 raw = RawHttp2.Connect(host.EndPoint);
        Client client = new(raw, hasDeadline);
        using AllocationSampler samples = new();
        long before, last = long.MaxValue;
        for (int round = 0; round < 50; round++) // pools fill, and code that is compiled anew takes less
        {
            before = GC.GetTotalAllocatedBytes(precise: true);
            client.Run(5_000);
            long taken = GC.GetTotalAllocatedBytes(precise: true) - before;
            if (round >= 4 && taken > last * 0.99)
            {
                break;
            }

            last = Math.Min(taken, last);
        }

        samples.Clear();
        before = GC.GetTotalAllocatedBytes(precise: true);
        client.Run(Calls);
        long bytes = GC.GetTotalAllocatedBytes(precise: true) - before;
        double objects = samples.Count / Calls;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(double)bytes / Calls:0} bytes, about {objects:0.0} objects a call"));
        foreach ((string type, double count, double size) in samples.ByType)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count / Calls,8:0.00} x {size,6:0} B  {type}"));
        }

        Assert.True(samples.Events > 100, "The runtime told of no allocations.");
        Assert.True(objects < 10, $"{objects:0.0} objects a call");
    }

    /// <summary>Makes calls in batches, and takes no memory.</summary>
    private sealed class Client
    {
        private readonly RawHttp2 _raw;
        private readonly byte[] _batch;
        private readonly int[] _streamAt;
        private readonly byte[] _extend = RawHttp2.Extend(0, 1);
        private int _stream = 1;

        public Client(RawHttp2 raw, bool hasDeadline)
        {
            _raw = raw;
            EchoRequest request = new() { Payload = ByteString.CopyFrom(new byte[1024]) };
            byte[] headers = RawHttp2.CallHeaders("/vitrine.v1.Echo/Unary", [("user-agent", "raw"), ("grpc-accept-encoding", "identity,gzip"), .. hasDeadline ? [("grpc-timeout", "30S")] : Array.Empty<(string, string)>()]);
            byte[] call = [.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 0, headers), .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, 0, RawHttp2.Message(request.ToByteArray()))];
            _batch = [.. Enumerable.Repeat(call, CallsAtOnce).SelectMany(bytes => bytes)];
            _streamAt = [.. Enumerable.Range(0, CallsAtOnce).SelectMany(i => (int[])[(i * call.Length) + 5, (i * call.Length) + RawHttp2.FrameHeadBytes + headers.Length + 5])];
        }

        public void Run(int calls)
        {
            for (int done = 0; done < calls; done += CallsAtOnce)
            {
                for (int i = 0; i < CallsAtOnce; i++)
                {
                    BinaryPrimitives.WriteInt32BigEndian(_batch.AsSpan(_streamAt[2 * i]), _stream + (2 * i));
                    BinaryPrimitives.WriteInt32BigEndian(_batch.AsSpan(_streamAt[(2 * i) + 1]), _stream + (2 * i));
                }

                _stream += 2 * CallsAtOnce;
                _raw.Send(_batch);
                int ended = 0, bytes = 0;
                while (ended < CallsAtOnce)
                {
                    if (!_raw.ReadFrame())
                    {
                        throw new IOException("The server closed the connection.");
                    }

                    bytes += _raw.Type == RawHttp2.Data ? _raw.Payload.Length : 0;
                    ended += _raw.Type is RawHttp2.Data or RawHttp2.Headers && (_raw.Flags & RawHttp2.EndStream) != 0 ? 1 : 0;
                }

                if (bytes < CallsAtOnce * 1024)
                {
                    throw new InvalidDataException("The server answered without the payload.");
                }

                BinaryPrimitives.WriteInt32BigEndian(_extend.AsSpan(RawHttp2.FrameHeadBytes), bytes);
                _raw.Send(_extend);
            }
        }
    }
}

/// <summary>Tests that measure the whole process run while no others do.</summary>
[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public sealed class AloneCollection;
