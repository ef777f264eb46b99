using System.Globalization;
using System.Reflection;

namespace Vitrine.Lab.Peers;

/// <summary>The same full-frame loop in C, compiled when the lab runs, grabbing on command so that its rounds lie between ours.</summary>
internal sealed class CLoopPeer : IAsyncDisposable
{
    private readonly ChildProcess _child;
    private readonly string _directory;

    private CLoopPeer(ChildProcess child, string directory) => (_child, _directory) = (child, directory);

    public int ProcessId => _child.Id;

    /// <summary>Compiles and starts it.</summary>
    /// <returns>The peer, or why there is none.</returns>
    public static async Task<(CLoopPeer? Peer, string Reason)> TryStartAsync(string display, CancellationToken cancellationToken)
    {
        if (ChildProcess.Find("cc", "gcc", "clang") is not string compiler)
        {
            return (null, "no C compiler; install gcc libx11-dev libxext-dev");
        }

        string directory = Directory.CreateTempSubdirectory("vitrine-c-loop-").FullName;
        string source = Path.Combine(directory, "c-loop.c"), program = Path.Combine(directory, "c-loop");
        await using (Stream resource = Assembly.GetExecutingAssembly().GetManifestResourceStream("c-loop.c")!)
        await using (FileStream file = File.Create(source))
        {
            await resource.CopyToAsync(file, cancellationToken);
        }

        (int exitCode, _, string errors) = await ChildProcess.RunAsync(compiler, ["-O2", "-o", program, source, "-lX11", "-lXext"], null, cancellationToken);
        if (exitCode != 0)
        {
            Directory.Delete(directory, recursive: true);
            return (null, $"it does not compile ({errors.Split('\n')[0]}); install gcc libx11-dev libxext-dev");
        }

        var peer = new CLoopPeer(ChildProcess.Start(program, [], new Dictionary<string, string?> { ["DISPLAY"] = display }), directory);
        string? ready = await peer._child.Output.ReadLineAsync(cancellationToken);
        if (ready?.StartsWith("ready ", StringComparison.Ordinal) != true)
        {
            string reason = peer._child.Errors;
            await peer.DisposeAsync();
            return (null, $"it does not start: {reason}");
        }

        return (peer, string.Empty);
    }

    /// <summary>One round.</summary>
    public async Task RunRoundAsync(RoundSeries series, int count, CancellationToken cancellationToken)
    {
        await _child.Input.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"run {count}"));
        await _child.Input.FlushAsync(cancellationToken);
        string line = await _child.Output.ReadLineAsync(cancellationToken) ?? throw new LaboratoryException($"c-loop ended: {_child.Errors}");
        foreach (string number in line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            series.Record(long.Parse(number, CultureInfo.InvariantCulture));
        }

        series.EndRound();
    }

    public async ValueTask DisposeAsync()
    {
        _child.Input.Close(); // end of its commands: it leaves by itself
        await _child.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }
}
