using System.Net;

namespace Vitrine.Lab.Transport;

/// <summary>What a connection takes of a server's memory: many of them that have had an answer each, on servers that were just started, for one that has
/// worked has memory to spare.</summary>
internal static class MemoryRounds
{
    private const int FewConnections = 50, ManyConnections = 1000;

    public static async Task RunAsync(RunBuilder run, EchoCertificate certificate, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        // Whose protocol and address are the target's.
        EchoLoad few = new() { Protocol = EchoProtocol.Quic, Address = "", Fingerprint = null, Connections = FewConnections, Seconds = 0 };
        EchoLoad many = few with { Connections = ManyConnections };
        string suffix = $"{ManyConnections}-connections";
        Dictionary<string, LoadSeries> all = [];
        int rounds = options.Quick ? 1 : 5;
        for (int round = 0; round < rounds; round++)
        {
            report((double)round / rounds);
            await using EchoTargets targets = await EchoTargets.StartAsync(options, certificate, IPAddress.Loopback, null, cancellationToken);
            if (round == 0)
            {
                targets.Missing.ForEach(run.NotMeasured);
            }

            await using LoadProcess agent = LoadProcess.Start(options);
            EchoTarget[] quic = [.. targets.All.Where(target => target.Protocol == EchoProtocol.Quic)];

            // Not counted: code that is new.
            await LoadRounds.PlayAsync(run, quic, few, suffix, 1, agent, certificate.Fingerprint, _ => { }, cancellationToken);
            Dictionary<string, LoadSeries> counted = await LoadRounds.PlayAsync(run, quic, many, suffix, 1, agent, certificate.Fingerprint, _ => { }, cancellationToken);
            if (counted.Count < quic.Length)
            {
                continue; // one has failed, which was noted: the others' figures of this round have nothing beside them
            }

            foreach ((string target, LoadSeries played) in counted)
            {
                all.TryAdd(target, new(played.Name));
                all[target].Add(played.Rounds[0], null, null);
            }
        }

        foreach (LoadSeries each in all.Values)
        {
            run.Add(each.ToCase(many, each.FirstAnswer));
        }

        foreach ((string ours, string peer) in EchoTargets.Pairs)
        {
            if (all.TryGetValue(ours, out LoadSeries? own) && all.TryGetValue(peer, out LoadSeries? other))
            {
                run.AddRatio(
                    $"{own.Name} serverResidentBytesPerConnection vs {peer}", own.ServerBytesPerConnection(ManyConnections), other.ServerBytesPerConnection(ManyConnections), 1);
            }
        }
    }
}
