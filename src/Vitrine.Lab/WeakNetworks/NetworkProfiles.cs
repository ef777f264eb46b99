namespace Vitrine.Lab.WeakNetworks;

/// <summary>The networks that have a name. «100 ms» in a name is the round trip, half of it each way; a loss is each direction's, so
/// that a request and its answer of a packet each both arrive with the square of what is not lost.</summary>
internal static class NetworkProfiles
{
    /// <summary>Nothing is added: what remains is the emulator itself, a fraction of a millisecond.</summary>
    public static NetworkProfile Clean { get; } = new("clean", "no delay, no loss, no rate: the emulator alone", new LinkProfile());

    /// <summary>A far server over good lines.</summary>
    public static NetworkProfile Rtt100 { get; } = new("rtt-100", "100 ms round trip (50 ms each way)", new LinkProfile { Delay = Milliseconds(50) });

    /// <summary>Another continent over a bad line.</summary>
    public static NetworkProfile Rtt200Loss5 { get; } = new(
        "rtt-200-loss-5", "200 ms round trip (100 ms each way), 5 % of each direction's packets lost at random",
        new LinkProfile { Delay = Milliseconds(100), Loss = LossModel.Random(0.05) });

    /// <summary>A radio link at its end.</summary>
    public static NetworkProfile Loss12Jitter80 { get; } = new(
        "loss-12-jitter-80", "round trip 100 ± 80 ms (50 ± 40 ms each way, uniform, order kept), 12 % of each direction's packets lost at random",
        new LinkProfile { Delay = Milliseconds(50), Jitter = Milliseconds(40), Loss = LossModel.Random(0.12) });

    /// <summary>A telephone that leaves the house: <see cref="WeakNetwork.ChangePath"/> goes from one to the other.</summary>
    public static NetworkProfile WifiTo4G { get; } = new(
        "wifi-to-4g",
        "Wi-Fi: 20 ± 8 ms round trip, 40 Mbit/s down, 20 up, 1 % lost in bursts of 3; then, with another address, 4G: 60 ± 20 ms, 20 Mbit/s down, 8 up, 0.2 % lost",
        [
            new PathProfile("wifi", Wifi(20_000_000, 128 << 10), Wifi(40_000_000, 256 << 10)),
            new PathProfile("lte", Lte(8_000_000, 200_000), Lte(20_000_000, 500_000)), // 200 ms of queue: mobile networks buffer deeply
        ]);

    /// <summary>A line of the telephone network: narrow upwards.</summary>
    public static NetworkProfile Dsl { get; } = new(
        "dsl", "30 ms round trip, 16 Mbit/s down with 100 ms of queue, 1 Mbit/s up with 250 ms of queue, 0.1 % lost",
        [
            new PathProfile(
                "dsl",
                new LinkProfile { Delay = Milliseconds(15), RateBitsPerSecond = 1_000_000, QueueBytesMax = 31_250, Loss = LossModel.Random(0.001) },
                new LinkProfile { Delay = Milliseconds(15), RateBitsPerSecond = 16_000_000, QueueBytesMax = 200_000, Loss = LossModel.Random(0.001) }),
        ]);

    /// <summary>By a geostationary satellite: 36,000 km up and down, twice.</summary>
    public static NetworkProfile Satellite { get; } = new(
        "satellite", "600 ± 20 ms round trip, 20 Mbit/s down, 3 Mbit/s up, each with 300 ms of queue, 1 % lost in bursts of 8",
        [
            new PathProfile("sat", GeostationaryLink(3_000_000, 112_500), GeostationaryLink(20_000_000, 750_000)),
        ]);

    /// <summary>All of them, from good to bad.</summary>
    public static IReadOnlyList<NetworkProfile> All { get; } = [Clean, Rtt100, Rtt200Loss5, Loss12Jitter80, WifiTo4G, Dsl, Satellite];

    /// <summary>Further ones, of one rate both ways, which advice is checked over: from fast and near to slow, far and lossy.</summary>
    public static IReadOnlyList<NetworkProfile> Lines { get; } =
    [
        Line(10, 0, 100), Line(20, 1, 50), Line(50, 0, 10), Line(50, 3, 10), Line(100, 1, 2), Line(150, 8, 20),
    ];

    /// <returns>Null when none is called so.</returns>
    public static NetworkProfile? Find(string name) => All.Concat(Lines).FirstOrDefault(profile => profile.Name == name);

    private static NetworkProfile Line(int roundTripMs, int lossPercent, int megabits) => new(
        $"rtt-{roundTripMs}-loss-{lossPercent}-{megabits}mbit", $"{roundTripMs} ms round trip, {lossPercent} % loss, {megabits} Mbit/s",
        new LinkProfile { Delay = TimeSpan.FromMilliseconds(roundTripMs / 2.0), Loss = LossModel.Random(lossPercent / 100.0), RateBitsPerSecond = megabits * 1_000_000L });

    private static LinkProfile Wifi(long rate, int queueBytes) => new()
    {
        Delay = Milliseconds(10),
        Jitter = Milliseconds(4),
        RateBitsPerSecond = rate,
        QueueBytesMax = queueBytes,
        Loss = LossModel.Bursts(0.01, 3),
    };

    private static LinkProfile Lte(long rate, int queueBytes) => new()
    {
        Delay = Milliseconds(30),
        Jitter = Milliseconds(10),
        RateBitsPerSecond = rate,
        QueueBytesMax = queueBytes,
        Loss = LossModel.Random(0.002),
    };

    private static LinkProfile GeostationaryLink(long rate, int queueBytes) => new()
    {
        Delay = Milliseconds(300),
        Jitter = Milliseconds(10),
        RateBitsPerSecond = rate,
        QueueBytesMax = queueBytes,
        Loss = LossModel.Bursts(0.01, 8),
    };

    private static TimeSpan Milliseconds(int count) => TimeSpan.FromMilliseconds(count);
}
