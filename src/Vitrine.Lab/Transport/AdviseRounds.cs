using System.Globalization;
using System.Net;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Transport;

/// <summary>The adviser on one path, and held against longer measurements over emulated ones.</summary>
internal static class AdviseRounds
{
    /// <summary>What people click: small calls, now and then. As many at a time as a round trip of a second has under way: the client is not
    /// to be what they wait for.</summary>
    private static readonly EchoLoad s_calls = new()
    {
        Protocol = EchoProtocol.Calls,
        Address = "",
        Fingerprint = "",
        Connections = 1,
        Streams = 48,
        PayloadBytes = 1024,
        RequestsPerSecond = 40,
        WarmSeconds = 0.5,
        Seconds = 2,
    };

    /// <summary>What a film is: a small request, a frame back, 30 times a second. The size of the frames is set by what the path carries. Its first
    /// seconds say little: what does not keep up with the frames falls behind slowly.</summary>
    private static readonly EchoLoad s_frames = s_calls with { PayloadBytes = 32, RequestsPerSecond = PathRate.FramesPerSecond, WarmSeconds = 4, Seconds = 3 };

    /// <summary>How long pictures are sent without a pause before they are compared: version 2 of BBR, which takes more than 2 % of losses for congestion,
    /// carries them for 6 to 12 s over a path that loses 3 %, and less and less from then on. Whoever is to be chosen sends them once more: it may have
    /// held out by luck.</summary>
    private static readonly Endurance s_ofFrames = new(24, 60);

    /// <summary>Bytes of each of the answers that fill a path, larger until more do not carry more.</summary>
    private static readonly int[] s_chunks = [8 << 10, 32 << 10, 128 << 10, 512 << 10];

    /// <summary>Answers at a time that fill a path.</summary>
    private const int FillingStreams = 8;

    /// <summary>Most bytes that a round which fills the path carries after its warm-up: an eighth of a second at 1 Gbit/s.</summary>
    private const long FillingBytesMax = 16 << 20;

    /// <summary>Networks that <c>advice-check</c> goes over at a time: two of them keep 1/20 of two processors busy.</summary>
    private const int NetworksAtATime = 6;

    private const ulong Seed = 5;

    /// <summary>How long the live stream is looked at for what it is made of.</summary>
    private static readonly TimeSpan s_streamLook = TimeSpan.FromSeconds(3);

    /// <summary>Advice for this machine's loopback: that the adviser works, and what the programs themselves cost.</summary>
    public static async Task RunAsync(RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        await using EchoServerProcess server = await EchoServerProcess.StartAsync(options, certificate, IPAddress.Loopback.ToString(), null, cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options);
        await AdviseAsync(run, "loopback", [.. Choices(server, certificate)], null, agent, options, report, cancellationToken);
    }

    /// <summary>Advice for the path from here to a host that shares.</summary>
    /// <exception cref="LaboratoryException">It cannot be reached, or refuses; the message says why.</exception>
    public static async Task RunToAsync(RunBuilder run, Uri address, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        report("Asking the host what it speaks", 0);
        AdvisedHost host = await AdvisedHost.FindAsync(address, options.HostFingerprint, cancellationToken);
        foreach (string note in host.Notes)
        {
            run.NotMeasured(note);
        }

        LiveLook? look = await LookAsync(run, host.Authority, address, options, report, cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options);
        await AdviseAsync(run, host.Authority, host.Choices, look, agent, options, report, cancellationToken);
    }

    /// <summary>Over a dozen networks: what the adviser chooses after a short trial against what a longer measurement finds best. Some networks at
    /// a time: it is their delays that take time, not the processor.</summary>
    public static async Task CheckAsync(
        RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        NetworkProfile[] profiles = NetworkText.Choose(options.Networks, NetworkProfiles.All.Where(profile => profile.Paths.Count == 1).Concat(NetworkProfiles.Lines));
        using (WeakNetwork? allowed = WeakRounds.TryCreate(run, profiles[0], options))
        {
            if (allowed is null)
            {
                return;
            }
        }

        Lock reporting = new();
        double[] done = new double[profiles.Length];
        var checks = new IReadOnlyList<AdviceCheck>[profiles.Length];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, profiles.Length),
            new ParallelOptions { MaxDegreeOfParallelism = NetworksAtATime, CancellationToken = cancellationToken },
            async (i, over) => checks[i] = await CheckAsync(
                profiles[i], certificate, options,
                share =>
                {
                    lock (reporting)
                    {
                        done[i] = share;
                        report("Advice, and what is best, over a dozen networks", done.Average());
                    }
                },
                over));
        AdviceCheck[] all = [.. checks.SelectMany(each => each)];
        foreach (AdviceCheck check in all)
        {
            run.Add(check.Case);
            run.Add(RatioRecord.Of(
                $"{check.Case.Name} {(check.Advice.IsSure ? check.Advice.Best.Name : $"not known ({check.Advice.Best.Name})")} vs best measured", check.Ratio, check.Advice.IsSure ? 1.05 : null));
        }

        run.AddGoal("advice wrong", all.Count(check => check.Advice.IsSure && !(check.Ratio <= 1.05)), 0);
        run.Add(RatioRecord.Of("advice known of all", (double)all.Count(check => check.Advice.IsSure) / all.Length, null, lowerIsBetter: false));
    }

    private static async Task<IReadOnlyList<AdviceCheck>> CheckAsync(
        NetworkProfile profile, EchoCertificate certificate, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork network = WeakNetwork.Create(profile, Seed, options.Time);
        await using EchoServerProcess server = await EchoServerProcess.StartAsync(options, certificate, network.Far.Address.ToString(), (program, arguments) => network.Far.Start(program, arguments), cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
        Choice[] choices = [.. Choices(server, certificate)];
        await Adviser.TryAsync(choices, s_calls with { Seconds = 1 }, new(1, 1, TimeSpan.Zero, false), agent, _ => { }, cancellationToken); // code that runs for the first time
        double roundTripMs = (profile.Paths[0].Up.Delay + profile.Paths[0].Down.Delay).TotalMilliseconds;
        (PathRate rate, _, _, _) = await MeasureRateAsync(choices, roundTripMs, agent, options, (_, share) => report(0.1 * share), cancellationToken);
        List<AdviceCheck> checks = [];
        foreach ((string what, EchoLoad load, Endurance? endurance) in ((string, EchoLoad, Endurance?)[])[("calls", s_calls, null), ("frames", s_frames with { ReplyBytes = FrameBytes(rate, null) }, s_ofFrames)])
        {
            double from = 0.1 + (0.45 * checks.Count);
            IReadOnlyList<Trial> tried = await Adviser.TryAsync(choices, load, Plan(options, roundTripMs, endurance), agent, share => report(from + (0.15 * share)), cancellationToken);
            Advice advice = Adviser.Choose(tried);
            IReadOnlyList<Trial> longer = await Adviser.TryAsync(
                choices, load with { Seconds = load.Seconds * (options.Quick ? 1 : 2) }, options.Quick ? new(3, 3, TimeSpan.Zero, false) : new(4, 8, TimeSpan.FromMinutes(10), false, endurance), agent,
                share => report(from + 0.15 + (0.3 * share)), cancellationToken);
            (double ratio, double low, double high) = Adviser.OverBest(longer, advice.Best.Name);
            var metrics = new Dictionary<string, double>
            {
                ["isSure"] = advice.IsSure ? 1 : 0,
                ["sureness"] = advice.Sureness,
                ["chosenOverBest"] = ratio,
                ["chosenOverBestLow"] = low,
                ["chosenOverBestHigh"] = high,
                ["rounds"] = advice.Trials.Max(trial => trial.Rounds.Count),
                ["playedAgain"] = advice.Trials.Sum(trial => trial.Again),
                ["playedAgainLonger"] = longer.Sum(trial => trial.Again),
                ["emulatorLateP99Ms"] = network.Lateness.P99Ns / 1e6,
            };
            foreach (Trial trial in longer)
            {
                metrics[$"{trial.Choice.Name}SlowestTenthMs"] = trial.SlowestTenthMs;
            }

            CaseRecord record = new()
            {
                Name = $"advice/{profile.Name}/{what}",
                Parameters = new Dictionary<string, string>
                {
                    ["network"] = profile.Summary,
                    ["bytes"] = Math.Max(load.PayloadBytes, load.ReplyBytes).ToString(CultureInfo.InvariantCulture),
                    ["advice"] = advice.Text,
                    ["best"] = longer.MinBy(trial => trial.SlowestTenthMs)!.Choice.Name,
                },
                Metrics = metrics,
            };
            checks.Add(new(record, advice, ratio));
        }

        return checks;
    }

    /// <summary>How long an adviser takes for one question: longer where a turn begins with many round trips. Of two choices that are alike, one is ahead
    /// in all of four turns once in eight times, by chance; in all of seven, once in 64.</summary>
    private static TrialPlan Plan(LabOptions options, double roundTripMs, Endurance? endurance) =>
        options.Quick ? new(3, 3, TimeSpan.Zero, true) : new(7, 12, TimeSpan.FromSeconds(75 + (0.1 * roundTripMs)), true, endurance);

    private static IEnumerable<Choice> Choices(EchoServerProcess server, EchoCertificate certificate)
    {
        if (server.Ready.Calls is { } cubic)
        {
            yield return new("quic-cubic", s_calls with { Protocol = EchoProtocol.Calls, Address = cubic, Fingerprint = certificate.Fingerprint, Congestion = "cubic" });
        }

        if (server.Ready.CallsBbr is { } bbr)
        {
            yield return new("quic-bbr", s_calls with { Protocol = EchoProtocol.Calls, Address = bbr, Fingerprint = certificate.Fingerprint, Congestion = "bbr" });
        }

        yield return new("grpc", s_calls with { Protocol = EchoProtocol.Grpc, Address = server.Ready.Https, Fingerprint = certificate.Fingerprint });
        yield return new("http2", s_calls with { Protocol = EchoProtocol.Http2, Address = server.Ready.Https, Fingerprint = certificate.Fingerprint });
    }

    private static async Task AdviseAsync(
        RunBuilder run, string path, IReadOnlyList<Choice> all, LiveLook? look, LoadProcess agent, LabOptions options, Action<string, double> report,
        CancellationToken cancellationToken)
    {
        // 1. Whether each passes, and how long a round trip is.
        Dictionary<Choice, double> roundTripsMs = [];
        string refusal = "";
        foreach (Choice choice in all)
        {
            report($"Round trips over {choice.Name}", 0.05);
            EchoLoadResult result = await agent.PlayAsync(
                choice.Load with
                {
                    PayloadBytes = 32,
                    Connections = 1,
                    Streams = 1,
                    RequestsPerSecond = 0,
                    RequestsMax = 30,
                    WarmSeconds = 0.3,
                    Seconds = 2,
                    KeepsValues = true,
                    TimeoutSeconds = AdvisedHost.PatienceSeconds,
                },
                cancellationToken);
            if (result.Failure is { } failure || result.ValuesUs.Count == 0)
            {
                refusal = result.Failure ?? "no request was answered in time";
                string cause = choice.Load.Protocol == EchoProtocol.Calls ? "UDP does not pass, or the host's UDP port is not forwarded; TCP goes on" : "does not pass";
                run.NotMeasured($"{choice.Name}: {cause}: {refusal}");
                continue;
            }

            double[] sorted = [.. result.ValuesUs.Order()];
            roundTripsMs[choice] = sorted[0] / 1e3;
            run.Add(new CaseRecord
            {
                Name = $"{path}-{choice.Name}/round-trip",
                Metrics = new Dictionary<string, double>
                {
                    ["minMs"] = sorted[0] / 1e3,
                    ["p50Ms"] = sorted[sorted.Length / 2] / 1e3,
                    ["maxMs"] = sorted[^1] / 1e3,
                    ["setupMs"] = EchoLoadResult.Decode(result.Setup).P50Ns / 1e6,
                },
            });
        }

        if (roundTripsMs.Count == 0)
        {
            throw new LaboratoryException($"Nothing passes to {path}: {refusal}");
        }

        Choice[] choices = [.. roundTripsMs.Keys];
        double roundTripMs = roundTripsMs.Values.Min();

        // 2. What the path carries.
        (PathRate rate, PathRate rateUp, Choice carrier, Dictionary<Choice, (int ChunkBytes, List<double> Megabits)> filling) =
            await MeasureRateAsync(choices, roundTripMs, agent, options, (what, done) => report(what, 0.1 + (0.3 * done)), cancellationToken);
        foreach ((Choice choice, (int ChunkBytes, List<double> Megabits) each) in filling)
        {
            run.Add(new CaseRecord
            {
                Name = $"{path}-{choice.Name}/bulk",
                Metrics = new Dictionary<string, double> { ["megabitsPerSecond"] = choice == carrier ? rate.Megabits : each.Megabits.Max(), ["answerBytes"] = each.ChunkBytes },
            });
        }

        run.Add(new CaseRecord
        {
            Name = $"{path}/rate",
            Metrics = new Dictionary<string, double>
            {
                ["downMegabitsPerSecond"] = rate.Megabits,
                ["upMegabitsPerSecond"] = rateUp.Megabits,
                ["roundTripMs"] = roundTripMs,
                ["underWayBytes"] = rate.UnderWayBytes,
                ["windowBytes"] = rate.WindowBytes,
            },
        });

        // 3. Which is best for pictures at that rate, and for calls.
        EchoLoad frames = s_frames with { ReplyBytes = FrameBytes(rate, look), WarmSeconds = options.Quick ? 1 : s_frames.WarmSeconds, Seconds = options.Quick ? 1 : s_frames.Seconds };
        EchoLoad calls = s_calls with { Seconds = options.Quick ? 1 : 2 };
        IReadOnlyList<Trial> pictured = await Adviser.TryAsync(choices, frames, Plan(options, roundTripMs, s_ofFrames), agent, done => report("Pictures, by turns", 0.4 + (0.3 * done)), cancellationToken);
        IReadOnlyList<Trial> called = await Adviser.TryAsync(choices, calls, Plan(options, roundTripMs, null), agent, done => report("Calls, by turns", 0.7 + (0.3 * done)), cancellationToken);
        Advice forPictures = Adviser.Choose(pictured), forCalls = Adviser.Choose(called);
        foreach ((string what, IReadOnlyList<Trial> trials) in ((string, IReadOnlyList<Trial>)[])[("frames", pictured), ("calls", called)])
        {
            foreach (Trial trial in trials)
            {
                run.Add(new CaseRecord
                {
                    Name = $"{path}-{trial.Choice.Name}/{what}",
                    Metrics = new Dictionary<string, double>
                    {
                        ["slowestTenthMs"] = trial.SlowestTenthMs,
                        ["answers"] = trial.Answers,
                        ["failed"] = trial.Failed,
                        ["rounds"] = trial.Rounds.Count,
                    },
                });
            }
        }

        run.Advise(Line($"transport for pictures of {frames.ReplyBytes} bytes, {frames.RequestsPerSecond} a second: {forPictures.Text}"));
        if (look is not null)
        {
            run.Advise(Line($"transport for browsers: the WebSocket, which passes, with a round trip of {look.RoundTripMs:0.##} ms; browsers have no other. It is a stream of TCP, as http2 and grpc are: their figures are what to expect of it."));
        }

        run.Advise(Line($"transport for calls of {calls.PayloadBytes} bytes, {calls.RequestsPerSecond} a second: {forCalls.Text}"));
        AdviseCongestion(run, forPictures, pictured, filling);
        AdviseBuffers(run, rate, rateUp, carrier);
        AdviseCodec(run, rate, carrier, look);
    }

    private static void AdviseCongestion(RunBuilder run, Advice forPictures, IReadOnlyList<Trial> pictured, Dictionary<Choice, (int ChunkBytes, List<double> Megabits)> filling)
    {
        string carried = string.Join(", ", filling.Select(each => Line($"{each.Key.Name} {each.Value.Megabits.Max():0.#} Mbit/s")));
        string kernel = KernelCongestion() is { } name ? $"TCP here sends with {name}, as the kernel is set (net.ipv4.tcp_congestion_control); what the host sends with is set there" : "what TCP sends with, the kernels decide";
        Trial[] quic = [.. pictured.Where(trial => trial.Choice.Load.Protocol == EchoProtocol.Calls)];
        if (quic.Length < 2)
        {
            run.Advise($"congestion control: not known for QUIC, which was not tried with both. {kernel}. Carried: {carried}.");
            return;
        }

        // Between the two alone: another transport that is better than both says nothing about them.
        int rounds = quic.Where(trial => !trial.FallsBehind).Select(trial => trial.Rounds.Count).DefaultIfEmpty(0).Min();
        Advice between = Adviser.Choose([.. quic.Select(trial => trial with { Rounds = [.. trial.Rounds.Take(rounds)] })]);
        string better = between.Best.Load.Congestion;
        run.Advise(Line(
            $"congestion control: {(between.IsSure ? $"{better} for QUIC (vitrine share --quic {better})" : $"not known; {better} looks best for QUIC")}, within 5 % of the other one or better with {between.Sureness:P0} certainty. {between.Text[between.Text.IndexOf("Mean of", StringComparison.Ordinal)..]} Carried: {carried}. {kernel}."));
        if (forPictures.Best.Load.Protocol != EchoProtocol.Calls && forPictures.IsSure)
        {
            run.Advise($"congestion control: {forPictures.Best.Name} is best for pictures here, so it is the kernels' that counts.");
        }
    }

    private static void AdviseBuffers(RunBuilder run, PathRate rate, PathRate rateUp, Choice carrier)
    {
        string sure = rate.WindowSureness >= Advice.SurenessMin ? "" : "roughly ";
        string kernel = KernelReceiveBytesMax() is { } most
            ? most >= rate.WindowBytes ? Line($"; the kernel gives TCP up to {most / 1024} KiB (net.ipv4.tcp_rmem), which is enough") : Line($"; the kernel gives TCP {most / 1024} KiB at most: raise the last figure of net.ipv4.tcp_rmem to {rate.WindowBytes}")
            : "";
        long own = new Transports.Quic.QuicClientOptions().StreamWindowBytesMax;
        string quic = own >= rate.WindowBytes ? Line($"QUIC's windows grow to {own / 1024} KiB a stream by themselves, which is enough") : Line($"QUIC's windows end at {own / 1024} KiB a stream, which is not enough for one stream: several share the path");
        // What comes while a program is not woken up for 20 ms.
        long burst = Math.Max(208 << 10, (long)(rate.Megabits * 1e6 / 8 * 0.02));
        run.Advise(Line(
            $"buffers: {sure}{rate.WindowBytes / 1024} KiB for a stream's window and for a TCP socket, twice the {rate.UnderWayBytes / 1024:0.#} KiB that are under way at {rate.Megabits:0.#} Mbit/s and a round trip of {rate.RoundTripMs:0.##} ms ({rate.WindowSureness:P0} certainty; {rate.RangeText} by {carrier.Name}); upwards {rateUp.WindowBytes / 1024} KiB at {rateUp.Megabits:0.#} Mbit/s. {burst / 1024} KiB for a UDP socket, 20 ms of it. {quic}{kernel}."));
    }

    private static void AdviseCodec(RunBuilder run, PathRate rate, Choice carrier, LiveLook? look)
    {
        string rung = rate.Rung.Megabits == 0 ? rate.Rung.Carries : $"--bitrate {rate.Rung.Megabits}: {rate.Rung.Carries}";
        string known = rate.RungSureness >= Advice.SurenessMin ? rung : $"not known for certain; {rung}";
        string live = look is { } seen
            ? Line($" The live stream brought {seen.Frames} frames in {seen.Seconds:0.#} s, {seen.MeanBytes / 1024:0.#} KiB each on average, {seen.LargestBytes / 1024:0.#} KiB the largest, which takes {seen.LargestBytes * 8 / 1e3 / Math.Max(0.001, rate.Megabits):0} ms here.")
            : "";
        run.Advise(Line($"codec: {known} ({rate.RungSureness:P0} certainty). {rate.RangeText} came down by {carrier.Name}; {rate.UsableMegabits:0.##} Mbit/s of them may be counted on.{live}"));
    }

    // By each, then more often by the one that carries most.
    private static async Task<(PathRate Down, PathRate Up, Choice Carrier, Dictionary<Choice, (int ChunkBytes, List<double> Megabits)> Filling)> MeasureRateAsync(
        Choice[] choices, double roundTripMs, LoadProcess agent, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        var filling = new Dictionary<Choice, (int ChunkBytes, List<double> Megabits)>();
        foreach (Choice choice in choices)
        {
            report($"What {choice.Name} carries", 0.7 * filling.Count / choices.Length);
            filling[choice] = await FillAsync(choice, isUp: false, roundTripMs, agent, options, cancellationToken);
        }

        Choice carrier = filling.MaxBy(each => each.Value.Megabits.Max()).Key;
        report($"What {carrier.Name} carries", 0.7);
        (int upBytes, List<double> upwards) = await FillAsync(carrier, isUp: true, roundTripMs, agent, options, cancellationToken);
        (int downBytes, List<double> downwards) = filling[carrier];
        List<double> down = [], up = [];
        int rounds = options.Quick ? 3 : 5;
        for (int round = 0; round < rounds; round++)
        {
            report($"What {carrier.Name} carries", 0.75 + (0.25 * round / rounds));
            down.Add(await FillRoundAsync(carrier, false, downBytes, roundTripMs, downwards.Max(), agent, options, cancellationToken));
            up.Add(await FillRoundAsync(carrier, true, upBytes, roundTripMs, upwards.Max(), agent, options, cancellationToken));
        }

        return (Rate(down, downBytes, "down"), Rate(up, upBytes, "up"), carrier, filling);

        // A round in which nothing arrived says that it failed, not what the path carries.
        PathRate Rate(List<double> megabits, int bytes, string direction) => megabits.Exists(round => round > 0)
            ? new([.. megabits.Where(round => round > 0)], roundTripMs)
            : throw new LaboratoryException($"Nothing of {bytes / 1024} KiB arrived {direction} the path by {carrier.Name} in {rounds} rounds of {FillingSecondsMax(options)} s: is it there, and does it carry 0.1 Mbit/s?");
    }

    private static async Task<(int ChunkBytes, List<double> Megabits)> FillAsync(
        Choice choice, bool isUp, double roundTripMs, LoadProcess agent, LabOptions options, CancellationToken cancellationToken)
    {
        List<double> megabits = [];
        int chunk = s_chunks[0];
        foreach (int next in roundTripMs > 200 ? s_chunks[1..] : s_chunks)
        {
            double before = megabits.Append(0).Max();
            // Larger pieces would not arrive in time, and are not needed where the rate is far below a piece of each stream in a round trip.
            if (megabits.Count > 0 && SecondsToFill(next, before) > FillingSecondsMax(options) && before < 0.5 * FillingStreams * chunk * 8 / 1e3 / roundTripMs)
            {
                break;
            }

            double carried = await FillRoundAsync(choice, isUp, next, roundTripMs, before, agent, options, cancellationToken);
            bool isMore = megabits.Count == 0 || carried > megabits[^1];
            chunk = isMore ? next : chunk;
            bool isMuchMore = megabits.Count == 0 || carried > 1.2 * megabits[^1];
            megabits.Add(carried);
            if (!isMuchMore)
            {
                break;
            }
        }

        return (chunk, megabits);
    }

    private static double FillingSecondsMax(LabOptions options) => options.Quick ? 2 : 4;

    // Several times what is asked for at a time, because what comes in pieces is counted in pieces.
    private static double SecondsToFill(int bytes, double megabits) => 4 * FillingStreams * bytes * 8 / 1e6 / megabits;

    // Long enough for a window to open, which doubles each round trip. 0: it failed, or nothing arrived in time.
    private static async Task<double> FillRoundAsync(
        Choice choice, bool isUp, int bytes, double roundTripMs, double megabitsBefore, LoadProcess agent, LabOptions options, CancellationToken cancellationToken)
    {
        double pieces = megabitsBefore > 0 ? SecondsToFill(bytes, megabitsBefore) : 0;
        EchoLoad load = choice.Load with
        {
            PayloadBytes = isUp ? bytes : 32,
            ReplyBytes = isUp ? 1 : bytes,
            Connections = 1,
            Streams = FillingStreams,
            RequestsPerSecond = 0,
            RequestsMax = Math.Max(1, FillingBytesMax / bytes),
            WarmSeconds = Math.Clamp(6 * roundTripMs / 1e3, 0.15, options.Quick ? 0.5 : 3),
            Seconds = Math.Clamp(Math.Max(6 * roundTripMs / 1e3, pieces), options.Quick ? 0.5 : 1.2, FillingSecondsMax(options)),
            KeepsValues = false,
            TimeoutSeconds = AdvisedHost.PatienceSeconds,
        };
        EchoLoadResult result = await agent.PlayAsync(load, cancellationToken);
        return result.Failure is null ? result.Arrived * bytes * 8.0 / 1e6 / Math.Max(Math.Min(result.Seconds, load.Seconds), 1e-3) : 0;
    }

    // As large as those of the screen that is looked at, when it moves; at most what the path carries.
    private static int FrameBytes(PathRate rate, LiveLook? look)
    {
        int most = Math.Clamp((int)(rate.UsableMegabits * 1e6 / 8 / PathRate.FramesPerSecond), 512, 1 << 20);
        return look is { Frames: >= 10 } moving ? (int)Math.Clamp(moving.MeanBytes, 512, most) : Math.Min(rate.FrameBytes, most);
    }

    private static async Task<LiveLook?> LookAsync(RunBuilder run, string path, Uri address, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        report("What the live stream is made of", 0.02);
        long largest = 0, bytes = 0, frames = 0;
        double roundTripMs;
        TimeSpan lasts = options.Quick ? s_streamLook / 2 : s_streamLook;
        try
        {
            await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(
                address,
                new()
                {
                    Name = "Vitrine adviser",
                    CertificateFingerprint = options.HostFingerprint,
                    FrameApplied = (_, frame) => (largest, bytes, frames) = (Math.Max(largest, frame.Bytes), bytes + frame.Bytes, frames + 1),
                },
                options.Time, cancellationToken);
            await viewer.WaitUntilAsync(_ => false, lasts);
            roundTripMs = viewer.Clock.DelayNs / 1e6;
        }
        catch (ViewerConnectException refused)
        {
            run.NotMeasured($"websocket: the live stream was not looked at: {refused.Message}");
            return null;
        }

        LiveLook look = new(frames, frames == 0 ? 0 : (double)bytes / frames, largest, lasts.TotalSeconds, roundTripMs);
        run.Add(new CaseRecord
        {
            Name = $"{path}-websocket/live",
            Metrics = new Dictionary<string, double> { ["roundTripMs"] = roundTripMs, ["frames"] = frames, ["meanBytes"] = look.MeanBytes, ["largestBytes"] = largest, ["seconds"] = look.Seconds },
        });
        return look;
    }

    private static string? KernelCongestion() => FirstLine("/proc/sys/net/ipv4/tcp_congestion_control");

    private static long? KernelReceiveBytesMax() =>
        FirstLine("/proc/sys/net/ipv4/tcp_rmem")?.Split('\t', ' ') is [.., { } last] && long.TryParse(last, CultureInfo.InvariantCulture, out long bytes) ? bytes : null;

    private static string? FirstLine(string path) => File.Exists(path) ? File.ReadLines(path).FirstOrDefault() : null;

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>What the adviser said, and how many times the cost of the best one its choice has.</summary>
    private sealed record AdviceCheck(CaseRecord Case, Advice Advice, double Ratio);

    /// <summary>What a live stream is made of.</summary>
    /// <param name="Frames">That came.</param>
    /// <param name="MeanBytes">Of a frame.</param>
    /// <param name="LargestBytes">The first whole picture as a rule.</param>
    /// <param name="Seconds">It was looked at for.</param>
    /// <param name="RoundTripMs">The fastest exchange of clocks over the WebSocket that carried it.</param>
    private sealed record LiveLook(long Frames, double MeanBytes, long LargestBytes, double Seconds, double RoundTripMs);
}
