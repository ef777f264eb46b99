using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Peers;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Latency;

/// <summary>What sharing costs: processor time of the sharing process and of the X server together, with one viewer.</summary>
internal static class CostRounds
{
    private const double TextChangesPerSecond = 30;
    private static readonly DeviceRectangle s_text = new(300, 200, 800, 600);

    /// <summary>Nothing changes for a minute.</summary>
    public static async Task RunIdleAsync(RunBuilder run, PrivateDisplay display, ShareProcess share, LabOptions options, CancellationToken cancellationToken)
    {
        TimeSpan duration = TimeSpan.FromSeconds(options.Quick ? 6 : 60);
        long mediaBytes = 0;
        var viewerOptions = new HeadlessViewerOptions { Name = "lab", FrameApplied = (_, frame) => Interlocked.Add(ref mediaBytes, frame.Bytes) };
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, viewerOptions, options.Time, cancellationToken);
        await viewer.WaitUntilAsync(seen => seen.FrameCount > 0, TimeSpan.FromSeconds(10));
        await Task.Delay(TimeSpan.FromSeconds(2), options.Time, cancellationToken); // start-up is over
        Interlocked.Exchange(ref mediaBytes, 0);
        long receivedBefore = viewer.BytesReceived;
        var both = new CpuMeter(options.Time, share.ProcessId, display.Server.ProcessId);
        var server = new CpuMeter(options.Time, share.ProcessId);
        await Task.Delay(duration, options.Time, cancellationToken);
        double cores = both.Cores;
        string name = $"cost-idle/{display.Server.Size}";
        run.Add(new CaseRecord
        {
            Name = name,
            Metrics = new Dictionary<string, double>
            {
                ["seconds"] = duration.TotalSeconds,
                ["cpuCores"] = cores,
                ["hostCpuCores"] = server.Cores,
                ["mediaBytes"] = Interlocked.Read(ref mediaBytes),
                ["allBytes"] = viewer.BytesReceived - receivedBefore,
            },
        });
        run.AddGoal($"{name} cpuCores", cores, 0.005);
        run.AddGoal($"{name} mediaBytes", Interlocked.Read(ref mediaBytes), 0);
    }

    /// <summary>A window of text, all of it new thirty times a second; by turns shared by us and by x0vncserver.</summary>
    public static async Task RunTextAsync(RunBuilder run, PrivateDisplay display, ShareProcess share, LabOptions options, CancellationToken cancellationToken)
    {
        int rounds = options.Quick ? 2 : 4;
        TimeSpan duration = TimeSpan.FromSeconds(options.Quick ? 2 : 6);
        (VncPeer? peer, string reason) = await VncPeer.TryStartAsync(display.Name, cancellationToken);
        using var text = new TextWindow(display.Painter, s_text, seed: 1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<long> painting = text.RunAsync(TextChangesPerSecond, options.Time, stop.Token);
        List<TextRound> ours = [], theirs = [];
        try
        {
            for (int round = 0; round < rounds; round++)
            {
                ours.Add(await OurRoundAsync(display, share, duration, options.Time, cancellationToken));
                if (peer is not null)
                {
                    theirs.Add(await VncRoundAsync(display, peer, duration, options.Time, cancellationToken));
                }
            }
        }
        finally
        {
            await stop.CancelAsync();
            await painting;
            if (peer is not null)
            {
                await peer.DisposeAsync();
            }
        }

        string name = $"cost-text/{s_text.Size}";
        Add(run, name, ours);
        ProcessProbe.TryRead(share.ProcessId, out ProcessSample sample);
        run.Add(new CaseRecord
        {
            Name = $"host-process/{display.Server.Size}",
            Metrics = new Dictionary<string, double>
            {
                ["residentBytes"] = sample.ResidentBytes,
                ["peakRssBytes"] = sample.PeakResidentBytes,
                ["threads"] = sample.Threads,
                ["descriptors"] = sample.Descriptors,
            },
        });
        run.AddGoal($"host-process/{display.Server.Size} residentBytes", sample.ResidentBytes, 150e6);
        if (peer is null)
        {
            run.NotMeasured($"{name} vs x0vncserver: {reason}.");
            return;
        }

        Add(run, $"x0vncserver-text/{s_text.Size}", theirs);
        double[] ratios = [.. ours.Zip(theirs, (own, other) => own.CpuCores / other.CpuCores)];
        run.Add(RatioRecord.Of($"{name} vs x0vncserver", RoundSeries.Median(ratios), 1) with { Rounds = ratios });
    }

    private static void Add(RunBuilder run, string name, List<TextRound> rounds) => run.Add(new CaseRecord
    {
        Name = name,
        Metrics = new Dictionary<string, double>
        {
            ["cpuCores"] = RoundSeries.Median([.. rounds.Select(round => round.CpuCores)]),
            ["hostCpuCores"] = RoundSeries.Median([.. rounds.Select(round => round.HostCpuCores)]),
            ["meanFps"] = RoundSeries.Median([.. rounds.Select(round => round.FramesPerSecond)]),
            ["megabitsPerSecond"] = RoundSeries.Median([.. rounds.Select(round => round.MegabitsPerSecond)]),
        },
    });

    private static async Task<TextRound> OurRoundAsync(PrivateDisplay display, ShareProcess share, TimeSpan duration, TimeProvider time, CancellationToken cancellationToken)
    {
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, new HeadlessViewerOptions { Name = "lab" }, time, cancellationToken);
        await viewer.WaitUntilAsync(seen => seen.FrameCount > 5, TimeSpan.FromSeconds(10));
        return await MeasureAsync(display, share.ProcessId, () => viewer.FrameCount, () => viewer.BytesReceived, duration, time, cancellationToken);
    }

    private static async Task<TextRound> VncRoundAsync(PrivateDisplay display, VncPeer peer, TimeSpan duration, TimeProvider time, CancellationToken cancellationToken)
    {
        using var client = new RfbClient(time, FlipRun.Watched);
        client.Connect(peer.Port);
        Task reading = Task.Factory.StartNew(() => client.Run((_, _) => { }), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Conditions.WaitAsync(() => client.Updates > 5, TimeSpan.FromSeconds(10), time, cancellationToken);
        TextRound round = await MeasureAsync(display, peer.ProcessId, () => client.Updates, () => client.ReceivedBytes, duration, time, cancellationToken);
        client.Dispose();
        await reading;
        return round;
    }

    private static async Task<TextRound> MeasureAsync(
        PrivateDisplay display, int hostProcessId, Func<long> frames, Func<long> bytes, TimeSpan duration, TimeProvider time, CancellationToken cancellationToken)
    {
        await Task.Delay(TimeSpan.FromMilliseconds(500), time, cancellationToken);
        long framesBefore = frames(), bytesBefore = bytes(), started = time.GetTimestamp();
        CpuMeter both = new(time, hostProcessId, display.Server.ProcessId), host = new(time, hostProcessId);
        await Task.Delay(duration, time, cancellationToken);
        double seconds = time.GetElapsedTime(started).TotalSeconds;
        return new TextRound(both.Cores, host.Cores, (frames() - framesBefore) / seconds, (bytes() - bytesBefore) * 8 / seconds / 1e6);
    }

    private readonly record struct TextRound(double CpuCores, double HostCpuCores, double FramesPerSecond, double MegabitsPerSecond);
}
