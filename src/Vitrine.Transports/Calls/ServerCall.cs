using Google.Protobuf;
using Vitrine.Wire;

namespace Vitrine.Transports.Calls;

/// <summary>A call as its handler sees it, whatever carries it.</summary>
/// <remarks>One read and one write may run at a time, together; the other members belong to the handler. The object and its buffers
/// are re-used after the handler ends, so that nobody may keep it.
/// <para>Reads and writes throw <see cref="CallException"/>: <see cref="CallStatusCode.Cancelled"/> when the peer gave up or its
/// connection is lost, <see cref="CallStatusCode.DeadlineExceeded"/>, <see cref="CallStatusCode.ResourceExhausted"/> for a message beyond
/// the limit, <see cref="CallStatusCode.Internal"/> or <see cref="CallStatusCode.InvalidArgument"/> for bytes that are no message. A
/// handler lets it pass.</para></remarks>
public abstract class ServerCall
{
    /// <summary>What was called.</summary>
    public abstract CallMethod Method { get; }

    /// <summary>The other side, for people: address and port.</summary>
    public abstract string Peer { get; }

    /// <summary>What carries it, for people and for lists: «grpc», «json», «quic».</summary>
    public abstract string Transport { get; }

    /// <summary>What the caller may do; holds all of the method's <see cref="CallMethod.Grants"/>.</summary>
    public abstract ViewerGrants Grants { get; }

    /// <summary>What came with the call. Not for changing.</summary>
    public abstract CallMetadata RequestMetadata { get; }

    /// <summary>By when the caller wants it to have ended.</summary>
    public abstract CallDeadline Deadline { get; }

    /// <summary>Fires at the deadline, when the peer gives up and when its connection is lost. Costs memory only when asked for.</summary>
    public abstract CancellationToken Cancelled { get; }

    /// <summary>Goes out before the first answer, or with the end when there is none; ignored afterwards.</summary>
    public abstract CallMetadata ResponseMetadata { get; }

    /// <summary>Goes out after the last answer.</summary>
    public abstract CallMetadata Trailers { get; }

    /// <summary>Reads the next request into a message.</summary>
    /// <param name="into">A new message, or an <see cref="IReusableMessage"/>, which is cleared first.</param>
    /// <returns>False: the caller has sent its last one; <paramref name="into"/> is as it was. For methods with one request it is
    /// true once; a call with none or two of them throws <see cref="CallStatusCode.Unimplemented"/> (gRPC's <c>statuscodes.md</c>).</returns>
    public abstract ValueTask<bool> ReadAsync(IMessage into);

    /// <summary>Sends an answer. Ends when the transport took it: a caller that does not read makes its own handler wait.</summary>
    /// <param name="message">Borrowed until the task ends.</param>
    public abstract ValueTask WriteAsync(IMessage message);

    /// <summary>Ends the call at once: reads and writes that run throw, and the caller sees it cancelled. Any thread; the second time
    /// does nothing.</summary>
    public abstract void Abort();
}
