using System.Globalization;
using System.Text.Json;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Measurement;

namespace Vitrine.Lab.Events;

/// <summary>What 10, 100 and 1,000 hosts that keep events cost whoever keeps them, in the folder and on Kafka: it must grow no faster than they do.</summary>
internal static class FleetRounds
{
    private static readonly int[] s_hosts = [10, 100, 1000];

    public static async Task RunAsync(RunBuilder run, string folder, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        await RunAsync("embedded", null, null);
        if (KafkaLibrary.Missing is { } missing)
        {
            run.NotMeasured($"Kafka: {missing}");
            return;
        }

        await using ChildProcess? mock = options.Kafka is null ? ChildProcess.Start(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "echo", "kafka-mock"]) : null;
        string bootstrap = options.Kafka?.Bootstrap ?? await KafkaRounds.StartAsync(mock!, cancellationToken);
        await RunAsync(mock is null ? "kafka" : "kafka-mock", bootstrap, mock);

        async Task RunAsync(string where, string? brokers, ChildProcess? cluster)
        {
            FleetCost? before = null;
            foreach (int hosts in s_hosts)
            {
                report($"{hosts} hosts, {where}", (double)Array.IndexOf(s_hosts, hosts) / s_hosts.Length);
                string log = brokers is null ? Path.Combine(folder, $"fleet-{hosts}") : NamedLog.NameOf(brokers);
                if (cluster is not null)
                {
                    foreach (string topic in (string[])[.. EventTopics.All, "schemas", "group-states"])
                    {
                        await KafkaRounds.TellAsync(cluster, $"topic {log.Split(' ')[2]}{topic} {KafkaOptions.DefaultPartitions}", cancellationToken);
                    }
                }

                FleetCost cost = await PlayAsync(log, hosts);
                string name = $"{where}/fleet-{hosts}";
                run.Add(new CaseRecord
                {
                    Name = name,
                    Parameters = new Dictionary<string, string> { ["hosts"] = hosts.ToString(CultureInfo.InvariantCulture) },
                    Metrics = new Dictionary<string, double>
                    {
                        ["eventsPerSecond"] = cost.EventsPerSecond,
                        ["processedPerSecond"] = cost.ProcessedPerSecond,
                        ["processorSecondsPerSecond"] = cost.ProcessorSeconds,
                        ["processorUsPerEvent"] = 1e6 * cost.ProcessorSeconds / cost.EventsPerSecond,
                        ["allocatedBytesPerSecond"] = cost.AllocatedBytes,
                        ["liveBytes"] = cost.LiveBytes,
                        ["residentBytes"] = cost.ResidentBytes,
                        ["appendP50Ms"] = cost.AppendP50Ms,
                        ["appendP99Ms"] = cost.AppendP99Ms,
                    },
                });
                if (before is not null)
                {
                    run.AddGoal($"{name} processorSeconds vs a tenth of the hosts", cost.ProcessorSeconds / before.ProcessorSeconds, 10);
                    run.AddGoal($"{name} residentBytes vs a tenth of the hosts", cost.ResidentBytes / (double)before.ResidentBytes, 10);
                    run.AddGoal($"{name} liveBytes vs a tenth of the hosts", cost.LiveBytes / (double)before.LiveBytes, 10);
                }

                run.AddGoal($"{name} processedShare", cost.ProcessedPerSecond / hosts, 0.95, lowerIsBetter: false); // figures, of each host one a second
                before = cost;
            }
        }

        async Task<FleetCost> PlayAsync(string log, int hosts)
        {
            await using ChildProcess agent = ChildProcess.Start(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "echo", "events-fleet"]);
            await agent.Input.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{log}\t{hosts}\t{(options.Quick ? 1 : 5)}\t{(options.Quick ? 3 : 65)}").AsMemory(), cancellationToken);
            await agent.Input.FlushAsync(cancellationToken);
            return await agent.Output.ReadLineAsync(cancellationToken) is { } line
                ? JsonSerializer.Deserialize(line, FleetJson.Default.FleetCost)!
                : throw new LaboratoryException($"The hosts ended by themselves: {agent.Errors}");
        }
    }
}
