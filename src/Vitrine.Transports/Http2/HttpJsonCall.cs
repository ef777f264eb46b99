using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Http2;

/// <summary>A call over one request of <see cref="HttpJsonChannel"/>.</summary>
/// <remarks>The only request of a method goes out with the end of the requests; one of many goes out as it is written.</remarks>
internal sealed class HttpJsonCall : ClientCall
{
    private const int ProblemBytesMax = 256 * 1024;

    private readonly HttpJsonChannel _channel;
    private readonly CallMethod _method;
    private readonly CallOptions _options;
    private readonly CancellationToken _caller;
    private readonly CancellationTokenSource _over;
    private readonly CancellationToken _ended; // of _over; usable when that is disposed of
    private readonly PooledBuffer _written;
    private readonly GrpcRequestContent? _stream; // when there may be many requests
    private readonly TaskCompletionSource<HttpResponseMessage> _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private HttpRequestMessage? _request;
    private HttpResponseMessage? _response;
    private PipeReader? _reader;
    private CallMetadata? _metadata;
    private CallException? _failure;
    private bool _isRead; // to the end
    private volatile bool _isDisposed;

    public HttpJsonCall(HttpJsonChannel channel, CallMethod method, CallOptions options, CancellationToken cancellation)
    {
        (_channel, _method, _options, _caller) = (channel, method, options, cancellation);
        _written = new(channel.Options.RequestBytesMax);
        _over = channel.CreateSource(options, cancellation);
        _ended = _over.Token;
        if (!method.TakesOneRequest)
        {
            _stream = new() { Headers = { ContentType = new(JsonServer.LinesType) } };
            Send(_stream);
        }
    }

    public override CallMetadata Trailers { get; } = new();

    public override async ValueTask WriteAsync(IMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (_stream is null && _written.Count > 0)
        {
            throw new InvalidOperationException($"{_method.Path} takes one request.");
        }

        try
        {
            JsonMessages.Write(message, _written);
        }
        catch (InvalidOperationException exception)
        {
            _written.Clear(); // of a part of it
            throw new CallException(CallStatusCode.ResourceExhausted, $"A request has at most {_channel.Options.RequestBytesMax} bytes as JSON.", innerException: exception);
        }

        if (_stream is null)
        {
            return;
        }

        try
        {
            _written.Write("\n"u8);
            Stream stream = await _stream.Opened;
            await stream.WriteAsync(_written.Written, _ended);
            await stream.FlushAsync(_ended);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or HttpRequestException or ObjectDisposedException or InvalidOperationException)
        {
            throw await ExplainAsync(exception);
        }
        finally
        {
            _written.Clear();
        }
    }

    public override ValueTask CompleteWritesAsync()
    {
        if (_stream is not null)
        {
            _stream.Complete();
        }
        else if (_request is null)
        {
            Send(new ReadOnlyMemoryContent(_written.Written) { Headers = { ContentType = new(JsonServer.JsonType) } });
        }

        return default;
    }

    public override async ValueTask<bool> ReadAsync(IMessage into)
    {
        ArgumentNullException.ThrowIfNull(into);
        try
        {
            if (_isRead || _failure is not null)
            {
                return _failure is null ? false : throw _failure;
            }

            await ReceiveAsync();
            return _method.GivesOneResponse ? await ReadOnlyAnswerAsync(into) : await ReadLineAsync(into);
        }
        catch (CallException exception)
        {
            _failure ??= exception; // whoever reads again gets the same
            throw;
        }
        catch (Exception exception)
        {
            throw Explain(exception);
        }
    }

    public override async ValueTask<CallMetadata> ReadMetadataAsync()
    {
        try
        {
            await ReceiveAsync();
        }
        catch (CallException) when (_response is not null)
        {
            // What came with a failure came all the same.
        }
        catch (Exception exception) when (exception is not CallException)
        {
            throw Explain(exception);
        }

        return _metadata!;
    }

    public override async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        if (_isRead)
        {
            _stream?.Complete();
        }
        else
        {
            _stream?.Abort();
            await _over.CancelAsync(); // RST_STREAM
        }

        if (_request is not null)
        {
            await ((Task)_answered.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_answered.Task.IsCompletedSuccessfully)
            {
                _answered.Task.Result.Dispose();
            }

            _request.Dispose();
        }

        _written.Clear();
        _over.Dispose();
    }

    private void Send(HttpContent content)
    {
        _request = _channel.CreateRequest(_method, _options, content);
        _ = SendAsync(_request);
    }

    private async Task SendAsync(HttpRequestMessage request)
    {
        try
        {
            _answered.TrySetResult(await _channel.SendAsync(request, _ended));
        }
        catch (Exception exception)
        {
            _answered.TrySetException(exception); // whoever reads or writes is told
            _ = _answered.Task.Exception;
            _stream?.Fail();
        }
    }

    /// <summary>Waits for the head of the answer.</summary>
    private async ValueTask ReceiveAsync()
    {
        if (_response is not null)
        {
            return;
        }

        HttpResponseMessage response = await _answered.Task.WaitAsync(_ended);
        _response = response;
        _metadata = new();
        Take(response.Headers, _metadata);
        string expected = _method.GivesOneResponse ? JsonServer.JsonType : JsonServer.LinesType;
        string? type = response.Content.Headers.ContentType?.MediaType;
        _reader = PipeReader.Create(await response.Content.ReadAsStreamAsync(_ended));
        if (response.StatusCode == HttpStatusCode.OK && type == expected)
        {
            return;
        }

        int status = (int)response.StatusCode;
        ReadOnlySequence<byte> body = type == Problem.ContentType ? await ReadToEndAsync(ProblemBytesMax) : default;
        Fail(body.IsEmpty ? new(Problem.OfHttpStatus(status), $"The server answered HTTP {status} with {type ?? "no type"}: that is not this interface.") : ReadProblem(body, status));
    }

    private async ValueTask<bool> ReadOnlyAnswerAsync(IMessage into)
    {
        ReadOnlySequence<byte> body = await ReadToEndAsync(_channel.Options.ResponseBytesMax);
        JsonMessages.ReadAnswer(body, into);
        End();
        return true;
    }

    private async ValueTask<bool> ReadLineAsync(IMessage into)
    {
        while (true)
        {
            ReadResult result = await _reader!.ReadAsync(_ended);
            ReadOnlySequence<byte> buffer = result.Buffer;
            SequencePosition? end = buffer.PositionOf((byte)'\n');
            ReadOnlySequence<byte> line = end is { } position ? buffer.Slice(0, position) : buffer;
            if (line.Length > _channel.Options.ResponseBytesMax)
            {
                Fail(TooLarge());
            }

            if (end is { } at)
            {
                CallException? problem = FindProblem(line);
                if (problem is null)
                {
                    JsonMessages.ReadAnswer(line, into);
                }

                _reader.AdvanceTo(buffer.GetPosition(1, at));
                if (problem is null)
                {
                    return true;
                }

                await ReadToEndAsync(ProblemBytesMax); // the trailers come after it
                Fail(problem);
            }

            if (result.IsCompleted)
            {
                if (!buffer.IsEmpty)
                {
                    Fail(new(CallStatusCode.Internal, "The answers end within a line."));
                }

                End();
                return false;
            }

            _reader.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    /// <summary>A line that says why the stream ends; null when it is a message.</summary>
    private CallException? FindProblem(in ReadOnlySequence<byte> line)
    {
        try
        {
            Utf8JsonReader json = new(line);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject || !json.Read() || json.TokenType != JsonTokenType.PropertyName || !json.ValueTextEquals(Problem.LineMember))
            {
                return null;
            }

            json.Read();
            using JsonDocument problem = JsonDocument.ParseValue(ref json);
            return Problem.Read(problem.RootElement, (int)HttpStatusCode.InternalServerError, _method.Descriptor.File);
        }
        catch (JsonException)
        {
            return null; // nor is it a message, as will be found
        }
    }

    private CallException ReadProblem(in ReadOnlySequence<byte> body, int status)
    {
        try
        {
            using JsonDocument problem = JsonDocument.Parse(body);
            return Problem.Read(problem.RootElement, status, _method.Descriptor.File);
        }
        catch (JsonException exception)
        {
            return new(Problem.OfHttpStatus(status), $"HTTP {status}, with problem details that are no JSON.", innerException: exception);
        }
    }

    private async ValueTask<ReadOnlySequence<byte>> ReadToEndAsync(int bytesMax)
    {
        while (true)
        {
            ReadResult result = await _reader!.ReadAsync(_ended);
            if (result.Buffer.Length > bytesMax)
            {
                Fail(TooLarge());
            }

            if (result.IsCompleted)
            {
                return result.Buffer;
            }

            _reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    private CallException TooLarge() => new(CallStatusCode.ResourceExhausted, $"An answer has more than {_channel.Options.ResponseBytesMax} bytes as JSON.");

    private void Fail(CallException failure)
    {
        _failure = failure;
        End();
        throw failure;
    }

    private void End()
    {
        _isRead = true;
        Take(_response!.TrailingHeaders, Trailers);
    }

    private CallException Explain(Exception exception) => _failure ??= _isDisposed
        ? new(CallStatusCode.Cancelled, "The call was given up.", innerException: exception)
        : _channel.Explain(exception, _options, _ended, _caller);

    /// <summary>Why a write failed: the call's own status, when the server has sent one.</summary>
    private async ValueTask<CallException> ExplainAsync(Exception exception)
    {
        try
        {
            await ReceiveAsync();
            return _failure ?? (_ended.IsCancellationRequested
                ? Explain(exception)
                : new(CallStatusCode.Cancelled, "The server has ended the call; its answers can still be read.", innerException: exception));
        }
        catch (Exception inner)
        {
            return Explain(inner);
        }
    }

    private static void Take(HttpHeaders headers, CallMetadata into)
    {
        foreach ((string name, HeaderStringValues values) in headers.NonValidated)
        {
            foreach (string value in values)
            {
                GrpcHeaders.Take(name, value, into);
            }
        }
    }
}
