using System.Text.Json;

namespace Vitrine.Lab.Transport;

/// <summary>Attacks an echo server with malicious clients, in a process of its own. Reads one <see cref="AttackOrder"/> a line, and writes
/// one <see cref="AttackResult"/>.</summary>
public static class AttackAgent
{
    /// <summary>Works until the input ends.</summary>
    /// <remarks>Attacks nobody but this machine.</remarks>
    public static async Task RunAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            AttackResult result;
            try
            {
                AttackOrder order = JsonSerializer.Deserialize(line, EchoJson.Default.AttackOrder) ?? throw new JsonException("null");
                result = await PlayAsync(order, cancellationToken);
            }
            catch (Exception exception) when (exception is JsonException or ArgumentException or FormatException or PlatformNotSupportedException)
            {
                result = new() { Failure = exception.Message };
            }

            await output.WriteLineAsync(JsonSerializer.Serialize(result, EchoJson.Default.AttackResult));
            await output.FlushAsync(cancellationToken);
        }
    }

    private static async Task<AttackResult> PlayAsync(AttackOrder order, CancellationToken cancellationToken)
    {
        if (!System.Net.IPAddress.IsLoopback(System.Net.IPEndPoint.Parse(order.Address).Address) || order.Kinds.Count == 0)
        {
            throw new ArgumentException("Only this machine is attacked, and in some way.");
        }

        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Attacker[] attackers = [.. Enumerable.Range(0, order.Clients).Select(number => Attacker.Create(order, number))];
        over.CancelAfter(TimeSpan.FromSeconds(order.Seconds));
        Task attacking = Task.WhenAll(attackers.Select(attacker => attacker.RunAsync(over.Token)));
        if (order.EndsWhenStruck)
        {
            await Conditions.WaitAsync(() => attackers.All(attacker => attacker.Blows > 0), TimeSpan.FromSeconds(order.Seconds), TimeProvider.System, cancellationToken);
            await over.CancelAsync();
        }

        await attacking;
        cancellationToken.ThrowIfCancellationRequested();
        return new()
        {
            Connections = Sum(attacker => attacker.Connections),
            Blows = Sum(attacker => attacker.Blows),
            Refused = Sum(attacker => attacker.Refused),
            ClientCpuNs = (long)(Environment.CpuUsage.TotalTime - cpu).TotalNanoseconds,
        };

        Dictionary<AttackKind, long> Sum(Func<Attacker, long> value) => attackers.GroupBy(attacker => attacker.Kind).ToDictionary(group => group.Key, group => group.Sum(value));
    }
}
