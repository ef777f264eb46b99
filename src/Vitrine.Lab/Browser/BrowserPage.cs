using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vitrine.Lab.Browser;

/// <summary>One page of a <see cref="Chromium"/>. What it prints to its console and what it throws is kept (the last 200 lines).</summary>
/// <remarks>Thread-safe.</remarks>
public sealed class BrowserPage
{
    private const int ConsoleLinesMax = 200;
    private readonly DevToolsConnection _connection;
    private readonly string _targetId;
    private readonly string _sessionId;
    private readonly Queue<string> _console = [];
    private TaskCompletionSource _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal BrowserPage(DevToolsConnection connection, string targetId, string sessionId)
    {
        (_connection, _targetId, _sessionId) = (connection, targetId, sessionId);
        _connection.EventReceived += OnEvent;
    }

    /// <summary>What the page printed and threw, oldest first.</summary>
    public IReadOnlyList<string> Console
    {
        get
        {
            lock (_console)
            {
                return [.. _console];
            }
        }
    }

    /// <summary>Goes to another address and waits until the document is loaded.</summary>
    public async Task NavigateAsync(string url, CancellationToken cancellationToken)
    {
        _loaded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        JsonElement answer = await SendAsync("Page.navigate", new JsonObject { ["url"] = url }, cancellationToken);
        if (answer.TryGetProperty("errorText", out JsonElement error))
        {
            throw new DevToolsException($"{url}: {error.GetString()}");
        }

        await _loaded.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);
    }

    /// <summary>Evaluates an expression; a promise is awaited.</summary>
    /// <returns>Its value as JSON; <see cref="JsonValueKind.Undefined"/> for undefined.</returns>
    /// <exception cref="DevToolsException">The script threw.</exception>
    public async Task<JsonElement> EvaluateAsync(string expression, CancellationToken cancellationToken)
    {
        JsonElement answer = await SendAsync(
            "Runtime.evaluate",
            new JsonObject { ["expression"] = expression, ["awaitPromise"] = true, ["returnByValue"] = true },
            cancellationToken);
        if (answer.TryGetProperty("exceptionDetails", out JsonElement details))
        {
            string? description = details.TryGetProperty("exception", out JsonElement thrown) && thrown.TryGetProperty("description", out JsonElement text)
                ? text.GetString()
                : details.GetProperty("text").GetString();
            throw new DevToolsException($"The page threw: {description}");
        }

        return answer.GetProperty("result").TryGetProperty("value", out JsonElement value) ? value : default;
    }

    /// <summary>Evaluates an expression again and again until it is true.</summary>
    /// <returns>False when it was not within the time.</returns>
    public async Task<bool> WaitUntilAsync(string expression, TimeSpan timeout, CancellationToken cancellationToken)
    {
        // The page itself polls once a frame: one command instead of many.
        string script = $$"""
            new Promise(done => {
              const end = performance.now() + {{(long)timeout.TotalMilliseconds}};
              const look = () => {
                let value = false;
                try { value = !!({{expression}}); } catch { value = false; }
                if (value || performance.now() > end) done(value); else setTimeout(look, 10);
              };
              look();
            })
            """;
        JsonElement value = await EvaluateAsync(script, cancellationToken);
        return value.ValueKind == JsonValueKind.True;
    }

    /// <summary>The page as a PNG file.</summary>
    public async Task<byte[]> TakeScreenshotAsync(CancellationToken cancellationToken)
    {
        JsonElement answer = await SendAsync("Page.captureScreenshot", new JsonObject { ["format"] = "png" }, cancellationToken);
        return answer.GetProperty("data").GetBytesFromBase64();
    }

    /// <summary>Presses and releases a key, as a person would.</summary>
    /// <param name="key">The DOM name: «f», «Escape», «?».</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task PressKeyAsync(string key, CancellationToken cancellationToken)
    {
        var down = new JsonObject { ["type"] = "keyDown", ["key"] = key };
        if (key.Length == 1)
        {
            down["text"] = key;
        }

        await SendAsync("Input.dispatchKeyEvent", down, cancellationToken);
        await SendAsync("Input.dispatchKeyEvent", new JsonObject { ["type"] = "keyUp", ["key"] = key }, cancellationToken);
    }

    /// <summary>Sends any command to this page.</summary>
    public Task<JsonElement> SendAsync(string method, JsonObject? parameters, CancellationToken cancellationToken) =>
        _connection.SendAsync(method, parameters, _sessionId, cancellationToken);

    /// <summary>Closes the page.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        _connection.EventReceived -= OnEvent;
        await _connection.SendAsync("Target.closeTarget", new JsonObject { ["targetId"] = _targetId }, null, cancellationToken);
    }

    internal async Task StartAsync(CancellationToken cancellationToken)
    {
        await SendAsync("Page.enable", null, cancellationToken);
        await SendAsync("Runtime.enable", null, cancellationToken);
    }

    private void OnEvent(string method, string? sessionId, JsonElement parameters)
    {
        if (sessionId != _sessionId)
        {
            return;
        }

        switch (method)
        {
            case "Page.loadEventFired":
                _loaded.TrySetResult();
                break;
            case "Runtime.consoleAPICalled":
                var line = new StringBuilder(parameters.GetProperty("type").GetString()).Append(':');
                foreach (JsonElement argument in parameters.GetProperty("args").EnumerateArray())
                {
                    line.Append(' ').Append(argument.TryGetProperty("value", out JsonElement value) ? value.ToString()
                        : argument.TryGetProperty("description", out JsonElement description) ? description.GetString() : "?");
                }

                Keep(line.ToString());
                break;
            case "Runtime.exceptionThrown":
                JsonElement details = parameters.GetProperty("exceptionDetails");
                Keep("thrown: " + (details.TryGetProperty("exception", out JsonElement thrown) && thrown.TryGetProperty("description", out JsonElement what)
                    ? what.GetString() : details.GetProperty("text").GetString()));
                break;
        }
    }

    private void Keep(string line)
    {
        lock (_console)
        {
            if (_console.Count == ConsoleLinesMax)
            {
                _console.Dequeue();
            }

            _console.Enqueue(line);
        }
    }
}
