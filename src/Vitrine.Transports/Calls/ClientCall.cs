using Google.Protobuf;
using Vitrine.Wire;

namespace Vitrine.Transports.Calls;

/// <summary>A call as its caller sees it, whatever carries it.</summary>
/// <remarks>One read and one write may run at a time, together. Disposing it ends it, in whatever state it is: what has not ended is
/// cancelled, at the server too. Reads and writes throw <see cref="CallException"/> when the call did not succeed; a write that fails
/// because the call is over throws the call's own status.</remarks>
public abstract class ClientCall : IAsyncDisposable
{
    /// <summary>Sends a request. Ends when the transport took it.</summary>
    /// <param name="message">Borrowed until the task ends.</param>
    public abstract ValueTask WriteAsync(IMessage message);

    /// <summary>Says that no more requests follow. Needed for every kind of call.</summary>
    public abstract ValueTask CompleteWritesAsync();

    /// <summary>Reads the next answer into a message.</summary>
    /// <param name="into">A new message, or an <see cref="IReusableMessage"/>, which is cleared first.</param>
    /// <returns>False: the call ended with <see cref="CallStatusCode.Ok"/>; <paramref name="into"/> is as it was.</returns>
    public abstract ValueTask<bool> ReadAsync(IMessage into);

    /// <summary>What the server sent before its first answer. Waits for it.</summary>
    public abstract ValueTask<CallMetadata> ReadMetadataAsync();

    /// <summary>What the server sent after its last answer; empty until the call has ended, in whatever way.</summary>
    public abstract CallMetadata Trailers { get; }

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>Reads the only answer of a method that gives one, and the end of the call.</summary>
    /// <param name="into">A new message, or an <see cref="IReusableMessage"/>.</param>
    /// <exception cref="CallException">It did not succeed, or there were no or two answers (<see cref="CallStatusCode.Internal"/>).</exception>
    public async ValueTask ReadSingleAsync(IMessage into)
    {
        if (!await ReadAsync(into))
        {
            throw new CallException(CallStatusCode.Internal, "The server ended the call without an answer.");
        }

        if (await ReadAsync(into))
        {
            throw new CallException(CallStatusCode.Internal, "The server sent two answers to a call that has one.");
        }
    }
}
