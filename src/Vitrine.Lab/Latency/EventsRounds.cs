using System.Globalization;
using Vitrine.Lab.Content;

namespace Vitrine.Lab.Latency;

/// <summary>The same changes from a host that keeps events and from one that does not, in interleaved rounds.</summary>
internal static class EventsRounds
{
    public static async Task RunAsync(RunBuilder run, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        int rounds = options.Quick ? 2 : 12, changes = options.Quick ? 40 : 400;
        using PrivateDisplay display = PrivateDisplay.Start(LatencyLaboratory.Screen);
        using FlipSquare square = new(display.Painter, FlipRun.At, options.Time);
        await using ShareProcess on = await ShareProcess.StartAsync(options, display.Name, cancellationToken, "--events", "on");
        await using ShareProcess off = await ShareProcess.StartAsync(options, display.Name, cancellationToken, "--events", "off");
        Random random = new(2);
        RoundSeries kept = new(), none = new();
        for (int round = 0; round < rounds; round++)
        {
            report((double)round / rounds);
            bool isOnFirst = round % 2 == 0;
            await PlayAsync(isOnFirst);
            await PlayAsync(!isOnFirst);
        }

        Dictionary<string, string> parameters = new() { ["rounds"] = rounds.ToString(CultureInfo.InvariantCulture), ["changesARound"] = changes.ToString(CultureInfo.InvariantCulture) };
        run.Add(kept.ToCase("events-on/64x64", parameters));
        run.Add(none.ToCase("events-off/64x64", parameters));
        run.AddGoal("events-on/64x64 p50 vs events-off", kept.All.P50Ns / (double)none.All.P50Ns, 1.05);
        run.AddGoal("events-on/64x64 p99 vs events-off", kept.All.P99Ns / (double)none.All.P99Ns, 1.1);

        Task<int> PlayAsync(bool isOn) => FlipRounds.ClientRoundAsync(isOn ? on : off, square, changes, random, isOn ? kept : none, options.Time, cancellationToken);
    }
}
