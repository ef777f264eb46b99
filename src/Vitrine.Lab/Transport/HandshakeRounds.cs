using System.Globalization;
using System.Net;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>Very many handshakes, half of them broken, and what has grown afterwards: at the server, and at the client.</summary>
internal static class HandshakeRounds
{
    /// <summary>What a pool may still find its size by, however many handshakes there are.</summary>
    private const double GrowthBytesMax = 1 << 20;

    /// <summary>Longer than a handshake may take: what was begun has been given up.</summary>
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(25);

    public static async Task RunAsync(
        RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        await using EchoServerProcess server = await EchoServerProcess.StartAsync(options, certificate, IPAddress.Loopback.ToString(), null, cancellationToken);
        int count = options.Quick ? 2_000 : options.Handshakes;
        List<(string Name, EchoProtocol Protocol, string Address)> ways = [("tls", EchoProtocol.Grpc, server.Ready.Https)];
        if (server.Ready.HostCalls is { } quic)
        {
            ways.Insert(0, ("quic", EchoProtocol.Calls, quic));
        }

        for (int i = 0; i < ways.Count; i++)
        {
            (string name, EchoProtocol protocol, string address) = ways[i];
            report($"{count} handshakes over {name}, half of them broken", i / (double)ways.Count);
            await using HandshakeProcess agent = HandshakeProcess.Start(options);
            HandshakeOrder order = new() { Protocol = protocol, Address = address, Fingerprint = certificate.Fingerprint, Count = Math.Max(count / 10, 500) };
            // Pools, windows of identifiers and compiled code find their size.
            HandshakeResult clientBefore = await PlayAsync(agent, order, cancellationToken);
            EchoServerHoldings before = await SettleAsync(server, null, options, cancellationToken);
            long started = options.Time.GetTimestamp();
            HandshakeResult clientAfter = await PlayAsync(agent, order with { Count = count, Seed = order.Seed + 1_000_000 }, cancellationToken);
            double seconds = options.Time.GetElapsedTime(started).TotalSeconds;
            EchoServerHoldings after = await SettleAsync(server, before, options, cancellationToken);
            Add(run, $"{name}/handshakes", count, seconds, clientBefore, clientAfter, before, after);
        }
    }

    private static async Task<HandshakeResult> PlayAsync(HandshakeProcess agent, HandshakeOrder order, CancellationToken cancellationToken)
    {
        HandshakeResult result = await agent.PlayAsync(order, cancellationToken);
        return result.Failure is { } failure ? throw new LaboratoryException(failure) : result;
    }

    // What is held when everything that was begun has ended, and idle threads have left.
    private static async Task<EchoServerHoldings> SettleAsync(EchoServerProcess server, EchoServerHoldings? goal, LabOptions options, CancellationToken cancellationToken)
    {
        long started = options.Time.GetTimestamp();
        using PeriodicTimer look = new(TimeSpan.FromMilliseconds(500), options.Time);
        while (true)
        {
            EchoServerHoldings now = await server.ReadHoldingsAsync(cancellationToken);
            bool isSettled = now.QuicConnections == 0 && (goal is null || (now.Descriptors <= goal.Descriptors && now.Threads <= goal.Threads && now.LiveBytes <= goal.LiveBytes));
            if ((isSettled && (goal is not null || options.Time.GetElapsedTime(started) > s_settling / 2)) || options.Time.GetElapsedTime(started) > s_settling)
            {
                return now;
            }

            await look.WaitForNextTickAsync(cancellationToken);
        }
    }

    private static void Add(
        RunBuilder run, string name, int count, double seconds, HandshakeResult clientBefore, HandshakeResult clientAfter, EchoServerHoldings before, EchoServerHoldings after)
    {
        var metrics = new Dictionary<string, double>
        {
            ["handshakes"] = count,
            ["seconds"] = seconds,
            ["handshakesPerSecond"] = count / seconds,
            ["unexpected"] = clientAfter.Unexpected,
            ["managedBytesBefore"] = before.ManagedBytes,
            ["managedBytesAfter"] = after.ManagedBytes,
            ["nativeBytesBefore"] = before.NativeBytes,
            ["nativeBytesAfter"] = after.NativeBytes,
            ["quicBytesBefore"] = before.QuicBytes,
            ["quicBytesAfter"] = after.QuicBytes,
            ["threadsBefore"] = before.Threads,
            ["threadsAfter"] = after.Threads,
            ["descriptorsBefore"] = before.Descriptors,
            ["descriptorsAfter"] = after.Descriptors,
            ["connectionsAfter"] = after.QuicConnections,
            ["clientManagedBytesBefore"] = clientBefore.ManagedBytes,
            ["clientManagedBytesAfter"] = clientAfter.ManagedBytes,
            ["clientNativeBytesBefore"] = clientBefore.NativeBytes,
            ["clientNativeBytesAfter"] = clientAfter.NativeBytes,
            ["clientThreadsBefore"] = clientBefore.Threads,
            ["clientThreadsAfter"] = clientAfter.Threads,
            ["clientDescriptorsBefore"] = clientBefore.Descriptors,
            ["clientDescriptorsAfter"] = clientAfter.Descriptors,
        };
        foreach ((HandshakeKind kind, long ended) in clientAfter.Ended)
        {
            metrics[$"{Enum.GetName(kind)!.ToLowerInvariant()}Ended"] = ended;
        }

        run.Add(new CaseRecord { Name = name, Parameters = new Dictionary<string, string> { ["handshakes"] = count.ToString(CultureInfo.InvariantCulture) }, Metrics = metrics });
        if (clientAfter.FirstUnexpected is { } first)
        {
            run.NotMeasured($"{name}: {clientAfter.Unexpected} did not end as they were meant to; the first: {first}");
        }

        run.AddGoal($"{name} unexpected", clientAfter.Unexpected, 0);
        run.AddGoal($"{name} descriptors", after.Descriptors - before.Descriptors, 0);
        run.AddGoal($"{name} threads", after.Threads - before.Threads, 0);
        run.AddGoal($"{name} connections", after.QuicConnections, 0);
        run.AddGoal($"{name} managedBytes", after.ManagedBytes - before.ManagedBytes, GrowthBytesMax);
        run.AddGoal($"{name} nativeBytes", after.NativeBytes - before.NativeBytes, GrowthBytesMax);
        run.AddGoal($"{name} client descriptors", clientAfter.Descriptors - clientBefore.Descriptors, 0);
        run.AddGoal($"{name} client liveBytes", clientAfter.LiveBytes - clientBefore.LiveBytes, GrowthBytesMax);
    }
}
