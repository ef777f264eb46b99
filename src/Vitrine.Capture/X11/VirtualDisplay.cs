using System.Diagnostics;
using System.Globalization;
using System.Text;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>A private X display without a screen: an Xvfb of our own.</summary>
/// <remarks>Only this user can connect to it. Ends with <see cref="Dispose"/>, and with this process however that ends: Linux signals a child when the
/// <i>thread</i> that started it ends, so one thread starts the server and stays until it is gone.</remarks>
public sealed class VirtualDisplay : IDisposable
{
    private static readonly TimeSpan s_startTimeout = TimeSpan.FromSeconds(20); // 0.1 s is usual; a loaded machine takes some
    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(3);
    private const int StandardErrorCharsMax = 4096;

    private readonly Process _process;
    private readonly Thread _owner;
    private readonly CancellationTokenSource _ended;
    private bool _disposed;

    private VirtualDisplay(Process process, Thread owner, CancellationTokenSource ended, string displayName, DeviceSize size)
    {
        _process = process;
        _owner = owner;
        _ended = ended;
        DisplayName = displayName;
        ProcessId = process.Id;
        Size = size;
        Ended = ended.Token;
    }

    /// <summary>Such as <c>:1</c>.</summary>
    public string DisplayName { get; }

    /// <summary>The server's process.</summary>
    public int ProcessId { get; }

    /// <summary>The size asked for; RandR can make the screen smaller, not larger.</summary>
    public DeviceSize Size { get; }

    /// <summary>Whether the server runs no more.</summary>
    public bool HasExited => Ended.IsCancellationRequested;

    /// <summary>Cancelled when the server has ended.</summary>
    public CancellationToken Ended { get; }

    /// <summary>Starts a server and waits until clients can connect.</summary>
    /// <param name="size">Size of its screen.</param>
    /// <param name="error">When null is returned: a sentence that says what is wrong and what mends it.</param>
    /// <param name="depth">Bits of colour; 24 is what capture reads.</param>
    /// <param name="arguments">More arguments for Xvfb, such as <c>-extension MIT-SHM</c>.</param>
    /// <returns>The display, owned by the caller, or null.</returns>
    public static VirtualDisplay? TryStart(DeviceSize size, out string error, int depth = 24, params ReadOnlySpan<string> arguments)
    {
        string? server = FindProgram("Xvfb");
        if (server is null)
        {
            error = "The program Xvfb is missing. Install it: apt-get install xvfb.";
            return null;
        }

        ProcessStartInfo start = new() { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        if (FindProgram("setpriv") is string setpriv)
        {
            start.FileName = setpriv; // becomes the server: same process id
            start.ArgumentList.Add("--pdeathsig");
            start.ArgumentList.Add("TERM");
            start.ArgumentList.Add("--");
            start.ArgumentList.Add(server);
        }
        else
        {
            start.FileName = server;
        }

        // -noreset: without it the server starts over, and drops everything, when its last client leaves.
        string screen = string.Create(CultureInfo.InvariantCulture, $"{size.Width}x{size.Height}x{depth}");
        foreach (string argument in (ReadOnlySpan<string>)["-displayfd", "1", "-screen", "0", screen, "-noreset", "-nolisten", "tcp", .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        Process process = new() { StartInfo = start };
        StringWriter complaints = new(CultureInfo.InvariantCulture);
        process.ErrorDataReceived += (_, line) => Keep(complaints, line.Data);
        CancellationTokenSource ended = new();
        TaskCompletionSource<Exception?> started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread owner = new(() => Own(process, started, ended), 128 * 1024) { IsBackground = true, Name = "virtual display" };
        owner.Start();
        if (started.Task.GetAwaiter().GetResult() is Exception failure)
        {
            error = $"Xvfb cannot be started: {failure.Message}";
            Discard(process, owner, ended);
            return null;
        }

        process.BeginErrorReadLine();
        string? number = ReadDisplayNumber(process);
        if (number is null)
        {
            Discard(process, owner, ended);
            string said = complaints.ToString().Trim();
            error = $"Xvfb did not start{(said.Length > 0 ? ": " + said.ReplaceLineEndings("; ") : " in time.")}";
            return null;
        }

        VirtualDisplay display = new(process, owner, ended, ":" + number, size);
        error = display.AdmitOnlyThisUser();
        if (error.Length > 0)
        {
            display.Dispose();
            return null;
        }

        return display;
    }

    /// <summary>Ends the server and waits until it is gone.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            Discard(_process, _owner, _ended);
        }
    }

    // An X server without a cookie file lets every user of the machine in; this one is private.
    private string AdmitOnlyThisUser()
    {
        using X11Connection? connection = X11Connection.TryOpen(DisplayName, out string error, requireColour: false);
        if (connection is null)
        {
            return error;
        }

        byte[] user = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"localuser\0#{LibC.geteuid()}"));
        XcbConnection handle = connection.Handle;
        bool restricted = connection.Check(LibXcb.xcb_change_hosts_checked(handle, 0, LibXcb.HostFamilyServerInterpreted, (ushort)user.Length, user)) == 0
            && connection.Check(LibXcb.xcb_change_hosts_checked(handle, 1, LibXcb.HostFamilyLocal, 0, default)) == 0;
        return restricted ? "" : $"The private display {DisplayName} cannot be closed to other users of this machine.";
    }

    private static void Own(Process process, TaskCompletionSource<Exception?> started, CancellationTokenSource ended)
    {
        try
        {
            process.Start();
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
        {
            started.SetResult(e);
            return;
        }

        started.SetResult(null);
        process.WaitForExit();
        ended.Cancel();
    }

    private static string? ReadDisplayNumber(Process process)
    {
        using CancellationTokenSource timeout = new(s_startTimeout);
        try
        {
            string? line = process.StandardOutput.ReadLineAsync(timeout.Token).AsTask().GetAwaiter().GetResult();
            return int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? line : null;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private static void Discard(Process process, Thread owner, CancellationTokenSource ended)
    {
        try
        {
            // A server that is asked removes its socket and its lock file; one that does not listen is killed.
            _ = LibC.kill(process.Id, LibC.SignalTerminate);
            if (!process.WaitForExit(s_stopTimeout))
            {
                process.Kill();
            }

            process.WaitForExit(); // without a limit it also waits for the last of what the server said
        }
        catch (InvalidOperationException)
        {
            // Never started, or gone already.
        }

        owner.Join();
        process.Dispose();
        ended.Dispose();
    }

    // Only the end matters to who reads the message; a server that chatters must not fill memory.
    private static void Keep(StringWriter complaints, string? line)
    {
        lock (complaints)
        {
            if (line is not null && complaints.GetStringBuilder().Length + line.Length <= StandardErrorCharsMax)
            {
                complaints.WriteLine(line);
            }
        }
    }

    private static string? FindProgram(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
}
