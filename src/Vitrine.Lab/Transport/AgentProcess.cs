using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Vitrine.Lab.Transport;

/// <summary>An agent in a process of its own: takes orders as lines of JSON, and answers each with one.</summary>
/// <remarks>One order at a time.</remarks>
internal abstract class AgentProcess<TOrder, TResult>(ChildProcess child, JsonTypeInfo<TOrder> order, JsonTypeInfo<TResult> result) : IAsyncDisposable
{
    public int ProcessId => child.Id;

    /// <summary>Has an order carried out; what went wrong with it stands in the result.</summary>
    /// <exception cref="LaboratoryException">The agent is gone.</exception>
    public async Task<TResult> PlayAsync(TOrder what, CancellationToken cancellationToken)
    {
        await child.Input.WriteLineAsync(JsonSerializer.Serialize(what, order).AsMemory(), cancellationToken);
        await child.Input.FlushAsync(cancellationToken);
        string line = await child.Output.ReadLineAsync(cancellationToken) ?? throw new LaboratoryException($"The agent has ended: {child.Errors}");
        return JsonSerializer.Deserialize(line, result)!;
    }

    public ValueTask DisposeAsync() => child.DisposeAsync();

    /// <summary>Starts this program as an agent.</summary>
    /// <param name="options">Of the lab.</param>
    /// <param name="role">What <c>vitrine echo</c> calls it.</param>
    /// <param name="start">Starts a program, here or in a namespace; null: here.</param>
    protected static ChildProcess Start(LabOptions options, string role, Func<string, IEnumerable<string>, ChildProcess>? start) =>
        (start ?? ((program, arguments) => ChildProcess.Start(program, arguments)))(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "echo", role]);
}

/// <summary>A <see cref="LoadAgent"/> in a process of its own.</summary>
internal sealed class LoadProcess(ChildProcess child) : AgentProcess<EchoLoad, EchoLoadResult>(child, EchoJson.Default.EchoLoad, EchoJson.Default.EchoLoadResult)
{
    /// <summary>Starts one.</summary>
    /// <param name="options">Of the lab.</param>
    /// <param name="start">Starts a program, here or in a namespace; null: here.</param>
    public static LoadProcess Start(LabOptions options, Func<string, IEnumerable<string>, ChildProcess>? start = null) => new(Start(options, "load", start));
}

/// <summary>An <see cref="AttackAgent"/> in a process of its own, which runs only when nobody else wants the processor.</summary>
/// <remarks>It stands for machines elsewhere: what the server spends on them counts, what they spend themselves must not.</remarks>
internal sealed class AttackProcess(ChildProcess child) : AgentProcess<AttackOrder, AttackResult>(child, EchoJson.Default.AttackOrder, EchoJson.Default.AttackResult)
{
    /// <summary>Starts one.</summary>
    /// <exception cref="MissingRequirementException">It would take processor time that belongs to the others.</exception>
    public static AttackProcess Start(LabOptions options)
    {
        string idle = ChildProcess.Find("chrt") ?? throw new MissingRequirementException("chrt", "util-linux");
        return new(Start(options, "attack", (program, arguments) => ChildProcess.Start(idle, ["--idle", "0", program, .. arguments])));
    }
}

/// <summary>A <see cref="HandshakeAgent"/> in a process of its own.</summary>
internal sealed class HandshakeProcess(ChildProcess child)
    : AgentProcess<HandshakeOrder, HandshakeResult>(child, EchoJson.Default.HandshakeOrder, EchoJson.Default.HandshakeResult)
{
    /// <summary>Starts one.</summary>
    public static HandshakeProcess Start(LabOptions options) => new(Start(options, "handshakes", null));
}

/// <summary>A <see cref="StreamAgent"/> in a process of its own.</summary>
internal sealed class StreamProcess(ChildProcess child) : AgentProcess<StreamOrder, StreamResult>(child, EchoJson.Default.StreamOrder, EchoJson.Default.StreamResult)
{
    /// <summary>Starts one.</summary>
    /// <param name="options">Of the lab.</param>
    /// <param name="start">Starts a program; null: as others are.</param>
    public static StreamProcess Start(LabOptions options, Func<string, IEnumerable<string>, ChildProcess>? start = null) => new(Start(options, "stream", start));

    /// <summary>As <see cref="AgentProcess{TOrder, TResult}.PlayAsync"/>.</summary>
    /// <exception cref="LaboratoryException">It went wrong.</exception>
    public async Task<StreamResult> OrderAsync(StreamOrder order, CancellationToken cancellationToken)
    {
        StreamResult result = await PlayAsync(order, cancellationToken);
        return result.Failure is { } failure ? throw new LaboratoryException(failure) : result;
    }
}
