using System.Globalization;
using System.Net;
using System.Numerics;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;

namespace Vitrine.Lab.Transport;

/// <summary>The adviser on one path, and held against longer measurements over emulated ones.</summary>
internal static class AdviseRounds
{
    /// <summary>What people click: small calls, now and then.</summary>
    private static readonly EchoLoad s_calls = new()
    {
        Protocol = EchoProtocol.Quic,
        Address = "",
        Fingerprint = "",
        Connections = 1,
        Streams = 8,
        PayloadBytes = 1024,
        RequestsPerSecond = 40,
        WarmSeconds = 0.5,
        Seconds = 3,
    };

    /// <summary>What a film is: a frame every 33 ms, some 10 Mbit/s.</summary>
    private static readonly EchoLoad s_frames = s_calls with { PayloadBytes = 40 << 10, RequestsPerSecond = 30 };

    /// <summary>Rates that a codec is set to, megabits a second, and what that is called.</summary>
    private static readonly (double Megabits, string Rung)[] s_rungs =
        [(200, "lossless tiles for everything"), (12, "video up to 12 Mbit/s"), (6, "video up to 6 Mbit/s"), (2, "video up to 2 Mbit/s"), (0, "video at half size, up to 1 Mbit/s")];

    /// <summary>What of a path a codec may count on: the rest is for what varies.</summary>
    private const double RateShare = 0.7;

    /// <summary>Advice for this machine's loopback: that the adviser works, and what the programs themselves cost.</summary>
    public static async Task RunAsync(RunBuilder run, EchoCertificate certificate, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        await using EchoServerProcess server = await EchoServerProcess.StartAsync(options, certificate, IPAddress.Loopback.ToString(), null, cancellationToken);
        await using LoadProcess agent = LoadProcess.Start(options);
        await AdviseAsync(run, "loopback", Choices(server, certificate), agent, options, report, cancellationToken);
    }

    /// <summary>Over a dozen networks: what the adviser chooses after a short trial against what a longer measurement finds best.</summary>
    public static async Task CheckAsync(
        RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        NetworkProfile[] profiles = [.. Profiles()];
        int wrong = 0, known = 0;
        for (int i = 0; i < profiles.Length; i++)
        {
            NetworkProfile profile = profiles[i];
            using WeakNetwork? network = WeakRounds.TryCreate(run, profile, options);
            if (network is null)
            {
                return;
            }

            report($"Advice over {profile.Name}", (double)i / profiles.Length);
            await using EchoServerProcess server = await EchoServerProcess.StartAsync(
                options, certificate, network.Far.Address.ToString(), (program, arguments) => network.Far.Start(program, arguments), cancellationToken);
            await using LoadProcess agent = LoadProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
            Choice[] choices = [.. Choices(server, certificate)];
            await Adviser.TryAsync(choices, s_calls with { Seconds = 1 }, 1, agent, _ => { }, cancellationToken); // code that runs for the first time
            Advice advice = Adviser.Choose(await Adviser.TryAsync(choices, s_calls, options.Quick ? 1 : 3, agent, _ => { }, cancellationToken));
            IReadOnlyList<Trial> longer = await Adviser.TryAsync(choices, s_calls with { Seconds = options.Quick ? 2 : 6 }, options.Quick ? 1 : 4, agent, _ => { }, cancellationToken);
            double chosenMs = longer.First(trial => trial.Choice.Name == advice.Best.Name).SlowestTenthMs, bestMs = longer.Min(trial => trial.SlowestTenthMs);
            double ratio = chosenMs / bestMs;
            known += advice.IsSure ? 1 : 0;
            wrong += advice.IsSure && !(ratio <= 1.05) ? 1 : 0;
            var metrics = new Dictionary<string, double> { ["sureness"] = advice.Sureness, ["chosenOverBest"] = ratio, ["isSure"] = advice.IsSure ? 1 : 0 };
            foreach (Trial trial in longer)
            {
                metrics[$"{trial.Choice.Name}SlowestTenthMs"] = trial.SlowestTenthMs;
            }

            run.Add(new CaseRecord { Name = $"advice/{profile.Name}", Parameters = new Dictionary<string, string> { ["advice"] = advice.Text }, Metrics = metrics });
        }

        run.AddGoal("advice wrong", wrong, 0);
        run.Add(RatioRecord.Of("advice known of all", (double)known / profiles.Length, null, lowerIsBetter: false));
    }

    private static IEnumerable<Choice> Choices(EchoServerProcess server, EchoCertificate certificate)
    {
        if (server.Ready.Quic is { } cubic)
        {
            yield return new("quic-cubic", s_calls with { Protocol = EchoProtocol.Quic, Address = cubic, Fingerprint = certificate.Fingerprint, Congestion = "cubic" });
        }

        if (server.Ready.QuicBbr is { } bbr)
        {
            yield return new("quic-bbr", s_calls with { Protocol = EchoProtocol.Quic, Address = bbr, Fingerprint = certificate.Fingerprint, Congestion = "bbr" });
        }

        yield return new("grpc", s_calls with { Protocol = EchoProtocol.Grpc, Address = server.Ready.Https, Fingerprint = certificate.Fingerprint });
        yield return new("http2", s_calls with { Protocol = EchoProtocol.Http2, Address = server.Ready.Https, Fingerprint = certificate.Fingerprint });
    }

    private static async Task AdviseAsync(
        RunBuilder run, string path, IEnumerable<Choice> all, LoadProcess agent, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        Choice[] choices = [.. all];
        int rounds = options.Quick ? 1 : 4;
        await Adviser.TryAsync(choices, s_calls with { Seconds = 0.5 }, 1, agent, _ => { }, cancellationToken);
        foreach ((string what, EchoLoad load, double from) in ((string, EchoLoad, double)[])[("calls", s_calls, 0), ("frames", s_frames, 0.45)])
        {
            EchoLoad tried = options.Quick ? load with { Seconds = 1 } : load;
            IReadOnlyList<Trial> trials = await Adviser.TryAsync(choices, tried, rounds, agent, done => report(from + (0.45 * done)), cancellationToken);
            Advice advice = Adviser.Choose(trials);
            run.Advise($"{what} of {tried.PayloadBytes} bytes, {tried.RequestsPerSecond} a second: {advice.Text}");
            foreach (Trial trial in trials)
            {
                run.Add(new CaseRecord
                {
                    Name = $"{path}-{trial.Choice.Name}/{what}",
                    Metrics = new Dictionary<string, double> { ["slowestTenthMs"] = trial.SlowestTenthMs, ["answers"] = trial.ValuesUs.Count, ["failed"] = trial.Failed },
                });
            }

            if (what == "frames")
            {
                await AdviseRateAsync(run, path, advice, trials, agent, options, cancellationToken);
            }
        }
    }

    // How much the path carries decides the codec's rate, and with the round trip how much must be under way at a time.
    private static async Task AdviseRateAsync(
        RunBuilder run, string path, Advice advice, IReadOnlyList<Trial> trials, LoadProcess agent, LabOptions options, CancellationToken cancellationToken)
    {
        EchoLoad bulk = advice.Best.Load with { PayloadBytes = 256 << 10, Connections = 1, Streams = 4, RequestsPerSecond = 0, Seconds = options.Quick ? 1 : 4, WarmSeconds = 1 };
        EchoLoadResult result = await agent.PlayAsync(bulk, cancellationToken);
        double megabits = result.Requests * bulk.PayloadBytes * 8.0 / 1e6 / Math.Max(result.Seconds, 1e-3);
        double roundTripMs = trials.SelectMany(trial => trial.ValuesUs).DefaultIfEmpty(double.NaN).Min() / 1e3;
        double usable = RateShare * megabits;
        string rung = s_rungs.First(each => usable >= each.Megabits).Rung;
        double windowBytes = Math.Max(256 << 10, BitOperations.RoundUpToPowerOf2((ulong)Math.Max(1, 2 * megabits * 1e6 / 8 * roundTripMs / 1e3)));
        run.Add(new CaseRecord
        {
            Name = $"{path}-{advice.Best.Name}/bulk",
            Metrics = new Dictionary<string, double> { ["megabitsPerSecond"] = megabits, ["roundTripMs"] = roundTripMs, ["windowBytes"] = windowBytes },
        });
        run.Advise(string.Create(CultureInfo.InvariantCulture,
            $"codec: {rung}. {megabits:0.#} Mbit/s each way were delivered by {advice.Best.Name}; {usable:0.#} of them may be counted on."));
        run.Advise(string.Create(CultureInfo.InvariantCulture,
            $"buffers: {windowBytes / 1024:0} KiB a stream, twice what is under way at {megabits:0.#} Mbit/s and a fastest answer of {roundTripMs:0.##} ms."));
    }

    /// <summary>What ships, and points between: a choice is to be right there too.</summary>
    private static IEnumerable<NetworkProfile> Profiles()
    {
        foreach (NetworkProfile profile in NetworkProfiles.All.Where(profile => profile.Paths.Count == 1))
        {
            yield return profile;
        }

        foreach ((int delayMs, double loss, long rate) in ((int, double, long)[])
            [(5, 0, 100_000_000), (10, 0.01, 50_000_000), (25, 0, 10_000_000), (25, 0.03, 10_000_000), (50, 0.01, 2_000_000), (75, 0.08, 20_000_000)])
        {
            yield return new NetworkProfile(
                string.Create(CultureInfo.InvariantCulture, $"rtt-{2 * delayMs}-loss-{100 * loss:0}-{rate / 1_000_000}mbit"),
                string.Create(CultureInfo.InvariantCulture, $"{2 * delayMs} ms round trip, {100 * loss:0} % loss, {rate / 1_000_000} Mbit/s"),
                new LinkProfile { Delay = TimeSpan.FromMilliseconds(delayMs), Loss = LossModel.Random(loss), RateBitsPerSecond = rate });
        }
    }
}
