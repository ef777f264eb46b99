using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.Playback;

/// <summary>Two clocks, 50 parts in a million apart at most, 60 observations a second that a timer makes up to 15 ms late. What the
/// aligner answers is held against the truth: the stamp on the local clock, plus the way of 2 ms that no one-way observation can
/// tell from the clocks' offset. The first two seconds, in which nothing is known yet, count apart.</summary>
internal static class AlignerSimulation
{
    private const long SecondNs = 1_000_000_000;
    private const double FrameNs = SecondNs / 60.0;
    private const long WayNs = 2_000_000;
    private const double TimerJitterNs = 15e6;
    private const double DriftMax = 50e-6;
    private const long SettlingNs = 2 * SecondNs;

    private static readonly (string Name, Func<double, double> Drift)[] s_drifts =
    [
        ("aligner-plus-50ppm", _ => DriftMax),
        ("aligner-minus-50ppm", _ => -DriftMax),
        ("aligner-wandering", seconds => DriftMax * Math.Cos(seconds * 2 * Math.PI / 300)), // from one end to the other in 150 s
    ];

    public static void Run(RunBuilder run, LabOptions options, CancellationToken cancellationToken)
    {
        int seeds = options.Quick ? 4 : 20, minutes = options.Quick ? 3 : 10;
        var everything = new LatencyHistogram();
        double worstMeanMs = 0, worstSettlingMs = 0;
        foreach ((string name, Func<double, double> drift) in s_drifts)
        {
            var errors = new LatencyHistogram();
            double worstHereMs = 0;
            for (int seed = 1; seed <= seeds; seed++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                AlignerRun one = Simulate(seed, drift, minutes);
                errors.Add(one.Errors);
                worstHereMs = Math.Max(worstHereMs, one.Errors.MeanNs / 1e6);
                worstSettlingMs = Math.Max(worstSettlingMs, one.SettlingMaxNs / 1e6);
            }

            run.Add(RoundSeries.ToCase($"{name}/two-clocks", errors, Parameters(seeds, minutes), new Dictionary<string, double> { ["worstRunMeanMs"] = worstHereMs }));
            everything.Add(errors);
            worstMeanMs = Math.Max(worstMeanMs, worstHereMs);
        }

        run.Add(RoundSeries.ToCase("aligner/two-clocks", everything, Parameters(seeds * s_drifts.Length, minutes), new Dictionary<string, double> { ["worstRunMeanMs"] = worstMeanMs }));
        run.Add(new CaseRecord { Name = "aligner/first-two-seconds", Metrics = new Dictionary<string, double> { ["maxMs"] = worstSettlingMs } });
        run.AddGoal("aligner/two-clocks worstRunMeanMs", worstMeanMs, 0.2);
        run.AddGoal("aligner/two-clocks maxMs", everything.MaxNs / 1e6, 2);
    }

    /// <summary>One run; the same seed gives the same figures on every machine.</summary>
    public static AlignerRun Simulate(int seed, Func<double, double> drift, int minutes)
    {
        var random = new Random(seed);
        var aligner = new ClockAligner();
        var errors = new LatencyHistogram();
        double remoteNs = random.NextInt64(1000 * SecondNs), localNs = random.NextInt64(1000 * SecondNs), startedNs = localNs;
        long settlingMaxNs = 0;
        for (int i = 0; i < minutes * 60 * 60; i++)
        {
            localNs += FrameNs;
            remoteNs += FrameNs * (1 + drift((localNs - startedNs) / SecondNs));
            double earliestNs = localNs + WayNs;
            long errorNs = Math.Abs(aligner.Align((long)remoteNs, (long)(earliestNs + (random.NextDouble() * TimerJitterNs))) - (long)earliestNs);
            if (localNs - startedNs < SettlingNs)
            {
                settlingMaxNs = Math.Max(settlingMaxNs, errorNs);
            }
            else
            {
                errors.Record(errorNs);
            }
        }

        return new(errors, settlingMaxNs);
    }

    private static Dictionary<string, string> Parameters(int runs, int minutes) => new()
    {
        ["runs"] = runs.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["minutesEach"] = minutes.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["observations"] = "60 a second",
        ["timerJitter"] = "uniform, 0 to 15 ms",
    };
}

/// <summary>What one run of the simulation found.</summary>
internal readonly record struct AlignerRun(LatencyHistogram Errors, long SettlingMaxNs);
