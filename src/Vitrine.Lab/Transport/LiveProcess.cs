using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Vitrine.Lab.Transport;

/// <summary>A <see cref="LiveAgent"/> in a process of its own.</summary>
/// <remarks>Watches one screen at a time.</remarks>
internal sealed class LiveProcess(ChildProcess child) : IAsyncDisposable
{
    /// <summary>Starts one.</summary>
    /// <param name="options">Of the lab.</param>
    /// <param name="start">Starts a program, here or in a namespace.</param>
    public static LiveProcess Start(LabOptions options, Func<string, IEnumerable<string>, ChildProcess> start) =>
        new(start(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "echo", "watch"]));

    /// <summary>Begins to watch.</summary>
    /// <returns>When the first picture is there, or why there is none: then nothing is watched.</returns>
    /// <exception cref="LaboratoryException">The agent is gone.</exception>
    public Task<LiveReady> BeginAsync(LiveWatch watch, CancellationToken cancellationToken) =>
        AskAsync(JsonSerializer.Serialize(watch, LiveJson.Default.LiveWatch), LiveJson.Default.LiveReady, cancellationToken);

    /// <summary>How far it is.</summary>
    /// <exception cref="LaboratoryException">The agent is gone.</exception>
    public Task<LiveGlance> GlanceAsync(CancellationToken cancellationToken) => AskAsync(LiveAgent.Glance, LiveJson.Default.LiveGlance, cancellationToken);

    /// <summary>Ends to watch.</summary>
    /// <returns>What was seen.</returns>
    /// <exception cref="LaboratoryException">The agent is gone.</exception>
    public Task<LiveResult> EndAsync(CancellationToken cancellationToken) => AskAsync("", LiveJson.Default.LiveResult, cancellationToken);

    public ValueTask DisposeAsync() => child.DisposeAsync();

    private async Task<T> AskAsync<T>(string line, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        await child.Input.WriteLineAsync(line.AsMemory(), cancellationToken);
        await child.Input.FlushAsync(cancellationToken);
        string answer = await child.Output.ReadLineAsync(cancellationToken) ?? throw new LaboratoryException($"The agent that watches has ended: {child.Errors}");
        return JsonSerializer.Deserialize(answer, type)!;
    }
}
