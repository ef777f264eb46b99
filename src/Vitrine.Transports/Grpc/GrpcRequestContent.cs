using System.Net;
using System.Net.Http.Headers;

namespace Vitrine.Transports.Grpc;

/// <summary>The body of a request that is written while the call runs.</summary>
/// <remarks>The HTTP client calls <see cref="SerializeToStreamAsync(Stream, TransportContext?, CancellationToken)"/> when the stream stands
/// and takes its end for the end of the requests.</remarks>
internal sealed class GrpcRequestContent : HttpContent
{
    // Continuations run elsewhere: they would hold up the client's own reading and writing.
    private readonly TaskCompletionSource<Stream> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public GrpcRequestContent() => Headers.ContentType = ContentType;

    public static MediaTypeHeaderValue ContentType { get; } = new(GrpcHeaders.ContentType);

    /// <summary>Ends when requests can be written.</summary>
    public Task<Stream> Opened => _opened.Task;

    /// <summary>Says that the request failed before anything could be written.</summary>
    public void Fail() => _opened.TrySetCanceled();

    /// <summary>Calls <see cref="Fail"/> when the request failed before anything could be written.</summary>
    /// <param name="sending">The request with this body. That it is answered says nothing: a server that answers at once may be faster
    /// than the end of the first flush.</param>
    public async Task FollowAsync(Task sending)
    {
        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!sending.IsCompletedSuccessfully)
        {
            Fail();
        }
    }

    /// <summary>Whether <see cref="Complete"/> was called.</summary>
    public bool IsCompleted => _completed.Task.IsCompletedSuccessfully;

    /// <summary>Says that no more requests follow.</summary>
    public void Complete() => _completed.TrySetResult();

    /// <summary>Breaks the requests off: the stream is reset, unless they are complete. (To end them would tell the server that they
    /// were, when this comes before the cancellation has reached the HTTP client.)</summary>
    public void Abort() => _completed.TrySetCanceled();

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, default);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The client keeps the head of the request until something is written or flushed: a call whose server speaks first would wait
        // for ever.
        try
        {
            await stream.FlushAsync(cancellationToken);
        }
        catch
        {
            Fail(); // it may be answered all the same
            throw;
        }

        if (!_opened.TrySetResult(stream))
        {
            // The HTTP client begins anew on another connection after the server refused the stream; what was written is gone.
            throw new InvalidOperationException("The requests of a call cannot be written twice.");
        }

        await _completed.Task.WaitAsync(cancellationToken);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
