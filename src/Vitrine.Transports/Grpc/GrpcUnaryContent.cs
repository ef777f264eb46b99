using System.Net;
using Google.Protobuf;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>The body of a unary request: one message.</summary>
internal sealed class GrpcUnaryContent : HttpContent
{
    private readonly PooledBuffer _frame;
    private volatile bool _isWriting;

    /// <exception cref="CallException">The message is longer than the limit.</exception>
    public GrpcUnaryContent(IMessage message, CallCompression encoding, int bytesMax)
    {
        Headers.ContentType = GrpcRequestContent.ContentType;
        _frame = new(bytesMax + MessageFrame.HeadBytes);
        MessageFrame.Write(message, encoding, bytesMax, _frame);
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, default);

    // May run again: the HTTP client repeats on another connection what the server has said it did not touch.
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        _isWriting = true;
        await stream.WriteAsync(_frame.Written, cancellationToken);
        _isWriting = false;
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (!_isWriting) // a call that was given up may be in the middle of it: then the collector has the memory
        {
            _frame.Clear();
        }

        base.Dispose(disposing);
    }
}
