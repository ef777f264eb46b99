using System.Buffers;
using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vitrine.Lab.Browser;

/// <summary>A browser answered a command with an error, or a script in a page threw.</summary>
/// <param name="message">What the browser said.</param>
public sealed class DevToolsException(string message) : Exception(message);

/// <summary>The Chrome DevTools protocol: JSON commands and answers over one WebSocket to the browser, pages told apart by session
/// (flat mode).</summary>
/// <remarks>Thread-safe. Commands that wait when the browser goes end with <see cref="DevToolsException"/>.</remarks>
public sealed class DevToolsConnection : IAsyncDisposable
{
    /// <summary>Largest message taken, in bytes: a screenshot of an 8K page fits.</summary>
    public const int MessageBytesMax = 256 << 20;

    private readonly ClientWebSocket _socket = new();
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonElement>> _waiting = new();
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private Task _receiving = Task.CompletedTask;
    private volatile bool _closed;
    private long _lastId;

    private DevToolsConnection()
    {
    }

    /// <summary>Events of pages and of the browser: method, session, parameters. Called on the receiving task: return soon.</summary>
    public event Action<string, string?, JsonElement>? EventReceived;

    /// <summary>Connects to a browser.</summary>
    /// <param name="endpoint"><c>ws://127.0.0.1:PORT/devtools/browser/ID</c>.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public static async Task<DevToolsConnection> ConnectAsync(Uri endpoint, CancellationToken cancellationToken)
    {
        var connection = new DevToolsConnection();
        try
        {
            await connection._socket.ConnectAsync(endpoint, cancellationToken);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }

        connection._receiving = connection.ReceiveAsync();
        return connection;
    }

    /// <summary>Sends a command and waits for its answer.</summary>
    /// <param name="method">«Domain.command».</param>
    /// <param name="parameters">Its parameters.</param>
    /// <param name="sessionId">The page's session; null for the browser itself.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="DevToolsException">The browser refused, or is gone.</exception>
    public async Task<JsonElement> SendAsync(
        string method, JsonObject? parameters = null, string? sessionId = null, CancellationToken cancellationToken = default)
    {
        long id = Interlocked.Increment(ref _lastId);
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters ?? [] };
        if (sessionId is not null)
        {
            message["sessionId"] = sessionId;
        }

        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[id] = answer;
        try
        {
            byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(message, DevToolsJson.Default.JsonObject);
            await _sending.WaitAsync(cancellationToken);
            try
            {
                if (_closed)
                {
                    throw new DevToolsException($"{method}: the browser is gone.");
                }

                await _socket.SendAsync(bytes, WebSocketMessageType.Text, endOfMessage: true, cancellationToken);
            }
            catch (WebSocketException exception)
            {
                throw new DevToolsException($"{method}: the browser is gone ({exception.Message}).");
            }
            finally
            {
                _sending.Release();
            }

            return await answer.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            _waiting.TryRemove(id, out _);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _receiving;
        _socket.Dispose();
        _sending.Dispose();
        _stop.Dispose();
    }

    private async Task ReceiveAsync()
    {
        var buffer = new ArrayBufferWriter<byte>(64 << 10);
        try
        {
            while (true)
            {
                buffer.ResetWrittenCount();
                ValueWebSocketReceiveResult result;
                do
                {
                    result = await _socket.ReceiveAsync(buffer.GetMemory(64 << 10), _stop.Token);
                    buffer.Advance(result.Count);
                }
                while (!result.EndOfMessage && buffer.WrittenCount <= MessageBytesMax);

                if (result.MessageType == WebSocketMessageType.Close || buffer.WrittenCount > MessageBytesMax)
                {
                    return;
                }

                using JsonDocument document = JsonDocument.Parse(buffer.WrittenMemory);
                Dispatch(document.RootElement);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or WebSocketException)
        {
            // The browser or this connection ends: the waiting commands are told below.
        }
        finally
        {
            _closed = true;
            foreach (TaskCompletionSource<JsonElement> answer in _waiting.Values)
            {
                answer.TrySetException(new DevToolsException("The browser is gone."));
            }
        }
    }

    private void Dispatch(JsonElement message)
    {
        if (!message.TryGetProperty("id", out JsonElement id))
        {
            EventReceived?.Invoke(
                message.GetProperty("method").GetString()!,
                message.TryGetProperty("sessionId", out JsonElement session) ? session.GetString() : null,
                message.TryGetProperty("params", out JsonElement parameters) ? parameters.Clone() : default);
        }
        else if (_waiting.TryRemove(id.GetInt64(), out TaskCompletionSource<JsonElement>? answer))
        {
            if (message.TryGetProperty("error", out JsonElement error))
            {
                answer.TrySetException(new DevToolsException(error.GetProperty("message").GetString() ?? "error"));
            }
            else
            {
                answer.TrySetResult(message.GetProperty("result").Clone());
            }
        }
    }
}
