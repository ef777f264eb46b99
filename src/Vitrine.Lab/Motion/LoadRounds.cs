using Vitrine.Capture.X11;
using Vitrine.Codecs.H264;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Peers;
using Vitrine.Measurement;

namespace Vitrine.Lab.Motion;

/// <summary>Every load, shared by each contestant in interleaved rounds: what it costs, how many bytes it takes, what is shown, how late
/// and how well, and when it is exact.</summary>
internal static class LoadRounds
{
    public const string Ours = "motion", Narrow = "motion-12mbit", Lossless = "lossless-tiles", Vnc = "x0vncserver", VncJpeg = "x0vncserver-jpeg", Ffmpeg = "ffmpeg-x264", Before = "before";

    /// <summary>Rounds of a comparison of two builds: a few per cent are to be seen.</summary>
    private const int ComparedRounds = 8;

    /// <summary>What TigerVNC's viewer asks for by itself on a fast network.</summary>
    private const int VncJpegQuality = 8;

    /// <summary>Where the film's window is: at no multiple of anything, as windows are.</summary>
    public static readonly DeviceRectangle FilmWindow = new(541, 235, 800, 600);

    public static async Task RunAsync(
        RunBuilder run, PrivateDisplay display, VideoLoop film, ShareProcess share, ShareProcess? lossless, ShareProcess? narrow, LabOptions options,
        Action<string, double> report, CancellationToken cancellationToken)
    {
        using X11Connection painting = X11Connection.TryOpen(display.Name, out string error) ?? throw new LaboratoryException(error);
        using var truth = new ScreenTruth(display, options.Time);
        (VncPeer? vnc, string reason) = await VncPeer.TryStartAsync(display.Name, cancellationToken);
        using H264Decoder? decoder = H264Decoder.TryCreate(out string undecodable); // the same library decodes JPEG
        List<IMotionContestant> contestants = [new OwnContestant(Ours, share)];
        if (lossless is not null)
        {
            contestants.Add(new OwnContestant(Lossless, lossless));
        }
        else
        {
            run.NotMeasured($"{Lossless}: this program's share has no --video; what it shares is lossless tiles already.");
        }

        if (narrow is not null)
        {
            contestants.Add(new OwnContestant(Narrow, narrow));
        }

        if (vnc is not null)
        {
            contestants.Add(new VncContestant(Vnc, vnc, null));
            if (decoder is not null)
            {
                contestants.Add(new VncContestant(VncJpeg, vnc, VncJpegQuality));
            }
            else
            {
                run.NotMeasured($"everything vs {VncJpeg}: its pictures cannot be decoded here: {undecodable}.");
            }
        }
        else
        {
            run.NotMeasured($"everything vs {Vnc}: {reason}.");
        }

        if (ChildProcess.Find("ffmpeg") is not null && decoder is not null)
        {
            contestants.Add(new FfmpegContestant());
        }
        else
        {
            run.NotMeasured(decoder is null
                ? $"everything vs {Ffmpeg}: its pictures cannot be decoded here: {undecodable}."
                : $"everything vs {Ffmpeg}: ffmpeg is missing; install {FfmpegEncodePeer.Package}.");
        }

        try
        {
            await WarmAsync(display, painting, film, truth, contestants, options, cancellationToken);
            Func<MotionLoad>[] loads = [.. Loads(painting, display.Server.Size, film, options.Quick)];
            for (int i = 0; i < loads.Length; i++)
            {
                using MotionLoad load = loads[i]();
                painting.Synchronize();
                using var painter = new MotionPainter(painting, load, options.Time);
                var stage = new MotionStage(display, load, painter, truth, options);
                await RunLoadAsync(run, stage, contestants, options, share => report(load.Name, (i + share) / loads.Length), cancellationToken);
            }
        }
        finally
        {
            if (vnc is not null)
            {
                await vnc.DisposeAsync();
            }
        }

        if (options.Quick)
        {
            run.NotMeasured("idle, typing, scrolling, dragging, films at 60 a second and JPEG by x0vncserver: leave --quick away.");
        }
    }

    /// <summary>Desktop work, shared by this build and by another one in interleaved rounds: neither cost nor bytes may have grown.</summary>
    public static async Task CompareAsync(
        RunBuilder run, PrivateDisplay display, VideoLoop film, ShareProcess share, ShareProcess before, LabOptions options,
        Action<string, double> report, CancellationToken cancellationToken)
    {
        using X11Connection painting = X11Connection.TryOpen(display.Name, out string error) ?? throw new LaboratoryException(error);
        using var truth = new ScreenTruth(display, options.Time);
        List<IMotionContestant> both = [new OwnContestant(Ours, share), new OwnContestant(Before, before)];
        await WarmAsync(display, painting, film, truth, both, options, cancellationToken);
        Func<MotionLoad>[] loads = [.. DesktopLoads(painting, display.Server.Size)];
        for (int i = 0; i < loads.Length; i++)
        {
            using MotionLoad load = loads[i]();
            painting.Synchronize();
            using var painter = new MotionPainter(painting, load, options.Time);
            var stage = new MotionStage(display, load, painter, truth, options) { Samples = 0 };
            await PlayRoundsAsync(stage, both, 1, _ => { }, cancellationToken); // until the code of this load is compiled
            Dictionary<string, List<MotionRound>> results = await PlayRoundsAsync(
                stage, both, options.Quick ? 1 : ComparedRounds, done => report(load.Name, (i + done) / loads.Length), cancellationToken);
            string name = $"{Ours}-{load.Name}";
            foreach ((string who, List<MotionRound> rounds) in results)
            {
                run.Add(ToCase(who == Ours ? $"{name}/beside {Before}" : $"{who}-{load.Name}", stage, rounds));
            }

            run.AddRatio($"{name} cpuCores vs {Before}", [.. results[Ours].Select(round => round.CpuCores)], [.. results[Before].Select(round => round.CpuCores)], 1);
            run.AddRatio($"{name} bytesPerFrame vs {Before}", [.. results[Ours].Select(BytesPerFrame)], [.. results[Before].Select(BytesPerFrame)], 1);
        }
    }

    // What a process of .NET does for the first time it does slowly; the others lose nothing by it.
    private static async Task WarmAsync(
        PrivateDisplay display, X11Connection painting, VideoLoop film, ScreenTruth truth, List<IMotionContestant> contestants, LabOptions options,
        CancellationToken cancellationToken)
    {
        Func<MotionLoad> film30 = () => new FilmLoad(painting, film, FilmWindow, 30), typing = () => new TypingLoad(painting, new(213, 127, 900, 700), 30);
        foreach (OwnContestant own in contestants.OfType<OwnContestant>().Where(own => !options.Quick || own.Name == Ours))
        {
            foreach (Func<MotionLoad> make in (Func<MotionLoad>[])(options.Quick ? [film30] : [typing, film30]))
            {
                using MotionLoad load = make();
                using var painter = new MotionPainter(painting, load, options.Time);
                await own.RunRoundAsync(new MotionStage(display, load, painter, truth, options), cancellationToken);
            }
        }
    }

    private static IEnumerable<Func<MotionLoad>> Loads(X11Connection painting, DeviceSize screen, VideoLoop film, bool quick)
    {
        DeviceRectangle whole = DeviceRectangle.Of(screen);
        if (!quick)
        {
            yield return () => new IdleLoad(screen);
            foreach (Func<MotionLoad> make in DesktopLoads(painting, screen))
            {
                yield return make;
            }
        }

        yield return () => new FilmLoad(painting, film, FilmWindow, 30);
        if (!quick)
        {
            yield return () => new FilmLoad(painting, film, FilmWindow, 60);
        }

        yield return () => new FilmLoad(painting, film, whole, 30);
        if (!quick)
        {
            yield return () => new FilmLoad(painting, film, whole, 60);
        }
    }

    private static IEnumerable<Func<MotionLoad>> DesktopLoads(X11Connection painting, DeviceSize screen) =>
    [
        () => new TypingLoad(painting, new(213, 127, 900, 700), 10),
        () => new ScrollingLoad(painting, new(213, 77, 1000, 800), 30),
        () => new DraggingLoad(painting, screen, new(600, 400), 30),
    ];

    private static async Task RunLoadAsync(
        RunBuilder run, MotionStage stage, List<IMotionContestant> contestants, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        List<IMotionContestant> all = [.. contestants.Where(contestant => contestant.Name switch
        {
            VncJpeg => stage.Load is { Film: not null, ChangesPerSecond: 30 } && !options.Quick, // JPEG matters where there are photographs
            Narrow => IsWhole(stage.Load),
            _ => true,
        })];
        Dictionary<string, List<MotionRound>> results = await PlayRoundsAsync(stage, all, options.Quick ? 1 : 2, report, cancellationToken);
        foreach (IMotionContestant contestant in all)
        {
            run.Add(ToCase($"{contestant.Name}-{stage.Load.Name}", stage, results[contestant.Name]));
        }

        AddGoals(run, stage.Load, results);
    }

    private static async Task<Dictionary<string, List<MotionRound>>> PlayRoundsAsync(
        MotionStage stage, List<IMotionContestant> all, int rounds, Action<double> report, CancellationToken cancellationToken)
    {
        var results = all.ToDictionary(contestant => contestant.Name, _ => new List<MotionRound>());
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < all.Count; i++)
            {
                report((round + ((double)i / all.Count)) / rounds);
                IMotionContestant contestant = all[(i + round) % all.Count];
                results[contestant.Name].Add(await contestant.RunRoundAsync(stage, cancellationToken));
            }
        }

        return results;
    }

    private static void AddGoals(RunBuilder run, MotionLoad load, Dictionary<string, List<MotionRound>> results)
    {
        string name = $"{Ours}-{load.Name}";
        bool isWindow = load is { Film: { } film, ChangesPerSecond: 30 } && film == FilmWindow, isWhole = IsWhole(load);
        foreach (string peer in (string[])[Ffmpeg, Vnc, VncJpeg, Lossless])
        {
            if (results.TryGetValue(peer, out List<MotionRound>? theirs))
            {
                double? goal = (peer, isWindow, isWhole) switch
                {
                    (Ffmpeg, true, _) or (Ffmpeg, _, true) => 0.8,
                    (Vnc, true, _) => 1.0,
                    _ => null,
                };
                run.AddRatio($"{name} cpuCores vs {peer}", [.. results[Ours].Select(round => round.CpuCores)], [.. theirs.Select(round => round.CpuCores)], goal);
                if (load.ChangesPerSecond > 0)
                {
                    run.AddRatio($"{name} p50Ms vs {peer}", [.. results[Ours].Select(MedianLatency)], [.. theirs.Select(MedianLatency)], null);
                }
            }
        }

        if (results.TryGetValue(Lossless, out List<MotionRound>? tiles))
        {
            // For each frame shown: tiles that cannot keep up would look cheap by the second.
            run.AddRatio($"{name} bytesPerFrame vs {Lossless}", [.. results[Ours].Select(BytesPerFrame)], [.. tiles.Select(BytesPerFrame)], isWindow ? 1.0 / 20 : null);
        }

        if (!isWindow && !isWhole)
        {
            return;
        }

        LatencyHistogram latency = Latency(results[Ours]);
        run.AddGoal($"{name} p50Ms", latency.P50Ns / 1e6, 25);
        run.AddGoal($"{name} p95Ms", latency.P95Ns / 1e6, 50);
        if (isWhole)
        {
            run.AddGoal($"{name} missed", results[Ours].Sum(round => round.Match!.Missed), 0);
            AddQualityGoals(run, results.ContainsKey(Narrow) ? $"{Narrow}-{load.Name}" : name, results.GetValueOrDefault(Narrow) ?? results[Ours]);
        }
    }

    // What is to be shown at 12 Mbit/s is shown by a process that may not take more.
    private static void AddQualityGoals(RunBuilder run, string name, List<MotionRound> rounds)
    {
        run.AddGoal($"{name} megabitsPerSecond", RoundSeries.Median([.. rounds.Select(round => round.BytesPerSecond * 8 / 1e6)]), 12);
        if (rounds.All(round => round.Quality is not null))
        {
            run.AddGoal($"{name} psnrDb", rounds.Min(round => round.Quality!.LumaDecibels), 36, lowerIsBetter: false);
        }
        else
        {
            run.NotMeasured($"{name} psnrDb: no picture came in time.");
        }
    }

    private static bool IsWhole(MotionLoad load) => load is { Film: { } film, ChangesPerSecond: 30 } && film != FilmWindow;

    private static double BytesPerFrame(MotionRound round) => round.Match is { Shown: > 0 } match && round.BytesPerSecond > 0
        ? round.BytesPerSecond / match.Shown
        : double.NaN;

    private static double MedianLatency(MotionRound round) => round.Match is { Shown: > 0 } match ? match.Latency.P50Ns : double.NaN;

    private static LatencyHistogram Latency(List<MotionRound> rounds)
    {
        var all = new LatencyHistogram();
        foreach (MotionRound round in rounds.Where(round => round.Match is not null))
        {
            all.Add(round.Match!.Latency);
        }

        return all;
    }

    private static CaseRecord ToCase(string name, MotionStage stage, List<MotionRound> rounds)
    {
        var metrics = new Dictionary<string, double>
        {
            ["cpuCores"] = RoundSeries.Median([.. rounds.Select(round => round.CpuCores)]),
            ["hostCpuCores"] = RoundSeries.Median([.. rounds.Select(round => round.HostCpuCores)]),
            ["bytesPerSecond"] = RoundSeries.Median([.. rounds.Select(round => round.BytesPerSecond)]),
            ["megabitsPerSecond"] = RoundSeries.Median([.. rounds.Select(round => round.BytesPerSecond * 8 / 1e6)]),
            ["meanFps"] = RoundSeries.Median([.. rounds.Select(round => round.FramesPerSecond)]),
        };
        if (rounds.All(round => round.Match is not null))
        {
            long painted = rounds.Sum(round => round.Match!.Painted), shown = rounds.Sum(round => round.Match!.Shown);
            metrics["painted"] = painted;
            metrics["shown"] = shown;
            metrics["missed"] = painted - shown;
            metrics["backwards"] = rounds.Sum(round => round.Match!.Backwards);
            metrics["unreadable"] = rounds.Sum(round => round.Unreadable);
            metrics["bytesPerFrame"] = rounds.Sum(round => round.BytesPerSecond) * stage.Measured.TotalSeconds / Math.Max(1, shown);
        }

        int never = rounds.Count(round => double.IsPositiveInfinity(round.ExactMs));
        if (never == 0 && rounds.All(round => !double.IsNaN(round.ExactMs)))
        {
            metrics["exactMs"] = rounds.Max(round => round.ExactMs);
        }

        if (rounds.All(round => round.Video is not null))
        {
            metrics["videoDecoded"] = rounds.Sum(round => round.Video!.Value.Decoded);
            metrics["videoSkipped"] = rounds.Sum(round => round.Video!.Value.Skipped);
            metrics["videoResets"] = rounds.Sum(round => round.Video!.Value.Resets);
        }

        PictureQuality[] qualities = [.. rounds.Select(round => round.Quality).OfType<PictureQuality>()];
        if (qualities.Length > 0)
        {
            metrics["ciede2000"] = qualities.Max(quality => quality.MeanCiede2000);
            metrics["psnrDb"] = qualities.Min(quality => quality.LumaDecibels);
            metrics["rgbPsnrDb"] = qualities.Min(quality => quality.ColourDecibels);
            metrics["worstPsnrDb"] = qualities.Min(quality => quality.WorstLumaDecibels);
        }

        var parameters = new Dictionary<string, string>
        {
            ["seconds"] = (stage.Measured.TotalSeconds * rounds.Count).ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
        if (never > 0)
        {
            // No time, however long, would be one.
            parameters["exact"] = string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"never within {stage.ExactWithin.TotalSeconds} s{(never < rounds.Count ? $" in {never} of {rounds.Count} rounds" : "")}");
        }

        LatencyHistogram latency = Latency(rounds);
        return latency.Count > 0
            ? RoundSeries.ToCase(name, latency, parameters, metrics)
            : new CaseRecord { Name = name, Parameters = parameters, Metrics = metrics };
    }
}
