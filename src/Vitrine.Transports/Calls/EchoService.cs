using System.Runtime.CompilerServices;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.ObjectPool;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Calls;

/// <summary><c>vitrine.v1.Echo</c>: answers what it was sent (<c>protos/vitrine/v1/echo.proto</c>). Needs no grant.</summary>
/// <remarks>Any thread. In steady state a call takes the memory of its payload and nothing else.</remarks>
public sealed class EchoService
{
    /// <summary>Most answers to one request.</summary>
    public const int RepliesMax = 1_000_000;

    /// <summary>Most bytes of an answer that are asked for by number.</summary>
    public const int ReplyBytesMax = 1 << 20;

    /// <summary>Longest wait before an answer.</summary>
    public const int DelayMicrosMax = 60_000_000;

    private const string MetadataPrefix = "echo-";
    private const string TrailerPrefix = "echo-trailer-";

    private static readonly ByteString Zeros = UnsafeByteOperations.UnsafeWrap(new byte[ReplyBytesMax]);

    private readonly TimeProvider _time;
    private readonly ObjectPool<Messages> _messages = new DefaultObjectPool<Messages>(new DefaultPooledObjectPolicy<Messages>(), 1024);

    /// <summary>Makes the service.</summary>
    /// <param name="time">What waits are measured with; null: the system's clock.</param>
    public EchoService(TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        Bindings = [new(Unary, UnaryAsync), new(ServerStream, UnaryAsync), new(ClientStream, ClientStreamAsync), new(Duplex, DuplexAsync)];
    }

    private static ServiceDescriptor Descriptor => EchoReflection.Descriptor.Services[0];

    /// <summary>One answer to one request.</summary>
    public static CallMethod Unary { get; } = new(Descriptor.FindMethodByName("Unary"));

    /// <summary>Many answers to one request.</summary>
    public static CallMethod ServerStream { get; } = new(Descriptor.FindMethodByName("ServerStream"));

    /// <summary>One answer to many requests.</summary>
    public static CallMethod ClientStream { get; } = new(Descriptor.FindMethodByName("ClientStream"));

    /// <summary>Answers to each of many requests.</summary>
    public static CallMethod Duplex { get; } = new(Descriptor.FindMethodByName("Duplex"));

    /// <summary>For a <see cref="CallTable"/>.</summary>
    public IReadOnlyList<CallBinding> Bindings { get; }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask UnaryAsync(ServerCall call)
    {
        Messages messages = _messages.Get();
        EchoMetadata(call);
        if (await call.ReadAsync(messages.Request))
        {
            await AnswerAsync(call, messages, 0, 1);
        }

        messages.Release();
        _messages.Return(messages);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ClientStreamAsync(ServerCall call)
    {
        Messages messages = _messages.Get();
        EchoMetadata(call);
        ulong requests = 0;
        while (await call.ReadAsync(messages.Request))
        {
            requests++;
            if (messages.Request.Failure is not null)
            {
                await AnswerAsync(call, messages, 0, requests);
            }
        }

        messages.Request.ReplyCount = 1;
        await AnswerAsync(call, messages, 0, requests);
        messages.Release();
        _messages.Return(messages);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask DuplexAsync(ServerCall call)
    {
        Messages messages = _messages.Get();
        EchoMetadata(call);
        ulong requests = 0, sequence = 0;
        while (await call.ReadAsync(messages.Request))
        {
            requests++;
            await AnswerAsync(call, messages, sequence, requests);
            sequence += RepliesTo(messages.Request);
        }

        messages.Release();
        _messages.Return(messages);
    }

    private static uint RepliesTo(EchoRequest request) => Math.Max(request.ReplyCount, 1);

    // Messages of a call that failed are left to the garbage collector: they are not worth a finally on every path.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask AnswerAsync(ServerCall call, Messages messages, ulong sequence, ulong requests)
    {
        EchoRequest request = messages.Request;
        if (request.ReplyCount > RepliesMax || request.ReplyBytes > ReplyBytesMax || request.DelayMicros > DelayMicrosMax)
        {
            throw new CallException(CallStatusCode.InvalidArgument,
                $"An answer has at most {ReplyBytesMax} bytes, a request at most {RepliesMax} answers, a wait at most {DelayMicrosMax} microseconds.");
        }

        EchoReply reply = messages.Reply;
        reply.Payload = request.ReplyBytes == 0 ? request.Payload
            : request.ReplyBytes == ReplyBytesMax ? Zeros : UnsafeByteOperations.UnsafeWrap(Zeros.Memory[..(int)request.ReplyBytes]);
        reply.Requests = requests;
        uint replies = call.Method.Kind == CallKind.Unary ? 1 : RepliesTo(request);
        for (uint i = 0; i < replies; i++)
        {
            if (request.DelayMicros != 0)
            {
                await Task.Delay(TimeSpan.FromMicroseconds(request.DelayMicros), _time, call.Cancelled);
            }

            if (request.Failure is { } failure)
            {
                throw Failed(failure);
            }

            reply.Sequence = sequence + i;
            await call.WriteAsync(reply);
        }
    }

    private static CallException Failed(EchoFailure failure) =>
        failure.Code is > (int)CallStatusCode.Ok and <= (int)CallStatusCode.Unauthenticated
            ? new((CallStatusCode)failure.Code, failure.Message, failure.Detail.IsEmpty ? null : [Any.Pack(new EchoReply { Payload = failure.Detail })])
            : new(CallStatusCode.InvalidArgument, $"{failure.Code} is no status code to fail with: 1 to 16.");

    private static void EchoMetadata(ServerCall call)
    {
        CallMetadata metadata = call.RequestMetadata;
        for (int i = 0; i < metadata.Count; i++)
        {
            CallMetadataEntry entry = metadata[i];
            if (!entry.Name.StartsWith(MetadataPrefix, StringComparison.Ordinal))
            {
                continue;
            }

            CallMetadata into = entry.Name.StartsWith(TrailerPrefix, StringComparison.Ordinal) ? call.Trailers : call.ResponseMetadata;
            if (entry.IsBinary)
            {
                into.Add(entry.Name, entry.Bytes);
            }
            else
            {
                into.Add(entry.Name, entry.Text);
            }
        }
    }

    /// <summary>What one call reads into and writes from.</summary>
    private sealed class Messages
    {
        public EchoRequest Request { get; } = new();

        public EchoReply Reply { get; } = new();

        public void Release()
        {
            Request.Clear(); // payloads are not kept while nobody calls
            Reply.Clear();
        }
    }
}
