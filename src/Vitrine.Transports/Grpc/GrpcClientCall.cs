using Google.Protobuf;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>A call over one HTTP/2 stream of <see cref="HttpClient"/>'s handler.</summary>
internal sealed class GrpcClientCall : ClientCall
{
    private static readonly CallMetadata s_nothing = new();

    private readonly GrpcChannel _channel;
    private readonly CallOptions _options;
    private readonly CancellationToken _caller;
    private readonly CancellationTokenSource _over;
    private readonly CancellationToken _ended; // of _over; usable when that is disposed of
    private readonly HttpRequestMessage _request;
    private readonly GrpcRequestContent _content;
    private readonly Task<HttpResponseMessage> _sending;
    private readonly PooledBuffer _frame;
    private readonly SemaphoreSlim _reading = new(1); // a write that fails looks for the reason
    private GrpcResponse? _response;
    private CallException? _failure; // of this side, or of the way
    private volatile bool _isDisposed;

    public GrpcClientCall(GrpcChannel channel, CallMethod method, CallOptions options, CancellationToken cancellation)
    {
        (_channel, _options, _caller) = (channel, options, cancellation);
        _frame = new(channel.Options.RequestBytesMax + MessageFrame.HeadBytes);
        _content = new();
        _over = channel.CreateSource(options, cancellation);
        _ended = _over.Token;
        _request = channel.CreateRequest(method, options, _content);
        _sending = channel.SendAsync(_request, _ended);
        _ = _content.FollowAsync(_sending);
    }

    public override CallMetadata Trailers => _response?.Trailers ?? s_nothing;

    /// <summary>Ends when requests can be written.</summary>
    public async ValueTask OpenAsync()
    {
        try
        {
            await _content.Opened;
        }
        catch (OperationCanceledException)
        {
            // The server may have answered before it was asked; else the call failed.
            await ReceiveHeadersAsync();
        }
    }

    public override async ValueTask WriteAsync(IMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        try
        {
            MessageFrame.Write(message, _options.Compression, _channel.Options.RequestBytesMax, _frame);
            Stream stream = await _content.Opened;
            await stream.WriteAsync(_frame.Written, _ended);
            await stream.FlushAsync(_ended);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or HttpRequestException or ObjectDisposedException or InvalidOperationException)
        {
            throw await ExplainAsync(exception);
        }
        finally
        {
            _frame.Clear();
        }
    }

    public override ValueTask CompleteWritesAsync()
    {
        _content.Complete();
        return default;
    }

    public override async ValueTask<bool> ReadAsync(IMessage into)
    {
        ArgumentNullException.ThrowIfNull(into);
        await _reading.WaitAsync();
        try
        {
            GrpcResponse response = await ReceiveHeadersAsync();
            try
            {
                return await response.ReadAsync(into, _ended) || (response.Failure is { } ended ? throw ended : false);
            }
            catch (Exception exception) when (!ReferenceEquals(exception, response.Failure))
            {
                throw Fail(exception);
            }
        }
        finally
        {
            _reading.Release();
        }
    }

    public override async ValueTask<CallMetadata> ReadMetadataAsync()
    {
        await _reading.WaitAsync();
        try
        {
            return (_response ?? await ReceiveHeadersAsync()).Metadata;
        }
        finally
        {
            _reading.Release();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        if (_response is not { IsEnded: true } || !_content.IsCompleted)
        {
            await _over.CancelAsync(); // RST_STREAM
        }

        _content.Abort();
        await ((Task)_sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _reading.WaitAsync(); // a read that runs ends by the cancellation; its buffer is not given back before
        _failure ??= GivenUp();
        if (_response is null && _sending.IsCompletedSuccessfully)
        {
            _sending.Result.Dispose();
        }

        _response?.Dispose();
        _request.Dispose();
        _over.Dispose();
        _reading.Release();
    }

    private async ValueTask<GrpcResponse> ReceiveHeadersAsync()
    {
        if (_failure is { } failure)
        {
            throw failure;
        }

        if (_response is { } known)
        {
            return known;
        }

        try
        {
            return _response = GrpcResponse.Open(await _sending, _channel.Options.ResponseBytesMax);
        }
        catch (Exception exception)
        {
            throw Fail(exception);
        }
    }

    private static CallException GivenUp(Exception? exception = null) => new(CallStatusCode.Cancelled, "The call was given up.", innerException: exception);

    private CallException Explain(Exception exception) =>
        _failure ?? (_isDisposed ? GivenUp(exception) : _channel.Explain(exception, _options, _ended, _caller));

    /// <summary>Ends the call on this side.</summary>
    private CallException Fail(Exception exception)
    {
        _failure = Explain(exception);
        _over.Cancel();
        _content.Abort();
        return _failure;
    }

    /// <summary>Why a write failed: the call's own status, when the server has sent one.</summary>
    private async ValueTask<CallException> ExplainAsync(Exception exception)
    {
        if (_ended.IsCancellationRequested)
        {
            return Explain(exception);
        }

        await _reading.WaitAsync();
        try
        {
            GrpcResponse response = await ReceiveHeadersAsync();
            await response.PrefetchAsync(_ended);
            return response.Failure ?? new(CallStatusCode.Cancelled, "The server has ended the call; its answers can still be read.", innerException: exception);
        }
        catch (CallException failure)
        {
            return failure;
        }
        catch (Exception inner)
        {
            return Explain(inner);
        }
        finally
        {
            _reading.Release();
        }
    }
}
