using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Vitrine.Transports.Calls;
using Vitrine.Wire;

namespace Vitrine.Transports.Grpc;

/// <summary>A call over one HTTP/2 stream of Kestrel. Re-used: <see cref="Begin"/>, <see cref="Handle"/>, <see cref="FinishAsync"/>.</summary>
/// <remarks>Messages are parsed from Kestrel's blocks and written into them: there is no buffer of ours between. A stream that is over,
/// for whatever reason, fires <see cref="_over"/>; what waits is woken by it and throws.</remarks>
#pragma warning disable CA1001 // FinishAsync disposes of what it owns when it is not used again
internal sealed class GrpcServerCall(GrpcServer server) : ServerCall
#pragma warning restore CA1001
{
    // What a single answer may leave waiting when its call has ended: less than a block of the web server's.
    private const int UnwatchedBytesMax = 32 << 10;

    private const int ResetCancel = 0x8; // RFC 9113 section 7
    private const int ResetCalm = 0xb;

    // The longest that a timer takes; a deadline beyond it is none in practice.
    private static readonly TimeSpan s_timerMax = TimeSpan.FromMilliseconds(uint.MaxValue - 2);

    private readonly RequestHold _hold = new();
    private readonly CallMetadata _requestMetadata = new();
    private readonly CallMetadata _responseMetadata = new();
    private readonly CallMetadata _trailers = new();
    private readonly Lock _gate = new(); // between a write that ends and the look whether it has stalled
    private CancellationTokenSource _over = new();
    private CancellationTokenRegistration _wake;
    private CancellationTokenRegistration _aborted;
    private Timer? _stall; // made by the first write that waits
    private HttpContext _context = null!;
    private PeerConnection? _connection;
    private CallBinding _binding = null!;
    private PipeReader _reader = null!;
    private PipeWriter _writer = null!;
    private CallCompression _requestEncoding;
    private CallCompression _responseEncoding;
    private CallDeadline _deadline;
    private ViewerGrants _grants;
    private string? _peer;
    private long _flushEndMilliseconds; // when a write that waits is given up; 0 while none waits
    private bool _isMetadataRead;
    private bool _isLinked; // the abort of the request fires _over
    private bool _isRead; // the only request was read
    private bool _isStarted; // response headers are out
    private bool _isWritten; // the only answer was written
    private bool _isStalled;
    private bool _wasReset;

    public override CallMethod Method => _binding.Method;

    public override string Peer => _peer ??= new IPEndPoint(_context.Connection.RemoteIpAddress ?? IPAddress.None, _context.Connection.RemotePort).ToString();

    public override string Transport => "grpc";

    public override ViewerGrants Grants => _grants;

    public override CallDeadline Deadline => _deadline;

    public override CallMetadata ResponseMetadata => _responseMetadata;

    public override CallMetadata Trailers => _trailers;

    public override CallMetadata RequestMetadata
    {
        get
        {
            if (!_isMetadataRead)
            {
                _isMetadataRead = true;
                foreach ((string name, Microsoft.Extensions.Primitives.StringValues values) in _context.Request.Headers)
                {
                    foreach (string? value in values)
                    {
                        GrpcHeaders.Take(name, value ?? "", _requestMetadata, GrpcMeter.Limits);
                    }
                }
            }

            return _requestMetadata;
        }
    }

    public override CancellationToken Cancelled
    {
        get
        {
            LinkToRequest();
            return _over.Token;
        }
    }

    /// <summary>Whether the stream is over before the handler: deadline, reset, connection lost, stalled reader.</summary>
    public bool IsOver => _over.IsCancellationRequested || _isStalled || _context.RequestAborted.IsCancellationRequested;

    public void Begin(HttpContext context, PeerConnection? connection, CallBinding binding, ViewerGrants grants, CallDeadline deadline, CallCompression encoding)
    {
        (_context, _connection, _binding, _grants, _deadline, _requestEncoding) = (context, connection, binding, grants, deadline, encoding);
        (_reader, _writer) = (context.Request.BodyReader, context.Response.BodyWriter);
        _hold.Begin(connection);
        // Answers are compressed as requests are: who compresses wants it so, and can.
        _responseEncoding = encoding == CallCompression.Gzip && GrpcHeaders.HoldsGzip(context.Request.Headers[GrpcHeaders.AcceptEncoding].ToString()) ? CallCompression.Gzip : CallCompression.None;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null; // the limit is one for messages
        }

        if (!Method.TakesOneRequest && context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null; // a stream of requests may rest
        }

        if (!deadline.IsNone)
        {
            TimeSpan left = deadline.Remaining(server.Options.Time);
            if (left < s_timerMax)
            {
                _over.CancelAfter(left);
            }
        }

        _wake = _over.Token.UnsafeRegister(static state => ((GrpcServerCall)state!).Wake(), this);
    }

    public ValueTask Handle() => _binding.Handler(this);

    /// <summary>What the handler owes although it ended normally.</summary>
    public CallException? Verify() => Method.GivesOneResponse && !_isWritten
        ? new(CallStatusCode.Internal, $"The handler of {Method.Path} gave no answer.")
        : null;

    /// <summary>Why a stream is over.</summary>
    public CallException Ended(Exception? cause = null)
    {
        if (_isStalled)
        {
            return new(CallStatusCode.ResourceExhausted, "The caller did not read its answers.", innerException: cause);
        }

        // A timer may fire a little before the clock says so: it is the deadline when nothing else is.
        bool isPast = !_deadline.IsNone && (_deadline.Remaining(server.Options.Time) == TimeSpan.Zero
            || (_over.IsCancellationRequested && !_context.RequestAborted.IsCancellationRequested));
        return isPast
            ? new(CallStatusCode.DeadlineExceeded, "The deadline passed.", innerException: cause)
            : new(CallStatusCode.Cancelled, "The caller gave up, or its connection is lost.", innerException: cause);
    }

    public override ValueTask<bool> ReadAsync(IMessage into)
    {
        ArgumentNullException.ThrowIfNull(into);
        return Method.TakesOneRequest ? ReadOnlyRequestAsync(into) : ReadNextAsync(into);
    }

    public override ValueTask WriteAsync(IMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (_isWritten)
        {
            throw new InvalidOperationException($"{Method.Path} gives one answer.");
        }

        if (!Method.GivesOneResponse)
        {
            return WriteAndFlushAsync(message);
        }

        if (_over.IsCancellationRequested)
        {
            throw Ended();
        }

        _isWritten = true;
        if (message.CalculateSize() > UnwatchedBytesMax)
        {
            return WriteAndFlushAsync(message);
        }

        if (StartResponse() is { IsCompletedSuccessfully: false } start)
        {
            return WriteAfterAsync(start, message);
        }

        MessageFrame.Write(message, _responseEncoding, server.Options.ResponseBytesMax, _writer);
        return default; // it goes out together with the trailers
    }

    public override void Abort() => _over.Cancel();

    /// <summary>Sends the end and gives everything back.</summary>
    /// <returns>Whether the object may be used again.</returns>
    public async ValueTask<bool> FinishAsync(CallException? failure)
    {
        await _wake.DisposeAsync(); // waits for a wake-up that runs
        await _aborted.DisposeAsync();
        _hold.GiveBack();
        CallStatusCode code = failure?.Code ?? CallStatusCode.Ok;
        if (!_wasReset && !(failure is not null && _context.RequestAborted.IsCancellationRequested))
        {
            HttpResponse response = _context.Response;
            if (_isStarted || (_responseMetadata.Count > 0 && !response.HasStarted))
            {
                if (!_isStarted)
                {
                    await StartResponse();
                }

                IHeaderDictionary trailers = _context.Features.Get<IHttpResponseTrailersFeature>()!.Trailers;
                AddMetadata(_trailers, trailers);
                GrpcServer.WriteStatus(trailers, code, failure);
            }
            else
            {
                AddMetadata(_trailers, response.Headers);
                GrpcServer.WriteStatusOnly(response, code, failure);
            }
        }
        else if (code == CallStatusCode.Cancelled)
        {
            CallResets.Note(_context, server.Options.ResetsMax, server.Options.ResetsWindow, server.Options.Time, GrpcMeter.Limits);
        }

        bool isReusable = _over.TryReset();
        if (!isReusable)
        {
            _over.Dispose();
            _stall?.Dispose();
            return false; // rare; whoever still holds the token sees it cancelled, and the object is left to the collector
        }

        (_context, _connection, _binding, _reader, _writer) = (null!, null, null!, null!, null!);
        (_wake, _aborted, _peer) = (default, default, null);
        (_isMetadataRead, _isLinked, _isRead, _isStarted, _isWritten, _isStalled, _wasReset) = (false, false, false, false, false, false, false);
        _requestMetadata.Clear();
        _responseMetadata.Clear();
        _trailers.Clear();
        return true;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ReadNextAsync(IMessage into)
    {
        _hold.GiveBack();
        while (true)
        {
            ReadResult result = await ReadBodyAsync();
            ReadOnlySequence<byte> buffer = result.Buffer;
            await TakeRoomAsync(buffer);
            if (TryParse(buffer, into, out SequencePosition end))
            {
                Advance(end, end);
                return true;
            }

            Advance(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                return buffer.IsEmpty ? false : throw new CallException(CallStatusCode.Internal, "The requests end within a message.");
            }
        }
    }

    /// <summary>Reads to the end of the requests, so that nothing of the stream is left when the answer goes out.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ReadOnlyRequestAsync(IMessage into)
    {
        if (_isRead)
        {
            return false;
        }

        while (true)
        {
            ReadResult result = await ReadBodyAsync();
            ReadOnlySequence<byte> buffer = result.Buffer;
            await TakeRoomAsync(buffer);
            if (!_isRead && TryParse(buffer, into, out SequencePosition end))
            {
                _isRead = true;
                buffer = buffer.Slice(end);
            }

            if (_isRead && !buffer.IsEmpty)
            {
                throw new CallException(CallStatusCode.Unimplemented, $"{Method.Path} takes one request, and there are more.");
            }

            Advance(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                return _isRead ? true
                    : buffer.IsEmpty ? throw new CallException(CallStatusCode.Unimplemented, $"{Method.Path} takes one request, and there is none.")
                    : throw new CallException(CallStatusCode.Internal, "The requests end within a message.");
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReadBodyAsync()
    {
        ReadResult result;
        try
        {
            result = await _reader.ReadAsync();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or BadHttpRequestException)
        {
            throw Ended(exception); // reset, connection lost, or a request too slow for the server's rate
        }

        if (result.IsCanceled || _over.IsCancellationRequested)
        {
            Advance(result.Buffer.Start, result.Buffer.Start);
            throw Ended();
        }

        return result;
    }

    // Nothing more is read, and the caller's window not extended, while it waits.
    private ValueTask TakeRoomAsync(in ReadOnlySequence<byte> buffer)
    {
        if (_hold.IsTaken)
        {
            return default;
        }

        long bytes = MessageFrame.MemoryBytes(buffer, server.Options.RequestBytesMax);
        if (bytes > RequestHold.UncountedBytes)
        {
            LinkToRequest(); // who waits does not learn of a reset otherwise
        }

        return _hold.TakeAsync(bytes, _over.Token);
    }

    // The web server throws here too when the stream was reset meanwhile.
    private void Advance(SequencePosition consumed, SequencePosition examined)
    {
        try
        {
            _reader.AdvanceTo(consumed, examined);
        }
        catch (IOException exception)
        {
            throw Ended(exception);
        }
    }

    private bool TryParse(in ReadOnlySequence<byte> buffer, IMessage into, out SequencePosition end)
    {
        end = default;
        int bytesMax = server.Options.RequestBytesMax;
        if (!MessageFrame.TryRead(buffer, bytesMax, out bool isCompressed, out ReadOnlySequence<byte> payload))
        {
            return false;
        }

        MessageFrame.Parse(payload, isCompressed, _requestEncoding, bytesMax, into);
        end = payload.End;
        return true;
    }

    private Task StartResponse()
    {
        _isStarted = true;
        HttpResponse response = _context.Response;
        response.ContentType = GrpcHeaders.ContentType;
        if (_responseEncoding == CallCompression.Gzip)
        {
            response.Headers[GrpcHeaders.Encoding] = GrpcHeaders.Gzip;
        }

        AddMetadata(_responseMetadata, response.Headers);
        return response.StartAsync();
    }

    private async ValueTask WriteAfterAsync(Task start, IMessage message)
    {
        await start;
        MessageFrame.Write(message, _responseEncoding, server.Options.ResponseBytesMax, _writer);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WriteAndFlushAsync(IMessage message)
    {
        LinkToRequest(); // a writer does not learn of a reset otherwise
        if (_over.IsCancellationRequested)
        {
            throw Ended();
        }

        if (!_isStarted)
        {
            await StartResponse();
        }

        int bytes = 0;
        bool isGone = false;
        if (_connection is not null)
        {
            bytes = message.CalculateSize();
            await _connection.Answers.TakeAsync(bytes, _over.Token);
        }

        try
        {
            if (_over.IsCancellationRequested)
            {
                throw Ended(); // while it waited
            }

            MessageFrame.Write(message, _responseEncoding, server.Options.ResponseBytesMax, _writer);
            ValueTask<FlushResult> flush = _writer.FlushAsync();
            if (flush.IsCompletedSuccessfully)
            {
                isGone = flush.Result.IsCompleted;
            }
            else
            {
                WatchFlush();
                try
                {
                    isGone = (await flush).IsCompleted;
                }
                finally
                {
                    lock (_gate)
                    {
                        _flushEndMilliseconds = 0;
                    }
                }
            }
        }
        finally
        {
            _connection?.Answers.Release(bytes);
        }

        // That the stream is gone is seen here first: whoever is told so by RequestAborted waits for a thread of the pool, which
        // handlers that go on writing into nothing would keep.
        if (isGone || _isStalled || _over.IsCancellationRequested)
        {
            throw Ended();
        }
    }

    private void WatchFlush()
    {
        TimeSpan patience = server.Options.StalledReaderTimeout;
        Volatile.Write(ref _flushEndMilliseconds, Environment.TickCount64 + (long)patience.TotalMilliseconds);
        _stall ??= new Timer(static state => ((GrpcServerCall)state!).LookForStall(), this, Timeout.Infinite, Timeout.Infinite);
        _stall.Change((long)patience.TotalMilliseconds + 1, Timeout.Infinite);
    }

    // A timer that fires for a write which has ended meanwhile finds 0, or a later end.
    private void LookForStall()
    {
        // A write that ends at this moment waits until its stream is reset: afterwards the request may be another's.
        lock (_gate)
        {
            if (_flushEndMilliseconds != 0 && Environment.TickCount64 >= _flushEndMilliseconds)
            {
                _isStalled = true;
                GrpcMeter.Limits.Add(1, GrpcMeter.StalledReader);
                Reset(ResetCalm);
            }
        }
    }

    /// <summary>Wakes what waits: at the deadline, or because the stream is gone.</summary>
    private void Wake()
    {
        try
        {
            _reader.CancelPendingRead();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The connection is gone, and whoever reads was told. This may be a timer's thread, where an exception ends the process.
        }

        if (Volatile.Read(ref _flushEndMilliseconds) != 0)
        {
            Reset(ResetCancel); // what is queued would keep the stream, and its end cannot overtake it
        }
    }

    private void Reset(int code)
    {
        _wasReset = true;
        _context.Features.Get<IHttpResetFeature>()?.Reset(code);
    }

    private void LinkToRequest()
    {
        if (!_isLinked)
        {
            _isLinked = true;
            _aborted = _context.RequestAborted.UnsafeRegister(static state => ((GrpcServerCall)state!)._over.Cancel(), this);
        }
    }

    private static void AddMetadata(CallMetadata metadata, IHeaderDictionary into)
    {
        for (int i = 0; i < metadata.Count; i++)
        {
            CallMetadataEntry entry = metadata[i];
            into.Append(entry.Name, entry.IsBinary ? GrpcHeaders.ToText(entry.Bytes.Span) : entry.Text);
        }
    }
}
