namespace Vitrine.Measurement.Tests;

/// <summary>Durations as they occur, in nanoseconds; the same in every run.</summary>
internal static class Distributions
{
    public static readonly string[] Names = ["uniform", "exponential", "lognormal", "bimodal", "pareto"];

    public static long[] Draw(string name, int count)
    {
        var random = new Random(name.Length);
        long[] values = new long[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (long)(name switch
            {
                "uniform" => 1e8 * random.NextDouble(),
                "exponential" => 3e6 * -Math.Log(1 - random.NextDouble()),
                "lognormal" => 2e6 * Math.Exp(0.8 * Normal(random)),
                "bimodal" => random.NextDouble() < 0.95 ? 3e5 + (2e4 * Normal(random)) : 4e7 + (5e6 * Normal(random)),
                "pareto" => 1e5 * Math.Pow(1 - random.NextDouble(), -1 / 1.1), // without a variance: its tail reaches minutes
                _ => throw new ArgumentOutOfRangeException(nameof(name)),
            });
        }

        return values;
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
