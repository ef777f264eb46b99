using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Net;
using System.Text.Json;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Primitives;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Http2;

/// <summary>A call over one HTTP request.</summary>
/// <remarks>One answer waits until the handler has ended, so that a failure is still a status; of many, each goes out as a line when it
/// is written. What is read of the request, compressed or not, is bounded before memory is taken for it.</remarks>
internal sealed class JsonServerCall : ServerCall, IDisposable
{
    // Base64 as UTF-16 and as UTF-8.
    private const int TextBytesPerByte = 4;

    // A request's text as it came, twice as UTF-16 while the parser has it, and what it says.
    private const int RequestBytesPerByte = 6;

    private readonly HttpContext _context;
    private readonly PeerConnection? _connection;
    private readonly JsonServerOptions _options;
    private readonly PipeReader _reader;
    private readonly CancellationTokenSource _over;
    private readonly CancellationTokenSource? _deadlineTimer;
    private readonly PooledBuffer _answer;
    private readonly RequestHold _hold = new();
    private CallMetadata? _requestMetadata;
    private int _roomBytes;
    private readonly bool _isGzip;
    private bool _isRead;
    private bool _isWritten;
    private bool? _isPlain; // whether the data of the answers is sent, and not the messages; null before the first
    private bool _isStalled;

    public JsonServerCall(HttpContext context, PeerConnection? connection, JsonRoute route, ViewerGrants grants, CallDeadline deadline, bool isGzip, JsonServerOptions options)
    {
        (_context, _connection, Route, Grants, Deadline, _options) = (context, connection, route, grants, deadline, options);
        HttpRequest request = context.Request;
        _hold.Begin(connection);
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = Method.TakesOneRequest ? options.RequestBytesMax : null; // a stream is bounded by line
        }

        if (!Method.TakesOneRequest && context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null; // a stream of requests may rest
        }

        _isGzip = isGzip;
        _reader = isGzip ? PipeReader.Create(new GZipStream(request.Body, CompressionMode.Decompress, leaveOpen: true)) : request.BodyReader;
        _answer = new(options.ResponseBytesMax);
        if (!deadline.IsNone && deadline.Remaining(options.Time) is var left && left < s_timerMax)
        {
            _deadlineTimer = new(left, options.Time);
            _over = CancellationTokenSource.CreateLinkedTokenSource(_deadlineTimer.Token, context.RequestAborted);
        }
        else
        {
            _over = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        }
    }

    // The longest that a timer takes; a deadline beyond it is none in practice.
    private static readonly TimeSpan s_timerMax = TimeSpan.FromMilliseconds(uint.MaxValue - 2);

    public JsonRoute Route { get; }

    public override CallMethod Method => Route.Method;

    public override string Peer => new IPEndPoint(_context.Connection.RemoteIpAddress ?? IPAddress.None, _context.Connection.RemotePort).ToString();

    public override string Transport => "json";

    public override ViewerGrants Grants { get; }

    public override CallDeadline Deadline { get; }

    public override CancellationToken Cancelled => _over.Token;

    public override CallMetadata ResponseMetadata { get; } = new();

    public override CallMetadata Trailers { get; } = new();

    public override CallMetadata RequestMetadata => _requestMetadata ??= ReadMetadata(_context.Request.Headers);

    /// <summary>HTTP status of a failure that HTTP has a status of its own for.</summary>
    public int? FailureStatus { get; private set; }

    /// <summary>Bytes of the request that could not be read as what they should be; null: none yet.</summary>
    public long? MalformedBytes { get; private set; }

    /// <summary>Whether the call is over before the handler: deadline, caller gone, stalled reader.</summary>
    public bool IsOver => _isStalled || _over.IsCancellationRequested;

    public override ValueTask<bool> ReadAsync(IMessage into)
    {
        ArgumentNullException.ThrowIfNull(into);
        return Method.TakesOneRequest ? ReadOnlyRequestAsync(into) : ReadLineAsync(into);
    }

    public override ValueTask WriteAsync(IMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (Method.GivesOneResponse)
        {
            if (_isWritten)
            {
                throw new InvalidOperationException($"{Method.Path} gives one answer.");
            }

            _isWritten = true;
            return WriteOnlyAsync(message);
        }

        return WriteLineAsync(message);
    }

    /// <summary>What the handler owes although it ended normally.</summary>
    public CallException? Verify() => Method.GivesOneResponse && !_isWritten
        ? new(CallStatusCode.Internal, $"The handler of {Method.Path} gave no answer.")
        : null;

    /// <summary>Why a call is over.</summary>
    public CallException Ended(Exception? cause = null)
    {
        // The timer may fire a little before the clock says so.
        if (_deadlineTimer is { IsCancellationRequested: true } || (!Deadline.IsNone && Deadline.Remaining(_options.Time) == TimeSpan.Zero))
        {
            return new(CallStatusCode.DeadlineExceeded, "The deadline passed.", innerException: cause);
        }

        return _isStalled
            ? new(CallStatusCode.ResourceExhausted, "The caller did not read its answers.", innerException: cause)
            : new(CallStatusCode.Cancelled, "The caller gave up, or its connection is lost.", innerException: cause);
    }

    public override void Abort() => _over.Cancel();

    /// <summary>Sends the end.</summary>
    public async ValueTask FinishAsync(CallException? failure)
    {
        HttpResponse response = _context.Response;
        if (_isStalled || _context.RequestAborted.IsCancellationRequested)
        {
            return; // nobody reads it
        }

        try
        {
            if (failure is null)
            {
                Start(); // of a stream without answers
                AppendTrailers();
                if (Method.GivesOneResponse)
                {
                    response.ContentLength = _answer.Count;
                    await FlushAsync(_answer.Written);
                }
            }
            else if (!response.HasStarted)
            {
                AddMetadata(ResponseMetadata, response.Headers.Append);
                AppendTrailers();
                await JsonServer.RefuseAsync(_context, failure, FailureStatus, Method);
            }
            else if (_isPlain == true)
            {
                _context.Abort(); // half a file has no place for a reason
            }
            else
            {
                AppendTrailers();
                _answer.Clear();
                using (Utf8JsonWriter line = new(_answer, Problem.WriterOptions))
                {
                    line.WriteStartObject();
                    line.WritePropertyName(Problem.LineMember);
                    Problem.Write(failure, FailureStatus, Method.Descriptor.File, line);
                    line.WriteEndObject();
                }

                _answer.Write("\n"u8);
                await FlushAsync(_answer.Written);
            }
        }
        catch (CallException)
        {
            // The caller has gone, or did not take the end in time and was cut off.
        }
    }

    public void Dispose()
    {
        GiveBack();
        _hold.GiveBack();
        if (_isGzip)
        {
            _reader.Complete(); // ours; the request's own is the web server's
        }

        _over.Dispose();
        _deadlineTimer?.Dispose();
    }

    private async ValueTask<bool> ReadOnlyRequestAsync(IMessage into)
    {
        if (_isRead)
        {
            return false;
        }

        _isRead = true;
        if (HttpMethods.IsGet(_context.Request.Method))
        {
            JsonMessages.ReadQuery(_context.Request.Query, into);
            return true;
        }

        while (true)
        {
            ReadResult result = await ReadBodyAsync();
            if (result.Buffer.Length > _options.RequestBytesMax)
            {
                throw TooLarge();
            }

            // A length that was told is that of the body as it comes, which may be compressed.
            await TakeRoomAsync(result.Buffer.Length, result.IsCompleted ? result.Buffer.Length : _isGzip ? null : _context.Request.ContentLength);
            if (result.IsCompleted)
            {
                // Nothing at all is the message without fields: «curl -X POST» needs no body.
                Parse(result.Buffer.IsEmpty ? new("{}"u8.ToArray()) : result.Buffer, into);
                _reader.AdvanceTo(result.Buffer.End);
                return true;
            }

            _reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    private async ValueTask<bool> ReadLineAsync(IMessage into)
    {
        _hold.GiveBack();
        while (true)
        {
            ReadResult result = await ReadBodyAsync();
            ReadOnlySequence<byte> buffer = result.Buffer;
            SequencePosition? end = buffer.PositionOf((byte)'\n');
            ReadOnlySequence<byte> line = end is { } position ? buffer.Slice(0, position) : buffer;
            if (line.Length > _options.RequestBytesMax)
            {
                throw TooLarge();
            }

            await TakeRoomAsync(line.Length, end is null && !result.IsCompleted ? null : line.Length);
            if (end is null && !result.IsCompleted)
            {
                _reader.AdvanceTo(buffer.Start, buffer.End);
                continue;
            }

            bool isBlank = IsBlank(line);
            if (!isBlank)
            {
                Parse(line, into);
            }

            _reader.AdvanceTo(end is { } at ? buffer.GetPosition(1, at) : buffer.End);
            if (!isBlank)
            {
                return true;
            }

            if (end is null)
            {
                return false;
            }
        }
    }

    private void Parse(in ReadOnlySequence<byte> utf8, IMessage into)
    {
        try
        {
            JsonMessages.ReadRequest(utf8, into);
        }
        catch (CallException)
        {
            MalformedBytes = utf8.Length;
            throw;
        }
    }

    private async ValueTask<ReadResult> ReadBodyAsync()
    {
        try
        {
            return await _reader.ReadAsync(_over.Token);
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw TooLarge();
        }
        catch (InvalidDataException exception)
        {
            MalformedBytes = 0;
            throw new CallException(CallStatusCode.InvalidArgument, "The body is no gzip.", innerException: exception);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or BadHttpRequestException)
        {
            throw Ended(exception); // reset, connection lost, or a request too slow for the server's rate
        }
    }

    /// <summary>Takes room for a request of which a part has come. Nothing more is read, and the caller's window not extended, while it waits.</summary>
    /// <param name="come">So much of it.</param>
    /// <param name="length">All of it; null: not known, so that it may be the largest.</param>
    private async ValueTask TakeRoomAsync(long come, long? length)
    {
        long bytes = RequestBytesPerByte * Math.Min(length ?? _options.RequestBytesMax, _options.RequestBytesMax);
        if (_hold.IsTaken)
        {
            _hold.Lower(bytes);
        }
        else if (Math.Max(come, length ?? 0) > RequestHold.UncountedBytes)
        {
            await _hold.TakeAsync(bytes, _over.Token);
        }
    }

    private CallException TooLarge()
    {
        FailureStatus = StatusCodes.Status413PayloadTooLarge;
        JsonMeter.Limits.Add(1, JsonMeter.MessageBytes);
        return new(CallStatusCode.ResourceExhausted, $"A request message has at most {_options.RequestBytesMax} bytes as JSON.");
    }

    private void WriteAnswer(IMessage message)
    {
        try
        {
            if (_isPlain is null)
            {
                string mediaType = Route.HasPlainForm ? (string)Route.MediaTypeField!.Accessor.GetValue(message) : "";
                _isPlain = mediaType.Length > 0 && IsAsked(mediaType);
                if (_isPlain == true)
                {
                    _context.Response.ContentType = mediaType;
                }
            }

            if (_isPlain == true)
            {
                _answer.Write(((ByteString)Route.DataField!.Accessor.GetValue(message)).Span);
            }
            else
            {
                JsonMessages.Write(message, _answer);
            }
        }
        catch (InvalidOperationException exception)
        {
            throw new CallException(CallStatusCode.ResourceExhausted, $"An answer has at most {_options.ResponseBytesMax} bytes as JSON.", innerException: exception);
        }
    }

    /// <summary>Whether the caller asks for a media type by name (<c>image/png</c>, <c>image/*</c>) and not for JSON.</summary>
    private bool IsAsked(string mediaType)
    {
        string group = mediaType[..(mediaType.IndexOf('/', StringComparison.Ordinal) + 1)] + "*";
        bool isAsked = false;
        foreach (string? value in _context.Request.Headers.Accept)
        {
            foreach (Range part in value.AsSpan().Split(','))
            {
                ReadOnlySpan<char> range = value.AsSpan()[part];
                int parameters = range.IndexOf(';');
                range = (parameters < 0 ? range : range[..parameters]).Trim();
                if (range.Equals(JsonServer.JsonType, StringComparison.OrdinalIgnoreCase))
                {
                    return false;
                }

                isAsked |= range.Equals(mediaType, StringComparison.OrdinalIgnoreCase) || range.Equals(group, StringComparison.OrdinalIgnoreCase);
            }
        }

        return isAsked;
    }

    /// <summary>Takes room for an answer, as the text that it becomes and the bytes of that.</summary>
    private async ValueTask TakeRoomAsync(IMessage message)
    {
        if (_connection is not null)
        {
            int bytes = (int)Math.Min(int.MaxValue, TextBytesPerByte * (long)message.CalculateSize());
            await _connection.Answers.TakeAsync(bytes, _over.Token);
            _roomBytes = bytes;
        }
    }

    private void GiveBack()
    {
        _answer.Clear();
        _connection?.Answers.Release(_roomBytes);
        _roomBytes = 0;
    }

    private async ValueTask WriteOnlyAsync(IMessage message)
    {
        await TakeRoomAsync(message);
        WriteAnswer(message);
    }

    private async ValueTask WriteLineAsync(IMessage message)
    {
        if (IsOver)
        {
            throw Ended();
        }

        await TakeRoomAsync(message);
        try
        {
            if (IsOver)
            {
                throw Ended(); // while it waited
            }

            WriteAnswer(message);
            if (_isPlain != true)
            {
                _answer.Write("\n"u8);
            }

            if (!_isWritten)
            {
                _isWritten = true;
                Start();
            }

            await FlushAsync(_answer.Written);
        }
        finally
        {
            GiveBack();
        }
    }

    private void Start()
    {
        HttpResponse response = _context.Response;
        if (response.HasStarted)
        {
            return;
        }

        response.ContentType ??= Method.GivesOneResponse ? JsonServer.JsonType : JsonServer.LinesType;
        response.Headers.CacheControl = "no-store";
        AddMetadata(ResponseMetadata, response.Headers.Append);
    }

    /// <summary>Ends when the transport took it. A caller that does not read is cut off after a while.</summary>
    private async ValueTask FlushAsync(ReadOnlyMemory<byte> bytes)
    {
        ValueTask<FlushResult> flush = _context.Response.BodyWriter.WriteAsync(bytes);
        FlushResult flushed;
        try
        {
            flushed = flush.IsCompletedSuccessfully ? flush.Result : await flush.AsTask().WaitAsync(_options.StalledReaderTimeout, _options.Time, _over.Token);
        }
        catch (TimeoutException)
        {
            _isStalled = true;
            JsonMeter.Limits.Add(1, JsonMeter.StalledReader);
            _context.Abort();
            throw Ended();
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            _context.Abort(); // what is queued would keep the stream, and its end cannot overtake it
            throw Ended(exception);
        }

        if (flushed.IsCompleted)
        {
            // The stream is gone. Whoever is told so by RequestAborted waits for a thread of the pool, which handlers that go on
            // writing into nothing would keep.
            throw Ended();
        }
    }

    private void AppendTrailers()
    {
        if (_context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers is { IsReadOnly: false } trailers)
        {
            AddMetadata(Trailers, trailers.Append);
        }
    }

    private static bool IsBlank(in ReadOnlySequence<byte> line)
    {
        foreach (ReadOnlyMemory<byte> part in line)
        {
            if (part.Span.ContainsAnyExcept(" \t\r"u8))
            {
                return false;
            }
        }

        return true;
    }

    private static CallMetadata ReadMetadata(IHeaderDictionary headers)
    {
        CallMetadata metadata = new();
        foreach ((string name, StringValues values) in headers)
        {
            foreach (string? value in values)
            {
                GrpcHeaders.Take(name, value ?? "", metadata, JsonMeter.Limits);
            }
        }

        return metadata;
    }

    private static void AddMetadata(CallMetadata metadata, Action<string, StringValues> append)
    {
        foreach (CallMetadataEntry entry in metadata)
        {
            append(entry.Name, entry.IsBinary ? GrpcHeaders.ToText(entry.Bytes.Span) : entry.Text);
        }
    }
}
