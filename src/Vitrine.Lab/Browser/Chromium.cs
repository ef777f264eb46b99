using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vitrine.Frames;

namespace Vitrine.Lab.Browser;

/// <summary>A real Chromium without a window, with a fresh profile that is removed with it.</summary>
public sealed class Chromium : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly string _profile;
    private readonly DevToolsConnection _connection;
    private bool _disposed;

    private Chromium(ChildProcess process, string profile, DevToolsConnection connection) =>
        (_process, _profile, _connection) = (process, profile, connection);

    /// <summary>The browser process.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Starts the browser.</summary>
    /// <param name="window">Size of its pages in CSS pixels.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <param name="deviceScale">Device pixels a CSS pixel.</param>
    /// <exception cref="MissingRequirementException">No Chromium is installed.</exception>
    /// <exception cref="DevToolsException">It does not start.</exception>
    public static async Task<Chromium> StartAsync(DeviceSize window, CancellationToken cancellationToken, double deviceScale = 1)
    {
        string program = ChildProcess.Find("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
            ?? throw new MissingRequirementException("Chromium", "chromium");
        string profile = Directory.CreateTempSubdirectory("vitrine-chromium-").FullName;
        // No sandbox: root has none. No timer or renderer throttling: a page in the background must measure like one in front.
        ChildProcess process = ChildProcess.Start(program,
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
            "--disable-backgrounding-occluded-windows", "--disable-dev-shm-usage", "--remote-debugging-port=0",
            "--user-data-dir=" + profile,
            string.Create(CultureInfo.InvariantCulture, $"--force-device-scale-factor={deviceScale}"),
            $"--window-size={window.Width},{window.Height}", "about:blank",
        ]);
        process.IgnoreOutput();
        try
        {
            Uri endpoint = await WaitForEndpointAsync(process, profile, cancellationToken);
            return new Chromium(process, profile, await DevToolsConnection.ConnectAsync(endpoint, cancellationToken));
        }
        catch
        {
            await process.DisposeAsync();
            RemoveProfile(profile);
            throw;
        }
    }

    /// <summary>Opens a page and waits until its document is loaded.</summary>
    public async Task<BrowserPage> OpenAsync(string url, CancellationToken cancellationToken)
    {
        JsonElement target = await _connection.SendAsync("Target.createTarget", new JsonObject { ["url"] = "about:blank" }, null, cancellationToken);
        string targetId = target.GetProperty("targetId").GetString()!;
        JsonElement attached = await _connection.SendAsync(
            "Target.attachToTarget", new JsonObject { ["targetId"] = targetId, ["flatten"] = true }, null, cancellationToken);
        var page = new BrowserPage(_connection, targetId, attached.GetProperty("sessionId").GetString()!);
        await page.StartAsync(cancellationToken);
        await page.NavigateAsync(url, cancellationToken);
        return page;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        try
        {
            await _connection.SendAsync("Browser.close", null, null, timeout.Token);
            await _process.WaitForExitAsync(TimeSpan.FromSeconds(3));
        }
        catch (Exception exception) when (exception is DevToolsException or OperationCanceledException)
        {
            // It is gone already, or does not listen: the process is ended below.
        }

        await _connection.DisposeAsync();
        await _process.DisposeAsync();
        RemoveProfile(_profile);
    }

    private static async Task<Uri> WaitForEndpointAsync(ChildProcess process, string profile, CancellationToken cancellationToken)
    {
        // The browser writes this file when it listens: first line the port, second the path.
        string file = Path.Combine(profile, "DevToolsActivePort");
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            if (TryReadEndpoint(file, out Uri? endpoint))
            {
                return endpoint;
            }

            if (process.HasExited)
            {
                throw new DevToolsException($"Chromium ended while starting: {process.Errors}");
            }

            try
            {
                await poll.WaitForNextTickAsync(deadline.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new DevToolsException("Chromium did not listen within 30 seconds.");
            }
        }
    }

    private static bool TryReadEndpoint(string file, [NotNullWhen(true)] out Uri? endpoint)
    {
        endpoint = null;
        if (!File.Exists(file))
        {
            return false;
        }

        string[] lines = File.ReadAllText(file).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return lines.Length >= 2 && Uri.TryCreate($"ws://127.0.0.1:{lines[0].Trim()}{lines[1].Trim()}", UriKind.Absolute, out endpoint);
    }

    // Children of the browser may still write for a moment after it has ended.
    private static void RemoveProfile(string profile)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                Directory.Delete(profile, recursive: true);
                return;
            }
            catch (DirectoryNotFoundException)
            {
                return;
            }
            catch (IOException) when (attempt < 50)
            {
                Thread.Sleep(20);
            }
        }
    }
}
