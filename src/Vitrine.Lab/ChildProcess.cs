using System.Diagnostics;
using System.Text;

namespace Vitrine.Lab;

/// <summary>A program started by a lab and ended with it. Its error output is kept (the last 8 KB) for messages.</summary>
/// <remarks>Thread-safe to dispose; reading lines is for one thread.</remarks>
internal sealed class ChildProcess : IAsyncDisposable
{
    private const int ErrorCharactersMax = 8 << 10;
    private readonly Process _process;
    private readonly StringBuilder _errors = new();

    private ChildProcess(Process process) => _process = process;

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public StreamReader Output => _process.StandardOutput;

    public StreamWriter Input => _process.StandardInput;

    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString().Trim();
            }
        }
    }

    /// <summary>Path of a program on PATH, or null.</summary>
    public static string? Find(params string[] names)
    {
        foreach (string name in names)
        {
            foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
            {
                string path = Path.Combine(directory, name);
                if (File.Exists(path))
                {
                    return path;
                }
            }
        }

        return null;
    }

    public static ChildProcess Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach ((string key, string? value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[key] = value;
        }

        var child = new ChildProcess(Process.Start(start) ?? throw new LaboratoryException($"{program} did not start."));
        child._process.ErrorDataReceived += (_, line) => child.KeepError(line.Data);
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Exit code and standard output.</returns>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment, CancellationToken cancellationToken)
    {
        await using ChildProcess child = Start(program, arguments, environment);
        child.Input.Close();
        string output = await child.Output.ReadToEndAsync(cancellationToken);
        await child._process.WaitForExitAsync(cancellationToken);
        return (child._process.ExitCode, output, child.Errors);
    }

    /// <summary>Reads and drops what the program writes, so that it never waits for a full pipe.</summary>
    public void IgnoreOutput() => _ = Output.BaseStream.CopyToAsync(Stream.Null);

    /// <summary>Waits for the end.</summary>
    /// <returns>Whether it came in time.</returns>
    public async Task<bool> WaitForExitAsync(TimeSpan deadline)
    {
        using var timeout = new CancellationTokenSource(deadline);
        try
        {
            await _process.WaitForExitAsync(timeout.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Ends the program at once.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Asks the program to end (SIGTERM), and after two seconds makes it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            Signals.Terminate(_process.Id);
            if (!await WaitForExitAsync(TimeSpan.FromSeconds(2)))
            {
                _process.Kill(entireProcessTree: true);
                await WaitForExitAsync(TimeSpan.FromSeconds(5));
            }
        }

        _process.Dispose();
    }

    private void KeepError(string? line)
    {
        if (line is not null)
        {
            lock (_errors)
            {
                _errors.AppendLine(line);
                if (_errors.Length > ErrorCharactersMax)
                {
                    _errors.Remove(0, _errors.Length - ErrorCharactersMax);
                }
            }
        }
    }
}
