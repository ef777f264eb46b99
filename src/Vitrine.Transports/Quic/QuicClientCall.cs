using System.Buffers;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Quic;

/// <summary>A call over one QUIC stream, as its caller sees it.</summary>
/// <remarks>What one request makes goes out together with it; a stream's head goes out at once.</remarks>
internal sealed class QuicClientCall : ClientCall
{
    private static readonly CallMetadata s_nothing = new();

    private readonly QuicCallChannel _channel;
    private readonly CallMethod _method;
    private readonly CallOptions _options;
    private readonly CancellationToken _caller;
    private readonly CallFrameReader _reader;
    private readonly PooledBuffer _out;
    private readonly SemaphoreSlim _reading = new(1); // a write that fails looks for the reason
    private readonly CancellationTokenSource _over = new(); // ends what waits
    private CancellationTokenRegistration _callerEnds;
    private ITimer? _deadline;
    private QuicStream? _stream;
    private CallMetadata _metadata = s_nothing;
    private CallMetadata _trailers = s_nothing;
    private CallException? _failure;
    private bool _isEnded; // the server's end was read
    private bool _isCompleted; // ours was written
    private volatile bool _isPast;
    private volatile bool _isGivenUp;
    private int _isDisposed;

    public QuicClientCall(QuicCallChannel channel, CallMethod method, CallOptions options, CancellationToken caller)
    {
        (_channel, _method, _options, _caller) = (channel, method, options, caller);
        _reader = new(channel.Options.ResponseBytesMax);
        _out = new(channel.Options.RequestBytesMax + (2 * CallFrame.BlockBytesMax));
    }

    public override CallMetadata Trailers => _trailers;

    /// <summary>Ends when requests can be written.</summary>
    public async ValueTask OpenAsync()
    {
        if (_caller.CanBeCanceled)
        {
            _callerEnds = _caller.UnsafeRegister(static call => ((QuicClientCall)call!).End(isPast: false), this);
        }

        if (!_options.Deadline.IsNone && _options.Deadline.Remaining(_channel.Options.Time) is { } left && left.TotalMilliseconds < uint.MaxValue - 1)
        {
            _deadline = _channel.Options.Time.CreateTimer(static call => ((QuicClientCall)call!).End(isPast: true), this, left, Timeout.InfiniteTimeSpan);
        }

        try
        {
            QuicConnection connection = await _channel.ConnectAsync(_options.AllowEarly && _method.IsIdempotent, _over.Token);
            int priority = Math.Min(_options.Priority, CallFrame.PriorityMax) - CallOptions.Default.Priority;
            _stream = await connection.OpenStreamAsync(isBidirectional: true, priority, _over.Token);
            ulong micros = _options.Deadline.IsNone ? 0 : (ulong)Math.Max(_options.Deadline.Remaining(_channel.Options.Time).TotalMicroseconds, 1);
            CallFrame.WriteRequest(_out, _method.Path, micros, (byte)(priority + CallOptions.Default.Priority), _channel.Options.Token, _options.Metadata);
            if (!_method.TakesOneRequest)
            {
                await SendAsync(isFinal: false);
            }
        }
        catch (Exception exception) when (exception is QuicException or OperationCanceledException)
        {
            throw Fail(exception);
        }
    }

    public override ValueTask WriteAsync(IMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        CallFrame.WriteMessage(_out, message, _channel.Options.RequestBytesMax);
        return _method.TakesOneRequest ? default : WriteOutAsync(isFinal: false);
    }

    public override ValueTask CompleteWritesAsync()
    {
        if (_isCompleted)
        {
            return default;
        }

        _isCompleted = true;
        return _method.TakesOneRequest ? WriteOutAsync(isFinal: true) : EndRequestsAsync();

        // A server that has ended the call already is no reason to fail: the call's status is what counts, and a read tells it.
        async ValueTask EndRequestsAsync()
        {
            try
            {
                await SendAsync(isFinal: true);
            }
            catch (Exception exception) when (exception is QuicException or OperationCanceledException)
            {
                return;
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<bool> ReadAsync(IMessage into)
    {
        ArgumentNullException.ThrowIfNull(into);
        await _reading.WaitAsync();
        try
        {
            if (!await PrefetchAsync(into))
            {
                return _failure is { } failure ? throw failure : false;
            }

            _reader.Take();
            return true;
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
            bool isAnswered = await PrefetchAsync(null);
            return isAnswered || _metadata.Count > 0 || _failure is null ? _metadata : throw _failure;
        }
        finally
        {
            _reading.Release();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        await _callerEnds.DisposeAsync();
        await (_deadline?.DisposeAsync() ?? default);
        if (!_isEnded)
        {
            End(isPast: false);
        }

        await _reading.WaitAsync(); // a read that runs ends now
        _reader.Clear();
        _reading.Release();
        await (_stream?.DisposeAsync() ?? default);
        _out.Clear();
        _over.Dispose();
    }

    /// <summary>Looks at the next answer, if there is one, and reads what comes before it and after the last one. The read lock is held.</summary>
    /// <param name="into">Where the answer is parsed to; null: nowhere, it stays to be read.</param>
    /// <returns>False: there is none; the call has ended.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> PrefetchAsync(IMessage? into)
    {
        try
        {
            while (!_isEnded && _failure is null)
            {
                CallFrameRead frame = await _reader.PeekAsync(_stream!, _over.Token);
                switch (frame.Type)
                {
                    case CallFrameType.Message:
                        if (into is not null)
                        {
                            CallMessages.Read(new ReadOnlySequence<byte>(frame.Payload), into);
                        }

                        return true;
                    case CallFrameType.Response when ReferenceEquals(_metadata, s_nothing):
                        _metadata = ReadMetadata(frame.Payload.Span);
                        break;
                    case CallFrameType.End:
                        CallMetadata trailers = new();
                        if (!CallFrame.TryReadEnd(frame.Payload.Span, trailers, out CallException? failure))
                        {
                            throw Malformed();
                        }

                        (_trailers, _failure, _isEnded) = (trailers.Count > 0 ? trailers : s_nothing, failure, true);
                        break;
                    default:
                        throw frame.Type is null ? new CallException(CallStatusCode.Internal, "The server ended the stream without a status.") : Malformed();
                }

                _reader.Take();
            }
        }
        catch (Exception exception) when (exception is QuicException or OperationCanceledException or CallException)
        {
            Fail(exception);
        }

        return false;
    }

    private static CallMetadata ReadMetadata(ReadOnlySpan<byte> payload)
    {
        CallMetadata metadata = new();
        return CallFrame.TryReadMetadata(payload, metadata) ? metadata : throw Malformed();
    }

    private static CallException Malformed() => new(CallStatusCode.Internal, "The server sent what is no frame of a call.");

    private ValueTask WriteOutAsync(bool isFinal)
    {
        ValueTask sending = SendAsync(isFinal);
        return sending.IsCompletedSuccessfully ? default : AwaitAsync(sending);

        async ValueTask AwaitAsync(ValueTask running)
        {
            try
            {
                await running;
            }
            catch (Exception exception) when (exception is QuicException or OperationCanceledException or InvalidOperationException)
            {
                throw await ExplainAsync(exception);
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync(bool isFinal)
    {
        try
        {
            await _stream!.WriteAsync(_out.Written, isFinal, _over.Token);
        }
        finally
        {
            _out.Drop(_out.Count);
        }
    }

    /// <summary>Why a write failed: the call's own status, when the server has sent one.</summary>
    private async ValueTask<CallException> ExplainAsync(Exception exception)
    {
        if (_isPast || _isGivenUp)
        {
            return _failure ?? _channel.Explain(exception, _options.Deadline, _isPast, _isGivenUp);
        }

        await _reading.WaitAsync();
        try
        {
            return await PrefetchAsync(null) || _failure is null
                ? new(CallStatusCode.Cancelled, "The server has ended the call; its answers can still be read.", innerException: exception)
                : _failure;
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <summary>Ends the call on this side.</summary>
    private CallException Fail(Exception exception)
    {
        _failure ??= _channel.Explain(exception, _options.Deadline, _isPast, _isGivenUp);
        GiveUp(_failure.Code);
        return _failure;
    }

    /// <summary>The deadline, or the caller.</summary>
    private void End(bool isPast)
    {
        if (isPast)
        {
            _isPast = !_isGivenUp;
        }
        else
        {
            _isGivenUp = !_isPast;
        }

        GiveUp(isPast ? CallStatusCode.DeadlineExceeded : CallStatusCode.Cancelled);
        _over.Cancel();
    }

    private void GiveUp(CallStatusCode code)
    {
        _stream?.Reset((ulong)code);
        _stream?.StopSending((ulong)code);
    }
}
