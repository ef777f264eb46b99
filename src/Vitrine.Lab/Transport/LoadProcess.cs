using System.Text.Json;

namespace Vitrine.Lab.Transport;

/// <summary>A <see cref="LoadAgent"/> in a process of its own.</summary>
/// <remarks>One load at a time.</remarks>
internal sealed class LoadProcess(ChildProcess child) : IAsyncDisposable
{
    public int ProcessId => child.Id;

    /// <summary>Starts one.</summary>
    /// <param name="options">Of the lab.</param>
    /// <param name="start">Starts a program, here or in a namespace; null: here.</param>
    public static LoadProcess Start(LabOptions options, Func<string, IEnumerable<string>, ChildProcess>? start = null) =>
        new((start ?? ((program, arguments) => ChildProcess.Start(program, arguments)))(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "echo", "load"]));

    /// <summary>Plays a load; what went wrong with it stands in the result.</summary>
    /// <exception cref="LaboratoryException">The agent is gone.</exception>
    public async Task<EchoLoadResult> PlayAsync(EchoLoad load, CancellationToken cancellationToken)
    {
        await child.Input.WriteLineAsync(JsonSerializer.Serialize(load, EchoJson.Default.EchoLoad).AsMemory(), cancellationToken);
        await child.Input.FlushAsync(cancellationToken);
        string line = await child.Output.ReadLineAsync(cancellationToken) ?? throw new LaboratoryException($"The load agent has ended: {child.Errors}");
        return JsonSerializer.Deserialize(line, EchoJson.Default.EchoLoadResult)!;
    }

    public ValueTask DisposeAsync() => child.DisposeAsync();
}
