using System.Diagnostics;
using System.Text;

namespace Vitrine.Cli.Tests;

/// <summary>The program itself, as its own process.</summary>
internal sealed class ProgramUnderTest : IDisposable
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();

    private ProgramUnderTest(Process process, string input)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Keep(_output, line.Data);
        process.ErrorDataReceived += (_, line) => Keep(_error, line.Data);
        process.Start();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public string Output => Text(_output);

    public string Error => Text(_error);

    public bool HasExited => _process.HasExited;

    /// <summary>Starts it. DISPLAY is that of <paramref name="display"/>, or unset.</summary>
    public static ProgramUnderTest Start(string? display, string? folder, params string[] arguments) => StartWith([], "", display, folder, arguments);

    /// <summary>Starts it with variables, and with text on its standard input.</summary>
    public static ProgramUnderTest StartWith(Dictionary<string, string> variables, string input, string? display, string? folder, params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "vitrine.dll");
        string host = Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "dotnet";
        // A shell ignores SIGINT for what it starts in the background, and so does whatever that starts.
        ProcessStartInfo start = new("env", ["--default-signal=INT", host, program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? Path.GetTempPath(),
        };
        start.Environment.Remove("DISPLAY");
        start.Environment.Remove("WAYLAND_DISPLAY");
        foreach (string variable in start.Environment.Keys.Where(key => key.StartsWith("VITRINE_", StringComparison.Ordinal)).ToArray())
        {
            start.Environment.Remove(variable);
        }

        start.Environment["VITRINE_EVENTS"] = "off"; // one host has the user's at a time
        if (display is not null)
        {
            start.Environment["DISPLAY"] = display;
        }

        foreach ((string variable, string value) in variables)
        {
            start.Environment[variable] = value;
        }

        return new ProgramUnderTest(new Process { StartInfo = start }, input);
    }

    /// <summary>Runs it to its end.</summary>
    public static (int ExitCode, string Output, string Error) Run(params string[] arguments) => RunOn(null, arguments);

    /// <summary>Runs it to its end with a display.</summary>
    public static (int ExitCode, string Output, string Error) RunOn(string? display, params string[] arguments)
    {
        using ProgramUnderTest program = Start(display, null, arguments);
        int exitCode = program.WaitForExit();
        return (exitCode, program.Output, program.Error);
    }

    public int WaitForExit()
    {
        Assert.True(_process.WaitForExit(Deadline), $"The program did not end.\n{Output}\n{Error}");
        _process.WaitForExit(); // and its output is read to the end
        return _process.ExitCode;
    }

    /// <summary>Sends a signal by name: INT, TERM, KILL.</summary>
    public void Signal(string name)
    {
        using Process kill = Process.Start("/bin/sh", ["-c", $"kill -{name} {_process.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>Waits until a file is there, or fails when the program ends before.</summary>
    public async Task WaitForFileAsync(string path)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(20));
        using CancellationTokenSource deadline = new(Deadline);
        while (!File.Exists(path))
        {
            Assert.False(_process.HasExited, $"The program ended.\n{Output}\n{Error}");
            await timer.WaitForNextTickAsync(deadline.Token);
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private static void Keep(StringBuilder text, string? line)
    {
        lock (text)
        {
            text.AppendLine(line);
        }
    }

    private static string Text(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }
}
